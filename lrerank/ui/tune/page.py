"""The page Tune: put a question about the settings, watch the answer come, and carry it on."""

from __future__ import annotations

import time
from pathlib import Path

import streamlit as st

from lrerank.errors import LrerankError
from lrerank.experiments.ablation import Ablation
from lrerank.experiments.cold_start import ColdStart
from lrerank.experiments.findings import ABLATION, COLD_START, SETTINGS, found_by, study_of
from lrerank.experiments.results import Run, Runs
from lrerank.experiments.sweep import SettingsTable, conditions_of
from lrerank.store import Store
from lrerank.ui.frame import badge, heading, jobs
from lrerank.ui.jobs import Job
from lrerank.ui.tune.controls import controls
from lrerank.ui.tune.estimate import in_words, of_kind, seconds_per_search, work
from lrerank.ui.tune.labels import searches
from lrerank.ui.tune.live import Progress, early, under_way
from lrerank.ui.tune.outcome import Conditions, Outcome, Panel, so_far
from lrerank.ui.tune.result import draw_forest, draw_outcome, draw_panels, draw_study
from lrerank.ui.tune.setup import QUESTIONS, TuneSetup
from lrerank.ui.welcome.finished import SWEEPS, finished
from lrerank.ui.words import plain, told

_RUN, _QUESTION, _SEEN, _OF_QUESTION, _TOLD = "run", "question", "tune-seen", "tune-runs", "tune-told"
_SECONDS = 0.7
# On a busy machine Streamlit would fade what is drawn again.
_STEADY = '<style>.st-key-live [data-stale="true"]{opacity:1!important;transition:none!important}</style>'
_BUTTONS = {SETTINGS: "Compare settings", ABLATION: "Test the features", COLD_START: "Find the threshold"}
_EXPLAINED = {
    SETTINGS: "Each setting serves the same users, with the same luck, for as many searches as you say. You see what each "
    "one brings against the static order, with its interval; which settings can't be told apart; how many pages are "
    "changed, and at what price. The best one is then run again on users that had no part in choosing it.",
    ABLATION: "The learned reranker runs beside itself without one group of features at a time: each field of the catalog, "
    "the engagement rates, the context, the user side. You see what each adds, with intervals that hold for all at once.",
    COLD_START: "At every search the model's list and its fallback's are valued for the same user at the same moment. You "
    "see the difference by the number of past interactions, and from where on the model is nowhere worse.",
}


def draw() -> None:
    """Draws the page."""
    store = Store()
    run = _named(store)
    _follow_address(run)
    place = st.container()
    question = st.segmented_control(
        "Question",
        list(QUESTIONS),
        format_func=QUESTIONS.__getitem__,
        # Either or: Streamlit complains of a default beside a value that was set.
        default=None if _QUESTION in st.session_state else SETTINGS,
        required=True,
        key=_QUESTION,
        bind="query-params",
        label_visibility="collapsed",
        on_change=_other_question,
    )
    question = question or SETTINGS
    named = run is not None
    run = run or of_kind(Runs(store.runs), question) or finished(SWEEPS[question])
    with place:
        heading("Tune", str(run.manifest["provenance"]))
    left, right = st.columns([1.15, 4.2], gap="large")
    with left:
        begin = st.container()
        setup, fine = controls(question, store)
        with begin:
            _button(setup, store, fine=fine)
    with right:
        refused = st.session_state.pop(_TOLD, None)
        if refused:
            st.error(refused)
        job = jobs().get(run.run_id)
        if job is not None and job.active:
            st.fragment(_live, run_every=_SECONDS)(run.run_id)
            return
        if job is not None and job.problem:
            st.error(plain(searches(job.problem)))
        if not named:
            _not_asked(run, question)
        _ended(run)
        if run.run_id in SWEEPS.values():
            st.caption(_EXPLAINED[question])


def _named(store: Store) -> Run | None:
    """The run that the address names."""
    run_id = st.query_params.get(_RUN)
    if not run_id:
        return None
    try:
        run = Runs(store.runs).open(run_id)
        if run.manifest["kind"] == "sweep":
            return run
        st.error(f"The run {run.run_id} is no sweep: look at it on the page Runs.")
    except LrerankError as error:
        st.error(searches(told(error)))
    return None


def _follow_address(run: Run | None) -> None:
    """A run that has just come with the address decides on the question."""
    if run is not None and st.session_state.get(_SEEN) != run.run_id:
        st.session_state[_SEEN] = run.run_id
        kind = study_of(run)["kind"]
        st.session_state[_QUESTION] = kind
        st.session_state.setdefault(_OF_QUESTION, {})[kind] = run.run_id


def _other_question() -> None:
    """Each question has its own run in this window."""
    run_id = st.session_state.get(_OF_QUESTION, {}).get(st.session_state[_QUESTION])
    if run_id:
        st.session_state[_SEEN] = run_id
        st.query_params[_RUN] = run_id
    else:
        st.query_params.pop(_RUN, None)


def _button(setup: TuneSetup, store: Store, *, fine: bool) -> None:
    st.button(
        _BUTTONS[setup.question],
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=not fine,
        on_click=_begin,
        args=(setup,),
    )
    if fine:
        try:
            st.caption(_takes(setup, str(store.home), len(Runs(store.runs).ids())))
        except LrerankError as error:
            st.error(searches(told(error)))


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs={TuneSetup: repr})
def _takes(setup: TuneSetup, home: str, runs: int) -> str:  # noqa: ARG001  (it says when there are others)
    """How much it is, and how long it takes where that is known."""
    store = Store(home)
    experiment, _ = setup.study(store)
    each = seconds_per_search(Runs(store.runs))
    if setup.question == SETTINGS:
        where = f" in {setup.conditions} worlds" if setup.conditions > 1 else ""
        what = f"{setup.settings} settings × {setup.replicates} replicates{where}, then the best again on fresh users."
    elif setup.question == ABLATION:
        what = f"{len(experiment.arms) - 1} groups of features × {setup.replicates} replicates."
    else:
        what = f"{setup.replicates} replicates of one arm."
    if each is None:
        return what
    seconds = in_words(each * work(experiment))
    return f"{seconds[0].upper()}{seconds[1:]}, judging by your last runs: {what}"


