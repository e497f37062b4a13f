"""The link is calibrated, strictly increasing, and the same after saving, merging and batching."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrerank.calibration import (
    Link,
    LinkEstimator,
    expected_calibration_error,
    fit_link,
    reliability_table,
)
from lrerank.errors import DataError
from lrerank.exploration import TIE_TOLERANCE
from lrerank.types import FloatArray

Curve = Callable[[FloatArray], FloatArray]

pairs = st.lists(st.tuples(st.floats(-1e9, 1e9) | st.floats(-0.5, 1.5), st.booleans()), max_size=60)


def logistic(x: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-x))


def simulated(curve: Curve, values: FloatArray, rng: np.random.Generator) -> FloatArray:
    return (rng.random(len(values)) < curve(values)).astype(np.float64)


# Value distributions and true rates as they come up: clicks, a well specified model, rare clicks, purchases above 1.
CASES: dict[str, tuple[Callable[[np.random.Generator, int], FloatArray], Curve]] = {
    "logistic": (lambda rng, n: rng.normal(0.2, 0.25, n), lambda v: logistic(5 * v - 2)),
    "linear": (lambda rng, n: rng.uniform(0, 0.6, n), lambda v: 0.02 + 0.6 * v),
    "rare": (lambda rng, n: rng.gamma(2, 0.002, n), lambda v: np.minimum(1.5 * v, 1.0)),
    "purchases": (lambda rng, n: rng.gamma(1, 1.5, n), lambda v: logistic(0.8 * v - 3)),
}


@pytest.mark.parametrize("case", CASES)
def test_fitted_links_are_calibrated(case: str) -> None:
    """On 100,000 fresh pairs, after 20,000.

    A group of 1,000 pairs knows its rate p to sqrt(p (1 - p) / 1,000); averaged over groups and with the noise of the
    ten test bins the error is below that deviation at the mean rate, which is the bound here.
    """
    draw, curve = CASES[case]
    rng = np.random.default_rng(1)
    values = draw(rng, 20_000)
    link = fit_link(values, simulated(curve, values, rng))
    fresh = draw(rng, 100_000)
    rate = curve(fresh).mean()
    bound = math.sqrt(rate * (1 - rate) / 1000)
    assert expected_calibration_error(link(fresh), simulated(curve, fresh, rng)) < bound
    assert np.abs(link(fresh) - curve(fresh)).mean() < bound
    assert link(fresh).mean() == pytest.approx(rate, abs=5 * math.sqrt(rate * (1 - rate) / 20_000))


def test_the_best_values_do_not_share_one_probability() -> None:
    """Beyond the last group's mean the slope goes on: a linear truth is followed to the largest values, within 0.05."""
    rng = np.random.default_rng(2)
    values = rng.normal(0.3, 0.1, 50_000)
    link = fit_link(values, simulated(lambda v: np.clip(v, 0, 1), values, rng))
    top = np.array([0.5, 0.55, 0.6, 0.65])
    np.testing.assert_allclose(link(top), top, atol=0.05)


def links() -> list[Link]:
    rng = np.random.default_rng(3)
    values = rng.normal(0.3, 0.5, 5000)
    return [
        LinkEstimator().link(),
        fit_link(values, values > 0.3),
        fit_link(values, values < 0.3),  # a model that is wrong the whole way: flat
        fit_link(values, np.zeros(5000)),
        fit_link(values, np.ones(5000)),
        fit_link(values, simulated(lambda v: logistic(4 * v), values, rng)),
        Link(np.array([0.0, 1e-9]), np.array([1e-6, 1 - 1e-6])),  # a step
    ]


@pytest.mark.parametrize("link", links())
def test_values_that_are_not_tied_have_different_probabilities(link: Link) -> None:
    rng = np.random.default_rng(4)
    lower = np.concatenate([rng.uniform(-20, 20, 20_000), link.values, link.values - 0.5 * TIE_TOLERANCE])
    assert (link(lower) < link(lower + 1.01 * TIE_TOLERANCE)).all()


@pytest.mark.parametrize("link", links())
def test_all_values_have_probabilities_inside_0_and_1(link: Link) -> None:
    values = np.array([-1e300, -1e9, -1.0, 0.0, 1.0, 1e9, 1e300])
    assert ((link(values) > 0) & (link(values) < 1)).all()


