"""Verdicts on figures made here: the number, the interval, what it is called, and what must not be claimed."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from lrerank.experiments.spec import Experiment
from lrerank.experiments.tables import COLUMNS
from lrerank.experiments.verdict import Verdict, verdict
from lrerank.types import FloatArray

BINS, WIDTH = 5, 200


def experiment(
    replicates: int, worlds: int = 1, arms: tuple[str, ...] = ("learned", "popular"), **values: object
) -> Experiment:
    kinds = {"learned": {"kind": "learned"}, "popular": {"kind": "popularity"}, "static": {"kind": "rerank"}}
    return Experiment(
        question="Which?",
        arms={name: kinds[name] for name in ("static", *arms)},
        baseline="static",
        impressions=BINS * WIDTH,
        measure_from=2 * WIDTH,
        bins=BINS,
        replicates=replicates,
        world={"worlds": worlds},
        **values,
    )


def table(rewards: dict[str, FloatArray], replicates: int) -> pd.DataFrame:
    """arm → [places] reward per page in the window; place p is replicate p % replicates of world p // replicates."""
    rows = []
    for arm, values in rewards.items():
        for place, value in enumerate(values):
            for number in range(BINS):
                where = (place // replicates, place % replicates, arm, number * WIDTH, (number + 1) * WIDTH)
                # Before the window everybody is alike and much better.
                reward = value if number >= 2 else 9.0
                rows.append((*where, "expected_reward", "all", "", WIDTH * reward, float(WIDTH)))
                rows.append((*where, "regret", "all", "", WIDTH * (2.0 - value), float(WIDTH)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def rewards(lift: float, popular: float = -0.2, places: int = 6, noise: float = 0.005) -> dict[str, FloatArray]:
    rng = np.random.default_rng(1)
    luck = rng.normal(0, 0.05, places)
    return {
        "static": 0.7 + luck,
        "learned": 0.7 + lift + luck + rng.normal(0, noise, places),
        "popular": 0.7 + popular + luck + rng.normal(0, noise, places),
        "reference": 1.2 + luck,
    }


def test_a_lead_is_told_with_an_interval_that_allows_for_the_choice() -> None:
    made = rewards(0.041)
    found = verdict(table(made, 6), experiment(6))
    difference = made["learned"] - made["static"]
    # The oracle: two arms are compared with the baseline, so each interval has level 1 - 0.05 / 2.
    half = t.ppf(1 - 0.05 / 4, 5) * difference.std(ddof=1) / np.sqrt(6)
    low, high = (round(1000 * (difference.mean() + sign * half)) for sign in (-1, 1))
    assert found.sentence.startswith(
        f"In this built-in world learned leads static by +{1000 * difference.mean():.0f} clicks per 1,000 searches "
        f"(95 % interval +{low} to +{high} allowing for the choice among 2 arms, over 6 replicates, simulation noise "
        "only; searches 400 to 1,000). It leads all other arms."
    )
    assert (found.leader, found.clear, found.provisional, found.rivals) == ("learned", True, False, ())
    assert found.difference is not None and found.difference.headline.value == pytest.approx(difference.mean())
    assert [row.arm for row in found.rows] == ["learned", "static", "popular", "reference"]
    assert found.rows[0].values["expected_reward"].value == pytest.approx(made["learned"].mean())
    assert found.rows[2].differences["regret"].value == pytest.approx((made["static"] - made["popular"]).mean())
    assert found.rows[1].differences == {}


def test_when_it_became_clear_counts_all_searches() -> None:
    figures = table(rewards(0.1), 6)
    found = verdict(figures, experiment(6))
    assert found.clear_from == 600, "in the first two bins all are alike"
    assert "that lead is clear from 600 on" in found.sentence


def test_what_cannot_be_told_apart_is_said_to_be_so() -> None:
    found = verdict(table(rewards(0.002, noise=0.02), 6), experiment(6))
    assert "learned and static can't be told apart: " in found.sentence
    assert not found.clear and "leads" not in found.sentence and found.clear_from is None
    assert found.needed is not None and found.needed.cautious is not None
    numbers = re.search(r"clear after about ([\d,]+) to ([\d,]+) replicates", found.sentence)
    assert numbers is not None and found.needed.expected == int(numbers[1].replace(",", ""))
    assert found.needed.cautious == int(numbers[2].replace(",", "")) > 6


def test_a_rival_of_the_leader_is_named() -> None:
    found = verdict(table(rewards(0.1, popular=0.1, noise=0.01), 6), experiment(6))
    assert found.clear and len(found.rivals) == 1
    assert f"It can't be told apart from {found.rivals[0]}." in found.sentence
    assert "all other arms" not in found.sentence


def test_the_learned_arm_is_told_of_where_another_leads() -> None:
    made = rewards(0.03, popular=0.1)
    found = verdict(table(made, 6), experiment(6))
    assert "popular leads static by" in found.sentence
    lift = (made["learned"] - made["static"]).mean()
    assert f"learned leads static by +{1000 * lift:.0f} (+" in found.sentence
    worse = verdict(table(rewards(-0.03, popular=0.1), 6), experiment(6))
    assert "learned is behind static by −" in worse.sentence


def test_a_baseline_that_leads_is_said_to_lead() -> None:
    found = verdict(table(rewards(-0.05), 6), experiment(6))
    assert found.leader == "static" and found.clear
    assert "static leads: the closest arm, learned, has −" in found.sentence


def test_before_the_end_it_is_provisional_and_unfinished_replicates_do_not_count() -> None:
    figures = table(rewards(0.05), 6)
    unfinished = (figures["replicate"] == 5) & (figures["end"] == 1000)
    another = (figures["replicate"] == 4) & (figures["arm"] == "popular")
    found = verdict(figures[~(unfinished | another)], experiment(8))
    assert found.provisional and found.sentence.startswith("Provisional, 4 of 8 replicates: In this built-in world")
    assert found.difference is not None and found.difference.replicates.tolist() == [0, 1, 2, 3]
    nothing = verdict(figures[figures["end"] < 1000], experiment(6))
    assert nothing == Verdict("Nothing can be said yet: no replicate is finished.", True, "built-in world")
    single = verdict(figures[figures["replicate"] == 0], experiment(6))
    assert "how sure that is can't be said" in single.sentence and not single.clear


def test_over_several_worlds_the_wider_interval_counts() -> None:
    rng = np.random.default_rng(2)
    made = rewards(0.05, places=12)
    made["learned"] = made["learned"] + np.repeat(rng.normal(0, 0.03, 4), 3)
    found = verdict(table(made, 3), experiment(3, worlds=4))
    assert "In these built-in worlds" in found.sentence
    assert "over 12 replicates in 4 worlds, world uncertainty" in found.sentence
    means = (made["learned"] - made["static"]).reshape(4, 3).mean(axis=1)
    half = t.ppf(1 - 0.05 / 4, 3) * means.std(ddof=1) / 2
    assert found.difference is not None and found.difference.headline.low == pytest.approx(means.mean() - half)


def test_units_and_a_single_rival() -> None:
    made = rewards(0.041)
    del made["popular"]
    found = verdict(table(made, 6), experiment(6, arms=("learned",), reward={"click": 0.0, "purchase": 1.0}))
    assert "purchases per 1,000 searches" in found.sentence and "allowing" not in found.sentence
    alone = verdict(table({"static": made["static"]}, 6), experiment(6, arms=()))
    assert alone.sentence.startswith("There is nothing to compare: static has ")


def test_of_equal_arms_none_is_claimed_to_lead() -> None:
    """A claim in 5 % of 40 experiments at most: 7 or fewer in 99.7 % of such tests (binomial)."""
    rng = np.random.default_rng(0)
    claims = 0
    for _ in range(40):
        made = {arm: 0.7 + rng.normal(0, 0.05, 6) for arm in ("static", "learned", "popular")}
        claims += verdict(table(made, 6), experiment(6)).clear
    assert claims <= 7
