"""Every path below a results folder. `docs/files.md` says what each file holds."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run; jobs write here and nowhere else."""

    path: Path

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def run_json(self) -> Path:
        """What the run is: canonical config, parents, function."""
        return self.path / "run.json"

    @property
    def progress(self) -> Path:
        """How far it is; replaced whole."""
        return self.path / "progress.json"

    @property
    def metrics(self) -> Path:
        """One JSON object per logged step."""
        return self.path / "metrics.jsonl"

    @property
    def lease(self) -> Path:
        """Who may write here now."""
        return self.path / "lease.json"

    @property
    def checkpoints(self) -> Path:
        """One folder for each checkpoint, named by the position it was taken at."""
        return self.path / "checkpoints"

    @property
    def artifacts(self) -> Path:
        """What the stage made beside checkpoints: features, answers."""
        return self.path / "artifacts"

    @property
    def result(self) -> Path:
        """What was measured."""
        return self.path / "result.json"

    @property
    def done(self) -> Path:
        """The marker written last; it carries the hash of `result`."""
        return self.path / "DONE"

    @property
    def wish(self) -> Path:
        """What a person wants of the run."""
        return self.path / "wish.json"

    @property
    def mirrored(self) -> Path:
        """Up to which step the run was told to others."""
        return self.path / "mirrored.json"

    @property
    def attempts(self) -> Path:
        """One folder for each try."""
        return self.path / "attempts"

    def attempt(self, number: int) -> "AttemptFolder":
        """The folder of one try, counted from 1."""
        return AttemptFolder(self.attempts / str(number))


@dataclass(frozen=True, slots=True)
class AttemptFolder:
    """The folder of one try at a run."""

    path: Path

    @property
    def number(self) -> int:
        """Which try it is, from 1."""
        return int(self.path.name)

    @property
    def intent(self) -> Path:
        """Written before the job is started."""
        return self.path / "intent.json"

    @property
    def log(self) -> Path:
        """Standard output and error of the job."""
        return self.path / "log.txt"

    def rank_log(self, rank: int) -> Path:
        """Output of one of the processes that make the attempt together; `log` is the first's."""
        return self.log if rank == 0 else self.path / f"log.{rank}.txt"

    @property
    def environment(self) -> Path:
        """Versions, host and device; no secrets."""
        return self.path / "environment.json"

    @property
    def exit(self) -> Path:
        """How it ended, written by the job itself."""
        return self.path / "exit.json"

    @property
    def seen(self) -> Path:
        """Since when the cluster says of its job what may still change."""
        return self.path / "seen.json"

    def life(self, number: int) -> Path:
        """How an earlier life of its job ended, from 1, before the cluster started it again."""
        return self.path / f"exit.{number}.json"


@dataclass(frozen=True, slots=True)
class SubmissionFolder:
    """The folder of one array of jobs on a cluster."""

    path: Path

    @property
    def token(self) -> str:
        """What the name of its jobs carries."""
        return self.path.name

    @property
    def submission(self) -> Path:
        """Which runs its jobs make; written before it is handed over."""
        return self.path / "submission.json"

    @property
    def script(self) -> Path:
        """What the cluster runs."""
        return self.path / "script.sh"

    @property
    def job(self) -> Path:
        """The number that the cluster gave it."""
        return self.path / "job.json"

    def log(self, number: int, task: int) -> Path:
        """What a job of the array printed before its worker began."""
        return self.path / f"{number}_{task}.log"


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """The results folder of one study."""

    path: Path

    @property
    def study_json(self) -> Path:
        """Which study the folder belongs to."""
        return self.path / "study.json"

    @property
    def plan_json(self) -> Path:
        """The plan as it was last launched."""
        return self.path / "plan.json"

    @property
    def lock(self) -> Path:
        """Held by the launcher that works on this study on this machine."""
        return self.path / "launch.lock"

    @property
    def runs(self) -> Path:
        """One folder for each run."""
        return self.path / "runs"

    def run(self, run_id: str) -> RunFolder:
        """The folder of one run."""
        return RunFolder(self.runs / run_id)

    @property
    def dashboard(self) -> Path:
        """The study's workspace at Weights & Biases, as it was last made."""
        return self.path / "dashboard.json"

    @property
    def submissions(self) -> Path:
        """One folder for each array of jobs on a cluster."""
        return self.path / "submissions"

    def submission(self, token: str) -> SubmissionFolder:
        """The folder of one array of jobs."""
        return SubmissionFolder(self.submissions / token)

    @property
    def code(self) -> Path:
        """One folder for each version of the code that jobs run."""
        return self.path / "code"

    @property
    def tables(self) -> Path:
        """The results table: `results.parquet`, `results.csv`, `cells.csv`."""
        return self.path / "tables"

    @property
    def fits(self) -> Path:
        """One JSON file for each fit."""
        return self.path / "fits"

    @property
    def figures(self) -> Path:
        """Pictures, each with its data file."""
        return self.path / "figures"

    @property
    def report(self) -> Path:
        """One page with everything."""
        return self.path / "report.html"
