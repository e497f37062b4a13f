"""Interaction, query and judgment files: every record checked, nothing made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lrerank.data.frames import catalog_from_frame
from lrerank.data.interaction_files import read_interactions
from lrerank.data.judgment_files import read_judged, read_judgments, read_queries
from lrerank.errors import DataError

_SOURCE = {
    "interaction_type": "click",
    "user_id": "user_123",
    "document_id": "doc_456",
    "query": "machine learning tutorials",
    "position": 3,
    "features": {"category": "education", "author_verified": True, "length": "long"},
}


def _lines(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_the_source_documents_record_is_read_as_it_is(tmp_path: Path) -> None:
    (read,) = read_interactions(_lines(tmp_path / "a.jsonl", _SOURCE), received_at=5.0)
    assert (read.interaction_type, read.user_id, read.document_id, read.position) == ("click", "user_123", "doc_456", 3)
    assert read.features == _SOURCE["features"] and read.query == "machine learning tutorials"
    assert read.timestamp == 5.0 and read.propensity is None and read.propensities == () and read.context == {}


def test_all_formats_give_the_same_interactions(tmp_path: Path) -> None:
    full = {
        **_SOURCE,
        "interaction_type": "Conversion",
        "timestamp": "2026-01-01T00:00:10Z",
        "propensity": 0.25,
        "request_id": "r1",
        "interaction_id": "17",
        "device": "phone",
        "context": {"location": "Graz"},
        "model_version": "3",
        "experiment_arm": "b",
        "catalog": "courses",
    }
    shown = {
        "interaction_type": "impression",
        "user_id": "u",
        "shown": ["a", "b"],
        "propensities": [0.5, 1.0],
        "timestamp": 1767225600,
    }
    _lines(tmp_path / "a.jsonl", full, shown)
    flat = [
        {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in record.items()}
        for record in (full, shown)
    ]
    pd.DataFrame(flat).to_csv(tmp_path / "b.csv", index=False)
    pd.DataFrame([full, {**shown, "timestamp": "2026-01-01T00:00:00+00:00"}]).to_parquet(tmp_path / "c.parquet")
    reads = [list(read_interactions(tmp_path / name)) for name in ("a.jsonl", "b.csv", "c.parquet")]
    first, second = reads[0]
    assert first.interaction_type == "purchase" and first.interaction_id == "17" and first.propensity == 0.25
    assert first.context == {"location": "Graz", "device": "phone"} and first.timestamp == 1767225610
    assert first.catalog == "courses" and second.catalog is None
    assert second.shown == ("a", "b") and second.propensities == (0.5, 1.0) and second.document_id is None
    assert reads[1] == reads[0]
    # Parquet gives every record every field of a struct; what is null there is not given.
    assert [one.shown for one in reads[2]] == [one.shown for one in reads[0]]
    assert [one.timestamp for one in reads[2]] == [one.timestamp for one in reads[0]]
    assert reads[2][1].propensity is None


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"position": 0}, "position"),
        ({"position": "first"}, "position"),
        ({"position": 1.5}, "position"),
        ({"position": True}, "position"),
        ({"propensity": 0}, "propensity"),
        ({"propensity": 1.01}, "propensity"),
        ({"propensity": "high"}, "propensity"),
        ({"timestamp": "yesterday"}, "timestamp: not a moment"),
        ({"user_id": None}, "user_id"),
        ({"user_id": ["a"]}, "user_id"),
        ({"document_id": ""}, "document_id"),
        ({"interaction_type": None}, "interaction_type"),
        ({"features": "red"}, "features"),
        ({"shown": ["a", "a"]}, r"shown\[1\]"),
        ({"propensities": [0.5]}, "propensities"),
        ({"propensty": 0.5}, "propensty: .*Did you mean propensity"),
        ({"basket": [1]}, "basket"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path: Path, change: dict[str, Any], place: str) -> None:
    dated = {**_SOURCE, "timestamp": 1_767_225_600}
    path = _lines(tmp_path / "a.jsonl", dated, {**dated, **change})
    reader = read_interactions(path)
    assert next(reader).user_id == "user_123"
    with pytest.raises(DataError, match=rf"a\.jsonl:2: {place}"):
        next(reader)


def test_timestamps_are_all_or_none_and_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = _lines(tmp_path / "a.jsonl", _SOURCE, {**_SOURCE, "timestamp": 1})
    with pytest.raises(DataError, match="some records have a timestamp"):
        list(read_interactions(path))
    with pytest.raises(DataError, match="no interactions"):
        list(read_interactions(_lines(tmp_path / "b.jsonl")))


def test_other_types_and_plain_columns_are_kept(tmp_path: Path) -> None:
    (read,) = read_interactions(
        _lines(tmp_path / "a.jsonl", {**_SOURCE, "interaction_type": "Save", "weather": "rain"})
    )
    assert read.interaction_type == "save" and read.context == {"weather": "rain"}


def test_queries_and_judgments_are_matched_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("query_id,query\n1,red shoes\n2,tents\n3,hats\n")
    (tmp_path / "j.csv").write_text("query_id,document_id,grade\n1,a,1\n1,zz,0\n2,b,2.5\n9,a,1\n")
    catalog = catalog_from_frame(pd.DataFrame({"id": ["a", "b"], "title": ["x", "y"]}), None, "t")
    judged = read_judged(tmp_path / "q.csv", tmp_path / "j.csv", catalog)
    assert judged.queries["query_id"].tolist() == ["1", "2"]
    assert judged.queries["query_group"].tolist() == ["1", "2"]
    assert judged.judgments.to_numpy().tolist() == [["1", "a", 1.0], ["2", "b", 2.5]]
    told = " ".join(judged.notes)
    assert "1 judgments are of queries" in told and "1 documents that the catalog lacks, such as 'zz'" in told
    assert "1 queries have no judgment" in told
    stranger = catalog_from_frame(pd.DataFrame({"id": ["k"], "title": ["x"]}), None, "t")
    with pytest.raises(DataError, match="no judgment is of a query"):
        read_judged(tmp_path / "q.csv", tmp_path / "j.csv", stranger)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("query_id,doc_id\n1,a\n", "no column grade"),
        ("query_id,doc_id,grade\n1,a,high\n", r"row 1: grade: not a grade"),
        ("query_id,doc_id,grade\n1,a,1\n1,b,-1\n", r"row 2: grade"),
        ("query_id,doc_id,grade\n1,a,1\n1,b,nan\n", r"row 2: grade"),
        ("query_id,doc_id,grade\n1,a,1\n1,a,0\n", r"row 2: doc_id: this row repeats"),
        ("query_id,doc_id,grade\n1,,1\n", r"row 1: doc_id"),
    ],
)
def test_unusable_judgments_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "j.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        read_judgments(tmp_path / "j.csv")


def test_unusable_queries_are_refused(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("query_id,query\n1,a\n1,b\n")
    with pytest.raises(DataError, match="row 2: query_id: this row repeats"):
        read_queries(tmp_path / "q.csv")
    (tmp_path / "q.csv").write_text("query_id,query\n1, \n")
    with pytest.raises(DataError, match="row 1: query"):
        read_queries(tmp_path / "q.csv")


def test_the_movie_files_are_read_as_they_are(data_folder: Path) -> None:
    queries = read_queries(data_folder / "msrd" / "queries.parquet")
    judgments = read_judgments(data_folder / "msrd" / "judgments.parquet")
    assert len(queries) == 12_173 and queries["query_group"].nunique() == 5_271
    assert len(judgments) == 287_498 and judgments["query_id"].isin(queries["query_id"]).all()
    assert round(float((judgments["grade"] > 0).mean()), 3) == 0.146
