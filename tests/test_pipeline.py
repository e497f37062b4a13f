"""Pipelines as users write them: read, refused, filled, run, logged, learned from."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import NOW, small_catalog

from lrerank import LrerankError, Pipeline, Store
from lrerank.errors import InputError, ModelNotFoundError, PipelineError
from lrerank.training import TrainingRun, log_interactions
from lrerank.types import Interaction

SEARCH = {"stage_type": "filter", "stage_id": "hybrid_search", "parameters": {"query": "{{INPUT.query}}", "top_k": 30}}
INPUTS = {"query": "fast tents", "user_id": "ann"}


def learned(**parameters: Any) -> dict[str, Any]:
    return {"stage_type": "sort", "stage_id": "learned_rerank", "parameters": {"model_id": "m", **parameters}}


def pages(requests: int = 150, seed: int = 0) -> list[Interaction]:
    """Searches whose users click tents (ann and others of even number) or trail shoes."""
    catalog, rng, found = small_catalog(), np.random.default_rng(seed), []
    names = ["ann", "bob", "cid", "dan"]
    for request in range(requests):
        user = int(rng.integers(4))
        rows = rng.permutation(len(catalog))[:8]
        moment, request_id = NOW + 60.0 * request, f"r{request}"
        shown = [catalog.ids[row] for row in rows]
        found.append(
            Interaction("impression", names[user], None, moment, query="fast tents", request_id=request_id, shown=shown)
        )
        for slot, row in enumerate(rows.tolist()):
            liked = catalog.value("metadata.category", row) == ("tents", "trail shoes")[user % 2]
            if rng.random() < (0.8 if liked else 0.03) / (slot + 1) ** 0.3:
                found.append(
                    Interaction(
                        "click", names[user], catalog.ids[row], moment + 5, position=slot + 1, request_id=request_id
                    )
                )
    return found


def trained_store(home: Path, requests: int) -> Store:
    """A store with model "m" trained on so many pages, and its users logged."""
    store, interactions = Store(home), pages(requests)
    run = TrainingRun("m", small_catalog(), interactions, pipeline=Pipeline.from_json([SEARCH, learned()]), store=store)
    for _ in run:
        pass
    run.publish()
    log_interactions(store, small_catalog(), interactions)
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return trained_store(tmp_path, 150)


def run(entries: list[Any], store: Store, inputs: dict[str, Any] | None = None, **arguments: Any):  # type: ignore[no-untyped-def]
    arguments = {"rng": 0, "timestamp": NOW + 1e5, **arguments}
    return Pipeline.from_json(entries).run(inputs or INPUTS, catalog=small_catalog(), store=store, **arguments)


def test_the_output_is_the_contracts(store: Store) -> None:
    ranking = run([SEARCH, learned()], store)
    assert len(ranking.documents) == 10
    for document in ranking.to_json()["documents"]:
        assert set(document) == {"document_id", "content", "score", "learned_rerank"}
        own = document["learned_rerank"]
        assert set(own) == {"personalization_score", "exploration_boost", "user_segment", "top_features"}
        assert 0 < own["personalization_score"] < 1
        assert own["exploration_boost"] >= 0
        assert own["user_segment"] == "tents_enthusiast"
        assert all(":" in feature for feature in own["top_features"])
    json.dumps(ranking.to_json(), allow_nan=False)


@pytest.mark.parametrize("strategy", ["epsilon_greedy", "softmax", "squarecb", "greedy", "uniform"])
@pytest.mark.parametrize("guards", [{}, {"explore_from_slot": 3}, {"explore_pool": 5}])
def test_boosts_and_propensities_agree_with_the_order(store: Store, strategy: str, guards: dict[str, int]) -> None:
    """Documents are always in order of score + boost; a boost is above 0 exactly where a slot was explored."""
    pipeline = [SEARCH, learned(exploration=strategy, exploration_rate=0.5, **guards)]
    explored = 0
    for seed in range(15):
        ranking = run(pipeline, store, rng=seed)
        details = ranking.details
        totals = details.placed.scores + details.placed.boosts
        assert (np.diff(totals) <= 0).all()
        np.testing.assert_array_equal(details.placed.boosts > 0, details.explored)
        assert ((details.propensities > 0) & (details.propensities <= 1)).all()
        explored += int(details.explored.sum())
        if "explore_from_slot" in guards:
            assert not details.explored[:2].any()
    assert (explored == 0) == (strategy == "greedy")


def test_score_is_the_relevance_received(store: Store) -> None:
    before = run([SEARCH], store)
    received = {document.document_id: document.score for document in before.documents}
    for cold in ({}, {"user_id": "stranger"}):
        ranking = run([SEARCH, learned(top_n=30)], store, {**INPUTS, **cold})
        assert {document.document_id: document.score for document in ranking.documents} == received


def test_unknown_and_cold_users_get_the_fallback_and_are_told(store: Store) -> None:
    ranking = run([SEARCH, learned()], store, {**INPUTS, "user_id": "stranger"})
    static = run([SEARCH, {"stage_type": "sort", "stage_id": "rerank", "parameters": {"top_n": 10}}], store)
    assert [d.document_id for d in ranking.documents] == [d.document_id for d in static.documents]
    assert ranking.to_json()["fallback"] == "rerank ranked: the user is unknown"
    assert all(
        d.learned["personalization_score"] is None and d.learned["exploration_boost"] == 0 for d in ranking.documents
    )
    assert ranking.details.propensities.tolist() == [1.0] * 10
    warm = run([SEARCH, learned(cold_start_after=10_000)], store)
    assert "cold start" in warm.to_json()["fallback"]
    diverse = {"stage_id": "mmr", "parameters": {"lambda": 0.3}}
    other = run([SEARCH, learned(fallback=diverse)], store, {**INPUTS, "user_id": "stranger"})
    assert other.to_json()["fallback"] == "mmr ranked: the user is unknown"
    long = run([SEARCH, learned(fallback=diverse, top_n=15)], store, {**INPUTS, "user_id": "stranger"})
    assert len(long.documents) == 15
    assert run([SEARCH, learned()], store, {**INPUTS, "user_id": ""}).details.fallback


def test_who_opts_out_is_ranked_without_profile_and_leaves_no_trace(store: Store) -> None:
    before = store.log.count()
    store.log.opt_out("ann")
    pipeline = Pipeline.from_json([SEARCH, learned()])
    ranking = pipeline.run(INPUTS, catalog=small_catalog(), store=store, rng=0)
    assert ranking.details.fallback == "rerank ranked: the user opted out"
    assert ranking.details.segment is None
    assert ranking.impression() is None
    assert not pipeline.learn(ranking, clicks=[ranking.documents[0].document_id], store=store)
    assert store.log.count() == before
    store.log.opt_in("ann")
    assert run([SEARCH, learned()], store).details.fallback is None


def test_erasing_a_user_forgets_their_profile_at_the_next_request(store: Store) -> None:
    pipeline = Pipeline.from_json([SEARCH, learned()])
    assert pipeline.run(INPUTS, catalog=small_catalog(), store=store).details.fallback is None
    store.log.erase("ann")
    assert (
        pipeline.run(INPUTS, catalog=small_catalog(), store=store).details.fallback
        == "rerank ranked: the user is unknown"
    )


def test_time_out_gives_the_incoming_order_and_logs_nothing_as_explored(store: Store) -> None:
    ranking = run([SEARCH, learned(timeout_ms=1e-6, exploration_rate=1.0)], store)
    before = run([SEARCH], store)
    assert [d.document_id for d in ranking.documents] == [d.document_id for d in before.documents][:10]
    assert ranking.to_json()["timed_out"]
    assert not ranking.details.explored.any()
    assert ranking.impression() is None
    assert not run([SEARCH, learned(timeout_ms=60_000)], store).details.timed_out


def test_the_next_request_sees_what_was_learned(store: Store) -> None:
    """Two clicks bring a newcomer from the fallback to the model; what they clicked rises."""
    pipeline, catalog = Pipeline.from_json([SEARCH, learned(exploration_rate=0.0)]), small_catalog()
    asked = {"query": "fast tents", "user_id": "newcomer"}

    def rank(moment: float):  # type: ignore[no-untyped-def]
        return pipeline.run(asked, catalog=catalog, store=store, timestamp=moment, rng=0)

    first = rank(NOW + 1e5)
    assert first.details.fallback
    clicked = [d.document_id for d in first.documents[:2]]
    assert pipeline.learn(first, clicks=clicked, store=store)
    assert not pipeline.learn(first, clicks=clicked, store=store), "the same outcome twice counts once"
    second = rank(NOW + 1e5 + 60)
    assert second.details.fallback is None
    value = dict(zip([d.document_id for d in second.documents], second.details.placed.values, strict=True))
    assert pipeline.learn(second, clicks=[second.documents[0].document_id], store=store)
    third = rank(NOW + 1e5 + 120)
    again = dict(zip([d.document_id for d in third.documents], third.details.placed.values, strict=True))
    top = second.documents[0].document_id
    # Nine documents that were not clicked lower the level of all; against the others the clicked one rises.
    rest = [item for item in value if item in again and item != top]
    assert again[top] - np.mean([again[item] for item in rest]) > value[top] - np.mean([value[item] for item in rest])


def test_a_page_is_learned_once_whatever_is_said_of_it_later(store: Store) -> None:
    """A second call with another click would teach all the page's other documents twice."""
    pipeline = Pipeline.from_json([SEARCH, learned()])
    ranking = pipeline.run(INPUTS, catalog=small_catalog(), store=store, rng=0, timestamp=NOW + 1e5)
    first, second = (document.document_id for document in ranking.documents[:2])
    assert pipeline.learn(ranking, clicks=[first], store=store)
    weights, logged = ranking.details.reranker.model.save(), store.log.count()
    assert not pipeline.learn(ranking, clicks=[first, second], store=store)
    assert ranking.details.reranker.model.save() == weights
    assert store.log.count() == logged


