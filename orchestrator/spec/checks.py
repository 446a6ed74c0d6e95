"""Range checks that the config dataclasses share. Pure."""

from orchestrator.errors import ConfigError


def check_at_least(name: str, value: float, least: float) -> None:
    """Refuse a value below `least`.

    Raises:
        ConfigError: naming the field and its value.
    """
    if not value >= least:
        raise ConfigError(
            f"{name} is {value}, less than {least}", where=name, mend=f"give at least {least}"
        )


def check_share(name: str, value: float) -> None:
    """Refuse a share outside [0, 1].

    Raises:
        ConfigError: naming the field and its value.
    """
    if not 0 <= value <= 1:
        raise ConfigError(
            f"{name} is {value}, outside [0, 1]",
            where=name,
            mend="give a fraction (0.8) or a percentage with its sign (80%)",
        )


def check_positive(name: str, value: float) -> None:
    """Refuse a value that is not above zero, infinite or not a number.

    Raises:
        ConfigError: naming the field and its value.
    """
    if not 0 < value < float("inf"):
        raise ConfigError(
            f"{name} is {value}, not a positive number", where=name, mend="give a number above 0"
        )
