"""What a click changed, as figures and as a sentence that names the cause.

Moves are counted in the model's own order, before exploration: a draw that fell differently is no effect of the click.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lrerank.data.catalog import Catalog
from lrerank.pipeline import Ranking
from lrerank.types import IntArray
from lrerank.ui.playground.asked import SLOTS
from lrerank.ui.playground.results import described, model_order

_SHORT = 48


@dataclass(frozen=True, slots=True)
class Change:
    """What a click changed.

    Attributes:
        moved: documents of the first ten that stand elsewhere now, or were not there.
        sentence: for the page.
    """

    moved: int
    sentence: str


def change(before: Ranking, after: Ranking, clicked: str, rows: IntArray, catalog: Catalog) -> Change:
    """What is different between two rankings of the same request, with a click between them.

    Args:
        before, after: from pipelines that end in learned_rerank.
        clicked: the document.
        rows: [candidates] catalog rows of what both ranked, in the static order.
    """
    start = f"You clicked “{short(described(catalog, clicked).title)}”."
    new, details = model_order(after), after.details
    if new is None or details is None:
        reason = details.fallback if details and details.fallback else "the model did not rank"
        return Change(0, f"{start} The order stays for now: {reason}.")
    old = model_order(before)
    against = ""
    if old is None:
        start = f"{start} That ends the cold start: the model ranks now."
        old, against = np.arange(len(new)), " against rerank"
    rank_before = np.empty(len(old), np.int64)
    rank_before[old] = np.arange(len(old))
    first = new[:SLOTS]
    gained = rank_before[first] - np.arange(len(first))
    moved = int(np.count_nonzero(gained))
    told = f"{start} {_count(moved)}{against if moved else ''}."
    place = int(np.argmax(gained))
    if gained[place] <= 0:
        return Change(moved, told)
    riser = int(first[place])
    title = short(catalog.text(catalog.text_paths[0], int(rows[riser])))
    cause = _cause(before, after, riser, int(rows[riser]))
    because = f", because of {cause}" if cause else ""
    return Change(moved, f"{told} “{title}” rose most, {rank_before[riser] + 1} → {place + 1}{because}.")


def short(text: str, limit: int = _SHORT) -> str:
    """Cut at a word, with an ellipsis."""
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0].rstrip(",;:- (") + "…"


def _count(moved: int) -> str:
    if not moved:
        return "The first ten stay as they are"
    return f"{moved} of the first ten moved" if moved > 1 else "One of the first ten moved"


def _cause(before: Ranking, after: Ranking, candidate: int, row: int) -> str:
    """The document feature whose lift above the other candidates has grown most; "" where none has.

    Where the model did not rank before, every lift starts at nothing.
    """
    details = after.details
    if details is None or details.placed is None or details.reranker is None or details.block is None:
        return ""
    contributions = details.placed.contributions
    lifts = contributions.centred[candidate, : contributions.documents_own]
    if before.details is not None and before.details.placed is not None:
        earlier = before.details.placed.contributions
        lifts = lifts - earlier.centred[candidate, : earlier.documents_own]
    feature = int(np.argmax(lifts)) if len(lifts) else 0
    if not len(lifts) or lifts[feature] <= 0:
        return ""
    return details.reranker.label(feature, details.block, details.placed.judged, candidate, row)
