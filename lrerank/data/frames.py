"""A frame and its card to a catalog: ids checked, kinds settled, every column in the form the features read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lrerank.data.cards import Card, FieldCard
from lrerank.data.catalog import Catalog, Column, Field, NumericColumn
from lrerank.data.columns import build_column, fingerprint
from lrerank.data.kinds import Guess, guess_kind
from lrerank.data.values import clean_text, id_word, is_any_of, plain
from lrerank.errors import DataError

_ID_NAMES = ("id", "document_id", "doc_id", "_id", "item_id", "product_id", "article_id", "sku", "uuid")
TITLE_NAMES = ("title", "headline", "name", "product_name", "label")
"""How columns with titles are called."""
_SEGMENT_NAMES = ("category", "categories", "topic", "topics", "genre", "genres", "section", "department", "type")


@dataclass(frozen=True, slots=True)
class LoadedCatalog:
    """A catalog and what the user should know of how it was read.

    Attributes:
        catalog: the documents.
        notes: sentences such as "price: 3 values are not finite numbers and count as missing".
        hints: column → how its values were read in want of a card, or why not as numbers; these are among the notes.
    """

    catalog: Catalog
    notes: tuple[str, ...]
    hints: Mapping[str, str] = field(default_factory=dict)


def catalog_from_frame(frame: pd.DataFrame, card: Card | None, name: str) -> Catalog:
    """The catalog a frame holds; see `load_frame`, which also gives the notes."""
    return load_frame(frame, card, name).catalog


def load_frame(frame: pd.DataFrame, card: Card | None, name: str, place: str = "") -> LoadedCatalog:
    """Make a catalog from a frame.

    What the card leaves open is inferred: the id column from its name, kinds from the values, searched columns (texts,
    the title first) and the segment column from names. `describe` shows the outcome.

    Args:
        frame: one row per document; cells may be anything pandas or JSON gives.
        card: how to read it, or None to infer everything.
        name: the catalog's name; the card's own name wins.
        place: file name for errors.

    Raises:
        DataError: no documents, no id column, missing or repeated ids, a column the card names and the frame lacks,
            values that do not fit the kind the card gives.
    """
    card = card or Card()
    place = place or name
    if frame.empty:
        raise DataError("there are no documents", path=place, remedy="Give a file with at least one record")
    repeated = [str(column) for column, count in Counter(map(str, frame.columns)).items() if count > 1]
    if repeated:
        raise DataError("columns share a name", path=place, value=repeated[0], remedy="Rename one of them")
    frame = frame.rename(columns=str)
    _check_named_columns(frame, card, place)
    id_column = _id_column(frame, card, place)
    ids = _ids(frame[id_column], place, id_column)
    fields: list[Field] = []
    columns: dict[str, Column] = {}
    path_of: dict[str, str] = {}
    notes: list[str] = []
    hints: dict[str, str] = {}
    for column in _kept_columns(frame, card, id_column):
        field_card = card.fields.get(column, FieldCard())
        path = field_card.path or clean_text(column) or column
        if path in columns:
            raise DataError("two columns have this path", path=f"{place}: {path}", remedy="Give one another `path`")
        values, infinite = _present(frame[column], field_card, f"{place}: {column}")
        # Looking at all values takes most of the time; a card that says everything spares it.
        is_told = field_card.kind not in (None, "list") and field_card.feature is not None
        guess = Guess(field_card.kind) if field_card.kind and is_told else guess_kind(column, values)
        # With a card that says the kind there is nothing to say.
        if guess.note and not field_card.kind:
            hints[column] = guess.note
            notes.append(f"{column}: {guess.note}")
        kind = field_card.kind or guess.kind
        separator = field_card.separator or guess.separator
        columns[path] = build_column(kind, values, field_card, separator, f"{place}: fields.{column}")
        if lost := _without_value(columns[path], values, infinite):
            notes.append(f"{column}: {lost} values are not finite numbers and count as missing")
        fields.append(Field(path, kind, _is_feature(field_card, guess, values)))
        path_of[column] = path
    text_paths = _text_paths(card, fields, path_of, place)
    if not text_paths:
        notes.append("no column holds words: text search will find nothing")
    segment_path = _segment_path(card, fields, columns, path_of, place)
    catalog = Catalog(
        name=card.name or name,
        ids=ids,
        fields=tuple(fields),
        columns=columns,
        text_paths=text_paths,
        fingerprint=fingerprint(ids, fields, columns, text_paths),
        segment_path=segment_path,
        title=card.title or card.name or name,
        indexes=card.all_indexes,
    )
    return LoadedCatalog(catalog, tuple(notes), hints)


def _check_named_columns(frame: pd.DataFrame, card: Card, place: str) -> None:
    named = [("id", card.id), ("segment", card.segment)]
    named += [("text", column) for column in card.text] + [("fields", column) for column in card.fields]
    for entry, column in named:
        if column is not None and column not in frame.columns:
            known = ", ".join(frame.columns[:30])
            message = f"the card names a column under `{entry}` that the data lacks"
            raise DataError(message, path=place, value=column, remedy=f"The columns are {known}")


def guess_id(frame: pd.DataFrame) -> str | None:
    """The column with the documents' ids, by its name; None where none is clearly it."""
    lower = {column.lower(): column for column in reversed(list(frame.columns))}
    for known in _ID_NAMES:
        if known in lower:
            return lower[known]
    for column in frame.columns:
        if (column.lower().endswith("_id") or column.endswith("Id")) and identifies(frame[column]):
            return column
    return None


