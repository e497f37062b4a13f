"""Rank one request: the static list beside the learned one, and what a click does to it."""

from __future__ import annotations

from lrerank.ui.rank_page import draw

draw()
