"""What a learning-to-rank model sees of a query's candidates: features of any catalog, none written for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrerank.data.catalog import BooleanColumn, Catalog, NumericColumn
from lrerank.errors import DataError
from lrerank.retrieval.index import TextIndex
from lrerank.retrieval.matching import match
from lrerank.retrieval.tokens import words
from lrerank.types import FloatArray, IntArray

# Shorter numbers in a query are parts and counts, longer ones name years, models or prices.
_TELLING_DIGITS = 3
_LONGEST_NUMBER = 12
_YEAR = 365.2425 * 86_400.0  # seconds
# Beyond single precision a number would become infinite, and differences of such numbers too: half of it is safe.
_LARGEST = float(np.finfo(np.float32).max) / 2
_VALUE_KINDS = ("numeric", "date", "boolean")


@dataclass(frozen=True)
class FeatureSpec:
    """What the features are made from, so that serving makes the same ones as training.

    Attributes:
        text_paths: searched fields, the title first.
        value_paths: numeric, date and boolean fields, in the catalog's order.
        encoder: of the embeddings.
        position: whether the model was trained with the position at which a document was shown; serving says 1 for all.
    """

    text_paths: Sequence[str]
    value_paths: Sequence[str]
    encoder: str
    position: bool = False

    @classmethod
    def of(cls, catalog: Catalog, encoder: str = "lsa", position: bool = False) -> FeatureSpec:
        values = tuple(field.path for field in catalog.fields if field.kind in _VALUE_KINDS and field.feature)
        return cls(tuple(catalog.text_paths), values, encoder, position)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> FeatureSpec:
        return cls(tuple(found["text_paths"]), tuple(found["value_paths"]), found["encoder"], found["position"])

    def check(self, catalog: Catalog) -> None:
        """Refuses a catalog that lacks what the model was trained on.

        Raises:
            DataError: with the fields that are missing or searched otherwise.
        """
        if tuple(catalog.text_paths) != tuple(self.text_paths):
            raise DataError(
                "this model was trained on a catalog whose searched fields are others",
                path="model",
                value=list(self.text_paths),
                remedy=f"Catalog {catalog.name!r} searches {', '.join(catalog.text_paths)}: train a model on it",
            )
        has = {field.path for field in catalog.fields if field.kind in _VALUE_KINDS}
        missing = [path for path in self.value_paths if path not in has]
        if missing:
            raise DataError(
                f"this model needs fields that catalog {catalog.name!r} lacks",
                path="model",
                value=missing,
                remedy="Train a model on it",
            )


@dataclass(frozen=True)
class FeatureMaker:
    """Features of candidate lists from one catalog."""

    spec: FeatureSpec
    catalog: Catalog
    index: TextIndex

    def names(self) -> list[str]:
        """[features] in the order of the columns."""
        columns = self.make("", np.zeros(1, dtype=np.int64))
        return [*columns, "position"] if self.spec.position else list(columns)

    def matrix(self, query: str, rows: IntArray, positions: FloatArray | None = None) -> NDArray[np.float32]:
        """[n, features] of the documents in `rows` [n ≥ 1]; NaN where a document or the query has nothing to say.

        Some features compare a document with the others of the list: hand in the list that is ranked.
        `positions` [n] are those of training, where the spec has them.
        """
        columns = self.make(query, rows)
        if self.spec.position:
            columns["position"] = np.ones(len(rows)) if positions is None else positions
        return np.clip(np.stack(list(columns.values()), axis=1), -2 * _LARGEST, 2 * _LARGEST).astype(np.float32)

    def make(self, query: str, rows: IntArray) -> dict[str, FloatArray]:
        """Name → [n]."""
        own = self._matches(query, rows) | self._values(query, rows)
        # How far a document stays behind the list's best: comparable between lists of any length, unlike a rank.
        behind = {
            f"{name} behind": np.fmax.reduce(column) - column for name, column in own.items() if _is_compared(name)
        }
        codes = self.index.lexical.codes(query)
        shared = {
            "query words": len(codes),
            "query unknown words": np.count_nonzero(codes < 0),
            "query mean idf": self.index.lexical.weights(codes).mean() if len(codes) else 0.0,
        }
        return own | behind | {name: np.full(len(rows), float(value)) for name, value in shared.items()}

    def _matches(self, query: str, rows: IntArray) -> dict[str, FloatArray]:
        found = match(self.index.lexical, query, rows)
        columns: dict[str, FloatArray] = {
            "relevance": found.relevance,
            "bm25": self.index.lexical_scores(query)[rows],
            "covered": found.anywhere,
            "covered outside title": found.outside_title,
            "missing words": found.missing,
            "title opening": found.opening,
            "title run density": found.run_density,
            "query pieces": found.query_pieces,
            "title pieces": found.title_pieces,
        }
        embeddings = self.index.document_embeddings[rows]
        columns["similarity"] = (embeddings @ self.index.embed_query(query)).astype(np.float64)
        trust = np.exp(12 * found.relevance)
        columns["similarity to best"] = (embeddings @ ((trust / trust.sum()) @ embeddings)).astype(np.float64)
        scores = self.index.field_scores(query)[:, rows]
        for number, path in enumerate(self.spec.text_paths):
            columns |= {
                f"{path}: bm25": scores[number],
                f"{path}: coverage": found.coverage[:, number],
                f"{path}: density": found.density[:, number],
                f"{path}: run": found.run[:, number],
                f"{path}: words": found.lengths[:, number],
            }
        return columns

    def _values(self, query: str, rows: IntArray) -> dict[str, FloatArray]:
        numbers = [
            float(word) for word in words(query) if word.isdecimal() and _TELLING_DIGITS <= len(word) <= _LONGEST_NUMBER
        ]
        dates = {field.path for field in self.catalog.fields if field.kind == "date"}
        columns: dict[str, FloatArray] = {}
        for path in self.spec.value_paths:
            values = np.clip(_value_column(self.catalog, path)[rows], -_LARGEST, _LARGEST)
            columns[f"{path}: value"] = values
            # "cinderella 2015" means the year; which field a number means is for the model to find out.
            scale, origin = (_YEAR, 1970.0) if path in dates else (1.0, 0.0)
            distances = [np.abs(values / scale + origin - number) for number in numbers]
            columns[f"{path}: from number"] = np.min(distances, axis=0) if numbers else np.full(len(rows), np.nan)
        return columns


def _value_column(catalog: Catalog, path: str) -> FloatArray:
    """[documents] a field's values as numbers, NaN where missing."""
    match catalog.column(path):
        case NumericColumn(values=values):
            return values
        case BooleanColumn(values=flags):
            return np.where(flags < 0, np.nan, flags)
        case column:
            raise TypeError(type(column))


def _is_compared(name: str) -> bool:
    return not name.endswith((": words", ": from number", "missing words", "covered outside title"))
