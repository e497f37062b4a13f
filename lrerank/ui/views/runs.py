"""What ran before, to read, compare, export and delete."""

from __future__ import annotations

from lrerank.ui.runs.page import draw

draw()
