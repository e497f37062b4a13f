"""The app in a real Chromium, from the server's start: the main path, one wrong input, two windows, both themes.

Screenshots are written to the folder that `LRERANK_SCREENSHOTS` names, where it is set.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from lrerank.ui.demo import ready

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine: install Debian's package chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(lrerank_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running app on a home of the tests; its log must hold no traceback when it ends."""
    ready("marketplace", lrerank_home / "demo")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    starts = f"from lrerank.ui.start import start; start(['--server.port={port}', '--server.headless=true'])"
    # The checkout's own package also where it is not installed; -P in `start` ignores the folder one stands in.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, "-c", starts], stdout=stream, stderr=stream, env=environment)
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_until_healthy(address, process)
            yield address
        finally:
            process.terminate()
            process.wait(10)
    assert "Traceback" not in log.read_text()


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1):  # noqa: S310  (our own server)
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("the server did not come up")


class Window:
    """A browser window on the app that notes what must never happen."""

    def __init__(self, browser: Browser, address: str, width: int = 1280, scheme: str = "light") -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        self.page: Page = context.new_page()
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self._note(request.url, address))
        self.page.goto(address)
        self.page.wait_for_selector(".st-key-learned-10", timeout=60_000)
        self.settle()

    def _note(self, url: str, address: str) -> None:
        if not url.startswith((address, address.replace("http", "ws"), "data:", "blob:")):
            self.wrong.append(f"asked {url}")

    def settle(self) -> None:
        self.page.wait_for_timeout(150)
        self.page.wait_for_selector(IDLE, timeout=30_000)
        self.page.wait_for_timeout(250)

    def titles(self) -> list[str]:
        return self.page.locator("[class*=st-key-learned-] .lr-title").all_inner_texts()

    def choose(self, label: str, option: str) -> None:
        box = self.page.get_by_role("combobox", name=re.compile(label))
        box.click()
        box.fill(option)
        box.press("Enter")
        self.settle()

    def shoot(self, name: str) -> None:
        folder = os.environ.get("LRERANK_SCREENSHOTS")
        if folder:
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"))

    def close(self) -> None:
        expect(self.page.locator(".stException")).to_have_count(0)
        assert not self.wrong
        self.page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1920, "dark")])
def test_it_opens_on_a_finished_comparison(browser: Browser, server: str, width: int, scheme: str) -> None:
    window = Window(browser, server, width, scheme)
    expect(window.page.get_by_text("built-in world, made-up users")).to_be_visible()
    expect(window.page.get_by_text("65 % of result pages contain an explored slot")).to_be_visible()
    expect(window.page.locator("[class*=st-key-static-]")).to_have_count(10)
    expect(window.page.locator(".js-plotly-plot")).to_be_visible()
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert window.page.evaluate(overflow) == 0
    window.shoot(f"rank-{scheme}-{width}")
    window.page.get_by_role("tab", name="Stage JSON and command").click()
    expect(window.page.get_by_text('"exploration_rate": 0.1')).to_be_visible()
    expect(window.page.get_by_text("lrerank rank").first).to_be_visible()
    window.shoot(f"rank-json-{scheme}-{width}")
    window.close()


def test_clicks_of_a_new_visitor_end_the_cold_start(browser: Browser, server: str) -> None:
    window = Window(browser, server)
    page = window.page
    window.choose("User", "New visitor")
    expect(page.get_by_text("Fallback · rerank ranked: the user is unknown")).to_be_visible()
    before = window.titles()
    for told in ("The order stays for now", "That ends the cold start"):
        page.get_by_role("button", name="I would click this").nth(4).click()
        window.settle()
        expect(page.get_by_text(told).first).to_be_visible()
    assert window.titles() != before
    expect(page.get_by_text("Fallback ·")).to_have_count(0)
    window.shoot("rank-after-two-clicks")
    window.close()


def test_a_typed_query_and_one_without_words(browser: Browser, server: str) -> None:
    window = Window(browser, server)
    before = window.titles()
    window.choose("Query", "wool rug for a bright room")
    assert window.titles() != before and len(window.titles()) == 10
    window.choose("Query", "!!!")
    assert len(window.titles()) in (0, 10)
    window.close()


def test_two_windows_do_not_disturb_each_other(browser: Browser, server: str) -> None:
    one, other = Window(browser, server), Window(browser, server)
    before = other.titles()
    assert one.titles() == before
    one.page.get_by_role("button", name="I would click this").nth(8).click()
    one.settle()
    expect(one.page.get_by_text("You clicked").first).to_be_visible()
    assert one.titles() != before
    other.page.reload()
    other.page.wait_for_selector(".st-key-learned-10")
    other.settle()
    assert other.titles() == before
    one.close()
    other.close()
