"""A catalog: documents as columns, with the kind of every field known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lrerank.errors import DataError
from lrerank.types import FieldKind, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class CategoricalColumn:
    """One value of a finite vocabulary per document, or none."""

    codes: NDArray[np.int32]  # [documents]; -1 = missing
    vocabulary: Sequence[str]


@dataclass(frozen=True, slots=True)
class NumericColumn:
    """A number per document; used for dates too, as seconds since the epoch, UTC."""

    values: FloatArray  # [documents]; NaN = missing, never infinite


@dataclass(frozen=True, slots=True)
class BooleanColumn:
    values: NDArray[np.int8]  # [documents]; 1, 0, -1 = missing


@dataclass(frozen=True, slots=True)
class ListColumn:
    """Several values of a finite vocabulary per document, without repetition."""

    offsets: IntArray  # [documents + 1]: document i has codes[offsets[i]:offsets[i + 1]]
    codes: NDArray[np.int32]
    vocabulary: Sequence[str]


@dataclass(frozen=True, slots=True)
class TextColumn:
    values: Sequence[str]  # [documents]; "" = missing


Column: TypeAlias = CategoricalColumn | NumericColumn | BooleanColumn | ListColumn | TextColumn


@dataclass(frozen=True, slots=True)
class Field:
    """What is known of one field of the documents.

    Attributes:
        path: dotted path into the document, `metadata.price`.
        kind: how its values are read; `Catalog.column` gives the matching column.
        feature: whether `features: "auto"` may use it.
    """

    path: str
    kind: FieldKind
    feature: bool = True

    @property
    def name(self) -> str:
        """The last part of the path: what people see."""
        return self.path.rsplit(".", 1)[-1]


@dataclass(frozen=True)
class Catalog:
    """Documents with unique ids, in columns.

    Attributes:
        name: how people refer to it; also keys caches and logs.
        ids: [documents] unique, non-empty.
        fields: every field but the id, in the order of the file or card.
        columns: path → column.
        text_paths: fields that are searched, the title first. Their kinds may be text, categorical or list.
        segment_path: the categorical or list field that names inferred segments; None for no names.
        fingerprint: changes when the documents or their kinds change; keys the caches of indexes.
        title: for people.
        indexes: names a pipeline may use as `vector_index` → encoder name; "default" is always there.
    """

    name: str
    ids: Sequence[str]
    fields: Sequence[Field]
    columns: Mapping[str, Column]
    text_paths: Sequence[str]
    fingerprint: str
    segment_path: str | None = None
    title: str = ""
    indexes: Mapping[str, str] = field(default_factory=lambda: {"default": "lsa"})

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def row_of(self) -> Mapping[str, int]:
        """Document id → row."""
        return {document_id: row for row, document_id in enumerate(self.ids)}

    def resolve(self, path: str) -> Field | None:
        """The field a path means: the path itself, or the only field whose last part is the path's last part.

        So `metadata.price` finds the column `price` of a flat file, and `price` finds `metadata.price`.
        """
        for candidate in self.fields:
            if candidate.path == path:
                return candidate
        name = path.rsplit(".", 1)[-1]
        alike = [candidate for candidate in self.fields if candidate.name == name]
        return alike[0] if len(alike) == 1 else None

    def column(self, path: str) -> Column:
        """The column of an exact path.

        Raises:
            DataError: no field has this path.
        """
        try:
            return self.columns[path]
        except KeyError:
            known = ", ".join(known.path for known in self.fields)
            raise DataError(f"catalog {self.name!r} has no such field", path=path, remedy=f"It has {known}") from None

    def value(self, path: str, row: int) -> Any:
        """One document's value as Python sees it in JSON; None where missing, dates in seconds since the epoch."""
        match self.column(path):
            case CategoricalColumn(codes=codes, vocabulary=vocabulary):
                return vocabulary[codes[row]] if codes[row] >= 0 else None
            case NumericColumn(values=values):
                return float(values[row]) if np.isfinite(values[row]) else None
            case BooleanColumn(values=values):
                return bool(values[row]) if values[row] >= 0 else None
            case ListColumn(offsets=offsets, codes=codes, vocabulary=vocabulary):
                return [vocabulary[code] for code in codes[offsets[row] : offsets[row + 1]]]
            case TextColumn(values=texts):
                return texts[row] or None

    def text(self, path: str, row: int) -> str:
        """One field as words: what is indexed and what is shown."""
        value = self.value(path, row)
        if value is None:
            return ""
        return " ".join(value) if isinstance(value, list) else str(value)

    def content(self, row: int) -> str:
        """The document as a person reads it in a result: title, then what text there is."""
        parts = (self.text(path, row) for path in self.text_paths)
        return " — ".join(part for part in parts if part)
