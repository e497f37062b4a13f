"""How the words of a query sit in some documents: how many are there, where, in which order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lrerank.retrieval.lexical import UNKNOWN, LexicalIndex
from lrerank.retrieval.tokens import trigrams
from lrerank.types import FloatArray, IntArray


@dataclass(frozen=True)
class Matches:
    """One query against n documents. Shares lie in 0..1; `weighted` means that rare words count more, by idf.

    Attributes:
        coverage: [n, fields] weighted share of the query's words that the field has.
        density: [n, fields] share of the field's words that the query has.
        run: [n, fields] longest run of words that query and field share in order, as a share of the query.
        opening: [n] longest run that starts the title, as a share of the title: 1 = the query holds the whole title.
        run_density: [n] longest shared run as a share of the title.
        lengths: [n, fields] words.
        anywhere: [n] weighted share of the query's words that any field has.
        outside_title: [n] weighted share of those that only other fields have.
        missing: [n] number of the query's words that no field has.
        query_pieces: [n] share of the query's trigrams that the title has.
        title_pieces: [n] share of the title's trigrams that the query has.
    """

    coverage: FloatArray
    density: FloatArray
    run: FloatArray
    opening: FloatArray
    run_density: FloatArray
    lengths: FloatArray
    anywhere: FloatArray
    outside_title: FloatArray
    missing: FloatArray
    query_pieces: FloatArray
    title_pieces: FloatArray

    @property
    def relevance(self) -> FloatArray:
        """[n] 0..1: the mean of coverage anywhere, coverage of the title, and likeness to the title by trigrams.

        Nothing better than equal weights was found on the movie judgments: NDCG@10 0.895, where BM25 over all text has 0.752.
        """
        likeness = np.sqrt(self.query_pieces * self.title_pieces)
        return (self.anywhere + self.coverage[:, 0] + likeness) / 3


def match(index: LexicalIndex, query: str, rows: IntArray) -> Matches:
    """Match a query against the documents in `rows` [n ≥ 1], in their order. A query without words matches nothing."""
    fields = len(index.paths)
    codes = index.codes(query)
    codes = codes if len(codes) else np.array([UNKNOWN])
    weights = index.weights(codes)
    weights = weights / weights.sum()
    segments = (rows[:, None] * fields + np.arange(fields)).ravel()
    positions, starts, lengths = _ragged(index.offsets, segments)
    terms = index.terms[positions].astype(np.int64)
    place = np.arange(len(terms)) - np.repeat(starts, lengths)
    present = np.empty((len(segments), len(codes)), dtype=bool)
    touched = np.zeros(len(terms), dtype=bool)
    previous = np.zeros(len(terms), dtype=np.int64)
    longest = np.zeros(len(terms), dtype=np.int64)
    opening = np.zeros(len(terms), dtype=np.int64)
    for number, code in enumerate(codes):
        here = terms == code
        present[:, number] = np.logical_or.reduceat(here, starts)
        touched |= here
        # A run ends at a term where the run of the word before ended one place earlier; end marks keep fields apart.
        run = np.where(here, np.concatenate(([0], previous[:-1])) + 1, 0)
        np.maximum(longest, run, out=longest)
        np.maximum(opening, np.where(run == place + 1, run, 0), out=opening)
        previous = run
    shape = (len(rows), fields)
    counts = (lengths - 1).reshape(shape).astype(np.float64)
    present_in = present.reshape(*shape, len(codes))
    somewhere = present_in.any(axis=1)
    runs = np.maximum.reduceat(longest, starts).reshape(shape)
    title_words = np.maximum(counts[:, 0], 1)
    query_pieces, title_pieces = _shared_pieces(index, query, rows)
    return Matches(
        coverage=present_in @ weights,
        density=np.add.reduceat(touched.astype(np.float64), starts).reshape(shape) / np.maximum(counts, 1),
        run=runs / len(codes),
        opening=np.maximum.reduceat(opening, starts).reshape(shape)[:, 0] / title_words,
        run_density=runs[:, 0] / title_words,
        lengths=counts,
        anywhere=somewhere @ weights,
        outside_title=(somewhere & ~present_in[:, 0]) @ weights,
        missing=(~somewhere).sum(axis=1).astype(np.float64),
        query_pieces=query_pieces,
        title_pieces=title_pieces,
    )


def _shared_pieces(index: LexicalIndex, query: str, rows: IntArray) -> tuple[FloatArray, FloatArray]:
    """Shares of the query's and of each title's trigrams that both have."""
    pieces = trigrams(query)
    positions, starts, lengths = _ragged(index.piece_offsets, rows)
    shared = np.add.reduceat(np.isin(index.pieces[positions], pieces).astype(np.float64), starts)
    return shared / max(len(pieces), 1), shared / np.maximum(lengths - 1, 1)


def _ragged(offsets: IntArray, segments: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Positions of the segments' entries one after another, where each starts among them, and their lengths (≥ 1)."""
    first = offsets[segments]
    lengths = offsets[segments + 1] - first
    starts = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(first - starts, lengths), starts, lengths
