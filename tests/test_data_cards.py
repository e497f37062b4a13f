"""Cards: what they may say, and that every refusal names its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrerank.data.cards import parse_card, read_card
from lrerank.data.locate import datasets_folder
from lrerank.errors import DataError


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[fields.price]\nkind = "money"', "card.toml: fields.price.kind"),
        ("[fields.price]\nfeature = 1", "card.toml: fields.price.feature"),
        ('[fields.price]\npath = "a..b"', "card.toml: fields.price.path"),
        ("[fields.price]\ntypo = 1", "card.toml: fields.price.typo"),
        ("id = 3", "card.toml: id"),
        ('text = ["a", 1]', "card.toml: text.1"),
        ('[indexes]\ndefault = "minilm"', "card.toml: indexes"),
        ('[[files]]\nname = "../x"', "card.toml: files.0.name"),
        ("[fields.price]\nmissing = [[1]]", "card.toml: fields.price.missing.0"),
    ],
)
def test_a_wrong_entry_is_named_with_its_path_and_a_remedy(text: str, place: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_card(text)
    assert caught.value.path == place
    assert "found" in str(caught.value) and str(caught.value).count(". ") >= 1


@pytest.mark.parametrize(
    "text", ["id = ", "a = " + "[" * 5000, "x = 2026-13-40", 'a = "\ud800"'.encode("utf-8", "replace").decode()]
)
def test_what_is_not_toml_or_no_card_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        parse_card(text)


def test_a_missing_or_undecodable_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_card(tmp_path / "no.toml")
    (tmp_path / "latin.toml").write_bytes('title = "Café"'.encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        read_card(tmp_path / "latin.toml")


def test_every_catalog_accepts_the_source_documents_index_names() -> None:
    card = parse_card('[indexes]\nminilm = "sentence-transformers/x"')
    assert card.all_indexes == {
        "default": "lsa",
        "text_extractor_v1_embedding": "lsa",
        "product_embedding": "lsa",
        "minilm": "sentence-transformers/x",
    }


def test_the_shipped_folder_is_found_from_a_checkout_and_from_a_wheel(tmp_path: Path) -> None:
    assert (datasets_folder() / "msrd" / "card.toml").is_file()
    package = tmp_path / "lrerank"
    package.mkdir()
    # A user's own folder of that name beside the package is not it.
    (tmp_path / "datasets").mkdir()
    with pytest.raises(DataError, match="Install lrerank again"):
        datasets_folder(package)
    (package / "_datasets" / "marketplace").mkdir(parents=True)
    (package / "_datasets" / "marketplace" / "card.toml").touch()
    assert datasets_folder(package) == package / "_datasets"
