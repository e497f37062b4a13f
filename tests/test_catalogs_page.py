"""The page "Data" without a browser: what comes in, what is refused, what is shown, and whose wish to be let alone counts."""

from __future__ import annotations

import io
import pickle
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from lrerank import Store, load_catalog
from lrerank.data.cards import Card
from lrerank.data.own import keep
from lrerank.errors import DataError
from lrerank.retrieval.index import text_index
from lrerank.types import Interaction
from lrerank.ui.catalogs import upload as uploads
from lrerank.ui.catalogs.fields import distribution, field_rows, figure, preview
from lrerank.ui.catalogs.listing import bytes_text, entries
from lrerank.ui.catalogs.mapping import checked, guess, possible_ids, to_table, with_table
from lrerank.ui.catalogs.opened import open_named, opened
from lrerank.ui.catalogs.upload import plain_name, read_upload
from lrerank.ui.catalogs.users import Columns, apply, by_segment, guess_columns, opt_outs, read_users
from lrerank.ui.words import between, counted, plain, told

PAGE = Path(__file__).parents[1] / "lrerank" / "ui" / "views" / "data.py"
COLOURS = ("red", "blue", "green")
SHOP = "sku,title,text,category,price,in_stock,added,tags,code\n" + "".join(
    f"p{row},Shoe {row} for everybody,Number {row} of many that last for years and years,cat {row % 3},"
    f"{row * 1.5 if row % 10 else ''},{'yes' if row % 2 else 'no'},2026-01-{1 + row % 28:02d},"
    f"{COLOURS[row % 3]}|new,X{row}\n"
    for row in range(60)
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("LRERANK_HOME", str(tmp_path))
    monkeypatch.delenv("LRERANK_DATA", raising=False)
    return Store()


# Files


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("shop.xlsx", b"x", r"^shop\.xlsx: this kind of file is not read \(found '\.xlsx'\)\. Save it as CSV"),
        ("shop", b"x", "not read.*no suffix"),
        ("shop.csv", b"", "the file is empty"),
        ("shop.csv", b"sku,title\n", "no records"),
        ("shop.csv", pickle.dumps({"id": 1}), "a Python pickle, which can run code and is never opened"),
        ("shop.csv", b"PK\x03\x04rest", "an Excel workbook or a zip archive"),
        ("shop.csv", b"\x1f\x8brest", "a compressed file"),
        ("shop.csv", b"  <!DOCTYPE html><p>not found", "a web page"),
        ("shop.csv", b"id,a\n1,\x00\x01\n", "this is no text"),
        ("shop.csv", "id,a\n1,x\n".encode("utf-16"), "UTF-16.*Save it as UTF-8"),
        ("shop.csv", "id,title\n1,café\n".encode("latin-1"), r"^shop\.csv:2: the text is not UTF-8"),
        ("shop.csv", b"PAR1rest", "Parquet under another name.*Rename it to .parquet"),
        ("shop.csv", b'{"id": 1}\n', "looks like JSON lines.*Rename it to .jsonl"),
        ("shop.jsonl", b"id,title\n1,x\n", "this is no JSON.*rename it to .csv"),
        ("shop.jsonl", b'{"id": 1}\n{"id": }\n', r"^shop\.jsonl:2: not JSON"),
        ("shop.parquet", b"id,title\n1,x\n", "this is no Parquet file"),
        ("shop.parquet", b"PAR1" + b"x" * 100, r"^shop\.parquet: not readable as Parquet"),
        ("shop.csv", b"id,title\n1,x\n2,y,z\n", r"^shop\.csv:3: the line has 3 cells, the header 2"),
        ("../../etc/passwd.csv", b"id,id\n1,2\n", r"^passwd\.csv: columns share a name"),
        (
            "shop.csv",
            b",".join(b"c%d" % column for column in range(5000)) + b"\n" + b"," * 4999,
            "more than 200 columns",
        ),
    ],
)
def test_what_is_no_catalog_is_refused_by_its_content(name: str, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as refusal:
        read_upload(name, data)
    assert "lrerank-upload" not in str(refusal.value)


def test_large_files_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "read_frame", None)
    with pytest.raises(DataError, match=r"the file has 60 MB\. Give at most 50 MB"):
        read_upload("shop.csv", bytes(60 * 2**20))


