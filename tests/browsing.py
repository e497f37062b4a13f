"""What browser tests share: a server of their own, and a window that notes what must never happen.

Screenshots are written to the folder that `LRERANK_SCREENSHOTS` names, where it is set.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"


@contextmanager
def running_app(log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address and the process of an app on the tests' home; its log must hold no traceback when it ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    starts = f"from lrerank.ui.serve import start; start(['--server.port={port}', '--server.headless=true'])"
    # The checkout's own package also where it is not installed; -P in `start` ignores the folder one stands in.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, "-c", starts], stdout=stream, stderr=stream, env=environment)
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_until_healthy(address, process)
            yield address, process
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
    """A browser window on a page of the app.

    Args:
        path: of the page, with what stands in its address.
        shows: a selector that is there when the page is complete.
    """

    def __init__(
        self, browser: Browser, address: str, path: str, shows: str, width: int = 1280, scheme: str = "light"
    ) -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        self.page: Page = context.new_page()
        self.shows = shows
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self._note(request.url, address))
        self.page.goto(f"{address}/{path}")
        self.settle()

    def _note(self, url: str, address: str) -> None:
        if not url.startswith((address, address.replace("http", "ws"), "data:", "blob:")):
            self.wrong.append(f"asked {url}")

    def settle(self) -> None:
        """Waits until the page is complete and nothing runs."""
        self.page.wait_for_timeout(150)
        self.page.wait_for_selector(self.shows, timeout=60_000)
        self.page.wait_for_selector(IDLE, timeout=30_000)
        self.page.wait_for_timeout(250)

    def choose(self, label: str, option: str) -> None:
        """Types into a box with options."""
        box = self.page.get_by_role("combobox", name=re.compile(label))
        box.click()
        box.fill(option)
        box.press("Enter")
        self.settle()

    def reload(self) -> None:
        """What F5 does."""
        self.page.reload()
        self.settle()

    def shoot(self, name: str) -> None:
        """A picture of the whole page, where pictures are wanted."""
        folder = os.environ.get("LRERANK_SCREENSHOTS")
        if folder:
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)

    def fits(self) -> bool:
        """Whether nothing is cut off at the side."""
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return bool(self.page.evaluate(overflow) == 0)

    def close(self) -> None:
        """Ends it, and fails where something went wrong on the way."""
        expect(self.page.locator(".stException")).to_have_count(0)
        assert not self.wrong
        self.page.context.close()
