"""The playground: widgets and layout. What it shows is worked out in the modules beside it."""

from __future__ import annotations

import streamlit as st

from lrerank.charts.contributions import contribution_bars, contribution_figure
from lrerank.data.worlds import NAMES
from lrerank.errors import LrerankError
from lrerank.store import Store
from lrerank.ui.demo import queries, ready
from lrerank.ui.frame import badge, heading
from lrerank.ui.playground.asked import STRATEGIES, Asked
from lrerank.ui.playground.cards import STYLE, learned_card, static_card, who
from lrerank.ui.playground.changes import short
from lrerank.ui.playground.session import Comparison, Session

_WORLDS = {"marketplace": "Marketplace", "news": "News"}
# A draw that explores one slot, so that the first look shows what that is.
_FIRST_SEED = 20
_FIRST_USER = {"marketplace": "Electronics", "news": "Politics"}
_FIRST_QUERY = {"marketplace": "noise cancelling headphones", "news": "coalition talks"}


def draw() -> None:
    """Draws the page."""
    heading("Playground", "built-in world, made-up users")
    st.html(STYLE)
    left, right = st.columns([1.1, 4.6], gap="medium")
    with left:
        controls = st.container(key="controls")
    with controls:
        world = st.segmented_control(
            "Catalog",
            NAMES,
            default=NAMES[0],
            required=True,
            format_func=_WORLDS.__getitem__,
            key="world",
            bind="query-params",
        )
    with right:
        session = _session(world or NAMES[0])
    with controls:
        asked = _controls(session)
    with right:
        if asked is None:
            st.info("Type a query on the left, or choose one of the list.")
            return
        try:
            shown = session.rank(asked)
        except LrerankError as error:
            st.error(str(error))
            return
        _results(session, shown)


def _session(world: str) -> Session:
    """This browser session's playground, with a sentence for those who wait for the first one ever."""
    key = f"session-{world}"
    if key not in st.session_state:
        place = st.empty()
        with place.container():
            bar = st.progress(0.0, "Preparing the demo: some seconds, the first time only")

            def tell(what: str, share: float) -> None:
                bar.progress(share, f"Preparing the demo, the first time only: {what[0].lower()}{what[1:]}")

            original = ready(world, Store().home / "demo", tell)
            st.session_state[key] = Session(world, original)
        place.empty()
    session: Session = st.session_state[key]
    return session


def _controls(session: Session) -> Asked | None:
    """The narrow column; None where there is no query yet."""
    world, people = session.world, {person.user_id: person.label for person in session.people}
    first = next((place for place, name in enumerate(people.values()) if name.startswith(_FIRST_USER[world])), 0)
    user = st.selectbox("User", list(people), index=first, format_func=people.__getitem__, key=f"user-{world}")
    known = queries(world)
    query = st.selectbox(
        "Query",
        known,
        index=known.index(_FIRST_QUERY[world]) if _FIRST_QUERY[world] in known else 0,
        accept_new_options=True,
        placeholder="Choose or type a query",
        help="Choose one of the world's own queries, or type another.",
        key=f"query-{world}",
    )
    rate = st.slider("Exploration rate", 0.0, 1.0, 0.1, 0.01, key="rate", bind="query-params")
    strategy = st.selectbox(
        "Strategy", list(STRATEGIES), format_func=STRATEGIES.__getitem__, key="strategy", bind="query-params"
    )
    asked_of_slots = Asked(world, user, query or "", rate, strategy)
    st.caption(
        f"{asked_of_slots.pages_explored()}.",
        help="The rate holds for each of the ten slots, so the share of pages is 1 − (1 − rate)¹⁰.",
    )
    seed = st.session_state.setdefault("seed", _FIRST_SEED)
    st.button(
        "Draw again", icon=":material/casino:", width="stretch", on_click=_draw_again, help=f"This is draw {seed}."
    )
    everything = st.segmented_control(
        "Features",
        ["All", "Choose"],
        default="All",
        required=True,
        key="all_features",
        help="Which document features the model may look at. Incoming score and rank always count.",
    )
    features = None
    if everything == "Choose":
        paths = session.features()
        features = st.multiselect(
            "May look at",
            paths,
            default=paths[:4],
            format_func=lambda path: path.rsplit(".", 1)[-1],
            key=f"features-{world}",
        )
        if not features:
            st.warning("Choose at least one feature: all are used until then.")
    if f"told-{world}" in st.session_state:
        st.button("Forget my clicks", width="stretch", on_click=_start_over, args=(world,))
    if not query or not query.strip():
        return None
    return Asked(world, user, query, rate, strategy, features or None, seed)


