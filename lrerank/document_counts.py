"""What the log says about documents and positions up to a moment: shown, clicked, bought, and clicks to expect."""

# ruff: noqa: S608  (statements are put together from constants of this file; values are bound)

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrerank.types import FloatArray, IntArray

PURCHASES = ("purchase", "conversion")


@dataclass(frozen=True, slots=True)
class DocumentCounts:
    """Counts over all users, documents in alphabetical order of their ids.

    A *showing* is one document in one list. It is clicked (bought) if a click (purchase) names its request and its
    document: so `clicked / impressions` is a rate, at most 1. `clicks` also has the clicks that no logged list
    explains, and may exceed `impressions`. Two clicks on the same document in the same request count once.

    Attributes:
        document_ids: [documents].
        impressions: [documents] showings.
        clicks, purchases: [documents] whether or not a logged list explains them.
        clicked, purchased: [documents] showings that were clicked, bought.
        expected_clicks: [documents] sum over a document's showings of the share of all showings at the same position
            that were clicked (clicks over expected clicks: Zhang and Jones, 2007). Showings without a position
            expect nothing.
        position_impressions, position_clicks: [positions] showings and clicked showings, position 1 first.
    """

    document_ids: Sequence[str]
    impressions: IntArray
    clicks: IntArray
    purchases: IntArray
    clicked: IntArray
    purchased: IntArray
    expected_clicks: FloatArray
    position_impressions: IntArray
    position_clicks: IntArray


def document_counts(connection: sqlite3.Connection, organisation: int, before: float) -> DocumentCounts:
    """Counts what happened strictly before a moment; the caller holds a transaction, so that the parts agree."""
    known = {"organisation": organisation, "before": before}
    showings: Counter[tuple[str, int]] = Counter()
    for shown, document, position in connection.execute(_IMPRESSIONS, known):
        showings.update(_showings(shown, document, position))

    totals: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    for kind, document, count in connection.execute(_ENGAGEMENTS, known):
        totals[kind in PURCHASES][document] += count

    explained: dict[bool, Counter[tuple[str, int]]] = {False: Counter(), True: Counter()}
    for kind, document, shown, single, position in connection.execute(_EXPLAINED, known):
        places = (place for place in _showings(shown, single, position) if place[0] == document)
        explained[kind in PURCHASES].update(places)

    documents = sorted({document for document, _ in showings} | set(totals[False]) | set(totals[True]))
    depth = max((position for _, position in showings), default=0)
    shown_at, clicked_at = _by_position(showings, depth), _by_position(explained[False], depth)
    rates = np.divide(clicked_at, shown_at, out=np.zeros(depth), where=shown_at > 0)
    expected: defaultdict[str, float] = defaultdict(float)
    for (document, position), count in showings.items():
        if position:
            expected[document] += count * rates[position - 1]
    return DocumentCounts(
        document_ids=documents,
        impressions=_by_document(showings, documents),
        clicks=np.array([totals[False][document] for document in documents], np.int64),
        purchases=np.array([totals[True][document] for document in documents], np.int64),
        clicked=_by_document(explained[False], documents),
        purchased=_by_document(explained[True], documents),
        expected_clicks=np.array([expected[document] for document in documents], np.float64),
        position_impressions=shown_at,
        position_clicks=clicked_at,
    )


def _showings(shown: str | None, document: str | None, position: int | None) -> list[tuple[str, int]]:
    """(document, position) of each document of an impression; position 0 where it is not known."""
    if shown is not None:
        return [(item, slot) for slot, item in enumerate(json.loads(shown), start=1)]
    return [(document or "", position or 0)]


def _by_position(counts: Counter[tuple[str, int]], depth: int) -> IntArray:
    totals = np.zeros(depth + 1, np.int64)
    for (_, position), count in counts.items():
        totals[position] += count
    return totals[1:]


def _by_document(counts: Counter[tuple[str, int]], documents: Sequence[str]) -> IntArray:
    totals: Counter[str] = Counter()
    for (document, _), count in counts.items():
        totals[document] += count
    return np.array([totals[document] for document in documents], np.int64)


_PAST = "organisation = :organisation AND timestamp < :before"
_ENGAGED = "interaction_type IN ('click', 'purchase', 'conversion')"
_IMPRESSIONS = f"""
SELECT shown, document_id, position FROM interactions WHERE {_PAST} AND interaction_type = 'impression'
"""
# A purchase may come as `purchase` from one source and as `conversion` from another: the same thing.
_ONCE = f"""
SELECT DISTINCT CASE interaction_type WHEN 'conversion' THEN 'purchase' ELSE interaction_type END AS kind,
    document_id, request_id, CASE WHEN request_id IS NULL THEN row END AS alone
FROM interactions WHERE {_PAST} AND {_ENGAGED} AND document_id IS NOT NULL
"""
_ENGAGEMENTS = f"SELECT kind, document_id, count(*) FROM ({_ONCE}) GROUP BY kind, document_id"
_EXPLAINED = f"""
SELECT engaged.kind, engaged.document_id, listed.shown, listed.document_id, listed.position
FROM ({_ONCE}) AS engaged JOIN interactions AS listed INDEXED BY impression_of_request
ON listed.organisation = :organisation AND listed.request_id = engaged.request_id
    AND listed.interaction_type = 'impression' AND listed.timestamp < :before
"""
