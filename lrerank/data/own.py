"""Catalogs that the user keeps: a folder each, with the file as it was given and the card that says how to read it.

    catalogs/shop/catalog.csv
    catalogs/shop/card.toml

A folder appears and disappears as one step. Of a deleted catalog the name is remembered, so that what was computed with
it can still be looked at.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrerank.data.cards import Card, parse_card, read_card
from lrerank.data.registry import list_datasets
from lrerank.data.worlds import NAMES
from lrerank.errors import DataError
from lrerank.files import home_folder, readable_errors, sync_folder, write_new

LONGEST_NAME = 60

_NAME = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{LONGEST_NAME - 1}}}")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_CARD = "card.toml"


@dataclass(frozen=True, slots=True)
class OwnCatalog:
    """A kept catalog.

    Attributes:
        name: what it is called by.
        file: the documents.
        card: how they are read.
    """

    name: str
    file: Path
    card: Card


def default_folder() -> Path:
    """Where catalogs are kept unless a store says otherwise."""
    return home_folder() / "catalogs"


def own_names(folder: Path) -> list[str]:
    """The names of the kept catalogs, in order."""
    with readable_errors(folder, "your catalogs"):
        if not folder.is_dir():
            return []
        return sorted(path.parent.name for path in folder.glob(f"*/{_CARD}") if _NAME.fullmatch(path.parent.name))


def names_ever(folder: Path) -> list[str]:
    """The names of kept catalogs, and of those that were kept once."""
    with readable_errors(folder, "your catalogs"):
        gone = [path.name[1:].removesuffix(".deleted") for path in folder.glob(".*.deleted")]
    return sorted({*own_names(folder), *gone})


def open_own(folder: Path, name: str) -> OwnCatalog | None:
    """The catalog that is kept under a name; None where there is none.

    Raises:
        DataError: its card is damaged, or it was deleted.
    """
    if not _NAME.fullmatch(name):
        return None
    card = folder / name / _CARD
    if card.is_file():
        found = read_card(card)
        return OwnCatalog(name, folder / name / str(found.catalog_file), found)
    if _sign(folder, name).exists():
        raise DataError("this catalog was deleted", value=name, remedy="Add its file again under the same name")
    return None


def free_name(folder: Path, wish: str) -> str:
    """A name like the wish that nothing else has: `Our Shop.csv` becomes `our-shop`, or `our-shop-2`."""
    plain = re.sub(r"[^a-z0-9_]+", "-", wish.lower()).strip("-_")[: LONGEST_NAME - 4].rstrip("-_") or "catalog"
    taken = {*_reserved(), *own_names(folder)}
    return next(name for name in _numbered(plain) if name not in taken)


def check_name(folder: Path, name: str) -> None:
    """Refuses a name that can't be used or is in use.

    Raises:
        DataError: with a name that can be used instead.
    """
    if not _NAME.fullmatch(name):
        remedy = f"Use small letters, digits, - and _, at most {LONGEST_NAME}: {free_name(folder, name)}"
        raise DataError("this can't be a catalog's name", value=name, remedy=remedy)
    if name in _reserved():
        remedy = f"Use another name, such as {free_name(folder, f'my-{name}')}"
        raise DataError("a catalog that comes with lrerank has this name", value=name, remedy=remedy)
    if name in own_names(folder):
        remedy = f"Delete that one first, or use another name, such as {free_name(folder, name)}"
        raise DataError("you have a catalog of this name already", value=name, remedy=remedy)


def keep(folder: Path, name: str, data: bytes, suffix: str, card: Card) -> OwnCatalog:
    """Keeps a catalog's file and card under a name.

    Args:
        folder: where catalogs are kept; made if need be.
        data: the file's bytes, kept as they are.
        suffix: what they are: `.csv`, `.parquet`.
        card: how they are read; its name and file are set here.

    Raises:
        DataError: the name can't be used.
        StorageError: the folder can't be written.
    """
    check_name(folder, name)
    file = f"catalog{suffix}"
    card = card.model_copy(update={"name": name, "catalog_file": file})
    text = card_text(card)
    parse_card(text)
    with readable_errors(folder, "your catalogs"):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".keep-", dir=folder) as made:
            ready = Path(made) / name
            ready.mkdir()
            write_new(ready / file, data)
            write_new(ready / _CARD, text.encode())
            sync_folder(ready)
            try:
                ready.rename(folder / name)
            except OSError:
                check_name(folder, name)  # somebody else was quicker
                raise
        sync_folder(folder)
        _sign(folder, name).unlink(missing_ok=True)
    return OwnCatalog(name, folder / name / file, card)


def delete(folder: Path, name: str) -> None:
    """Deletes a kept catalog.

    Raises:
        DataError: there is none of this name.
        StorageError: the folder can't be written.
    """
    if name not in own_names(folder):
        raise DataError("you have no catalog of this name", value=name, remedy="It may have been deleted elsewhere")
    with readable_errors(folder, "your catalogs"):
        _sign(folder, name).touch()
        trash = folder / f".trash-{secrets.token_hex(8)}"
        (folder / name).rename(trash)
        sync_folder(folder)
        shutil.rmtree(trash)


def card_text(card: Card) -> str:
    """A card as the TOML that `read_card` reads."""
    return "\n".join(_lines(card.model_dump(mode="json", exclude_defaults=True), ())).strip() + "\n"


def _reserved() -> set[str]:
    entries = list_datasets()
    return {*NAMES, *(str(entry.name) for entry in entries), *(alias for entry in entries for alias in entry.aliases)}


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def _sign(folder: Path, name: str) -> Path:
    return folder / f".{name}.deleted"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if path and (len(inner) < len(table) or not table):
        yield f"\n[{'.'.join(map(_key, path))}]"
    for key, value in table.items():
        if key not in inner:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in inner.items():
        yield from _lines(value, (*path, key))


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    # JSON's escapes are TOML's as well, but for DEL, which JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")