def test_a_page_logged_when_it_was_shown_still_teaches_that_nothing_was_clicked(store: Store) -> None:
    """Else such a service would learn from clicked pages only, and take every rate for too high."""
    pipeline = Pipeline.from_json([SEARCH, learned()])
    ranking = pipeline.run(INPUTS, catalog=small_catalog(), store=store, rng=0, timestamp=NOW + 1e5)
    store.log.append([ranking.impression()])
    before = ranking.details.reranker.model.save()
    assert pipeline.learn(ranking, store=store)
    after = ranking.details.reranker.model.save()
    assert after != before
    assert not pipeline.learn(ranking, store=store)
    assert ranking.details.reranker.model.save() == after


def test_an_impression_keeps_what_was_known(store: Store) -> None:
    ranking = run([SEARCH, learned(exploration_rate=0.5, explore_pool=12)], store, rng=3)
    impression = ranking.impression()
    store.log.append([impression])
    kept = store.log.impression(impression.request_id)
    assert list(kept.shown) == [d.document_id for d in ranking.documents]
    np.testing.assert_allclose(kept.propensities, ranking.details.propensities)
    assert kept.record["supported"] == 12
    assert kept.record["explored"] == ranking.details.explored.tolist()
    assert kept.model_version == "m@1"
    # The lines say exactly what the model saw: Vowpal Wabbit itself predicts the values from them.
    told = ranking.details.reranker.model.predict(kept.record["shared"], kept.record["documents"])
    effects = ranking.details.reranker.position_effects(np.arange(1, 11))
    np.testing.assert_allclose(told - effects, kept.record["values"], atol=1e-5)


