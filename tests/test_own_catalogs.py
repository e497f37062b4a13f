"""Catalogs that the user keeps: found by name wherever a catalog is named, whole or absent, never in another's place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lrerank import Store, load_catalog
from lrerank.cli.main import app
from lrerank.data.cards import Card, FieldCard, parse_card
from lrerank.data.own import card_text, check_name, delete, free_name, keep, names_ever, open_own, own_names
from lrerank.data.readers import Limits, read_frame
from lrerank.errors import DataError
from lrerank.experiments.spec import Experiment
from lrerank.files import StorageError

CSV = b"sku,title,price,colour\n" + b"".join(b"p%d,shoe %d,%d,red\n" % (row, row, row) for row in range(30))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("LRERANK_HOME", str(tmp_path))
    return Store()


def test_a_kept_catalog_has_a_name_everywhere(store: Store, tmp_path: Path) -> None:
    card = Card(id="sku", title="Shoes", text=("title", "colour"), fields={"price": FieldCard(kind="numeric")})
    keep(store.catalogs, "shop", CSV, ".csv", card)
    for catalog in (load_catalog("shop"), load_catalog("shop", catalogs=store.catalogs)):
        assert (catalog.name, catalog.title, len(catalog)) == ("shop", "Shoes", 30)
        assert catalog.text_paths == ("title", "colour")
    world = Experiment.shipped("first").with_values({"world.catalog": "shop"}).world
    assert (world.catalog, world.provenance) == ("shop", "your catalog, assumed users")
    listed = json.loads(CliRunner().invoke(app, ["data", "list", "--json"]).stdout)
    assert {"name": "shop", "state": "yours", "title": "Shoes", "licence": ""} in listed
    shown = json.loads(CliRunner().invoke(app, ["data", "show", "shop", "--json"]).stdout)
    assert shown["documents"] == 30
    with pytest.raises(DataError, match="movies, msrd, shop"):
        load_catalog("shops")
    with pytest.raises(DataError, match="no catalog has this name"):
        load_catalog("shop", catalogs=tmp_path / "elsewhere")
    with pytest.raises(DataError, match="brings its own card"):
        load_catalog("shop", card=tmp_path / "x.toml")


def test_what_was_deleted_is_gone_but_its_runs_can_be_read(store: Store) -> None:
    keep(store.catalogs, "shop", CSV, ".csv", Card())
    experiment = Experiment.shipped("first").with_values({"world.catalog": "shop"})
    delete(store.catalogs, "shop")
    assert own_names(store.catalogs) == [] and names_ever(store.catalogs) == ["shop"]
    assert not list(store.catalogs.rglob("*.csv"))
    assert Experiment.parse(experiment.to_json()) == experiment
    with pytest.raises(DataError, match=r"was deleted.*Add its file again"):
        load_catalog("shop")
    with pytest.raises(DataError, match="no catalog of this name"):
        delete(store.catalogs, "shop")
    keep(store.catalogs, "shop", CSV, ".csv", Card())
    assert len(load_catalog("shop")) == 30
    assert [path.name for path in store.catalogs.iterdir()] == ["shop"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shop", "have a catalog of this name already.*Delete that one first.*shop-2"),
        ("movies", "comes with lrerank.*my-movies"),
        ("news", "comes with lrerank.*my-news"),
        ("../news", "can't be a catalog's name.*at most 60: news-2"),
        ("Shop", "can't be a catalog's name"),
        ("a/b", "a-b"),
        ("", "can't be a catalog's name"),
        (".hidden", "can't be a catalog's name"),
        ("x" * 61, "can't be a catalog's name"),
    ],
)
def test_names_that_clash_or_lead_elsewhere_are_refused(store: Store, name: str, message: str) -> None:
    keep(store.catalogs, "shop", CSV, ".csv", Card())
    with pytest.raises(DataError, match=message):
        keep(store.catalogs, name, CSV, ".csv", Card())
    with pytest.raises(DataError):
        delete(store.catalogs, "../shop")
    assert [path.name for path in store.catalogs.iterdir()] == ["shop"]
    assert open_own(store.catalogs, "../catalogs/shop") is None


@pytest.mark.parametrize("wish", ["Our Shop.csv", "../../etc", "日本", "news", "", "x" * 500, "shop"])
def test_a_free_name_can_be_used(store: Store, wish: str) -> None:
    keep(store.catalogs, "shop", CSV, ".csv", Card())
    check_name(store.catalogs, free_name(store.catalogs, wish))


def test_nothing_is_left_where_the_disk_refuses(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lrerank.data.own.sync_folder", full)
    with pytest.raises(StorageError, match=r"your catalogs can't be .*Free some space"):
        keep(store.catalogs, "shop", CSV, ".csv", Card())
    assert list(store.catalogs.iterdir()) == []


def test_a_damaged_card_is_told_and_hides_no_other(store: Store) -> None:
    keep(store.catalogs, "good", CSV, ".csv", Card())
    keep(store.catalogs, "bad", CSV, ".csv", Card())
    (store.catalogs / "bad" / "card.toml").write_text("id = ")
    with pytest.raises(DataError, match=r"card\.toml: not TOML"):
        load_catalog("bad")
    listed = json.loads(CliRunner().invoke(app, ["data", "list", "--json"]).stdout)
    assert {row["name"]: row["state"] for row in listed}.items() >= {"good": "yours", "bad": "damaged"}.items()


def test_a_card_comes_back_as_it_was() -> None:
    fields = {
        'a "b".c': FieldCard(kind="list", separator="\x7f\t|", synonyms={"é\n": "e", "": "none"}),
        "empty": FieldCard(),
        "zero": FieldCard(kind="numeric", missing=(0, -1.5, True, "n/a"), feature=False),
    }
    card = Card(name="shop", id="sku 😀", text=("a", "b"), only_listed=True, fields=fields, indexes={"own": "bge"})
    assert parse_card(card_text(card)) == card


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_limits_hold_in_every_format(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("csv"):
        path.write_text("id,a\n1,2\n2,3\n3,4\n")
    elif name.endswith("jsonl"):
        path.write_text('{"id": 1}\n{"id": 2}\n{"a": 3}\n')
    else:
        read_frame(_csv(tmp_path)).to_parquet(path)
    assert len(read_frame(path, Limits(3, 2))) == 3
    with pytest.raises(DataError, match="more than 2 rows"):
        read_frame(path, Limits(2, 2))
    with pytest.raises(DataError, match="more than 1 columns"):
        read_frame(path, Limits(3, 1))


def _csv(folder: Path) -> Path:
    path = folder / "source.csv"
    path.write_text("id,a\n1,2\n2,3\n3,4\n")
    return path
