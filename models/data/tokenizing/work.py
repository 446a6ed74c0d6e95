"""The folder of a tokenization that is under way: `.tokenize/` among the shards.

Everything is first written there and then renamed to where it belongs, so that beside it there are
only whole files. It is removed when the manifest is written.
"""

import fcntl
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import DataError, RecordError
from orchestrator.spec.codec import Plain
from orchestrator.store.files import read_json, replacing, write_json


@dataclass(frozen=True, slots=True)
class PieceFiles:
    """Where a tokenized piece lies."""

    ids: Path
    """Ids of its documents, one after the other."""
    lengths: Path
    """Number of ids of each document."""
    counts: Path
    """Counts and faults; written last."""


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """Paths of a tokenization that is under way."""

    out: Path
    """The part that is made."""

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.out / ".tokenize"

    @property
    def plan(self) -> Path:
        """What is tokenized how: nothing else may go on here."""
        return self.path / "plan.json"

    @property
    def starts(self) -> Path:
        """Where each document begins among all ids, in the order of the shards."""
        return self.path / "starts.npy"

    @property
    def ends(self) -> Path:
        """Where each document ends in the stream of the shards."""
        return self.path / "ends.npy"

    def piece(self, number: int) -> PieceFiles:
        """Return where the tokenized piece of that number lies."""
        name = f"piece-{number:06d}"
        return PieceFiles(*(self.path / f"{name}.{end}" for end in ("ids", "lengths", "json")))

    @contextmanager
    def putting(self, name: str) -> Generator[Path]:
        """Give a temporary path, which becomes the part's file `name` when the block ends well."""
        staged = self.path / name
        with replacing(staged) as temporary:
            yield temporary
        staged.replace(self.out / name)
        handle = os.open(self.out, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    @contextmanager
    def held(self) -> Generator[None]:
        """Keep other tokenizations out while the block runs.

        Raises:
            DataError: if another process works here.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DataError(
                    "another process is tokenizing here", str(self.out), "wait until it is done"
                ) from error
            yield
        finally:
            os.close(handle)

    def begin(self, plan: dict[str, Plain]) -> None:
        """Write down what is begun here, or see that it is what was begun.

        Raises:
            DataError: if other text, another tokenizer or other settings were begun here.
        """
        try:
            found = read_json(self.plan) if self.plan.exists() else None
        except RecordError:
            found = {}
        if found is None:
            write_json(self.plan, plan)
        elif found != plan:
            differing = ", ".join(sorted(key for key in plan if found.get(key) != plan[key]))
            raise DataError(
                f"a tokenization with another {differing or 'plan'} was begun here",
                where=str(self.out),
                mend=f"give the same again, or remove {self.path} and the shards beside it",
            )

    def remove(self) -> None:
        """Remove the folder; what is left of a removal that was cut short is no plan."""
        self.plan.unlink(missing_ok=True)
        shutil.rmtree(self.path)
