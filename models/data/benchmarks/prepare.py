"""Makes a benchmark of published files: images first, then the index, then its entry.

What is there already is left alone, so that a call that was cut short goes on. A benchmark exists
once `benchmarks.json` names it, which is written last.
"""

import fcntl
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from models.data.benchmarks.download import Download, as_row, read_json
from models.data.benchmarks.placing import Placing, place_image
from models.data.benchmarks.published import Found, Published, Way
from models.data.benchmarks.ready import read_ready
from models.data.benchmarks.registry import DATA_SETS, data_set
from models.evaluation.index_file import family_of, read_question
from models.evaluation.question import Row
from orchestrator.errors import ConfigError, DataError
from orchestrator.spec.codec import Plain
from orchestrator.store.files import write_json, write_text

SHUFFLE_SEED = 21
"""Seeds the order of questions, which is that of vlm-evaluation's index files."""
_DECLARED = "benchmarks.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_TOLD_EVERY = 5000  # images between two lines about progress

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a benchmark is prepared."""

    name: str
    """In `benchmarks.json`, before the suffixes of the ways it is asked in."""
    placing: Placing = Placing.LINK
    """How images get into the part."""
    partial: bool = False
    """Whether fewer questions than published will do."""
    dry_run: bool = False
    """Whether nothing is written."""


def published() -> list[dict[str, Plain]]:
    """Say which data sets can be prepared, their sizes, and which files are read."""
    return [
        {
            "name": one.name,
            "questions": list(one.questions),
            "images": one.images,
            "benchmarks": [one.name + way.suffix for way in one.ways],
            "files": list(one.files),
            "source": one.source,
        }
        for one in DATA_SETS.values()
    ]


def prepare(
    name: str, source: Path, part: Path, options: Mapping[str, object], report: Report
) -> dict[str, Plain]:
    """Make a benchmark of published files, or of an index file of vlm-evaluation.

    Args:
        name: of the data set.
        source: folder of its published files, or a ready index file.
        part: folder to make it in; other benchmarks that are there stay.
        options: fields of `Options`; those absent have their defaults.
        report: told what is going on, a line at a time.

    Returns:
        What was made, counted.

    Raises:
        ConfigError: if there is no such data set.
        DataError: if files are missing or damaged, or sizes are not the published ones.
    """
    chosen, wanted = data_set(name), _options(name, options)
    download = Download(source if source.is_dir() else source.parent)
    found = list(_found(source, chosen, download))
    for note in download.notes:
        report(note)
    _check_unique(found)
    kept = _with_image(found, wanted, report)
    ways = tuple(way for way in chosen.ways if all(way.fits(one.row) for one in kept))
    problems = _check_rows(kept, ways)
    _check_sizes(kept, chosen, wanted, report, is_ready=not source.is_dir())
    record: dict[str, Plain] = {
        "questions": len(kept),
        "published_questions": list(chosen.questions),
        "images": len({one.place for one in kept}),
        "missing_images": len(found) - len(kept),
        "problems": problems,
        "files": {} if wanted.dry_run else _fingerprint(download),
    }
    if not wanted.dry_run:
        _place(kept, part, wanted.placing, report)
        _write(kept, part, ways, wanted, record)
    return {
        "benchmarks": [wanted.name + way.suffix for way in ways],
        "part": str(part),
        "written": not wanted.dry_run,
        **record,
    }


def _options(name: str, values: Mapping[str, object]) -> Options:
    given, placing = values.get("name"), values.get("placing", Placing.LINK)
    if placing not in list(Placing):
        raise ConfigError(f"images is {placing!r}", "--images", f"give {', '.join(Placing)}")
    chosen = given if isinstance(given, str) else name
    if not _NAME.fullmatch(chosen) or f"{chosen}.json" == _DECLARED:
        raise ConfigError(
            f"the name is {chosen!r}",
            "--as",
            "give letters, digits, '+', '-', '_' and dots, and not the name of another file",
        )
    return Options(
        name=chosen,
        placing=Placing(str(placing)),
        partial=values.get("partial") is True,
        dry_run=values.get("dry_run") is True,
    )


def _found(source: Path, chosen: Published, download: Download) -> list[Found]:
    """Read the questions, in the order in which the index has them."""
    if not source.exists():
        raise DataError("there is no such folder or file", str(source), "download the data set")
    if not source.is_dir():
        return list(read_ready(source, chosen, download))
    found = list(chosen.read(download))
    if not found:
        raise DataError("no question was found", str(source), "download the data set again")
    Random(SHUFFLE_SEED).shuffle(found)
    return found


def _check_unique(found: Sequence[Found]) -> None:
    first: dict[str, Found] = {}
    for one in found:
        other = first.setdefault(one.key, one)
        if other is not one:
            raise DataError(
                f"the id {one.key} is there twice, also in {other.where}",
                one.where,
                "download the file again, or leave one of them",
            )


def _with_image(found: Sequence[Found], options: Options, report: Report) -> list[Found]:
    """Return the questions whose image is there."""
    is_there = {picture: picture.is_file() for picture in {one.picture for one in found}}
    missing = [one for one in found if not is_there[one.picture]]
    if not missing:
        return list(found)
    images = len({one.picture for one in missing})
    what = (
        f"{images:,} images of {len(missing):,} questions are missing, such as {missing[0].picture}"
    )
    if not options.partial or len(missing) == len(found):
        raise DataError(
            what, missing[0].where, "download them, or leave these questions out with --partial"
        )
    report(f"{what}: these questions are left out")
    return [one for one in found if is_there[one.picture]]


def _check_rows(kept: Sequence[Found], ways: Sequence[Way]) -> dict[str, Plain]:
    """Read every row as an evaluation will, and count what is wrong but can be asked."""
    counts: Counter[str] = Counter()
    for number, way in enumerate(ways):
        family = family_of(Row({"family": way.family, "rule": way.rule.value}, "the data set"))
        for one in kept:
            row = Row({**one.row, "img_path": one.place}, one.where)
            question = read_question(family, one.key, row)
            if number == 0:
                counts.update(problem.value for problem in family.problems("an answer", question))
    counts.pop("unreadable_boxes", None)  # of the answer made up here
    return dict(sorted(counts.items()))


def _check_sizes(
    kept: Sequence[Found], chosen: Published, options: Options, report: Report, *, is_ready: bool
) -> None:
    sizes = (*chosen.questions, *(chosen.slim if is_ready else ()))
    images = len({one.place for one in kept})
    wrong: list[str] = []
    if len(kept) not in sizes:
        expected = " or ".join(f"{size:,}" for size in sizes)
        wrong.append(f"{len(kept):,} questions, published are {expected}")
    elif len(kept) in chosen.questions and chosen.images not in (None, images):
        wrong.append(f"{images:,} images, published are {chosen.images:,}")
    if not wrong:
        return
    if not options.partial:
        raise DataError(
            f"there are {wrong[0]}",
            chosen.name,
            "download the whole data set, or take what is there with --partial",
        )
    report(f"{chosen.name}: {wrong[0]}; scores are not comparable with published ones")


def _fingerprint(download: Download) -> dict[str, Plain]:
    """Return the SHA-256 of each file that was read; of very many, that of all of them."""
    hashes: dict[str, Plain] = {}
    together = hashlib.sha256()
    for path in download.read:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        hashes[path.relative_to(download.folder).as_posix()] = digest
        together.update(digest.encode())
    if len(hashes) <= 10:
        return hashes
    return {f"{len(hashes)} files": together.hexdigest()}


def _place(kept: Sequence[Found], part: Path, placing: Placing, report: Report) -> None:
    pictures = {one.place: one.picture for one in kept}
    for number, (place, picture) in enumerate(sorted(pictures.items()), start=1):
        place_image(picture, part / place, placing)
        if number % _TOLD_EVERY == 0:
            report(f"{number:,} of {len(pictures):,} images are in their place")


def _write(
    kept: Sequence[Found],
    part: Path,
    ways: Sequence[Way],
    options: Options,
    record: Mapping[str, Plain],
) -> None:
    index = f"{options.name}.json"
    rows = {one.key: {**one.row, "img_path": one.place} for one in kept}
    write_text(part / index, json.dumps(rows, indent=0, allow_nan=False) + "\n")
    with _alone(part):
        path = part / _DECLARED
        declared = dict(as_row(read_json(path), str(path)).values) if path.exists() else {}
        for way in ways:
            entry = {"family": way.family, "index": index, "rule": way.rule.value}
            declared[options.name + way.suffix] = {**entry, "prepared": dict(record)}
        write_json(path, declared)


@contextmanager
def _alone(part: Path) -> Generator[None]:
    """Keep other calls from changing the part's `benchmarks.json` meanwhile."""
    with (part / f".{_DECLARED}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