@pytest.mark.parametrize(
    ("name", "kept"),
    [("a/b\\c.csv", "c.csv"), ("C:\\x\\shop.csv", "shop.csv"), ("..", ".."), ("\x00\n", "file"), ("x" * 99, "x" * 80)],
)
def test_of_a_name_only_the_last_part_counts(name: str, kept: str) -> None:
    assert plain_name(name) == kept


def test_all_formats_give_the_same_catalog() -> None:
    frame = pd.read_csv(io.StringIO(SHOP), dtype=str, keep_default_na=False)
    packed = io.BytesIO()
    frame.to_parquet(packed)
    lines = frame.to_json(orient="records", lines=True).encode()
    files = {"a.csv": SHOP.encode(), "a.tsv": SHOP.replace(",", "\t").encode(), "a.jsonl": lines}
    prints = set()
    for name, data in {**files, "a.json": lines, "a.ndjson": lines, "a.parquet": packed.getvalue()}.items():
        read = read_upload(name, data)
        prints.add(checked(read, guess(read)).catalog.fingerprint)
    assert len(prints) == 1


# Columns


def test_columns_are_guessed_as_the_command_line_reads_them() -> None:
    read = read_upload("Shop.csv", SHOP.encode())
    mapping = guess(read)
    assert (mapping.id, mapping.title, mapping.segment) == ("sku", "title", "category")
    uses = {use.column: use for use in mapping.uses}
    assert {name: use.kind for name, use in uses.items()} == {
        "sku": "categorical",
        "title": "text",
        "text": "text",
        "category": "categorical",
        "price": "numeric",
        "in_stock": "boolean",
        "added": "date",
        "tags": "list",
        "code": "categorical",
    }
    assert [name for name, use in uses.items() if use.searched] == ["title", "text", "category", "tags"]
    assert [name for name, use in uses.items() if use.ranks] == ["category", "price", "in_stock", "added", "tags"]
    catalog = checked(read, mapping).catalog
    assert catalog.text_paths == ("title", "text", "category", "tags") and catalog.ids[:2] == ("p0", "p1")
    assert "sku" not in catalog.columns


def test_prices_are_read_as_people_write_them_and_doubts_are_told() -> None:
    prices = ("€ 5,50", "€ 1.299,90")
    rows = [f'p{row},Shoe {row},"{prices[row % 2]}","{row + 1},500"' for row in range(30)]
    upload = read_upload("s.csv", "\n".join(["sku,title,price,sold", *rows]).encode())
    mapping = guess(upload)
    assert [use.kind for use in mapping.uses] == ["categorical", "text", "numeric", "categorical"]
    price, sold = mapping.hints()
    assert price == "price: '€ 1.299,90' is read as 1299.9" and sold.startswith(
        "sold: read as categorical, since '1,500' may be"
    )
    catalog = checked(upload, mapping).catalog
    assert catalog.value("price", 1) == 1299.9, "also where the card says the kind"
    table = to_table(mapping)
    table.loc[table["column"] == "sold", "kind"] = "text"
    assert with_table(mapping, table).hints() == [price]


def test_a_title_is_text_also_where_documents_share_it() -> None:
    data = "id,name,topic\n" + "".join(f"{row},Shoe {row % 4},cat {row % 3}\n" for row in range(30))
    mapping = guess(read_upload("a.csv", data.encode()))
    uses = {use.column: use for use in mapping.uses}
    assert mapping.title == "name" and (uses["name"].kind, uses["name"].ranks) == ("text", False)
    assert uses["topic"].searched and uses["topic"].ranks


