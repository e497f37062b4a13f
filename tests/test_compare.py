"""Comparisons of arms: estimates and both intervals, against formulas and enumeration; what is refused or said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lrerank.errors import LrerankError
from lrerank.experiments.compare import Comparison, compare, paired
from lrerank.experiments.precision import (
    mean_over_worlds,
    minimum_detectable,
    moments,
    ratio_over_worlds,
    replicates_needed,
    worlds_needed,
)
from lrerank.experiments.sequential import confidence_sequence, look
from lrerank.experiments.waterfall import waterfall


def figures(values: dict[str, np.ndarray], measure: str = "clicks", weight: float = 100.0) -> pd.DataFrame:
    """Tidy figures from [worlds, replicates, bins] values of each arm, bins of 10 impressions."""
    parts = []
    for arm, array in values.items():
        world, replicate, where = (index.ravel() for index in np.indices(array.shape))
        parts.append(
            pd.DataFrame(
                {
                    "world": world,
                    "replicate": replicate,
                    "arm": arm,
                    "start": where * 10,
                    "end": where * 10 + 10,
                    "measure": measure,
                    "by": "all",
                    "group": "",
                    "total": array.ravel() * weight,
                    "weight": weight,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def drawn(seed: int, shape: tuple[int, int, int], **means: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=shape)
    return figures({arm: mean + common + 0.3 * rng.normal(size=shape) for arm, mean in means.items()})


def test_one_world_is_the_paired_t_interval() -> None:
    table = drawn(1, (1, 8, 3), a=5.0, b=4.0)
    found = compare(table.sample(frac=1.0, random_state=0), "a", "b", "clicks")
    means = table.groupby(["arm", "replicate"])["total"].sum().unstack(0) / 300.0
    oracle = stats.ttest_rel(means["a"], means["b"]).confidence_interval(0.95)
    assert found.difference.value == pytest.approx((means["a"] - means["b"]).mean())
    assert (found.headline.low, found.headline.high) == pytest.approx((oracle.low, oracle.high))
    assert found.source == "simulation noise"
    assert found.difference.worlds.low is None and "one world" in found.difference.worlds.note
    assert found.arm_value.value == pytest.approx(means["a"].mean())
    assert found.per_thousand.headline.low == pytest.approx(1000 * oracle.low)
    assert (found.start, found.end, found.note) == (0, 30, "")


def test_the_value_of_a_replicate_is_total_over_weight_and_not_a_mean_of_bins() -> None:
    table = figures({"a": np.array([[[1.0, 4.0]]]), "b": np.array([[[0.0, 0.0]]])})
    table.loc[table["start"] == 10, ["total", "weight"]] *= 3.0
    found = compare(table, "a", "b", "clicks")
    assert found.difference.value == pytest.approx((1.0 + 3 * 4.0) / 4)
    assert found.headline.low is None and "one replicate" in found.headline.note


def test_several_worlds_have_both_intervals_and_the_wider_one_leads() -> None:
    rng = np.random.default_rng(3)
    effect = np.array([0.0, 1.0, 2.0, 5.0])
    difference = effect[:, None] + 0.1 * rng.normal(size=(4, 6))
    table = figures({"a": 3.0 + difference[:, :, None], "b": np.full((4, 6, 1), 3.0)})
    found = compare(table, "a", "b", "clicks")
    means = difference.mean(axis=1)
    oracle = stats.ttest_1samp(means, 0.0).confidence_interval(0.95)
    assert found.source == "world uncertainty" and found.headline.groups == 4
    assert (found.headline.low, found.headline.high) == pytest.approx((oracle.low, oracle.high))
    error = np.sqrt((difference.var(axis=1, ddof=1) / 6).sum()) / 4
    noise = found.difference.noise
    assert noise.low is not None and noise.high is not None
    # Welch's degrees lie between those of one world and of all of them.
    half = (noise.high - noise.low) / 2
    assert stats.t.ppf(0.975, 20) * error <= half <= stats.t.ppf(0.975, 5) * error


def test_worlds_count_equally_whatever_their_replicates() -> None:
    both = mean_over_worlds(np.array([1.0, 1.2, 5.0, 5.0, 5.3, 5.3]), np.array([0, 0, 7, 7, 7, 7]), 0.95)
    assert both.value == pytest.approx((1.1 + 5.15) / 2)


def test_one_replicate_in_each_of_many_worlds_leaves_world_uncertainty() -> None:
    found = compare(drawn(2, (6, 1, 2), a=1.0, b=0.0), "a", "b", "clicks")
    assert found.difference.noise.low is None and "one replicate" in found.difference.noise.note
    assert found.source == "world uncertainty" and found.headline.low is not None


def test_degrees_of_freedom_are_those_there_are() -> None:
    """Equal variances on f degrees in w strata have w * f degrees; the mean estimate over 2,000 draws is within 10 %."""
    rng = np.random.default_rng(5)
    strata = np.repeat(np.arange(20), 3)
    found = moments(rng.normal(size=(60, 2000)), strata)
    assert found.df.mean() == pytest.approx(40, rel=0.1)
    single = moments(rng.normal(size=(7, 2)), np.zeros(7, dtype=np.int64))
    assert single.df == pytest.approx([6.0, 6.0])


def test_missing_pairs_and_unfinished_replicates_are_left_out_and_said() -> None:
    table = drawn(4, (1, 6, 4), a=2.0, b=1.0)
    gone = (table["arm"] == "a") & (table["replicate"] == 2)
    unfinished = (table["arm"] == "b") & (table["replicate"] == 5) & (table["start"] >= 20)
    found = compare(table[~gone & ~unfinished], "a", "b", "clicks")
    assert list(found.replicates) == [0, 1, 3, 4]
    assert "2 of 6 replicates are left out" in found.note
    whole = compare(table[table["replicate"].isin([0, 1, 3, 4])], "a", "b", "clicks")
    assert found.headline == whole.headline
    with pytest.raises(LrerankError, match="no replicate can be compared"):
        compare(table[(table["arm"] == "a") ^ (table["replicate"] > 2)], "a", "b", "clicks")


def test_windows() -> None:
    table = drawn(6, (1, 5, 4), a=2.0, b=1.0)
    found = compare(table, "a", "b", "clicks", start=10, end=30)
    inside = table[(table["start"] >= 10) & (table["end"] <= 30)]
    assert found.headline == compare(inside, "a", "b", "clicks").headline
    with pytest.raises(LrerankError, match=r"start: the window cuts a time bin \(found 15\)\. Choose 10 or 20"):
        compare(table, "a", "b", "clicks", start=15)
    beyond = compare(table, "a", "b", "clicks", end=100)
    assert beyond.end == 40 and "figures end at impression 40, not 100" in beyond.note
    holes = compare(table[table["start"] != 20], "a", "b", "clicks")
    assert "no figures from impression 20 to 30" in holes.note


def test_groups_that_did_not_occur() -> None:
    table = drawn(7, (1, 5, 2), a=2.0, b=1.0)
    parts = [table.assign(by="history", group="0"), table[table["replicate"] != 3].assign(by="history", group="20")]
    found = compare(pd.concat([table, *parts]), "a", "b", "clicks", by="history", group="20")
    assert list(found.replicates) == [0, 1, 2, 4] and "nothing to measure" in found.note
    with pytest.raises(LrerankError, match=r"no such group \(found '7'\)\. There are '0', '20'"):
        compare(pd.concat([table, *parts]), "a", "b", "clicks", by="history", group="7")


def test_what_is_refused() -> None:
    table = drawn(8, (1, 3, 2), a=2.0, b=1.0)
    for arm, baseline, measure, message in (
        ("a", "a", "clicks", "itself"),
        ("a", "c", "clicks", r"no figures of this arm \(found 'c'\)\. There are 'a', 'b'"),
        ("a", "b", "sales", "no such measure"),
    ):
        with pytest.raises(LrerankError, match=message):
            compare(table, arm, baseline, measure)
    with pytest.raises(LrerankError, match="there twice"):
        compare(pd.concat([table, table.head(1)]), "a", "b", "clicks")
    with pytest.raises(LrerankError, match="bins overlap"):
        compare(pd.concat([table, table.head(1).assign(end=20)]), "a", "b", "clicks")
    for broken in (np.nan, np.inf):
        bad = table.copy()
        bad.loc[0, "total"] = broken
        with pytest.raises(LrerankError, match="not a finite number"):
            compare(bad, "a", "b", "clicks")
    with pytest.raises(LrerankError, match="level"):
        compare(table, "a", "b", "clicks", level=95)


def test_arms_that_do_the_same_have_no_interval_but_a_note() -> None:
    """0.1 + 0.2 and 0.3 differ by a rounding error, which is no evidence."""
    rng = np.random.default_rng(9)
    level = rng.normal(size=(1, 5, 1)) * 1e3
    table = figures({"a": level + 0.1 + 0.2, "b": level + 0.3})
    found = compare(table, "a", "b", "clicks")
    assert found.headline.low is None and "exactly the same" in found.headline.note


def test_fieller_is_the_set_of_ratios_that_the_t_test_does_not_reject() -> None:
    rng = np.random.default_rng(10)
    below = 3.0 + rng.normal(size=9)
    above = 0.5 * below + rng.normal(size=9) * 0.4
    found = ratio_over_worlds(above, below, np.zeros(9, dtype=np.int64), 0.95).headline
    assert found.value == pytest.approx(above.mean() / below.mean())
    for edge in (found.low, found.high):
        assert edge is not None
        assert stats.ttest_1samp(above - edge * below, 0.0).pvalue == pytest.approx(0.05)


def test_a_lift_over_next_to_nothing_has_no_interval() -> None:
    rng = np.random.default_rng(11)
    noisy = {"a": 1.0 + rng.normal(size=(1, 6, 1)), "b": 0.05 + rng.normal(size=(1, 6, 1))}
    found = compare(figures(noisy), "a", "b", "clicks")
    assert found.lift.headline.low is None
    assert found.headline.low is not None
    nothing = compare(figures({"a": noisy["a"], "b": np.zeros((1, 6, 1))}), "a", "b", "clicks")
    assert np.isnan(nothing.lift.headline.value) and "not positive" in nothing.lift.headline.note


def test_replicates_needed_is_the_smallest_number_that_is_enough() -> None:
    found = compare(drawn(12, (1, 12, 1), a=1.0, b=0.0), "a", "b", "clicks")
    sd = found.differences.std(ddof=1)

    def half(n: int) -> float:
        return float(stats.t.ppf(0.975, n - 1) * sd / np.sqrt(n))

    for wanted in (5.0, 0.3, 0.1, 0.01):
        needed = replicates_needed(found, wanted)
        assert needed.expected is not None and needed.cautious is not None and needed.cautious >= needed.expected
        assert half(needed.expected) <= wanted and (needed.expected == 2 or half(needed.expected - 1) > wanted)
    headline = found.headline
    assert headline.low is not None
    assert replicates_needed(found, found.difference.value - headline.low + 1e-12).expected == 12
    assert worlds_needed(found, 0.1).expected is None
    with pytest.raises(LrerankError, match="half width"):
        replicates_needed(found, 0.0)


def test_worlds_needed_reproduces_the_interval_at_hand() -> None:
    found = compare(drawn(13, (7, 3, 1), a=1.0, b=0.0), "a", "b", "clicks")
    interval = found.difference.worlds
    assert interval.low is not None
    assert worlds_needed(found, interval.value - interval.low + 1e-12).expected == 7


def test_the_minimum_detectable_difference_is_detected_that_often() -> None:
    """Share of 20,000 t tests that reject: the tolerance is four standard errors, 4 * sqrt(0.8 * 0.2 / 20000)."""
    found = compare(drawn(14, (1, 30, 1), a=1.0, b=0.0), "a", "b", "clicks")
    least = minimum_detectable(found, 6, power=0.8)
    assert least is not None
    sd = found.differences.std(ddof=1)
    draws = least + sd * np.random.default_rng(15).normal(size=(20_000, 6))
    assert (stats.ttest_1samp(draws, 0.0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.0115)


def test_the_confidence_sequence_is_where_the_mixture_of_likelihood_ratios_reaches_20() -> None:
    """By numerical integration over the effect size; the nuisance scale is integrated over d sigma / sigma."""
    values = np.array([0.3, 1.4, 0.9, 1.1, 0.2, 0.8])
    low, high = confidence_sequence(values, 0.95, mixture=0.1)
    assert np.isinf(low[:2]).all() and np.isfinite(low[2:]).all()
    for mean in (low[-1], high[-1]):
        x = values - mean
        n, squares, total = len(x), (x**2).sum(), x.sum()
        log_sigma = np.linspace(-4, 6, 2001)[:, None]
        effect = np.linspace(-30, 30, 4001)[None, :]
        sigma = np.exp(log_sigma)
        prior = stats.norm.pdf(effect, scale=np.sqrt(10.0)) * (effect[0, 1] - effect[0, 0])
        alternative = np.exp(-n * log_sigma - (squares / sigma**2 - 2 * effect * total / sigma + n * effect**2) / 2)
        null = np.exp(-n * log_sigma - squares / sigma**2 / 2)
        assert (alternative * prior).sum() / null.sum() == pytest.approx(20.0, rel=1e-3)


def test_looking_200_times_raises_no_more_alarms_than_promised() -> None:
    """3,000 runs without an effect: 5 % promised, 3.1 % expected; the bound adds nothing for chance and needs none.
    The plain t interval raises alarms in more than a third."""
    rng = np.random.default_rng(16)
    runs = [rng.normal(size=200) for _ in range(3000)]
    alarms = 0
    for values in runs:
        low, high = confidence_sequence(values)
        alarms += bool(((low > 0) | (high < 0)).any())
    assert 0.015 < alarms / 3000 < 0.05
    x = np.array(runs[:300])
    n = np.arange(1, 201)
    mean = x.cumsum(axis=1) / n
    sd = np.sqrt(((x**2).cumsum(axis=1) - n * mean**2)[:, 1:] / (n[1:] - 1))
    naive = np.abs(mean[:, 1:]) * np.sqrt(n[1:]) > stats.t.ppf(0.975, n[1:] - 1) * sd
    assert naive.any(axis=1).mean() > 0.33


def test_a_large_common_part_does_not_widen_the_sequence() -> None:
    values = np.random.default_rng(17).normal(size=12)
    low, _ = confidence_sequence(values)
    shifted, _ = confidence_sequence(values + 1e7)
    assert shifted[2:] - 1e7 == pytest.approx(low[2:], abs=1e-6)


def test_a_look_counts_replicates_in_order_and_keeps_its_answer() -> None:
    table = drawn(18, (1, 12, 2), a=3.0, b=0.0)
    whole = look(table, "a", "b", "clicks", end=20)
    assert whole.answer == "above" and whole.decided_at is not None and whole.decided_at < 12
    assert whole.estimate.groups == 12
    waiting = look(table[table["replicate"] != 4], "a", "b", "clicks", end=20)
    assert waiting.estimate.groups == 4 and "7 replicates wait" in waiting.note
    assert waiting.low == pytest.approx(whole.low[:4])
    unfinished = table[(table["replicate"] != 0) | (table["arm"] == "a")]
    assert look(unfinished, "a", "b", "clicks", end=20).estimate.groups == 0
    early = look(table[table["start"] == 0], "a", "b", "clicks", end=20)
    assert early.answer is None and "no replicate has reached impression 20" in early.note
    assert look(table, "b", "a", "clicks", end=20).answer == "below"


def test_a_look_at_several_worlds_counts_worlds() -> None:
    """Replicates of three worlds that differ say nothing of a fourth one: the wide interval is the one to stop on."""
    table = drawn(19, (4, 6, 1), a=1.0, b=0.0)
    seen = table[(table["world"] != 3) | (table["replicate"] < 4)]
    found = look(seen, "a", "b", "clicks", end=10, replicates=6)
    pairs = paired(table, ("a", "b"), "clicks").values()
    worlds = (pairs[:, 0] - pairs[:, 1]).reshape(4, 6).mean(axis=1)[:3]
    assert (found.low[-1], found.high[-1]) == pytest.approx([edge[-1] for edge in confidence_sequence(worlds)])
    assert (found.estimate.groups, found.estimate.n) == (3, 18) and "4 replicates wait" in found.note
    assert look(table, "a", "b", "clicks", end=10, worlds=[4, 0, 1, 2, 3]).estimate.groups == 0
    assert look(table, "a", "b", "clicks", end=10, replicates=7).estimate.groups == 0


def test_the_steps_of_a_waterfall_add_up_over_shared_replicates() -> None:
    means = {"static": 1.0, "pooled": 2.0, "context": 2.2, "user": 3.0, "reference": 5.0}
    table = drawn(20, (1, 10, 2), **means).assign(measure="expected_reward")
    table = table[(table["arm"] != "context") | (table["replicate"] != 1)]
    steps = waterfall(table, ["static", "pooled", "context", "user"])
    assert [step.arm for step in steps] == list(means)
    whole = compare(table[table["replicate"] != 1], "reference", "static", "expected_reward")
    added = sum(step.difference.value for step in steps if step.difference)
    assert added == pytest.approx(whole.difference.value)
    assert all("1 of 10 replicates" in step.note for step in steps)
    assert steps[0].share is None and steps[-1].share is None
    share = steps[3].share
    assert share is not None and share.headline.low is not None and share.headline.high is not None
    assert share.value == pytest.approx((steps[3].value.value - steps[0].value.value) / whole.difference.value)
    assert share.headline.low < 0.5 < share.headline.high
    bare = waterfall(table, ["static", "user"], reference=None)
    assert bare[1].share is None and bare[1].difference is not None
    with pytest.raises(LrerankError, match="at least two steps"):
        waterfall(table, ["static"], reference=None)


def test_intervals_cover_what_they_promise() -> None:
    """2,000 experiments of 5 replicates: four standard errors of a share of 0.95 are 0.0195."""
    rng = np.random.default_rng(21)
    zeros = np.zeros(5, dtype=np.int64)
    hits = {"mean": 0, "ratio": 0}
    for _ in range(2000):
        below = 10 + rng.normal(size=5)
        above = below * 0.3 + rng.normal(size=5)
        for name, interval, truth in (
            ("mean", mean_over_worlds(above, zeros, 0.95).headline, 3.0),
            ("ratio", ratio_over_worlds(above, below, zeros, 0.95).headline, 0.3),
        ):
            hits[name] += interval.low is not None and interval.low <= truth <= interval.high
    assert hits["mean"] / 2000 == pytest.approx(0.95, abs=0.0195)
    assert hits["ratio"] / 2000 == pytest.approx(0.95, abs=0.0195)


def test_a_million_figures_are_read_in_seconds() -> None:
    """Two arms of many: generous, since the machine may be busy; a loop over rows would take minutes."""
    rng = np.random.default_rng(22)
    small = drawn(23, (2, 10, 100), a=1.0, b=0.0)
    table = pd.concat([small.assign(measure=f"m{i}", total=rng.normal(size=len(small))) for i in range(250)])
    from time import perf_counter

    began = perf_counter()
    found: Comparison = compare(table, "a", "b", "m7")
    assert len(found.worlds) == 20 and perf_counter() - began < 5.0
