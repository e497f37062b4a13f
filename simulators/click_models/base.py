"""What all click models have in common: examination, then attraction, and what follows from the two."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class ClickModel(Protocol):
    """How a user goes through a list and clicks.

    In every model here a document is clicked exactly if its slot is examined and it attracts, and whether it attracts
    depends on nothing else. What differs is what is examined. (DCM and UBM are of this kind too.)

    Arrays of lists are [..., k], slot 1 first; alpha is the probability that a document attracts once examined.
    """

    @abstractmethod
    def examination(self, attractiveness: Floats) -> Floats:
        """The exact marginal probability that each slot is examined: [..., k] from alpha [..., k]."""
        ...

    @abstractmethod
    def draw(
        self,
        attractiveness: Floats,
        examination: Floats,
        attraction: Floats,
        satisfaction: Floats | None = None,
    ) -> NDArray[np.bool_]:
        """Clicks of many impressions.

        Args:
            attractiveness: [..., k] alpha of the document in each slot.
            examination: [..., k] uniform variates of the slots.
            attraction: [..., k] uniform variates of the documents in them.
            satisfaction: [..., k] uniform variates of the documents; only models with satisfaction need them.

        Returns:
            [..., k] whether the slot was clicked.
        """
        ...

    @abstractmethod
    def reference_list(self, attractiveness: Floats, worth: Floats, slots: int) -> NDArray[np.int64]:
        """The list of the highest expected reward, exactly, for each of m sets of candidates.

        Where there are as many candidates as slots or more, none is left out for being worth less than nothing.

        Args:
            attractiveness: [m, c] alpha of each candidate; NaN where there is none.
            worth: [m, c] expected reward of one click on it; read only where alpha is not NaN.
            slots: length of the list, at least 1.

        Returns:
            [m, slots] columns of the candidates, slot 1 first; -1 after the last one where there are fewer than slots.
        """
        ...

    def click_probabilities(self, attractiveness: Floats) -> Floats:
        """The exact marginal probability of a click in each slot: [..., k] from alpha [..., k]."""
        return np.asarray(self.examination(attractiveness) * attractiveness)

    def expected_reward(self, attractiveness: Floats, worth: Floats) -> Floats:
        """The exact expected reward of lists: [...].

        Args:
            attractiveness: [..., k] alpha of the document in each slot.
            worth: [..., k] expected reward of one click on it: the weight of a click plus the weight of a purchase
                times its probability once clicked.
        """
        return np.asarray((self.click_probabilities(attractiveness) * worth).sum(axis=-1))


def require_probabilities(name: str, values: Floats) -> None:
    """Raises ValueError unless all are in 0..1."""
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"{name} is in 0..1")


def require_candidates(attractiveness: Floats, worth: Floats, slots: int) -> None:
    """Raises ValueError unless there are slots and [m, c] candidates, with a probability and a finite worth for each."""
    if slots < 1 or attractiveness.ndim != 2 or attractiveness.size == 0 or worth.shape != attractiveness.shape:
        raise ValueError(f"{slots} slots for candidates of shapes {attractiveness.shape} and {worth.shape}")
    there = ~np.isnan(attractiveness)
    require_probabilities("attractiveness", attractiveness[there])
    if not np.isfinite(worth[there]).all():
        raise ValueError("the worth of a click is finite")
