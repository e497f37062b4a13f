"""The queries that people type into a catalog: its own where it has them, generated ones where not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lrerank.data import worlds
from lrerank.data.catalog import Catalog, CategoricalColumn, ListColumn
from lrerank.data.classes import classes
from lrerank.data.judgment_files import read_judgments, read_queries
from lrerank.data.load import search_folders
from lrerank.data.registry import list_datasets
from lrerank.errors import DataError
from lrerank.store import Store
from lrerank.types import FloatArray
from simulators.preferences import list_indicators

GENERATED = 200
_MOST_VALUES = 80
_FEWEST_DOCUMENTS = 5
# Of a pair of values of which one is nearly implied by the other, the pair asks for nothing new.
_IMPLIED = 0.9


def own_queries(catalog: Catalog, store: Store) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """(queries, judgments) that come with a catalog: of a built-in world, or of a public data set that was fetched.

    None where there are none, also for a catalog that only has the name of one that has.
    """
    if catalog.name in worlds.NAMES:
        known = worlds.catalog(catalog.name).fingerprint == catalog.fingerprint
        return (worlds.queries(catalog.name), worlds.judgments(catalog.name)) if known else None
    for card in list_datasets():
        if card.catalog_file is None or catalog.name not in (card.name, *card.aliases):
            continue
        for folder in search_folders([store.data]):
            files = [folder / str(card.name) / name for name in ("queries.parquet", "judgments.parquet")]
            if all(file.is_file() for file in files):
                queries, judgments = read_queries(files[0]), read_judgments(files[1])
                known = bool(judgments["doc_id"].isin(set(catalog.ids)).all())
                return (queries, judgments) if known else None
    return None


def generated_queries(catalog: Catalog, count: int = GENERATED) -> pd.DataFrame:
    """Queries that name what documents have: the most frequent values of searched fields, and pairs of them.

    Args:
        count: how many at most; half of them pairs, as far as there are that many.

    Returns:
        query_id, query, query_group, the most frequent first.

    Raises:
        DataError: no searched field has values that several documents share.
    """
    values: list[str] = []
    indicators: list[FloatArray] = []
    for path in catalog.text_paths:
        column = catalog.column(path)
        if isinstance(column, CategoricalColumn | ListColumn) and (found := classes(column)) is not None:
            documents = np.bincount(found.codes, minlength=len(found.vocabulary))
            frequent = np.argsort(-documents, kind="stable")[:_MOST_VALUES]
            frequent = frequent[documents[frequent] >= _FEWEST_DOCUMENTS]
            place = np.full(len(found.vocabulary), -1, np.int32)
            place[frequent] = np.arange(len(frequent))
            kept = place[found.codes]
            offsets = np.concatenate([[0], np.cumsum(kept >= 0)])[found.offsets]
            indicators.append(list_indicators(offsets, kept[kept >= 0], len(frequent)))
            values += [found.vocabulary[code] for code in frequent]
    if not values:
        raise DataError(
            f"catalog {catalog.name!r} has no queries, and none can be made from it",
            path="queries",
            remedy="Give queries, or name a categorical or list field as text in its card",
        )
    has = np.hstack(indicators)
    together = np.triu(has.T @ has, 1)
    alone = has.sum(axis=0)
    together[together > _IMPLIED * np.minimum(alone[:, None], alone[None, :])] = 0.0
    together[together < _FEWEST_DOCUMENTS] = 0.0
    order = np.argsort(-together, axis=None, kind="stable")[: np.count_nonzero(together)]
    pairs = [f"{values[first]} {values[second]}" for first, second in zip(*np.unravel_index(order, together.shape))]  # noqa: B905
    singles = [values[place] for place in np.argsort(-alone, kind="stable")]
    half = max(count // 2, count - len(pairs))
    texts = list(dict.fromkeys([*singles[:half], *pairs]))[:count]
    ids = [f"intent-{number:04d}" for number in range(1, len(texts) + 1)]
    return pd.DataFrame({"query_id": ids, "query": texts, "query_group": ids}, dtype="str")
