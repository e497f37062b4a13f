"""Evaluates a pipeline on relevance judgments: ranks each query's judged candidates and measures the order."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from lrerank.data.catalog import Catalog, NumericColumn
from lrerank.errors import DataError
from lrerank.evaluation.intervals import Estimate, mean_by_group, paired_difference
from lrerank.evaluation.ranking import Metric, PerQuery, evaluate
from lrerank.pipeline import Pipeline
from lrerank.store import Store
from lrerank.types import Candidates

DEFAULT_METRICS = (Metric("ndcg", 10), Metric("mrr"), Metric("map"), Metric("precision", 5))
_NO_DATES = 1_700_000_000.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well a pipeline orders judged candidates.

    Attributes:
        metrics: label → mean over queries with its interval over query groups.
        queries: how many had a relevant document and were counted; `excluded` how many had none.
        per_query: metric values by query, for comparing two pipelines on the same queries.
        groups: query_id → query_group.
        notes: what the stages had to say, each once, with the number of queries.
    """

    metrics: Mapping[str, Estimate]
    queries: int
    excluded: int
    per_query: PerQuery
    groups: Mapping[str, str]
    notes: Mapping[str, int]

    def minus(self, other: Evaluation, metric: str) -> Estimate:
        """Paired difference to another pipeline on the same queries, with the interval over query groups."""
        if list(self.per_query.queries) != list(other.per_query.queries):
            raise DataError("the two evaluations are of different queries", remedy="Evaluate both on the same files")
        counted = self.per_query.counted
        labels = [self.groups[query] for query in self.per_query.queries[counted]]
        return paired_difference(
            self.per_query.values[metric][counted], other.per_query.values[metric][counted], labels
        )


@dataclass
class JudgedRun:
    """One evaluation under way; iterate it to make it go (it yields the number of queries done), then ask `result`.

    Args:
        pipeline: filters score and cut the judged candidates only: what retrieval would have found beside them has no
            grade.
        queries: query_id, query, query_group, and any further column as an input of that name.
        judgments: query_id, doc_id, grade; documents the catalog has.
        inputs: of every request, such as `user_id`.
        seed: of the exploration, and of the order in which candidates arrive: judgment files are often sorted by
            grade, and no stage's ties may profit from that.
        moment: of every request, seconds since the epoch; by default when the catalog's newest document and the last
            outcome that the model learned were known. Before that, documents would be younger than they are.
    """

    pipeline: Pipeline
    catalog: Catalog
    queries: pd.DataFrame
    judgments: pd.DataFrame
    metrics: Sequence[Metric] = DEFAULT_METRICS
    store: Store = field(default_factory=Store)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    moment: float | None = None
    _notes: dict[str, int] = field(default_factory=dict, init=False)

    def __iter__(self) -> Iterator[int]:
        rows = np.array([self.catalog.row_of[document_id] for document_id in self.judgments["doc_id"]], np.int64)
        members = self.judgments.groupby("query_id", sort=False).indices
        self._scores = np.zeros(len(rows))
        self._retrieved = np.zeros(len(rows), bool)
        self._notes.clear()
        moment = _latest(self.pipeline, self.catalog, self.store) if self.moment is None else self.moment
        for done, record in enumerate(self.queries.to_dict("records"), start=1):
            query_id = str(record["query_id"])
            rng = np.random.default_rng([self.seed, zlib.crc32(query_id.encode())])
            # Sorted first, or the order of the file would decide how ties arrive.
            own = np.asarray(members[query_id])
            own = rng.permutation(own[np.argsort(rows[own], kind="stable")])
            columns = {str(name): value for name, value in record.items() if name not in ("query_id", "query_group")}
            ranking = self.pipeline.run(
                {**columns, **self.inputs},
                catalog=self.catalog,
                store=self.store,
                timestamp=moment,
                request_id=query_id,
                rng=rng,
                candidates=Candidates(rows[own], np.zeros(len(own))),
            )
            place_of = {row: place for place, row in enumerate(ranking.candidates.rows.tolist())}
            for pair in own.tolist():
                place = place_of.get(int(rows[pair]))
                self._retrieved[pair] = place is not None
                self._scores[pair] = -(place or 0)
            for note in ranking.notes:
                self._notes[note] = self._notes.get(note, 0) + 1
            yield done

    def result(self) -> Evaluation:
        per_query = evaluate(
            self.metrics, self.judgments["query_id"], self.judgments["grade"], self._scores, self._retrieved
        )
        groups = dict(zip(self.queries["query_id"], self.queries["query_group"], strict=True))
        counted = per_query.counted
        if not counted.any():
            raise DataError(
                "no query has a relevant document", path="grade", remedy="Relevant documents have a grade of 1 or more"
            )
        labels = [groups[query] for query in per_query.queries[counted]]
        estimates = {name: mean_by_group(values[counted], labels) for name, values in per_query.values.items()}
        return Evaluation(estimates, int(counted.sum()), per_query.excluded, per_query, groups, dict(self._notes))


def _latest(pipeline: Pipeline, catalog: Catalog, store: Store) -> float:
    """The moment after all that the catalog and the model know of; the same whenever it is asked."""
    moments = []
    for known in catalog.fields:
        if known.kind == "date" and isinstance(column := catalog.column(known.path), NumericColumn):
            moments += [float(column.values[np.isfinite(column.values)].max(initial=-np.inf))]
    if pipeline.learned is not None:
        model_id = pipeline.to_json()[-1]["parameters"]["model_id"]
        until = store.models.current(model_id).card.get("trained_on", {}).get("until")
        moments += [datetime.fromisoformat(until).timestamp()] if until else []
    latest = max(moments, default=-np.inf)
    return latest if np.isfinite(latest) else _NO_DATES
