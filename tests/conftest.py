"""What all tests share: a home of their own, the folder with real data, and repeatable examples from hypothesis."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import FLAGS, running_app
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, sync_playwright

from lrerank.ui.demo import ready

ROOT = Path(__file__).resolve().parents[1]

# CI must give the same verdict twice; elsewhere new examples are welcome, but no slow machine's deadline.
settings.register_profile(
    "ci", derandomize=True, max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("local", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session", autouse=True)
def lrerank_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `LRERANK_HOME` names while tests run, so that none reads or writes the user's models and logs."""
    home = tmp_path_factory.mktemp("home")
    os.environ["LRERANK_HOME"] = str(home)
    return home


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with the real data; tests that ask for it are skipped on a machine without it."""
    folder = Path(os.environ.get("LRERANK_DATA") or ROOT / ".." / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip(f"real data is not at {folder}; set LRERANK_DATA to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine: install Debian's package chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def server(lrerank_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running app."""
    ready("marketplace", lrerank_home / "demo")
    with running_app(tmp_path_factory.mktemp("server") / "log") as (address, _):
        yield address
