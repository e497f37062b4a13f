"""Fits the search page of `simulators.presets` to published facts and says what it predicts of the others.

    LRERANK_DATA=… python benchmarks/search_page.py

Facts of one arm (BM25) are fitted: searches with a click, and the shares of first clicks on slots 1, 2, 3, 4 and below.
Several laws of attractiveness by rank are tried, to show what the facts leave open.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import expit

from simulators.click_models.dbn import DBN
from simulators.presets import PAGE

Floats = NDArray[np.float64]

FITTED = "BM25"
LATER = ("MLR@20", "MLR@1024")
HALF_WIDTH = 0.0076  # of the 95 % interval of the share of searches with a click
RANK = np.arange(1, PAGE + 1, dtype=np.float64)

# Attractiveness of slots 1..20 from unbounded numbers; all start at (-1, 0.5, -2) or near.
LAWS: dict[str, tuple[int, Callable[[Floats], Floats]]] = {
    "geometric": (2, lambda x: expit(x[0]) * np.exp(-np.exp(x[1]) * (RANK - 1))),
    "constant below slot 1": (2, lambda x: np.where(RANK == 1, expit(x[0]), expit(x[1] - 3.0))),
    "power": (2, lambda x: expit(x[0]) * RANK ** -np.exp(x[1])),
    "power from slot 2": (3, lambda x: np.where(RANK == 1, expit(x[0]), expit(x[2]) * (RANK / 2) ** -np.exp(x[1]))),
    "geometric to a floor": (3, lambda x: expit(x[0]) * to_floor(expit(x[2]), np.exp(-np.exp(x[1]) * (RANK - 1)))),
    "power to a floor": (3, lambda x: expit(x[0]) * to_floor(expit(x[2]), RANK ** -np.exp(x[1]))),
}
CHOSEN = "power to a floor"


def to_floor(floor: float, curve: Floats) -> Floats:
    return floor + (1.0 - floor) * curve


@dataclass(frozen=True)
class Facts:
    """Per arm: share of searches with a click, shares of first clicks (5: slots 1 to 4, below), share that see page 2."""

    clicked: dict[str, float]
    first: dict[str, Floats]
    second_page: dict[str, float]
    satisfaction: float

    @property
    def searches(self) -> float:
        """How many searches an arm had, from the width of the interval: not published."""
        p = self.clicked[FITTED]
        return p * (1 - p) / (HALF_WIDTH / 1.96) ** 2


def read_facts(folder: Path) -> Facts:
    facts = json.loads((folder / "wikimedia_click_facts" / "wikimedia_first_click_2017.json").read_text("utf-8"))
    arms = (FITTED, *LATER)
    shares = {arm: np.array(list(facts["first_click_position_share_given_click"][arm].values())) for arm in arms}
    dwell = {float(t): share for t, share in facts["dwell_survival_seconds_BM25"].items() if t != "note"}
    return Facts(
        clicked={arm: facts["ctr_per_search"][arm] for arm in arms},
        first={arm: share / share.sum() for arm, share in shares.items()},  # they are rounded
        second_page=facts["share_of_searches_viewing_page_2_or_later"],
        satisfaction=float(np.interp(30.0, list(dwell), list(dwell.values()))),
    )


def first_clicks(alpha: Floats, gamma: float) -> Floats:
    """Probability that the first click of a search falls on slot 1, 2, 3, 4, below: [5]. Their sum is the click rate.

    Up to the first click nobody is satisfied, so it is a DBN whose every click ends the search.
    """
    exact = DBN(gamma, 1.0).click_probabilities(alpha)
    return np.append(exact[:4], exact[4:].sum())


def second_page(alpha: Floats, gamma: float, satisfaction: float) -> float:
    """Probability that a user goes on below the last slot of page 1."""
    return float(DBN(gamma, satisfaction).examination(np.append(alpha, 0.0))[-1])


def deviance(predicted: Floats, observed: Floats, n: float) -> float:
    """2 log likelihood ratio of cells that sum to at most 1, the rest being another cell."""
    cells = [np.append(cell, 1.0 - cell.sum()) for cell in (predicted, observed)]
    return float(2.0 * n * (cells[1] * np.log(cells[1] / cells[0])).sum())


def fit(law: str, facts: Facts, gamma: float | None = None) -> tuple[float, Floats, float, Floats]:
    """Maximum likelihood on the BM25 arm: (deviance, alpha [20], gamma, unbounded parameters); gamma may be given."""
    size, curve = LAWS[law]
    observed = facts.clicked[FITTED] * facts.first[FITTED]

    def continuing(x: Floats) -> float:
        return float(expit(x[size])) if gamma is None else gamma

    def lost(x: Floats) -> float:
        return deviance(first_clicks(curve(x), continuing(x)), observed, facts.searches)

    starts = ([-1.0, 0.5, -2.0][:size], [-1.0, 0.3, -3.0][:size])
    found = [
        minimize(
            lost,
            [*start, *([on] if gamma is None else [])],
            method="Nelder-Mead",
            options={"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-9, "fatol": 1e-11},
        )
        for start in starts
        for on in ((1.4, 3.0) if gamma is None else (0.0,))
    ]
    best = min(found, key=lambda one: one.fun)
    return float(best.fun), curve(best.x), continuing(best.x), best.x


def second_page_interval(law: str, facts: Facts) -> tuple[float, float]:
    """95 % profile interval of the share that sees page 2, from the fitted facts alone, to 0.005 in gamma."""
    least = fit(law, facts)[0]
    seen = []
    for gamma in np.linspace(0.6, 1.0, 81).tolist():
        lost, alpha, _, _ = fit(law, facts, gamma)
        if lost <= least + 3.84:
            seen.append(second_page(alpha, gamma, facts.satisfaction))
    return min(seen), max(seen)


def reranked(alpha: Floats, floor: float, gamma: float, share_of_first: float) -> Floats:
    """What a better ranker shows: the same floor and the same sum over the page, steeper, with this share of slot 1."""

    def steeper(exponent: float) -> Floats:
        curve = RANK**-exponent
        return np.asarray(floor + (alpha - floor).sum() * curve / curve.sum())

    def surplus(exponent: float) -> float:
        cells = first_clicks(steeper(exponent), gamma)
        return float(cells[0] / cells.sum() - share_of_first)

    return steeper(float(brentq(surplus, 0.5, 6.0)))


def main() -> None:
    root = Path(__file__).resolve().parents[1]
    facts = read_facts(Path(os.environ.get("LRERANK_DATA") or root / ".." / "shared" / "data"))
    print(f"about {facts.searches:,.0f} searches per arm; satisfied clicks {facts.satisfaction:.4f}\n")
    print("law                      numbers  deviance   gamma   page 2 (95 %)")
    for law, (size, _) in LAWS.items():
        lost, alpha, gamma, _ = fit(law, facts)
        page, (low, high) = second_page(alpha, gamma, facts.satisfaction), second_page_interval(law, facts)
        print(f"{law:24} {size + 1:7} {lost:9.2f} {gamma:7.3f}   {page:.4f} ({low:.4f} to {high:.4f})")
    lost, alpha, gamma, x = fit(CHOSEN, facts)
    first = float(expit(x[0]))
    floor = first * float(expit(x[2]))
    print(f"\n{CHOSEN}: first {first:.4f}, floor {floor:.4f}, exponent {np.exp(x[1]):.4f}, gamma {gamma:.4f}")
    print(f"page 2: predicted {second_page(alpha, gamma, facts.satisfaction):.4f}, published {facts.second_page}")
    for arm in (FITTED, *LATER):
        shown = alpha if arm == FITTED else reranked(alpha, floor, gamma, float(facts.first[arm][0]))
        cells = first_clicks(shown, gamma)
        clicked, shares = cells.sum(), cells / cells.sum()
        error = np.sqrt(shares * (1 - shares) / (facts.searches * facts.clicked[arm]))
        print(f"\n{arm}: searches with a click {clicked:.4f}, published {facts.clicked[arm]:.4f} +- {HALF_WIDTH}")
        print("  first clicks, predicted", np.round(shares, 4))
        print("               published ", np.round(facts.first[arm], 4))
        print("  standard errors apart  ", np.round((facts.first[arm] - shares) / error, 1))
        rest = facts.first[FITTED][1:] * (1 - facts.first[arm][0]) / (1 - facts.first[FITTED][0])
        print("  if shares only shrank  ", np.round((facts.first[arm][1:] - rest) / error[1:], 1))


if __name__ == "__main__":
    main()
