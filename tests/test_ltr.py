"""The learning-to-rank baseline: its features, its training, and what it reaches on judged movie queries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_catalogs import catalog

from lrerank.data.catalog import Catalog, NumericColumn
from lrerank.data.load import load_catalog
from lrerank.errors import DataError, PipelineError
from lrerank.evaluation.ranking import Metric, evaluate
from lrerank.retrieval.index import TextIndex, text_index
from lrerank.retrieval.ltr import LtrModel
from lrerank.retrieval.ltr_features import FeatureMaker, FeatureSpec
from lrerank.stages.base import Environment
from lrerank.stages.rerank import Rerank
from lrerank.store import Store
from lrerank.training_static import train_static
from lrerank.types import Candidates, FloatArray, Request

COLOURS = ["red", "green", "blue", "black"]
THINGS = ["lamp", "rug", "mug", "chair", "table"]
RNG = np.random.default_rng(11)
SHOP = catalog(
    {
        "title": ("text", [f"{colour} {thing}" for colour in COLOURS for thing in THINGS for _ in range(6)]),
        "quality": ("numeric", [*RNG.permutation(119) / 119, None]),
        "age": ("numeric", RNG.permutation(120).tolist()),
        "year": ("date", [(1990 + row % 30) * 365.2425 * 86_400 - 1970 * 365.2425 * 86_400 for row in range(120)]),
        "in_stock": ("boolean", [*[True, False] * 59, None, True]),
    },
    text=["title"],
)


@pytest.fixture(scope="module")
def shop_index(tmp_path_factory: pytest.TempPathFactory) -> TextIndex:
    return text_index(SHOP, tmp_path_factory.mktemp("indexes"))


def shop_judgments() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every colour and thing is a query; documents of both are relevant, those with one of them are not."""
    queries = [f"{colour} {thing}" for colour in COLOURS for thing in THINGS]
    frame = pd.DataFrame({"query_id": [f"q{i}" for i in range(20)], "query": queries})
    frame["query_group"] = frame["query_id"]
    rng = np.random.default_rng(3)
    judged = [
        (f"q{number}", SHOP.ids[row], float(SHOP.text("title", row) == query))
        for number, query in enumerate(queries)
        for row in np.append(rng.choice(120, size=12, replace=False), number * 6)
    ]
    return frame, pd.DataFrame(judged, columns=["query_id", "doc_id", "grade"]).drop_duplicates(["query_id", "doc_id"])


def test_features_have_names_and_follow_their_documents(shop_index: TextIndex) -> None:
    maker = FeatureMaker(FeatureSpec.of(SHOP), SHOP, shop_index)
    rows = np.array([3, 50, 7, 119])
    found = maker.matrix("red lamp 2005", rows)
    assert found.shape == (4, len(maker.names())) and found.dtype == np.float32
    assert not np.isinf(found).any()
    order = np.array([2, 0, 3, 1])
    np.testing.assert_array_equal(maker.matrix("red lamp 2005", rows[order]), found[order])
    by_name = dict(zip(maker.names(), found.T, strict=True))
    values = SHOP.columns["quality"]
    assert isinstance(values, NumericColumn)
    np.testing.assert_array_equal(by_name["quality: value"], values.values[rows].astype(np.float32))
    best = np.nanmax(values.values[rows])
    np.testing.assert_allclose(by_name["quality: value behind"], best - values.values[rows], atol=1e-6)
    # The date is the start of a year, so the distance to the number in the query is in years.
    np.testing.assert_allclose(by_name["year: from number"], np.abs(1990 + rows % 30 - 2005), atol=1e-3)
    np.testing.assert_array_equal(by_name["in_stock: value"], [0, 1, 0, 1])


@pytest.mark.parametrize("query", ["", "?!", "unknown", "red " * 500, "9" * 400, "²³"])
def test_features_of_odd_queries_are_no_infinities(query: str, shop_index: TextIndex) -> None:
    found = FeatureMaker(FeatureSpec.of(SHOP), SHOP, shop_index).matrix(query, np.arange(120))
    assert not np.isinf(found).any()


