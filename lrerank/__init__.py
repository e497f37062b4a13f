"""An interactive experimentation workbench for learned reranking.

>>> from lrerank import Pipeline
>>> pipeline = Pipeline.find("search", "marketplace")
>>> ranking = pipeline.run({"query": "trail running shoes"}, catalog="marketplace")
>>> len(ranking.documents)
50
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrerank.data.load import load_catalog
    from lrerank.errors import LrerankError
    from lrerank.pipeline import Pipeline, Ranking
    from lrerank.store import Store

__all__ = ["LrerankError", "Pipeline", "Ranking", "Store", "load_catalog"]

_HOMES = {
    "LrerankError": "lrerank.errors",
    "Pipeline": "lrerank.pipeline",
    "Ranking": "lrerank.pipeline",
    "Store": "lrerank.store",
    "load_catalog": "lrerank.data.load",
}


def __getattr__(name: str) -> Any:
    """Imports on first use: a short command must not pay for Vowpal Wabbit and pydantic."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lrerank' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
