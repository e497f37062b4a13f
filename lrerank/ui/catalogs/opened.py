"""A catalog as the page shows it: everything that is computed once for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lrerank.data.catalog import Catalog
from lrerank.data.frames import LoadedCatalog
from lrerank.data.load import load_with_notes
from lrerank.errors import LrerankError
from lrerank.store import Store
from lrerank.ui.catalogs.fields import FieldRow, asked, field_rows, preview, why_not_simulated

_EXAMPLES = 4


@dataclass(frozen=True)
class Opened:
    """What a catalog holds.

    Attributes:
        notes: what was noticed while reading it.
        rows: its fields.
        first: its first documents.
        queries: what simulated users will ask; () where they can't.
        queries_note: where the queries come from, or why there are none.
    """

    catalog: Catalog
    notes: Sequence[str]
    rows: Sequence[FieldRow]
    first: pd.DataFrame
    queries: Sequence[str]
    queries_note: str

    @property
    def can_be_simulated(self) -> bool:
        """Whether simulated users have something to ask for."""
        return bool(self.queries)

    def count(self, use: str) -> int:
        """How many fields have this use."""
        return sum(use in row.uses for row in self.rows)

    def told_queries(self) -> str:
        """A sentence on what simulated users will ask."""
        if not self.queries:
            return self.queries_note
        step = max(1, len(self.queries) // _EXAMPLES)
        shown = ", ".join(f"“{query}”" for query in list(self.queries)[::step][:_EXAMPLES])
        return f"What simulated users search for: {self.queries_note}, such as {shown}."


def opened(loaded: LoadedCatalog, store: Store) -> Opened:
    """Looks at a catalog from all sides."""
    catalog = loaded.catalog
    try:
        queries, note = asked(catalog, store)
    except LrerankError as error:
        queries, note = (), why_not_simulated(error)
    return Opened(catalog, loaded.notes, field_rows(catalog), preview(catalog), queries, note)


def open_named(name: str, store: Store) -> Opened:
    """The catalog of a name.

    Raises:
        DataError: it can't be read.
    """
    return opened(load_with_notes(name, data_folders=[store.data], catalogs=store.catalogs), store)
