"""What one sees first: a finished comparison, what it says, and what to try."""

from __future__ import annotations

from lrerank.ui.welcome.page import draw

draw()
