"""What stands below the lists: why a document stands where it stands, what the model believes, and the pipeline."""

from __future__ import annotations

import streamlit as st

from lrerank.charts.beliefs import feature_figure, position_figure, segment_figure
from lrerank.charts.contributions import contribution_bars, contribution_figure
from lrerank.data.worlds import NAMES
from lrerank.errors import LrerankError
from lrerank.ui.chart import chart
from lrerank.ui.frame import choose
from lrerank.ui.playground.asked import Asked
from lrerank.ui.playground.beliefs import Beliefs, beliefs, dropped
from lrerank.ui.playground.cards import dropped_table
from lrerank.ui.playground.changes import short
from lrerank.ui.playground.controls import keep_stages, stages_of
from lrerank.ui.playground.session import Comparison, Session
from lrerank.ui.playground.stages import line_told, read
from lrerank.ui.policy import Policy
from lrerank.ui.words import told

_ROW = 30
_MOST = 12


def why_tab(session: Session, shown: Comparison) -> None:
    """One document's value, feature by feature, and what it would be without each."""
    details = shown.ranking.details
    if details is None or details.placed is None:
        st.info(
            "No model ranked this request, so there is nothing to explain. Click two results to end the cold start."
        )
        return
    titles = {row.slot: f"{row.slot}. {short(row.document.title, 90)}" for row in shown.learned}
    slot = st.selectbox("Document", list(titles), format_func=titles.__getitem__, key=f"why-{shown.asked.world}")
    row, candidate = shown.learned[slot - 1], details.chosen[slot - 1]
    bars = contribution_bars(details.placed.contributions, candidate)
    left, right = st.columns([1.25, 1], gap="large")
    with left:
        st.markdown(
            f"From the candidates' mean to this document's value: **{bars.total:+.3f}**".replace("-", "−"),
            help="Contributions of the features, relative to the other candidates. They sum to value minus mean.",
        )
        if row.explored:
            st.caption("This slot was explored: the bars explain the value, not the placement.")
        label = f"Contributions to the value of {row.document.title}"
        chart(contribution_figure(bars), key="bars", label=label, height=60 + _ROW * (len(bars.names) + 1))
    with right:
        st.markdown(
            "What dropping one feature changes",
            help="The same request, without exploration, for a model that may not look at the feature. Dropping a "
            "click-through rate takes more than its own contribution, since rates also weigh the incoming score.",
        )
        st.html(dropped_table(dropped(session, details, candidate)[:_MOST]))


def beliefs_tab(session: Session, asked: Asked) -> None:
    """What moves the order over many requests; worked out once for each state of the model."""
    key, state = f"beliefs-{session.world}", (session.state, asked.policy.features, asked.stages.text(Policy()))
    known = st.session_state.get(key)
    if known is None or known[0] != state:
        with st.spinner("Asking the model about the demo's queries"):
            known = st.session_state[key] = (state, beliefs(session, asked))
    found: Beliefs = known[1]
    if not found.features:
        st.info("No request has anything to compare. Edit the pipeline so that it finds more than one document.")
        return
    st.caption(
        f"Over {found.requests} requests: the demo's queries, asked by one user of each segment. The figures are mean "
        "absolute contributions to a candidate's value, relative to the other candidates: how much a feature moves the "
        "order, up or down."
    )
    overall, segments = st.columns([1, 1.7], gap="large")
    rows = min(len(found.features), _MOST)
    with overall:
        st.markdown("**Features, overall**")
        figure = feature_figure(found.features, found.overall, _MOST)
        chart(figure, key="beliefs-overall", label="Mean absolute contribution by feature", height=50 + _ROW * rows)
    with segments:
        st.markdown("**By inferred segment of who asks**, in thousandths")
        figure = segment_figure(found.features, found.segments, found.by_segment, _MOST)
        height = 130 + 26 * len(found.segments)
        chart(figure, key="beliefs-segments", label="Mean absolute contribution by segment and feature", height=height)
    if found.believed is None:
        return
    with overall:
        st.markdown(
            "**Positions**",
            help="The model predicts less for the same documents lower on the page. The made-up users look at slot k "
            "with probability 1/k. The model adds a number for each slot where the truth multiplies, so its curve is "
            "flatter.",
        )
        figure = position_figure(found.believed, found.true)
        chart(figure, key="beliefs-positions", label="Examination by slot, believed and true", height=280)


def json_tab(session: Session, policy: Policy, shown: Comparison | None = None) -> None:
    """The pipeline as text, editable; where something was ranked, also how to do the same without the page."""
    text, world = stages_of(session.world).text(policy), session.world
    if st.session_state.get("json-of") != (world, text) or "json" not in st.session_state:
        st.session_state["json-of"], st.session_state["json"] = (world, text), text
        st.session_state.pop("json-error", None)
    stages, command = st.columns(2, gap="large")
    with stages:
        st.text_area(
            "The pipeline: change it, and the page follows",
            key="json",
            height=min(60 + 18 * text.count("\n"), 620),
            on_change=_apply,
            args=(world,),
        )
        st.button("Apply", icon=":material/check:", on_click=_apply, args=(world,))
    with command:
        if "json-error" in st.session_state:
            sentence, line = st.session_state["json-error"]
            st.error(sentence)
            if line:
                st.code(line, language="json")
        if shown is None:
            return
        if world in NAMES:
            st.markdown("The same from the command line, with the JSON beside it as `pipeline.json`")
            st.code(shown.asked.command(session.original_home), language="bash", wrap_lines=True)
            st.caption("The command ranks with the demo's model as it was published, without your clicks.")
        st.download_button(
            "Download pipeline.json",
            text,
            "pipeline.json",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
        )


def _apply(world: str) -> None:
    try:
        policy, stages = read(st.session_state["json"])
    except LrerankError as error:
        st.session_state["json-error"] = told(error), line_told(st.session_state["json"], error)
        return
    st.session_state.pop("json-error", None)
    st.session_state.pop("json-of", None)
    choose(policy)
    keep_stages(world, stages)
