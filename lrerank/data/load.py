"""A catalog by name or by path: built-in worlds, public data sets that were fetched, and any file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lrerank.data.cards import Card, read_card
from lrerank.data.catalog import Catalog
from lrerank.data.frames import LoadedCatalog, load_frame
from lrerank.data.readers import data_stem, read_frame
from lrerank.data.registry import list_datasets
from lrerank.data.worlds import NAMES, catalog
from lrerank.errors import DataError


def load_catalog(name_or_path: str | Path, card: Path | None = None, data_folders: Sequence[Path] = ()) -> Catalog:
    """The catalog of a name or file; see `load_with_notes`, which also tells what was noticed while reading."""
    return load_with_notes(name_or_path, card, data_folders).catalog


def load_with_notes(
    name_or_path: str | Path, card: Path | None = None, data_folders: Sequence[Path] = ()
) -> LoadedCatalog:
    """Load a catalog.

    Args:
        name_or_path: a built-in world (`marketplace`, `news`), a public data set that holds a catalog (`movies`), or
            the path of a CSV, Parquet or JSON lines file. Names win; `./news` is a path.
        card: how to read the file; by default `<file stem>.card.toml` beside it, if there is one.
        data_folders: where fetched data sets are, the store's data folder first; `$LRERANK_DATA` is searched last.

    Raises:
        DataError: nothing has this name, the data set is not fetched, or the file or card can't be used.
    """
    name = str(name_or_path)
    known = {alias: entry for entry in list_datasets() if entry.catalog_file for alias in _names(entry)}
    if name in NAMES or name in known:
        if card is not None:
            remedy = "Leave --card out, or give the path of a file"
            raise DataError("this catalog brings its own card", value=name, remedy=remedy)
        if name in NAMES:
            return LoadedCatalog(catalog(name), ())
        return _fetched(known[name], name, data_folders)
    path = Path(name_or_path)
    if not path.suffix and not _exists(path):
        names = ", ".join([*NAMES, *known])
        remedy = f"Give the path of a file, or one of {names}"
        raise DataError("no catalog has this name", value=name, remedy=remedy)
    frame = read_frame(path)
    beside = path.with_name(f"{data_stem(path)}.card.toml")
    if card is None and beside.is_file():
        card = beside
    return load_frame(frame, read_card(card) if card else None, data_stem(path), place=path.name)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _names(card: Card) -> tuple[str, ...]:
    return (*card.aliases, str(card.name))


def _fetched(card: Card, name: str, data_folders: Sequence[Path]) -> LoadedCatalog:
    for folder in search_folders(data_folders):
        path = folder / str(card.name) / str(card.catalog_file)
        if path.is_file():
            return load_frame(read_frame(path), card.model_copy(update={"name": name}), name, place=path.name)
    raise DataError(
        f"the data set {card.name} is not there yet",
        value=name,
        remedy=f"Run lrerank data fetch {card.name} --from FOLDER with a local copy, or without --from to download it",
    )


def search_folders(data_folders: Sequence[Path]) -> list[Path]:
    """Where fetched data sets are looked for: the given folders, then `$LRERANK_DATA`."""
    shared = os.environ.get("LRERANK_DATA")
    return [*data_folders, *([Path(shared)] if shared else [])]
