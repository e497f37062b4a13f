"""`lrerank app`: hand this process over to Streamlit with the packaged page and its configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.resources import files
from typing import NoReturn


def command(options: Sequence[str] = ()) -> list[str]:
    """The command line of the server.

    -P keeps the user's folder off sys.path, where a folder `simulators` of their own would hide ours. The page is run by its
    path, because Streamlit looks for `.streamlit/config.toml` beside it.

    Args:
        options: Streamlit's own, such as `--server.port=8600`; they win over the packaged configuration.
    """
    page = files("lrerank.ui.entry") / "app.py"
    return [sys.executable, "-P", "-m", "lrerank.ui.server", "run", str(page), *options]


def start(options: Sequence[str] = ()) -> NoReturn:
    """Replace this process by the server, so that signals and the terminal belong to it alone."""
    arguments = command(options)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(arguments[0], arguments)  # noqa: S606 (no shell is what we want; the program is this Python)
