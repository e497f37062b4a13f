"""Users' taste over a catalog: a part that its values show, and a part that no feature shows.

If taste were a function of the very features that a learner crosses with users, the world would be the learner's own
model and every result would flatter it. So a stated share of taste is made invisible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_CELLS = 4_000_000

Part = Literal["all", "visible", "hidden"]


def list_indicators(offsets: NDArray[np.int64], codes: NDArray[np.int32], size: int) -> NDArray[np.float64]:
    """Which values each document has: [documents, size] of 0 and 1.

    Args:
        offsets: [documents + 1]: document i has codes[offsets[i]:offsets[i + 1]].
        codes: values, 0..size-1.
        size: number of different values.
    """
    matrix = np.zeros((len(offsets) - 1, size))
    matrix[np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)), codes] = 1.0
    return matrix


def category_indicators(codes: NDArray[np.int32], size: int) -> NDArray[np.float64]:
    """Which value each document has: [documents, size] of 0 and 1; a row of zeros where the code is -1.

    Args:
        codes: [documents] values, 0..size-1, or -1 for none.
        size: number of different values.
    """
    matrix = np.zeros((len(codes), size))
    known = np.flatnonzero(codes >= 0)
    matrix[known, codes[known]] = 1.0
    return matrix


@dataclass(frozen=True)
class Preferences:
    """The taste of every user for every document: part of a world's truth, never shown to a policy.

    The taste logit of user u for document d is an inner product of f factors, some of which are functions of the
    document's values and the others are not. For every user, over all documents of the catalog:

    - its mean is 0 and its variance 1;
    - the variance of its hidden part is `hidden_share`, that of its visible part 1 - `hidden_share`;
    - no linear function of the values' indicators explains any of the hidden part: their correlation is 0.

    These hold exactly, not on average. Among the candidates of one query they hold only about.

    Attributes:
        segments: [users] number of the segment that the user's visible taste varies around.
        user_factors: [users, f].
        document_factors: [documents, f].
        visible: how many factors, the first ones, are functions of the values.
        hidden_share: share of the variance of the taste logit that is invisible.
    """

    segments: NDArray[np.int64]
    user_factors: NDArray[np.float64]
    document_factors: NDArray[np.float64]
    visible: int
    hidden_share: float

    def taste(self, users: NDArray[np.int64], rows: NDArray[np.int64], part: Part = "all") -> NDArray[np.float64]:
        """The taste logit, or one of the two parts that it is the sum of.

        Args:
            users: [m].
            rows: [m, k] rows of the catalog; -1 where there is no document.
            part: `visible` is the most that features can tell.

        Returns:
            [m, k]; NaN where there is no document.
        """
        factors = {"all": slice(None), "visible": slice(self.visible), "hidden": slice(self.visible, None)}[part]
        of_user, of_document = self.user_factors[:, factors], self.document_factors[:, factors]
        logits = np.full(rows.shape, np.nan)
        step = max(1, _CELLS // max(1, rows.shape[1] * of_user.shape[1]))
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            logits[some] = np.einsum("mf,mkf->mk", of_user[users[some]], of_document[rows[some]])
        return np.where(rows >= 0, logits, np.nan)

    def meets_taste(self, users: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the taste logit is above the user's mean over the catalog, 0: [m, k]; False for row -1."""
        return np.asarray(self.taste(users, rows) > 0.0)

    def true_relevance(
        self, users: NDArray[np.int64], rows: NDArray[np.int64], grades: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Relevant to the query (grade 1 or more) and to the user's taste: [m, k].

        As attractiveness it makes users who click on what they examine exactly where this is true.

        Args:
            users: [m].
            rows: [m, k] rows of the catalog; -1 where there is no document.
            grades: [m, k] relevance to the query, whoever asks.
        """
        return np.asarray((grades >= 1) & self.meets_taste(users, rows))

    def attractiveness(
        self,
        users: NDArray[np.int64],
        rows: NDArray[np.int64],
        relevance: NDArray[np.float64],
        strength: float = 2.0,
    ) -> NDArray[np.float64]:
        """alpha = relevance * sigmoid(strength * taste): [m, k] in 0..1; 0 where there is no document.

        Args:
            users: [m].
            rows: [m, k] rows of the catalog; -1 where there is no document.
            relevance: [m, k] in 0..1, to the query, whoever asks.
            strength: 0 = taste does not matter; the larger, the closer to `true_relevance`.
        """
        liking = 0.5 * (1.0 + np.tanh(0.5 * strength * self.taste(users, rows)))  # the sigmoid, without overflow
        return np.where(rows >= 0, relevance * liking, 0.0)


def draw_preferences(
    rng: np.random.Generator,
    values: NDArray[np.float64],
    users: int,
    *,
    segments: int = 5,
    hidden_share: float = 0.5,
    individual_share: float = 0.3,
    hidden_dimensions: int = 8,
) -> Preferences:
    """Draw a population's taste over a catalog.

    Each segment likes and dislikes values at random; a user's liking is the segment's plus an individual variation.
    A document counts its values with equal weights, scaled to length 1. The hidden part pairs latent vectors of users
    and documents, those of the documents made orthogonal to the values.

    Args:
        rng: the source of randomness.
        values: [documents, v] indicators of what the documents show, as `list_indicators` gives them; several fields
            side by side. Hundreds of different values take seconds.
        users: how many.
        segments: how many; users fall into them with equal probability.
        hidden_share: share of the variance of every user's taste that is invisible, 0..1.
        individual_share: share of the variance of a liking that is the user's own, not the segment's, 0..1.
        hidden_dimensions: length of the latent vectors.

    Raises:
        ValueError: a parameter out of its range; values that are all alike although some taste is to be visible; or
            fewer documents than needed to hide anything from the values.
    """
    if users < 1 or segments < 1 or hidden_dimensions < 1 or len(values) == 0:
        raise ValueError("there must be documents, users, segments and hidden dimensions")
    if not (0 <= hidden_share <= 1 and 0 <= individual_share <= 1):
        raise ValueError(f"shares are in 0..1, not {hidden_share} and {individual_share}")
    shown = shown_factors(values)
    segment = rng.integers(segments, size=users)
    liking = np.sqrt(1 - individual_share) * rng.standard_normal((segments, values.shape[1]))[segment]
    liking += np.sqrt(individual_share) * rng.standard_normal((users, values.shape[1]))

    # What is orthogonal to the indicators, as they are and scaled, and to the constant can't be told from the values.
    scaled = [shown] if (np.square(values).sum(axis=1) > 1).any() else []
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(values)), values, *scaled]))
    if hidden_share > 0 and len(values) < basis.shape[1] + hidden_dimensions:
        raise ValueError(f"{len(values)} documents are too few to hide taste from {values.shape[1]} values")
    latent = rng.standard_normal((len(values), hidden_dimensions))
    latent -= basis @ (basis.T @ latent)
    affinity = rng.standard_normal((users, hidden_dimensions))
    return Preferences(
        segments=segment,
        user_factors=np.hstack([_scaled(liking, shown, 1 - hidden_share), _scaled(affinity, latent, hidden_share)]),
        document_factors=np.hstack([shown, latent]),
        visible=values.shape[1],
        hidden_share=hidden_share,
    )


def shown_factors(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What visible taste is a linear function of: the values with equal weights, scaled to length 1, of mean 0.

    Args:
        values: [documents, v] indicators.

    Returns:
        [documents, v].
    """
    length = np.sqrt(np.square(values).sum(axis=1, keepdims=True))
    shown = values / np.where(length > 0, length, 1.0)
    return np.asarray(shown - shown.mean(axis=0))


def _scaled(of_users: NDArray[np.float64], of_documents: NDArray[np.float64], variance: float) -> NDArray[np.float64]:
    """The users' factors, scaled so that every user's inner products with the documents have this variance."""
    if variance == 0:
        return np.zeros_like(of_users)
    covariance = of_documents.T @ of_documents / len(of_documents)
    current = np.einsum("uf,fg,ug->u", of_users, covariance, of_users, optimize=True)
    if not (current > 1e-12).all():
        raise ValueError("the documents' values do not vary, so they can't show taste")
    return np.asarray(of_users * np.sqrt(variance / current)[:, None])
