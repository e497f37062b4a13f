"""What is measured of a page, and the block of pages that wait to be counted together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lrerank.types import BoolArray, FloatArray, IntArray

BLOCK = 1024

Block: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Page:
    """What came of m lists of k slots, and what the world knows of them: the truth of a batch, made by the loop.

    Attributes:
        clicks, purchases: [m, k] whether; False where a list has ended.
        reward: [m, k] weighted interactions of each slot, 0 where a list has ended.
        alpha: [m, k] true attractiveness of the documents shown, >= 0; not looked at where a list has ended.
        ideal: [m, k] the k largest attractivenesses among all candidates, descending; 0 after the last.
        expected: [m] exact expected reward of the list shown.
        greedy_expected: [m] of the list that the same model state would show without exploration.
        reference: [m] of the reference list in this arm's own user state.
        segments: [m] code of the user's true segment.
        history: [m] number of the user's interactions in this arm before this page.
        milliseconds: [m] time it took to rank the page; of a batch, the batch's time divided by m.
        fallback: [m] exact expected reward of the list that the arm's fallback would have shown; None without one.
    """

    clicks: BoolArray
    purchases: BoolArray
    reward: FloatArray
    alpha: FloatArray
    ideal: FloatArray
    expected: FloatArray
    greedy_expected: FloatArray
    reference: FloatArray
    segments: IntArray
    history: IntArray
    milliseconds: FloatArray
    fallback: FloatArray | None = None


SLOT_FIELDS = ("clicks", "purchases", "reward", "alpha", "ideal")
PAGE_FIELDS = tuple(field.name for field in fields(Page) if field.name not in SLOT_FIELDS)


def empty_block(slots: int) -> Block:
    """Room for the pages that wait to be counted together: one call per block costs less than one per page."""
    wide, narrow = (BLOCK, slots), (BLOCK,)
    flags = dict.fromkeys(("clicks", "purchases", "shown", "explored"), np.bool_)
    numbers = dict.fromkeys(("reward", "alpha", "ideal", "propensity", "probability"), np.float64)
    block = {name: np.zeros(wide, dtype=kind) for name, kind in (flags | numbers | {"rows": np.int64}).items()}
    whole = ("segments", "history", "impression", "inferred")
    for name in (*PAGE_FIELDS, "impression", "inferred"):
        block[name] = np.zeros(narrow, dtype=np.int64 if name in whole else np.float64)
    return block


def check_values(block: Block, segments: int, end: int) -> None:
    """A number that can't be would come out as a mean that looks right."""
    shown, probability = block["shown"], block["probability"]
    if (block["impression"] >= end).any():
        raise ValueError(f"impression {block['impression'].max()} lies behind the last edge, {end}")
    if (block["rows"][shown] < 0).any():
        raise ValueError("a list shows a column that holds no candidate")
    places = np.sort(np.where(shown, block["rows"], -1), axis=1)
    if ((places[:, 1:] == places[:, :-1]) & (places[:, 1:] >= 0)).any():
        raise ValueError("a list shows a document twice")
    if ((block["clicks"] | block["purchases"] | block["explored"] | (block["reward"] != 0)) & ~shown).any():
        raise ValueError("something happened in a slot that shows nothing")
    if ((probability < 0) | (probability > 1)).any():
        raise ValueError("a predicted probability is not within 0..1")
    if block["segments"].min() < 0 or block["segments"].max() >= segments:
        raise ValueError(f"segments must be 0..{segments - 1}")
    if not all(np.isfinite(block[name][shown]).all() for name in ("alpha", "propensity")):
        raise ValueError("alpha and propensities must be finite where a document is shown")
    for name in ("reward", "ideal", "expected", "greedy_expected", "reference", "milliseconds"):
        if not np.isfinite(block[name]).all():
            raise ValueError(f"page.{name} must be finite")
    if (block["milliseconds"] < 0).any() or (block["history"] < 0).any():
        raise ValueError("page.milliseconds and page.history must not be negative")
