"""Read a cluster's profile from its YAML file."""

from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from orchestrator.errors import ConfigError, SweepError
from orchestrator.spec.codec import decode
from orchestrator.spec.profile import Profile

PROFILES = Path("slurm/profiles")
"""Where profiles lie that are asked for by name, below the working folder."""

PROJECT = Path(__file__).resolve().parents[2]
"""The project's own folder: its profiles are found by name from anywhere."""

SUFFIX = ".yaml"


def load_profile(name_or_path: str, folder: Path = Path()) -> Profile:
    """Read a profile.

    Args:
        name_or_path: `a100` for `slurm/profiles/a100.yaml`, or a path: it has a slash or a suffix.
        folder: where relative paths begin.

    Raises:
        ConfigError: if there is no such file, it is not YAML, or it says something that does not
            hold.
    """
    path = folder / profile_path(name_or_path)
    own = PROJECT / profile_path(name_or_path)
    if not path.is_file() and own.is_relative_to(PROJECT / PROFILES) and own.is_file():
        path = own
    if not path.is_file():
        raise ConfigError(
            f"there is no profile {name_or_path!r}",
            where=str(path),
            mend=f"give the path of a profile, or one of: {_listed(folder)}",
        )
    try:
        tree = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except (OmegaConfBaseException, YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(
            f"the file is not YAML: {str(error).strip().splitlines()[0]}",
            where=str(path),
            mend="mend the file's syntax",
        ) from error
    try:
        return decode(Profile, tree)
    except SweepError as error:
        raise error.within(str(path)) from error


def profile_path(name_or_path: str) -> Path:
    """Return the path that a name stands for; a path stands for itself."""
    path = Path(name_or_path)
    is_path = path.suffix == SUFFIX or path.name != name_or_path
    return path if is_path else PROFILES / f"{name_or_path}{SUFFIX}"


def _listed(folder: Path) -> str:
    places = (folder / PROFILES, PROJECT / PROFILES)
    names = sorted({path.stem for place in places for path in place.glob(f"*{SUFFIX}")})
    return ", ".join(names)
