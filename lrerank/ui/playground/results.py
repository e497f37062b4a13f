"""A ranking as rows for a page: what stands where, from where it came, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from lrerank.data.catalog import Catalog, CategoricalColumn
from lrerank.pipeline import Ranking
from lrerank.profiles import Profile
from lrerank.reranker import LearnedReranker
from lrerank.types import IntArray
from lrerank.ui.words import between

RETRIEVAL, RERANK, MMR, LEARNED = "retrieval", "rerank", "mmr", "learned_rerank"
OTHERS = (RETRIEVAL, RERANK, MMR)
"""The lists that the learned one is compared with."""

_FACTS: Mapping[str, Sequence[str]] = {
    "marketplace": ("metadata.subcategory", "metadata.brand", "metadata.price", "metadata.rating"),
    "news": ("content.topic", "metadata.source", "content.format", "metadata.date"),
}
_GROUPS: Mapping[str, str] = {"marketplace": "metadata.subcategory", "news": "metadata.source"}
_MOST_FACTS = 4
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
    """One result of one list.

    Attributes:
        slot: 1-based.
        places: list → the document's 1-based place in it; a list that does not show it is missing.
        score: personalization_score; None where no model ranked.
        propensity, boost: of the slot.
        reasons: top features, largest first.
    """

    document: Document
    slot: int
    places: Mapping[str, int]
    score: float | None = None
    explored: bool = False
    propensity: float = 1.0
    boost: float = 0.0
    reasons: Sequence[str] = ()

    def move(self, name: str) -> int | None:
        """Places by which the learned list shows the document higher (above 0) or lower than this list does.

        None where one of the two does not show it.
        """
        there, learned = self.places.get(name), self.places.get(LEARNED)
        return None if there is None or learned is None else there - learned


@dataclass(frozen=True, slots=True)
class Taste:
    """How much more often than expected a user clicks a class: 2.0 is twice, shrunk towards 1.

    Attributes:
        word: the class alone, where it speaks for itself; "" for numbers, dates and yes or no.
    """

    label: str
    factor: float
    word: str = ""


def rows_of(lists: Mapping[str, Sequence[str]], ranking: Ranking, catalog: Catalog, slots: int) -> dict[str, list[Row]]:
    """List → its first rows, each with its places in all lists.

    Args:
        lists: list → ids of all of its documents, best first; the learned one is the ranking itself.
        ranking: of a pipeline whose last stage is learned_rerank, with or without the model at work.
        slots: the most to show of each.
    """
    orders = {**lists, LEARNED: [found.document_id for found in ranking.documents]}
    places: dict[str, dict[str, int]] = {}
    for name, order in orders.items():
        for place, document_id in enumerate(order, start=1):
            places.setdefault(document_id, {})[name] = place
    documents = {item: described(catalog, item) for order in orders.values() for item in order[:slots]}
    rows = {
        name: [Row(documents[item], slot, places[item]) for slot, item in enumerate(order[:slots], start=1)]
        for name, order in orders.items()
    }
    details = ranking.details
    if details is not None:
        rows[LEARNED] = [
            replace(
                row,
                score=(found.learned or {}).get("personalization_score"),
                explored=bool(details.explored[row.slot - 1]),
                propensity=float(details.propensities[row.slot - 1]),
                boost=float((found.learned or {}).get("exploration_boost", 0.0)),
                reasons=tuple((found.learned or {}).get("top_features", ())),
            )
            for row, found in zip(rows[LEARNED], ranking.documents, strict=False)
        ]
    return rows


def tastes(reranker: LearnedReranker, profile: Profile | None, most: int = 6) -> list[Taste]:
    """A profile's strongest likings, largest first."""
    if profile is None:
        return []
    terms, strengths = profile.terms, reranker.behaviour.tastes(profile)
    order = np.argsort(-strengths, kind="stable")
    names = reranker.features.names
    kinds = {spec.key: spec.kind for spec in reranker.features.schema.specs}
    found: list[Taste] = []
    of_field: Counter[str] = Counter()
    for place in order:
        if strengths[place] < _FAINTEST or len(found) == most:
            break
        path, _, value = names[int(terms[place])].partition("=")
        field = path.rsplit(".", 1)[-1].replace("_", " ")
        of_field[field] += 1
        if of_field[field] > _OF_A_FIELD:
            continue
        speaks = value[:1].isalpha() and kinds.get(path) != "boolean"
        if kinds.get(path) in ("numeric", "date"):
            value, speaks = between(value), False
        label = f"{field}: {value}" if value else field
        found.append(Taste(label, float(np.exp(strengths[place])), value if speaks else ""))
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
    """A document's card: its first searched field as the title, some facts, and a class as the tile."""
    row = catalog.row_of[document_id]
    title = catalog.text(catalog.text_paths[0], row) or document_id
    facts = [_fact(catalog, path, row) for path in _facts(catalog)]
    group, code = "", 0
    path = group_path(catalog)
    if path:
        column = catalog.column(path)
        group = catalog.text(path, row)
        if isinstance(column, CategoricalColumn):
            code = max(int(column.codes[row]), 0)
    return Document(document_id, title, " · ".join(fact for fact in facts if fact), group, code)


def group_path(catalog: Catalog) -> str | None:
    """The field whose class a document's tile shows."""
    usual = (known.path for known in catalog.fields if known.feature and known.kind == "categorical")
    return _GROUPS.get(catalog.name, catalog.segment_path or next(usual, None))


def _facts(catalog: Catalog) -> Sequence[str]:
    """The fields that a card tells."""
    if catalog.name in _FACTS:
        return _FACTS[catalog.name]
    told = [
        known.path for known in catalog.fields if known.feature and known.kind in ("categorical", "numeric", "date")
    ]
    return told[:_MOST_FACTS]


def _fact(catalog: Catalog, path: str, row: int) -> str:
    value = catalog.value(path, row)
    if value is None:
        return ""
    known = catalog.resolve(path)
    if known is not None and known.kind == "date":
        day = datetime.fromtimestamp(value, UTC)
        return f"{day.day} {day:%b %Y}"
    match path:
        case "metadata.price" if catalog.name in _FACTS:
            return f"€{value:,.2f}"
        case "metadata.rating" if catalog.name in _FACTS:
            return f"{value:.1f} of 5"
    if isinstance(value, float):
        return f"{path.rsplit('.', 1)[-1].replace('_', ' ')} {value:,.4g}"
    return str(value)
