"""What each column of a file is: as it is guessed, as the user corrects it, and as a card says it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from lrerank.data.cards import Card, FieldCard
from lrerank.data.catalog import Catalog, CategoricalColumn, ListColumn
from lrerank.data.frames import TITLE_NAMES, LoadedCatalog, guess_id, identifies, load_frame
from lrerank.data.values import clean_text, plain
from lrerank.types import FieldKind
from lrerank.ui.catalogs.upload import Upload

KINDS: tuple[FieldKind, ...] = ("text", "categorical", "list", "numeric", "boolean", "date")
_SEARCHABLE = ("text", "categorical", "list")
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Use:
    """What is done with one column.

    Attributes:
        kept: False leaves it out.
        searched: text search looks into it.
        ranks: `features: "auto"` may use it.
        examples: a few values, for people.
        hint: how the values were read, or why not as numbers, where that is to be said of the guessed kind.
    """

    column: str
    kind: FieldKind
    kept: bool = True
    searched: bool = False
    ranks: bool = True
    examples: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Mapping:
    """How a file is read.

    Attributes:
        id: column with the documents' ids; None where it is not known yet.
        title: column that is shown first; None for no title.
        segment: column that names inferred segments; None for no names.
        uses: all columns, in the file's order.
    """

    id: str | None
    title: str | None
    segment: str | None
    uses: tuple[Use, ...]

    def card(self, title: str = "", licence: str = "", source: str = "") -> Card:
        """The same as a card. The columns that the file has beside these are left out."""
        kept = [use for use in self.uses if self._is_there(use)]
        searched = [use.column for use in kept if use.searched and use.kind in _SEARCHABLE]
        names = {use.column for use in kept}
        first = [self.title] if self.title in names and self.title is not None else []
        return Card(
            title=title,
            licence=licence,
            source=source,
            id=self.id,
            text=tuple(dict.fromkeys([*first, *searched])),
            segment=self.segment if self.segment in names else None,
            only_listed=True,
            fields={use.column: FieldCard(kind=use.kind, feature=use.ranks) for use in kept},
        )

    def titles(self) -> list[str]:
        """Columns that can be the title."""
        return [use.column for use in self.uses if self._is_there(use) and use.kind in _SEARCHABLE]

    def hints(self) -> list[str]:
        """What is to be said of how columns are read."""
        return [f"{use.column}: {use.hint}" for use in self.uses if use.hint and self._is_there(use)]

    def segments(self) -> list[str]:
        """Columns that can name segments."""
        named = ("categorical", "list")
        return [use.column for use in self.uses if self._is_there(use) and use.kind in named]

    def _is_there(self, use: Use) -> bool:
        return use.kept and use.column not in ("", self.id)


def guess(upload: Upload) -> Mapping:
    """What the columns seem to be: as `load_catalog` would read them, but for two things.

    Words that many documents share are searched beside titles and texts, because simulated users ask for them. A title
    is text also where several documents share it: liking one says nothing of others.

    Raises:
        DataError: a value can't be read.
    """
    frame = upload.frame.rename(columns=str)
    # Ids of our own, so that kinds are known whatever the user takes for the ids.
    number = max(frame.columns, key=len, default="") + "#"
    numbered = frame.assign(**{number: [f"row {row}" for row in range(len(frame))]})
    loaded = load_frame(numbered, Card(id=number), upload.stem, place=upload.name)
    catalog = loaded.catalog
    column_of = {clean_text(column) or column: column for column in frame.columns}
    id_column = guess_id(frame)
    texts = [column_of[path] for path in catalog.text_paths if column_of[path] != id_column]
    title = texts[0] if texts else None
    uses = []
    for known in catalog.fields:
        column = column_of[known.path]
        if column == title and known.name.lower() in TITLE_NAMES:
            uses.append(Use(column, "text", searched=True, ranks=False, examples=_examples(frame[column])))
            continue
        shared = known.feature and _is_shared(catalog, known.path)
        ranks = known.feature and column != id_column
        hint = loaded.hints.get(column, "")
        uses.append(Use(column, known.kind, True, column in texts or shared, ranks, _examples(frame[column]), hint))
    segment = column_of[catalog.segment_path] if catalog.segment_path else None
    return Mapping(id_column, title, segment, tuple(uses))


def possible_ids(upload: Upload) -> list[str]:
    """Columns whose values could be ids."""
    frame = upload.frame.rename(columns=str)
    return [column for column in frame.columns if column and identifies(frame[column])]


def with_table(mapping: Mapping, table: pd.DataFrame) -> Mapping:
    """The mapping as it was edited in `to_table`'s table."""
    edited = {str(row["column"]): row for row in table.to_dict("records")}
    uses = []
    for use in mapping.uses:
        if row := edited.get(use.column):
            kept, searched, ranks = bool(row["kept"]), bool(row["searched"]), bool(row["ranks"])
            kind = row["kind"] or use.kind
            hint = use.hint if kind == use.kind else ""
            use = replace(use, kind=kind, kept=kept, searched=searched, ranks=ranks, hint=hint)
        uses.append(use)
    return replace(mapping, uses=tuple(uses))


def to_table(mapping: Mapping) -> pd.DataFrame:
    """A row for each column but the id, to be edited."""
    names = ("column", "kept", "kind", "searched", "ranks", "examples")
    return pd.DataFrame(
        [[getattr(use, name) for name in names] for use in mapping.uses if use.column != mapping.id],
        columns=list(names),
    )


def checked(upload: Upload, mapping: Mapping, card: Card | None = None) -> LoadedCatalog:
    """The catalog that the mapping makes of the file, with what is to be noted.

    Raises:
        DataError: missing or repeated ids, values that don't fit their kind.
    """
    return load_frame(upload.frame, card or mapping.card(), upload.stem, place=upload.name)


def _is_shared(catalog: Catalog, path: str) -> bool:
    """Whether these are words, and documents share them."""
    column = catalog.column(path)
    if not isinstance(column, CategoricalColumn | ListColumn) or not 2 <= len(column.vocabulary) <= len(catalog) / 2:
        return False
    return sum(any(map(str.isalpha, word)) for word in column.vocabulary) > len(column.vocabulary) / 2


def _examples(series: pd.Series[Any], limit: int = 3) -> str:
    words: dict[str, None] = {}
    for value in map(plain, series.head(200)):
        if value is not None and len(words) < limit:
            said = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            words[said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"] = None
    return " · ".join(word for word in words if word)
