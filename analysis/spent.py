"""What a run's attempts took, from their records. Reads files."""

from analysis.study import PlanRun, StudyResults
from orchestrator.store.attempts import spent


def spent_device_hours(study: StudyResults, run: PlanRun) -> float | None:
    """Return the device hours of all of a run's attempts, failed ones too.

    None if no attempt has recorded its end.
    """
    return spent(study.folder.run(run.run_id)).device_seconds / 3600 or None