def identifies(series: pd.Series[Any]) -> bool:
    """Whether a column's values could be ids: none is missing, none occurs twice."""
    words = [id_word(plain(value)) for value in series]
    return None not in words and len(set(words)) == len(words)


def _id_column(frame: pd.DataFrame, card: Card, place: str) -> str:
    column = card.id or guess_id(frame)
    if column is not None:
        return column
    known = ", ".join(frame.columns[:30])
    remedy = f'Name it in a card: id = "...". The columns are {known}'
    raise DataError("no column is clearly the documents' id", path=place, remedy=remedy)


def _ids(series: pd.Series[Any], place: str, column: str) -> tuple[str, ...]:
    cells = [plain(value) for value in series]
    words = [id_word(cell) for cell in cells]
    absent = [row for row, word in enumerate(words, start=1) if word is None]
    if absent:
        message = f"{len(absent)} of {len(words)} documents have no usable id, the first in record {absent[0]}"
        remedy = "Give every document an id, as text or as a whole number of at most 15 digits"
        raise DataError(message, path=f"{place}: {column}", value=cells[absent[0] - 1], remedy=remedy)
    ids = tuple(word for word in words if word is not None)
    repeated = [(word, count) for word, count in Counter(ids).items() if count > 1]
    if repeated:
        shown = ", ".join(f"{word[:40]!r} {count} times" for word, count in repeated[:5])
        message = f"{len(repeated)} ids occur more than once: {shown}"
        raise DataError(message, path=f"{place}: {column}", remedy="Keep one record per document, or name another id")
    return ids


def _kept_columns(frame: pd.DataFrame, card: Card, id_column: str) -> list[str]:
    listed = {*card.fields, *card.text, *([card.segment] if card.segment else [])}
    return [column for column in frame.columns if column != id_column and (not card.only_listed or column in listed)]


def _present(series: pd.Series[Any], field_card: FieldCard, place: str) -> tuple[list[Any], int]:
    """The cells with everything that means missing as None, and how many were infinite."""
    try:
        cells = [plain(value) for value in series.tolist()]
    except RecursionError:
        raise DataError("a value is nested too deeply", path=place, remedy="Flatten it or leave it out") from None
    values = [None if cell is None or is_any_of(cell, field_card.missing) else cell for cell in cells]
    infinite = 0
    for row, value in enumerate(values):
        if isinstance(value, float) and not math.isfinite(value):
            # In a float column pandas writes NaN for "nothing here"; only infinity is worth a word.
            infinite += math.isinf(value)
            values[row] = None
    return values, infinite


def _without_value(column: Column, values: Sequence[Any], infinite: int) -> int:
    """How many cells hold something that a column of numbers has no value for: infinity, `nan`, `n/a`."""
    if not isinstance(column, NumericColumn):
        return infinite
    return infinite + sum(value is not None for value in values) - int(np.isfinite(column.values).sum())


def _is_feature(field_card: FieldCard, guess: Guess, values: Sequence[Any]) -> bool:
    if field_card.feature is not None:
        return field_card.feature
    kind = field_card.kind or guess.kind
    # A text's words, an id's or link's values and an empty column teach nothing that carries over to others.
    return kind != "text" and not (kind == "categorical" and guess.identifies) and any(v is not None for v in values)


def _text_paths(card: Card, fields: Sequence[Field], path_of: dict[str, str], place: str) -> tuple[str, ...]:
    kinds = {known.path: known.kind for known in fields}
    if card.text:
        for column in card.text:
            if column not in path_of:
                raise DataError("the id can't be searched as text", path=f"{place}: text", value=column)
            if kinds[path_of[column]] not in ("text", "categorical", "list"):
                message = f"a {kinds[path_of[column]]} column can't be searched as text"
                raise DataError(
                    message, path=f"{place}: text", value=column, remedy="Leave it out or give another kind"
                )
        return tuple(dict.fromkeys(path_of[column] for column in card.text))
    texts = [known.path for known in fields if known.kind == "text"]
    titles = [
        known.path for known in fields if known.name.lower() in TITLE_NAMES and known.kind in ("text", "categorical")
    ]
    words = [known.path for known in fields if known.kind in ("categorical", "list") and known.feature]
    return tuple(dict.fromkeys((*titles, *texts) or words))


def _segment_path(
    card: Card, fields: Sequence[Field], columns: dict[str, Column], path_of: dict[str, str], place: str
) -> str | None:
    named = [known for known in fields if known.kind in ("categorical", "list")]
    if card.segment is not None:
        wanted = path_of.get(card.segment)
        if wanted not in {known.path for known in named}:
            message = "segments are named by a categorical or list column"
            raise DataError(message, path=f"{place}: segment", value=card.segment, remedy="Name another column")
        return wanted
    for known in named:
        if known.name.lower() in _SEGMENT_NAMES and 2 <= len(getattr(columns[known.path], "vocabulary", ())) <= 100:
            return known.path
    return None