def test_a_pipelines_feature_list_hides_the_others(store: Store) -> None:
    ranking = run([SEARCH, learned(features=["metadata.price", "metadata.brand"])], store)
    assert ranking.notes == ["m@1 does not know metadata.brand: ignored"]
    contributions = ranking.details.placed.contributions
    seen = {
        name for name, column in zip(contributions.features, contributions.raw.T, strict=True) if np.ptp(column) > 0
    }
    assert seen == {"metadata.price", "incoming.score", "incoming.rank"}


def test_no_model_is_an_error_that_lists_those_there_are(store: Store) -> None:
    with pytest.raises(ModelNotFoundError, match=r"absent.*\bm\b"):
        run([SEARCH, learned(model_id="absent")], store)


def test_a_missing_input_names_stage_parameter_and_input(store: Store) -> None:
    with pytest.raises(InputError, match=r"\[1\]\.parameters\.user_id: learned_rerank needs the input 'user_id'"):
        run([SEARCH, learned()], store, {"query": "x"})


@pytest.mark.parametrize(
    ("entries", "path"),
    [
        ([], "at least one stage"),
        ([1], r"\[0\]"),
        ([{"stage_id": "nothing", "stage_type": "sort"}], r"\[0\]\.stage_id: unknown stage \(found 'nothing'\).*mmr"),
        ([{**SEARCH, "stage_type": "sort"}], r'\[0\]\.stage_type.*"filter"'),
        ([{**SEARCH, "extra": 1}], r"\[0\]: unknown key"),
        ([{**SEARCH, "parameters": []}], r"\[0\]\.parameters"),
        (
            [SEARCH, learned(exploration_rate=1.5)],
            r"\[1\]\.parameters\.exploration_rate.*1\.5.*less than or equal to 1",
        ),
        ([SEARCH, learned(exploration_rate="0.1")], r"\[1\]\.parameters\.exploration_rate"),
        ([SEARCH, learned(exploration_rate=float("nan"))], r"\[1\]\.parameters\.exploration_rate"),
        ([SEARCH, learned(top_n=0)], r"\[1\]\.parameters\.top_n.*0.*greater than or equal to 1"),
        ([SEARCH, learned(top_n=True)], r"\[1\]\.parameters\.top_n"),
        ([SEARCH, learned(top_n=2.5)], r"\[1\]\.parameters\.top_n"),
        ([SEARCH, learned(unknown=1)], r"\[1\]\.parameters\.unknown: unknown parameter"),
        ([SEARCH, {**learned(), "parameters": {}}], r"\[1\]\.parameters\.model_id: this parameter is required"),
        ([SEARCH, learned(features=[])], r"\[1\]\.parameters\.features"),
        ([SEARCH, learned(features="price")], r"\[1\]\.parameters\.features"),
        ([SEARCH, learned(fallback="learned_rerank")], r"\[1\]\.parameters\.fallback"),
        ([SEARCH, learned(fallback="hybrid_search")], r"\[1\]\.parameters\.fallback"),
        ([SEARCH, learned(fallback={"stage_id": "mmr", "parameters": {"lambda": 3}})], r"\[1\]\.parameters\.fallback"),
        ([SEARCH, learned(exploration="thompson")], r"\[1\]\.parameters\.exploration.*epsilon_greedy"),
        ([SEARCH, learned(exploration_parameters={"temperature": 0})], r"exploration_parameters\.temperature"),
        ([learned(), SEARCH], r"\[0\]\.stage_id: a stage that explores comes last"),
        ([SEARCH, learned(), learned()], r"\[1\]\.stage_id: a stage that explores comes last"),
    ],
)
def test_what_is_wrong_is_refused_when_the_pipeline_is_read(entries: list[Any], path: str) -> None:
    with pytest.raises(PipelineError, match=path):
        Pipeline.from_json(entries)


