"""Files to catalogs: readers, inferred kinds, cards applied, and refusals that say where."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrerank.data.cards import parse_card
from lrerank.data.catalog import Catalog, ListColumn
from lrerank.data.describing import describe
from lrerank.data.frames import catalog_from_frame, load_frame
from lrerank.data.load import load_catalog, load_with_notes
from lrerank.data.readers import read_frame
from lrerank.errors import DataError


def _kinds(catalog: Catalog) -> dict[str, str]:
    return {known.path: known.kind for known in catalog.fields}


def _shop(rows: int = 40) -> list[dict[str, Any]]:
    return [
        {
            "id": 1000 + row,
            "title": f"Blue shoe number {row} for running",
            "price": 10.5 + row,
            "in_stock": row % 3 > 0,
            "added": f"2026-01-{row % 28 + 1:02d}",
            "brand": ["Arden", "Bexley", "Corrin"][row % 3],
            "tags": ["red", "light"] if row % 2 else ["red"],
        }
        for row in range(rows)
    ]


def test_the_same_records_give_the_same_catalog_from_every_format(tmp_path: Path) -> None:
    rows = _shop()
    flat = pd.DataFrame([{**row, "tags": "|".join(row["tags"])} for row in rows])
    flat.to_csv(tmp_path / "shop.csv", index=False)
    flat.to_csv(tmp_path / "shop.csv.gz", index=False)
    flat.to_csv(tmp_path / "semicolons.csv", index=False, sep=";")
    pd.DataFrame(rows).to_parquet(tmp_path / "shop.parquet")
    lines = "\n".join(map(json.dumps, rows))
    (tmp_path / "shop.jsonl").write_text(lines)
    (tmp_path / "shop.json").write_text(json.dumps(rows))
    names = ["shop.csv", "shop.csv.gz", "semicolons.csv", "shop.parquet", "shop.jsonl", "shop.json"]
    catalogs = [load_catalog(tmp_path / name) for name in names]
    assert _kinds(catalogs[0]) == {
        "title": "text",
        "price": "numeric",
        "in_stock": "boolean",
        "added": "date",
        "brand": "categorical",
        "tags": "list",
    }
    assert len({catalog.fingerprint for catalog in catalogs}) == 1
    assert catalogs[0].ids[:2] == ("1000", "1001")
    assert catalogs[0].value("added", 0) == pd.Timestamp("2026-01-01", tz="UTC").timestamp()
    assert catalogs[0].value("tags", 1) == ["red", "light"]


def test_nested_objects_and_arrow_structs_become_dotted_paths(tmp_path: Path) -> None:
    rows = [{"id": f"d{row}", "metadata": {"price": row, "deep": {"brand": "x"}}, "title": "a b c"} for row in range(3)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pd.DataFrame(rows).to_parquet(tmp_path / "b.parquet")
    for name in ("a.jsonl", "b.parquet"):
        assert _kinds(load_catalog(tmp_path / name))["metadata.deep.brand"] == "categorical"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", "-3e2", ""], "numeric"),
        (["1", "2", "n/a", "3"], "numeric"),
        (["007", "012", "999", "001"], "categorical"),
        (["1,234", "2,500", "3,100", "9,999"], "categorical"),
        (["yes", "No", "yes", ""], "boolean"),
        (["0", "1", "1", "0"], "numeric"),
        (["2026-01-01", "2026-02-03T10:00:00Z", "", "2025-12-31 08:00"], "date"),
        (["2026-02-30", "2026-01-01", "2026-01-02", "2026-01-03"], "categorical"),
        (["2001", "1999", "2015", "2020"], "numeric"),
        (["a|b", "b|c", "c", "a"], "list"),
        (['["a","b"]', "['b']", "[]", '["a"]'], "list"),
        (["NA", "DE", "FR", "NA"], "categorical"),
        ([1, "a", True, None], "categorical"),
        ([["a"], "b", None, ["c"]], "list"),
        ([None, None, None, None], "categorical"),
    ],
)
def test_kinds_are_inferred_conservatively(values: list[Any], kind: str) -> None:
    frame = pd.DataFrame({"id": list("wxyz"), "field": pd.Series(values, dtype=object)})
    assert _kinds(catalog_from_frame(frame, None, "t")) == {"field": kind}


def test_epoch_numbers_are_dates_only_under_a_name_that_says_so() -> None:
    stamps = [1_700_000_000, 1_750_000_000]
    frame = pd.DataFrame({"id": ["a", "b"], "created_at": stamps, "votes": stamps, "time": [5, 7]})
    assert _kinds(catalog_from_frame(frame, None, "t")) == {"created_at": "date", "votes": "numeric", "time": "numeric"}
    card = parse_card('[fields.votes]\nkind = "date"')
    milliseconds = frame.assign(votes=[stamp * 1000 for stamp in stamps])
    assert catalog_from_frame(milliseconds, card, "t").value("votes", 0) == stamps[0]


def test_doubtful_numbers_and_infinities_are_told() -> None:
    frame = pd.DataFrame(
        {
            "id": range(10),
            "price": [*map(str, range(9)), "ask us"],
            "cost": ["1,234"] * 10,
            "size": [1.0, np.inf, np.nan, *range(7)],
        }
    )
    loaded = load_frame(frame, None, "t")
    told = " ".join(loaded.notes)
    assert "price" in told and "'ask us'" in told and "cost" in told and "size: 1 values are not finite" in told
    assert loaded.catalog.value("size", 1) is None and loaded.catalog.value("size", 2) is None


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([1, 2, 3], ("1", "2", "3")),
        ([1.0, 2.0, 3.0], ("1", "2", "3")),
        ([" a ", "b", 3], ("a", "b", "3")),
        ([2**60, 2**60 + 1, 5], (str(2**60), str(2**60 + 1), "5")),
    ],
)
def test_ids_are_texts_without_a_point(ids: list[Any], expected: tuple[str, ...]) -> None:
    frame = pd.DataFrame({"doc_id": pd.Series(ids, dtype=object), "title": ["a", "b", "c"]})
    assert catalog_from_frame(frame, None, "t").ids == expected


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", None, "c"], "1 of 3 documents have no usable id, the first in record 2"),
        (["a", "b", "a"], "'a' 2 times"),
        ([1, "1", "x"], "'1' 2 times"),
        ([float(2**53), 1.0, 2.0], "no usable id"),
        ([["a"], ["b"], ["c"]], "no usable id"),
    ],
)
def test_missing_repeated_or_rounded_ids_are_refused(ids: list[Any], message: str) -> None:
    frame = pd.DataFrame({"id": pd.Series(ids, dtype=object), "title": ["a", "b", "c"]})
    with pytest.raises(DataError, match=message):
        catalog_from_frame(frame, None, "t")


def test_whole_numbers_stay_whole_where_parquet_has_gaps(tmp_path: Path) -> None:
    pd.DataFrame({"id": [1, 2], "brand_id": pd.array([7, None], dtype="Int64")}).to_parquet(tmp_path / "a.parquet")
    catalog = load_catalog(tmp_path / "a.parquet")
    assert catalog.value("brand_id", 0) == "7" and catalog.value("brand_id", 1) is None


def test_a_card_beside_the_file_is_applied(tmp_path: Path) -> None:
    (tmp_path / "films.csv").write_text('code,name,genre,year,junk\n7,"A, B",Drama/Sci-Fi,0,x\n8,C,drama,1999,y\n')
    (tmp_path / "films.card.toml").write_text(
        """
        id = "code"
        text = ["name", "genre"]
        segment = "genre"
        only_listed = true
        [fields.genre]
        kind = "list"
        separator = "/"
        lowercase = true
        synonyms = {"sci-fi" = "science fiction"}
        path = "content.genre"
        [fields.year]
        missing = [0]
        feature = false
        """
    )
    catalog = load_catalog(tmp_path / "films.csv")
    assert catalog.value("content.genre", 0) == ["drama", "science fiction"]
    assert catalog.value("year", 0) is None and catalog.value("year", 1) == 1999
    assert catalog.text_paths == ("name", "content.genre") and catalog.segment_path == "content.genre"
    assert set(_kinds(catalog)) == {"name", "content.genre", "year"}
    assert not next(known for known in catalog.fields if known.path == "year").feature


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ('id = "nope"', "`id`"),
        ('text = ["nope"]', "`text`"),
        ('[fields.nope]\nkind = "text"', "`fields`"),
        ('text = ["price"]', "can't be searched"),
        ('segment = "price"', "segments are named by"),
        ('[fields.title]\nkind = "numeric"', "40 of 40 values are not numbers"),
        ('[fields.title]\npath = "price"', "two columns have this path"),
    ],
)
def test_a_card_that_does_not_fit_the_file_is_refused(card: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        catalog_from_frame(pd.DataFrame(_shop()), parse_card(card), "shop")


def test_missing_zero_does_not_swallow_false() -> None:
    card = parse_card("[fields.in_stock]\nmissing = [0]")
    frame = pd.DataFrame({"id": ["a", "b"], "in_stock": [False, True]})
    assert catalog_from_frame(frame, card, "t").value("in_stock", 0) is False


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"id,title\n", "no records"),
        ("a.csv", b"id,title\na,b\nc\n", r"a.csv:3: the line has 1 cells, the header 2"),
        ("a.csv", b'id,title\na,"x\ny"\nc,d,e\n', r"a.csv:4: "),
        ("a.csv", b'id,title\na,"b\n', "not CSV"),
        ("a.csv", b"id,title\na,b\nc,caf\xe9\n", r"a.csv:3: the text is not UTF-8"),
        ("a.csv", b"id,id\na,b\n", "share a name"),
        ("a.csv", b"name,price\na,b\na,c\n", "no column is clearly the documents' id"),
        ("a.csv.gz", b"no gzip", "not complete gzip"),
        ("a.csv.gz", gzip.compress(b"id,title\na,b\n" * 99, mtime=0)[:40], "not complete gzip"),
        ("a.jsonl", b'{"id": 1}\n{"id": \n', r"a.jsonl:2: not JSON"),
        ("a.jsonl", b'{"id": 1}\n[2]\n', r"a.jsonl:2: not an object"),
        ("a.jsonl", b'{"id": 1, "id": 2}\n', "names a field twice"),
        ("a.jsonl", b'{"id": 1, "a": {"b": 1}, "a.b": 2}\n', "same path"),
        ("a.jsonl", b"[" * 100_000, "nested too deeply|Expecting|not JSON"),
        ("a.parquet", b"PAR1 no", "not readable as Parquet"),
        ("a.xlsx", b"x", "not read"),
    ],
)
def test_unusable_files_are_refused_with_file_and_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_catalog(tmp_path / name)


def test_missing_files_names_and_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LRERANK_DATA", raising=False)
    with pytest.raises(DataError, match="no such file"):
        load_catalog(tmp_path / "a.csv")
    with pytest.raises(DataError, match="marketplace, news, movies, msrd"):
        load_catalog("shoes")
    with pytest.raises(DataError, match="lrerank data fetch msrd --from FOLDER"):
        load_catalog("movies", data_folders=[tmp_path])
    with pytest.raises(DataError, match="brings its own card"):
        load_catalog("news", card=tmp_path / "x.toml")
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(DataError, match="folder"):
        read_frame(tmp_path / "b.csv")


def test_half_a_surrogate_pair_does_not_reach_the_catalog(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "x", "title": "bad \\ud83d half"}\n')
    catalog = load_catalog(tmp_path / "a.jsonl")
    catalog.text("title", 0).encode("utf-8")


def test_the_fingerprint_follows_documents_and_kinds() -> None:
    frame = pd.DataFrame(_shop())
    same, other = catalog_from_frame(frame, None, "a"), catalog_from_frame(frame.copy(), None, "b")
    assert same.fingerprint == other.fingerprint
    changed = frame.assign(price=frame["price"] + 1)
    kinds = parse_card('[fields.brand]\nkind = "text"')
    prints = {same.fingerprint, catalog_from_frame(changed, None, "a").fingerprint}
    assert len(prints | {catalog_from_frame(frame, kinds, "a").fingerprint}) == 3


def test_describe_tells_share_range_and_examples() -> None:
    frame = pd.DataFrame({"id": range(4), "price": [1.5, None, 3, 9], "brand": ["x", "x", "y", None]})
    price, brand = describe(catalog_from_frame(frame, None, "t"))
    assert (price.filled, price.distinct, price.range) == (0.75, 3, "1.5 … 9")
    assert (brand.filled, brand.distinct, brand.examples) == (0.75, 2, ("x", "y"))


def test_the_movie_catalog_by_name(data_folder: Path) -> None:
    loaded = load_with_notes("movies", data_folders=[data_folder])
    catalog = loaded.catalog
    assert (len(catalog), catalog.name, catalog.segment_path) == (9751, "movies", "genres")
    assert catalog.text_paths == ("title", "overview", "tags", "genres", "director", "actors", "characters")
    genres = catalog.column("genres")
    assert isinstance(genres, ListColumn)
    assert {"family", "science fiction", "drama"} <= set(genres.vocabulary)
    assert not {"children", "sci-fi", "Drama", "(no genres listed)"} & set(genres.vocabulary)
    frame = pd.read_parquet(data_folder / "msrd" / "movies.parquet")
    filled = {one.path: round(one.filled * len(catalog)) for one in describe(catalog)}
    for column in ("year", "budget", "rating"):
        assert filled[column] == int((frame[column] != 0).sum())
    assert len(catalog) - filled["genres"] == 50 + int((frame["genres"].map(len) == 0).sum())
    row = catalog.row_of["436270"]
    assert catalog.content(row).startswith("Black Adam — Nearly 5,000 years")
