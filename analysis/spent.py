"""What a run's attempts took, from their records. Reads files."""

from contextlib import suppress

from analysis.study import PlanRun, StudyResults
from orchestrator.errors import RecordError
from orchestrator.store.attempts import attempt_numbers, read_exit, read_lives


def spent_device_hours(study: StudyResults, run: PlanRun) -> float | None:
    """Return the device hours of all of a run's attempts, failed ones too.

    An attempt computes on as many devices as the plan gives the run. None if no attempt has
    recorded its end; a damaged record counts as none.
    """
    folder = study.folder.run(run.run_id)
    seconds: list[float] = []
    for number in attempt_numbers(folder):
        attempt = folder.attempt(number)
        with suppress(RecordError):
            ending = read_exit(attempt)
            seconds += [ending.seconds] if ending else []
            seconds += [life.seconds for life in read_lives(attempt)]
    if not seconds:
        return None
    return sum(seconds) / 3600 * (run.number("devices") or 1)