@pytest.mark.parametrize("text", ["", "[", "{}", "[{]", "nul", '"x"', "[1e999]"])
def test_text_that_is_no_pipeline_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "pipeline.json"
    path.write_text(text)
    with pytest.raises(PipelineError):
        Pipeline.from_json(path)


def test_a_pipeline_is_the_same_from_a_file_text_or_list(tmp_path: Path) -> None:
    entries = [SEARCH, learned()]
    path = tmp_path / "pipeline.json"
    path.write_text(json.dumps(entries))
    forms = [Pipeline.from_json(form).to_json() for form in (entries, json.dumps(entries), path, str(path))]
    assert all(form == forms[0] for form in forms)
    assert Pipeline.from_json(forms[0]).to_json() == forms[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = (
    *("model_id", "user_id", "features", "top_n", "exploration_rate", "fallback", "exploration", "explore_from_slot"),
    *("exploration_parameters", "explore_pool", "timeout_ms", "cold_start_after", "query", "top_k", "vector_index"),
    *("conditions", "lambda", "model"),
)
STAGE = st.fixed_dictionaries(
    {
        "stage_type": st.sampled_from(["filter", "sort"]) | JSON,
        "stage_id": st.sampled_from(
            ["semantic_search", "hybrid_search", "structured_filter", "rerank", "mmr", "learned_rerank"]
        )
        | JSON,
        "parameters": st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4) | JSON,
    }
)


