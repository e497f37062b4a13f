"""A comparison on simulated users, while it runs and after."""

from __future__ import annotations

from lrerank.ui.simulate.page import draw

draw()
