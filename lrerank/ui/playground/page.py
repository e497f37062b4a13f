"""The playground: layout. What it shows is worked out in the modules beside it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

import streamlit as st

from lrerank.errors import LrerankError
from lrerank.store import Store
from lrerank.ui.catalogs.listing import Entry
from lrerank.ui.demo import catalog_of, ready
from lrerank.ui.frame import badge, heading
from lrerank.ui.playground.asked import NO_BAG
from lrerank.ui.playground.cards import STYLE, heads, learned_card, lights, moves_table, other_cells, who
from lrerank.ui.playground.changes import Change, short
from lrerank.ui.playground.controls import (
    asked,
    catalog_control,
    lists_control,
    person_control,
    policy_controls,
    query_control,
    without_bag,
)
from lrerank.ui.playground.results import LEARNED
from lrerank.ui.playground.session import Comparison, Session
from lrerank.ui.playground.tabs import beliefs_tab, json_tab, why_tab
from lrerank.ui.words import plain, told

_TABS = ("Why it stands there", "What the model believes", "Pipeline JSON")


def draw() -> None:
    """Draws the page."""
    top = st.container()
    st.html(STYLE)
    catalog, person, text, lists = st.columns([1.2, 1.9, 1.9, 1.7], vertical_alignment="top")
    with catalog:
        entry = catalog_control()
    with top:
        heading("Playground", f"{entry.origin}, made-up users")
    session = _session(entry)
    with person:
        user = person_control(session)
    with text:
        query = query_control(session)
    with lists:
        others = lists_control()
    left, right = st.columns([1, 4.6], gap="medium")
    with left.container(key="controls"):
        policy = policy_controls(session)
    with right:
        if not query:
            st.info("Type a query above, or choose one of the list.")
            return
        if policy.strategy == "bag":
            st.warning(NO_BAG)
            st.button("Use epsilon-greedy instead", icon=":material/swap_horiz:", on_click=without_bag)
            json_tab(session, policy)
            return
        try:
            shown = session.rank(asked(session, user, query, policy))
        except LrerankError as error:
            st.error(told(error))
            json_tab(session, policy)
            return
        _results(session, shown, others)


def _session(entry: Entry) -> Session:
    """This browser session's playground, with a sentence for those who wait for the first one ever."""
    key = f"session-{entry.name}"
    # Drawn in every run, so that what follows keeps its place and is not built anew.
    place = st.empty()
    # A catalog of one's own may have been replaced by another one of this name.
    if st.session_state.get(key, (None,))[0] != entry.stamp:
        with place.container():
            bar = st.progress(0.0, "Preparing the demo: some seconds, the first time only")

            def tell(what: str, share: float) -> None:
                bar.progress(share, f"Preparing the demo, the first time only: {what[0].lower()}{what[1:]}")

            catalog = catalog_of(entry.name)
            st.session_state[key] = entry.stamp, Session(catalog, ready(catalog, Store().home / "demo", tell))
        for told_of_before in ("told", "beliefs"):
            st.session_state.pop(f"{told_of_before}-{entry.name}", None)
        place.empty()
    session: Session = st.session_state[key][1]
    return session


def _results(session: Session, shown: Comparison, others: list[str]) -> None:
    person = next(one for one in session.people if one.user_id == shown.asked.user_id)
    with st.container(border=True, key="who"):
        st.html(who(person.name, shown.segment, shown.profile, shown.pages, shown.engagements))
        if shown.badge:
            st.html(badge(f"Fallback · {shown.badge}", warning=True))
    if session.clicks or f"told-{session.world}" in st.session_state:
        _told(session, shown)
    for note in shown.notes:
        st.caption(plain(note))
    if not shown.learned:
        st.info("Nothing in this catalog matches the query. Try another one.")
        json_tab(session, shown.asked.policy)
        return
    _lists(session, shown, others)
    why, believes, pipeline = st.tabs(_TABS, key="tab", on_change="rerun")
    if why.open:
        with why:
            why_tab(session, shown)
    if believes.open:
        with believes:
            beliefs_tab(session, shown.asked)
    if pipeline.open:
        with pipeline:
            json_tab(session, shown.asked.policy, shown)


