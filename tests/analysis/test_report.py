"""The report is one page with the findings, the figures, the costs and what is missing."""

import html
import re
from collections.abc import Callable

import numpy as np
import pytest

from analysis.fit.study import fit_study
from analysis.report import write_report
from orchestrator.store.layout import StudyFolder

LACKING = "small, at 80%, images 10%, inherited, 2 epochs, vision, seed 0"


@pytest.fixture(scope="module")
def page(build_study: Callable[..., StudyFolder]) -> str:
    folder = build_study(models=("small",), arms=("timing",), not_run=(LACKING,))
    fit_study(folder, np.random.default_rng(0))
    return write_report(folder, np.random.default_rng(0)).read_text(encoding="utf-8")


def test_the_page_needs_no_other_file(page: str) -> None:
    assert "data:image/png;base64," in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "<script" not in page


def test_findings_stand_with_interval_and_verdict(page: str) -> None:
    assert "cooldown point 80 % minus 100 %, equal peak" in page
    assert re.search(r"\+\d+\.\d points", page)
    assert 'class="not-measured"' in page


def test_a_run_that_was_not_done_is_named(page: str) -> None:
    missing = page[page.index('id="missing"') :]
    assert html.escape(LACKING) in missing
    assert "1 planned runs have no result" in missing


def test_a_refused_fit_is_shown_with_its_reason(page: str) -> None:
    assert "<strong>Refused</strong>" in page
    assert "1 model sizes" in page


def test_figures_that_could_not_be_drawn_are_named(page: str) -> None:
    assert "Not drawn" in page
    assert "figure_6" in page


def test_text_from_the_study_is_escaped(page: str) -> None:
    assert "<with>" not in page
    assert "&lt;with&gt;" in page
    assert "box &lt;one&gt;" in page


def test_the_page_says_how_far_it_reaches(page: str) -> None:
    assert "shows what CPU cores show" in page


def test_costs_and_savings_are_there(page: str) -> None:
    assert "By stage" in page
    assert "1.5 device hours" in page
