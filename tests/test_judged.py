"""Evaluation on judgments: the moment of the requests, the order of the files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small import NOW, small_catalog
from test_pipeline import SEARCH, learned, pages

from lrerank import Pipeline, Store
from lrerank.evaluation.judged import JudgedRun
from lrerank.training import TrainingRun, log_interactions

QUERIES = pd.DataFrame(
    {"query_id": ["a", "b", "c"], "query": ["fast tents", "warm trail", "small"], "query_group": ["a", "b", "c"]}
)


def judgments(seed: int = 0) -> pd.DataFrame:
    catalog, rng = small_catalog(), np.random.default_rng(seed)
    parts = [
        pd.DataFrame(
            {"query_id": query, "doc_id": rng.permutation(catalog.ids)[:25], "grade": rng.integers(0, 4, 25) * 1.0}
        )
        for query in QUERIES["query_id"]
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store, interactions = Store(tmp_path_factory.mktemp("judged")), pages(100)
    run = TrainingRun("m", small_catalog(), interactions, pipeline=Pipeline.from_json([SEARCH, learned()]), store=store)
    for _ in run:
        pass
    run.publish()
    log_interactions(store, small_catalog(), interactions)
    return store


def evaluated(store: Store, found: pd.DataFrame, **how: object):  # type: ignore[no-untyped-def]
    pipeline = Pipeline.from_json([SEARCH, learned(exploration_rate=0.0, top_n=25)])
    run = JudgedRun(pipeline, small_catalog(), QUERIES, found, store=store, inputs={"user_id": "ann"}, **how)  # type: ignore[arg-type]
    for _ in run:
        pass
    return run.result()


def test_documents_have_the_age_they_had_when_the_model_had_learned(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any moment before its newest document a catalog has documents of the same age, 0, that are not."""
    moments: list[float] = []
    run = Pipeline.run

    def watched(self: Pipeline, *inputs: object, **arguments: object) -> object:
        moments.append(float(arguments["timestamp"]))  # type: ignore[arg-type]
        return run(self, *inputs, **arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Pipeline, "run", watched)
    evaluated(store, judgments())
    assert set(moments) == {float(int(max(one.timestamp for one in pages(100))))}
    assert moments[0] > NOW
    moments.clear()
    evaluated(store, judgments(), moment=NOW + 5.0)
    assert set(moments) == {NOW + 5.0}


def test_the_order_of_a_judgment_file_makes_no_difference_to_expectation(store: Store) -> None:
    """Sorted by grade or against it: only ties of the incoming order could tell, and they arrive shuffled."""
    found = judgments()
    best = evaluated(store, found.sort_values("grade", ascending=False, ignore_index=True))
    worst = evaluated(store, found.sort_values("grade", ignore_index=True))
    for label, estimate in best.metrics.items():
        assert estimate.value == pytest.approx(worst.metrics[label].value, abs=1e-9)
