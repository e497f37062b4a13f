"""Every pipeline that the project ships runs on its catalog: the source's three patterns and four configurations too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lrerank import Pipeline, Store, load_catalog
from lrerank.data import worlds
from lrerank.data.catalog import Catalog
from lrerank.data.judgment_files import match, read_judgments, read_queries
from lrerank.pipeline_json import shipped_pipelines
from lrerank.retrieval.index import text_index
from lrerank.synthetic import interactions, populate
from lrerank.training import TrainingRun, log_interactions
from lrerank.training_static import train_static

LTR_MODELS = {"marketplace": "product_ltr", "news": "news_ltr", "movies": "movie_ltr"}
CONFIGURATIONS = {
    *("personalized_search", "hybrid_personalization", "filtered_personalization"),
    *("basic", "custom_features", "high_exploration", "with_fallback"),
}


def _prepared(catalog: Catalog, queries: pd.DataFrame, judgments: pd.DataFrame, home: Path) -> tuple[Store, str, float]:
    """A store with both models trained on a few queries, the name of its most active user, and a moment after it all."""
    store = Store(home)
    judged = match(queries, judgments, catalog)
    population = populate(catalog, judged.queries, judged.judgments, users=4, seed=1)
    logged = list(interactions(population, requests=150, seed=1, store=store))
    run = TrainingRun("search_personalization_v1", catalog, logged, store=store)
    for _ in run:
        pass
    run.publish()
    log_interactions(store, catalog, logged)
    trained = train_static(catalog, text_index(catalog, store.indexes, "lsa"), judged.queries, judged.judgments)
    store.models.publish(LTR_MODELS[catalog.name], "static", trained.files, trained.report)
    clicks = pd.Series([one.user_id for one in logged if one.interaction_type == "click"])
    return store, str(clicks.mode()[0]), max(one.timestamp for one in logged) + 60.0


def _run_all(catalog: Catalog, store: Store, user_id: str, moment: float, query: str) -> None:
    names = shipped_pipelines(catalog.name)
    assert set(names) >= CONFIGURATIONS
    for name in names:
        pipeline = Pipeline.find(name, catalog.name)
        for who in (user_id, "a stranger"):
            ranking = pipeline.run(
                {"query": query, "user_id": who}, catalog=catalog, store=store, timestamp=moment, rng=0
            )
            assert ranking.documents, name
            assert np.isfinite([document.score for document in ranking.documents]).all()
            if pipeline.learned is not None:
                assert (ranking.details.fallback is None) == (who == user_id), (name, ranking.details.fallback)


@pytest.mark.parametrize("world", worlds.NAMES)
def test_the_built_in_worlds_pipelines_run(world: str, tmp_path: Path) -> None:
    catalog = load_catalog(world)
    queries = worlds.queries(world).head(40)
    store, user_id, moment = _prepared(catalog, queries, worlds.judgments(world), tmp_path)
    _run_all(catalog, store, user_id, moment, str(queries["query"].iloc[0]))


def test_the_sources_patterns_run_on_the_movies(data_folder: Path, tmp_path: Path) -> None:
    catalog = load_catalog("movies", data_folders=[data_folder])
    queries = read_queries(data_folder / "msrd" / "queries.parquet").head(40)
    judgments = read_judgments(data_folder / "msrd" / "judgments.parquet")
    store, user_id, moment = _prepared(catalog, queries, judgments, tmp_path)
    _run_all(catalog, store, user_id, moment, "space adventure with robots")
