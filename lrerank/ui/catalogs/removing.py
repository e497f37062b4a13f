"""A catalog of one's own goes, and with it what was made of it."""

from __future__ import annotations

from lrerank.data.load import load_catalog
from lrerank.data.own import delete
from lrerank.errors import LrerankError
from lrerank.retrieval.index import forget_indexes
from lrerank.store import Store
from lrerank.ui.catalogs.listing import Entry, entries
from lrerank.ui.demo import forget


def remove(entry: Entry, fingerprint: str, store: Store) -> None:
    """Deletes it with its demos, and with its text indexes unless another one has the same documents.

    Args:
        fingerprint: of its documents; "" where they can't be read.

    Raises:
        DataError: there is none of this name.
        StorageError: the folder can't be written.
    """
    delete(store.catalogs, entry.name)
    forget(entry.name, store.home / "demo")
    # The same documents are files of the same size; only those are worth reading.
    alike = [each.name for each in entries(store) if (each.origin, each.size) == (entry.origin, entry.size)]
    if fingerprint and not any(_fingerprint(name, store) == fingerprint for name in alike):
        forget_indexes(fingerprint, store.indexes)


def _fingerprint(name: str, store: Store) -> str:
    try:
        return load_catalog(name, data_folders=[store.data], catalogs=store.catalogs).fingerprint
    except LrerankError:
        return ""
