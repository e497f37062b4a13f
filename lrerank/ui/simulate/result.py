"""What a run shows: curves while it goes on, and everything when it has ended."""

from __future__ import annotations

from html import escape

import streamlit as st

from lrerank.charts.curves import (
    curves_figure,
    difference_curves,
    difference_figure,
    learning_curves,
    regret,
)
from lrerank.experiments.run import Snapshot
from lrerank.experiments.spec import Experiment
from lrerank.ui.chart import chart
from lrerank.ui.simulate.outcome import Outcome

_HEIGHT = 400
_LIVE = ("Difference", "Learning curves", "Regret")


def draw_live(snapshot: Snapshot, experiment: Experiment) -> None:
    """Curves, again and again."""
    view = st.segmented_control(
        "View", _LIVE, default=_LIVE[0], required=True, key="live-view", label_visibility="collapsed"
    )
    _curves(view or _LIVE[0], snapshot.overall, experiment)


def draw_outcome(outcome: Outcome, traffic: float) -> None:
    """Everything."""
    st.html(f'<p class="lr-lead">{escape(outcome.sentence)}</p>')
    _curves("Difference", outcome.figures, outcome.experiment)


def _curves(view: str, figures: object, experiment: Experiment) -> None:
    match view:
        case "Learning curves":
            found = learning_curves(figures, experiment)
            figure = curves_figure(found)
        case "Regret":
            found = regret(figures, experiment)
            figure = curves_figure(found)
        case _:
            found = difference_curves(figures, experiment)
            figure = difference_figure(found)
    chart(figure, key=f"chart-{view}", label=f"{view}: {found.title}", height=_HEIGHT, toolbar=True)
    st.caption(found.note)
