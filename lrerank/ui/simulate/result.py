"""What a run shows: curves while it goes on, and everything when it has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
import streamlit as st

from lrerank.charts.curves import curves_figure, difference_curves, difference_figure, learning_curves, regret
from lrerank.charts.lift_charts import net_return, net_return_figure, waterfall, waterfall_figure
from lrerank.charts.rows import forest_figure, groups_figure
from lrerank.charts.run_view import STOPPED
from lrerank.charts.values import of_whole_run
from lrerank.errors import LrerankError
from lrerank.experiments.lifts import explained, lifts
from lrerank.experiments.measures_table import MEASURES
from lrerank.experiments.results import Runs
from lrerank.experiments.run import Snapshot
from lrerank.experiments.spec import Experiment
from lrerank.store import Store
from lrerank.ui.chart import chart
from lrerank.ui.downloads import downloads
from lrerank.ui.frame import choose, download_buttons
from lrerank.ui.simulate.outcome import Outcome, no_steps, untold
from lrerank.ui.simulate.setup import Carried, carried
from lrerank.ui.words import plain, told

_HEIGHT = 400
# The first need no more than additive figures of everybody, so that they can be drawn while a run goes on.
_LIVE = ("Difference", "Learning curves", "Lift by step", "Exploration", "Regret")
_ENDED = (*_LIVE, "Segments", "Cold start", "Positions", "All measures")
_AGAINST = ("Against the baseline", "Each on its own")
_DIGITS = "%.4f"


def draw_live(snapshot: Snapshot, experiment: Experiment, traffic: float) -> None:
    """Curves, again and again."""
    view = _view(_LIVE)
    with st.container(key="live"):
        _draw(view, snapshot.overall, experiment, traffic)


def draw_outcome(outcome: Outcome, traffic: float) -> None:
    """Everything."""
    st.html(f'<p class="lr-lead">{escape(outcome.sentence)}</p>')
    if outcome.status == "stopped":
        st.caption(STOPPED)
    if explored := outcome.exploration(traffic):
        st.caption(plain(explored))
    _what_next(outcome, traffic)
    view = _view(_ENDED)
    match view:
        case "Exploration":  # what is said of it stands above
            _exploration(outcome.figures, outcome.experiment, traffic, {})
        case "Segments":
            _groups(outcome, "segment")
        case "Cold start":
            _groups(outcome, "history")
        case "Positions":
            _groups(outcome, "position")
        case "All measures":
            _measures(outcome)
        case _:
            _draw(view, outcome.figures, outcome.experiment, traffic)


def _view(names: Sequence[str]) -> str:
    found = st.segmented_control(
        "View", names, default=names[0], required=True, key="view", bind="query-params", label_visibility="collapsed"
    )
    return found or names[0]


def _draw(view: str, figures: pd.DataFrame, experiment: Experiment, traffic: float) -> None:
    match view:
        case "Learning curves":
            curves = learning_curves(figures, experiment)
            _chart(view, curves_figure(curves), curves.title, curves.note)
        case "Regret":
            curves = regret(figures, experiment)
            _chart(view, curves_figure(curves), curves.title, curves.note)
        case "Lift by step":
            steps = waterfall(figures, experiment)
            if not steps.bars:
                st.info(plain(no_steps(experiment)))
                return
            _chart(view, waterfall_figure(steps), steps.title, steps.note)
        case "Exploration":
            found = lifts(figures, experiment).exploration
            said = {each.comparison.arm: explained(each, experiment, traffic) for each in found}
            _exploration(figures, experiment, traffic, said)
        case _:
            curves = difference_curves(figures, experiment)
            _chart(view, difference_figure(curves), curves.title, curves.note)


def _chart(view: str, figure: dict[str, object], title: str, note: str, height: int = _HEIGHT) -> None:
    st.html(f'<div class="lr-title-of-chart">{escape(title)}</div>')
    chart(figure, key=f"chart-{view}", label=f"{view}: {title}", height=height, toolbar=True)
    if note:
        st.caption(plain(note))


def _exploration(figures: pd.DataFrame, experiment: Experiment, traffic: float, said: Mapping[str, str]) -> None:
    found = net_return(figures, experiment)
    if not found:
        st.info(untold(experiment) or "The first figures come in a few seconds.")
        return
    for curve in found:
        _chart(f"Exploration of {curve.arm}", net_return_figure(curve, traffic), curve.title, said.get(curve.arm, ""))


def _groups(outcome: Outcome, by: str) -> None:
    relative = _AGAINST[0]
    if by != "history":  # there the policies' groups hold other requests, so that differences would mislead
        relative = (
            st.segmented_control(
                "Values", _AGAINST, default=relative, required=True, key=f"against-{by}", label_visibility="collapsed"
            )
            or relative
        )
    found = outcome.groups(by, difference=relative != _AGAINST[1])
    if found is None or not found.cells:
        st.info("No group has figures under all policies.")
        return
    _chart(by, groups_figure(found), found.title, found.note, height=_HEIGHT)


def _measures(outcome: Outcome) -> None:
    table = outcome.measures
    columns = {
        name: st.column_config.NumberColumn(
            MEASURES[name].label, help=f"{MEASURES[name].description} In {MEASURES[name].unit}.", format=_DIGITS
        )
        for name in table.columns
    }
    st.dataframe(table, column_config=columns, width="stretch")
    start, end = outcome.experiment.window
    st.caption(
        f"Means of all replicates over searches {start:,} to {end:,}. Differences are surer than values: see above. "
        f"{of_whole_run(outcome.experiment, list(table.columns))}"
    )


def _what_next(outcome: Outcome, traffic: float) -> None:
    """Carry the setting on, ship it, or put another run beside it."""
    use, export, beside = st.columns([1.2, 1, 1.4])
    found = carried(outcome.experiment, f"the run {outcome.run.run_id}")
    use.button(
        "Use this setting",
        icon=":material/bookmark:",
        width="stretch",
        disabled=found is None,
        help="No arm of this run is a learned reranker."
        if found is None
        else f"All pages go on with {found.arm} of this run.",
        on_click=_carry_on,
        args=(found,),
    )
    with export.popover("Export", icon=":material/download:", width="stretch"):
        download_buttons(downloads(outcome.run, traffic), outcome.run.run_id)
    with beside.popover("Beside another run", icon=":material/compare_arrows:", width="stretch"):
        ids = [row.run_id for row in Runs(Store().runs).list() if row.kind == "simulate" and row.tasks]
        others = [run_id for run_id in ids if run_id != outcome.run.run_id]
        if not others:
            st.caption("Simulate again with another setting, then come back: both runs meet the same users and luck.")
        other = st.selectbox("Run", others, index=None, placeholder="Choose a run", key="beside") if others else None
    if found is not None and found.lost:
        st.caption(plain(found.lost))
    if other is not None:
        _beside(outcome, other)


def _carry_on(found: Carried) -> None:
    choose(found.policy)
    st.toast("The setting goes with you to all pages.", icon=":material/bookmark:")


def _beside(outcome: Outcome, other: str) -> None:
    try:
        found = outcome.beside(Runs(Store().runs).open(other))
    except LrerankError as error:
        st.warning(told(error))
        return
    _chart("Beside", forest_figure(found), found.title, found.note, height=90 + 34 * len(found.rows))
