"""What the commands share: their options, their tables, and how they speak to programs."""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from lrerank.data.catalog import Catalog
from lrerank.data.load import load_with_notes
from lrerank.errors import InputError
from lrerank.evaluation.intervals import Estimate
from lrerank.store import Store

CatalogOption = Annotated[
    str,
    typer.Option(
        "--catalog",
        "-c",
        help="marketplace, news, movies, one of your own, or a CSV, Parquet or JSON lines file.",
        show_default=False,
    ),
]
CardOption = Annotated[
    Path | None, typer.Option("--card", help="How to read the catalog file; by default <file>.card.toml beside it.")
]
InputsOption = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", help="Fills {{INPUT.name}}: name=value, as often as needed.", metavar="NAME=VALUE"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_NARROWEST = 8  # cells, of a column that may wrap

console = Console()
# What is not the result (progress, notes) goes to standard error, so that a pipe gets the result alone.
aside = Console(stderr=True)


def open_catalog(name_or_path: str, card: Path | None, store: Store) -> Catalog:
    """The catalog, telling on standard error what was noticed while reading it."""
    loaded = load_with_notes(name_or_path, card, [store.data], store.catalogs)
    for note in loaded.notes:
        say(note)
    return loaded.catalog


def check_folder(out: Path) -> None:
    """Refuses a file whose folder is not there."""
    if not out.absolute().parent.is_dir():
        raise InputError("there is no such folder", path=str(out.parent), remedy="Make it, or name another")


def read_inputs(
    pairs: Sequence[str] | None, option: str = "--input", example: str = 'query="trail shoes"'
) -> dict[str, str]:
    """`["query=trail shoes"]` → `{"query": "trail shoes"}`."""
    inputs: dict[str, str] = {}
    for pair in pairs or ():
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise InputError("this is written NAME=VALUE", path=option, value=pair, remedy=f"Write {option} {example}")
        if name in inputs:
            raise InputError("this name is given twice", path=option, value=name, remedy="Give it once")
        inputs[name] = value
    return inputs


def print_json(found: Any) -> None:
    """JSON with no number that JSON does not know: what is not finite becomes null."""
    is_unicode = (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "utf16", "utf32")
    json.dump(_finite(found), sys.stdout, ensure_ascii=not is_unicode, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
    cut_last: bool = False,
    title: str | None = None,
) -> None:
    """A table; columns in `right` hold numbers, those in `whole` never wrap, the last one may end in … to fit a line."""
    rows = [[printable(cell) for cell in row] for row in rows]
    if cut_last:
        others = [max(map(cell_len, cells)) + 2 for cells in zip(columns, *rows, strict=True)][:-1]
        room = max(console.width - sum(others), len(columns[-1]))
        rows = [
            [*row[:-1], set_cell_size(row[-1], room - 1) + "…" if cell_len(row[-1]) > room else row[-1]] for row in rows
        ]
    if title is not None:  # a title of the table's own would wrap at the table's width
        console.print(escape(title), style="italic", highlight=False)
    drawn = Table(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        drawn.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=column in whole,
        )
    for row in rows:
        drawn.add_row(*(escape(cell) for cell in row))
    # Numbers are not cut: a terminal that is too narrow wraps the lines instead.
    needed = sum(
        (max(map(cell_len, cells)) if cells[0] in whole else _NARROWEST) + 2
        for cells in zip(columns, *rows, strict=True)
    )
    if needed > console.width:
        drawn.width = needed
    console.print(drawn, crop=False)


def say(sentence: str) -> None:
    aside.print(escape(printable(sentence)), highlight=False, style="dim", soft_wrap=True)


def printable(text: str) -> str:
    """The text without control characters: what a catalog holds must not steer the terminal."""
    return "".join(" " if character in "\t\n\r" else character for character in text if _is_visible(character))


def progress() -> Progress:
    """A bar on standard error that shows how much is left."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn("{task.fields[note]}"), console=aside, transient=True)


def interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"none: {estimate.note}"
    return f"{estimate.low:.4f} to {estimate.high:.4f}"


def key_values(found: Mapping[str, Any], depth: int = 0) -> list[tuple[str, str]]:
    """A nested mapping as rows, for cards."""
    rows: list[tuple[str, str]] = []
    for name, value in found.items():
        label = "  " * depth + str(name)
        if isinstance(value, Mapping):
            rows.append((label, ""))
            rows.extend(key_values(value, depth + 1))
        elif isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
            for place, item in enumerate(value, start=1):
                rows.append((f"{label} {place}", ""))
                rows.extend(key_values(item, depth + 1))
        elif isinstance(value, list | tuple):
            rows.append((label, ", ".join(map(str, value)) or "none"))
        else:
            rows.append((label, f"{value:.4g}" if isinstance(value, float) else str(value)))
    return rows


def _is_visible(character: str) -> bool:
    return character in "\t\n\r" or unicodedata.category(character) not in ("Cc", "Cs")


def _finite(found: Any) -> Any:
    if isinstance(found, Mapping):
        return {name: _finite(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [_finite(value) for value in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found
