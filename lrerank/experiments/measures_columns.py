"""The columns that are summed over pages and over slots, and which of them make which measure."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lrerank.experiments.measures_lists import category_spread, discounted_gain
from lrerank.experiments.measures_page import Block
from lrerank.experiments.measures_sums import on_grid
from lrerank.types import FloatArray, IntArray

Recipe: TypeAlias = tuple[str, str | None, str]

PER_SLOT = (
    "shown",
    "clicks",
    "purchases",
    "reward",
    "explored",
    "attractiveness",
    "propensity",
    "bias",
    "predictions",
)
PER_PAGE = (
    *PER_SLOT,
    "pages",
    "first_clicks",
    "abandoned",
    "ndcg",
    "ndcg_pages",
    "expected",
    "reference",
    "greedy",
    "explored_pages",
    "distance",
    "paired_pages",
    "categories",
    "categorised_pages",
    "novelty",
    "filled_pages",
    "milliseconds",
    "fallback",
    "fallback_pages",
)
# Measure -> what its total adds, what it subtracts, what its weight counts.
OF_PAGES: dict[str, Recipe] = {
    "clicks": ("clicks", None, "pages"),
    "reward": ("reward", None, "pages"),
    "ctr_at_1": ("first_clicks", None, "pages"),
    "conversion": ("purchases", None, "pages"),
    "purchases_per_click": ("purchases", None, "clicks"),
    "abandonment": ("abandoned", None, "pages"),
    "ndcg": ("ndcg", None, "ndcg_pages"),
    "expected_reward": ("expected", None, "pages"),
    "reference_reward": ("reference", None, "pages"),
    "fallback_reward": ("fallback", None, "fallback_pages"),
    "regret": ("reference", "expected", "pages"),
    "price": ("greedy", "expected", "pages"),
    "explored_slots": ("explored", None, "shown"),
    "explored_pages": ("explored_pages", None, "pages"),
    "attractiveness": ("attractiveness", None, "shown"),
    "propensity": ("propensity", None, "shown"),
    "diversity": ("distance", None, "paired_pages"),
    "categories": ("categories", None, "categorised_pages"),
    "novelty": ("novelty", None, "filled_pages"),
    "calibration_bias": ("bias", None, "predictions"),
    "latency_ms": ("milliseconds", None, "pages"),
}
OF_POSITIONS: dict[str, Recipe] = {
    "clicks": ("clicks", None, "shown"),
    "reward": ("reward", None, "shown"),
    "conversion": ("purchases", None, "shown"),
    "purchases_per_click": ("purchases", None, "clicks"),
    "explored_slots": ("explored", None, "shown"),
    "attractiveness": ("attractiveness", None, "shown"),
    "propensity": ("propensity", None, "shown"),
    "calibration_bias": ("bias", None, "predictions"),
}


def slot_columns(block: Block) -> FloatArray:
    """[len(PER_SLOT), k, n], on the grid."""
    shown, clicks = block["shown"], block["clicks"]
    predicted = shown & np.isfinite(block["probability"])
    slots = np.empty((len(PER_SLOT), shown.shape[1], len(shown)))
    slots[0] = shown.T
    slots[1] = clicks.T
    slots[2] = block["purchases"].T
    slots[3] = on_grid(block["reward"].T)
    slots[4] = block["explored"].T
    slots[5] = on_grid(np.where(shown, block["alpha"], 0.0).T)
    slots[6] = on_grid(np.where(shown, block["propensity"], 0.0).T)
    slots[7] = on_grid(np.where(predicted, block["probability"], 0.0).T) - (clicks & predicted).T
    slots[8] = predicted.T
    return slots


def page_columns(block: Block, slots: FloatArray, information: FloatArray, categories: IntArray) -> FloatArray:
    """[len(PER_PAGE), n], on the grid."""
    shown, clicks = block["shown"], block["clicks"]
    filled = shown.sum(axis=1)
    gain, ideal = discounted_gain(np.where(shown, block["alpha"], 0.0)), discounted_gain(block["ideal"])
    if (gain > ideal * (1 + 1e-9)).any():
        raise ValueError(
            "a list is better than the ideal one: alpha and ideal are not of the same candidates and state"
        )
    has_fallback = np.isfinite(block["fallback"])
    pairs, different, distinct = category_spread(categories[np.where(shown, block["rows"], -1)])
    own = {
        "pages": 1.0,
        "first_clicks": clicks[:, 0],
        "abandoned": ~clicks.any(axis=1),
        "ndcg": np.minimum(_ratio(gain, ideal), 1.0),
        "ndcg_pages": ideal > 0,
        "expected": block["expected"],
        "reference": block["reference"],
        "greedy": block["greedy_expected"],
        "explored_pages": block["explored"].any(axis=1),
        "distance": _ratio(different, pairs),
        "paired_pages": pairs > 0,
        "categories": distinct,
        "categorised_pages": distinct > 0,
        "novelty": _ratio(information.sum(axis=1), filled),
        "filled_pages": filled > 0,
        "milliseconds": block["milliseconds"],
        "fallback": np.where(has_fallback, block["fallback"], 0.0),
        "fallback_pages": has_fallback,
    }
    pages = np.empty((len(PER_PAGE), len(shown)))
    # Sums of what is on the grid, so that positions add up to pages.
    pages[: len(PER_SLOT)] = slots.sum(axis=1)
    for row, name in zip(pages[len(PER_SLOT) :], PER_PAGE[len(PER_SLOT) :], strict=True):
        row[:] = own[name]
    pages[len(PER_SLOT) :] = on_grid(pages[len(PER_SLOT) :])
    return pages


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> FloatArray:
    """0 where the denominator is."""
    ratio = np.zeros(len(numerator))
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio


def evaluated(recipes: list[Recipe], names: tuple[str, ...], totals: FloatArray) -> tuple[FloatArray, FloatArray]:
    """[groups, bins, columns] -> total and weight, [measures, groups, bins] each."""
    added = totals[..., [names.index(recipe[0]) for recipe in recipes]]
    for i, (_, subtracted, _) in enumerate(recipes):
        if subtracted is not None:
            added[..., i] -= totals[..., names.index(subtracted)]
    weight = totals[..., [names.index(recipe[2]) for recipe in recipes]]
    return np.moveaxis(added, -1, 0), np.moveaxis(weight, -1, 0)
