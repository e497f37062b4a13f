"""Catalogs and user tables: what they hold, and how one's own get in."""

from __future__ import annotations

from lrerank.ui.catalogs.page import draw

draw()
