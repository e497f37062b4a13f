"""The cascade model (CM): the user goes down the list to the first document that attracts, clicks it and leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.click_models.base import ClickModel, Floats, require_candidates
from simulators.click_models.chains import best_chains


@dataclass(frozen=True)
class CM(ClickModel):
    """P(click in slot k) = alpha_k * prod over j < k of (1 - alpha_j); one click at most.

    Craswell, Zoeter, Taylor and Ramsey, "An experimental comparison of click position-bias models", WSDM 2008.
    """

    def examination(self, attractiveness: Floats) -> Floats:
        reached = np.ones(attractiveness.shape)
        np.cumprod(1.0 - attractiveness[..., :-1], axis=-1, out=reached[..., 1:])
        return reached

    def draw(
        self,
        attractiveness: Floats,
        examination: Floats,  # noqa: ARG002 - nobody leaves before a click
        attraction: Floats,
        satisfaction: Floats | None = None,  # noqa: ARG002 - everybody leaves after a click
    ) -> NDArray[np.bool_]:
        attracted = attraction < attractiveness
        return np.asarray(attracted & (np.cumsum(attracted, axis=-1) == 1))

    def reference_list(self, attractiveness: Floats, worth: Floats, slots: int) -> NDArray[np.int64]:
        """The best set, its documents in the order of worth: a likely click is no good above a better one."""
        require_candidates(attractiveness, worth, slots)
        there = ~np.isnan(attractiveness)
        alpha = np.where(there, attractiveness, 0.0)
        return best_chains(alpha * np.where(there, worth, 0.0), 1.0 - alpha, there, slots)
