"""What a sweep shows: the sentence, the charts, the table, and the setting to carry on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lrerank.charts.cold_start import cold_start, cold_start_figure
from lrerank.charts.heat import heat_figure
from lrerank.charts.rows import Forest, forest, forest_figure
from lrerank.evaluation.intervals import Estimate
from lrerank.experiments.ablation import Ablation
from lrerank.experiments.as_pipeline import MODEL_ID, Exported
from lrerank.experiments.cold_start import ColdStart
from lrerank.experiments.findings import SETTINGS
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep_table import SettingRow
from lrerank.experiments.sweep_verdict import SettingsTable
from lrerank.experiments.wording import measured, unit
from lrerank.ui.chart import chart
from lrerank.ui.frame import badge, choose
from lrerank.ui.playground.asked import percent
from lrerank.ui.policy import Policy
from lrerank.ui.tune.labels import searches
from lrerank.ui.tune.outcome import (
    PAGES,
    PRICE,
    VERDICT,
    Outcome,
    Panel,
    Recommendation,
    gaps,
    pages_help,
    pages_told,
    recommended,
    said,
    sentence_case,
    table,
)
from lrerank.ui.tune.pictures import dose_chart, dose_picture, heat_chart
from lrerank.ui.words import plain

_PICKED, _SEEN = "tune-picked", "tune-row"
_CURVE, _HEAT = "Curve", "Heat map"
_HEIGHT = 330
_MOST_LINES = 3
_NOTE = (
    "The star is the best setting; filled dots, and the shaded band, can't be told apart from it; open ones are shown to be "
    "worse. Whiskers: 95 % intervals one by one."
)
_MODEL = (
    f"`model_id` names the trained model that the stage ranks with: `lrerank train --model-id {MODEL_ID}` makes it from a "
    "log of interactions; any other name will do that both use."
)
_RUNS = Path(str(files("lrerank.ui"))) / "views" / "runs.py"


def draw_outcome(outcome: Outcome) -> None:
    """Everything that a sweep says when it has ended."""
    if outcome.kind == SETTINGS:
        _settings(outcome)
        return
    found = outcome.found
    draw_study(found, outcome.experiment)
    harmless = "What is shown to do harm is left out; leaving out several at once was not tried."
    _kept(outcome, harmless if isinstance(found, Ablation) else "")


def draw_panels(panels: Sequence[Panel], experiment: Experiment, run_id: str) -> None:
    """What is provisional: charts and tables of settings that have finished replicates."""
    for panel in panels:
        told = recommended(panel, experiment)
        where = f"{panel.label}: " if panel.label else ""
        _lead(
            f"{where}{told.title}",
            f"After {_replicates(panel)}{'.' if panel.replicates > 1 else ', without intervals.'}",
        )
    _charts(panels, experiment, run_id)
    if len(panels) == 1:
        _table(panels[0], experiment, run_id)


def draw_forest(found: Forest) -> None:
    """Differences so far."""
    st.markdown(f"**{found.title}**")
    _forest_chart(found, "early")
    st.caption(plain(searches(f"{found.axis}. {found.note}")))


def draw_study(found: SettingsTable | Ablation | ColdStart, experiment: Experiment) -> None:
    """The sentence and the chart of an ablation or a cold-start study, final or not."""
    _lead(searches(found.sentence))
    match found:
        case Ablation():
            _forest(forest(found, unit(experiment)), "features")
        case ColdStart():
            _cold_start(found, experiment)


def _settings(outcome: Outcome) -> None:
    panels, experiment, run_id = outcome.panels, outcome.experiment, outcome.run.run_id
    panel = panels[0]
    if len(panels) > 1:
        labels = [each.label for each in panels]
        label = st.segmented_control(
            "World", labels, default=labels[0], required=True, key=f"world-{run_id}", label_visibility="collapsed"
        )
        panel = panels[labels.index(label or labels[0])]
    told = recommended(panel, experiment)
    _lead(told.title, told.evidence, f"{told.reason} {told.price}")
    _charts(panels, experiment, run_id)
    _table(panel, experiment, run_id)
    _setting(outcome, panel, told)


def _charts(panels: Sequence[Panel], experiment: Experiment, run_id: str) -> None:
    """A panel per condition, each with the same axes."""
    doses = [dose_chart(panel, experiment) for panel in panels]
    heats = [heat_chart(panel, experiment) for panel in panels]
    views = [name for name, found in ((_CURVE, doses[0]), (_HEAT, heats[0])) if found is not None]
    if not views:
        return
    if doses[0] is not None and len(doses[0].series) > _MOST_LINES:
        views.reverse()
    view = views[0]
    if len(views) > 1:
        view = (
            st.segmented_control(
                "Chart", views, default=views[0], required=True, key=f"chart-of-{run_id}", label_visibility="collapsed"
            )
            or views[0]
        )
    places = st.columns(2) if len(panels) > 1 else [st.container()]
    ends = _same_range(panels) if len(panels) > 1 else None
    for number, (panel, dose, heat) in enumerate(zip(panels, doses, heats, strict=True)):
        with places[number % len(places)]:
            key = f"{view}-{run_id}-{number}"
            if panel.label:
                st.markdown(f"**{panel.label}**")
            if view == _CURVE and dose is not None:
                figure = dose_picture(dose)
                if ends is not None:
                    figure["layout"]["yaxis"]["range"] = ends
                picked = chart(figure, key=key, label=dose.title, height=_HEIGHT)
                note = f"{dose.axis}. {_NOTE}"
            elif heat is not None:
                height = 100 + 54 * len(heat.rows)
                picked = chart(heat_figure(heat), key=key, label=heat.title, height=height)
                note = f"{heat.axis}. Framed: can't be told from the best one, the star. Click a cell for its figures."
            else:
                continue
            if picked:
                st.session_state[_PICKED] = (panel.run_id, picked)
    st.caption(plain(searches(note)))


def _table(panel: Panel, experiment: Experiment, run_id: str) -> None:
    rows = pd.DataFrame(table(panel, experiment))
    columns: dict[str, Any] = {
        PAGES: st.column_config.ProgressColumn(
            help=pages_help(experiment.slots), format="%.0f %%", min_value=0, max_value=100
        ),
        PRICE: st.column_config.NumberColumn(
            format="%.1f",
            help=f"Of exploration, in {unit(experiment)} per 1,000 searches: expected reward of the list without "
            "exploration minus that of the list shown.",
        ),
        VERDICT: st.column_config.TextColumn(
            help="Tied: can't be told apart from the best one, allowing for the choice."
        ),
    }
    event = st.dataframe(
        rows,
        column_config=columns,
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode="single-row",
        key=f"table-{run_id}-{panel.run_id}-{panel.label}",
    )
    selected = tuple(event.selection.rows)
    if selected != st.session_state.get(_SEEN):
        st.session_state[_SEEN] = selected
        if selected:
            st.session_state[_PICKED] = (panel.run_id, panel.rows[selected[0]].variant.name)
    st.caption(
        f"Per 1,000 searches, with 95 % intervals one by one, paired over {_replicates(panel)}; searches "
        f"{panel.condition.experiment.window[0]:,} to {panel.condition.experiment.window[1]:,}. "
        f"{searches(panel.note)}"
    )


def _setting(outcome: Outcome, panel: Panel, told: Recommendation) -> None:
    """The setting that was picked, else the recommended one: its figures, and what to do with it."""
    run_id, name = st.session_state.get(_PICKED, ("", ""))
    best = panel.rows[0]
    row = (panel.row(name) if run_id == panel.run_id else None) or best
    with st.container(border=True, key="setting"):
        head, back = st.columns([4, 1.3], vertical_alignment="center")
        mark = badge("recommended") if row is best and told.sure else badge("best so far") if row is best else ""
        head.html(
            f'<div class="lr-heading"><b>{escape(sentence_case(panel.words.setting(row.variant)))}</b>{mark}</div>'
        )
        if row is not best:
            back.button("Back to the best", icon=":material/undo:", width="stretch", on_click=_forget)
        _figures(row, panel, outcome.experiment)
        if row is not best:
            st.caption("These figures had a part in comparing the settings; only the best one was run again.")
        origin = outcome.origin if row is best else f"{outcome.origin}, picked by hand"
        _ship(panel.carried(row, origin), panel.exported(row), outcome, panel.run_id)


def _figures(row: SettingRow, panel: Panel, experiment: Experiment) -> None:
    winner = panel.winner
    fresh = winner.fresh if winner is not None and row.best else None
    against, *best, pages, price = st.columns([1.4, 1, 1] if row.to_best is None else [1.4, 1, 1, 1])
    if fresh is None:
        _metric(against, f"Against {experiment.baseline}", row.against_baseline.headline)
    else:
        _metric(against, f"Against {experiment.baseline}, on fresh users", fresh.per_thousand.headline)
    if row.to_best is not None:
        _metric(best[0], "Against the best", row.to_best.headline)
    pages.metric(PAGES, percent(row.explored_pages), help=pages_told(panel, row))
    price.metric(f"Price ({unit(experiment)} per 1,000)", f"{row.price:.1f}")


def _metric(place: DeltaGenerator, label: str, estimate: Estimate) -> None:
    value, _, between = said(estimate).partition(" (")
    interval = between.rstrip(")") or None
    place.metric(label, value, interval, delta_color="off", delta_arrow="off")


def _ship(policy: Policy | None, exported: Exported | None, outcome: Outcome, run_id: str) -> None:
    use, download, *look = st.columns(2 if outcome.comes_along else 3)
    # A callback, so that all of the page knows of it when it is drawn next.
    use.button(
        "Use this setting",
        icon=":material/bookmark:",
        width="stretch",
        disabled=policy is None,
        help="Playground, Simulate and Tune go on with it.",
        on_click=_use,
        args=(policy,),
    )
    text = "" if exported is None else json.dumps(exported.stage, ensure_ascii=False, indent=2)
    download.download_button(
        "Stage JSON",
        text,
        "stage.json",
        "application/json",
        icon=":material/download:",
        width="stretch",
        disabled=exported is None,
        on_click="ignore",
    )
    if look and look[0].button("Open the run", icon=":material/history:", width="stretch"):
        st.switch_page(_RUNS, query_params={"run": run_id})
    for sentence in gaps(exported):
        st.caption(plain(sentence))
    if policy is not None and exported is not None:
        st.caption(_MODEL)
    if exported is not None:
        with st.expander("The stage as JSON, and the whole pipeline"):
            stage, pipeline = st.columns(2)
            stage.code(text, language="json")
            pipeline.code(json.dumps(exported.pipeline, ensure_ascii=False, indent=2), language="json")
            if not outcome.comes_along:
                st.caption(f"From the command line: `lrerank runs show {outcome.run.run_id}`")


def _kept(outcome: Outcome, note: str) -> None:
    kept = outcome.kept
    if kept is None:
        st.info("Nothing follows for the setting yet: more replicates or searches may tell.")
        return
    policy, exported = kept
    with st.container(border=True, key="setting"):
        features = "all features" if policy.features is None else f"{len(policy.features)} features"
        title = f"Looks at {features}, ranks from {policy.cold_start_after} past interactions on"
        st.html(f'<div class="lr-heading"><b>{escape(title)}</b></div>')
        if note:
            st.caption(plain(searches(note)))
        _ship(policy, exported, outcome, outcome.run.run_id)


def _forest(found: Forest, key: str) -> None:
    _forest_chart(found, key)
    st.caption(plain(searches(f"{found.title}. {found.axis}. {found.note}")))


def _forest_chart(found: Forest, key: str) -> None:
    chart(forest_figure(found), key=f"forest-{key}", label=found.title, height=70 + 30 * len(found.rows))


def _cold_start(found: ColdStart, experiment: Experiment) -> None:
    drawn = cold_start(found, unit(experiment))
    chart(cold_start_figure(drawn), key="cold-start", label=drawn.title, height=380)
    st.caption(plain(searches(f"{drawn.title}. {drawn.note}")))
    rows = [
        {
            "Past interactions": row.group,
            "Share of searches": row.share,
            "Model": row.learned,
            "Fallback": row.fallback,
            "Model minus fallback": _between(row.difference, row.low, row.high),
            "Without exploration": _between(row.greedy, row.greedy_low, row.greedy_high),
        }
        for row in found.rows
    ]
    columns: dict[str, Any] = {
        "Share of searches": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
        "Model": st.column_config.NumberColumn(format="%.1f"),
        "Fallback": st.column_config.NumberColumn(format="%.1f"),
    }
    st.dataframe(pd.DataFrame(rows), column_config=columns, hide_index=True, width="stretch")


def _between(value: float, low: float | None, high: float | None) -> str:
    number, between = measured(value, low, high)
    return f"{number} ({between})" if between else number


def _lead(first: str, then: str = "", below: str = "") -> None:
    rest = f" {escape(then)}" if then else ""
    bold = f"<b>{escape(first)}</b>" if then else escape(first)
    more = f"<p>{escape(below)}</p>" if below else ""
    st.html(f'<p class="lr-lead">{bold}{rest}</p>{more}')


def _same_range(panels: Sequence[Panel]) -> list[float]:
    ends = [
        end
        for panel in panels
        for row in panel.rows
        for end in (row.against_baseline.headline.low, row.against_baseline.headline.high)
        if end is not None
    ] or [row.against_baseline.headline.value for panel in panels for row in panel.rows]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = 0.06 * (high - low or 1.0)
    return [low - room, high + room]


def _replicates(panel: Panel) -> str:
    return f"{panel.replicates} replicate{'s' if panel.replicates != 1 else ''}"


def _use(policy: Policy) -> None:
    choose(policy)
    st.toast("The setting goes with you to all pages.", icon=":material/bookmark:")


def _forget() -> None:
    st.session_state.pop(_PICKED, None)
    st.session_state.pop(_SEEN, None)
