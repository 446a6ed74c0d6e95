"""An attempt's records as tests begin with them; `dataclasses.replace` changes what matters."""

from orchestrator.spec.execution import Execution
from orchestrator.spec.launch import Tracking
from orchestrator.store.attempts import Intent
from orchestrator.store.records import ProgressRecord

INTENT = Intent(
    attempt=1,
    token="t",
    execution=Execution(),
    data=(),
    tracking=Tracking.OFF,
    backend="local",
    slot=None,
    host="here",
    time="2026-01-02T03:04:05.000+00:00",
)
PROGRESS = ProgressRecord(
    attempt=1,
    pid=7,
    host="here",
    first_step=0,
    step=25,
    steps=100,
    position=1600,
    loss=1.2345,
    steps_per_second=12.0,
    heartbeat=INTENT.time,
)
