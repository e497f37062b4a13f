"""Interactions as what training learns from: lists that were shown, each with what came of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lrerank.behaviour import page_of
from lrerank.data.catalog import Catalog
from lrerank.types import FloatArray, IntArray, Interaction


@dataclass(slots=True)
class ShownList:
    """One request of the log: what was shown where, and what came of it.

    Attributes:
        rows, positions: [k] catalog rows and 1-based positions (None = unknown).
        outcomes: (timestamp, type, place in the list), in time order.
        learn_order: how many lists are learned before this one.
    """

    request_id: str
    user_id: str
    query: str
    timestamp: float
    context: Mapping[str, Any]
    rows: IntArray
    positions: IntArray | None
    outcomes: list[tuple[float, str, int]] = field(default_factory=list)
    learn_order: int = 0

    def rewards(self, weights: Mapping[str, float]) -> FloatArray:
        """[k] the best of each document's interactions."""
        rewards = np.zeros(len(self.rows))
        for _, kind, place in self.outcomes:
            rewards[place] = max(rewards[place], weights.get(kind, 0.0))
        return rewards


def shown_lists(
    interactions: Sequence[Interaction], catalog: Catalog
) -> tuple[list[ShownList], list[Interaction], Counter[str]]:
    """Interactions as shown lists in time order, strays, and how many could not be learned from, by reason.

    Impressions of one page (same user and `request_id`, else same user, query and moment) form a list. A click or purchase
    belongs to the list of its `request_id`, else to the user's latest earlier list that showed the document. Where no
    list showed it, it is a stray: profiles and engagement know of it, as they do from the log.
    """
    strays: list[Interaction] = []
    lists: dict[str, ShownList] = {}
    shown_rows: dict[str, list[tuple[int, int | None]]] = defaultdict(list)
    left_out: Counter[str] = Counter()
    ordered = sorted(interactions, key=lambda each: each.timestamp)
    for each in ordered:
        if each.interaction_type != "impression":
            continue
        key = page_of(each)
        if key not in lists:
            empty = np.zeros(0, np.int64)
            lists[key] = ShownList(
                each.request_id or key, each.user_id, each.query, each.timestamp, each.context, empty, None
            )
        ids = list(each.shown) or [each.document_id or ""]
        first = 1 if each.shown else each.position
        for place, document_id in enumerate(ids):
            row = catalog.row_of.get(document_id)
            if row is None:
                left_out["shown documents the catalog lacks"] += 1
            else:
                shown_rows[key].append((row, None if first is None else first + place))
    latest: dict[tuple[str, int], list[ShownList]] = defaultdict(list)
    for key, own in shown_rows.items():
        by_row = dict(reversed(own))  # a document shown twice on a page counts at its first place
        placed = sorted(by_row.items(), key=lambda pair: (pair[1] is None, pair[1] or 0))
        lists[key].rows = np.array([row for row, _ in placed], np.int64)
        if all(position is not None for _, position in placed):
            lists[key].positions = np.array([position for _, position in placed], np.int64)
        for row, _ in placed:
            latest[lists[key].user_id, row].append(lists[key])
    for each in ordered:
        if each.interaction_type == "impression":
            continue
        row = catalog.row_of.get(each.document_id or "")
        if row is None:
            left_out["engagements with documents the catalog lacks"] += 1
            continue
        if each.request_id is not None:
            found = lists.get(page_of(each))
            owner = found if found is not None and row in found.rows else None
        else:
            earlier = [one for one in latest[each.user_id, row] if one.timestamp <= each.timestamp]
            owner = max(earlier, key=lambda one: one.timestamp, default=None)
        if owner is None:
            left_out["engagements with documents that were not shown"] += 1
            strays.append(each)
            continue
        owner.outcomes.append(
            (max(each.timestamp, owner.timestamp), each.interaction_type, int(np.flatnonzero(owner.rows == row)[0]))
        )
    return [one for one in sorted(lists.values(), key=lambda one: one.timestamp) if len(one.rows)], strays, left_out
