"""Interactions of users who do not exist, with real queries and documents: something to train on before one's own log.

Every user has a taste over classes of the catalog's features (genres, brands, colours, price classes) and as much again
that no feature shows. A page is the query's judged documents in the order of retrieval; a user examines position k with
probability 1/k and clicks what is relevant to the query and meets their taste. That is an assumption about people, not
a measurement of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lrerank.data.catalog import Catalog
from lrerank.data.classes import catalog_classes
from lrerank.errors import DataError
from lrerank.pipeline import Pipeline
from lrerank.store import Store
from lrerank.types import BoolArray, Candidates, FloatArray, IntArray, Interaction
from simulators.click_models.pbm import PBM, power_law_examination
from simulators.impressions import feedback
from simulators.preferences import Preferences, draw_preferences, list_indicators
from simulators.sessions import sessions

_START = 1_767_225_600.0  # 2026-01-01: the same seed gives the same file in any year


@dataclass(frozen=True)
class Population:
    """Users with tastes over a catalog, and what is relevant to whom.

    Attributes:
        preferences: the truth, which no policy may see.
        users: [users] ids.
        grades: query_id → (rows, grades) of its judged documents.
        queries: query_id, query.
    """

    catalog: Catalog
    queries: pd.DataFrame
    grades: dict[str, tuple[IntArray, IntArray]]
    preferences: Preferences
    users: list[str]

    def relevant(self, user: int, query_id: str) -> BoolArray:
        """[judged] whether each judged document of a query is relevant to it and to this user's taste."""
        rows, grades = self.grades[query_id]
        relevant: BoolArray = self.preferences.true_relevance(np.array([user]), rows[None, :], grades[None, :])[0]
        return relevant


def populate(
    catalog: Catalog,
    queries: pd.DataFrame,
    judgments: pd.DataFrame,
    *,
    users: int,
    seed: int,
    hidden_share: float = 0.5,
    fields: Sequence[str] | None = None,
) -> Population:
    """Draws users with tastes.

    Args:
        queries: query_id, query.
        judgments: query_id, doc_id, grade.
        users: how many.
        seed: of everything.
        hidden_share: share of taste that no feature shows.
        fields: paths of the fields that the visible part is about; every categorical, list, boolean and numeric
            feature of at most 120 values by default (numbers in five classes).

    Raises:
        DataError: there is no field that taste could be about.
    """
    values = [
        list_indicators(known.offsets, known.codes, len(known.vocabulary))
        for known in catalog_classes(catalog, fields).values()
    ]
    if not values:
        raise DataError(
            f"catalog {catalog.name!r} has no field for taste to be about",
            path="fields",
            value=None if fields is None else list(fields),
            remedy="Taste needs a categorical, list, boolean or numeric field",
        )
    rng = np.random.default_rng([seed, 1])
    preferences = draw_preferences(rng, np.hstack(values), users, hidden_share=hidden_share)
    rows = np.array([catalog.row_of[document_id] for document_id in judgments["doc_id"]], np.int64)
    grades = judgments["grade"].to_numpy().astype(np.int64)
    members = judgments.groupby("query_id", sort=False).indices
    judged = {str(query_id): (rows[own], grades[own]) for query_id, own in members.items()}
    return Population(catalog, queries, judged, preferences, [f"user-{number:05d}" for number in range(users)])


def interactions(
    population: Population,
    *,
    requests: int,
    seed: int,
    store: Store | None = None,
    pipeline: Pipeline | None = None,
    slots: int = 10,
    days: float = 28.0,
    purchase_probability: float = 0.1,
) -> Iterator[Interaction]:
    """What happens when these users search: an impression per page, then its clicks and purchases.

    Args:
        requests: pages.
        seed: of arrivals and of all luck.
        pipeline: orders the judged documents; hybrid search by default.
        slots: documents on a page.
        days: over which they come.
        purchase_probability: once clicked.
    """
    catalog, texts = population.catalog, population.queries["query"].tolist()
    query_ids = population.queries["query_id"].tolist()
    hybrid = {"stage_type": "filter", "stage_id": "hybrid_search", "parameters": {"query": "{{INPUT.query}}"}}
    ranker = pipeline or Pipeline.from_json([hybrid])
    arrivals = sessions(
        np.random.default_rng([seed, 2]), requests, len(population.users), len(texts), start=_START, days=days
    )
    pages: dict[int, IntArray] = {}
    shown = np.full((requests, slots), -1, np.int64)
    truth = np.zeros((requests, slots), np.int64)
    for request, query in enumerate(arrivals.query.tolist()):
        rows, grades = population.grades[query_ids[query]]
        if query not in pages:
            judged = Candidates(np.sort(rows), np.zeros(len(rows)))
            ranking = ranker.run({"query": texts[query]}, catalog=catalog, store=store, candidates=judged, rng=0)
            pages[query] = ranking.candidates.rows[:slots]
        page = pages[query]
        grade_of = dict(zip(rows.tolist(), grades.tolist(), strict=True))
        shown[request, : len(page)] = page
        truth[request, : len(page)] = [grade_of[row] for row in page.tolist()]
    attractive = population.preferences.true_relevance(arrivals.user, shown, truth).astype(np.float64)
    users_did = feedback(
        PBM(assumed_examination(slots)),
        shown,
        attractive,
        arrivals.request,
        replicate=seed,
        purchase_probability=purchase_probability,
    )
    for request in range(requests):
        user_id, query = population.users[int(arrivals.user[request])], texts[int(arrivals.query[request])]
        moment, request_id = float(arrivals.timestamp[request]), f"r{seed}-{request:07d}"
        page = shown[request][shown[request] >= 0]
        yield Interaction(
            "impression",
            user_id,
            None,
            moment,
            query=query,
            request_id=request_id,
            interaction_id=f"{request_id}:impression",
            shown=[catalog.ids[row] for row in page.tolist()],
            propensities=[1.0] * len(page),
        )
        for kind, happened, delay in (("click", users_did.clicks, 5.0), ("purchase", users_did.purchases, 120.0)):
            for slot in np.flatnonzero(happened[request]).tolist():
                yield Interaction(
                    kind,
                    user_id,
                    catalog.ids[int(shown[request, slot])],
                    moment + delay * (slot + 1),
                    query=query,
                    position=slot + 1,
                    request_id=request_id,
                    interaction_id=f"{request_id}:{kind}:{slot + 1}",
                )


def assumed_examination(slots: int) -> FloatArray:
    """[slots] how likely these users examine each slot: the truth, which no policy may see."""
    return power_law_examination(slots)


def to_json(one: Interaction) -> dict[str, object]:
    """An interaction in the contract's terms, without what is empty."""
    found: dict[str, object] = {
        name: getattr(one, name)
        for name in (
            *("interaction_type", "user_id", "document_id", "query", "position", "timestamp", "request_id"),
            *("interaction_id", "propensity"),
        )
    }
    if one.shown:
        found |= {"shown": list(one.shown), "propensities": list(one.propensities)}
    return {name: value for name, value in found.items() if value is not None}
