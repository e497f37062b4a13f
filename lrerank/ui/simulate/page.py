"""The page Simulate: set up a comparison, watch it, and read what it says."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path

import streamlit as st

from lrerank.charts.run_view import STOPPED
from lrerank.errors import LrerankError
from lrerank.experiments.early_stop import told
from lrerank.experiments.results import Run, Runs
from lrerank.store import Store
from lrerank.ui import words
from lrerank.ui.frame import go_on_button, heading, jobs
from lrerank.ui.jobs import Job
from lrerank.ui.runs.shown import state
from lrerank.ui.simulate.controls import checked, controls
from lrerank.ui.simulate.live import progress, tastes_may_change
from lrerank.ui.simulate.outcome import Outcome
from lrerank.ui.simulate.result import draw_live, draw_outcome
from lrerank.ui.simulate.setup import Setup, watched
from lrerank.ui.welcome.finished import RUN_ID, finished

_RUN, _SETUPS, _TOLD, _SEEN = "run", "simulate-setups", "simulate-told", "simulate-seen"
# Drawing takes time from what is drawn: it is looked at often until there is something to see, then calmly.
_SECONDS_BEFORE, _SECONDS = 0.3, 1.0
_NOT_YET = "Nothing can be said yet: no replicate, or where there are several worlds no world, is finished."
_NOT_WATCHED = (
    "What it says is told at its end. On the way only the learned reranker, or a single other policy, is looked at, since "
    "an interval that allows for looking needs an arm that was chosen before."
)


def draw() -> None:
    """Draws the page."""
    handed_over = st.session_state.pop("simulate-run", None)
    if handed_over:
        st.query_params[_RUN] = handed_over
    job, outcome = _shown()
    provenance = job.run.manifest["provenance"] if job is not None else outcome.provenance if outcome else ""
    heading("Simulate", str(provenance))
    left, right = st.columns([1.4, 4.2], gap="large")
    with left:
        begin = st.container()
        setup, stops, traffic = controls()
        experiment = checked(setup)
        begin.button(
            "Simulate",
            type="primary",
            icon=":material/play_arrow:",
            width="stretch",
            disabled=experiment is None,
            on_click=_begin,
            args=(setup, stops),
        )
    if experiment is not None:
        jobs().prepare(Store(), experiment)
    with right:
        told_before = st.session_state.pop(_TOLD, None)
        if told_before:
            st.error(told_before)
        if job is not None and job.active:
            waits = st.session_state.get(_SEEN) != job.run.run_id
            seconds = _SECONDS_BEFORE if waits else _SECONDS
            st.fragment(_live, run_every=seconds)(job.run.run_id, traffic, waits=waits)
        elif outcome is not None:
            if outcome.run.run_id == RUN_ID:
                st.caption("A comparison that comes with lrerank. Press Simulate for one of your own.")
            if job is not None and job.problem:
                st.error(words.plain(job.problem))
            _unfinished(outcome)
            if outcome.figures.empty:
                return
            draw_outcome(outcome, traffic)


def _shown() -> tuple[Job | None, Outcome | None]:
    """What the address names: a run under way, or one that has ended."""
    run_id = st.query_params.get(_RUN) or RUN_ID
    job = jobs().get(run_id)
    if job is not None and job.active:
        return job, None
    try:
        run = finished() if run_id == RUN_ID else Runs(Store().runs).open(run_id)
        if run.manifest["kind"] == "sweep":
            st.error(f"The run {run.run_id} compares settings: look at it on the page Tune.")
            return None, None
        return job, _outcome(str(run.folder), run.count(), run.status)
    except LrerankError as error:
        st.error(words.told(error))
        return None, None


@st.cache_resource(max_entries=8, show_spinner="Reading the figures")
def _outcome(folder: str, tasks: int, status: str) -> Outcome:  # noqa: ARG001  (they say when it is another)
    return Outcome(Run(Path(folder)))


def _unfinished(outcome: Outcome) -> None:
    """How a run stands that did not come to its end, and a way on."""
    said = state(outcome.run)
    if not said or outcome.status == "stopped":
        return
    st.info(words.plain(said))
    if outcome.status != "running":
        go_on_button(outcome.run.run_id, _TOLD)


def _live(run_id: str, traffic: float, *, waits: bool) -> None:
    """What is drawn again while the run is under way; `waits` is whether nothing had been seen of it before."""
    job = jobs().get(run_id)
    if job is None or not job.active or (waits and st.session_state.get(_SEEN) == run_id):
        st.rerun()
    snapshot = job.snapshot
    if job.watched and job.look is not None:
        said = told(job.look, job.experiment, job.watched, "running")
        st.html(f'<p class="lr-lead"><b>Provisional.</b> {escape(said)}</p>')
    else:
        st.html(f'<p class="lr-lead"><b>Provisional.</b> {_NOT_YET if job.watched else _NOT_WATCHED}</p>')
    if job.watched and job.stops_when_clear:
        st.caption(STOPPED)
    share, said = progress(snapshot, job.experiment)
    st.progress(share, said)
    cancel, enough, change = st.columns([1, 1.6, 1.4])
    if cancel.button("Cancel", icon=":material/stop:", width="stretch", help="What was finished is kept."):
        job.cancel()
    clear = job.look is not None and job.look.answer is not None
    if enough.button(
        "Stop, the evidence is enough",
        icon=":material/check:",
        width="stretch",
        disabled=not clear,
        help="As soon as the interval, which allows for looking again and again, excludes zero.",
    ):
        job.stop()
    shift = tastes_may_change(snapshot, job.experiment)
    if change.button(
        "Tastes change now",
        icon=":material/shuffle:",
        width="stretch",
        disabled=shift is None or run_id not in st.session_state.get(_SETUPS, {}),
        help="Begins the run anew with the same users and the same luck; where it is now, all tastes become new ones, in "
        "every replicate, so that arms stay comparable.",
    ):
        _change_tastes(job, shift)
    if snapshot is not None:
        draw_live(snapshot, job.experiment, traffic)
        if not snapshot.overall.empty:
            st.session_state[_SEEN] = run_id


def _begin(setup: Setup, stops: bool) -> None:
    """Starts a run and puts it into the address."""
    try:
        experiment = setup.experiment()
        job = jobs().simulate(Store(), experiment, watched(experiment), stops_when_clear=stops)
    except LrerankError as error:
        st.session_state[_TOLD] = words.told(error)
        return
    st.session_state.setdefault(_SETUPS, {})[job.run.run_id] = (setup, stops)
    st.query_params[_RUN] = job.run.run_id


def _change_tastes(job: Job, shift: int | None) -> None:
    setup, stops = st.session_state[_SETUPS][job.run.run_id]
    job.cancel()
    _begin(replace(setup, shift=shift), stops)
    st.rerun()
