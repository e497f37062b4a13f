"""The first page and Simulate in a real Chromium: a run that is watched, reloaded, seen from a second window, cancelled."""

from __future__ import annotations

import pytest
from browsing import Window
from playwright.sync_api import Browser, expect

CHART, STEPS = ".lr-chart .main-svg", ".lr-steps"
SMALL = "arms=static+%28lexical%29&arms=uniform+%28random%29&searches=2%2C000"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1920, "dark")])
def test_it_opens_on_a_finished_comparison(browser: Browser, server: str, width: int, scheme: str) -> None:
    window = Window(browser, server, "", STEPS, width, scheme)
    page = window.page
    expect(page.get_by_text("In this built-in world learned leads static")).to_be_visible()
    expect(page.get_by_text("built-in world", exact=True)).to_be_visible()
    assert window.fits() and page.locator(CHART).count() == 0
    page.wait_for_function("window.Plotly", timeout=10_000)  # for the next page
    window.shoot(f"start-{scheme}-{width}")
    page.get_by_role("link", name="Open this comparison").click()
    page.wait_for_url("**/simulate?run=finished*")
    window.shows = CHART
    window.settle()
    expect(page.get_by_text("In this built-in world learned leads static")).to_be_visible()
    for view in ("Lift by step", "Exploration", "Segments", "Cold start", "Positions"):
        page.get_by_text(view, exact=True).click()
        window.settle()
        expect(page.locator(CHART).first).to_be_visible()
        window.shoot(f"simulate-{view.lower().replace(' ', '-')}-{scheme}-{width}")
    page.get_by_text("All measures", exact=True).click()
    page.wait_for_selector("[data-testid=stDataFrame]")
    assert window.fits()
    window.close()


def test_a_run_is_watched_from_two_windows_and_cancelled(browser: Browser, server: str) -> None:
    window = Window(browser, server, f"simulate?{SMALL}&replicates=200&stops=false", CHART)
    page = window.page
    page.get_by_role("button", name="Simulate", exact=True).click()
    expect(page.get_by_text("Provisional.")).to_be_visible(timeout=20_000)
    page.wait_for_url("**run=regulars-2000-*")
    page.wait_for_selector(".st-key-live .scatterlayer .trace", timeout=60_000)
    # Zoom and legend stay while the chart is drawn again, and no frame is blank.
    page.evaluate(WATCH)
    page.locator(".st-key-live .legendtoggle").first.click()
    page.wait_for_timeout(5000)
    assert page.evaluate("window.blank") == 0 and page.evaluate("window.redrawn") > 3
    hidden = page.evaluate(
        "document.querySelector('.st-key-live .lr-chart').data.some(trace => trace.visible === 'legendonly')"
    )
    assert hidden
    window.shoot("simulate-live")
    other = Window(browser, server, page.url.removeprefix(f"{server}/"), CHART)
    expect(other.page.get_by_text("Provisional.")).to_be_visible()
    window.page.reload()
    expect(page.get_by_text("Provisional.")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Cancel").click()
    # Both windows learn of it.
    for each in (page, other.page):
        expect(each.get_by_text("Provisional.")).to_have_count(0, timeout=10_000)
        expect(each.get_by_role("button", name="Use this setting")).to_be_visible(timeout=10_000)
    window.settle()
    other.close()
    window.close()


WATCH = """() => {
  window.blank = 0; window.redrawn = 0;
  const place = document.querySelector('.st-key-live .lr-chart');
  place.on('plotly_afterplot', () => { window.redrawn += 1; });
  const look = () => {
    const now = document.querySelector('.st-key-live .lr-chart');
    if (now !== place || !now.querySelector('.xtick')) window.blank += 1;
    requestAnimationFrame(look);
  };
  look();
}"""


def test_nothing_to_compare_is_said_and_not_begun(browser: Browser, server: str) -> None:
    window = Window(browser, server, "simulate?arms=static+%28lexical%29", CHART)
    expect(window.page.get_by_text("Choose at least one policy beside the baseline.")).to_be_visible()
    expect(window.page.get_by_role("button", name="Simulate", exact=True)).to_be_disabled()
    window.page.goto(f"{server}/simulate?run=none-such")
    expect(window.page.get_by_text("there is no such run")).to_be_visible()
    window.close()