def test_what_the_user_corrects_is_what_the_card_says() -> None:
    read = read_upload("Shop.csv", SHOP.encode())
    mapping = guess(read)
    table = to_table(mapping)
    assert list(table["column"]) == ["title", "text", "category", "price", "in_stock", "added", "tags", "code"]
    table.loc[table["column"] == "code", "kept"] = False
    table.loc[table["column"] == "price", "kind"] = "categorical"
    table.loc[table["column"] == "price", "searched"] = True
    table.loc[table["column"] == "tags", "ranks"] = False
    changed = replace(with_table(mapping, table), title="text", segment="tags")
    assert "code" not in changed.titles() and "price" in changed.segments()
    catalog = checked(read, changed).catalog
    assert "code" not in catalog.columns and catalog.segment_path == "tags"
    assert catalog.text_paths == ("text", "title", "category", "price", "tags")
    assert {field.path for field in catalog.fields if field.feature} == {"category", "price", "in_stock", "added"}
    assert changed.card("Our shop", "MIT", "us").title == "Our shop"


def test_a_column_that_is_left_out_names_nothing() -> None:
    mapping = guess(read_upload("Shop.csv", SHOP.encode()))
    uses = tuple(replace(use, kept=use.column not in ("title", "category")) for use in mapping.uses)
    card = replace(mapping, uses=uses).card()
    assert card.segment is None and card.text == ("text", "tags") and "title" not in card.fields


@pytest.mark.parametrize(
    ("data", "message", "ids"),
    [
        ("id,title,n\na,x,1\na,y,2\n", r"^s\.csv: id: 1 ids occur more than once: 'a' 2 times", ["title", "n"]),
        (
            "id,title,n\na,x,1\n,y,2\n",
            r"^s\.csv: id: 1 of 2 documents have no usable id, the first in record 2",
            ["title", "n"],
        ),
        ("name,n\na,1\nb,1\n", "no column is clearly", ["name"]),
        ("name,n\na,1\na,1\n", "no column is clearly", []),
    ],
)
def test_ids_are_checked_and_others_offered(data: str, message: str, ids: list[str]) -> None:
    read = read_upload("s.csv", data.encode())
    with pytest.raises(DataError, match=message):
        checked(read, guess(read), None if "name" not in data else Card())
    assert possible_ids(read) == ids


def test_another_id_leaves_title_and_segments_as_chosen() -> None:
    def page() -> None:
        from lrerank.ui.catalogs.adding import _mapping
        from lrerank.ui.catalogs.mapping import guess
        from lrerank.ui.catalogs.uploading import Sent

        rows = "".join(f"S{row},Lamp {row},{'ab'[row % 2]},{'xyz'[row % 3]}\n" for row in range(12))
        found = _mapping(Sent("f", "f.csv", f"Art. Nr.,Title,category,brand\n{rows}".encode(), guess))
        assert (found.title, found.segment) == ("Title", "category")

    test = AppTest.from_function(page).run()
    assert not test.exception
    assert not test.selectbox(key="adding-id-f").select("Art. Nr.").run().exception


def test_values_that_do_not_fit_their_kind_are_named() -> None:
    read = read_upload("Shop.csv", SHOP.encode())
    mapping = guess(read)
    uses = tuple(replace(use, kind="numeric") if use.column == "title" else use for use in mapping.uses)
    with pytest.raises(DataError, match=r"Shop\.csv: fields\.title.*Shoe 0 for everybody"):
        checked(read, replace(mapping, uses=uses))


# What is shown