@given(st.lists(STAGE | JSON, max_size=3) | JSON)
def test_no_json_gets_past_the_reader_or_crashes_it(found: Any) -> None:
    with suppress(LrerankError):
        Pipeline.from_json(found if not isinstance(found, str) else json.dumps(found))


@given(
    query=st.text(max_size=30),
    user=st.text(max_size=10),
    rate=st.floats(0, 1),
    strategy=st.sampled_from(["epsilon_greedy", "softmax", "squarecb", "greedy", "uniform"]),
    top_n=st.integers(1, 40),
    context=st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.floats() | st.booleans(), max_size=3),
    seed=st.integers(0, 2**32),
)
def test_any_request_gets_distinct_known_documents_with_finite_scores_or_a_sentence(
    fuzz_store: Store, query: str, user: str, rate: float, strategy: str, top_n: int, context: dict[str, Any], seed: int
) -> None:
    catalog = small_catalog()
    pipeline = Pipeline.from_json(
        [SEARCH, learned(exploration_rate=rate, exploration=strategy, top_n=top_n, cold_start_after=0)]
    )
    for name in (user, "ann"):
        try:
            inputs = {"query": query, "user_id": name}
            ranking = pipeline.run(
                inputs, catalog=catalog, store=fuzz_store, context=context, rng=seed, timestamp=NOW + 1e5
            )
        except LrerankError:
            continue
        ids = [document.document_id for document in ranking.documents]
        assert len(ids) == len(set(ids)) <= top_n
        assert set(ids) <= set(catalog.ids)
        json.dumps(ranking.to_json(), allow_nan=False)


@pytest.fixture(scope="module")
def fuzz_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return trained_store(tmp_path_factory.mktemp("fuzz"), 60)


@pytest.mark.parametrize("strategy", ["epsilon_greedy", "softmax", "squarecb"])
def test_what_is_logged_is_the_probability_of_what_was_drawn(fuzz_store: Store, strategy: str) -> None:
    """Pages of two from five candidates, drawn 1,200 times through the whole pipeline: each page's share is the product
    of its logged propensities. Five standard errors: with 60 pages a right program fails once in 30,000 runs."""
    catalog, draws = small_catalog(), 1200
    search = {**SEARCH, "parameters": {**SEARCH["parameters"], "top_k": 5}}
    knobs = {"temperature": 0.3, "gamma": 20.0}
    stage = learned(
        exploration=strategy, exploration_rate=0.3, exploration_parameters=knobs, top_n=2, cold_start_after=0
    )
    pipeline = Pipeline.from_json([search, stage])
    count: Counter[tuple[str, ...]] = Counter()
    probability: dict[tuple[str, ...], float] = {}
    for seed in range(draws):
        ranking = pipeline.run(INPUTS, catalog=catalog, store=fuzz_store, rng=seed, timestamp=NOW + 1e5)
        impression = ranking.impression()
        assert impression is not None
        page = tuple(impression.shown)
        count[page] += 1
        logged = float(np.prod(impression.propensities))
        assert probability.setdefault(page, logged) == pytest.approx(logged, abs=1e-12)
    assert len(probability) > 10
    assert sum(probability.values()) == pytest.approx(1.0, abs=0.05), "pages that were never drawn are rare"
    for page, expected in probability.items():
        assert abs(count[page] / draws - expected) < 5 * np.sqrt(expected * (1 - expected) / draws) + 1 / draws
