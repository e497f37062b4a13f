"""The public side of a scene: who can be asked for what, and what retrieval answers. Policies may see all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lrerank.data.catalog import Catalog
from lrerank.retrieval.index import TextIndex, text_index
from lrerank.types import FloatArray, IntArray

ABSENT = -1


@dataclass(frozen=True)
class Search:
    """Q queries with at most c candidates each: what the stages before the last one find, computed once.

    Attributes:
        catalog: the documents.
        indexes: folder where text indexes are cached.
        query_ids, texts: [Q].
        rows: [Q, c] rows of the catalog, in the order of the static score; -1 after the last candidate.
        scores: [Q, c] static score, from the last stage that scores; 0 after the last candidate.
        lexical: [Q, c] relevance by the static `rerank`'s lexical model; 0 after the last candidate.
        topics: [n] each document's topic, an index into `topic_names`; -1 where it has none.
        topic_names: values of the field that names segments.
    """

    catalog: Catalog
    indexes: Path
    query_ids: Sequence[str]
    texts: Sequence[str]
    rows: IntArray
    scores: FloatArray
    lexical: FloatArray
    topics: IntArray
    topic_names: Sequence[str]

    def index(self) -> TextIndex:
        """The catalog's text index: from this process's memory, else from its cache."""
        return text_index(self.catalog, self.indexes, self.catalog.indexes["default"])

    def columns(self, query: IntArray, rows: IntArray) -> IntArray:
        """Where requests' candidates stand among all candidates of their queries.

        Args:
            query: [m].
            rows: [m, k] candidates of these queries in any order; -1 for none.

        Returns:
            [m, k] columns of `self.rows`; -1 for none.

        Raises:
            ValueError: a document that is no candidate of its query.
        """
        if self.is_whole(query, rows):
            return np.where(rows >= 0, np.arange(rows.shape[1]), ABSENT)
        keys, places = self._keys
        wanted = query[:, None] * len(self.catalog) + rows
        found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        present = rows >= 0
        if (present & (keys[found] != wanted)).any():
            raise ValueError("a document is no candidate of its query")
        return np.where(present, places[found], ABSENT)

    def is_whole(self, query: IntArray, rows: IntArray) -> bool:
        """Whether requests' candidates are all those of their queries, in their order."""
        return bool(rows.shape[1] == self.rows.shape[1] and (rows == self.rows[query]).all())

    def lexical_of(self, query: IntArray, rows: IntArray) -> FloatArray:
        """[m, k] lexical relevance of requests' candidates, arguments as for `columns`; any number where there is none."""
        if self.is_whole(query, rows):
            return self.lexical[query]
        return self.lexical[query[:, None], self.columns(query, rows)]

    @cached_property
    def _keys(self) -> tuple[IntArray, IntArray]:
        """(query and row as one number, ascending; the column of each)."""
        query, column = np.nonzero(self.rows >= 0)
        keys = query * len(self.catalog) + self.rows[query, column]
        order = np.argsort(keys)
        return keys[order], column[order]
