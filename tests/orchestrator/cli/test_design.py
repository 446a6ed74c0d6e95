"""What a study will say of L(N, D) is shown before it runs, and what to add once it is fitted."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis.fits.engine import fit
from analysis.fits.points import clean_points
from analysis.laws.chinchilla import CHINCHILLA, loss
from orchestrator.cli.design import addition_lines, trunks_of
from orchestrator.errors import FitError
from orchestrator.store.study_plan import load_plan

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "sweeps" / "demo.yaml"


def then_fit(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", "plan", *arguments, "--then-fit"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_a_plan_says_how_wide_the_intervals_will_be() -> None:
    done = then_fit("sweeps/chinchilla.yaml")
    assert done.returncode == 0, done.stderr
    widths = re.findall(r"^  (\w+) = \S+ \+-(\S+) by .*, \+-(\S+) in sim", done.stdout, re.M)
    assert [name for name, *_ in widths] == ["E", "alpha", "beta", "a"]
    for _, expected, simulated in widths:
        assert float(simulated) == pytest.approx(float(expected), rel=0.2)


def test_a_plan_of_one_size_is_refused_with_what_to_add() -> None:
    done = then_fit("sweeps/demo.yaml", "--model", "14k")
    assert done.returncode == 2
    assert "do not determine" in done.stderr
    assert "add sizes" in done.stderr


def test_the_next_runs_of_a_fitted_study_narrow_its_interval() -> None:
    plan = load_plan(DEMO)
    inputs = np.array([trunk[:2] for trunk in trunks_of(plan)])
    assert len(inputs) == 12  # the scaling arm alone, not the segments of other arms' trunks
    values = {"E": 1.0, "A": 40.0, "B": 90.0, "alpha": 0.35, "beta": 0.37}
    noise = 0.002 * np.random.default_rng(0).standard_normal(len(inputs))
    observed = loss(inputs[:, 0], inputs[:, 1], values=values) * np.exp(noise)
    points = clean_points(inputs, observed, [str(i) for i in range(len(inputs))])
    made = fit(CHINCHILLA, points, np.random.default_rng(0))
    said = "\n".join(addition_lines(plan, made, "alpha"))
    now = re.search(r"\+-(\S+) now", said)
    after = [float(value) for value in re.findall(r"then \+-(\S+) \(", said)]
    assert now is not None
    assert len(after) == 5
    assert [float(now[1]), *after] == sorted([float(now[1]), *after], reverse=True)
    with pytest.raises(FitError, match="has no gamma"):
        addition_lines(plan, made, "gamma")
