"""What users do with the lists they are shown: clicks, and purchases after clicks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.click_models.base import ClickModel
from simulators.variates import Channel, uniforms

_BY_DOCUMENT = np.array([Channel.ATTRACTION, Channel.PURCHASE, Channel.SATISFACTION])


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of m lists.

    Attributes:
        clicks: [m, k].
        purchases: [m, k] only where clicked.
        purchase_delay: [m, k] seconds from the impression to the purchase; infinite where there is none.
    """

    clicks: NDArray[np.bool_]
    purchases: NDArray[np.bool_]
    purchase_delay: NDArray[np.float64]


def feedback(
    model: ClickModel,
    rows: NDArray[np.int64],
    attractiveness: NDArray[np.float64],
    impressions: NDArray[np.int64],
    *,
    replicate: int,
    purchase_probability: float | NDArray[np.float64] = 0.0,
    mean_purchase_delay: float = 0.0,
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
        mean_purchase_delay: seconds, of an exponential distribution (as in Chapelle, "Modeling delayed feedback in
            display advertising", KDD 2014); 0 = bought at once.

    Raises:
        ValueError: the shapes differ, a probability is outside 0..1, or the delay is negative or not finite.
    """
    rows = np.asarray(rows, dtype=np.int64)
    bought = np.broadcast_to(np.asarray(purchase_probability, dtype=np.float64), rows.shape)
    if rows.ndim != 2 or attractiveness.shape != rows.shape or np.shape(impressions) != rows.shape[:1]:
        raise ValueError(f"shapes differ: {rows.shape}, {attractiveness.shape}, {np.shape(impressions)}")
    shown = rows >= 0
    for probability in (attractiveness, bought):
        if not ((probability[shown] >= 0) & (probability[shown] <= 1)).all():
            raise ValueError("a probability is not in 0..1")
    if not 0 <= mean_purchase_delay < np.inf:
        raise ValueError(f"a mean purchase delay of {mean_purchase_delay}")
    impression = np.asarray(impressions, dtype=np.int64)[:, None]
    slot = np.arange(1, rows.shape[1] + 1)[None, :]
    # One call for three channels: at one impression a time, calls are what costs.
    luck = uniforms(replicate, impression[:, :, None], rows[:, :, None], _BY_DOCUMENT)
    clicks = shown & model.draw(
        np.where(shown, attractiveness, 0.0),
        uniforms(replicate, impression, slot, Channel.EXAMINATION),
        luck[:, :, 0],
        luck[:, :, 2],
    )
    purchases = clicks & (luck[:, :, 1] < bought)
    delay = np.full(rows.shape, np.inf)
    at = np.nonzero(purchases)
    if len(at[0]):
        waited = -np.log(uniforms(replicate, impression[at[0], 0], rows[at], Channel.PURCHASE_DELAY))
        delay[at] = mean_purchase_delay * waited
    return Feedback(clicks, purchases, delay)
