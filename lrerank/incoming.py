"""What the stages before the learned one make of a logged query: the score and rank it would have received."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lrerank.behaviour import PURCHASES
from lrerank.data.catalog import Catalog
from lrerank.errors import DataError
from lrerank.pipeline import Pipeline
from lrerank.shown_lists import ShownList
from lrerank.store import Store
from lrerank.types import Candidates, FloatArray, IntArray, Interaction


class Incoming:
    """What the stages before the learned one give for each query; worked out once per query."""

    def __init__(
        self, pipeline: Pipeline, catalog: Catalog, store: Store, pools: Mapping[str, IntArray] | None = None
    ) -> None:
        self._pools = pools or {}
        self._before = pipeline.before_learning()
        self._catalog = catalog
        self._store = store
        self._known: dict[str, tuple[IntArray, FloatArray]] = {}

    def of(self, query: str) -> tuple[IntArray, FloatArray]:
        """([n] rows, [n] scores) of the candidates; empty for a query without words."""
        if query not in self._known:
            if query.strip():
                pool = self._pools.get(query, np.arange(len(self._catalog)))
                going = Candidates(pool, np.zeros(len(pool)))
                if self._before is not None:
                    run = self._before.run
                    inputs = _Inputs({"query": query})
                    going = run(inputs, catalog=self._catalog, store=self._store, rng=0, candidates=going).candidates
                self._known[query] = going.rows, going.scores
            else:
                self._known[query] = np.zeros(0, np.int64), np.zeros(0)
        return self._known[query]

    def with_shown(self, query: str, shown: IntArray) -> tuple[IntArray, FloatArray, IntArray]:
        """Candidates, with those shown that retrieval misses at the end, and the places of the shown ones."""
        rows, scores = self.of(query)
        missed = shown[~np.isin(shown, rows)]
        if len(missed):
            rows = np.concatenate([rows, missed])
            scores = np.concatenate([scores, np.full(len(missed), scores.min(initial=0.0))])
        place_of = {row: place for place, row in enumerate(rows.tolist())}
        return rows, scores, np.array([place_of[row] for row in shown.tolist()])


class _Inputs(dict[str, Any]):
    """The logged query, and nothing for whatever else a pipeline's filters ask of the request."""

    def __contains__(self, name: object) -> bool:
        return True  # so that asking for what is missing tells why

    def __missing__(self, name: str) -> Any:
        raise DataError(
            "the stages before learned_rerank need an input that a file of interactions does not have",
            path=f"INPUT.{name}",
            remedy="Train with a pipeline whose filters use the query only",
        )


def sample_negatives(
    interactions: Sequence[Interaction], catalog: Catalog, incoming: Incoming, count: int, rng: np.random.Generator
) -> list[ShownList]:
    """Lists for a file with clicks only: each click beside `count` documents drawn from its query's candidates."""
    lists = []
    for number, each in enumerate(sorted(interactions, key=lambda one: one.timestamp)):
        row = catalog.row_of.get(each.document_id or "")
        if row is None or (each.interaction_type != "click" and each.interaction_type not in PURCHASES):
            continue
        pool, _ = incoming.of(each.query)
        others = pool[pool != row]
        drawn = rng.choice(others, size=min(count, len(others)), replace=False)
        one = ShownList(
            f"sampled-{number}", each.user_id, each.query, each.timestamp, each.context, np.append(row, drawn), None
        )
        one.outcomes.append((each.timestamp, each.interaction_type, 0))
        lists.append(one)
    return lists
