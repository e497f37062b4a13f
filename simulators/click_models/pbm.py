"""The position-based model (PBM): a click is an examined slot and an attractive document, independently."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.click_models.base import ClickModel, Floats, require_candidates


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
class PBM(ClickModel):
    """P(click in slot k on document i) = theta_k * alpha_i.

    Attributes:
        examination_probability: [slots] theta, slot 1 first, each in 0..1. It need not fall from slot to slot. Lists
            may be shorter; a longer one raises ValueError.

    Raises:
        ValueError: a probability outside 0..1, or no slots.
    """

    examination_probability: NDArray[np.float64]

    def __post_init__(self) -> None:
        theta = np.asarray(self.examination_probability, dtype=np.float64)
        if theta.ndim != 1 or len(theta) == 0 or not ((theta >= 0) & (theta <= 1)).all():
            raise ValueError("examination probabilities are a list of numbers in 0..1")

    def examination(self, attractiveness: Floats) -> Floats:
        return np.broadcast_to(self._theta(attractiveness.shape[-1]), attractiveness.shape)

    def draw(
        self,
        attractiveness: Floats,
        examination: Floats,
        attraction: Floats,
        satisfaction: Floats | None = None,  # noqa: ARG002 - a PBM user is never satisfied
    ) -> NDArray[np.bool_]:
        examined = examination < self._theta(attractiveness.shape[-1])
        return np.asarray(examined & (attraction < attractiveness))

    def reference_list(self, attractiveness: Floats, worth: Floats, slots: int) -> NDArray[np.int64]:
        """The candidates by alpha * worth, the best one in the slot that is examined most; ties as they come."""
        require_candidates(attractiveness, worth, slots)
        theta = self._theta(slots)
        there = ~np.isnan(attractiveness)
        lost = np.where(there, -attractiveness * worth, np.inf)
        best = np.argsort(lost, axis=1, kind="stable")[:, :slots]
        used = np.minimum(there.sum(axis=1), slots)[:, None]
        # A list has no gaps: n candidates take the first n slots, wherever users look most.
        filled = np.arange(slots) < used
        slot = np.argsort(np.where(filled, -theta, np.inf), axis=1, kind="stable")[:, : best.shape[1]]
        placed = np.full((len(best), slots), -1, dtype=np.int64)
        np.put_along_axis(placed, slot, best, axis=1)
        placed[~filled] = -1
        return placed

    def _theta(self, k: int) -> NDArray[np.float64]:
        if k > len(self.examination_probability):
            raise ValueError(f"a list of {k} needs as many slots, not {len(self.examination_probability)}")
        return self.examination_probability[:k]