def test_fields_are_shown_with_what_is_missing_and_how_they_spread() -> None:
    read = read_upload("Shop.csv", SHOP.encode())
    catalog = checked(read, guess(read)).catalog
    rows = {row.path: row for row in field_rows(catalog)}
    price = rows["price"]
    assert (price.missing, price.distinct, price.values) == (6, 54, "1.5 to 88.5")
    assert price.distribution.is_scale and price.distribution.counts.sum() == 54
    assert rows["category"].uses == ("rank", "search", "segments") and rows["title"].uses == ("search", "title")
    assert rows["category"].distribution.labels == ("cat 0", "cat 1", "cat 2")
    assert rows["code"].distribution.others == 45 and len(rows["code"].distribution.labels) == 15
    assert rows["in_stock"].distribution.counts.tolist() == [30, 30]
    assert rows["added"].values == "2026-01-01 to 2026-01-28"
    for row in rows.values():
        drawn = figure(row.distribution)
        assert drawn["traces"][0]["type"] == "bar" and drawn["layout"]["showlegend"] is False
    assert list(preview(catalog, 3)["id"]) == ["p0", "p1", "p2"]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([1, 2, 2, 3], ("1", "2", "3")),
        (range(100), ("0 to 4", "5 to 9", "10 to 14")),
        ([row / 10 for row in range(20)], ("0 to 0.1", "0.1 to 0.2", "0.2 to 0.3")),
        ([1900 + row for row in range(120)], ("1900 to 1909", "1910 to 1919", "1920 to 1929")),
        ([2.0**row for row in range(20)], ("1 to 1.731", "1.731 to 2.997", "2.997 to 5.187")),
        ([1e9 + row / 1e9 for row in range(40)], None),
    ],
)
def test_bins_have_round_bounds_of_their_own(values: list[float], labels: tuple[str, ...] | None) -> None:
    frame = pd.DataFrame({"id": range(len(values)), "title": "a b c", "x": list(values)})
    spread = distribution(checked_frame(frame), "x")
    assert spread.counts.sum() == len(values) and len(set(spread.labels)) == len(spread.labels) <= 25
    assert labels is None or spread.labels[:3] == labels


def checked_frame(frame: pd.DataFrame):  # type: ignore[no-untyped-def]
    read = read_upload("x.csv", frame.to_csv(index=False).encode())
    return checked(read, guess(read)).catalog


def test_nothing_that_a_file_holds_becomes_markup() -> None:
    evil = "<img src=x onerror=alert(1)>"
    data = 'id,title,"<b>topic</b>"\n' + "".join(f"{row},{evil} {row},{evil}\n" for row in range(30))
    read = read_upload("<b>.csv", data.encode())
    found = opened(checked(read, guess(read)), Store())
    drawn = str([figure(row.distribution) for row in found.rows])
    assert "<img" not in drawn and "&lt;img" in drawn
    assert plain("![a](http://x/y.png) <b> `$a$`") == r"\!\[a\]\(http\://x/y.png\) \<b\> \`\$a\$\`"
    with pytest.raises(DataError) as refusal:
        read_upload("![a](http://x).csv", b"id,id\n")
    assert not re.search(r"(?<!\\)[\[<!]", told(refusal.value))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("140.3..198.2", "140.3 to 198.2"),
        ("-0.32..-0.11", "−0.32 to −0.11"),
        ("1.235e+04..2e+06", "12,350 to 2,000,000"),
        ("<20", "below 20"),
        (">=35", "35 and more"),
        ("<1h", "less than 1 hour old"),
        (">=5y", "5 years old or more"),
        ("", ""),
        ("a..b", "a..b"),
    ],
)
def test_classes_of_numbers_are_said_in_words(name: str, said: str) -> None:
    assert between(name) == said


def test_a_sentence_of_its_own_begins_like_one() -> None:
    assert told(DataError("you can't", value="x")) == r"You can't \(found 'x'\)."
    assert told(DataError("it is wrong", path="shop.csv:3")) == r"shop.csv\:3\: it is wrong."
    assert (counted(1, "user"), counted(1200, "user"), counted(2, "has", "have")) == ("1 user", "1,200 users", "2 have")


