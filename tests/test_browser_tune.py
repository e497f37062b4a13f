"""Tune in a real Chromium: a sweep that is watched, reloaded and cancelled; a finished one, in both themes; a wrong rate."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_site
from browsing import Window
from playwright.sync_api import Browser, expect

from lrerank.data.cards import read_card
from lrerank.data.own import keep, own_names
from lrerank.store import Store
from lrerank.ui.jobs import Jobs
from lrerank.ui.tune.setup import TuneSetup

CHART = ".lr-chart .main-svg"
LIVE = f".st-key-live {CHART}"
CONTROLS = ".st-key-horizon-settings"
SMALL = "catalog=little&horizon-settings=500&rates=0&rates=0.1"


@pytest.fixture(scope="module")
def catalog(lrerank_home: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A shop of one's own, in which a replicate takes a second."""
    folder = Store(lrerank_home).catalogs
    if "little" not in own_names(folder):
        file = small_site.shop(tmp_path_factory.mktemp("shop"))
        keep(folder, "little", file.read_bytes(), ".csv", read_card(file.with_name("shop.card.toml")))
    return "little"


def test_a_sweep_is_watched_reloaded_and_cancelled(browser: Browser, server: str, catalog: str) -> None:
    assert catalog
    window = Window(browser, server, f"tune?{SMALL}&replicates-settings=200", CONTROLS, 1280, "light")
    page = window.page
    page.wait_for_selector(CHART)
    page.get_by_role("button", name="Compare settings").click()
    page.wait_for_url("**run=tune-rate-*")
    page.wait_for_selector(LIVE, timeout=60_000)
    expect(page.get_by_text("provisional", exact=True)).to_be_visible()
    expect(page.get_by_text("of 200 replicates")).to_be_visible()
    window.shoot("tune-live-light-1280")
    address = page.url
    page.reload()
    expect(page.get_by_text("of 200 replicates")).to_be_visible(timeout=20_000)
    assert page.url == address
    expect(page.get_by_role("spinbutton", name="Replicates")).to_have_value("200")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("This run was cancelled")).to_be_visible(timeout=10_000)
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    window.settle()
    window.close()


def test_a_finished_sweep_and_a_rate_that_is_none(
    browser: Browser, server: str, catalog: str, lrerank_home: Path
) -> None:
    store = Store(lrerank_home)
    asked = TuneSetup(
        catalog=catalog,
        searches=300,
        logged=40,
        rates=(0.0, 0.3),
        strategies=("epsilon_greedy", "softmax"),
        replicates=2,
    )
    job = asked.begin(Jobs(), store)
    assert job.wait(120) and not job.problem
    for width, scheme in ((1920, "dark"), (1280, "light")):
        window = Window(browser, server, f"tune?run={job.run.run_id}&{SMALL}&rates=often", CHART, width, scheme)
        page = window.page
        expect(page.get_by_text("On 8 fresh replicates")).to_be_visible()
        expect(page.get_by_text("your catalog, assumed users")).to_be_visible()
        expect(page.get_by_text("“often” is no rate")).to_be_visible()
        expect(page.get_by_role("button", name="Compare settings")).to_be_disabled()
        page.get_by_text("Heat map", exact=True).click()
        window.settle()
        assert window.fits()
        window.shoot(f"tune-{scheme}-{width}")
        if scheme == "dark":
            window.close()
    # A cell opens its figures.
    box = page.locator(".lr-chart .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"])
    expect(page.get_by_role("button", name="Back to the best")).to_be_visible()
    page.get_by_role("button", name="Use this setting").click()
    expect(page.get_by_text("The setting goes with you to all pages.")).to_be_visible()
    page.wait_for_url("**policy=*")
    window.close()
