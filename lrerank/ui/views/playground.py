"""One request, ranked several ways, and what a click does to it."""

from __future__ import annotations

from lrerank.ui.playground.page import draw

draw()
