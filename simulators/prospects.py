"""What awaits every candidate of a request before anybody has chosen among them: the same for all policies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.arrivals import Arrivals
from simulators.variates import Channel, hashes, uniforms


@dataclass(frozen=True, slots=True)
class Prospects:
    """m requests with c candidates each: the truth about them, and their luck.

    Attributes:
        arrivals: the requests.
        rows: [m, c] rows of the catalog; -1 where there is no document.
        topics: [m, c]; -1 for none.
        relevance: [m, c] to the query; 0 where there is no document.
        logits: [m, c] base, quality and taste, before satiation; 0 where there is no document.
        fresh: [m, c] attractiveness to a user who has not clicked on anything of late; 0 where there is no document.
        purchase: [m, c] probability of a purchase once clicked; 0 where there is no document.
        examination: [m, k] variates of the slots.
        attraction, satisfaction, buying: [m, c] variates of the documents.
    """

    arrivals: Arrivals
    rows: NDArray[np.int64]
    topics: NDArray[np.int64]
    relevance: NDArray[np.float64]
    logits: NDArray[np.float64]
    fresh: NDArray[np.float64]
    purchase: NDArray[np.float64]
    examination: NDArray[np.float64]
    attraction: NDArray[np.float64]
    satisfaction: NDArray[np.float64]
    buying: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, stop: int) -> Prospects:
        """Requests start..stop-1 of them."""
        return self.take(slice(start, stop))

    def take(self, which: slice | NDArray[np.int64]) -> Prospects:
        """Some of them."""
        return Prospects(self.arrivals.take(which), *(getattr(self, name)[which] for name in self.__slots__[1:]))


@dataclass(frozen=True, slots=True)
class Luck:
    """The variates of m lists of slots and c documents, as `simulators.impressions.feedback` looks them up.

    Attributes:
        examination: [m, k].
        attraction, satisfaction, buying: [m, c].
    """

    examination: NDArray[np.float64]
    attraction: NDArray[np.float64]
    satisfaction: NDArray[np.float64]
    buying: NDArray[np.float64]


def luck(key: int, impression: NDArray[np.int64], rows: NDArray[np.int64], slots: int) -> Luck:
    """The luck of documents, wherever they may be shown, and of slots, whatever they may show.

    Args:
        key: what all luck of the run is keyed by.
        impression: [m].
        rows: [m, c].
        slots: k.
    """
    # The document channels share all keys but the last, and a hash goes on where the one of its first keys ends.
    shared = hashes(key, impression[:, None], rows).view(np.int64)
    return Luck(
        uniforms(key, impression[:, None], np.arange(1, slots + 1), Channel.EXAMINATION),
        *(uniforms(shared, channel) for channel in (Channel.ATTRACTION, Channel.SATISFACTION, Channel.PURCHASE)),
    )
