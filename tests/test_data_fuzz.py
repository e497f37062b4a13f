"""Whatever a card or a file holds: a sound catalog or a DataError, never another exception."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from lrerank.data.cards import Card, parse_card
from lrerank.data.catalog import Catalog, ListColumn, NumericColumn
from lrerank.data.describing import describe
from lrerank.data.frames import catalog_from_frame
from lrerank.data.interaction_files import read_interactions
from lrerank.data.load import load_catalog
from lrerank.errors import DataError

_TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "1,234", "007", "nan", "inf", "1e999", "true", "2026-02-30", "a|b", "[1,", '["x"]', "\ud800", "0"]
    ),
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    _TEXTS,
    st.datetimes(),
    st.dates(),
    # pandas can't print a signalling NaN, so a failing example with one could not be shown.
    st.decimals(allow_nan=False),
    st.timedeltas(),
    st.binary(max_size=4),
)
_CELLS = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=2), max_leaves=4
)
_NAMES = st.sampled_from(
    ["id", "title", "price", "tags", "created_at", "user_id", "metadata.price", "", "genre", "category"]
)
_KINDS = st.sampled_from(["categorical", "numeric", "boolean", "date", "list", "text"])


@st.composite
def _frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(0, 5))
    names = draw(st.lists(_NAMES, max_size=5, unique=True))
    columns = {name: pd.Series(draw(st.lists(_CELLS, min_size=rows, max_size=rows)), dtype=object) for name in names}
    if draw(st.booleans()):
        columns["id"] = pd.Series([f"d{row}" for row in range(rows)], dtype=object)
    return pd.DataFrame(columns)


@st.composite
def _cards(draw: st.DrawFn) -> Card | None:
    field = st.fixed_dictionaries(
        {},
        optional={
            "kind": _KINDS,
            "path": st.sampled_from(["a", "metadata.a", "price"]),
            "feature": st.booleans(),
            "missing": st.lists(st.sampled_from([0, 1.5, "x", True]), max_size=2).map(tuple),
            "lowercase": st.booleans(),
            "separator": st.sampled_from(["|", ",", " "]),
            "synonyms": st.just({"a": "b", "b": " "}),
        },
    )
    content = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "id": _NAMES.filter(bool),
                "text": st.lists(_NAMES, max_size=2).map(tuple),
                "segment": _NAMES.filter(bool),
                "only_listed": st.booleans(),
                "fields": st.dictionaries(_NAMES, field, max_size=3),
            },
        )
    )
    return Card.model_validate(content)


def _assert_sound(catalog: Catalog, rows: int) -> None:
    assert len(catalog) == rows == len(set(catalog.ids)) and all(catalog.ids)
    for known in catalog.fields:
        column = catalog.column(known.path)
        if isinstance(column, NumericColumn):
            assert not np.isinf(column.values).any()
        if isinstance(column, ListColumn):
            for row in range(rows):
                values = catalog.value(known.path, row)
                assert len(set(values)) == len(values)
        for row in range(rows):
            catalog.text(known.path, row).encode("utf-8")
    assert set(catalog.text_paths) <= set(catalog.columns)
    describe(catalog)


@given(_frames(), _cards() | st.none())
def test_frames_become_sound_catalogs_or_are_refused(frame: pd.DataFrame, card: Card | None) -> None:
    try:
        catalog = catalog_from_frame(frame, card, "fuzz")
    except DataError:
        return
    _assert_sound(catalog, len(frame))


@given(
    st.text(max_size=80)
    | st.lists(
        st.sampled_from(
            [
                "[fields.a]\n",
                "kind = ",
                '"text"\n',
                "id = ",
                "1\n",
                "[[files]]\n",
                "missing = [",
                "]\n",
                "[indexes]\n",
                "a.b = ",
            ]
        ),
        max_size=8,
    ).map("".join)
)
def test_card_texts_are_read_or_refused(text: str) -> None:
    with suppress(DataError):
        parse_card(text)


@given(
    st.sampled_from([".csv", ".tsv", ".jsonl", ".json", ".parquet", ".csv.gz"]),
    st.binary(max_size=60) | st.text(alphabet='id,"\n\r\t{}[]:1a|;', max_size=60).map(str.encode),
)
def test_bytes_are_read_or_refused(suffix: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"fuzz{suffix}"
        path.write_bytes(content)
        try:
            catalog = load_catalog(path)
        except DataError:
            return
        _assert_sound(catalog, len(catalog.ids))


_FIELDS = [
    "interaction_type",
    "user_id",
    "document_id",
    "position",
    "timestamp",
    "shown",
    "propensity",
    "propensities",
    "features",
    "context",
    "query",
]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(st.dictionaries(st.sampled_from(_FIELDS) | st.text(max_size=5), _JSON, max_size=8), max_size=3))
def test_interactions_are_read_or_refused(records: list[dict[str, Any]]) -> None:
    whole = {"interaction_type": "click", "user_id": "u", "document_id": "d"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzz.jsonl"
        path.write_text("".join(json.dumps({**whole, **record}) + "\n" for record in records))
        with suppress(DataError):
            for read in read_interactions(path):
                assert read.user_id and np.isfinite(read.timestamp)
                assert read.propensity is None or 0 < read.propensity <= 1
