"""Which metrics of a study a table shows, and the paper's names for benchmarks. Pure."""

from analysis.figures.curve import SCORE, plain_name
from analysis.study import StudyResults
from analysis.tables.score_table import Measured

_PAPER = {
    "vqav2": "VQAv2",
    "gqa": "GQA",
    "vizwiz": "VizWiz",
    "textvqa": "TextVQA",
    "refcoco": "RefCOCO",
    "ocidref": "OCID-Ref",
    "ocid": "OCID-Ref",
    "pope": "POPE",
}
"""The paper's name of each benchmark of its vision tasks, by plain name."""


def benchmark_words(name: str) -> str:
    """Return the paper's name of a benchmark, or its own."""
    return _PAPER.get(plain_name(name), name)


def benchmarks_of(study: StudyResults, suite: str) -> tuple[Measured, ...]:
    """Return each benchmark's own metric in the order measured, and the suite's stable score.

    A benchmark's own metric is the first that has a random baseline.
    """
    results = study.table.results
    rows = results[(results["suite"] == suite) & results["baseline"].notna()]
    rows = rows[rows["benchmark"] != "average"].drop_duplicates("benchmark")
    own = tuple(
        Measured(
            suite=suite,
            benchmark=str(row["benchmark"]),
            metric=str(row["metric"]),
            words=benchmark_words(str(row["benchmark"])),
        )
        for row in rows[["benchmark", "metric"]].to_dict("records")
    )
    average = Measured(suite=suite, benchmark="average", metric=SCORE, words="stable score")
    return (*own, average)


def vqa_v2(study: StudyResults) -> Measured:
    """Return VQAv2's accuracy; the mean vision score of a study that does not measure VQAv2."""
    for measure in benchmarks_of(study, "vision"):
        if measure.words == "VQAv2":
            return measure
    return Measured(suite="vision", benchmark="average", metric="score", words="vision score")
