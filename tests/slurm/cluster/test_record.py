"""What a folder remembers is what was started, or an error that says how to go on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import LaunchError, RecordError
from slurm.cluster.config import Accounting, ClusterConfig, Preempt, Requeue, usual_partitions
from slurm.cluster.folder import ClusterFolder
from slurm.cluster.processes import Process
from slurm.cluster.record import ClusterRecord, read_record, write_record
from slurm.cluster.site import this_host

RECORD = ClusterRecord(
    config=ClusterConfig(
        port=17_100,
        nodes=2,
        partitions=usual_partitions(Preempt.CANCEL, 10),
        accounting=Accounting.DATABASE,
        requeue=Requeue.OFF,
        settings=(("KillWait", "30"),),
    ),
    host=this_host(),
    daemons=(("munged", Process(pid=10, start_ticks=7)),),
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    folder = ClusterFolder(path=tmp_path)
    assert read_record(folder) is None
    write_record(folder, RECORD)
    assert read_record(folder) == RECORD


DAMAGES: dict[str, Callable[[str], str]] = {
    "cut short": lambda text: text[: len(text) // 2],
    "empty": lambda _: "",
    "a list": lambda _: "[]",
    "of another version": lambda text: text.replace('"version": 1', '"version": 99'),
    "out of range": lambda text: text.replace('"nodes": 2', '"nodes": 0'),
    "with an unknown key": lambda text: text.replace('"nodes"', '"hosts"'),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_record_is_an_error_with_its_place(tmp_path: Path, kind: str) -> None:
    folder = ClusterFolder(path=tmp_path)
    write_record(folder, RECORD)
    folder.record.write_text(DAMAGES[kind](folder.record.read_text()))
    with pytest.raises(RecordError) as caught:
        read_record(folder)
    assert caught.value.where == str(folder.record)
    assert "sweep cluster down" in caught.value.mend


def test_a_cluster_of_another_machine_is_left_to_it(tmp_path: Path) -> None:
    folder = ClusterFolder(path=tmp_path)
    write_record(folder, replace(RECORD, host="elsewhere"))
    with pytest.raises(LaunchError) as caught:
        read_record(folder)
    assert "elsewhere" in caught.value.what
    stopped = replace(RECORD, host="elsewhere", daemons=())
    write_record(folder, stopped)
    assert read_record(folder) == stopped


def test_a_daemon_started_again_takes_the_place_of_the_old_one() -> None:
    again = RECORD.with_daemon("munged", Process(pid=11, start_ticks=9))
    assert again.daemons == (("munged", Process(pid=11, start_ticks=9)),)
