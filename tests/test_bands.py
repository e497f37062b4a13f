"""Statements that hold all at once: bands over curves, net return, and settings that can't be told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lrerank.errors import LrerankError
from lrerank.experiments.bands import critical_value, difference_band, indistinguishable, net_return


def figures(values: dict[str, np.ndarray], measure: str = "reward", weight: float = 10.0) -> pd.DataFrame:
    """Tidy figures from [replicates, bins] values of each arm in one world, bins of 10 impressions."""
    parts = []
    for arm, array in values.items():
        replicate, where = (index.ravel() for index in np.indices(array.shape))
        parts.append(
            pd.DataFrame(
                {
                    "world": 0,
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


def test_one_bin_has_the_t_interval() -> None:
    """The critical value is simulated, 4,000 draws: within 5 % of t's."""
    rng = np.random.default_rng(1)
    table = figures({"a": 1 + rng.normal(size=(6, 1)), "b": np.zeros((6, 1))})
    assert difference_band(table, "a", "b", "reward").critical == pytest.approx(stats.t.ppf(0.975, 5), rel=0.05)


def test_bins_that_move_together_need_no_more_than_one_and_independent_ones_bonferroni() -> None:
    rng = np.random.default_rng(2)
    one = rng.normal(size=(200, 1))
    strata = np.zeros(200, dtype=np.int64)
    alike = critical_value(one + 1e-6 * rng.normal(size=(200, 30)), strata, 0.95)
    apart = critical_value(rng.normal(size=(200, 30)), strata, 0.95)
    # 4,000 draws put the 95 % point within about 3 % for |t| and 2 % for a maximum of 30; a correlation of 1 is estimated
    # from 200 units with an error that shrinks it to 0.99, and that costs a tenth.
    plain = stats.t.ppf(0.975, 199)
    assert 0.95 * plain < alike < 1.15 * plain
    # More than 60 degrees are simulated as 60.
    assert apart == pytest.approx(stats.t.ppf(1 - (1 - 0.95 ** (1 / 30)) / 2, 60), rel=0.04)


def test_the_band_is_the_same_every_time_and_wider_than_bin_by_bin() -> None:
    rng = np.random.default_rng(3)
    table = figures({"a": rng.normal(size=(8, 12)), "b": rng.normal(size=(8, 12))})
    first, second = (difference_band(table, "a", "b", "reward") for _ in range(2))
    assert (first.low == second.low).all() and first.critical > stats.t.ppf(0.975, 7)


@pytest.mark.parametrize("kind", ["bin", "running", "cumulative"])
def test_bands_contain_whole_curves(kind: str) -> None:
    """120 experiments, 6 replicates, 12 bins with a part of their own per replicate; a share of 0.95 has a standard
    error of 0.02, so 0.88 is far below it."""
    rng = np.random.default_rng(4)
    truth = np.linspace(-1.0, 2.0, 12)
    covered = 0
    for _ in range(120):
        noise = rng.normal(size=(6, 12)) + rng.normal(size=(6, 1))
        band = difference_band(figures({"a": truth + noise, "b": np.zeros((6, 12))}), "a", "b", "reward", kind=kind)  # type: ignore[arg-type]
        sums = truth.cumsum()
        true = {"bin": truth, "running": sums / np.arange(1, 13), "cumulative": 10 * sums}[kind]
        covered += bool(((band.low <= true) & (true <= band.high)).all())
    assert covered / 120 >= 0.88


def test_accumulated_and_running_curves_say_the_same_where_weights_are_equal() -> None:
    rng = np.random.default_rng(5)
    table = figures({"a": 1 + rng.normal(size=(7, 9)), "b": rng.normal(size=(7, 9))})
    running = difference_band(table, "a", "b", "reward", kind="running")
    total = difference_band(table, "a", "b", "reward", kind="cumulative")
    assert total.low / total.end == pytest.approx(running.low)
    assert total.critical == pytest.approx(running.critical)


def test_clear_from_is_the_first_bin_that_stays_above_zero() -> None:
    rng = np.random.default_rng(6)
    truth = np.array([0.0, 9.0, 0.0, 0.0, 5.0, 9.0, 9.0, 9.0])
    values = {"a": truth + 0.5 * rng.normal(size=(10, 8)), "b": np.zeros((10, 8))}
    assert difference_band(figures(values), "a", "b", "reward").clear_from == 40
    assert difference_band(figures(values), "b", "a", "reward").clear_from is None


def test_bins_without_spread_have_no_band_and_prove_nothing() -> None:
    rng = np.random.default_rng(7)
    curve = np.concatenate([np.zeros((6, 3)), 5 + rng.normal(size=(6, 3))], axis=1)
    band = difference_band(figures({"a": curve, "b": np.zeros((6, 6))}), "a", "b", "reward", kind="cumulative")
    assert np.isnan(band.low[:3]).all() and np.isfinite(band.low[3:]).all()
    assert (band.value[:3] == 0).all() and band.clear_from == 30
    single = difference_band(figures({"a": curve[:1], "b": np.zeros((1, 6))}), "a", "b", "reward")
    assert np.isnan(single.low).all() and "no band" in single.note and single.clear_from is None


