"""The page Runs in a real Chromium: choose, reload, take along, compare, delete; both themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Window
from charting import EXPERIMENT, keep
from playwright.sync_api import Browser, expect

from lrerank.experiments.results import Run, Runs

TABLE, CHARTS = "[data-testid=stDataFrame] canvas", ".lr-chart .main-svg"


@pytest.fixture
def made(lrerank_home: Path) -> Iterator[tuple[Run, Run]]:
    """Two runs in the server's home, which were there first among those listed."""
    runs = Runs(lrerank_home / "runs")
    both = (
        keep(runs),
        keep(runs, experiment=EXPERIMENT.with_values({"name": "eager", "arms.learned.exploration_rate": 0.3})),
    )
    yield both
    for run in both:
        if run.run_id in runs.ids():
            runs.delete(run.run_id)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1920, "dark")])
def test_a_run_is_chosen_reloaded_and_taken_along(
    browser: Browser, server: str, made: tuple[Run, Run], width: int, scheme: str, tmp_path: Path
) -> None:
    window = Window(browser, server, "runs", TABLE, width, scheme)
    page = window.page
    expect(page.get_by_text("Choose a run in the table")).to_be_visible()
    # The box in front of the first row, which is drawn and no element.
    page.locator("[data-testid=stDataFrame]").click(position={"x": 18, "y": 70})
    page.wait_for_url(f"**run={made[1].run_id}")
    window.settle()
    window.reload()
    expect(page.get_by_text("In this built-in world greedy leads static")).to_be_visible()
    expect(page.locator(CHARTS).first).to_be_visible()
    assert window.fits()
    window.shoot(f"runs-{scheme}-{width}")
    page.get_by_test_id("stPopover").first.click()
    with page.expect_download() as begun:
        page.get_by_role("button", name="Report, HTML").click()
    begun.value.save_as(tmp_path / "report.html")
    assert EXPERIMENT.question in (tmp_path / "report.html").read_text("utf-8")
    window.close()


def test_two_runs_stand_side_by_side_and_one_is_deleted(browser: Browser, server: str, made: tuple[Run, Run]) -> None:
    first, second = made
    window = Window(browser, server, f"runs?run={first.run_id}&run={second.run_id}", CHARTS)
    page = window.page
    expect(page.get_by_role("heading", name="2 runs side by side")).to_be_visible()
    window.choose("Against", "eager:learned")
    expect(page.get_by_text("minus eager:learned").first).to_be_visible()
    assert window.fits()
    window.shoot("runs-side-by-side")
    page.goto(f"{server}/runs?run={second.run_id}")
    window.settle()
    page.get_by_role("button", name="Open in Simulate").click()
    page.wait_for_url(f"**/simulate?run={second.run_id}*")
    window.settle()
    page.goto(f"{server}/runs?run={second.run_id}")
    window.settle()
    page.get_by_test_id("stPopover").last.click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text(f"Deleted {second.run_id}.")).to_be_visible()
    assert second.run_id not in Runs(second.folder.parent).ids()
    window.close()
