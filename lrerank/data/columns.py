"""Cells of a known kind to the column type of that kind."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from lrerank.data.cards import FieldCard
from lrerank.data.catalog import (
    BooleanColumn,
    CategoricalColumn,
    Column,
    Field,
    ListColumn,
    NumericColumn,
    TextColumn,
)
from lrerank.data.values import NULL_WORDS, boolean, is_any_of, items, plain, seconds, word
from lrerank.data.written import how_written
from lrerank.errors import DataError
from lrerank.types import FieldKind

_T = TypeVar("_T")


def build_column(kind: FieldKind, values: Sequence[Any], card: FieldCard, separator: str | None, place: str) -> Column:
    """The column of a kind.

    Args:
        kind: settled by the card or inferred.
        values: [documents] cells as `values.plain` gives them, None where missing.
        card: spelling rules.
        separator: what parts list items within a text.
        place: `movies.parquet: fields.price`, for errors.

    Raises:
        DataError: a value that is none of this kind; it counts how many there are.
    """
    match kind:
        case "numeric":
            return NumericColumn(_floats(_parsed(values, how_written(values, are_numbers=True).read, "numbers", place)))
        case "date":
            return NumericColumn(_floats(_parsed(values, seconds, "dates", place)))
        case "boolean":
            flags = _parsed(values, boolean, "true or false", place)
            return BooleanColumn(_frozen(np.array([-1 if flag is None else int(flag) for flag in flags], np.int8)))
        case "text":
            return TextColumn(tuple(_spelled(_joined(value), card) or "" for value in values))
        case "categorical":
            words = [_spelled(word(value), card) for value in values]
            codes, vocabulary = _coded(words)
            return CategoricalColumn(_frozen(codes), vocabulary)
        case "list":
            return _list_column(values, card, separator)


def fingerprint(
    ids: Sequence[str], fields: Sequence[Field], columns: dict[str, Column], text_paths: Sequence[str]
) -> str:
    """A digest of everything an index or a model of these documents depends on."""
    digest = hashlib.blake2b(digest_size=16)

    def add(words: Sequence[str]) -> None:
        # Lengths first: without them ["ab", "c"] and ["a", "bc"] would be the same bytes.
        encoded = [text.encode() for text in words]
        digest.update(np.array([len(encoded), *map(len, encoded)], "<i8").tobytes())
        digest.update(b"".join(encoded))

    add(ids)
    add(text_paths)
    for known in fields:
        add((known.path, known.kind, str(known.feature)))
        match columns[known.path]:
            case CategoricalColumn(codes=codes, vocabulary=vocabulary):
                digest.update(codes.astype("<i4").tobytes())
                add(vocabulary)
            case NumericColumn(values=numbers):
                digest.update(numbers.astype("<f8").tobytes())
            case BooleanColumn(values=flags):
                digest.update(flags.tobytes())
            case ListColumn(offsets=offsets, codes=codes, vocabulary=vocabulary):
                digest.update(offsets.astype("<i8").tobytes() + codes.astype("<i4").tobytes())
                add(vocabulary)
            case TextColumn(values=texts):
                add(texts)
    return digest.hexdigest()


def _parsed(values: Sequence[Any], parse: Callable[[Any], _T | None], wanted: str, place: str) -> list[_T | None]:
    parsed: list[_T | None] = []
    odd: list[Any] = []
    for value in values:
        result = None if value is None else parse(value)
        if result is None and value is not None and not (isinstance(value, str) and value.lower() in NULL_WORDS):
            odd.append(value)
        parsed.append(result)
    if odd:
        remedy = "Write numbers as 1234.5 and dates as 2026-01-31, or list what means missing under `missing`"
        raise DataError(f"{len(odd)} of {len(values)} values are not {wanted}", path=place, value=odd[0], remedy=remedy)
    return parsed


def _floats(numbers: Sequence[float | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    finite = [math.nan if value is None or not math.isfinite(value) else value for value in numbers]
    return _frozen(np.array(finite, np.float64))


def _joined(value: Any) -> str | None:
    return " ".join(filter(None, map(word, value))) if isinstance(value, list) else word(value)


def _spelled(text: str | None, card: FieldCard) -> str | None:
    if text is None:
        return None
    text = text.lower() if card.lowercase else text
    return card.synonyms.get(text, text).strip() or None


def _coded(words: Sequence[str | None]) -> tuple[np.ndarray[Any, np.dtype[np.int32]], tuple[str, ...]]:
    codes, vocabulary = pd.factorize(np.array([*words, None], dtype=object))
    return codes[:-1].astype(np.int32), tuple(map(str, vocabulary))


def _list_column(values: Sequence[Any], card: FieldCard, separator: str | None) -> ListColumn:
    cells: list[list[str]] = []
    for value in values:
        found: dict[str, None] = {}
        # Items of an array are plain already; those parted from a text are not, nor have missing ones been left out.
        for item in value if isinstance(value, list) else map(plain, items(value, separator)):
            if item is not None and not (card.missing and is_any_of(item, card.missing)):
                spelled = _spelled(word(item), card)
                if spelled:
                    found[spelled] = None
        cells.append(list(found))
    codes, vocabulary = _coded([item for cell in cells for item in cell])
    offsets = np.concatenate([[0], np.cumsum([len(cell) for cell in cells])]).astype(np.int64)
    return ListColumn(_frozen(offsets), _frozen(codes), vocabulary)


_Array = TypeVar("_Array", bound=np.ndarray[Any, Any])


def _frozen(array: _Array) -> _Array:
    """Catalogs are shared and cached: nothing may write into them."""
    array.setflags(write=False)
    return array
