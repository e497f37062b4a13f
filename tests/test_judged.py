"""Evaluation on judgments: the moment of the requests, the order of the files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small import NOW, small_catalog
from test_pipeline import SEARCH, learned, pages, trained_store

from lrerank import Pipeline, Store
from lrerank.evaluation.judged import JudgedRun
from lrerank.evaluation.ranking import Metric

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
    return trained_store(tmp_path_factory.mktemp("judged"), 100)


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


def test_the_figures_are_those_of_the_rankings_counted_by_hand(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places of each list times gains; what the last stage cut counts as not retrieved, but is in the ideal list."""
    found, lists = judgments(3), {}
    run_pipeline = Pipeline.run

    def watched(self: Pipeline, *inputs: object, **arguments: object) -> object:
        ranking = run_pipeline(self, *inputs, **arguments)  # type: ignore[arg-type]
        lists[arguments["request_id"]] = [document.document_id for document in ranking.documents]
        return ranking

    monkeypatch.setattr(Pipeline, "run", watched)
    pipeline = Pipeline.from_json([SEARCH, {"stage_type": "sort", "stage_id": "rerank", "parameters": {"top_n": 4}}])
    metrics = [Metric("ndcg", 10), Metric("mrr")]
    run = JudgedRun(pipeline, small_catalog(), QUERIES, found, store=store, metrics=metrics)
    for _ in run:
        pass
    ndcg, reciprocal = [], []
    for query_id, shown in lists.items():
        own = found[found["query_id"] == query_id]
        grade = dict(zip(own["doc_id"], own["grade"], strict=True))
        got, ideal = [grade[item] for item in shown], sorted(grade.values(), reverse=True)[:10]
        gains = [sum((2**g - 1) / np.log2(place + 1) for place, g in enumerate(each, 1)) for each in (got, ideal)]
        ndcg.append(gains[0] / gains[1])
        reciprocal.append(next((1 / place for place, g in enumerate(got, 1) if g >= 1), 0.0))
    assert [len(shown) for shown in lists.values()] == [4, 4, 4]
    result = run.result().metrics
    assert result["ndcg@10"].value == pytest.approx(np.mean(ndcg), abs=1e-9)
    assert result["mrr"].value == pytest.approx(np.mean(reciprocal), abs=1e-9)
