"""What experiments on a catalog are about: its queries, their candidates, and how relevant these are in truth.

A scene is built once. What it holds of the truth, `relevance`, is for the world; policies get `search`.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lrerank.data import worlds
from lrerank.data.catalog import Catalog, NumericColumn
from lrerank.data.classes import catalog_classes, classes
from lrerank.errors import DataError, LrerankError
from lrerank.experiments.intents import GENERATED, generated_queries, own_queries
from lrerank.experiments.relevance import ACCURACY, assumed_relevance, judged_relevance
from lrerank.experiments.search import ABSENT, Search
from lrerank.pipeline import Pipeline
from lrerank.retrieval.matching import match
from lrerank.store import Store
from lrerank.types import BoolArray, Candidates, FloatArray, IntArray
from simulators.preferences import list_indicators

HYBRID_SEARCH = ({"stage_type": "filter", "stage_id": "hybrid_search", "parameters": {"query": "{{INPUT.query}}"}},)

BUILT_IN = "built-in world"
ASSUMED = "your catalog, assumed users"

# No stage before learning looks at the clock.
_SOME_TIME = 1_700_000_000.0


@dataclass(frozen=True)
class Scene:
    """A catalog's queries with their candidates, and what is true of them.

    Attributes:
        search: what policies may see: queries, candidates, static scores.
        relevance: [Q, c] true relevance of each candidate to the query, whoever asks, 0..1; 0 where there is none.
        judged: [Q, c] whether that comes from a judgment, not from an assumption.
        values: [n, v] 0 or 1: what the documents show, for taste to be about.
        value_names: [v] `path=value`.
        added: [n] when each document was added, seconds since the epoch; NaN where that is not known.
        provenance: whose truth this is, a label for every figure.
        fingerprint: of documents, queries and judgments; others make other figures.
        notes: sentences about what was assumed or left out.
    """

    search: Search
    relevance: FloatArray
    judged: BoolArray
    values: FloatArray
    value_names: Sequence[str]
    added: FloatArray
    provenance: str
    fingerprint: str
    notes: tuple[str, ...]

    @property
    def catalog(self) -> Catalog:
        return self.search.catalog

    @property
    def rows(self) -> IntArray:
        """[Q, c] rows of the catalog, in the order of the static score; -1 after the last candidate."""
        return self.search.rows

    @property
    def scores(self) -> FloatArray:
        """[Q, c] static score."""
        return self.search.scores

    @property
    def topics(self) -> IntArray:
        """[n] index into `search.topic_names`, -1 for none."""
        return self.search.topics


def build_scene(
    catalog: Catalog,
    *,
    queries: pd.DataFrame | None = None,
    judgments: pd.DataFrame | None = None,
    stages: Sequence[Any] = HYBRID_SEARCH,
    candidates: int = 50,
    only_judged: bool = True,
    accuracy: float | None = None,
    most_queries: int | None = None,
    store: Store | None = None,
    seed: int = 0,
) -> Scene:
    """Runs every query through the stages once, and settles how relevant what they find is.

    Args:
        queries: query_id, query, and any further column as an input of that name; the catalog's own by default, with
            their judgments, and generated ones where it has none.
        judgments: query_id, doc_id, grade.
        stages: the pipeline as JSON, up to where learning would begin. Its last scores are the static ones.
        candidates: the most that a query keeps, the best by static score.
        only_judged: where there are judgments, a query's candidates are its judged documents, as far as the stages let
            them pass: then relevance is known for all of them. Else they are what the stages find in the whole
            catalog, without what retrieval misses, as in production; and of these the unjudged ones count as grade 0,
            which is too low for some.
        accuracy: 0..1, of the static order; then relevance is assumed although judgments exist. Where there are none,
            `relevance.ACCURACY` by default.
        most_queries: take this many, drawn from the seed, in their order.
        store: of indexes and fetched data; `$LRERANK_HOME` by default.
        seed: of what is drawn.

    Raises:
        LrerankError: bad stages or queries; nothing is found for any query, or nothing that is found is judged.
    """
    if candidates < 1:
        raise LrerankError("too few candidates", path="candidates", value=candidates, remedy="Give 1 or more")
    if accuracy is not None and not 0 <= accuracy <= 1:
        raise LrerankError("out of range", path="accuracy", value=accuracy, remedy="Give a number from 0 to 1")
    store = store or Store()
    pipeline = Pipeline.from_json(stages)
    if pipeline.learned is not None:
        raise LrerankError(
            "a scene ends where learning begins",
            path="stages",
            value=pipeline.learned.stage_id,
            remedy="Leave learned_rerank out: it is an arm",
        )
    notes: list[str] = []
    built_in = False
    if queries is None:
        own = own_queries(catalog, store)
        built_in = own is not None and catalog.name in worlds.NAMES
        if own is not None:
            queries, judgments = own
        else:
            queries, judgments = generated_queries(catalog, most_queries or GENERATED), None
            notes.append(f"{len(queries)} queries were made from the catalog's values")
    fingerprint = _fingerprint(catalog, queries, judgments)
    grades_of = _grades(catalog, judgments) if judgments is not None and accuracy is None else None
    if grades_of is not None:
        queries = queries[[str(query_id) in grades_of for query_id in queries["query_id"]]]
        if not len(queries):
            raise DataError(
                "no query has a judged document", path="judgments", remedy="Do both tables name them alike?"
            )
    if most_queries is not None and most_queries < len(queries):
        chosen = np.random.default_rng([seed, 3]).choice(len(queries), most_queries, replace=False)
        queries = queries.iloc[np.sort(chosen)]
    found = []
    for record in queries.to_dict("records"):
        judged = grades_of[str(record["query_id"])] if grades_of is not None and only_judged else None
        found.append(_retrieve(pipeline, catalog, store, record, judged, candidates))
    kept = [number for number, one in enumerate(found) if len(one)]
    if not kept:
        raise DataError("the stages find nothing for any query", path="stages", remedy="Loosen their conditions")
    if len(kept) < len(found):
        notes.append(f"queries for which the stages find nothing were left out: {len(found) - len(kept)}")
        queries, found = queries.iloc[kept], [found[number] for number in kept]
    search = _search(catalog, store, queries, found)
    grades = np.full(search.rows.shape, np.nan)
    if grades_of is not None:
        for number, query_id in enumerate(search.query_ids):
            grades[number] = [grades_of[query_id].get(row, np.nan) for row in search.rows[number].tolist()]
        relevance = _from_judgments(grades, search.rows)
        if not only_judged:
            share = np.isfinite(grades).sum() / (search.rows >= 0).sum()
            notes.append(f"{share:.0%} of the candidates are judged; the others count as grade 0")
    else:
        accuracy = ACCURACY if accuracy is None else accuracy
        identities = np.array([zlib.crc32(query_id.encode()) for query_id in search.query_ids], np.int64)
        relevance = assumed_relevance(search.rows, identities, accuracy, seed)
        notes.append(f"relevance is assumed: the static order has accuracy {accuracy:g}")
    values = catalog_classes(catalog)
    return Scene(
        search=search,
        relevance=relevance,
        judged=np.isfinite(grades),
        values=np.hstack(
            [np.zeros((len(catalog), 0))]
            + [list_indicators(one.offsets, one.codes, len(one.vocabulary)) for one in values.values()]
        ),
        value_names=[f"{path}={value}" for path, one in values.items() for value in one.vocabulary],
        added=_added(catalog),
        provenance=BUILT_IN if built_in else ASSUMED,
        fingerprint=fingerprint,
        notes=tuple(notes),
    )


def _fingerprint(catalog: Catalog, *tables: pd.DataFrame | None) -> str:
    digest = hashlib.blake2b(f"{catalog.fingerprint} {catalog.segment_path}".encode(), digest_size=16)
    for table in tables:
        if table is not None:
            digest.update(table.to_csv(index=False).encode())
    return digest.hexdigest()


def _grades(catalog: Catalog, judgments: pd.DataFrame) -> dict[str, dict[int, float]]:
    """query_id → row → grade, of documents that the catalog has."""
    found: dict[str, dict[int, float]] = {}
    columns = (judgments[name].tolist() for name in ("query_id", "doc_id", "grade"))
    for query_id, document_id, grade in zip(*columns, strict=True):
        row = catalog.row_of.get(str(document_id))
        if row is not None:
            found.setdefault(str(query_id), {})[row] = float(grade)
    return found


def _retrieve(
    pipeline: Pipeline, catalog: Catalog, store: Store, record: dict[Any, Any], among: Collection[int] | None, most: int
) -> Candidates:
    """The candidates of one query among some rows, or in the whole catalog, best first."""
    query_id = str(record["query_id"])
    start = None if among is None else Candidates(np.array(sorted(among), np.int64), np.zeros(len(among)))
    found = pipeline.run(
        {str(name): value for name, value in record.items() if name not in ("query_id", "query_group")},
        catalog=catalog,
        store=store,
        timestamp=_SOME_TIME,
        request_id=query_id,
        rng=zlib.crc32(query_id.encode()),
        candidates=start,
    ).candidates
    return found.take(np.arange(min(most, len(found))))


def _search(catalog: Catalog, store: Store, queries: pd.DataFrame, found: Sequence[Candidates]) -> Search:
    widest = max(len(one) for one in found)
    rows = np.full((len(found), widest), ABSENT, np.int64)
    scores, lexical = np.zeros(rows.shape), np.zeros(rows.shape)
    topics, names = _topics(catalog)
    search = Search(
        catalog=catalog,
        indexes=store.indexes,
        query_ids=[str(query_id) for query_id in queries["query_id"]],
        texts=[str(text) for text in queries["query"]],
        rows=rows,
        scores=scores,
        lexical=lexical,
        topics=topics,
        topic_names=names,
    )
    index = search.index().lexical
    for number, (text, one) in enumerate(zip(search.texts, found, strict=True)):
        rows[number, : len(one)] = one.rows
        scores[number, : len(one)] = one.scores
        lexical[number, : len(one)] = match(index, text, one.rows).relevance
    return search


def _from_judgments(grades: FloatArray, rows: IntArray) -> FloatArray:
    try:
        return judged_relevance(grades, rows)
    except ValueError as error:
        raise DataError(str(error), path="judgments", remedy="Leave them out: then relevance is assumed") from None


def _topics(catalog: Catalog) -> tuple[IntArray, Sequence[str]]:
    """([n], names): of several values the one that fewest documents have, since it says most about this one."""
    topics = np.full(len(catalog), ABSENT, np.int64)
    column = classes(catalog.column(catalog.segment_path)) if catalog.segment_path is not None else None
    if column is None:
        return topics, ()
    documents = np.bincount(column.codes, minlength=len(column.vocabulary))
    owner = np.repeat(np.arange(len(catalog)), np.diff(column.offsets))
    # The rarest last: of several assignments to one place the last one stays.
    order = np.argsort(-documents[column.codes], kind="stable")
    topics[owner[order]] = column.codes[order]
    return topics, column.vocabulary


def _added(catalog: Catalog) -> FloatArray:
    """[n] the first date of each document's fields."""
    for known in catalog.fields:
        if known.kind == "date" and isinstance(column := catalog.column(known.path), NumericColumn):
            return column.values
    return np.full(len(catalog), np.nan)
