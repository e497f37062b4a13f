"""A catalog of one's own: a file comes in, its columns are looked over, and it is kept under a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from lrerank.data.cards import Card
from lrerank.data.own import LONGEST_NAME, free_name, keep
from lrerank.errors import LrerankError
from lrerank.store import Store
from lrerank.ui.catalogs.mapping import KINDS, Mapping, checked, guess, possible_ids, to_table, with_table
from lrerank.ui.catalogs.opened import Opened, opened
from lrerank.ui.catalogs.parts import facts, fields, first_rows, title
from lrerank.ui.catalogs.upload import Upload
from lrerank.ui.catalogs.uploading import Sent, uploader
from lrerank.ui.words import counted, plain, told

_CHECKED, _REFUSED = "adding-checked", "adding-refused"
_ROW, _MOST_ROWS = 35, 14
_NONE = "none"
_EXAMPLE = """\
sku,title,description,category,price,in_stock,added
s-1,Trail shoe Wren,Light and grippy,running,89.90,yes,2026-01-12
s-2,Wool rug Fjord,"Warm, for bright rooms",home,149,no,2025-11-03
s-3,Headphones Aria,Thirty hours of quiet,electronics,199,yes,2026-02-01
"""


def draw(store: Store, show: Callable[[str], None]) -> None:
    """Draws the upload, the columns and what they make.

    Args:
        show: leads to the catalog of a name.
    """
    left, right = st.columns([1, 2.6], gap="medium")
    with left:
        sent = uploader("A file with one document per record", "adding", guess)
    if sent is None:
        with right:
            _how()
        return
    with right:
        title(sent.upload.name, [counted(len(sent.upload.frame), "record"), counted(len(sent.found.uses), "column")])
        mapping = _mapping(sent)
        found = _checked(sent, mapping, store)
    with left:
        _keep(sent.upload, mapping, found, store, show)
    if found is not None:
        with right:
            _outcome(found)


def _how() -> None:
    with st.container(border=True):
        st.markdown("**What a file looks like**")
        st.code(_EXAMPLE, language="csv")
        st.markdown(
            "- One document per record, each with an id of its own.\n"
            "- A title, and words that several documents share, such as a category: simulated users search for them.\n"
            "- Numbers with a decimal point; also € 1.234,50 or 12,5 %, where the column tells what parts decimals.\n"
            "- Dates as 2026-01-31, lists as JSON or parted by | or ;.\n"
            "- UTF-8. JSON lines and Parquet keep their types; nested fields become dotted names."
        )
        st.download_button(
            "Download the example", _EXAMPLE, "example.csv", "text/csv", icon=":material/download:", on_click="ignore"
        )


def _mapping(sent: Sent[Mapping]) -> Mapping:
    """The columns as the user has them."""
    guessed, key = sent.found, sent.file_id
    columns = [use.column for use in guessed.uses if use.column]
    ids, titles, segments = st.columns(3)
    with ids:
        chosen = st.selectbox(
            "Id",
            columns,
            index=columns.index(guessed.id) if guessed.id in columns else None,
            placeholder="Which column has the ids?",
            key=f"adding-id-{key}",
            help="No document may lack one, no two may share one.",
        )
    mapping = replace(guessed, id=chosen)
    with titles:
        mapping = replace(mapping, title=_choice("Title", mapping.titles(), guessed.title, f"adding-title-{key}"))
    with segments:
        meaning = "Its values name the segments that users are found to be in, such as running_enthusiast."
        found = _choice("Segments are named by", mapping.segments(), guessed.segment, f"adding-segment-{key}", meaning)
        mapping = replace(mapping, segment=found)
    others = to_table(replace(guessed, id=chosen))
    table = st.data_editor(
        others,
        key=f"adding-columns-{key}-{chosen}",
        hide_index=True,
        num_rows="fixed",
        height=_ROW * (min(len(others), _MOST_ROWS) + 1) + 3,
        disabled=["column", "examples"],
        alt="The columns of the file and what they are used for",
        column_config={
            "column": st.column_config.TextColumn("Column", pinned=True, width=150),
            "kept": st.column_config.CheckboxColumn("Keep", width=60, help="Off leaves the column out."),
            "kind": st.column_config.SelectboxColumn("Kind", options=list(KINDS), required=True, width=110),
            "searched": st.column_config.CheckboxColumn(
                "Search", width=70, help="Text search looks into it; for text, categorical and list."
            ),
            "ranks": st.column_config.CheckboxColumn("Rank", width=60, help="features = auto may look at it."),
            "examples": st.column_config.TextColumn("Values", width=330),
        },
    )
    mapping = with_table(mapping, table)
    if hints := mapping.hints():
        st.info("\n".join(f"- {plain(hint)}" for hint in hints), icon=":material/info:")
    return mapping


def _choice(label: str, options: list[str], guessed: str | None, key: str, meaning: str | None = None) -> str | None:
    # Options are names, not places: another id moves all places.
    place = options.index(guessed) + 1 if guessed in options else 0
    found = st.selectbox(
        label, ["", *options], index=place, format_func=lambda column: column or _NONE, key=key, help=meaning
    )
    return found or None


def _checked(sent: Sent[Mapping], mapping: Mapping, store: Store) -> Opened | None:
    """The catalog that it makes, or None after a sentence on why it makes none."""
    if mapping.id is None:
        own = [plain(column) for column in possible_ids(sent.upload)]
        remedy = f"Every record has a value of its own in: {', '.join(own)}." if own else "None seems to be one."
        st.warning(f"Say which column has the documents' ids. {remedy}")
        return None
    known = st.session_state.get(_CHECKED)
    if known is None or known[0] != (sent.file_id, mapping):
        try:
            with st.spinner("Checking every value"):
                found: Opened | str = opened(checked(sent.upload, mapping), store)
        except LrerankError as error:
            found = told(error)
        known = st.session_state[_CHECKED] = ((sent.file_id, mapping), found)
    if isinstance(known[1], str):
        st.error(f"**Refused.** {known[1]}", icon=":material/block:")
        return None
    made: Opened = known[1]
    return made


def _keep(upload: Upload, mapping: Mapping, found: Opened | None, store: Store, show: Callable[[str], None]) -> None:
    with st.container(border=True):
        st.markdown("**Keep it under a name**")
        name = st.text_input(
            "Name",
            free_name(store.catalogs, upload.stem),
            max_chars=LONGEST_NAME,
            key=f"adding-name-{upload.name}",
            help="Small letters, digits, - and _. Commands and experiments call it by this.",
        )
        shown = st.text_input("Title", upload.stem, max_chars=120, key=f"adding-shown-{upload.name}")
        with st.expander("Licence and source"):
            licence = st.text_input("Licence", max_chars=200, key="adding-licence")
            source = st.text_input("Source", max_chars=400, key="adding-source")
        card = mapping.card(shown.strip(), licence.strip(), source.strip())
        st.button(
            "Keep this catalog",
            type="primary",
            icon=":material/save:",
            width="stretch",
            disabled=found is None,
            on_click=_kept,
            args=(store, name.strip(), upload, card, show),
        )
        if refused := st.session_state.pop(_REFUSED, None):
            st.error(refused)


def _kept(store: Store, name: str, upload: Upload, card: Card, show: Callable[[str], None]) -> None:
    try:
        keep(store.catalogs, name, upload.data, upload.suffix, card)
    except LrerankError as error:
        st.session_state[_REFUSED] = told(error)
    else:
        st.session_state.pop(_CHECKED, None)
        st.toast(f"{name} is kept.", icon=":material/check:")
        show(name)


def _outcome(found: Opened) -> None:
    """What came of it."""
    catalog = found.catalog
    named = catalog.segment_path
    facts(
        {
            "documents": f"{len(catalog):,}",
            "fields that rank": f"{found.count('rank'):,}",
            "fields searched": f"{found.count('search'):,}",
            "names segments": named or _NONE,
        }
    )
    for note in found.notes:
        st.warning(plain(note))
    if found.can_be_simulated:
        st.caption(plain(found.told_queries()))
    else:
        st.warning(plain(found.told_queries()))
    of_fields, of_rows = st.tabs(["Fields", "First rows"])
    with of_fields:
        fields(found, "adding")
    with of_rows:
        first_rows(found)
