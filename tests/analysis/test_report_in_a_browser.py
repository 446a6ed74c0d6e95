"""The report in a real browser: nothing from outside, light and dark, readable on a phone.

Needs Playwright and a Chromium; without one the tests are skipped by name.
"""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from analysis.fits.study import fit_study
from analysis.report import write_report
from orchestrator.plan.observed import Observed, State
from orchestrator.store.layout import RunFolder, StudyFolder

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PHONE, DESK = 390, 1280
"""Widths in CSS pixels; a phone's is that of most iPhones."""
LONG = "an_arm_with_a_name_that_is_longer_than_a_phone_is_wide_" * 3


def look(run: RunFolder) -> Observed:
    """Say of this world's runs, which have no records, what their markers say."""
    return Observed(state=State.DONE if run.done.exists() else State.RUNNING)


@pytest.fixture(scope="module")
def page(build_study: Callable[..., StudyFolder]) -> Path:
    folder = build_study(
        models=("small", "middle", "large"),
        seeds=(0, 1, 2),
        arms=("timing", LONG),
        not_run=("small, at 80%, images 10%, inherited, 2 epochs, vision, seed 0",),
    )
    fit_study(folder, np.random.default_rng(0))
    wide = ",".join(f"column_{i}" for i in range(30))
    (folder.tables / "wide.csv").write_text(f"{wide}\n{wide}\n")
    now = datetime(2026, 1, 2, tzinfo=UTC)
    return write_report(folder, np.random.default_rng(0), now, look)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    playwright = pytest.importorskip("playwright.sync_api")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser is installed; looked for {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


class Visit:
    """The page opened once, with all that it asked for and complained of."""

    def __init__(self, browser: "Browser", page: Path, *, width: int, scheme: str) -> None:
        look: dict[str, Any] = {"color_scheme": scheme}
        self.tab = browser.new_page(viewport={"width": width, "height": 844}, **look)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.goto(page.as_uri(), wait_until="load")

    def ask(self, script: str) -> Any:
        """Return what a piece of JavaScript says of the page."""
        return self.tab.evaluate(script)


@pytest.fixture(scope="module", params=[(DESK, "light"), (DESK, "dark"), (PHONE, "dark")])
def visit(browser: "Browser", page: Path, request: pytest.FixtureRequest) -> Iterator[Visit]:
    width, scheme = request.param
    visit = Visit(browser, page, width=width, scheme=scheme)
    yield visit
    visit.tab.close()


def test_the_page_asks_for_nothing_but_itself(visit: Visit, page: Path) -> None:
    fetched = [url for url in visit.requests if not url.startswith("data:")]
    assert fetched == [page.as_uri()]
    assert visit.complaints == []


def test_every_picture_can_be_decoded(visit: Visit) -> None:
    script = """() => Promise.all([...document.images].map(image =>
        image.decode().then(() => image.naturalWidth, () => 0)))"""
    widths = visit.ask(script)
    assert len(widths) >= 4
    assert min(widths) > 0


def test_nothing_but_tables_and_pictures_scrolls_sideways(visit: Visit) -> None:
    root = "document.documentElement"
    assert visit.ask(f"{root}.scrollWidth <= {root}.clientWidth")
    script = """() => [...document.querySelectorAll('body *')].filter(one =>
        one.getBoundingClientRect().right > innerWidth + 1
        && !one.closest('.scroll, .wide')).map(one => one.outerHTML.slice(0, 80))"""
    assert visit.ask(script) == []


def test_text_is_large_enough_to_read_and_far_from_its_ground(visit: Visit) -> None:
    script = """() => {
        const light = colour => { const [r, g, b] = colour.match(/[\\d.]+/g).map(Number)
            .map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ground = one => { while (one) { const c = getComputedStyle(one).backgroundColor;
            if (!c.endsWith(', 0)')) return c; one = one.parentElement; }
            return 'rgb(255, 255, 255)'; };
        return [...document.querySelectorAll('p, th, td, li, a, figcaption, summary, code')]
            .filter(one => one.innerText.trim()).map(one => { const style = getComputedStyle(one);
            const [a, b] = [light(style.color), light(ground(one))].sort((x, y) => y - x);
            return [(a + 0.05) / (b + 0.05), parseFloat(style.fontSize)]; }); }"""
    seen = visit.ask(script)
    assert min(contrast for contrast, _ in seen) >= 4.5  # WCAG 2.2, success criterion 1.4.3
    assert min(size for _, size in seen) >= 11.5  # pixels


def test_dark_and_light_have_different_grounds(browser: "Browser", page: Path) -> None:
    script = "getComputedStyle(document.body).backgroundColor"
    grounds = {
        scheme: Visit(browser, page, width=PHONE, scheme=scheme).ask(script)
        for scheme in ("light", "dark")
    }
    assert grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 26)"}


def test_every_link_leads_to_a_place_on_the_page(visit: Visit) -> None:
    script = """() => [...document.querySelectorAll('a')].filter(link =>
        !document.querySelector(link.getAttribute('href'))).map(link => link.outerHTML)"""
    assert visit.ask(script) == []