@settings(max_examples=100)
@given(pairs, st.lists(st.floats(-20, 20), min_size=2, max_size=40))
def test_any_history_gives_an_increasing_link_that_survives_saving(
    history: list[tuple[float, bool]], queries: list[float]
) -> None:
    estimator = LinkEstimator(half_life=7.0)
    estimator.add(np.array([v for v, _ in history]), np.array([e for _, e in history]))
    link = estimator.link()
    values = np.sort(queries)
    probabilities = link(values)
    apart = np.diff(values) > TIE_TOLERANCE
    assert (np.diff(probabilities)[apart] > 0).all()
    assert ((probabilities > 0) & (probabilities < 1)).all()
    np.testing.assert_array_equal(Link.from_json(json.loads(json.dumps(link.to_json())))(values), probabilities)
    again = LinkEstimator.from_json(json.loads(json.dumps(estimator.to_json())))
    np.testing.assert_array_equal(again.link()(values), probabilities)
    assert again.seen == len(history)


def test_without_data_the_link_is_the_identity_and_data_takes_over() -> None:
    grid = np.linspace(0.05, 0.95, 10)
    np.testing.assert_allclose(LinkEstimator().link()(grid), grid, atol=1e-5)
    errors = []
    rng = np.random.default_rng(5)
    for n in (0, 50, 1000, 50_000):
        values = rng.random(n)
        link = fit_link(values, simulated(lambda v: 0.3 * v, values, rng))
        errors.append(np.abs(link(grid) - 0.3 * grid).mean())
    assert errors == sorted(errors, reverse=True)
    assert errors[0] == pytest.approx(0.35, abs=1e-4)
    # Groups of 2,500 pairs know a rate of 0.15 to 0.007 each.
    assert errors[-1] < 0.007


@pytest.mark.parametrize("half_life", [None, 300.0])
def test_batches_make_no_difference(half_life: float | None) -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(0.3, 0.3, 3000)
    engaged = simulated(lambda v: np.clip(v, 0, 1), values, rng)
    whole, parts = LinkEstimator(half_life), LinkEstimator(half_life)
    whole.add(values, engaged)
    for start in range(0, 3000, 7):
        parts.add(values[start : start + 7], engaged[start : start + 7])
    grid = np.linspace(-1, 2, 50)
    np.testing.assert_allclose(parts.link()(grid), whole.link()(grid), atol=1e-9)


def test_estimators_merge() -> None:
    rng = np.random.default_rng(7)
    values = rng.random(2000)
    engaged = simulated(lambda v: v, values, rng)
    left, right, both = LinkEstimator(), LinkEstimator(), LinkEstimator()
    left.add(values[:700], engaged[:700])
    right.add(values[700:], engaged[700:])
    both.add(values, engaged)
    grid = np.linspace(-1, 2, 50)
    np.testing.assert_allclose((left + right).link()(grid), both.link()(grid), atol=1e-12)
    assert (left + right).seen == 2000
    with pytest.raises(ValueError, match="half-lives"):
        left + LinkEstimator(10.0)


def test_weights_count_as_repetitions() -> None:
    rng = np.random.default_rng(8)
    values = rng.random(500)
    engaged = simulated(lambda v: v, values, rng)
    times = rng.integers(0, 4, 500)
    grid = np.linspace(-1, 2, 50)
    weighted = fit_link(values, engaged, times.astype(np.float64))
    np.testing.assert_allclose(
        weighted(grid), fit_link(np.repeat(values, times), np.repeat(engaged, times))(grid), atol=1e-12
    )


def test_recent_pairs_win_after_a_drift() -> None:
    """Rates drop from 0.6 v to 0.2 v; ten half-lives later the old ones weigh 0.1 %."""
    rng = np.random.default_rng(9)
    forgetful, faithful = LinkEstimator(half_life=2000.0), LinkEstimator()
    for slope in (0.6, 0.2):
        values = rng.random(20_000)
        engaged = (rng.random(20_000) < slope * values).astype(np.float64)
        forgetful.add(values, engaged)
        faithful.add(values, engaged)
    grid = np.linspace(0.1, 0.9, 9)
    # About 2,900 effective pairs in 20 groups, smoothed by monotony; 0.03 is one group's deviation at a rate of 0.1.
    assert np.abs(forgetful.link()(grid) - 0.2 * grid).mean() < 0.03
    assert np.abs(faithful.link()(grid) - 0.2 * grid).mean() > 0.08


def test_pairs_that_are_none_are_refused() -> None:
    estimator = LinkEstimator()
    for values, engaged, weights in (
        ([np.nan], [0.0], None),
        ([0.0], [2.0], None),
        ([0.0], [np.nan], None),
        ([0.0], [0.0], [-1.0]),
        ([0.0, 1.0], [0.0], None),
    ):
        with pytest.raises(ValueError, match=r"finite|0 to 1|shapes"):
            estimator.add(np.array(values), np.array(engaged), None if weights is None else np.array(weights))
    assert estimator.seen == 0
    with pytest.raises(ValueError, match="half_life"):
        LinkEstimator(0.0)


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"values": [0.0, 1.0], "probabilities": [0.5]},
        {"values": [1.0, 0.0], "probabilities": [0.1, 0.5]},
        {"values": [0.0, 1.0], "probabilities": [0.5, 0.1]},
        {"values": [0.0, float("nan")], "probabilities": [0.1, 0.5]},
        {"values": [0.0, 1.0], "probabilities": [0.0, 0.5]},
        {"values": "x", "probabilities": [0.5]},
    ],
)
def test_a_damaged_link_is_refused(saved: dict[str, object]) -> None:
    with pytest.raises(DataError, match="link"):
        Link.from_json(saved)


