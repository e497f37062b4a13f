"""Scenes: candidates as the pipeline gives them, relevance from grades or by the stated assumption, and nothing else."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from small import small_catalog
from small_catalogs import catalog as make_catalog
from small_catalogs import texts

from lrerank.data import load_catalog, worlds
from lrerank.data.catalog import Catalog
from lrerank.errors import LrerankError
from lrerank.experiments.relevance import assumed_relevance, judged_relevance
from lrerank.experiments.scene import ASSUMED, BUILT_IN, HYBRID_SEARCH, Scene, build_scene
from lrerank.pipeline import Pipeline
from lrerank.store import Store
from lrerank.types import Candidates

_WHOLE = {"stage_type": "filter", "stage_id": "structured_filter"}


@pytest.fixture(scope="module")
def marketplace() -> Scene:
    return build_scene(worlds.catalog("marketplace"))


def test_the_marketplace_has_all_its_queries_with_known_relevance(marketplace: Scene) -> None:
    there = marketplace.rows >= 0
    assert len(marketplace.rows) == len(worlds.queries("marketplace")) == 374
    assert marketplace.rows.shape == marketplace.scores.shape == marketplace.relevance.shape
    assert marketplace.search.lexical.shape == marketplace.rows.shape and marketplace.rows.shape[1] <= 50
    assert there.sum(axis=1).min() >= 10 and (there[:, 1:] <= there[:, :-1]).all()
    assert (marketplace.judged == there).all()
    assert np.allclose(np.unique(marketplace.relevance[there]), [0.1, 0.4, 0.7, 1.0])
    assert (marketplace.relevance[~there] == 0).all()
    assert (np.diff(marketplace.scores, axis=1)[there[:, 1:]] <= 0).all()
    assert marketplace.provenance == BUILT_IN and marketplace.notes == ()


def test_values_and_topics_are_those_of_the_catalog(marketplace: Scene) -> None:
    catalog = marketplace.catalog
    assert marketplace.values.shape == (len(catalog), len(marketplace.value_names))
    assert set(np.unique(marketplace.values)) == {0.0, 1.0}
    for row in (0, 17, 4001):
        category = catalog.value("metadata.category", row)
        assert marketplace.search.topic_names[marketplace.topics[row]] == category
        column = list(marketplace.value_names).index(f"metadata.category={category}")
        assert marketplace.values[row, column] == 1.0


def test_candidates_and_static_orders_are_what_the_stages_give(marketplace: Scene) -> None:
    search, number = marketplace.search, 7
    judgments = worlds.judgments("marketplace")
    own = judgments[judgments["query_id"] == search.query_ids[number]]
    judged = np.sort([search.catalog.row_of[each] for each in own["doc_id"]])
    start = Candidates(judged, np.zeros(len(judged)))
    rerank = {"stage_type": "sort", "stage_id": "rerank", "parameters": {}}
    for stages, scores in ((HYBRID_SEARCH, search.scores), ([*HYBRID_SEARCH, rerank], search.lexical)):
        found = Pipeline.from_json(stages).run(
            {"query": search.texts[number]}, catalog=search.catalog, candidates=start
        )
        order = np.argsort(-scores[number, : len(judged)], kind="stable")
        assert search.rows[number][order].tolist() == found.candidates.rows.tolist()
        assert scores[number][order].tolist() == found.candidates.scores.tolist()
    grade_of = dict(zip(own["doc_id"], own["grade"], strict=True))
    expected = [0.1 + 0.3 * grade_of[search.catalog.ids[row]] for row in search.rows[number, : len(judged)]]
    assert marketplace.relevance[number, : len(judged)] == pytest.approx(expected)


def test_a_scene_is_the_same_again_and_goes_to_workers(marketplace: Scene) -> None:
    data = pickle.dumps(marketplace)
    assert len(data) < 20_000_000
    sent: Scene = pickle.loads(data)  # noqa: S301
    for other in (sent, build_scene(worlds.catalog("marketplace"))):
        for name in ("relevance", "values", "added", "judged"):
            assert np.array_equal(getattr(other, name), getattr(marketplace, name), equal_nan=True)
        assert (other.rows == marketplace.rows).all() and (other.scores == marketplace.scores).all()
    assert sent.search.index().lexical_scores("shoes").max() > 0


def test_from_the_whole_catalog_unjudged_candidates_count_as_irrelevant() -> None:
    scene = build_scene(worlds.catalog("marketplace"), only_judged=False, candidates=30, most_queries=40, seed=3)
    assert scene.rows.shape == (40, 30) and (scene.rows >= 0).all()
    assert 0 < scene.judged.mean() < 0.6
    assert (scene.relevance[~scene.judged] == 0.1).all()
    assert "of the candidates are judged" in scene.notes[0]


def test_queries_are_drawn_from_the_seed_and_keep_their_order() -> None:
    catalog = worlds.catalog("marketplace")
    one, same, other = (build_scene(catalog, most_queries=12, seed=seed).search.query_ids for seed in (1, 1, 2))
    assert one == same != other
    assert one == sorted(one) and len(set(one)) == 12


def test_grades_become_relevance() -> None:
    rows = np.array([[4, 2, -1], [1, 0, 3]])
    graded = judged_relevance(np.array([[3.0, 1.0, np.nan], [0.0, 2.0, np.nan]]), rows)
    assert graded == pytest.approx(np.array([[1.0, 0.4, 0.0], [0.1, 0.7, 0.1]]))
    binary = judged_relevance(np.array([[1.0, 0.0, np.nan], [0.0, 0.0, 1.0]]), rows)
    assert binary == pytest.approx(np.array([[1.0, 0.1, 0.0], [0.1, 0.1, 1.0]]))
    with pytest.raises(ValueError, match="grade above 0"):
        judged_relevance(np.zeros((2, 3)), rows)


def test_assumed_relevance_has_the_stated_accuracy() -> None:
    rows = np.tile(np.arange(50), (400, 1))
    rows[0, 20:] = -1
    queries = np.arange(400)
    perfect = assumed_relevance(rows, queries, 1.0, seed=1)
    assert (np.diff(perfect[1:], axis=1) < 0).all() and (perfect[0, 20:] == 0).all()
    scores = ndtri(1 - (np.arange(50) + 0.5) / 50)
    for accuracy in (0.0, 0.6):
        found = assumed_relevance(rows, queries, accuracy, seed=1)[1:]
        latent = ndtri(np.sqrt((found - 0.1) / 0.9))
        # 19,950 pairs: a correlation's standard error is below 0.007; normal scores of 50 ranks have variance 0.97.
        assert np.corrcoef(np.tile(scores, (399, 1)).ravel(), latent.ravel())[0, 1] == pytest.approx(accuracy, abs=0.03)
    other = assumed_relevance(rows, queries, 0.6, seed=2)
    assert not np.allclose(other, assumed_relevance(rows, queries, 0.6, seed=1))


def test_accuracy_overrides_judgments() -> None:
    scene = build_scene(worlds.catalog("marketplace"), accuracy=1.0, most_queries=5, candidates=20)
    assert (np.diff(scene.relevance, axis=1) < 0).all()
    assert not scene.judged.any() and scene.provenance == BUILT_IN
    assert scene.notes == ("relevance is assumed: the static order has accuracy 1",)


def test_a_catalog_without_queries_gets_some_from_its_values() -> None:
    catalog = small_catalog(400)
    searched = dataclasses.replace(catalog, text_paths=["content.title", "metadata.category", "content.tags"])
    scene = build_scene(searched)
    texts_of = set(scene.search.texts)
    assert {"tents", "light", "trail shoes"} < texts_of
    assert "trail shoes light" in texts_of or "light trail shoes" in texts_of
    assert scene.provenance == ASSUMED and "made from the catalog's values" in scene.notes[0]
    assert (scene.relevance[scene.rows >= 0] >= 0.1).all()
    tents = scene.search.texts.index("tents")
    assert searched.value("metadata.category", int(scene.rows[tents, 0])) == "tents"
    assert len(build_scene(searched, most_queries=6).search.texts) == 6
    with pytest.raises(LrerankError, match="no queries"):
        build_scene(catalog)


def test_the_name_of_a_world_alone_brings_no_queries() -> None:
    impostor = dataclasses.replace(small_catalog(), name="marketplace")
    with pytest.raises(LrerankError, match="no queries"):
        build_scene(impostor)


def test_queries_without_candidates_are_left_out() -> None:
    catalog = make_catalog(
        {"title": ("text", ["red tent", "blue tent", "red shoe"]), "kind": ("categorical", ["a", "a", "b"])}, ["title"]
    )
    queries = pd.DataFrame({"query_id": ["1", "2"], "query": ["tent", "shoe"], "kind": ["a", "c"]})
    conditions = {"field": "kind", "operator": "eq", "value": "{{INPUT.kind}}"}
    stages = [{**_WHOLE, "parameters": {"conditions": conditions}}, *HYBRID_SEARCH]
    scene = build_scene(catalog, queries=queries, stages=stages)
    assert scene.search.texts == ["tent"] and sorted(scene.rows[0].tolist()) == [0, 1]
    assert scene.notes[0] == "queries for which the stages find nothing were left out: 1"
    assert scene.topics.tolist() == [-1, -1, -1]


def test_of_several_topics_the_rarest_counts() -> None:
    genres = [["drama"], ["drama", "comedy"], ["drama", "comedy", "noir"], []]
    catalog = make_catalog({"title": ("text", ["a b", "b c", "c d", "d e"]), "genres": ("list", genres)}, ["title"])
    queries = pd.DataFrame({"query_id": ["1"], "query": ["b"]})
    scene = build_scene(dataclasses.replace(catalog, segment_path="genres"), queries=queries)
    names = [*scene.search.topic_names, None]
    assert [names[topic] for topic in scene.topics] == ["drama", "comedy", "noir", None]


def test_columns_finds_candidates_of_any_subset(marketplace: Scene) -> None:
    rng, search = np.random.default_rng(0), marketplace.search
    query = rng.integers(len(search.rows), size=60)
    whole = search.columns(query, search.rows[query])
    assert (whole[search.rows[query] >= 0] == np.nonzero(search.rows[query] >= 0)[1]).all()
    picked = rng.permuted(np.tile(np.arange(search.rows.shape[1]), (60, 1)), axis=1)[:, :9]
    rows = np.take_along_axis(search.rows[query], picked, axis=1)
    assert (search.columns(query, rows) == np.where(rows >= 0, picked, -1)).all()
    stranger = np.setdiff1d(np.arange(len(search.catalog)), search.rows[query[0]])[0]
    with pytest.raises(ValueError, match="no candidate"):
        search.columns(query[:1], np.array([[stranger]]))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"candidates": 0}, "too few candidates"),
        ({"accuracy": 1.5}, "out of range"),
        (
            {"stages": [{"stage_type": "sort", "stage_id": "learned_rerank", "parameters": {"model_id": "m"}}]},
            "where learning begins",
        ),
        ({"judgments": pd.DataFrame({"query_id": ["x"], "doc_id": ["d0"], "grade": [1.0]})}, "no query has a judged"),
        ({"judgments": pd.DataFrame({"query_id": ["1"], "doc_id": ["d0"], "grade": [0.0]})}, "grade above 0"),
    ],
)
def test_what_can_not_be_built_is_refused(arguments: dict[str, object], said: str) -> None:
    queries = pd.DataFrame({"query_id": ["1"], "query": ["tent"]})
    with pytest.raises(LrerankError, match=said):
        build_scene(texts("red tent", "blue tent"), queries=queries, **arguments)  # type: ignore[arg-type]


def test_movies_bring_their_real_queries_and_judgments(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (data_folder / "msrd").is_dir():
        pytest.skip("the folder has no msrd")
    monkeypatch.setenv("LRERANK_DATA", str(data_folder))
    # An index of the titles alone is made in a moment.
    movies = dataclasses.replace(load_catalog("movies"), text_paths=["title"])
    scene = build_scene(movies, most_queries=30, store=Store())
    there = scene.rows >= 0
    assert len(scene.rows) == 30 and 20 <= scene.rows.shape[1] <= 24
    assert (scene.judged == there).all()
    assert np.allclose(np.unique(scene.relevance[there]), [0.1, 1.0])
    assert (scene.relevance == 1.0).any(axis=1).all()
    assert len(scene.search.topic_names) > 10 and scene.provenance == ASSUMED


def test_the_fingerprint_is_of_documents_queries_and_judgments() -> None:
    catalog = texts("red tent", "blue tent")
    queries = pd.DataFrame({"query_id": ["a", "b"], "query": ["red", "tent"]})
    judgments = pd.DataFrame({"query_id": ["a", "b"], "doc_id": list(catalog.ids), "grade": [1, 2]})

    def found(catalog: Catalog, queries: pd.DataFrame, judgments: pd.DataFrame | None, **more: int) -> str:
        return build_scene(catalog, queries=queries, judgments=judgments, **more).fingerprint  # type: ignore[arg-type]

    different = [
        found(catalog, queries, judgments),
        found(texts("red tent", "blue tent, new"), queries, judgments),
        found(dataclasses.replace(catalog, segment_path="title"), queries, judgments),
        found(catalog, queries.replace("red", "blue"), judgments),
        found(catalog, queries, judgments.replace(1, 3)),
        found(catalog, queries, None),
    ]
    assert len(set(different)) == len(different)
    assert found(catalog, queries, judgments, most_queries=1, seed=5) == different[0], "what is drawn is in the spec"
