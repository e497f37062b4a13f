"""Files of queries and of graded relevance judgments, checked on their own, against each other and a catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lrerank.data.catalog import Catalog
from lrerank.data.readers import read_frame
from lrerank.data.values import id_word, number, plain, word
from lrerank.errors import DataError

# Whole up to there in the single precision of learners; what is beyond is no grade.
_LARGEST_GRADE = 1e6


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries with judgments of documents that the catalog has.

    Attributes:
        queries: query_id, query, query_group (str); those with at least one judgment left.
        judgments: query_id, doc_id (str), grade (float64).
        notes: what was left out, with counts.
    """

    queries: pd.DataFrame
    judgments: pd.DataFrame
    notes: tuple[str, ...]


def read_queries(path: Path) -> pd.DataFrame:
    """Queries as columns query_id, query, query_group, all text, in the file's order.

    Without a column `query_group` each query is its own group.

    Raises:
        DataError: a column is missing, a query has no text, an id is missing or repeated (with the row, from 1).
    """
    frame = read_frame(path)
    ids = _column(frame, ("query_id", "qid", "id"), id_word, path)
    texts = _column(frame, ("query", "text", "query_text"), word, path)
    _refuse_repeated([(query_id,) for query_id in ids], path, "query_id")
    groups = _column(frame, ("query_group",), id_word, path) if "query_group" in frame.columns else ids
    return pd.DataFrame({"query_id": ids, "query": texts, "query_group": groups}, dtype="str")


def read_judgments(path: Path) -> pd.DataFrame:
    """Judgments as columns query_id, doc_id (text) and grade (float64, 0 or more), in the file's order.

    Raises:
        DataError: a column is missing, an id is missing, a grade is no finite number of 0 or more, or a query's
            document is judged twice (with the row, from 1).
    """
    frame = read_frame(path)
    queries = _column(frame, ("query_id", "qid"), id_word, path)
    documents = _column(frame, ("doc_id", "document_id"), id_word, path)
    grades = _column(frame, ("grade", "relevance", "label"), _grade, path)
    _refuse_repeated(list(zip(queries, documents, strict=True)), path, "doc_id")
    ids = pd.DataFrame({"query_id": queries, "doc_id": documents}, dtype="str")
    return ids.assign(grade=np.array(grades, np.float64))


def read_judged(queries_path: Path, judgments_path: Path, catalog: Catalog) -> Judged:
    """Both files, kept to what is usable with a catalog; what is left out is counted in the notes.

    Raises:
        DataError: as the readers; or nothing is left.
    """
    judged = match(read_queries(queries_path), read_judgments(judgments_path), catalog)
    if judged.judgments.empty:
        message = "no judgment is of a query in the query file and a document in the catalog"
        example = read_judgments(judgments_path)["doc_id"].iloc[0]
        remedy = f"The catalog {catalog.name!r} has ids such as {catalog.ids[0]!r}"
        raise DataError(message, path=str(judgments_path), value=example, remedy=remedy)
    return judged


def match(queries: pd.DataFrame, judgments: pd.DataFrame, catalog: Catalog) -> Judged:
    """Keep judgments of known queries and documents, and queries that have judgments; count the rest."""
    known_query = judgments["query_id"].isin(queries["query_id"])
    known_document = judgments["doc_id"].isin(set(catalog.ids))
    kept = judgments[known_query & known_document].reset_index(drop=True)
    has_judgment = queries["query_id"].isin(kept["query_id"])
    strangers = judgments.loc[~known_document, "doc_id"]
    notes = [
        f"{int((~known_query).sum())} judgments are of queries that the query file lacks",
        f"{len(strangers)} judgments are of {strangers.nunique()} documents that the catalog lacks"
        + (f", such as {strangers.iloc[0]!r}" if len(strangers) else ""),
        f"{int((~has_judgment).sum())} queries have no judgment",
    ]
    kept_queries = queries[has_judgment].reset_index(drop=True)
    return Judged(kept_queries, kept, tuple(note for note in notes if not note.startswith("0 ")))


def _column(frame: pd.DataFrame, names: tuple[str, ...], parse: Callable[[Any], Any], path: Path) -> list[Any]:
    name = next((known for known in names if known in frame.columns), None)
    if name is None:
        found = ", ".join(map(str, frame.columns))
        raise DataError(f"the file has no column {names[0]}", path=str(path), remedy=f"Its columns are {found}")
    parsed = []
    for row, value in enumerate(frame[name].tolist(), start=1):
        cell = plain(value)
        result = None if cell is None else parse(cell)
        if result is None:
            remedy = (
                "Grades are numbers from 0 to a million"
                if names[0] == "grade"
                else "Give every row one, as text or number"
            )
            raise DataError(f"not a {names[0]}", path=f"{path}, row {row}: {name}", value=cell, remedy=remedy)
        parsed.append(result)
    return parsed


def _grade(value: Any) -> float | None:
    grade = number(value)
    return None if grade is None or not 0 <= grade <= _LARGEST_GRADE else grade


def _refuse_repeated(keys: list[tuple[str, ...]], path: Path, name: str) -> None:
    seen: set[tuple[str, ...]] = set()
    for row, key in enumerate(keys, start=1):
        if key in seen:
            value = " / ".join(key)
            remedy = "Keep one row of each"
            raise DataError(
                "this row repeats an earlier one", path=f"{path}, row {row}: {name}", value=value, remedy=remedy
            )
        seen.add(key)
