"""A world: documents, queries and what nobody in it knows. Its seed fixes them; a replicate peoples it anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulators.document_factors import DocumentFactors
from simulators.parameters import WorldParameters
from simulators.taste import Likings, draw_likings
from simulators.variates import hashes

if TYPE_CHECKING:
    from simulators.replicate import Replicate

# What a seed is drawn upon for.
_PUBLIC, _QUALITY, _HIDDEN, _LIKINGS, _MEMBERS, _OWN = range(1, 7)


@dataclass(frozen=True)
class Documents:
    """What the truth needs to know of a catalog of n documents.

    Attributes:
        values: [n, v] indicators of 0 and 1: the values that taste may be about, several fields side by side; numbers
            come in classes.
        topics: [n] what a user tires of: codes from 0; -1 for none.

    Raises:
        ValueError: the shapes differ; values other than 0 and 1; no documents.
    """

    values: NDArray[np.float64]
    topics: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or len(self.values) == 0 or self.topics.shape != self.values.shape[:1]:
            raise ValueError(f"documents of shapes {self.values.shape} and {self.topics.shape}")
        if not np.isin(self.values, (0, 1)).all():
            raise ValueError("values are indicators of 0 and 1")
        if self.topics.min() < -1:
            raise ValueError("topics are codes from 0, or -1")

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Queries:
    """Candidates of q queries and how relevant they are, whoever asks.

    Attributes:
        rows: [q, c] rows of the catalog; -1 after the last candidate. No document twice for a query.
        relevance: [q, c] in 0..1; ignored where there is no document.

    Raises:
        ValueError: the shapes differ; a relevance outside 0..1; a document twice; a query without candidates.
    """

    rows: NDArray[np.int64]
    relevance: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or self.rows.size == 0 or self.relevance.shape != self.rows.shape:
            raise ValueError(f"queries of shapes {self.rows.shape} and {self.relevance.shape}")
        there = self.rows >= 0
        if not there[:, 0].all() or (there[:, 1:] & ~there[:, :-1]).any():
            raise ValueError("every query has a candidate, and those of a query stand before the -1")
        if not ((self.relevance[there] >= 0) & (self.relevance[there] <= 1)).all():
            raise ValueError("relevance is in 0..1")
        ordered = np.sort(self.rows, axis=1)
        if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
            raise ValueError("a document is a candidate of a query once only")

    def __len__(self) -> int:
        return len(self.rows)


class World:
    """Documents' quality, what is hidden in them, what segments like, how popular queries are: all from one seed.

    Attributes:
        quality: [n] logits; mean 0 and standard deviation `quality_spread`, exactly.
        purchase: [n] probability that a click on the document becomes a purchase.
        launched: [n] moment of the run from which the document exists, as a share of it; 0 = from the start.
        query_weights: [q] relative frequency of the queries.
    """

    def __init__(
        self,
        parameters: WorldParameters,
        documents: Documents,
        queries: Queries,
        seed: int,
        *,
        truth_seed: int | None = None,
    ) -> None:
        """
        Args:
            seed: of everything, 0 or more.
            truth_seed: of what no policy may know, if it is to be another one: quality, tastes, segments. Arrivals,
                launches and luck stay.

        Raises:
            ValueError: a negative seed; candidates that are no documents; values that can't show what they shall.
        """
        self.parameters, self.documents, self.queries = parameters, documents, queries
        self.seed, self.truth_seed = seed, seed if truth_seed is None else truth_seed
        if self.seed < 0 or self.truth_seed < 0:
            raise ValueError(f"seed is {min(self.seed, self.truth_seed)}, not 0 or more")
        if queries.rows.max() >= len(documents):
            raise ValueError(f"row {queries.rows.max()} is not one of the {len(documents)} documents")
        public = np.random.default_rng([seed, _PUBLIC])
        self.query_weights = public.permutation(np.arange(1.0, len(queries) + 1)) ** -parameters.query_exponent
        later = public.random(len(documents)) < parameters.launches
        self.launched = np.where(later, public.random(len(documents)), 0.0)
        rng = np.random.default_rng([self.truth_seed, _QUALITY])
        self.quality = parameters.quality_spread * _standardised(rng.standard_normal(len(documents)))
        self.purchase = _purchase(parameters, _standardised(rng.standard_normal(len(documents))))
        self.factors: DocumentFactors | None = None
        if parameters.taste_strength > 0:
            rng = np.random.default_rng([self.truth_seed, _HIDDEN])
            hide = parameters.hidden_share > 0
            self.factors = DocumentFactors(rng, documents.values, parameters.hidden_dimensions, hide=hide)

    def likings(self, epoch: int) -> Likings:
        """What the segments like after `epoch` sudden changes of taste."""
        rng = np.random.default_rng([self.truth_seed, _LIKINGS, epoch])
        return draw_likings(rng, self.documents.values.shape[1], self.parameters)

    def members(self, number: int) -> NDArray[np.int64]:
        """[users] the segment of every user of a replicate."""
        rng = np.random.default_rng([self.truth_seed, _MEMBERS, number])
        return rng.integers(self.parameters.segments, size=self.parameters.users)

    def own(self, number: int, epoch: int) -> np.random.Generator:
        """The source of what is each user's own in a replicate, after `epoch` sudden changes of taste."""
        return np.random.default_rng([self.truth_seed, _OWN, number, epoch])

    def replicate(self, number: int, impressions: int) -> Replicate:
        """New users, arrivals and luck in this world.

        Args:
            number: which, 0 or more.
            impressions: length of the run: users are born and documents launched all along it.

        Raises:
            ValueError: a negative number, no impressions, or values that can't show what they shall.
        """
        from simulators.replicate import Replicate

        return Replicate(self, number, impressions)

    def key(self, number: int) -> int:
        """What all luck of a replicate is keyed by: another one in each replicate of each world."""
        return int(hashes(self.seed, number))


def _standardised(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean 0 and standard deviation 1, exactly; 0 for a single one."""
    centred = draws - draws.mean()
    return np.asarray(centred / centred.std() if len(draws) > 1 else centred)


def _purchase(parameters: WorldParameters, standard: NDArray[np.float64]) -> NDArray[np.float64]:
    p = parameters.purchase_probability
    if p in (0.0, 1.0):
        return np.full(len(standard), float(p))
    return np.asarray(1.0 / (1.0 + (1.0 - p) / p * np.exp(-parameters.purchase_spread * standard)))
