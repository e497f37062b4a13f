"""Publishers' files to the Parquet files lrerank keeps: one function per data set, named in its card.

Each takes a folder with the verified upstream files and writes into another. Columns are those of the card.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

_COMMON = (
    "the a an of in and to full movie movies film films online free watch netflix imdb cast review reviews trailer "
    "hindi english 123movies hd download streaming stream disney plus"
)
_NOISE = frozenset(_COMMON.split())
"""Words that near-duplicate movie queries differ in ("it follows film", "it follows full movie")."""


def msrd(upstream: Path, into: Path) -> None:
    """Movies, queries and judgments of the movie search data set.

    Queries are renumbered in the order of the publisher's ids. `query_group` links queries that have the same words
    apart from common additions, or the same set of relevant movies, and is the smallest query_id among those linked.
    """
    with gzip.open(upstream / "movies-corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        # Line by line, not pandas.read_json: its number parser is off in the last digit.
        movies = pd.DataFrame(json.loads(line) for line in lines)
    movies = movies.astype({"id": "int64"}).rename(columns={"url": "poster_url"})
    _write(movies, into / "movies.parquet")
    rows = pd.read_csv(upstream / "movies-judgments.tsv.gz", sep="\t", keep_default_na=False, quoting=3)
    rows["query_id"] = rows["query_id"].str.removeprefix("qid:").astype("int32")
    queries = rows[["query_id", "query"]].drop_duplicates("query_id").sort_values("query_id", ignore_index=True)
    relevant = rows[rows["grade"] > 0].groupby("query_id")["doc_id"].agg(frozenset).reindex(queries["query_id"])
    words = [frozenset(query.replace("'s", "").split()) for query in queries["query"]]
    linked = linked_groups([cell - _NOISE or cell for cell in words], list(relevant))
    ids = queries["query_id"].to_numpy()
    queries["query_group"] = ids[linked].astype("int32")
    _write(queries, into / "queries.parquet")
    judgments = rows[["query_id", "doc_id", "grade"]].astype({"doc_id": "int32", "grade": "int8"})
    _write(judgments.sort_values(["query_id", "doc_id"], ignore_index=True), into / "judgments.parquet")


def open_bandit(upstream: Path, into: Path) -> None:
    """The logged impressions of both policies for the men's campaign, with the items they chose from."""
    types = {"item_id": "int16", "position": "int8", "click": "int8", "propensity_score": "float64"}
    for policy in ("random", "bts"):
        log = pd.read_csv(upstream / f"{policy}_men.csv", index_col=0)
        affinities = {column: "float32" for column in log.columns if column.startswith("user-item_affinity_")}
        log = log.astype(types | affinities)
        log["timestamp"] = pd.to_datetime(log["timestamp"], format="ISO8601", utc=True).dt.as_unit("us")
        _write(log.sort_values("timestamp", kind="stable", ignore_index=True), into / f"{policy}_men.parquet")
        items = pd.read_csv(upstream / f"{policy}_men_item_context.csv", index_col=0)
        items.to_csv(into / f"{policy}_men_item_context.csv.gz", index=False)


def online_shoppers(upstream: Path, into: Path) -> None:
    """Shop sessions, with the row number of the publisher's file."""
    sessions = pd.read_csv(upstream / "online_shoppers_intention.csv", sep=";")
    sessions.insert(0, "session_row", np.arange(len(sessions), dtype=np.int32))
    _write(sessions, into / "sessions.parquet")


def upworthy(upstream: Path, into: Path) -> None:
    """Headline packages, with `randomization_risk` for the weeks in which the archive discourages causal use."""
    packages = pd.read_parquet(upstream / "upworthy_clean.parquet")
    packages = packages.astype({"impressions": "int32", "clicks": "int32", "test_week": "int32"})
    packages["randomization_risk"] = packages["test_week"].between(201325, 201401)
    _write(packages, into / "packages.parquet")


CONVERTERS: Mapping[str, Callable[[Path, Path], None]] = {
    "msrd": msrd,
    "open_bandit": open_bandit,
    "online_shoppers": online_shoppers,
    "upworthy": upworthy,
}


def linked_groups(*keys: Sequence[Hashable]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Groups of rows that share a value of any key, directly or through others.

    Args:
        keys: each [rows]; equal values link rows.

    Returns:
        [rows] the first row of each row's group.
    """
    parent = list(range(len(keys[0])))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for key in keys:
        first: dict[Hashable, int] = {}
        for row, value in enumerate(key):
            one, other = root(row), root(first.setdefault(value, row))
            parent[max(one, other)] = min(one, other)
    return np.array([root(row) for row in range(len(parent))], dtype=np.intp)


def _write(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path, compression="zstd", index=False)
