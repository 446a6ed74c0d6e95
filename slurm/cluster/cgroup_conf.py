"""The text of cgroup.conf: that no cgroup is used. Pure."""

_KNOWS_DISABLED = (24, 5)
"""First release whose CgroupPlugin may be `disabled`; before it, v1 starts and touches none."""


def cgroup_conf(version: tuple[int, int]) -> str:
    """Return the file for a release of Slurm, such as (22, 5)."""
    return f"CgroupPlugin={'disabled' if version >= _KNOWS_DISABLED else 'cgroup/v1'}\n"