def _results(session: Session, shown: Comparison) -> None:
    told = st.session_state.get(f"told-{session.world}")
    with st.container(border=True):
        st.html(who(shown.segment, shown.profile, shown.pages, shown.engagements))
        if shown.badge:
            st.html(badge(f"Fallback · {shown.badge}", warning=True))
    if told and told[0] == (shown.asked.user_id, shown.asked.query):
        # Stays in view while the list below it is scrolled.
        st.container(key="told").success(told[1], icon=":material/touch_app:")
    for note in shown.notes:
        st.caption(note)
    if not shown.learned:
        st.info("Nothing in this catalog matches the query. Try another one.")
        return
    _lists(session, shown)
    why, ship = st.tabs(["Why it stands there", "Stage JSON and command"])
    with why:
        _why(shown)
    with ship:
        _ship(session, shown)


def _lists(session: Session, shown: Comparison) -> None:
    explored = sum(row.explored for row in shown.learned)
    static, learned = st.columns(2)
    static.markdown("**Static** `rerank`", help="The same order for every user.")
    note = f" · {explored} explored" if explored else ""
    learned.markdown(
        f"**Learned** `learned_rerank`{note}",
        help="Percentages are personalization_score, the estimated probability of engagement. Arrows compare with the "
        "place in the static order.",
    )
    largest = max((row.score or 0.0 for row in shown.learned), default=0.0)
    rows = st.container(gap="xsmall")
    for before, now in zip(shown.static, shown.learned, strict=True):
        static, learned = rows.columns(2)
        with static.container(border=True, height="stretch", key=f"static-{before.slot}"):
            st.html(static_card(before))
        with learned.container(border=True, height="stretch", key=f"learned-{now.slot}"):
            st.html(learned_card(now, largest))
            st.button(
                "I would click this",
                key=f"click-{now.slot}",
                type="tertiary",
                on_click=_click,
                args=(session, shown, now.document.document_id),
            )


def _why(shown: Comparison) -> None:
    details = shown.ranking.details
    if details is None or details.placed is None:
        st.info(
            "No model ranked this request, so there is nothing to explain. Click two results to end the cold start."
        )
        return
    titles = {row.slot: f"{row.slot}. {short(row.document.title, 90)}" for row in shown.learned}
    slot = st.selectbox("Document", list(titles), format_func=titles.__getitem__, key=f"why-{shown.asked.world}")
    row = shown.learned[slot - 1]
    bars = contribution_bars(details.placed.contributions, details.chosen[slot - 1])
    st.markdown(
        f"Contributions to this document's value, relative to the other candidates; they sum to **{bars.total:+.3f}**, "
        "its value minus the candidates' mean.".replace("-", "−")
    )
    if row.explored:
        st.caption("This slot was explored: the bars explain the value, not the placement.")
    st.plotly_chart(contribution_figure(bars), width="stretch", config={"displayModeBar": False}, key="bars")


def _ship(session: Session, shown: Comparison) -> None:
    stages, command = st.columns(2, gap="large")
    with stages:
        st.markdown("`pipeline.json`")
        st.code(shown.asked.pipeline_text(), language="json")
    with command:
        st.markdown("The same from the command line, with the JSON beside it as `pipeline.json`")
        st.code(shown.asked.command(session.original_home), language="bash", wrap_lines=True)
        st.caption("The command ranks with the demo's model as it was published, without your clicks.")
        st.download_button(
            "Download pipeline.json",
            shown.asked.pipeline_text(),
            "pipeline.json",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
        )


def _click(session: Session, shown: Comparison, document_id: str) -> None:
    try:
        told = session.click(shown, document_id).sentence
    except LrerankError as error:
        told = str(error)
    st.session_state[f"told-{session.world}"] = ((shown.asked.user_id, shown.asked.query), told)


def _draw_again() -> None:
    st.session_state["seed"] += 1


def _start_over(world: str) -> None:
    for name in (f"session-{world}", f"told-{world}", f"user-{world}"):
        st.session_state.pop(name, None)
