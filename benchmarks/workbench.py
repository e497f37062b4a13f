"""How long people wait for the workbench, in a real Chromium.

    python benchmarks/workbench.py [--minutes 0]

- first page: from a server that is up to the first page, complete with its chart, in a fresh browser; the second value is that of
  the same page again. The server's own start stands beside it.
- first curve, verdict: from the click on Simulate, with all that is set by default, to the first curve and to a verdict
  that is no longer provisional. Once in a new home by somebody in a hurry, who opens Start and is three seconds on each
  page; once after eight seconds of looking at the controls.
- in a third run, in which looking at every frame takes time itself: rerun, from a change of a control to what it says
  changing; blank, frames in ten seconds of live updates in which the chart was gone, and how often it was drawn.
- memory: with --minutes, the browser's heap before and after so many minutes of a long run, and searches streamed.

Chromium and Playwright have to be there (the tests' extra has Playwright).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browsing import FLAGS, IDLE, running_app

CHART, CURVE = ".lr-chart .main-svg", ".st-key-live .scatterlayer .trace"
FIRST = (".lr-steps .lr-bar", "text=Recent runs")
LONG = "arms=static+%28lexical%29&arms=uniform+%28random%29&searches=40%2C000&replicates=200&stops=false"
WATCH = """() => {
  window.blank = 0; window.redrawn = 0;
  const place = document.querySelector('.st-key-live .lr-chart');
  place.on('plotly_afterplot', () => { window.redrawn += 1; });
  const look = () => {
    if (document.querySelector('.st-key-live .lr-chart') !== place || !place.querySelector('.xtick')) window.blank += 1;
    requestAnimationFrame(look);
  };
  look();
}"""


def seconds_until(page: Page, selector: str, since: float, timeout: float = 300) -> float:
    page.wait_for_selector(selector, timeout=1000 * timeout)
    return time.monotonic() - since


def first_pages(browser: Browser, address: str) -> tuple[float, float]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    found = []
    for _ in range(2):
        began = time.monotonic()
        page.goto(address)
        found.append(max(seconds_until(page, part, began) for part in FIRST))
    page.close()
    return found[0], found[1]


def a_run(browser: Browser, address: str, seconds: float, *, start: bool = False, watched: bool = False) -> None:
    """One run from the click to the verdict, after some seconds of looking at the page; `start` looks at Start before."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    if start:
        page.goto(address)
        page.wait_for_selector(FIRST[0])
        page.wait_for_timeout(1000 * seconds)
        page.get_by_role("link", name="Simulate", exact=True).click()
    else:
        page.goto(f"{address}/simulate")
    page.wait_for_selector(CHART)
    page.wait_for_selector(IDLE)
    page.wait_for_timeout(1000 * seconds)
    began = time.monotonic()
    page.get_by_role("button", name="Simulate", exact=True).click()
    page.wait_for_selector("text=Provisional", timeout=60_000)
    if not watched:
        print(f"click to first curve   {seconds_until(page, CURVE, began):6.2f} s")
        print(f"click to verdict       {seconds_until(page, 'text=Use this setting', began):6.2f} s")
        page.close()
        return
    page.wait_for_selector(CURVE, timeout=60_000)
    page.evaluate(WATCH)
    page.wait_for_timeout(10_000)
    print(
        f"blank frames in 10 s   {page.evaluate('window.blank'):6d}   redrawn {page.evaluate('window.redrawn')} times"
    )
    reruns = []
    for key, share in (("ArrowRight", 69), ("ArrowLeft", 65), ("ArrowRight", 69), ("ArrowLeft", 65)):
        changed = time.monotonic()
        page.get_by_role("slider", name="Exploration rate").press(key)
        reruns.append(seconds_until(page, f"text={share} % of result pages", changed))
        page.wait_for_timeout(1000)
    print(f"rerun during a run     {min(reruns):6.2f} to {max(reruns):.2f} s")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_selector("text=Use this setting", timeout=60_000)
    page.close()


def memory(browser: Browser, address: str, minutes: float) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{address}/simulate?{LONG}")
    page.wait_for_selector(CHART)
    page.get_by_role("button", name="Simulate", exact=True).click()
    page.wait_for_selector("text=Provisional", timeout=60_000)
    page.wait_for_timeout(20_000)
    session = page.context.new_cdp_session(page)

    def heap() -> float:
        session.send("HeapProfiler.collectGarbage")
        used: float = session.send("Runtime.getHeapUsage")["usedSize"]
        return used / 1e6

    count = "document.querySelectorAll('*').length"
    before, nodes = heap(), page.evaluate(count)
    page.wait_for_timeout(60_000 * minutes)
    after = heap()
    said = page.locator("[data-testid=stProgress]").inner_text()
    print(f"heap {before:.1f} → {after:.1f} MB, elements {nodes} → {page.evaluate(count)}; {said}")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_selector("text=Use this setting", timeout=60_000)
    page.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=0)
    minutes = parser.parse_args().minutes
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        with new_server() as address:
            print("-- in a hurry in a new home")
            a_run(browser, address, 3, start=True)
        with new_server() as address:
            first, second = first_pages(browser, address)
            print(f"first page             {first:6.2f} s, again {second:.2f} s")
            print("-- after looking at the controls")
            a_run(browser, address, 8)
            a_run(browser, address, 8, watched=True)
            if minutes:
                memory(browser, address, minutes)
        browser.close()


@contextmanager
def new_server() -> Iterator[str]:
    """The address of an app on a new home."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LRERANK_HOME"] = folder
        with running_app(Path(folder) / "log") as (address, _):
            print(f"server up              {time.monotonic() - began:6.2f} s")
            yield address


if __name__ == "__main__":
    main()