def _begin(setup: TuneSetup) -> None:
    """Starts a job and puts it into the address."""
    try:
        job = setup.begin(jobs(), Store())
    except LrerankError as error:
        st.session_state[_TOLD] = searches(told(error))
        return
    _watch(job, setup.question)


def _go_on(run_id: str, kind: str) -> None:
    try:
        job = jobs().resume(Store(), run_id)
    except LrerankError as error:
        st.session_state[_TOLD] = searches(told(error))
        return
    _watch(job, kind)


def _watch(job: Job, kind: str) -> None:
    run_id = job.run.run_id
    _progress()[run_id] = Progress(time.monotonic())
    st.session_state[_SEEN] = run_id
    st.session_state.setdefault(_OF_QUESTION, {})[kind] = run_id
    st.query_params[_RUN] = run_id


@st.cache_resource(show_spinner=False)
def _progress() -> dict[str, Progress]:
    """Run → how far it is, for all windows."""
    return {}


def _live(run_id: str) -> None:
    """What is drawn again while the job is under way."""
    job = jobs().get(run_id)
    if job is None or not job.active:
        st.rerun()
    with st.container(key="live"):
        progress = _progress().setdefault(run_id, Progress(time.monotonic()))
        bar, cancel = st.columns([5, 1], vertical_alignment="center")
        conditions = _conditions_of(job)
        share, said = progress.at(job.snapshot, time.monotonic(), under_way(job.run, conditions))
        bar.progress(share, said)
        if cancel.button("Cancel", icon=":material/stop:", width="stretch", help="What was finished is kept."):
            job.cancel()
        st.html(f"{_STEADY}{badge('provisional', warning=True)}")
        _provisional(job, conditions)


def _conditions_of(job: Job) -> Conditions:
    """Of a sweep of settings."""
    if study_of(job.run)["kind"] != SETTINGS:
        return []
    return _conditions(str(job.run.folder), job.run.noted("beside") is not None)


def _provisional(job: Job, conditions: Conditions) -> None:
    """What can be said so far: of finished replicates, else of the searches that all settings have behind them."""
    folder, study = str(job.run.folder), study_of(job.run)
    try:
        if study["kind"] == SETTINGS:
            panels = _panels(folder, tuple(part.count() for _, part in conditions), _conditions=conditions)
            if panels:
                draw_panels(panels, job.experiment, job.run.run_id)
                return
        elif job.run.count():
            draw_study(_found(folder, job.run.count()), job.experiment)
            return
    except LrerankError:  # no replicate is finished
        pass
    forest = None if job.snapshot is None else early(job.experiment, study, conditions, job.snapshot)
    if forest is not None:
        draw_forest(forest)
    else:
        st.caption("The first figures come in a few seconds.")


@st.cache_resource(max_entries=8, show_spinner=False)
def _conditions(folder: str, begun: bool) -> Conditions:  # noqa: ARG001  (it says when there are others)
    return conditions_of(Run(Path(folder)))


@st.cache_resource(max_entries=16, show_spinner=False)
def _panels(folder: str, counts: tuple[int, ...], *, _conditions: Conditions) -> tuple[Panel, ...]:  # noqa: ARG001  (both say which)
    return so_far(_conditions)


@st.cache_resource(max_entries=16, show_spinner=False)
def _found(folder: str, count: int) -> SettingsTable | Ablation | ColdStart:  # noqa: ARG001  (it says when there is more)
    return found_by(Run(Path(folder)))


def _ended(run: Run) -> None:
    status = run.status
    if status == "running":
        st.info("Another program is at work on this run; reload the page to see more of it.")
    if status in ("cancelled", "interrupted", "failed"):
        said, button = st.columns([5, 1], vertical_alignment="center")
        problem = run.manifest["problem"]
        said.warning(
            f"This run was {status}; what was finished is kept." if not problem else f"This run failed: {problem}"
        )
        button.button(
            "Go on",
            icon=":material/resume:",
            width="stretch",
            on_click=_go_on,
            args=(run.run_id, study_of(run)["kind"]),
        )
    try:
        outcome = _outcome(str(run.folder), str(run.manifest["finished"]), run.count())
        draw_outcome(outcome)
    except LrerankError as error:
        st.info(searches(told(error)))
        return
    if not outcome.comes_along:
        st.caption(plain(f"{outcome.experiment.question} {run.run_id}"))


@st.cache_resource(max_entries=8, show_spinner="Reading the figures")
def _outcome(folder: str, finished: str, tasks: int) -> Outcome:  # noqa: ARG001  (they say when it is another)
    return Outcome(Run(Path(folder)))


def _not_asked(run: Run, question: str) -> None:
    """Whose figures they are, where nobody has asked for them in this window."""
    mine = f"Press **{_BUTTONS[question]}** for one of your own."
    if run.run_id in SWEEPS.values():
        asked = run.experiment
        what = f"{asked.question} Catalog {asked.world.catalog}, {asked.replicates} replicates."
        st.caption(f"A sweep that comes with lrerank. {plain(what)} {mine}")
    else:
        st.caption(f"The last one that came to its end here. {mine}")
