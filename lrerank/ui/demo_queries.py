"""What the made-up users of a demo search for, and what answers it: the catalog's own queries, else made-up ones."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd

from lrerank.data.catalog import Catalog
from lrerank.errors import DataError
from lrerank.experiments.intents import generated_queries, own_queries
from lrerank.experiments.relevance import ACCURACY, LOWEST, assumed_relevance
from lrerank.pipeline import Pipeline
from lrerank.store import Store

_MOST = 150
_MADE_UP = 80
_JUDGED = 40
_FEWEST_DOCUMENTS = 5
_SEED = 11
_WORD = re.compile(r"[\w'&-]+")


def asked_of(catalog: Catalog, store: Store, search: Pipeline) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(queries, judgments): query_id and query; query_id, doc_id and grade.

    Of a catalog's own queries one for each thing that is asked for, without misspellings. Where nothing is judged,
    relevance is assumed, as in experiments: `lrerank.experiments.relevance` says how.

    Args:
        store: of fetched data and of the text index.
        search: finds what is assumed to be relevant.

    Raises:
        DataError: the catalog has nothing that could be searched for.
    """
    own = own_queries(catalog, store)
    if own is not None:
        queries, judgments = _plain(catalog, own[0]), own[1]
        judgments = judgments[judgments["query_id"].isin(queries["query_id"])]
        queries = queries[queries["query_id"].isin(judgments["query_id"])]
        if len(queries):
            return queries, judgments
    queries = _made_up(catalog)
    judgments = _assumed(catalog, store, search, queries)
    return queries[queries["query_id"].isin(judgments["query_id"])], judgments


def _plain(catalog: Catalog, queries: pd.DataFrame) -> pd.DataFrame:
    """For each group the shortest query whose words the catalog knows; at most so many, evenly spread."""
    words: set[str] = set()
    for row in range(len(catalog)):
        words.update(_WORD.findall(catalog.content(row).lower()))
    known = queries[[words.issuperset(_WORD.findall(text.lower())) for text in queries["query"]]]
    shortest = known.assign(length=known["query"].str.len()).sort_values("length", kind="stable")
    kept = shortest.drop_duplicates("query_group" if "query_group" in shortest else "query").sort_index()
    kept = kept.drop_duplicates("query")
    return kept.iloc[np.unique(np.linspace(0, len(kept) - 1, min(len(kept), _MOST)).astype(int))] if len(kept) else kept


def _made_up(catalog: Catalog) -> pd.DataFrame:
    """Values of searched fields that documents share; where there are none, words of titles."""
    try:
        return generated_queries(catalog, _MADE_UP)
    except DataError:
        pass
    counted: Counter[str] = Counter()
    for row in range(len(catalog)):
        words = [word for word in _WORD.findall(catalog.text(catalog.text_paths[0], row).lower()) if len(word) > 2]
        counted.update({*words, *(f"{one} {other}" for one, other in pairwise(words))})
    shared = [text for text, count in counted.most_common() if count >= min(_FEWEST_DOCUMENTS, len(catalog) / 2)]
    texts = sorted(shared, key=lambda text: -len(text.split()))[:_MADE_UP]
    if not texts:
        raise DataError(
            f"catalog {catalog.name!r} has nothing that people could search for",
            path="queries",
            remedy="In its card, name a field with words or values that several documents share as text",
        )
    ids = [f"made-up-{number:03d}" for number in range(1, len(texts) + 1)]
    return pd.DataFrame({"query_id": ids, "query": texts}, dtype="str")


def _assumed(catalog: Catalog, store: Store, search: Pipeline, queries: pd.DataFrame) -> pd.DataFrame:
    """Judgments of what a search finds, grades 0 to 3."""
    found = []
    for number, (query_id, text) in enumerate(zip(queries["query_id"], queries["query"], strict=True)):
        rows = search.run({"query": text}, catalog=catalog, store=store, rng=0).candidates.rows[:_JUDGED]
        relevance = assumed_relevance(rows[None, :], np.array([number]), ACCURACY, _SEED)[0]
        grades = np.round(3 * (relevance - LOWEST) / (1 - LOWEST))
        found.append(
            pd.DataFrame({"query_id": query_id, "doc_id": [catalog.ids[row] for row in rows], "grade": grades})
        )
    judgments = pd.concat(found, ignore_index=True)
    return judgments[judgments.groupby("query_id")["grade"].transform("max") > 0]