def test_the_list_tells_what_is_there(store: Store) -> None:
    (store.data / "vw_parity").mkdir(parents=True)
    keep(store.catalogs, "shop", SHOP.encode(), ".csv", Card(title="Our shop", id="sku"))
    keep(store.catalogs, "broken", SHOP.encode(), ".csv", Card())
    (store.catalogs / "broken" / "card.toml").write_text("=")
    found = {entry.name: entry for entry in entries(store)}
    assert list(found)[:4] == ["marketplace", "news", "broken", "shop"]
    assert (found["shop"].title, found["shop"].summary, found["shop"].size) == ("Our shop", "Your catalog", len(SHOP))
    assert found["broken"].state == "damaged" and "not TOML" in found["broken"].problem
    assert (found["movies"].state, found["movies"].summary) == ("not fetched", "Public data set · not fetched")
    assert (found["vw_parity"].state, found["vw_parity"].is_fetched) == ("no catalog", True)
    assert not found["open_bandit"].is_fetched and found["open_bandit"].card.licence
    assert [bytes_text(size) for size in (12, 1512, 3_360_000)] == ["12 bytes", "1.51 KB", "3.36 MB"]


def test_what_is_kept_is_what_was_shown(store: Store) -> None:
    read = read_upload("Shop.csv", SHOP.encode())
    mapping = guess(read)
    shown = opened(checked(read, mapping), store)
    keep(store.catalogs, "shop", read.data, read.suffix, mapping.card("Our shop"))
    found = open_named("shop", store)
    assert found.catalog.fingerprint == shown.catalog.fingerprint == load_catalog("shop").fingerprint
    assert found.catalog.title == "Our shop" and found.count("search") == 4
    assert found.can_be_simulated and "“cat 0”" in found.told_queries()


def test_simulated_users_need_words_that_documents_share(store: Store) -> None:
    read = read_upload(
        "a.csv", b"id,title\n" + b"".join(b"%d,quite unlike the %dth other one\n" % (n, n) for n in range(30))
    )
    found = opened(checked(read, guess(read)), store)
    assert not found.can_be_simulated
    assert found.told_queries().startswith("Simulated users can't search this catalog")
    assert "Let at least one column of words" in found.told_queries()


def test_public_catalogs_are_opened_with_their_queries(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRERANK_DATA", str(data_folder))
    entry = next(entry for entry in entries(Store()) if entry.name == "movies")
    assert entry.state == "ready" and entry.is_fetched
    found = open_named("movies", Store())
    assert len(found.rows) == 13 and "queries with judgments come with it" in found.queries_note


# Users


USERS = "user_id,cohort,opt_out\nu1,new,no\nu2,old,yes\nu3,old,\nu4,,TRUE\n"


def test_user_tables_are_read_and_counted() -> None:
    read = read_upload("users.csv", USERS.encode())
    columns = guess_columns(read)
    assert columns == Columns("user_id", "cohort", "opt_out")
    table = read_users(read, columns)
    assert table.segments == ["new", "old", "old", None] and table.opted_out == [False, True, False, True]
    assert [(row.segment, row.users, row.opted_out) for row in by_segment(table)] == [
        *(("old", 2, 1), ("new", 1, 0), ("no segment", 1, 1)),
    ]
    assert opt_outs(table).new == ["u2", "u4"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a,b\n1,2\n", r"^u\.csv: no column is clearly the users' id\. .*The columns are a, b"),
        ("user_id\nu1\nu1\n", r"^u\.csv: user_id: ids occur more than once: 'u1' 2 times"),
        ("user_id,cohort\nu1,a\n,b\n", r"^u\.csv, record 2: user_id: a user has no usable id"),
        (
            "user_id,opt_out\nu1,no\nu2,maybe\n",
            r"^u\.csv, record 2: opt_out: opting out is yes or no \(found 'maybe'\)",
        ),
        ("user_id,segment\n" + "".join(f"u{n},s{n}\n" for n in range(300)), "these are no segments.*300"),
    ],
)
def test_unusable_user_tables_are_refused(data: str, message: str) -> None:
    read = read_upload("u.csv", data.encode())
    with pytest.raises(DataError, match=message):
        read_users(read, guess_columns(read))


