"""What a click changed, as figures and as a sentence that names the cause.

Moves are counted in the model's own order, before exploration: a draw that fell differently is no effect of the click.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrerank.data.catalog import Catalog
from lrerank.pipeline import Ranking
from lrerank.reranker import LearnedReranker
from lrerank.stages.learned_rerank import LearnedDetails
from lrerank.types import BoolArray, FloatArray, IntArray
from lrerank.ui.playground.results import described, model_order

_SHORT = 48
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True, slots=True)
class Move:
    """A document of the first page that stands elsewhere than before.

    Attributes:
        before, after: 1-based places among all candidates.
        cause: the document's feature whose contribution has changed most in the direction of the move; "" where none
            has: others passed it, or it passed others.
    """

    title: str
    before: int
    after: int
    cause: str


@dataclass(frozen=True, slots=True)
class Liking:
    """What a profile counts most of: a class, and how many of the user's clicks went to it.

    Attributes:
        term: the class among the model's terms.
        label: for people.
    """

    term: int
    label: str
    clicks: int
    clicked: int

    def __str__(self) -> str:
        return f"{self.label} {self.clicks} of {self.clicked}"


@dataclass(frozen=True, slots=True)
class Change:
    """What a click changed.

    Attributes:
        sentence: for the page.
        moves: documents of the new first page that stand elsewhere, from the top.
        liking: what the profile counts most of now; None for an empty one.
        rise: median places by which documents of that class rose among all candidates; None where there are none.
    """

    sentence: str
    moves: Sequence[Move] = ()
    liking: Liking | None = None
    rise: float | None = None


def change(
    before: Ranking,
    after: Ranking,
    clicked: str,
    rows: IntArray,
    catalog: Catalog,
    user_id: str = "",
    fallback: str = "",
) -> Change:
    """What is different between two rankings of the same request, with a click between them.

    Args:
        before, after: from pipelines that end in learned_rerank.
        clicked: the document.
        rows: [candidates] catalog rows of what both ranked, in the incoming order.
        user_id: who clicked, as the log has them.
        fallback: who ranks instead of the model now, and until when.
    """
    start = f"You clicked “{short(described(catalog, clicked).title)}”."
    details, new = after.details, model_order(after)
    liked = None if details is None or details.reranker is None else liking(details.reranker, user_id)
    profile = "" if liked is None else f" Profile: {liked}."
    if new is None or details is None or details.reranker is None:
        return Change(
            f"{start}{profile} The order stays for now: {fallback or 'the model did not rank'}.", liking=liked
        )
    old = model_order(before)
    against = ""
    if old is None:
        profile += " That ends the cold start: the model ranks now."
        old, against = _fallback_order(before, len(new)), " against the fallback's order"
    place_before = np.empty(len(old), np.int64)
    place_before[old] = np.arange(len(old))
    place_after = np.empty(len(new), np.int64)
    place_after[new] = np.arange(len(new))
    gained = place_before - place_after
    lifts = _lifts(before, after)
    page = len(after.documents)
    moves = [
        Move(
            title=catalog.text(catalog.text_paths[0], int(rows[candidate])) or catalog.ids[int(rows[candidate])],
            before=int(place_before[candidate]) + 1,
            after=slot + 1,
            cause=_cause(details, lifts, int(candidate), int(rows[candidate]), up=bool(gained[candidate] > 0)),
        )
        for slot, candidate in enumerate(new[:page].tolist())
        if gained[candidate]
    ]
    told = f"{start}{profile} {_count(len(moves), against)}"
    rise = None
    if liked is not None:
        members = _members(details.reranker, rows, after.request.timestamp, liked.term)
        if members.any() and not members.all():
            rise = float(np.median(gained[members]))
    if rise is not None and rise > 0 and liked is not None:
        told += f" Of {int(members.sum())} results with {liked.label}, the median one rose by {rise:g}."
    return Change(told, moves, liked, rise)


def liking(reranker: LearnedReranker, user_id: str) -> Liking | None:
    """The class that most of a user's clicks went to; of several, the one that other users click least.

    Args:
        user_id: as the log has it.
    """
    profile = reranker.behaviour.profiles.get(user_id)
    if profile is None or not profile.clicked:
        return None
    named = {spec.key for spec in reranker.features.schema.specs if spec.kind in ("categorical", "list")}
    names = reranker.features.names
    own = [place for place, term in enumerate(profile.terms.tolist()) if names[term].partition("=")[0] in named]
    if not own:
        return None
    strengths = reranker.behaviour.tastes(profile)
    best = max(own, key=lambda place: (round(float(profile.clicks[place])), float(strengths[place])))
    term = int(profile.terms[best])
    label = names[term].partition("=")[2].replace("_", " ")
    return Liking(term, label, round(float(profile.clicks[best])), profile.clicked)


def short(text: str, limit: int = _SHORT) -> str:
    """Cut at a word, with an ellipsis."""
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0].rstrip(",;:- (") + "…"


def _fallback_order(ranking: Ranking, candidates: int) -> IntArray:
    """[candidates] what the fallback showed, best first, then the others in the incoming order."""
    shown = [] if ranking.details is None else list(ranking.details.chosen)
    return np.array([*shown, *(place for place in range(candidates) if place not in shown)], np.int64)


def _count(moved: int, against: str) -> str:
    if not moved:
        return f"No item of the first page moved{against}."
    number = _COUNTS[moved].capitalize() if moved < len(_COUNTS) else str(moved)
    return f"{number} {'item' if moved == 1 else 'items'} moved{against}."


def _members(reranker: LearnedReranker, rows: IntArray, timestamp: float, term: int) -> BoolArray:
    """[candidates] whether each is in a class."""
    terms, values = reranker.features.at(rows, timestamp)
    found: BoolArray = ((terms == term) & (values != 0)).any(axis=1)
    return found


def _lifts(before: Ranking, after: Ranking) -> FloatArray:
    """[candidates, document features] how much more each lifts its document above the others than it did.

    Where the model did not rank before, every lift starts at nothing.
    """
    details = after.details
    if details is None or details.placed is None:
        return np.zeros((0, 0))
    own = details.placed.contributions.documents_own
    lifts = details.placed.contributions.centred[:, :own]
    if before.details is not None and before.details.placed is not None:
        lifts = lifts - before.details.placed.contributions.centred[:, :own]
    return lifts


def _cause(details: LearnedDetails, lifts: FloatArray, candidate: int, row: int, *, up: bool) -> str:
    if details.placed is None or details.reranker is None or details.block is None or not lifts.shape[1]:
        return ""
    own = lifts[candidate] if up else -lifts[candidate]
    feature = int(np.argmax(own))
    if own[feature] <= 0:
        return ""
    return details.reranker.label(feature, details.block, details.placed.judged, candidate, row)
