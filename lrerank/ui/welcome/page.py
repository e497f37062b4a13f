"""The first page: a finished comparison, what to try, and what ran before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path

import streamlit as st

from lrerank.charts.lift_charts import Waterfall, waterfall
from lrerank.experiments.results import Runs
from lrerank.store import Store
from lrerank.ui.chart import expect_charts
from lrerank.ui.frame import heading, jobs
from lrerank.ui.policy import Policy
from lrerank.ui.simulate.outcome import Outcome
from lrerank.ui.simulate.setup import Setup, populations
from lrerank.ui.welcome.finished import RUN_ID, outcome
from lrerank.ui.welcome.steps import drawing
from lrerank.ui.words import plain

_DRAWN_AFTER = 1.5
_VIEWS = Path(__file__).parents[1] / "views"
_RECENT = 5


@dataclass(frozen=True, slots=True)
class _Link:
    """A way into a prepared state."""

    label: str
    told: str
    page: str
    state: Mapping[str, str]
    icon: str


_TRY = (
    _Link(
        "Try it as a person",
        "Search as a new visitor, click twice, and watch the lists turn to you, each move with its reason.",
        "playground",
        {"user": "visitor", "query": "trail running shoes"},
        ":material/person:",
    ),
    _Link(
        "Simulate this against what I run today",
        "Choose population, policies and exploration rate; a verdict with its interval follows while you watch.",
        "simulate",
        {},
        ":material/play_arrow:",
    ),
    _Link(
        "Use my catalog",
        "Drop a CSV, Parquet or JSON lines file: kinds of fields are guessed, then run the same on your documents.",
        "data",
        {},
        ":material/upload_file:",
    ),
)
_SCENARIOS = (
    _Link(
        "Two people, one query",
        "Switch the person above the lists: an electronics enthusiast and a cook see other headphones.",
        "playground",
        {"query": "noise cancelling headphones"},
        ":material/group:",
    ),
    _Link(
        "Tastes change today",
        "All tastes are new ones after 2,000 searches: who notices, and how fast?",
        "simulate",
        {"shift": "2000"},
        ":material/shuffle:",
    ),
    _Link(
        "A news morning",
        "Articles instead of products: topics, sources and how fresh they are.",
        "playground",
        {"catalog": "news"},
        ":material/newspaper:",
    ),
    _Link(
        "A product launch",
        "A third of the catalog arrives during the run, and nobody has clicked it yet.",
        "simulate",
        {"population": populations()["launches"].label},
        ":material/rocket_launch:",
    ),
)


def load() -> tuple[Outcome, Waterfall]:
    """What the page shows, read once."""
    shown = outcome()
    return shown, _steps()


@cache
def _steps() -> Waterfall:
    return waterfall(outcome().figures, outcome().experiment)


def draw() -> None:
    """Draws the page."""
    shown, steps = load()
    heading("Does a reranker that learns beat the one you have?", shown.provenance)
    left, right = st.columns([2.1, 1], gap="large")
    with left:
        st.html(f'<p class="lr-lead">{escape(shown.sentence)}</p>')
        st.caption(plain(shown.exploration()))
        st.html(drawing(steps))
        st.caption(steps.title)
        st.page_link(
            _VIEWS / "simulate.py",
            label="Open this comparison: curves, exploration, segments, cold start",
            icon=":material/arrow_forward:",
            query_params={"run": RUN_ID},
        )
    with right:
        st.markdown("## Three things to try")
        for link in _TRY:
            with st.container(border=True):
                _link(link)
                st.caption(link.told)
    scenarios, recent = st.columns([2.1, 1], gap="large")
    with scenarios:
        st.markdown("## Scenarios")
        for pair in (_SCENARIOS[:2], _SCENARIOS[2:]):
            for column, link in zip(st.columns(2), pair, strict=True):
                with column.container(border=True, height="stretch"):
                    _link(link)
                    st.caption(link.told)
    with recent:
        st.markdown("## Recent runs")
        _recent()
    expect_charts()
    jobs().prepare(Store(), Setup(Policy()).experiment(), after=_DRAWN_AFTER)


def _link(link: _Link) -> None:
    page = _VIEWS / f"{link.page}.py"
    st.page_link(page, label=f"**{link.label}**", icon=link.icon, query_params=dict(link.state))


def _recent() -> None:
    rows = [row for row in Runs(Store().runs).list() if row.status != "damaged"][:_RECENT]
    if not rows:
        st.caption("None yet. What you simulate is kept on this machine and listed here.")
    for row in rows:
        begun = datetime.fromisoformat(row.started).astimezone(UTC)
        page = "simulate" if row.kind == "simulate" else "tune"
        st.page_link(
            _VIEWS / f"{page}.py",
            label=f"{plain(row.name)} · {row.status} · {begun.day} {begun:%b %H:%M}",
            help=plain(row.question),
            query_params={"run": row.run_id},
        )
