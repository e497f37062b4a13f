"""Tables of users: look one over, see what the log knows of its segments, take its opting out over."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from lrerank.errors import LrerankError
from lrerank.interactions import InteractionLog
from lrerank.store import Store
from lrerank.ui.catalogs.parts import facts, title
from lrerank.ui.catalogs.uploading import Sent, uploader
from lrerank.ui.catalogs.users import (
    Columns,
    OptOuts,
    SegmentRow,
    UserTable,
    apply,
    by_segment,
    guess_columns,
    opt_outs,
    read_users,
)
from lrerank.ui.words import counted, plain, told

_READ, _TOLD = "users-table", "users-told"
_NONE = "none"
_FIRST = 25
_EXAMPLE = "user_id,segment,opt_out\nu-1,members,no\nu-2,guests,yes\nu-3,members,no\n"


def draw(store: Store) -> None:
    """Draws the upload and what it holds."""
    left, right = st.columns([1, 2.6], gap="medium")
    with left:
        sent = uploader("A file with one user per record", "users", guess_columns)
        st.caption(
            f"Opting out counts for the log of the organisation **{plain(store.organisation)}**. The table itself is "
            "not kept: the log knows its users by keyed hashes only, and a list of ids beside it would undo that."
        )
    if sent is None:
        with right:
            _how()
        return
    with left:
        columns = _columns(sent)
    with right:
        title(sent.upload.name, [counted(len(sent.upload.frame), "record")])
        if news := st.session_state.pop(_TOLD, None):
            (st.success if news[0] else st.error)(news[1])
        try:
            table = read_users(sent.upload, columns)
        except LrerankError as error:
            st.error(f"**Refused.** {told(error)}", icon=":material/block:")
            return
        _table(table, sent.file_id, columns, store)


def _how() -> None:
    with st.container(border=True):
        st.markdown("**What a table of users is for**")
        st.code(_EXAMPLE, language="csv")
        st.markdown(
            "- **Opting out**: those who did are no longer logged, have no profile and get the ranking that is not "
            "personal. What the log has of them is no longer looked at.\n"
            "- **Own segments**: see how many users, pages and clicks the log has of each. The ranking never reads "
            "them: the segments that it names are inferred from behaviour."
        )


def _columns(sent: Sent[Columns]) -> Columns:
    names = [str(column) for column in sent.upload.frame.columns]
    guessed = sent.found
    ids = st.selectbox(
        "Id",
        names,
        index=names.index(guessed.id) if guessed.id in names else None,
        placeholder="Which column has the ids?",
        key=f"users-id-{sent.file_id}",
    )
    others = [_NONE, *names]
    found = []
    for label, name in (("Own segment", guessed.segment), ("Opted out", guessed.opt_out)):
        place = others.index(name) if name in names else 0
        key = f"users-{label}-{sent.file_id}"
        chosen = st.selectbox(label, range(len(others)), index=place, format_func=others.__getitem__, key=key)
        found.append(others[chosen] if chosen else None)
    return Columns(ids, *found)


def _table(table: UserTable, file_id: str, columns: Columns, store: Store) -> None:
    # A log is not made just to be looked at.
    log = store.log if store.log.path.exists() else None
    known = st.session_state.get(_READ)
    state = (file_id, columns, log.state() if log else None)
    if known is None or known[0] != state:
        with st.spinner("Looking into the log"):
            known = st.session_state[_READ] = (state, opt_outs(table, log), by_segment(table, log))
    found, rows = known[1], known[2]
    facts(
        {
            "users": f"{len(table):,}",
            "own segments": f"{len({one for one in table.segments if one}):,}",
            "opted out": f"{sum(table.opted_out):,}",
            "of them new to the log": f"{len(found.new):,}",
            "seen in the log": f"{sum(row.seen for row in rows):,}",
        }
    )
    _opt_outs(found, store.log)
    of_segments, of_users = st.tabs(["Own segments", "First rows"])
    with of_segments:
        _segments(rows)
    with of_users:
        first = {"id": table.ids, "own segment": table.segments, "opted out": table.opted_out}
        frame = pd.DataFrame({name: list(values[:_FIRST]) for name, values in first.items()})
        st.dataframe(frame, hide_index=True, alt="The first users")


def _opt_outs(found: OptOuts, log: InteractionLog) -> None:
    if found.new:
        st.button(
            f"Opt {counted(len(found.new), 'user')} out",
            type="primary",
            icon=":material/person_off:",
            on_click=_applied,
            args=(found, log),
            help="lrerank privacy opt-in USER takes it back for one user; lrerank privacy erase USER deletes what is "
            "logged. Models that were trained before keep what they learned.",
        )
    elif found.known:
        st.caption(f"{counted(found.known, 'user')} of this table opted out before; there is nothing to take over.")
    if found.kept:
        st.info(
            f"{counted(len(found.kept), 'user')} opted out before, and this table does not say so: they stay opted out. "
            f"To take it back for one: `lrerank privacy opt-in {plain(found.kept[0])}`"
        )


def _segments(rows: Sequence[SegmentRow]) -> None:
    frame = pd.DataFrame(
        {
            "segment": [row.segment for row in rows],
            "users": [row.users for row in rows],
            "out": [row.opted_out for row in rows],
            "seen": [row.seen for row in rows],
            "pages": [row.pages for row in rows],
            "clicks": [row.clicks for row in rows],
            "rate": [row.clicks_per_page for row in rows],
        }
    )
    most = max((row.users for row in rows), default=1)
    st.dataframe(
        frame,
        hide_index=True,
        placeholder="–",
        alt="Own segments with what the log has of them",
        column_config={
            "segment": st.column_config.TextColumn("Own segment", pinned=True),
            "users": st.column_config.ProgressColumn("Users", min_value=0, max_value=most, format="localized"),
            "out": st.column_config.NumberColumn("Opted out", format="localized"),
            "seen": st.column_config.NumberColumn("Seen in the log", format="localized"),
            "pages": st.column_config.NumberColumn("Result pages", format="localized"),
            "clicks": st.column_config.NumberColumn("Clicks", format="localized"),
            "rate": st.column_config.NumberColumn("Clicks per page", format="%.2f"),
        },
    )
    st.caption("Who has opted out is not looked up in the log. The ranking never reads these segments.")


def _applied(found: OptOuts, log: InteractionLog) -> None:
    try:
        st.session_state[_TOLD] = True, f"{counted(apply(found, log), 'user')} opted out, from this moment on."
    except LrerankError as error:
        st.session_state[_TOLD] = False, told(error)
