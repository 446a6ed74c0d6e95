"""`sweep cluster`: a real Slurm on this machine, to rehearse on."""

import json
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.errors import ConfigError
from slurm.cluster.config import Accounting, ClusterConfig, Preempt, Requeue, usual_partitions
from slurm.cluster.environment import environment_lines
from slurm.cluster.folder import ClusterFolder, cluster_folder
from slurm.cluster.gres_conf import gres_conf
from slurm.cluster.programs import check_programs
from slurm.cluster.record import read_record
from slurm.cluster.site import this_site
from slurm.cluster.slurm_conf import slurm_conf
from slurm.cluster.starting import Started, at_known_ports, start, start_at_free_ports
from slurm.cluster.status import ClusterStatus, look
from slurm.cluster.stopping import stop

FIRST_PORT = 17_000
"""Where the search for free ports begins."""

NOT_UP = 3
"""Exit code of `status` when some daemon of the cluster, or all of it, is not running."""

Folder = Annotated[
    Path | None, typer.Option("--dir", help="the cluster's folder [in the user's cache]")
]

cluster = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Start and stop a real Slurm on this machine, to rehearse on. Nothing outside one folder "
    "is touched.",
)


@cluster.command()
def up(  # noqa: PLR0913  (each is an option of the command)
    *,
    folder: Folder = None,
    nodes: Annotated[int, typer.Option(help="nodes, called n1, n2, ...")] = 4,
    cpus: Annotated[int, typer.Option(help="CPUs that each node claims to have")] = 4,
    gpus: Annotated[int, typer.Option(help="GPUs that each node pretends to have")] = 2,
    accounting: Annotated[
        bool, typer.Option("--accounting/--no-accounting", help="with a database, for sacct")
    ] = False,
    preempt: Annotated[
        Preempt, typer.Option(help="of jobs in main and brief, by jobs in high")
    ] = Preempt.REQUEUE,
    grace: Annotated[
        int, typer.Option(metavar="SECONDS", help="from the preemption signal to the end")
    ] = 0,
    requeue: Annotated[
        Requeue, typer.Option(help="jobs again when their node fails, unless they say")
    ] = Requeue.ON,
    max_array: Annotated[int, typer.Option(metavar="N", help="MaxArraySize")] = 1001,
    port: Annotated[int | None, typer.Option(help="first of 100 ports [free ones]")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="a line of slurm.conf")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the configuration")] = False,
) -> None:
    """Start a cluster, or the daemons of it that died; one that is up is left alone.

    Example: sweep cluster up --nodes 4 --gpus 2 --accounting
    """
    place = cluster_folder(folder)
    config = ClusterConfig(
        port=FIRST_PORT if port is None else port,
        nodes=nodes,
        cpus=cpus,
        gpus=gpus,
        partitions=usual_partitions(preempt, grace),
        accounting=Accounting.DATABASE if accounting else Accounting.NONE,
        requeue=requeue,
        max_array_size=max_array,
        settings=tuple(_setting(text) for text in settings or ()),
    )
    check_programs(config.accounting)
    if dry_run:
        known = config if port is not None else at_known_ports(config, place)
        typer.echo(_as_files(known, place))
        return
    started = start(config, place) if port is not None else start_at_free_ports(config, place)
    said = _said(started)
    typer.echo(f"{said}: {nodes} nodes with {cpus} CPUs and {gpus} GPUs; {place.path}")
    typer.echo(f'to use it: eval "$({_again("env", folder)})"')
    typer.echo(f"to stop it: {_again('down', folder)}")


@cluster.command()
def down(
    *,
    folder: Folder = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be ended")] = False,
) -> None:
    """End the cluster's jobs and daemons; its files stay until the next start.

    Example: sweep cluster down
    """
    place = cluster_folder(folder)
    if dry_run:
        record = read_record(place)
        names = ", ".join(record.alive()) if record else ""
        typer.echo(f"would end {names or 'nothing'}; {place.path}")
        return
    ended = stop(place)
    typer.echo(f"ended {ended} daemons; {place.path}" if ended else f"nothing was up; {place.path}")


@cluster.command()
def status(
    *,
    folder: Folder = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Show the cluster's daemons, nodes and jobs; exit with 3 where it is not up.

    Example: sweep cluster status
    """
    place = cluster_folder(folder)
    seen = look(place)
    typer.echo(_as_json(seen, place) if as_json else _as_text(seen, place))
    if seen is None or not seen.is_up:
        raise typer.Exit(NOT_UP)


@cluster.command()
def env(*, folder: Folder = None) -> None:
    """Print the lines that point this shell's Slurm commands at the cluster.

    Example: eval "$(sweep cluster env)"
    """
    typer.echo("\n".join(environment_lines(cluster_folder(folder))))


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(
            f"--set {text} has no =", where="--set", mend="write --set KEY=VALUE: --set KillWait=30"
        )
    return key, value


def _as_files(config: ClusterConfig, place: ClusterFolder) -> str:
    texts = {
        "slurm.conf": slurm_conf(config, place, this_site()),
        "gres.conf": gres_conf(config, place),
    }
    return "\n".join(f"# {place.etc / name}\n{text}" for name, text in texts.items())


def _said(started: Started) -> str:
    return {
        Started.NEW: "the cluster is up",
        Started.REVIVED: "the cluster is up again, with its jobs",
        Started.WAS_UP: "the cluster was up already",
    }[started]


def _again(command: str, folder: Path | None) -> str:
    return f"sweep cluster {command}" + (f" --dir {folder}" if folder else "")


def _as_text(seen: ClusterStatus | None, place: ClusterFolder) -> str:
    if seen is None:
        return f"no cluster was ever started; {place.path}"
    dead = [name for name, lives in seen.daemons.items() if not lives]
    state = "up" if not dead else "down" if len(dead) == len(seen.daemons) else "partly up"
    lines = [f"{state}; {place.path}"]
    if state == "partly up":
        lines.append(f"dead: {', '.join(dead)}; sweep cluster up starts them again")
    if seen.nodes:
        lines.append("nodes: " + ", ".join(f"{node} {word}" for node, word in seen.nodes.items()))
        jobs = ", ".join(f"{count} {word}" for word, count in sorted(seen.jobs.items()))
        lines.append(f"jobs: {jobs or 'none'}")
    return "\n".join(lines)


def _as_json(seen: ClusterStatus | None, place: ClusterFolder) -> str:
    content = {
        "folder": str(place.path),
        "up": seen is not None and seen.is_up,
        "slurm_conf": str(place.slurm_conf),
        "daemons": seen.daemons if seen else {},
        "nodes": seen.nodes if seen else {},
        "jobs": seen.jobs if seen else {},
    }
    return json.dumps(content)
