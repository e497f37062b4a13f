"""The catalogs that there are: choose one, look at it, go on with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from importlib.resources import files
from pathlib import Path

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from lrerank.data.own import card_text
from lrerank.errors import LrerankError
from lrerank.store import Store
from lrerank.ui.catalogs.address import note, recall
from lrerank.ui.catalogs.listing import Entry, bytes_text, entries
from lrerank.ui.catalogs.opened import Opened, open_named
from lrerank.ui.catalogs.parts import card_table, facts, fields, first_rows, title
from lrerank.ui.catalogs.removing import remove
from lrerank.ui.words import plain, told

_TOLD = "data-told"
_VIEWS = Path(str(files("lrerank.ui"))) / "views"
_EMPTY = (
    '<div class="lr-empty"><b>No catalog of your own yet</b>Drop a CSV, Parquet or JSON lines file: kinds are guessed, '
    "you look them over, and it gets a name that all pages and commands know.</div>"
)


def draw(store: Store, add: Callable[[], None]) -> None:
    """Draws the list and the catalog that is chosen in it.

    Args:
        add: leads to where a catalog is added.
    """
    known = {entry.name: entry for entry in entries(store)}
    left, right = st.columns([1, 3.4], gap="medium")
    with left:
        if not any(entry.origin == "your catalog" for entry in known.values()):
            st.html(_EMPTY)
            st.button("Add a catalog", key="add", icon=":material/upload_file:", width="stretch", on_click=add)
        key = recall("catalog", list(known))
        st.radio(
            "Catalog",
            list(known),
            captions=[entry.summary for entry in known.values()],
            key=key,
            label_visibility="collapsed",
            width="stretch",
        )
        name = note("catalog", list(known))
    with right:
        if news := st.session_state.pop(_TOLD, None):
            (st.success if news[0] else st.error)(news[1])
        _entry(known[name], store)


def _entry(entry: Entry, store: Store) -> None:
    size = bytes_text(entry.size) if entry.size else ""
    title(entry.title, [entry.origin, _short_licence(entry), size])
    if entry.card.description:
        st.html(f"<p>{escape(entry.card.description.strip())}</p>")
    if entry.state == "damaged":
        st.error(entry.problem)
        _delete(entry, store)
    elif entry.state == "ready":
        try:
            with st.spinner("Reading the catalog"):
                found = _opened(entry.name, str(store.home), entry.stamp)
        except LrerankError as error:
            st.error(told(error))
            if entry.origin == "your catalog":
                _delete(entry, store)
            return
        _catalog(entry, found, store)
    else:
        _elsewhere(entry)


def _catalog(entry: Entry, found: Opened, store: Store) -> None:
    catalog = found.catalog
    named = next((row.path for row in found.rows if "segments" in row.uses), None)
    facts(
        {
            "documents": f"{len(catalog):,}",
            "fields": f"{len(found.rows):,}",
            "fields that rank": f"{found.count('rank'):,}",
            "fields searched": f"{found.count('search'):,}",
            "names segments": named.rsplit(".", 1)[-1] if named else "none",
        }
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        _go("Simulate on this catalog", "simulate", entry.name, ":material/groups:", main=True, off=not found.queries)
        _go("Try it in the playground", "playground", entry.name, ":material/tune:", off=not found.queries)
        if entry.origin == "your catalog":
            _delete(entry, store, catalog.fingerprint)
    if found.can_be_simulated:
        st.caption(plain(found.told_queries()))
    else:
        st.warning(plain(found.told_queries()))
    for remark in found.notes:
        st.warning(plain(remark))
    of_fields, of_rows, of_card = st.tabs(["Fields", "First rows", "Card"])
    with of_fields:
        fields(found, f"catalog-{entry.name}")
    with of_rows:
        first_rows(found)
    with of_card:
        _card(entry)
        if entry.origin == "your catalog":
            st.code(card_text(entry.card), language="toml")


def _elsewhere(entry: Entry) -> None:
    """A public data set that is not here, or that holds no catalog."""
    name = str(entry.card.name)
    if entry.state == "no catalog":
        st.info("This data set holds no documents to rank: benchmarks and tests read it.")
    if not entry.is_fetched:
        st.markdown("**It is not fetched yet.** In a terminal:")
        st.code(f"lrerank data fetch {name}", language="bash")
        way = entry.card.upstream and "It is downloaded and checked against the checksums of its card."
        st.caption(plain(way or f"It can't be downloaded: {entry.card.download_note}. Use --from FOLDER with a copy."))
        st.button("Look again", icon=":material/refresh:")
    _card(entry)


def _card(entry: Entry) -> None:
    card = entry.card
    rows = {"Name": entry.name, "Licence": card.licence, "Source": card.source}
    rows |= {"Attribution": card.attribution, "Citation": card.citation}
    rows["In commands"] = f"-c {entry.name}, --set world.catalog={entry.name}" if entry.state != "no catalog" else ""
    for file in card.files:
        size = f", {bytes_text(file.accepted[0].size)}" if file.accepted else ""
        rows[file.name] = f"{file.rows}{size}"
    card_table(rows)


def _go(label: str, view: str, name: str, icon: str, *, off: bool, main: bool = False) -> None:
    """A button that leads to another page, and tells it which catalog."""
    if st.button(label, icon=icon, type="primary" if main else "secondary", disabled=off):
        st.session_state[f"{view}-catalog"] = name
        try:
            st.switch_page(_VIEWS / f"{view}.py")
        except StreamlitPageNotFoundError:
            st.info(f"The page {view.capitalize()} is not part of this installation.")


def _delete(entry: Entry, store: Store, fingerprint: str = "") -> None:
    with st.popover("Delete", icon=":material/delete:"):
        st.markdown(
            f"Delete **{plain(entry.name)}** for good? Its file, its card, its text index and what the playground made of it are removed from "
            "this machine. Runs that used "
            "it keep their figures, but can't go on."
        )
        st.button("Delete this catalog", type="primary", on_click=_deleted, args=(entry, fingerprint, store))


def _deleted(entry: Entry, fingerprint: str, store: Store) -> None:
    try:
        remove(entry, fingerprint, store)
        st.session_state[_TOLD] = True, f"{plain(entry.name)} is deleted."
    except LrerankError as error:
        st.session_state[_TOLD] = False, told(error)


@st.cache_resource(max_entries=6, show_spinner=False)
def _opened(name: str, home: str, stamp: tuple[int, int]) -> Opened:
    """Kept while the file stays as it is."""
    del stamp
    return open_named(name, Store(home))


def _short_licence(entry: Entry) -> str:
    """In a word or two; its conditions are on the card."""
    return re.split(r"[(;]", entry.card.licence)[0].strip()[:40]