@pytest.mark.parametrize(
    "damage",
    [
        {"weight": [1.0]},
        {"cells": [600, 601]},
        {"cells": [3, 3]},
        {"cells": [0.5, 1]},
        {"weight": [float("inf"), 1.0]},
        {"weight": [-1.0, 1.0]},
        {"engaged": [1.5, 0.0]},
        {"value": [30.0, 0.0]},
        {"half_life": -1},
        {"half_life": "long"},
        {"seen": None},
        {"value": None},
    ],
)
def test_a_damaged_estimator_is_refused(damage: dict[str, object]) -> None:
    estimator = LinkEstimator()
    estimator.add(np.array([0.1, 0.9]), np.array([0.0, 1.0]))
    saved = estimator.to_json()
    LinkEstimator.from_json(saved)
    with pytest.raises(DataError, match="link estimator"):
        LinkEstimator.from_json(saved | damage)


# --- measuring calibration --------------------------------------------------------------------------------------------


def test_calibration_error_by_hand() -> None:
    predicted = np.array([0.1, 0.2, 0.7, 0.8])
    observed = np.array([0.0, 1.0, 1.0, 1.0])
    # Bins {0.1, 0.2} and {0.7, 0.8}: |0.15 - 0.5| and |0.75 - 1|, half the pairs each.
    assert expected_calibration_error(predicted, observed, bins=2) == pytest.approx(0.3)
    table = reliability_table(predicted, observed, bins=2)
    np.testing.assert_array_equal(table.count, [2, 2])
    np.testing.assert_allclose(table.predicted, [0.15, 0.75])
    np.testing.assert_allclose(table.observed, [0.5, 1.0])


def test_wilson_intervals() -> None:
    """Textbook values at 95 %: 0 of 10 -> 0 to 0.2775, 5 of 10 -> 0.2366 to 0.7634."""
    predicted = np.repeat([0.1, 0.9], 10)
    observed = np.concatenate([np.zeros(10), np.ones(5), np.zeros(5)])
    table = reliability_table(predicted, observed, bins=2)
    np.testing.assert_allclose(table.low, [0.0, 0.2366], atol=5e-5)
    np.testing.assert_allclose(table.high, [0.2775, 0.7634], atol=5e-5)


def test_equal_predictions_share_a_bin() -> None:
    observed = np.repeat([1.0, 0.0], 500)
    assert expected_calibration_error(np.full(1000, 0.5), observed) == 0.0
    table = reliability_table(np.append(np.full(900, 0.5), np.linspace(0.6, 0.9, 100)), np.zeros(1000), bins=10)
    assert table.count.tolist() == [900, 100]


def test_perfect_predictions_show_the_documented_noise() -> None:
    """Mean over 200 draws of 2,000 pairs at a rate of 0.2: 0.8 * sqrt(0.16 * 10 / 2000) = 0.0226, within 10 %."""
    rng = np.random.default_rng(10)
    predicted = 0.2 + rng.uniform(-1e-3, 1e-3, 2000)
    errors = [expected_calibration_error(predicted, (rng.random(2000) < predicted).astype(float)) for _ in range(200)]
    assert np.mean(errors) == pytest.approx(0.8 * math.sqrt(0.16 * 10 / 2000), rel=0.1)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80), st.integers(1, 20))
def test_tables_hold_every_pair_once(history: list[tuple[float, bool]], bins: int) -> None:
    predicted, observed = np.array([p for p, _ in history]), np.array([e for _, e in history])
    table = reliability_table(predicted, observed, bins)
    assert table.count.sum() == len(history)
    assert len(table.count) <= bins
    assert (table.count @ table.observed) == pytest.approx(observed.sum())
    assert (table.count @ table.predicted) == pytest.approx(predicted.sum())
    assert (np.diff(table.predicted) >= 0).all()
    assert ((table.low <= table.observed + 1e-12) & (table.observed <= table.high + 1e-12)).all()


def test_what_is_no_calibration_data_is_refused() -> None:
    for predicted, observed in (([], []), ([0.1], [0.0, 1.0]), ([1.1], [0.0]), ([np.nan], [0.0]), ([0.1], [0.5])):
        with pytest.raises(DataError):
            expected_calibration_error(np.array(predicted), np.array(observed))
