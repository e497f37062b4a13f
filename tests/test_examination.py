"""The examination curve from slates: weights against enumeration, intervals against truth."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from lrerank.errors import DataError
from lrerank.examination import (
    Documents,
    ExaminationEstimator,
    examination_weights,
    rank_spans,
    slot_marginals,
    survival_weights,
)
from lrerank.exploration import Exploration, canonical, draw_slate, slate_propensities
from lrerank.types import BoolArray, FloatArray, IntArray
from lrerank.vw import PLAIN, SHARED, LearnerOptions, VWModel, render

DISTINCT = np.array([0.3, -0.1, 0.5, 0.2, 0.1])
TIED = np.array([0.4, 0.1, 0.4, 0.1, 0.1])
MEMBERS = np.array([[0.3, 0.1, 0.5, 0.2, 0.4], [0.6, 0.1, 0.2, 0.3, 0.7], [0.1, 0.1, 0.7, 0.7, 0.0]])
INCOMING = np.array([0.2, 0.9, 0.3, 0.4, 0.8])


def lists(values: FloatArray, slots: int, exploration: Exploration) -> list[tuple[IntArray, float]]:
    """Every list that can be drawn, with its probability."""
    n = values.shape[-1]
    orders = [np.array(order) for order in permutations(range(n), min(slots, n))]
    return [
        (order, probability)
        for order in orders
        if (probability := float(slate_propensities(values, INCOMING[:n], order, exploration).prod())) > 0
    ]


@pytest.mark.parametrize("values", [DISTINCT, TIED, np.zeros(5), DISTINCT[:3], DISTINCT[:2]], ids=str)
@pytest.mark.parametrize(("rate", "from_slot"), [(0.3, 1), (0.3, 2), (1.0, 1), (0.0, 1)])
def test_marginals_are_those_of_all_lists(values: FloatArray, rate: float, from_slot: int) -> None:
    slots, n = 3, len(values)
    truth = np.zeros((n, slots))
    for order, probability in lists(values, slots, Exploration(rate=rate, from_slot=from_slot)):
        truth[order, np.arange(len(order))] += probability
    table = slot_marginals(n, slots, rate, from_slot)
    by_rank = np.vstack([table[:-1], np.repeat(table[-1:], max(n - slots, 0), axis=0)])
    spans = rank_spans(canonical(values)[None], np.arange(n)[None])[0]
    for document, (first, last) in enumerate(spans.tolist()):
        assert by_rank[first - 1 : last].mean(axis=0) == pytest.approx(truth[document], abs=1e-12)


def test_spans_are_the_ranks_that_ties_leave_open() -> None:
    values = np.array([TIED, DISTINCT, [1.0, 1.0, 1.0, -np.inf, -np.inf]])
    order = np.array([[3, 0, 1], [0, 1, 2], [2, 1, -1]])
    expected = np.array([[[3, 5], [1, 2], [3, 5]], [[2, 2], [5, 5], [1, 1]], [[1, 3], [1, 3], [0, 0]]])
    there = order >= 0
    assert (rank_spans(values, order)[there] == expected[there]).all()
    for page in range(3):
        single = rank_spans(values[[page]], order[[page]])[0]
        assert (single[there[page]] == expected[page, there[page]]).all()


SURVIVAL = [
    Exploration("epsilon_greedy", rate=0.3),
    Exploration("epsilon_greedy", rate=0.3, from_slot=2),
    Exploration("epsilon_greedy", rate=0.3, pool=4),
    Exploration("uniform", pool=4),
    Exploration("softmax", rate=0.0, temperature=0.2),
    Exploration("softmax", rate=0.2, temperature=0.2, from_slot=2, pool=3),
    Exploration("squarecb", rate=0.1, gamma=15.0),
    Exploration("bag", rate=0.2),
]


@pytest.mark.parametrize("exploration", SURVIVAL, ids=str)
@pytest.mark.parametrize("values", [DISTINCT, TIED, MEMBERS], ids=["distinct", "tied", "members"])
def test_survival_weights_average_to_the_same_in_every_slot(values: FloatArray, exploration: Exploration) -> None:
    slots = 3
    expected = np.zeros((5, slots))
    for order, probability in lists(values, slots, exploration):
        expected[order, np.arange(slots)] += probability * survival_weights(values, INCOMING, order, exploration)
    ranked = canonical(values)
    outside = ranked < np.sort(ranked)[-slots]
    first = exploration.from_slot - 1
    assert not expected[~outside].any() and not expected[:, :first].any()
    assert expected[:, first:] == pytest.approx(np.repeat(expected[:, [first]], slots - first, axis=1), abs=1e-12)
    pool = np.argsort(-INCOMING, kind="stable")[: exploration.pool]
    assert ((expected[:, first] > 0) == (outside & np.isin(np.arange(5), pool))).all()


def test_survival_weights_of_chosen_slots_are_the_same() -> None:
    order = np.array([4, 1, 0])
    every = survival_weights(DISTINCT, INCOMING, order, SURVIVAL[4])
    wanted = np.array([False, True, False])
    assert (survival_weights(DISTINCT, INCOMING, order, SURVIVAL[4], wanted) == np.where(wanted, every, 0)).all()
    assert every.nonzero()[0].tolist() == [0, 1]


@pytest.mark.parametrize(
    "exploration",
    [Exploration("greedy"), Exploration(rate=0.0), Exploration("bag", rate=0.0), Exploration(pool=2)],
    ids=str,
)
def test_pages_without_support_weigh_nothing(exploration: Exploration) -> None:
    assert not survival_weights(DISTINCT, INCOMING, np.array([4, 1, 0]), exploration).any()


# --- simulations: ranks are all that the estimator needs, so pages are drawn by rank -----------------------------------


def drawn_ranks(pages: int, n: int, slots: int, rate: float, rng: np.random.Generator) -> IntArray:
    """[pages, slots] ranks from 0 shown by epsilon-greedy: an independent, vectorised implementation."""
    left = np.ones((pages, n), dtype=bool)
    page = np.arange(pages)
    shown = []
    for _ in range(slots):
        uniform = (rng.random((pages, n)) * left).argmax(axis=1)
        shown.append(np.where(rng.random(pages) < rate, uniform, left.argmax(axis=1)))
        left[page, shown[-1]] = False
    return np.stack(shown, axis=1)


def pages_of_a_good_policy(
    pages: int, n: int, theta: FloatArray, rate: float, rng: np.random.Generator
) -> tuple[IntArray, BoolArray]:
    """Ranks from 0 and clicks. Pages differ much; within each, attractiveness falls with rank almost without error."""
    alpha = rng.beta(0.6, 2.0, (pages, 1)) * np.sort(rng.beta(1.0, 2.0, (pages, n)), axis=1)[:, ::-1]
    alpha = np.take_along_axis(alpha, np.argsort(np.arange(n) + rng.normal(0, 1, (pages, n)), axis=1), axis=1)
    ranks = drawn_ranks(pages, n, len(theta), rate, rng)
    return ranks, rng.random(ranks.shape) < theta * np.take_along_axis(alpha, ranks, axis=1)


def spans_of(ranks: IntArray) -> IntArray:
    return np.stack([ranks + 1, ranks + 1], axis=2)


THETA = np.arange(1.0, 11.0) ** -0.8


@pytest.mark.parametrize(
    ("documents", "rate", "pages"),
    [("outside", 0.3, 7000), ("all", 0.05, 4000), ("all", 0.3, 2000)],
)
def test_intervals_cover_and_estimates_are_not_off(documents: Documents, rate: float, pages: int) -> None:
    theta, n, runs = THETA[:4], 14, 60
    rng = np.random.default_rng(20)
    logs, covered = [], []
    for _ in range(runs):
        ranks, clicks = pages_of_a_good_policy(pages, n, theta, rate, rng)
        estimator = ExaminationEstimator(4, documents=documents)
        estimator.add(spans_of(ranks), n, clicks, Exploration(rate=rate))
        curve = estimator.curve()
        assert np.isfinite(curve.estimate).all() and curve.note == ""
        logs.append(np.log(curve.estimate / theta))
        covered.append((curve.low <= theta) & (theta <= curve.high))
    error = np.array(logs)[:, 1:]
    # 60 runs: the mean is known to sd / 7.7. A ratio of counts is biased by about half its variance on the log scale.
    spread = error.std(axis=0)
    assert (np.abs(error.mean(axis=0)) < 4 * spread / np.sqrt(runs) + spread**2 / 2).all()
    # If the three slots were one: 60 draws, a standard deviation of 0.028.
    assert 0.87 < np.array(covered)[:, 1:].mean() <= 0.995


def test_click_rates_of_explored_slots_are_far_too_low_where_this_is_not() -> None:
    rng, n, rate = np.random.default_rng(3), 30, 0.3
    ranks, clicks = pages_of_a_good_policy(60_000, n, THETA, rate, rng)
    left = np.ones((len(ranks), n), dtype=bool)
    rates = []
    for slot in range(10):
        explored = ranks[:, slot] != left.argmax(axis=1)
        rates.append(clicks[explored, slot].mean())
        left[np.arange(len(ranks)), ranks[:, slot]] = False
    naive = rates[9] / rates[0]
    estimator = ExaminationEstimator(10)
    estimator.add(spans_of(ranks), n, clicks, Exploration(rate=rate))
    curve = estimator.curve()
    assert naive < 0.73 * THETA[9]
    assert curve.low[9] <= THETA[9] <= curve.high[9] < 1.5 * THETA[9]


def test_a_policy_that_learns_from_the_same_clicks_does_no_harm() -> None:
    rng, n, theta, exploration = np.random.default_rng(5), 12, THETA[:4], Exploration(rate=0.2)
    alpha = rng.beta(1.0, 2.0, n)
    shown, clicked = np.ones(n), np.full(n, 0.2)
    estimator = ExaminationEstimator(4, documents="all")
    for _ in range(9000):
        # What it learns is biased by position, ties at first, and never settles entirely: pages are not independent.
        values = canonical(np.round(clicked / shown, 3))
        slate = draw_slate(values, np.zeros(n), 4, exploration, rng)
        clicks = rng.random(4) < theta * alpha[slate.order]
        shown[slate.order] += 1
        clicked[slate.order] += clicks
        estimator.add(rank_spans(values[None], slate.order[None]), n, clicks[None], exploration)
    curve = estimator.curve()
    # One seeded run: an interval of more than 4 standard errors for each of three slots.
    half = np.log(curve.high / curve.low)[1:]
    assert (np.abs(np.log(curve.estimate / theta))[1:] < half).all() and (half < 0.8).all()


@pytest.mark.parametrize(
    "exploration",
    [Exploration("softmax", rate=0.1, temperature=0.3), Exploration("epsilon_greedy", rate=0.5, pool=10, from_slot=2)],
    ids=str,
)
def test_survival_weights_give_the_curve_of_other_strategies(exploration: Exploration) -> None:
    rng, n, theta = np.random.default_rng(6), 12, np.array([1.0, 0.6, 0.3])
    alpha = np.linspace(0.9, 0.2, n)
    estimator = ExaminationEstimator(3)
    for _ in range(8000):
        values, incoming = alpha + rng.normal(0, 0.1, n), rng.random(n)
        slate = draw_slate(values, incoming, 3, exploration, rng)
        clicks = rng.random(3) < theta * alpha[slate.order]
        weights = survival_weights(values, incoming, slate.order, exploration, clicks)
        estimator.add_weighted(weights[None], clicks[None], exploration.from_slot)
    curve = estimator.curve()
    known = np.arange(exploration.from_slot, 3)
    truth = theta / theta[exploration.from_slot - 1]
    half = np.log(curve.high / curve.low)[known]
    assert (np.abs(np.log(curve.estimate / truth))[known] < half).all() and (half < 0.8).all()
    assert curve.reference == exploration.from_slot


def test_two_rankers_drawn_by_lot_give_the_curve() -> None:
    rng, theta = np.random.default_rng(7), np.array([1.0, 0.6, 0.3])
    rankers, share = np.array([[0, 1, 2], [2, 0, 1]]), 0.25
    marginals = np.zeros((3, 3))  # [document, slot]
    for ranker, probability in zip(rankers, (1 - share, share), strict=True):
        marginals[ranker, np.arange(3)] += probability
    orders = rankers[(rng.random(20_000) < share).astype(int)]
    clicks = rng.random(orders.shape) < theta * np.array([0.8, 0.5, 0.3])[orders]
    estimator = ExaminationEstimator(3)
    estimator.add_marginals(marginals[orders], clicks)
    curve = estimator.curve()
    # Documents move from 1 to 2, 2 to 3 and 3 to 1, so every slot is tied to every other; 20,000 pages are 3 % or less.
    assert curve.estimate == pytest.approx(theta, rel=0.12)
    assert ((curve.low <= theta) & (theta <= curve.high)).all()


def test_slots_that_nothing_connects_are_not_compared() -> None:
    marginals = np.zeros((4, 4))
    marginals[:2, :2] = marginals[2:, 2:] = 0.5
    estimator = ExaminationEstimator(4)
    estimator.add_marginals(np.repeat(marginals[None], 500, axis=0), np.ones((500, 4), dtype=bool))
    curve = estimator.curve()
    assert np.isfinite(curve.estimate).tolist() == [True, True, False, False]
    assert curve.estimate[:2] == pytest.approx([1, 1])


def test_without_evidence_the_prior_holds_and_the_note_says_so() -> None:
    estimator = ExaminationEstimator(4, prior=np.array([2.0, 1.0, 0.5, 0.25]))
    ranks, clicks = pages_of_a_good_policy(50, 14, THETA[:4], 0.0, np.random.default_rng(1))
    estimator.add(spans_of(ranks), 14, clicks, Exploration(rate=0.0))
    estimator.add(spans_of(ranks), 14, clicks, Exploration("greedy"))
    curve = estimator.curve()
    assert curve.theta == pytest.approx([1, 0.5, 0.25, 0.125])
    assert np.isnan([curve.estimate, curve.low, curve.high]).all()
    assert curve.pages == 100 and "prior" in curve.note
    assert ExaminationEstimator(3).curve().theta == pytest.approx(np.arange(1, 4) ** -0.5)


def test_below_slots_that_are_never_explored_the_curve_hangs_on_the_prior() -> None:
    rng, theta, exploration = np.random.default_rng(8), THETA[:4], Exploration(rate=1.0, from_slot=3)
    ranks = np.stack([np.zeros(9000), np.ones(9000), *(2 + drawn_ranks(9000, 10, 2, 1.0, rng).T)], axis=1).astype(int)
    clicks = rng.random(ranks.shape) < theta * 0.5
    estimator = ExaminationEstimator(4, documents="all")
    estimator.add(spans_of(ranks), 12, clicks, exploration)
    curve = estimator.curve()
    assert curve.reference == 3 and np.isnan(curve.estimate[:2]).all() and "slot 3" in curve.note
    assert curve.estimate[3] == pytest.approx(theta[3] / theta[2], rel=0.15)  # about 1500 clicks: 4 %
    # What is tied to slot 1 is the level of slots 3 and 4 together, each by ten clicks' worth of the prior.
    assert curve.theta[:3] == pytest.approx(np.arange(1, 4) ** -0.5, rel=0.1)
    assert curve.theta[3] / curve.theta[2] == pytest.approx(curve.estimate[3], rel=0.01)


def test_evidence_takes_over_from_a_wrong_prior() -> None:
    rng, theta = np.random.default_rng(9), THETA[:4]
    ranks, clicks = pages_of_a_good_policy(20_000, 14, theta, 1.0, rng)
    estimator = ExaminationEstimator(4, prior=np.ones(4))
    estimator.add(spans_of(ranks), 14, clicks, Exploration("uniform"))
    curve = estimator.curve()
    assert curve.theta == pytest.approx(curve.estimate, rel=0.05)
    assert curve.theta == pytest.approx(theta, rel=0.1)


def test_a_monotone_curve_never_rises() -> None:
    ranks, clicks = pages_of_a_good_policy(400, 14, np.ones(6), 1.0, np.random.default_rng(10))
    estimator = ExaminationEstimator(6)
    estimator.add(spans_of(ranks), 14, clicks, Exploration("uniform"))
    plain, monotone = estimator.curve(), estimator.curve(monotone=True)
    assert (np.diff(plain.theta) > 0).any() and (np.diff(monotone.theta) <= 1e-12).all()
    assert monotone.theta[0] == 1.0


def test_how_pages_are_batched_makes_no_difference() -> None:
    ranks, clicks = pages_of_a_good_policy(3000, 14, THETA[:4], 0.3, np.random.default_rng(11))
    whole, single = (ExaminationEstimator(4, half_life=500.0, documents="all") for _ in range(2))
    whole.add(spans_of(ranks), np.full(3000, 14), clicks, Exploration(rate=0.3))
    for page in range(3000):
        single.add(spans_of(ranks[[page]]), 14, clicks[[page]], Exploration(rate=0.3))
    assert single.curve().theta == pytest.approx(whole.curve().theta, rel=1e-9)
    assert single.curve().high == pytest.approx(whole.curve().high, rel=1e-9)


def test_old_pages_are_forgotten() -> None:
    rng = np.random.default_rng(12)
    estimator = ExaminationEstimator(3, half_life=2000.0, documents="all")
    for theta in (np.array([1.0, 0.9, 0.8]), np.array([1.0, 0.3, 0.1])):
        ranks, clicks = pages_of_a_good_policy(20_000, 10, theta, 0.5, rng)
        estimator.add(spans_of(ranks), 10, clicks, Exploration(rate=0.5))
    curve = estimator.curve()
    assert ((curve.low <= theta) & (theta <= curve.high)).all() and curve.high[2] < 0.3


@pytest.mark.parametrize("half_life", [None, 300.0])
def test_a_saved_estimator_goes_on_where_it_was(half_life: float | None) -> None:
    ranks, clicks = pages_of_a_good_policy(2000, 14, THETA[:4], 0.3, np.random.default_rng(13))
    estimator = ExaminationEstimator(4, half_life, "all", prior_clicks=3.0)
    estimator.add(spans_of(ranks), 14, clicks, Exploration(rate=0.3))
    again = ExaminationEstimator.from_json(json.loads(json.dumps(estimator.to_json())))
    for one in (estimator, again):
        one.add(spans_of(ranks), 14, clicks, Exploration(rate=0.3))
    assert again.to_json() == estimator.to_json()
    assert (again.curve().theta == estimator.curve().theta).all() and again.curve().pages == 4000


@pytest.mark.parametrize(
    "damage", [{"sums": [[1.0]]}, {"slots": "x"}, {"prior": [1.0]}, {"documents": "some"}, {"sums": None}]
)
def test_a_damaged_state_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="examination"):
        ExaminationEstimator.from_json({**ExaminationEstimator(4).to_json(), **damage})


def test_misuse_is_refused() -> None:
    estimator, clicks = ExaminationEstimator(3), np.ones((2, 3), dtype=bool)
    spans = np.full((2, 3, 2), 5)
    for exploration in (Exploration("softmax"), Exploration("bag"), Exploration(pool=4)):
        with pytest.raises(ValueError, match="survival_weights"):
            estimator.add(spans, 5, clicks, exploration)
    with pytest.raises(ValueError, match="do not go with"):
        estimator.add(spans[:1], 5, clicks, Exploration())
    with pytest.raises(ValueError, match=r"\[pages, 3\]"):
        estimator.add(spans[:, :2], 5, clicks[:, :2], Exploration())
    with pytest.raises(ValueError, match="probability is 0"):
        estimator.add_marginals(np.zeros((2, 3, 3)), clicks)
    with pytest.raises(ValueError, match="finite"):
        estimator.add_weighted(np.full((2, 3), np.nan), clicks)
    for arguments in ({"slots": 1}, {"slots": 3, "half_life": 0.0}, {"slots": 3, "prior_clicks": 0.0}):
        with pytest.raises(ValueError, match=r"must be|needs"):
            ExaminationEstimator(**arguments)
    assert estimator.curve().pages == 0
    estimator = ExaminationEstimator(3, documents="all")
    spans[:, :, :] = 1  # rank 1 in slot 3, though nothing is explored above it
    estimator.add(spans, 5, clicks, Exploration(from_slot=3))
    with pytest.raises(ValueError, match="probability is 0"):
        estimator.curve()
    assert estimator.curve().pages == 2


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_weighted_learning_finds_the_value_that_examination_hides(power: float) -> None:
    theta, value, slots = THETA, np.array([0.5, 0.2]), np.arange(1, 11)
    # A good document mostly on top, a bad one mostly below: means of what is seen would say more than their quality.
    times = np.stack([1000 / slots**2, slots**2])
    factor, importance = examination_weights(theta, np.stack([slots, slots]), floor=0.01, power=power)
    reward = theta * value[:, None]  # expected
    found = (times * importance * factor * reward).sum(axis=1) / (times * importance).sum(axis=1)
    assert found == pytest.approx(value)
    assert (times * reward).sum(axis=1) / times.sum(axis=1) != pytest.approx(value, rel=0.2)


def test_power_one_is_the_best_for_rare_clicks() -> None:
    theta = THETA
    variance = {}
    for power in (0.0, 1.0, 2.0):
        factor, importance = examination_weights(theta, np.arange(1, 11), floor=0.01, power=power)
        variance[power] = (importance**2 * factor**2 * theta).sum() / importance.sum() ** 2
    assert variance[1.0] < variance[2.0] and variance[1.0] < variance[0.0]


def test_the_floor_and_the_end_of_the_curve_hold() -> None:
    factor, importance = examination_weights(np.array([1.0, 0.5, 0.01]), np.array([1, 2, 3, 9]), floor=0.1)
    assert factor == pytest.approx([1, 2, 10, 10]) and importance == pytest.approx([1, 0.5, 0.1, 0.1])
    with pytest.raises(ValueError, match="count from 1"):
        examination_weights(THETA, np.array([0]))
    with pytest.raises(ValueError, match="floor"):
        examination_weights(THETA, np.array([1]), floor=0.0)


def test_vowpal_wabbit_learns_the_value_with_these_weights() -> None:
    rng, theta, alpha = np.random.default_rng(14), np.arange(1, 11) ** -1.0, np.array([0.5, 0.2])
    model = VWModel(LearnerOptions(learning_rate=0.02))
    shared = "shared " + render(SHARED, ["x"], [1.0])
    documents = [render(PLAIN, [name], [1.0]) for name in ("good", "bad")]
    found = []
    for page in range(8000):
        positions = np.array([rng.integers(1, 4), rng.integers(6, 11)])
        clicks = rng.random(2) < theta[positions - 1] * alpha
        factor, importance = examination_weights(theta, positions)
        model.learn(shared, documents, (clicks * factor).tolist(), weights=importance.tolist())
        if page >= 3000 and page % 20 == 0:
            found.append(model.predict(shared, documents))
    # 5000 pages at theta of about 0.6 and 0.13 know alpha to 0.01 each; as clicks alone they are 0.3 and 0.03.
    assert np.mean(found, axis=0) == pytest.approx(alpha, abs=0.05)