def test_training_is_repeatable_and_blind_to_the_order_of_rows(shop_index: TextIndex) -> None:
    queries, judgments = shop_judgments()
    told: list[tuple[str, int, int]] = []
    first = train_static(SHOP, shop_index, queries, judgments, 1, lambda *state: told.append(state))
    mixed = train_static(SHOP, shop_index, queries.iloc[::-1], judgments.sample(frac=1, random_state=2), 1)
    assert first.files == mixed.files
    assert first.files != train_static(SHOP, shop_index, queries, judgments, 2).files
    assert {what for what, _, _ in told} == {"reading judgments", "validating", "training"}
    assert all(0 <= done <= total for _, done, total in told)
    assert first.report["queries"] == first.report["query_groups"] == 20
    assert first.report["judgments"] == len(judgments)
    assert 0 <= first.report["validation"]["ltr"] <= 1


def test_a_published_model_ranks_in_the_stage(shop_index: TextIndex, tmp_path: Path) -> None:
    queries, judgments = shop_judgments()
    trained = train_static(SHOP, shop_index, queries, judgments)
    store = Store(tmp_path)
    store.models.publish("shop", "static", trained.files, trained.report)
    store.models.publish("tastes", "learned", {"model.vw": b""}, {})
    environment = Environment(SHOP, store, np.random.default_rng(0))
    request = Request({"query": "blue mug"}, 0.0, "r")
    everything = Candidates(np.arange(120), np.zeros(120))
    found = Rerank().run(Rerank.parameters_type(model="shop", top_n=6), request, everything, environment).candidates
    assert {SHOP.text("title", row) for row in found.rows} == {"blue mug"}
    scores = LtrModel.from_files(trained.files).scores(SHOP, shop_index, "blue mug", np.arange(120))
    np.testing.assert_array_equal(found.scores, np.sort(scores)[::-1][:6])
    with pytest.raises(PipelineError, match=r"parameters.model: this model is learned"):
        Rerank().run(Rerank.parameters_type(model="tastes"), request, everything, environment)


def test_a_model_refuses_a_catalog_it_does_not_fit(shop_index: TextIndex, tmp_path: Path) -> None:
    queries, judgments = shop_judgments()
    model = LtrModel.from_files(train_static(SHOP, shop_index, queries, judgments).files)
    other = catalog({"title": ("text", ["red lamp"]), "age": ("numeric", [1])}, text=["title"])
    with pytest.raises(DataError, match=r"lacks.*quality"):
        model.scores(other, text_index(other, tmp_path), "red", np.arange(1))
    other = catalog({"name": ("text", ["red lamp"])}, text=["name"])
    with pytest.raises(DataError, match=r"searched fields.*title"):
        model.scores(other, text_index(other, tmp_path), "red", np.arange(1))
    assert len(model.scores(SHOP, shop_index, "red", np.arange(0))) == 0


def test_what_teaches_nothing_is_refused(shop_index: TextIndex) -> None:
    queries, judgments = shop_judgments()
    with pytest.raises(DataError, match="no judgment has a grade above 0"):
        train_static(SHOP, shop_index, queries, judgments.assign(grade=0.0))
    with pytest.raises(DataError, match="lacks judged documents"):
        train_static(SHOP, shop_index, queries, judgments.assign(doc_id="gone"))
    with pytest.raises(DataError, match="no query has a judged document"):
        train_static(SHOP, shop_index, queries, judgments.assign(query_id="other"))


def test_one_group_and_broken_grades_train_without_a_validation(shop_index: TextIndex) -> None:
    queries, judgments = shop_judgments()
    trained = train_static(
        SHOP, shop_index, queries.assign(query_group="g"), judgments.assign(grade=judgments["grade"] / 2)
    )
    assert "validation" not in trained.report
    assert np.isfinite(LtrModel.from_files(trained.files).scores(SHOP, shop_index, "red mug", np.arange(120))).all()


