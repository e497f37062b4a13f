"""`lrerank data`."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, TextIO

import typer

from lrerank.cli.common import (
    CardOption,
    CatalogOption,
    JsonOption,
    console,
    key_values,
    open_catalog,
    print_json,
    progress,
    say,
    table,
)
from lrerank.data import own, registry, worlds
from lrerank.data.describing import describe
from lrerank.data.judgment_files import Judged, match, read_judged
from lrerank.data.load import search_folders
from lrerank.errors import DataError
from lrerank.files import StorageError
from lrerank.store import Store

app = typer.Typer(
    help="Catalogs and public data sets: list, show, fetch, and interactions to try things with.", no_args_is_help=True
)

# (a feature, searched) → what a field is used to do.
_USES = {(True, True): "both", (True, False): "rank", (False, True): "search", (False, False): ""}


@app.command("list")
def list_data(as_json: JsonOption = False) -> None:
    """List the built-in worlds, the public data sets and your own catalogs."""
    store = Store()
    folders = search_folders([store.data])
    cards = registry.list_datasets()
    rows = [[name, "built in", worlds.catalog(name).title, ""] for name in worlds.NAMES]
    rows += [
        [
            card.name or "",
            "fetched" if any((folder / (card.name or "")).is_dir() for folder in folders) else "not fetched",
            card.title,
            card.licence,
        ]
        for card in cards
    ]
    for name in own.own_names(store.catalogs):
        try:
            kept = own.open_own(store.catalogs, name)
        except DataError as error:
            rows.append([name, "damaged", error.message, ""])
        else:
            rows += [[name, "yours", kept.card.title, kept.card.licence]] if kept else []
    if as_json:
        print_json([dict(zip(("name", "state", "title", "licence"), row, strict=True)) for row in rows])
    else:
        # The licence in a word or two; its conditions are on the card.
        short = [[*row[:-1], re.split(r"[(;]", row[-1])[0].strip()] for row in rows]
        table(["name", "state", "title", "licence"], short, whole=("name", "state", "licence"))
        say("lrerank data show NAME shows a card, lrerank data fetch NAME gets a data set")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A built-in world, a public data set, or a catalog file.")],
    card: CardOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a data set's card, or a catalog's fields with their kinds."""
    public = {alias: one for one in registry.list_datasets() for alias in (one.name, *one.aliases)}
    if name in public and not (public[name].catalog_file and (Store().data / str(public[name].name)).is_dir()):
        found = public[name].model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        if as_json:
            print_json(found)
        else:
            table(["card", ""], key_values(found))
        return
    catalog = open_catalog(name, card, Store())
    fields = describe(catalog)
    if as_json:
        print_json({"name": catalog.name, "documents": len(catalog), "fields": [_field(one) for one in fields]})
        return
    rows = [
        [
            one.path,
            one.kind,
            _USES[one.feature, one.searched],
            f"{one.filled:.0%}",
            str(one.distinct),
            one.range or ", ".join(one.examples),
        ]
        for one in fields
    ]
    table(
        ["field", "kind", "used to", "filled", "distinct", "values"],
        rows,
        right=("filled", "distinct"),
        whole=("field", "kind", "filled", "distinct"),
        cut_last=True,
        title=f"{catalog.name}: {len(catalog)} documents",
    )


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A public data set.")],
    from_folder: Annotated[
        Path | None, typer.Option("--from", help="Take a local copy instead of downloading.")
    ] = None,
) -> None:
    """Fetch a public data set; what does not match its checksums is refused."""
    fetched = registry.fetch(name, Store().data, from_folder)
    table(["file", "is"], [[file, what] for file, what in fetched.files.items()], title=str(fetched.folder))


@app.command()
def interactions(
    catalog: CatalogOption,
    out: Annotated[Path, typer.Option(help="The JSON lines file to write.", show_default=False)],
    users: Annotated[int, typer.Option(help="How many users.", min=1)] = 300,
    requests: Annotated[int, typer.Option(help="How many searches.", min=1)] = 6000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same file.", min=0)] = 0,
    queries: Annotated[Path | None, typer.Option(help="query_id and query; built-in worlds have their own.")] = None,
    judgments: Annotated[Path | None, typer.Option(help="query_id, doc_id, grade.")] = None,
    card: CardOption = None,
) -> None:
    """Write interactions of made-up users with a catalog, to try training with.

    lrerank data interactions -c marketplace --out interactions.jsonl
    """
    from lrerank.synthetic import interactions as draw
    from lrerank.synthetic import populate, to_json

    store = Store()
    documents = open_catalog(catalog, card, store)
    judged = _judged(documents.name, queries, judgments, documents)
    try:
        population = populate(documents, judged.queries, judged.judgments, users=users, seed=seed)
    except ValueError as error:  # the simulators know neither catalogs nor our errors
        remedy = "Take a catalog with more documents, or with fewer values per document"
        raise DataError(
            f"this catalog can't carry made-up users: {error}", value=documents.name, remedy=remedy
        ) from None
    written = 0
    with _replaced(out) as stream, progress() as bar:
        task = bar.add_task("searching", total=requests, note="")
        for one in draw(population, requests=requests, seed=seed, store=store):
            stream.write(json.dumps(to_json(one), ensure_ascii=False) + "\n")
            written += 1
            bar.update(task, advance=one.interaction_type == "impression")
    console.print(f"{out}: {written} interactions of {users} made-up users in {requests} searches", highlight=False)
    say("synthetic taste on real queries and documents: it shows how things work, not how people are")


@contextmanager
def _replaced(path: Path) -> Iterator[TextIO]:
    """A file to write, which takes the place of `path` once it is whole.

    Raises:
        StorageError: there is something else than a file, or it can't be written.
    """
    temporary = path.parent / f".{path.name[:60]}.{secrets.token_hex(4)}"
    try:
        if not path.name or (path.exists() and not path.is_file()):
            # A device or pipe would be replaced by a file, not written to.
            raise StorageError("this is no file to write", path=str(path), remedy="Give --out the name of a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as stream:
            yield stream
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"can't be written: {reason}", path=str(path), remedy="Give --out another file") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _judged(name: str, queries: Path | None, judgments: Path | None, catalog) -> Judged:  # type: ignore[no-untyped-def]
    if queries is not None and judgments is not None:
        return read_judged(queries, judgments, catalog)
    if name not in worlds.NAMES or queries is not None or judgments is not None:
        raise DataError(
            "made-up users need queries with judgments", value=name, remedy="Give --queries and --judgments"
        )
    return match(worlds.queries(name), worlds.judgments(name), catalog)


def _field(one) -> dict[str, object]:  # type: ignore[no-untyped-def]
    return {
        name: getattr(one, name)
        for name in ("path", "kind", "feature", "searched", "filled", "distinct", "examples", "range")
    }
