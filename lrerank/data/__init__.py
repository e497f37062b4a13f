"""Catalogs and logs: readers, validation, the registry of public data sets, the built-in worlds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrerank.data.describing import describe
    from lrerank.data.frames import catalog_from_frame
    from lrerank.data.interaction_files import read_interactions
    from lrerank.data.judgment_files import read_judged
    from lrerank.data.load import load_catalog

__all__ = ["catalog_from_frame", "describe", "load_catalog", "read_interactions", "read_judged"]

_HOMES = {
    "catalog_from_frame": "frames",
    "describe": "describing",
    "load_catalog": "load",
    "read_interactions": "interaction_files",
    "read_judged": "judgment_files",
}


def __getattr__(name: str) -> Any:
    # Whoever needs only the catalog's types does not wait for pandas and pyarrow.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
