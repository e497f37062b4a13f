"""The text index of a catalog: words and embeddings, built in seconds, kept on disk and in memory."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrerank.data.catalog import Catalog
from lrerank.errors import DataError
from lrerank.files import readable_errors, write_atomically
from lrerank.retrieval.embeddings import Embeddings, Encoder, encoder
from lrerank.retrieval.lexical import LexicalIndex
from lrerank.retrieval.neural import stamp
from lrerank.types import FloatArray

# Part of every cache key: raise it when what is stored, or how words are made, changes.
FORMAT = 1
_KEPT_IN_MEMORY = 4


@dataclass(frozen=True)
class TextIndex:
    """What retrieval and static models know of a catalog's texts.

    Attributes:
        lexical: words and BM25.
        encoder_name: as in the catalog's `indexes`.
        document_embeddings: [documents, d] rows of length 1, or 0 for a document without a known word.
    """

    lexical: LexicalIndex
    encoder_name: str
    document_embeddings: Embeddings
    _encoder: Encoder

    def __len__(self) -> int:
        return len(self.lexical)

    def lexical_scores(self, query: str) -> FloatArray:
        """[documents] BM25 over all searched fields as one text; 0 for a document with none of the words."""
        codes = self.lexical.codes(query)
        return self.lexical.overall.total(codes[codes >= 0], len(self))

    def field_scores(self, query: str) -> FloatArray:
        """[fields, documents] BM25 of every searched field by itself."""
        codes = self.lexical.codes(query)
        known = codes[codes >= 0]
        return np.stack([postings.total(known, len(self)) for postings in self.lexical.by_field])

    def embed_query(self, query: str) -> Embeddings:
        """[d] of length 1, or 0 for a query without a known word; its dot products with documents are cosines."""
        return self._encoder.query(query)


def text_index(catalog: Catalog, cache_folder: Path, encoder_name: str = "lsa") -> TextIndex:
    """The index of a catalog: from memory, else from the cache, else built and cached.

    Several processes may do this at once: each builds its own, and the cache file is whole at any moment.

    Args:
        catalog: with at least one document and one searched field.
        cache_folder: made if need be; may be deleted at any time.
        encoder_name: as in `lrerank.retrieval.embeddings`.

    Raises:
        DataError: nothing to search, or no such encoder.
        MissingExtraError: the encoder's library or weights are not on this machine.
        StorageError: the cache folder can't be written.
    """
    if not catalog.text_paths or not len(catalog):
        raise DataError(
            f"catalog {catalog.name!r} has nothing to search",
            path="text",
            remedy="Name at least one text field in its card",
        )
    key = json.dumps(
        [FORMAT, catalog.fingerprint, list(catalog.text_paths), len(catalog), encoder_name, stamp(encoder_name)]
    )
    with _LOCK:
        if key in _MEMORY:
            _MEMORY.move_to_end(key)
            return _MEMORY[key]
        path = cache_folder / f"{catalog.fingerprint}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"
        index = _read(path, key, catalog, encoder_name) or _build(path, key, catalog, encoder_name)
        _MEMORY[key] = index
        while len(_MEMORY) > _KEPT_IN_MEMORY:
            _MEMORY.popitem(last=False)
        return index


def forget_indexes(fingerprint: str, cache_folder: Path) -> None:
    """Removes what is cached for the catalogs of a fingerprint.

    Raises:
        StorageError: the cache folder can't be written.
    """
    with readable_errors(cache_folder, "the cache of indexes"):
        for path in cache_folder.glob(f"{fingerprint}-*.npz"):
            path.unlink(missing_ok=True)


_MEMORY: OrderedDict[str, TextIndex] = OrderedDict()
_LOCK = Lock()


def _build(path: Path, key: str, catalog: Catalog, encoder_name: str) -> TextIndex:
    lexical = LexicalIndex.build(catalog)
    made = encoder(encoder_name, lexical)
    index = TextIndex(lexical, encoder_name, made.documents(catalog), made)
    stored: dict[str, NDArray[Any]] = {
        "key": np.frombuffer(key.encode(), dtype=np.uint8),
        "embeddings": index.document_embeddings,
        **lexical.arrays(),
        **made.arrays(),
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **stored)
    with readable_errors(path.parent, "the cache of indexes"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
    return index


def _read(path: Path, key: str, catalog: Catalog, encoder_name: str) -> TextIndex | None:
    """The cached index; None where there is none or it is damaged: then it is built again."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            # Reading a member to its end checks its sum.
            stored: Mapping[str, NDArray[Any]] = {name: archive[name] for name in archive.files}
        if stored["key"].tobytes().decode() != key:
            return None
        lexical = LexicalIndex.from_arrays(catalog.text_paths, stored)
        return TextIndex(lexical, encoder_name, stored["embeddings"], encoder(encoder_name, lexical, stored))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None