def test_several_worlds_get_the_wider_band() -> None:
    rng = np.random.default_rng(8)
    parts = []
    for world in range(6):
        curve = 4 * rng.normal() + 0.1 * rng.normal(size=(3, 5))
        parts.append(figures({"a": curve, "b": np.zeros((3, 5))}).assign(world=world))
    band = difference_band(pd.concat(parts), "a", "b", "reward")
    assert band.source == "world uncertainty" and (band.replicates, band.worlds) == (18, 6)
    parts = [figures({"a": rng.normal(size=(3, 5)), "b": np.zeros((3, 5))}).assign(world=world) for world in range(30)]
    wide = difference_band(pd.concat(parts), "a", "b", "reward")
    assert 2.0 < wide.critical < 4.0


def test_totals_over_different_weights_are_not_subtracted() -> None:
    table = figures({"a": np.ones((4, 3)), "b": np.zeros((4, 3))})
    table.loc[table["arm"] == "a", "weight"] = 11.0
    with pytest.raises(LrerankError, match="kind='running'"):
        difference_band(table, "a", "b", "reward", kind="cumulative")


def test_break_even() -> None:
    rng = np.random.default_rng(9)
    gain = np.array([-3.0, -2.0, 1.0, 2.0, 3.0, 4.0, 4.0])  # accumulated: -3 -5 -4 -2 1 5 9
    twin = rng.normal(size=(8, 7))
    found = net_return(figures({"a": twin + gain + 0.3 * rng.normal(size=(8, 7)), "greedy": twin}), "a", "greedy")
    assert found.band.value / 10 == pytest.approx(gain.cumsum(), abs=1.5)
    assert found.break_even == 50
    assert found.cautious is not None and found.cautious >= 50
    never = net_return(figures({"a": twin - 1.0 + 0.3 * rng.normal(size=(8, 7)), "greedy": twin}), "a", "greedy")
    assert never.break_even is None and never.cautious is None


def test_what_is_clearly_worse_is_dropped_and_twins_are_kept() -> None:
    rng = np.random.default_rng(10)
    shared = 5 * rng.normal(size=(8, 1))
    best = 3 + shared + 0.2 * rng.normal(size=(8, 1))
    arms = {"best": best, "twin": best.copy(), "close": best - 0.02 + 0.2 * rng.normal(size=(8, 1)), "bad": best - 2}
    arms["bad"] = arms["bad"] + 0.2 * rng.normal(size=(8, 1))
    found = indistinguishable(figures(arms), list(arms), "reward")
    assert set(found.kept) == {"best", "twin", "close"}
    assert found.rows[-1].arm == "bad" and found.rows[-1].difference is not None
    assert found.rows[0].difference is None
    worst = indistinguishable(figures(arms, measure="regret"), list(arms), "regret")
    assert worst.kept == ("bad",)
    with pytest.raises(LrerankError, match="better='more'"):
        indistinguishable(figures(arms, measure="x"), list(arms), "x")
    assert indistinguishable(figures(arms, measure="x"), list(arms), "x", better="less").kept == ("bad",)


def test_two_settings_are_told_apart_by_the_one_sided_t_test() -> None:
    """Each is tested as the best: with two, its test is t at 0.05. 4,000 draws put the simulated
    quantile within about 5 % of t's, hence a tenth to either side."""
    noise = np.array([-1.2, 0.3, 0.8, -0.4, 0.5, 0.0])[:, None]
    error = noise.std(ddof=1) / np.sqrt(6)
    for t, kept in ((0.9, {"a", "b"}), (1.1, {"a"})):
        lead = t * stats.t.ppf(0.95, 5) * error
        base = np.linspace(3.0, 9.0, 6)[:, None]
        table = figures({"a": base + noise + lead, "b": base})
        assert set(indistinguishable(table, ["b", "a"], "reward").kept) == kept


def test_one_replicate_tells_nothing_apart() -> None:
    found = indistinguishable(figures({"a": np.ones((1, 2)), "b": np.zeros((1, 2))}), ["a", "b"], "reward")
    assert found.kept == ("a", "b") and "one replicate" in found.note


def test_the_best_arm_is_kept_as_often_as_promised() -> None:
    """100 experiments with six equal arms, the hardest case: 0.87 is 3.7 standard errors below 0.95. Picking by
    unadjusted one-sided t tests would lose it in about 15 % of experiments, so 5 replicates are few on purpose."""
    rng = np.random.default_rng(11)
    arms = list("abcdef")
    kept = 0
    for _ in range(100):
        shared = rng.normal(size=(5, 1))
        table = figures({arm: shared + rng.normal(size=(5, 1)) for arm in arms})
        kept += "a" in indistinguishable(table, arms, "reward").kept
    assert kept / 100 >= 0.87


def test_among_more_replicates_fewer_settings_are_left() -> None:
    rng = np.random.default_rng(12)
    arms = {f"{rate}": -rate + 0.3 * rng.normal(size=(40, 1)) for rate in (0.0, 0.2, 0.4, 0.6, 0.8)}
    few = indistinguishable(figures({arm: v[:4] for arm, v in arms.items()}), list(arms), "reward").kept
    many = indistinguishable(figures(arms), list(arms), "reward").kept
    assert set(many) <= set(few) and "0.0" in many and len(many) <= 2