def test_position_takes_its_share_of_the_clicks(shop_index: TextIndex) -> None:
    """Documents are shown by age and clicked for their quality, where they are seen: position must not pass for merit."""
    rng = np.random.default_rng(4)
    quality, age = (np.nan_to_num(SHOP.columns[path].values) for path in ("quality", "age"))  # type: ignore[union-attr]
    shown, queries = [], []
    for number in range(400):
        rows = rng.choice(120, size=8, replace=False)
        rows = rows[np.argsort(-age[rows])]
        clicks = rng.random(8) < quality[rows] / np.arange(1, 9)
        queries.append((f"q{number}", "red", f"q{number}"))
        shown += [
            (f"q{number}", SHOP.ids[row], float(click), place + 1)
            for place, (row, click) in enumerate(zip(rows, clicks, strict=True))
        ]
    query_frame = pd.DataFrame(queries, columns=["query_id", "query", "query_group"])
    clicked = pd.DataFrame(shown, columns=["query_id", "doc_id", "grade", "position"])
    rows = np.arange(120)

    def likeness_to_quality(judgments: pd.DataFrame) -> float:
        model = LtrModel.from_files(train_static(SHOP, shop_index, query_frame, judgments).files)
        scores = model.scores(SHOP, shop_index, "red", rows)
        return float(pd.Series(scores).corr(pd.Series(quality), method="spearman"))

    with_position, without = likeness_to_quality(clicked), likeness_to_quality(clicked.drop(columns="position"))
    # Five other seeds gave 0.12 to 0.19 more with the position.
    assert with_position > without + 0.05


@pytest.fixture(scope="module")
def movies(
    data_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Catalog, TextIndex, pd.DataFrame, pd.DataFrame]:
    documents = load_catalog("movies", data_folders=[data_folder])
    queries = pd.read_parquet(data_folder / "msrd" / "queries.parquet").head(2_000)
    judgments = pd.read_parquet(data_folder / "msrd" / "judgments.parquet")
    judgments = judgments[judgments["query_id"].isin(queries["query_id"])]
    return documents, text_index(documents, tmp_path_factory.mktemp("indexes")), queries, judgments


def ndcg(judgments: pd.DataFrame, scores: FloatArray) -> float:
    result = evaluate([Metric("ndcg", 10)], judgments["query_id"], judgments["grade"], scores)
    return float(np.nanmean(result.values["ndcg@10"]))


def test_movie_search_gives_the_published_floors(movies: tuple[Catalog, TextIndex, pd.DataFrame, pd.DataFrame]) -> None:
    documents, index, queries, judgments = movies
    rows = np.array([documents.row_of[str(each)] for each in judgments["doc_id"]])
    votes = documents.columns["votes"]
    assert isinstance(votes, NumericColumn)
    # All three are exact for these queries; the published figures are rounded and BM25's stemming was not told.
    assert ndcg(judgments, np.zeros(len(rows))) == pytest.approx(0.279, abs=0.006)
    assert ndcg(judgments, votes.values[rows]) == pytest.approx(0.567, abs=0.002)
    text_of = dict(zip(queries["query_id"], queries["query"], strict=True))
    bm25 = [
        index.lexical_scores(text_of[query])[rows[places]]
        for query, places in judgments.groupby("query_id", sort=False).indices.items()
    ]
    assert ndcg(judgments, np.concatenate(bm25)) == pytest.approx(0.76, abs=0.015)


def test_movie_search_is_learned_from_some_queries_for_others(
    movies: tuple[Catalog, TextIndex, pd.DataFrame, pd.DataFrame],
) -> None:
    documents, index, queries, judgments = movies
    groups = queries["query_group"] % 4
    learned, asked = queries[groups.isin([0, 1])], queries[groups == 2]
    trained = train_static(documents, index, learned, judgments[judgments["query_id"].isin(learned["query_id"])])
    model = LtrModel.from_files(trained.files)
    held_out = judgments[judgments["query_id"].isin(asked["query_id"])]
    text_of = dict(zip(asked["query_id"], asked["query"], strict=True))
    scores = [
        model.scores(
            documents, index, text_of[query], np.array([documents.row_of[str(each)] for each in judged["doc_id"]])
        )
        for query, judged in held_out.groupby("query_id", sort=False)
    ]
    found = ndcg(held_out, np.concatenate(scores))
    # 500 queries: a standard error of 0.008. Twelve times the queries to learn from give 0.922.
    assert found > 0.88
    validation = trained.report["validation"]
    assert validation["ltr"] > validation["lexical"] > validation["bm25"]
