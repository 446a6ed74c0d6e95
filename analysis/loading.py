"""Load a study's results and plan as frames, for Python and notebooks. Reads files."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from analysis.columns import described
from analysis.fits.losses import trunk_losses
from analysis.spent import spent_device_hours
from analysis.study import PlanRun, StudyResults, open_study
from orchestrator.errors import RecordError
from orchestrator.store.layout import StudyFolder

_NESTED = "from_scratch"
"""A part of a planned run that is no plain value: sums over its ancestors."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class LoadedStudy:
    """A study as frames. `columns()` says what each column is, and in which unit."""

    source: StudyResults
    """What the figures, tables and findings of `analysis` take."""
    results: pd.DataFrame
    """One row per measured number: run, suite, benchmark and metric."""
    plan: pd.DataFrame
    """One row per planned run: settings, planned costs, what it took, whether it is done."""

    @property
    def name(self) -> str:
        """The study's name."""
        return self.source.name

    @property
    def about(self) -> str:
        """What the study asks."""
        return self.source.about

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of its arms, in the plan's order."""
        return tuple(dict.fromkeys(arm for run in self.source.runs for arm in run.arms))

    def arm(self, name: str) -> pd.DataFrame:
        """Return the results of an arm's models under the arm's own labels, one row per number.

        Raises:
            RecordError: if the study has no such arm.
        """
        if name not in self.arms:
            raise RecordError(
                f"there is no arm {name!r}",
                f"the plan of {self.name}",
                f"give one of {', '.join(self.arms)}",
            )
        return self.source.table.arm_rows(name)

    def losses(self) -> pd.DataFrame:
        """Return the trunks' held-out text losses, one row each, ready for `fit`."""
        return trunk_losses(self.source)

    def columns(self) -> pd.DataFrame:
        """Return unit and meaning of every column of `results`, `plan` and `losses()`."""
        names = dict.fromkeys([*self.results, *self.plan, "trunk"])
        return described(str(name) for name in names)

    def _facts(self) -> dict[str, str]:
        done = int(self.plan["done"].sum())
        planned = self.plan["device_hours"].sum()
        spent = self.plan["spent_device_hours"].dropna()
        taken = f"{spent.sum():.4g} spent so far" if len(spent) else "none recorded as spent"
        return {
            "runs": f"{done:,} of {len(self.plan):,} done",
            "arms": ", ".join(self.arms),
            "numbers": f"{self.results['value'].notna().sum():,} measured, "
            f"{self.results['value'].isna().sum():,} absent with a reason",
            "device hours": f"{planned:.4g} planned for all runs, {taken}",
            "folder": str(self.source.folder.path),
        }

    def __repr__(self) -> str:
        lines = [f"{name}: {words}" for name, words in self._facts().items()]
        return "\n".join([f"{self.name}: {self.about}", *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{escape(name)}</th>'
            f'<td style="text-align:left">{escape(words)}</td></tr>'
            for name, words in self._facts().items()
        )
        return (
            f"<div><p><strong>{escape(self.name)}</strong>: {escape(self.about)}</p>"
            f"<table><tbody>{rows}</tbody></table></div>"
        )


def load(study: str | Path, results: str | Path = "results") -> LoadedStudy:
    """Load a study's results and plan.

    Args:
        study: its results folder, or its name.
        results: where results folders lie; read for a name alone.

    Raises:
        RecordError: if there is no such folder, or its plan or tables are missing or damaged.
    """
    source = open_study(StudyFolder(_folder(study, Path(results))))
    return LoadedStudy(
        source=source,
        results=source.table.results,
        plan=pd.DataFrame([_planned(source, run) for run in source.runs]),
    )


def _folder(study: str | Path, results: Path) -> Path:
    """Return the folder that has a plan: the one given, or the one of that name."""
    tried = (Path(study), results / study)
    for path in tried:
        if StudyFolder(path).plan_json.exists():
            return path
    raise RecordError(
        f"there is no launched study {str(study)!r}",
        " and ".join(str(StudyFolder(path).plan_json) for path in dict.fromkeys(tried)),
        "give a results folder, or a study's name and results=...; `sweep launch` writes the plan",
    )


def _planned(study: StudyResults, run: PlanRun) -> Mapping[str, object]:
    done = study.is_done(run)
    plain = {name: value for name, value in run.values.items() if name != _NESTED}
    return {
        **plain,
        "arms": ";".join(run.arms),
        "needs": ";".join(run.needs),
        "done": done,
        "spent_device_hours": spent_device_hours(study, run),
        "missing_because": None if done else study.reason_missing(run),
    }
