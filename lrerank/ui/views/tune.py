"""Which setting: exploration rates, features and cold start compared."""

from __future__ import annotations

from lrerank.ui.tune.page import draw

draw()
