"""What users do with the lists they are shown: clicks, and purchases after clicks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simulators.variates import Channel, uniforms


class ClickModel(Protocol):
    """Turns uniform variates of slots and documents into clicks."""

    def draw(
        self,
        attractiveness: NDArray[np.float64],
        examination: NDArray[np.float64],
        attraction: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """All arrays are [m, k]: alpha, variates of the slots, variates of the documents; so is the result."""
        ...


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of m lists.

    Attributes:
        clicks: [m, k].
        purchases: [m, k] only where clicked.
    """

    clicks: NDArray[np.bool_]
    purchases: NDArray[np.bool_]


def feedback(
    model: ClickModel,
    rows: NDArray[np.int64],
    attractiveness: NDArray[np.float64],
    impressions: NDArray[np.int64],
    *,
    replicate: int,
    purchase_probability: float | NDArray[np.float64] = 0.0,
) -> Feedback:
    """Let users see lists, click and buy.

    The variates are looked up by (replicate, impression, slot or document, channel), so the same impression in
    another arm, with the same document elsewhere in the list or among other documents, meets the same luck.

    Args:
        model: how users click.
        rows: [m, k] catalog rows shown, slot 1 first; -1 where the list is shorter. No repetition within a list.
        attractiveness: [m, k] probability in 0..1 that the document attracts once it is examined.
        impressions: [m] numbers of the impressions, unique within the replicate.
        replicate: the number that all luck of this run is keyed by.
        purchase_probability: [m, k] or one number: probability of a purchase once clicked.

    Raises:
        ValueError: the shapes differ, or a probability is outside 0..1.
    """
    rows = np.asarray(rows, dtype=np.int64)
    bought = np.broadcast_to(np.asarray(purchase_probability, dtype=np.float64), rows.shape)
    if rows.ndim != 2 or attractiveness.shape != rows.shape or np.shape(impressions) != rows.shape[:1]:
        raise ValueError(f"shapes differ: {rows.shape}, {attractiveness.shape}, {np.shape(impressions)}")
    shown = rows >= 0
    for probability in (attractiveness, bought):
        if not ((probability[shown] >= 0) & (probability[shown] <= 1)).all():
            raise ValueError("a probability is not in 0..1")
    impression = np.asarray(impressions, dtype=np.int64)[:, None]
    slot = np.arange(1, rows.shape[1] + 1)[None, :]
    clicks = shown & model.draw(
        np.where(shown, attractiveness, 0.0),
        uniforms(replicate, impression, slot, Channel.EXAMINATION),
        uniforms(replicate, impression, rows, Channel.ATTRACTION),
    )
    purchases = clicks & (uniforms(replicate, impression, rows, Channel.PURCHASE) < bought)
    return Feedback(clicks, purchases)
