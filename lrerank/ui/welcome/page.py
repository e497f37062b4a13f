"""The first page."""

from __future__ import annotations

from lrerank.ui.frame import heading


def draw() -> None:
    """Draws the page."""
    heading("lrerank", "built-in world")
