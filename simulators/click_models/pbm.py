"""The position-based model (PBM): a click is an examined slot and an attractive document, independently."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def power_law_examination(slots: int, severity: float = 1.0) -> NDArray[np.float64]:
    """The curve theta_k = k^-severity for slots k = 1..slots: [slots].

    A convention, not a measurement: with severity 1 it is the curve under which learning from biased clicks is
    usually studied (Joachims, Swaminathan and Schnabel, "Unbiased learning-to-rank with biased feedback", WSDM 2017).
    Severity 0 examines every slot.

    Raises:
        ValueError: fewer than one slot, or a severity that is negative or not finite.
    """
    if slots < 1 or not 0 <= severity < np.inf:
        raise ValueError(f"an examination curve with {slots} slots and severity {severity}")
    return np.asarray(np.arange(1, slots + 1, dtype=np.float64) ** -severity)


@dataclass(frozen=True)
class PBM:
    """P(click in slot k on document i) = theta_k * alpha_i.

    Attributes:
        examination_probability: [slots] theta, slot 1 first, each in 0..1.

    Raises:
        ValueError: a probability outside 0..1, or no slots.
    """

    examination_probability: NDArray[np.float64]

    def __post_init__(self) -> None:
        theta = np.asarray(self.examination_probability, dtype=np.float64)
        if theta.ndim != 1 or len(theta) == 0 or not ((theta >= 0) & (theta <= 1)).all():
            raise ValueError("examination probabilities are a list of numbers in 0..1")

    def click_probabilities(self, attractiveness: NDArray[np.float64]) -> NDArray[np.float64]:
        """The exact marginal probability of a click in each slot.

        Args:
            attractiveness: [..., k] alpha of the document in each slot, slot 1 first; k at most the number of slots.

        Returns:
            [..., k].

        Raises:
            ValueError: the list is longer than the examination curve.
        """
        return np.asarray(self._examination(attractiveness.shape[-1]) * attractiveness)

    def draw(
        self,
        attractiveness: NDArray[np.float64],
        examination: NDArray[np.float64],
        attraction: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Clicks of many impressions.

        Args:
            attractiveness: [..., k] alpha of the document in each slot.
            examination: [..., k] uniform variates of the slots.
            attraction: [..., k] uniform variates of the documents in them.

        Returns:
            [..., k] whether the slot was clicked.

        Raises:
            ValueError: the list is longer than the examination curve.
        """
        examined = examination < self._examination(attractiveness.shape[-1])
        return np.asarray(examined & (attraction < attractiveness))

    def _examination(self, k: int) -> NDArray[np.float64]:
        if k > len(self.examination_probability):
            raise ValueError(f"a list of {k} needs as many slots, not {len(self.examination_probability)}")
        return self.examination_probability[:k]
