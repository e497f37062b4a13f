"""The demo store of a catalog: made-up users and a model trained on them, made once and kept on disk.

It lies beside the user's own models and log and never mixes with them. Every browser session works on a copy of its
own, so that a click in one window moves nothing in another, and a restart begins where the first start did.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-not-found, import-untyped, unused-ignore]

from lrerank.data.catalog import Catalog
from lrerank.data.load import load_catalog
from lrerank.files import locked, readable_errors, write_atomically
from lrerank.pipeline import Pipeline
from lrerank.store import Store
from lrerank.synthetic import interactions, populate
from lrerank.training import TrainingOptions, TrainingRun, log_interactions
from lrerank.ui.demo_queries import asked_of

MODEL_ID = "demo"
BEFORE_LEARNING = (
    {
        "stage_type": "filter",
        "stage_id": "hybrid_search",
        "parameters": {"query": "{{INPUT.query}}", "vector_index": "default", "top_k": 50},
    },
    {"stage_type": "sort", "stage_id": "rerank", "parameters": {"model": "lexical", "top_n": 30}},
)

_USERS_FILE, _QUERIES_FILE = "users.json", "queries.json"
# A few seconds of learning: enough for tastes to show, short enough to wait for.
_USERS, _REQUESTS, _SEED = 40, 1000, 7
# Raise it when learning changes, so that models of an older kind are made anew.
_RECIPE = 4

Tell = Callable[[str, float], None]


class DemoStore(Store):
    """A demo store or a working copy of one; it shares the text indexes of the user's own store, which nobody changes."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, organisation="demo")

    @property
    def indexes(self) -> Path:
        return Store().indexes


def catalog_of(name: str) -> Catalog:
    """A catalog by name: of a built-in world, one of the user's own, or a public data set that was fetched.

    Raises:
        DataError: there is none of this name, or it can't be read.
    """
    store = Store()
    return load_catalog(name, data_folders=[store.data], catalogs=store.catalogs)


def forget(name: str, home: Path | None = None) -> None:
    """Removes the demo stores of a catalog that is gone, as far as nobody has them open.

    Args:
        name: the catalog's.
        home: as in `ready`.
    """
    for folder in (home or Store().home / "demo").glob(f"{name}-*"):
        # The beginning of another catalog's name may be this one's.
        if re.fullmatch("[0-9a-f]{8}", folder.name.removeprefix(f"{name}-")):
            shutil.rmtree(folder, ignore_errors=True)


def queries(store: Store) -> list[str]:
    """What the made-up users of a demo store search for: what the catalog has, without misspellings."""
    return _kept(store, _QUERIES_FILE)


def ready(catalog: Catalog | str, home: Path | None = None, tell: Tell | None = None) -> Store:
    """A catalog's demo store, made if need be. Whoever comes second, also from another process, waits for the first.

    Args:
        catalog: or its name.
        home: where demo stores lie; `demo` in the default store's home.
        tell: is told what is being done and how much of it is, 0 to 1.

    Raises:
        DataError: users of this catalog can't be made up.
        StorageError: the folder can't be written.
    """
    tell = tell or _silent
    tell("Reading the catalog", 0.0)
    if isinstance(catalog, str):
        catalog = catalog_of(catalog)
    folder = (home or Store().home / "demo") / f"{catalog.name}-{_recipe(catalog)}"
    store = DemoStore(folder)
    with readable_errors(folder, "the demo"):
        folder.mkdir(parents=True, exist_ok=True)
        if MODEL_ID not in store.models.ids():
            with locked(folder / ".lock"):
                if MODEL_ID not in store.models.ids():
                    # Two threads spend more time on waiting for each other than on these small matrices.
                    with threadpool_limits(1):
                        _make(catalog, store, tell)
    return store


def users(store: Store) -> list[str]:
    """The made-up users of a demo store."""
    return _kept(store, _USERS_FILE)


def working_copy(store: Store) -> tuple[DemoStore, tempfile.TemporaryDirectory[str]]:
    """A copy of a demo store to click in, and the folder that holds it, gone when nobody holds that any more."""
    # Windows can't remove a database that a thread still has open; its own cleaning up gets it.
    folder = tempfile.TemporaryDirectory(prefix="lrerank-demo-", ignore_cleanup_errors=True)
    home = Path(folder.name) / "store"
    with readable_errors(home, "a copy of the demo"):
        shutil.copytree(store.home, home, ignore=shutil.ignore_patterns(".lock"))
    return DemoStore(home), folder


def _make(catalog: Catalog, store: Store, tell: Tell) -> None:
    """Made-up users search and click; the log gets it; a model learns it and is published last, as the sign of success."""
    tell("Indexing the catalog's words", 0.05)
    pipeline = Pipeline.from_json([*BEFORE_LEARNING])
    pipeline.run({"query": catalog.text(catalog.text_paths[0], 0) or "any"}, catalog=catalog, store=store, rng=0)
    tell("Made-up users search and click", 0.3)
    # Fetched data lie in the default store.
    asked, judged = asked_of(catalog, Store(), pipeline)
    population = populate(catalog, asked, judged, users=_USERS, seed=_SEED)
    happened = list(interactions(population, requests=_REQUESTS, seed=_SEED, store=store))
    tell("A model learns from their clicks", 0.45)
    run = TrainingRun(MODEL_ID, catalog, happened, pipeline=pipeline, store=store, source="made-up users")
    for progress in run:
        if progress.done % 50 == 0:
            tell("A model learns from their clicks", 0.45 + 0.5 * progress.done / progress.total)
    log_interactions(store, catalog, happened)
    write_atomically(store.home / _USERS_FILE, json.dumps(population.users).encode())
    write_atomically(store.home / _QUERIES_FILE, json.dumps(asked["query"].tolist()).encode())
    run.publish()
    tell("Done", 1.0)


def _kept(store: Store, name: str) -> list[str]:
    with readable_errors(store.home, "the demo"):
        found: list[str] = json.loads((store.home / name).read_bytes())
    return found


def _silent(what: str, share: float) -> None:
    """For callers who don't want to be told."""


def _recipe(catalog: Catalog) -> str:
    """Names everything a demo store depends on."""
    try:
        release = version("lrerank")
    except PackageNotFoundError:  # run from a checkout that is not installed
        release = ""
    parts = [
        _RECIPE,
        release,
        _USERS,
        _REQUESTS,
        _SEED,
        BEFORE_LEARNING,
        asdict(TrainingOptions()),
        catalog.fingerprint,
    ]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:8]
