"""Catalogs of a handful of documents, for tests that check every value by hand or against a plain oracle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lrerank.data.catalog import (
    BooleanColumn,
    Catalog,
    CategoricalColumn,
    Column,
    Field,
    ListColumn,
    NumericColumn,
    TextColumn,
)
from lrerank.types import FieldKind


def column(kind: FieldKind, values: Sequence[Any]) -> Column:
    """A column of Python values; None is missing."""
    match kind:
        case "text":
            return TextColumn([value or "" for value in values])
        case "numeric" | "date":
            return NumericColumn(np.array([np.nan if value is None else float(value) for value in values]))
        case "boolean":
            return BooleanColumn(np.array([-1 if value is None else int(value) for value in values], dtype=np.int8))
        case "categorical":
            vocabulary = sorted({value for value in values if value is not None})
            codes = [-1 if value is None else vocabulary.index(value) for value in values]
            return CategoricalColumn(np.array(codes, dtype=np.int32), vocabulary)
        case "list":
            vocabulary = sorted({item for value in values for item in value or ()})
            offsets = np.cumsum([0, *(len(value or ()) for value in values)])
            flat = [vocabulary.index(item) for value in values for item in value or ()]
            return ListColumn(offsets, np.array(flat, dtype=np.int32), vocabulary)


def catalog(
    columns: Mapping[str, tuple[FieldKind, Sequence[Any]]],
    text: Sequence[str],
    indexes: Mapping[str, str] | None = None,
) -> Catalog:
    """A catalog from path → (kind, values); ids are d0, d1, …"""
    size = len(next(iter(columns.values()))[1])
    return Catalog(
        name="small",
        ids=[f"d{row}" for row in range(size)],
        fields=[Field(path, kind) for path, (kind, _) in columns.items()],
        columns={path: column(kind, values) for path, (kind, values) in columns.items()},
        text_paths=list(text),
        fingerprint=hashlib.sha256(repr(sorted(columns.items())).encode()).hexdigest(),
        indexes=indexes or {"default": "lsa"},
    )


def texts(*titles: str, body: Sequence[str] | None = None, encoder: str = "lsa") -> Catalog:
    """A catalog of titles, and bodies if there are any."""
    columns: dict[str, tuple[FieldKind, Sequence[Any]]] = {"title": ("text", titles)}
    if body is not None:
        columns["body"] = ("text", body)
    return catalog(columns, list(columns), {"default": encoder})
