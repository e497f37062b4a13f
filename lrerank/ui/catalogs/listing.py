"""Which catalogs there are: the user's own, the built-in worlds, and public data sets by their cards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lrerank.data import worlds
from lrerank.data.cards import Card
from lrerank.data.load import search_folders
from lrerank.data.own import open_own, own_names
from lrerank.data.registry import list_datasets
from lrerank.errors import LrerankError
from lrerank.files import readable_errors
from lrerank.store import Store
from lrerank.ui.words import told

Origin = Literal["your catalog", "built-in world", "public data set"]
State = Literal["ready", "not fetched", "no catalog", "damaged"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list.

    Attributes:
        name: what it is called by everywhere.
        card: what is said of it.
        state: whether it can be opened; `no catalog` for data sets of other things.
        size: bytes of its files, on disk or as they would be fetched; 0 for what is generated.
        file: the documents, where they are on disk.
        is_fetched: whether a public data set is here.
        problem: what is wrong with a damaged one, as a sentence for the page.
    """

    name: str
    origin: Origin
    card: Card
    state: State
    size: int = 0
    file: Path | None = None
    is_fetched: bool = False
    problem: str = ""

    @property
    def title(self) -> str:
        """For people."""
        return self.card.title or self.name

    @property
    def stamp(self) -> tuple[int, int]:
        """Another one when the file is."""
        if self.file is None:
            return 0, 0
        try:
            found = self.file.stat()
        except OSError:  # reading it says what is wrong
            return 0, 0
        return found.st_mtime_ns, found.st_size

    @property
    def summary(self) -> str:
        """Where it comes from and how it stands, in a few words."""
        where = self.origin[:1].upper() + self.origin[1:]
        if self.origin == "public data set":
            where += " · fetched" if self.is_fetched else " · not fetched"
        return f"{where} · can't be read" if self.state == "damaged" else where


def entries(store: Store) -> list[Entry]:
    """Everything there is. The first is always the same, since addresses leave the first of a list out.

    Raises:
        StorageError: the folder with one's own may not be read.
    """
    own = [_own(store, name) for name in own_names(store.catalogs)]
    built_in = [Entry(name, "built-in world", worlds.card(name), "ready") for name in worlds.NAMES]
    public = [_public(store, card) for card in list_datasets()]
    public.sort(key=lambda entry: ("ready", "not fetched", "no catalog").index(entry.state))
    return [*built_in, *own, *public]


def bytes_text(size: int) -> str:
    """`2.6 MB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} bytes"


def ready(store: Store) -> dict[str, str]:
    """Name → label of the catalogs that can be searched and simulated on now.

    Raises:
        StorageError: the folder with one's own may not be read.
    """
    of = {"built-in world": "", "your catalog": " (yours)", "public data set": " (public data)"}
    return {
        each.name: f"{each.name.capitalize() if each.origin == 'built-in world' else each.name}{of[each.origin]}"
        for each in entries(store)
        if each.state == "ready"
    }


def _own(store: Store, name: str) -> Entry:
    try:
        found = open_own(store.catalogs, name)
        if found is not None:
            with readable_errors(found.file, "this catalog"):
                return Entry(name, "your catalog", found.card, "ready", found.file.stat().st_size, found.file)
        problem = "It was deleted just now."
    except LrerankError as error:
        problem = told(error)
    return Entry(name, "your catalog", Card(name=name), "damaged", problem=problem)


def _public(store: Store, card: Card) -> Entry:
    name = card.aliases[0] if card.catalog_file and card.aliases else str(card.name)
    # Of a file that is known in several versions the first is the whole one.
    size = sum(file.accepted[0].size for file in card.files if file.accepted)
    folders = [folder / str(card.name) for folder in search_folders([store.data])]
    is_fetched = any(folder.is_dir() for folder in folders)
    if card.catalog_file is None:
        return Entry(name, "public data set", card, "no catalog", size, is_fetched=is_fetched)
    file = next((folder / card.catalog_file for folder in folders if (folder / card.catalog_file).is_file()), None)
    return Entry(name, "public data set", card, "ready" if file else "not fetched", size, file, file is not None)
