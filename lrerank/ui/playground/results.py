"""A ranking as rows for a page: what stands where, from where it came, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from lrerank.data.catalog import Catalog, CategoricalColumn
from lrerank.pipeline import Ranking
from lrerank.profiles import Profile
from lrerank.reranker import LearnedReranker
from lrerank.types import IntArray

_FACTS: Mapping[str, Sequence[str]] = {
    "marketplace": ("metadata.subcategory", "metadata.brand", "metadata.price", "metadata.rating"),
    "news": ("content.topic", "metadata.source", "content.format", "metadata.date"),
}
_GROUPS: Mapping[str, str] = {"marketplace": "metadata.subcategory", "news": "metadata.source"}
_OF_A_FIELD = 2
_FAINTEST = 0.15  # of taste: fainter ones say nothing


@dataclass(frozen=True, slots=True)
class Document:
    """What a card says of a document; `group` is the class that its tile shows, `group_code` the class's number."""

    document_id: str
    title: str
    facts: str
    group: str
    group_code: int


@dataclass(frozen=True, slots=True)
class Row:
    """One result of either list.

    Attributes:
        slot: 1-based.
        came_from: its 1-based place in the static order; None where this is the static list itself.
        score: personalization_score; None where no model ranked.
        propensity, boost: of the slot.
        reasons: top features, largest first.
        elsewhere: in the static list, the slot where the learned list shows it; None for nowhere.
    """

    document: Document
    slot: int
    came_from: int | None = None
    score: float | None = None
    explored: bool = False
    propensity: float = 1.0
    boost: float = 0.0
    reasons: Sequence[str] = ()
    elsewhere: int | None = None

    @property
    def move(self) -> int:
        """Places gained (above 0) or lost against the static order."""
        return 0 if self.came_from is None else self.came_from - self.slot


@dataclass(frozen=True, slots=True)
class Taste:
    """How much more often than expected a user clicks a class: 2.0 is twice, shrunk towards 1."""

    label: str
    factor: float


def learned_rows(ranking: Ranking, catalog: Catalog) -> list[Row]:
    """The rows of a ranking whose last stage is learned_rerank, with or without the model at work."""
    details = ranking.details
    if details is None:
        return []
    rows = []
    for place, found in enumerate(ranking.documents):
        learned = found.learned or {}
        rows.append(
            Row(
                document=described(catalog, found.document_id),
                slot=place + 1,
                # After a timeout nothing was chosen: the incoming order came back.
                came_from=details.chosen[place] + 1 if details.chosen else place + 1,
                score=learned.get("personalization_score"),
                explored=bool(details.explored[place]),
                propensity=float(details.propensities[place]),
                boost=float(learned.get("exploration_boost", 0.0)),
                reasons=tuple(learned.get("top_features", ())),
            )
        )
    return rows


def static_rows(ranking: Ranking, catalog: Catalog, slots: int, learned: Sequence[Row]) -> list[Row]:
    """The first rows of the static order, each with its place in the learned list."""
    placed = {row.document.document_id: row.slot for row in learned}
    return [
        Row(described(catalog, found.document_id), slot, elsewhere=placed.get(found.document_id))
        for slot, found in enumerate(ranking.documents[:slots], start=1)
    ]


def tastes(reranker: LearnedReranker, profile: Profile | None, most: int = 6) -> list[Taste]:
    """A profile's strongest likings, largest first."""
    if profile is None:
        return []
    terms, strengths = profile.terms, reranker.behaviour.tastes(profile)
    order = np.argsort(-strengths, kind="stable")
    names = reranker.features.names
    found: list[Taste] = []
    of_field: Counter[str] = Counter()
    for place in order:
        if strengths[place] < _FAINTEST or len(found) == most:
            break
        path, _, value = names[int(terms[place])].partition("=")
        field = path.rsplit(".", 1)[-1]
        of_field[field] += 1
        if of_field[field] > _OF_A_FIELD:
            continue
        found.append(Taste(f"{field}: {value}" if value else field, float(np.exp(strengths[place]))))
    return found


def segment_title(segment: str | None) -> str:
    """`cycling_enthusiast` → `Cycling enthusiast`."""
    return "Not known" if not segment else segment.replace("_", " ").capitalize()


def model_order(ranking: Ranking) -> IntArray | None:
    """[candidates] places of all candidates, best value first: the model's order, without exploration."""
    details = ranking.details
    if details is None or details.placed is None:
        return None
    order: IntArray = np.argsort(-details.placed.judged.values, kind="stable")
    return order


def described(catalog: Catalog, document_id: str) -> Document:
    """A document's card: its first searched field as the title, the world's facts, and a class as the tile."""
    row = catalog.row_of[document_id]
    title = catalog.text(catalog.text_paths[0], row) or document_id
    facts = [_fact(catalog, path, row) for path in _FACTS.get(catalog.name, ())]
    group, code = "", 0
    path = _GROUPS.get(catalog.name, catalog.segment_path)
    if path:
        column = catalog.column(path)
        group = catalog.text(path, row)
        if isinstance(column, CategoricalColumn):
            code = max(int(column.codes[row]), 0)
    return Document(document_id, title, " · ".join(fact for fact in facts if fact), group, code)


def _fact(catalog: Catalog, path: str, row: int) -> str:
    value = catalog.value(path, row)
    if value is None:
        return ""
    match path:
        case "metadata.price":
            return f"€{value:,.2f}"
        case "metadata.rating":
            return f"{value:.1f} of 5"
        case "metadata.date":
            day = datetime.fromtimestamp(value, UTC)
            return f"{day.day} {day:%b %Y}"
    return str(value)
