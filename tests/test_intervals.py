from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from lrerank.evaluation.intervals import (
    Estimate,
    bootstrap_by_group,
    mean_by_group,
    paired_difference,
    proportion,
)


def grouped(
    rng: np.random.Generator, sizes: NDArray[np.int64], correlation: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Values with mean 0 and variance 1 whose correlation within a group is as given."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    common, own = rng.standard_normal(len(sizes)), rng.standard_normal(len(group))
    return math.sqrt(correlation) * common[group] + math.sqrt(1 - correlation) * own, group


def ends(estimate: Estimate) -> tuple[float, float]:
    assert estimate.low is not None and estimate.high is not None
    return estimate.low, estimate.high


def coverage(sizes: NDArray[np.int64], correlation: float, experiments: int) -> tuple[float, float]:
    """Shares of experiments whose interval covers the truth: by group, and pretending that values are independent."""
    rng = np.random.default_rng(11)
    covered = np.zeros(2)
    for _ in range(experiments):
        values, group = grouped(rng, sizes, correlation)
        for number, label in enumerate([group, np.arange(len(group))]):
            low, high = ends(mean_by_group(values, label))
            covered[number] += low <= 0 <= high
    by_group, independent = covered / experiments
    return float(by_group), float(independent)


def test_singletons_give_the_classical_t_interval() -> None:
    values = np.random.default_rng(1).exponential(size=17)
    estimate = mean_by_group(values, np.arange(17))
    expected = stats.t.interval(0.95, 16, loc=values.mean(), scale=stats.sem(values))
    np.testing.assert_allclose(ends(estimate), expected, rtol=1e-12)
    assert (estimate.groups, estimate.n) == (17, 17)


def test_equal_groups_give_the_t_interval_over_group_means() -> None:
    values, group = grouped(np.random.default_rng(2), np.full(9, 4), 0.5)
    means = values.reshape(9, 4).mean(axis=1)
    estimate = mean_by_group(values, group, level=0.9)
    expected = stats.t.interval(0.9, 8, loc=means.mean(), scale=stats.sem(means))
    np.testing.assert_allclose(ends(estimate), expected, rtol=1e-12)


def test_unequal_groups_agree_with_the_matrices_of_the_method() -> None:
    """CR2 and its degrees of freedom written out with the projection matrix of the regression on a constant."""
    sizes = np.array([1, 5, 2, 9, 1])
    values, group = grouped(np.random.default_rng(3), sizes, 0.3)
    n = len(values)
    annihilator = np.eye(n) - np.full((n, n), 1 / n)
    columns = []
    for number in range(len(sizes)):
        mine = np.flatnonzero(group == number)
        own = annihilator[np.ix_(mine, mine)]
        roots, vectors = np.linalg.eigh(own)
        adjust = vectors @ np.diag(roots**-0.5) @ vectors.T
        columns.append(annihilator[:, mine] @ adjust @ np.ones(len(mine)) / n)
    form = np.array(columns)  # [groups, n]: the standard error squared is |form @ values|^2
    gram = form @ form.T
    freedom = np.trace(gram) ** 2 / np.trace(gram @ gram)
    half = stats.t.ppf(0.975, freedom) * np.linalg.norm(form @ values)
    estimate = mean_by_group(values, group)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.high == pytest.approx(values.mean() + half, rel=1e-10)
    assert estimate.low == pytest.approx(values.mean() - half, rel=1e-10)


def test_coverage_with_correlated_groups() -> None:
    """2,000 experiments give a standard error of 0.5 points at 95 %: 93 to 97 % are four of them to either side."""
    by_group, independent = coverage(np.full(20, 6), correlation=0.4, experiments=2000)
    assert 0.93 <= by_group <= 0.97
    assert independent < 0.85


def test_coverage_with_sizes_as_of_near_duplicate_queries() -> None:
    """A few large groups among many single queries. The method is approximate here, so 91 % is asked for."""
    sizes = np.array([60, 30, 12, 8, 5, 4, 3, 2, 2, 2] + [1] * 25)
    by_group, independent = coverage(sizes, correlation=0.3, experiments=2000)
    assert 0.91 <= by_group <= 0.98
    assert independent < 0.75


def test_bootstrap_agrees_where_there_are_many_groups() -> None:
    sizes = np.random.default_rng(4).integers(1, 6, size=400)
    values, group = grouped(np.random.default_rng(5), sizes, 0.5)
    robust = mean_by_group(values, group)
    drawn = bootstrap_by_group(values, group, np.random.default_rng(6), draws=4000)
    assert drawn.value == robust.value
    low, high = ends(robust)
    # Ends of a percentile interval from 4,000 draws are good to some 3 % of its width; 6 % allows two of them.
    np.testing.assert_allclose(ends(drawn), (low, high), atol=0.06 * (high - low))
    again = bootstrap_by_group(values, group, np.random.default_rng(6), draws=4000)
    assert again == drawn


def test_pairing_removes_what_systems_share() -> None:
    rng = np.random.default_rng(7)
    shared, group = grouped(rng, np.full(60, 3), 0.6)
    better = shared + 0.1 + 0.05 * rng.standard_normal(len(shared))
    low, high = ends(paired_difference(better, shared, group))
    assert 0 < low < 0.1 < high
    assert ends(mean_by_group(better, group))[0] < 0
    np.testing.assert_allclose(ends(paired_difference(shared, better, group)), (-high, -low))


@pytest.mark.parametrize(
    ("values", "groups", "note"),
    [
        ([0.2, 0.4, 0.6], ["a", "a", "a"], "one group"),
        ([0.3, 0.3, 0.3], ["a", "b", "c"], "same mean"),
        ([0.1 + 0.2, 0.3, 0.3], ["a", "b", "c"], "same mean"),
        ([0.0, 0.0], ["a", "b"], "same mean"),
        ([], [], "no values"),
    ],
)
def test_no_interval_rather_than_one_of_zero_width(values: list[float], groups: list[str], note: str) -> None:
    estimates = [mean_by_group(values, groups), bootstrap_by_group(values, groups, np.random.default_rng(0))]
    for estimate in estimates:
        assert estimate.low is None and estimate.high is None
        assert note in estimate.note
        assert math.isnan(estimate.value) if not values else estimate.value == pytest.approx(np.mean(values))


def test_values_without_a_value_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_by_group([0.1, math.nan], [1, 2])
    with pytest.raises(ValueError, match="shapes"):
        mean_by_group([0.1, 0.2], [1])
    with pytest.raises(ValueError, match="shapes"):
        paired_difference([0.1, 0.2], [0.1], [1, 2])


def test_wilson_interval() -> None:
    for successes, n in [(0, 10), (3, 10), (10, 10), (383, 1000)]:
        expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
        estimate = proportion(successes, n)
        np.testing.assert_allclose(ends(estimate), (float(expected.low), float(expected.high)), atol=1e-12)
    assert proportion(0, 0).low is None
    with pytest.raises(ValueError, match="successes"):
        proportion(3, 2)


def test_estimates_are_plain_numbers() -> None:
    estimate: Estimate = mean_by_group(np.array([0.1, 0.2], dtype=np.float32), np.array(["a", "b"]))
    assert {type(estimate.value), type(estimate.low), type(estimate.high)} == {float}
    assert {type(estimate.groups), type(estimate.n)} == {int}
