"""The best list where users go down it and may stop after any document: exact, by sorting and dynamic programming.

In such a model document i gains r_i if it is reached, and the user goes on below it with probability q_i. The expected
reward of a list is r_1 + q_1 (r_2 + q_2 (r_3 + ...)).

Of two neighbours i above j, with anything worth R below, r_i + q_i r_j + q_i q_j R is at least r_j + q_j r_i + q_i q_j R
exactly if r_i (1 - q_j) >= r_j (1 - q_i), whatever R is. So a best list is in the order of r / (1 - q), and which
documents it has follows from a recursion along that order: with j slots left, the candidate at place p of the order
and all after it give

    V_j(p) = max over p' >= p of r_p' + q_p' V_{j-1}(p' + 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.click_models.base import Floats

# Finite, so that times 0 it is still a number.
_IMPOSSIBLE = -1e300


def best_chains(gain: Floats, passing: Floats, there: NDArray[np.bool_], slots: int) -> NDArray[np.int64]:
    """The best list of each of m sets of candidates, in time O(c log c + slots * c) each.

    Args:
        gain: [m, c] finite expected reward of each candidate, once it is reached.
        passing: [m, c] probability in 0..1 that a user who reached it goes on below.
        there: [m, c] whether there is such a candidate.
        slots: length of the lists, at least 1.

    Returns:
        [m, slots] columns, slot 1 first; -1 after the last one where there are fewer candidates than slots. A list is
        as long as it can be.
    """
    m, c = gain.shape
    # Far below any other difference from 1: who gains and never stops a user comes first.
    index = gain / np.maximum(1.0 - passing, 1e-30)
    order = np.argsort(np.where(there, -index, np.inf), axis=1, kind="stable")
    count = there.sum(axis=1)
    places = np.broadcast_to(np.minimum(np.arange(slots), c - 1), (m, slots))
    if c > slots:
        places = _chosen(
            np.take_along_axis(gain, order, axis=1),
            np.take_along_axis(passing, order, axis=1),
            count,
            slots,
        )
    return np.where(np.arange(slots) < count[:, None], np.take_along_axis(order, places, axis=1), -1)


def _chosen(gain: Floats, passing: Floats, count: NDArray[np.int64], slots: int) -> NDArray[np.int64]:
    """Which places of the order make the best list, where there are more places than slots: [m, slots], ascending.

    Of count [m] candidates per row the first ones are there. With fewer than slots, the first places are the answer.
    """
    m, c = gain.shape
    all_there = bool((count == c).all())
    best = np.zeros((m, c + 1))
    totals: list[Floats] = []
    values: list[Floats] = []
    for left in range(1, slots + 1):
        width = c - left + 1  # the first of these can't be further down
        total = gain[:, :width] + passing[:, :width] * best[:, 1:]
        if not all_there:
            total = np.where(np.arange(width) <= (count - left)[:, None], total, _IMPOSSIBLE)
        best = np.maximum.accumulate(total[:, ::-1], axis=1)[:, ::-1]
        totals.append(total)
        values.append(best)
    places = np.empty((m, slots), dtype=np.int64)
    start = np.zeros(m, dtype=np.int64)
    row, place = np.arange(m), np.arange(c)
    for slot in range(slots):
        total, best = totals[slots - 1 - slot], values[slots - 1 - slot]
        reached = (total >= best[row, start][:, None]) & (place[: total.shape[1]] >= start[:, None])
        places[:, slot] = reached.argmax(axis=1)
        start = places[:, slot] + 1
    return np.where((count < slots)[:, None], np.arange(slots), places)
