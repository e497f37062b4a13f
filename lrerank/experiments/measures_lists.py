"""Measures of lists: gain against the ideal, diversity, novelty, and how exposure spreads over documents."""

from __future__ import annotations

import numpy as np

from lrerank.types import BoolArray, FloatArray, IntArray


def discounted_gain(gains: FloatArray) -> FloatArray:
    """Sum of gain / log2(1 + position), position from 1: [n, k] -> [n]."""
    discount = 1.0 / np.log2(np.arange(2, gains.shape[1] + 2))
    return np.asarray((gains * discount).sum(axis=1))


def category_spread(categories: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """How categories spread over each list.

    Args:
        categories: [n, k] code of each document's category; negative for none, which is left out.

    Returns:
        [n] pairs of documents with a category, [n] those pairs that differ in it, [n] distinct categories.
    """
    ordered = np.sort(categories, axis=1)
    known = ordered >= 0
    place = np.arange(categories.shape[1])
    first = np.ones(ordered.shape, dtype=np.bool_)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    # Each document makes a pair of equals with every earlier one of its run.
    equals = place - np.maximum.accumulate(np.where(first, place, 0), axis=1)
    counted = known.sum(axis=1)
    pairs = counted * (counted - 1) // 2
    return pairs, pairs - (equals * known).sum(axis=1), (first & known).sum(axis=1)


def self_information(rows: IntArray, shown: BoolArray, exposures: IntArray) -> FloatArray:
    """−log2 of each document's share of what was shown on the pages before: [n, k], 0 where nothing is shown.

    The share is (exposures + 1) / (all exposures + documents), so a document that was never shown is as surprising as
    the amount of evidence allows. Pages count one after another: the popularity at a page is that before it, however
    pages are batched. `exposures` is brought up to date in place.

    Args:
        rows: [n, k] rows of the documents in the order of time, those of a page all different.
        shown: [n, k] whether there is a document.
        exposures: [documents] how often each was shown before; changed.
    """
    flat = rows[shown]
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    place = np.arange(len(flat))
    first = np.ones(len(flat), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    earlier = np.empty(len(flat), dtype=np.int64)
    earlier[order] = place - np.maximum.accumulate(np.where(first, place, 0))
    per_page = shown.sum(axis=1)
    before_page = exposures.sum() + per_page.cumsum() - per_page
    information = np.zeros(rows.shape)
    information[shown] = np.repeat(np.log2(before_page + len(exposures)), per_page) - np.log2(
        exposures[flat] + earlier + 1
    )
    exposures += np.bincount(flat, minlength=len(exposures))
    return information


def gini(exposures: IntArray) -> float:
    """Gini coefficient of n non-negative counts, Σ_i (2 i − n − 1) x_(i) / (n Σ x), x ascending; NaN where all are 0."""
    total = int(exposures.sum())
    n = len(exposures)
    if total == 0:
        return float("nan")
    rank = np.arange(1, n + 1)
    return float(((2 * rank - n - 1) * np.sort(exposures)).sum() / (n * total))