def test_opting_out_is_taken_over_and_nobody_is_opted_in(store: Store) -> None:
    log = store.log
    log.append(
        [
            Interaction("impression", user, None, 1.0, shown=("d1", "d2"), request_id=f"{user}-1")
            for user in ("u1", "u2")
        ]
        + [Interaction("click", "u1", "d1", 2.0, request_id="u1-1")]
    )
    log.opt_out("u3")
    table = read_users(read_upload("users.csv", USERS.encode()), Columns("user_id", "cohort", "opt_out"))
    found = opt_outs(table, log)
    assert (found.new, found.known, found.kept) == (["u2", "u4"], 0, ["u3"])
    rows = {row.segment: row for row in by_segment(table, log)}
    assert (rows["new"].seen, rows["new"].pages, rows["new"].clicks_per_page) == (1, 1, 1.0)
    assert (rows["old"].seen, rows["no segment"].clicks_per_page) == (1, None)
    assert apply(found, log) == 2
    assert [user for user in ("u1", "u2", "u3", "u4") if log.is_opted_out(user)] == ["u2", "u3", "u4"]
    after = opt_outs(table, log)
    assert (after.new, after.known, after.kept) == ([], 2, ["u3"])
    assert {row.segment: row.seen for row in by_segment(table, log)} == {"old": 0, "new": 1, "no segment": 0}


def test_an_address_may_name_a_catalog_as_commands_do(store: Store) -> None:
    keep(store.catalogs, "my__shop", SHOP.encode(), ".csv", Card(id="sku"))

    def page() -> None:
        from lrerank.store import Store
        from lrerank.ui.catalogs.choosing import catalog_box

        catalog_box(Store())

    for asked, found, toasts in (("my__shop", "my__shop", 0), ("news", "news", 0), ("![x](nope)", "marketplace", 1)):
        test = AppTest.from_function(page)
        test.query_params["catalog"] = asked
        test.run()
        assert not test.exception
        assert test.selectbox(key="data-catalog").value == found
        assert test.query_params.get("catalog", "marketplace") == found
        assert len(test.toast) == toasts


def test_two_underscores_of_a_name_may_be_in_the_key_of_a_chart() -> None:
    def page() -> None:
        from lrerank.ui.chart import chart

        chart({"traces": [], "layout": {}}, key="catalog-my__shop", label="nothing")

    assert not AppTest.from_function(page).run().exception


def test_with_a_catalog_goes_what_the_playground_made_of_it(store: Store) -> None:
    keep(store.catalogs, "shop", SHOP.encode(), ".csv", Card(id="sku"))
    (store.home / "demo" / "shop-01234567" / "models").mkdir(parents=True)
    page = AppTest.from_file(str(PAGE), default_timeout=60)
    keep(store.catalogs, "twin", SHOP.encode(), ".csv", Card(id="sku"))
    keep(store.catalogs, "other", SHOP.encode(), ".csv", Card(id="sku", only_listed=True, text=("title",)))
    for name in ("shop", "other"):
        text_index(load_catalog(name), store.indexes)
    kept = sorted(store.indexes.iterdir())
    page.query_params["catalog"] = "shop"
    page.run()
    next(each for each in page.button if each.label == "Delete this catalog").click().run()
    assert not page.exception and page.success[0].value == "shop is deleted."
    assert list((store.home / "demo").iterdir()) == []
    assert sorted(store.indexes.iterdir()) == kept and len(kept) == 2, "its twin has the same documents"
    page.query_params["catalog"] = "twin"
    page.run()
    next(each for each in page.button if each.label == "Delete this catalog").click().run()
    assert page.success[0].value == "twin is deleted."
    assert [path.name.partition("-")[0] for path in store.indexes.iterdir()] == [load_catalog("other").fingerprint]
