"""The dynamic Bayesian network model (DBN): users go on after a click unless it satisfied them, and may give up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.click_models.base import ClickModel, Floats, require_candidates, require_probabilities
from simulators.click_models.chains import best_chains


@dataclass(frozen=True)
class DBN(ClickModel):
    """Slot 1 is examined; below an examined slot k, the next is with probability gamma unless k satisfied.

    Slot k satisfies with probability alpha_k * satisfaction_k: it attracts a click, and the click satisfies. So
    P(examined k + 1) = P(examined k) * gamma * (1 - alpha_k * satisfaction_k). Chapelle and Zhang, "A dynamic Bayesian
    network click model for web search ranking", WWW 2009.

    Attributes:
        continuation_probability: gamma, 0..1.
        satisfaction_probability: probability in 0..1 that a click satisfies; one number, or an array that broadcasts
            against the attractiveness given to a method, a number per document there.

    Raises:
        ValueError: a probability outside 0..1; draws without variates of satisfaction.
    """

    continuation_probability: float
    satisfaction_probability: float | Floats

    def __post_init__(self) -> None:
        require_probabilities("continuation_probability", np.asarray(self.continuation_probability))
        require_probabilities("satisfaction_probability", np.asarray(self.satisfaction_probability))

    def examination(self, attractiveness: Floats) -> Floats:
        passing = self._passing(attractiveness)
        reached = np.ones(attractiveness.shape)
        np.cumprod(passing[..., :-1], axis=-1, out=reached[..., 1:])
        return reached

    def draw(
        self,
        attractiveness: Floats,
        examination: Floats,
        attraction: Floats,
        satisfaction: Floats | None = None,
    ) -> NDArray[np.bool_]:
        if satisfaction is None:
            raise ValueError("a DBN draws satisfaction: it needs its variates")
        attracted = attraction < attractiveness
        satisfied = attracted & (satisfaction < self.satisfaction_probability)
        examined = np.ones(attracted.shape, dtype=np.bool_)
        # The variate of a slot decides whether the user gets there from the one above.
        examined[..., 1:] = ~satisfied[..., :-1] & (examination[..., 1:] < self.continuation_probability)
        return np.asarray(attracted & np.logical_and.accumulate(examined, axis=-1))

    def reference_list(self, attractiveness: Floats, worth: Floats, slots: int) -> NDArray[np.int64]:
        """Exact: a document is the better placed high, the more it gains for each user whom it stops."""
        require_candidates(attractiveness, worth, slots)
        there = ~np.isnan(attractiveness)
        alpha = np.where(there, attractiveness, 0.0)
        return best_chains(alpha * np.where(there, worth, 0.0), self._passing(alpha), there, slots)

    def _passing(self, alpha: Floats) -> Floats:
        """Probability that a user who examines a slot examines the next."""
        return np.asarray(self.continuation_probability * (1.0 - alpha * self.satisfaction_probability))
