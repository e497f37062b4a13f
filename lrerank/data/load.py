"""A catalog by name or by path: built-in worlds, fetched public data sets, one's own that were kept, and any file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lrerank.data.cards import Card, read_card
from lrerank.data.catalog import Catalog
from lrerank.data.frames import LoadedCatalog, load_frame
from lrerank.data.own import OwnCatalog, default_folder, open_own, own_names
from lrerank.data.readers import data_stem, read_frame
from lrerank.data.registry import list_datasets
from lrerank.data.worlds import NAMES, catalog
from lrerank.errors import DataError


def load_catalog(
    name_or_path: str | Path, card: Path | None = None, data_folders: Sequence[Path] = (), catalogs: Path | None = None
) -> Catalog:
    """The catalog of a name or file; see `load_with_notes`, which also tells what was noticed while reading."""
    return load_with_notes(name_or_path, card, data_folders, catalogs).catalog


def load_with_notes(
    name_or_path: str | Path, card: Path | None = None, data_folders: Sequence[Path] = (), catalogs: Path | None = None
) -> LoadedCatalog:
    """Load a catalog.

    Args:
        name_or_path: a built-in world (`marketplace`, `news`), a public data set that holds a catalog (`movies`), one of
            the user's own, or the path of a CSV, Parquet or JSON lines file. Names win; `./news` is a path.
        card: how to read the file; by default `<file stem>.card.toml` beside it, if there is one.
        data_folders: where fetched data sets are, the store's data folder first; `$LRERANK_DATA` is searched last.
        catalogs: where the user's own are kept; by default those under `$LRERANK_HOME`.

    Raises:
        DataError: nothing has this name, the data set is not fetched, or the file or card can't be used.
    """
    name = str(name_or_path)
    known = {alias: entry for entry in list_datasets() if entry.catalog_file for alias in _names(entry)}
    catalogs = catalogs or default_folder()
    own = None if name in NAMES or name in known else open_own(catalogs, name)
    if name in NAMES or name in known or own:
        if card is not None:
            remedy = "Leave --card out, or give the path of a file"
            raise DataError("this catalog brings its own card", value=name, remedy=remedy)
        if name in NAMES:
            return LoadedCatalog(catalog(name), ())
        if own:
            return load_own(own)
        return _fetched(known[name], name, data_folders)
    path = Path(name_or_path)
    if not path.suffix and not _exists(path):
        names = ", ".join([*NAMES, *known, *own_names(catalogs)])
        remedy = f"Give the path of a file, or one of {names}"
        raise DataError("no catalog has this name", value=name, remedy=remedy)
    frame = read_frame(path)
    beside = path.with_name(f"{data_stem(path)}.card.toml")
    if card is None and beside.is_file():
        card = beside
    return load_frame(frame, read_card(card) if card else None, data_stem(path), place=path.name)


def load_own(own: OwnCatalog) -> LoadedCatalog:
    """One of the user's own catalogs.

    Raises:
        DataError: its file is damaged.
    """
    return load_frame(read_frame(own.file), own.card, own.name, place=own.file.name)


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
