"""The built-in worlds: the same every time, plausible, and with queries that their documents answer."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from lrerank.data import worlds, worlds_marketplace, worlds_news
from lrerank.data.catalog import CategoricalColumn, NumericColumn
from lrerank.data.judgment_files import match
from lrerank.data.locate import datasets_folder
from lrerank.errors import DataError

_GENERATE = {"marketplace": worlds_marketplace.generate, "news": worlds_news.generate}
_TITLES = {"marketplace": "content.title", "news": "content.headline"}


@pytest.mark.parametrize("name", worlds.NAMES)
def test_a_world_is_its_seed(name: str) -> None:
    folder = datasets_folder() / name
    one, again, other = (_GENERATE[name](np.random.default_rng(seed), folder, 300) for seed in (1, 1, 2))
    assert one.documents.equals(again.documents) and not one.documents.equals(other.documents)
    assert all(first.equals(second) for first, second in zip(one.ask(), again.ask(), strict=True))


@pytest.mark.parametrize(("name", "least"), [("marketplace", 3900), ("news", 3000)])
def test_catalogs_are_large_varied_and_without_leftovers(name: str, least: int) -> None:
    catalog = worlds.catalog(name)
    assert len(catalog) >= least and len(set(catalog.ids)) == len(catalog)
    titles = [catalog.text(_TITLES[name], row) for row in range(len(catalog))]
    assert len(set(titles)) == len(titles)
    words = Counter(word for title in titles for word in title.lower().split())
    assert len(words) > 800
    for row in range(len(catalog)):
        content = catalog.content(row)
        assert "{" not in content and "  " not in content
    assert catalog.indexes["product_embedding"] == "lsa" and catalog.segment_path in catalog.columns


def test_vocabularies_are_rich() -> None:
    def distinct(name: str, path: str) -> int:
        column = worlds.catalog(name).column(path)
        assert isinstance(column, CategoricalColumn)
        return len(column.vocabulary)

    assert distinct("marketplace", "metadata.category") >= 8 and distinct("marketplace", "metadata.subcategory") >= 40
    assert distinct("marketplace", "metadata.brand") >= 80
    assert distinct("news", "content.topic") >= 12 and distinct("news", "metadata.author") >= 60


def test_prices_and_moods_are_where_they_belong() -> None:
    price = worlds.catalog("marketplace").column("metadata.price")
    mood = worlds.catalog("news").column("content.sentiment")
    assert isinstance(price, NumericColumn) and isinstance(mood, NumericColumn)
    assert price.values.min() > 0 and np.isfinite(price.values).all()
    # Log-normal prices: the mean is far above the median.
    assert price.values.mean() > 1.3 * np.median(price.values)
    assert np.abs(mood.values).max() <= 1 and mood.values.std() > 0.2


@pytest.mark.parametrize("name", worlds.NAMES)
def test_queries_are_judged_and_answerable(name: str) -> None:
    queries, judgments = worlds.queries(name), worlds.judgments(name)
    judged = match(queries, judgments, worlds.catalog(name))
    assert judged.notes == () and len(queries) >= 300
    assert not judgments.duplicated(["query_id", "doc_id"]).any() and set(judgments["grade"]) <= {0.0, 1.0, 2.0, 3.0}
    assert queries["query"].is_unique and queries["query_group"].nunique() < len(queries)
    by_query = judgments.groupby("query_id")["grade"]
    assert (by_query.max() >= 2).all() and (by_query.min() == 0).all()


def test_what_the_generator_knows_beyond_the_fields_is_no_field() -> None:
    names = {known.name for name in worlds.NAMES for known in worlds.catalog(name).fields}
    assert not names & {"noun", "traits", "appeal", "tier", "story", "piece", "slots", "grade"}


def test_an_unknown_world_is_refused() -> None:
    with pytest.raises(DataError, match="marketplace and news"):
        worlds.queries("museum")