def _told(session: Session, shown: Comparison) -> None:
    """What the last click did; it stays in view while the lists below it are scrolled."""
    about, change = st.session_state.get(f"told-{session.world}", (None, None))
    clicks = len(session.clicks)
    with st.container(key="told", border=True):
        sentence, undo, forget = st.columns([6, 1.15, 1.3], vertical_alignment="center")
        if about in (None, (shown.asked.user_id, shown.asked.query)) and isinstance(change, Change):
            sentence.markdown(f":material/touch_app: {plain(change.sentence)}")
        else:
            sentence.markdown(f"{clicks} {'click' if clicks == 1 else 'clicks'} learned so far in this window.")
        undo.button(
            "Undo", key="undo", icon=":material/undo:", width="stretch", disabled=not clicks, on_click=_undo, args=(session,),
            help="Takes the last click back.",
        )  # fmt: skip
        forget.button(
            "Forget all", key="forget", width="stretch", disabled=not clicks, on_click=_start_over, args=(session,),
            help="Takes all clicks of this window back.",
        )  # fmt: skip
    if about == (shown.asked.user_id, shown.asked.query) and isinstance(change, Change) and change.moves:
        with st.expander("Each move with its reason"):
            st.html(moves_table(change.moves))
            st.caption("In the model's own order, before exploration.")


def _lists(session: Session, shown: Comparison, others: list[str]) -> None:
    explored = sum(row.explored for row in shown.learned)
    widths = [0.82 * len(others), 1.6] if others else [1.0]
    documents = {row.document.document_id for name in (*others, LEARNED) for row in shown.lists[name]}
    mark = {document_id: f"lr-d{place}" for place, document_id in enumerate(sorted(documents))}
    st.html(lights(mark))
    *static, learned = st.columns(widths)
    if others:
        static[0].html(heads(others))
    learned.html(heads([LEARNED], explored, shown.badge.partition(" ")[0]))
    largest = max((row.score or 0.0 for row in shown.learned), default=0.0)
    rows = st.container(gap="xsmall")
    slots = zip_longest(shown.learned, *(shown.lists[name][: len(shown.learned)] for name in others))
    for slot, (now, *there) in enumerate(slots, start=1):
        *static, learned = rows.columns(widths)
        if others:
            with static[0].container(height="stretch", key=f"others-{slot}"):
                st.html(other_cells(dict(zip(others, there, strict=True)), mark))
        with learned.container(border=True, height="stretch", key=f"learned-{slot}"):
            st.html(learned_card(now, largest, others, mark[now.document.document_id]))
            st.button(
                # Ten buttons of one name could not be told apart by ear: each says its document, out of sight.
                f"I would click this :small[{plain(now.document.title)}]",
                key=f"click-{slot}",
                type="tertiary",
                on_click=_click,
                args=(session, shown, now.document.document_id),
            )


def _click(session: Session, shown: Comparison, document_id: str) -> None:
    _tell(session, lambda: session.click(shown, document_id), (shown.asked.user_id, shown.asked.query))


def _undo(session: Session) -> None:
    def undone() -> Change:
        click = session.undo()
        title = short(session.title(click.document_id)) if click else ""
        return Change(f"Taken back: the click on “{title}”." if click else "There is no click to take back.")

    _tell(session, undone)


def _start_over(session: Session) -> None:
    def undone() -> Change:
        session.start_over()
        return Change("All clicks of this window are taken back.")

    _tell(session, undone)


def _tell(session: Session, change: Callable[[], Change], about: tuple[str, str] | None = None) -> None:
    """Does it, and keeps what is to be told of it, or why it could not be done.

    Args:
        about: user and query that the change is of; None for all.
    """
    try:
        found = change()
    except LrerankError as error:
        found = Change(str(error))
    st.session_state[f"told-{session.world}"] = about, found
