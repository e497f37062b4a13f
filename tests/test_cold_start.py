"""The cold-start sweep: both lists valued on the same requests, and the threshold that follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_site
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lrerank.cli.main import app
from lrerank.errors import LrerankError
from lrerank.experiments.cold_start import cold_start_table, cold_started
from lrerank.experiments.measures import HISTORY
from lrerank.experiments.run import run
from lrerank.experiments.spec import Experiment, SpecError
from lrerank.experiments.tables import COLUMNS

LEAST = (0, 1, 2, 3, 4, 5, 10, 20)
MEASURES = ("expected_reward", "fallback_reward", "price")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    catalog = small_site.shop(tmp_path_factory.mktemp("shop"))
    return Experiment(
        name="small",
        question="From when on is the model better?",
        world={
            "catalog": str(catalog),
            "candidates": 15,
            "queries": 20,
            "parameters": {"users": 60, "satiation": 0.0, "purchase_probability": 0.3},
        },
        log={"impressions": 40},
        arms={"static": {"kind": "rerank"}, "learned": {"kind": "learned"}},
        baseline="static",
        impressions=200,
        measure_from=100,
        bins=4,
        batch=20,
        replicates=2,
        slots=5,
        reward={"click": 1.0, "purchase": 2.0},
        reward_wait_time=0.0,  # by default it would be a day: longer than the run, and the model would learn nothing
    )


def figures_of(experiment: Experiment) -> pd.DataFrame:
    return list(run(experiment, workers=0))[-1].figures


def made(learned: np.ndarray[Any, Any], fallback: np.ndarray[Any, Any], price: float = 0.01) -> pd.DataFrame:
    """Figures of [replicates, groups] rewards per page in the window 100 to 200; NaN where nobody came. Before it 9."""
    rows: list[tuple[Any, ...]] = []
    for replicate, rewards in enumerate(zip(learned, fallback, strict=True)):
        for place, values in enumerate(zip(*rewards, strict=True)):
            if np.isnan(values[0]):
                continue
            weight = 10.0 + place
            for name, value in zip(MEASURES, (*values, price), strict=True):
                where = (0, replicate, "learned")
                rows.append((*where, 0, 100, name, "history", HISTORY[place], 9.0 * weight, weight))
                # In two bins of different value, so that sums of totals count and not means of means.
                rows.append((*where, 100, 150, name, "history", HISTORY[place], 0.0, weight))
                rows.append((*where, 150, 200, name, "history", HISTORY[place], 2.0 * value * weight, weight))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def noisy(means: list[float], seed: int = 0, n: int = 6, spread: float = 0.01) -> np.ndarray[Any, Any]:
    return np.array(means) + np.random.default_rng(seed).normal(0, spread, (n, len(means)))


def test_both_lists_are_valued_for_the_same_users_in_the_same_state(small: Experiment) -> None:
    """Without satiation attractiveness does not hang on what was shown, so the fallback's value on the learned arm's
    requests is that of the static arm, which shows the same lists to the same users: equal to the last bit."""
    figures = figures_of(small.with_values({"replicates": 1, "arms.learned.cold_start.threshold": 0}))

    def totals(arm: str, measure: str) -> list[float]:
        of = (figures["arm"] == arm) & (figures["measure"] == measure) & (figures["by"] == "all")
        return figures[of].sort_values("start")["total"].tolist()

    beside = totals("learned", "fallback_reward")
    assert len(beside) == 4 and beside == totals("static", "expected_reward")
    assert beside != totals("learned", "expected_reward"), "the model shows other lists"
    assert totals("static", "fallback_reward") == [], "it has no fallback"


def test_where_the_fallback_ranks_there_is_no_difference(small: Experiment) -> None:
    never = small.with_values({"arms.learned.cold_start.threshold": 10_000, "replicates": 1})
    never = never.with_values({"world.parameters.satiation": 1.0})
    figures = figures_of(never).query("arm == 'learned' and measure in ['expected_reward', 'fallback_reward']")
    both = figures.pivot_table(index=["by", "group", "start"], columns="measure", values="total")
    assert len(both) > 10 and (both["expected_reward"] == both["fallback_reward"]).all()


def test_the_model_ranks_for_strangers_too(small: Experiment) -> None:
    study = cold_started(small, "learned")
    assert list(study.arms) == ["learned"] and study.baseline == "learned"
    found = cold_start_table(figures_of(study), study)
    assert found.rows[0].group == "0" and found.rows[0].difference != 0
    assert found.replicates == 2
    assert sum(row.share for row in found.rows) == pytest.approx(1.0) or "left out" in found.note
    for refused in ("static", "nobody"):
        with pytest.raises(SpecError, match="no arm that learns"):
            cold_started(small, refused)


def test_differences_are_paired_within_replicates(small: Experiment) -> None:
    study = cold_started(small, "learned")
    fallback = noisy([0.5] * 8, seed=1, spread=0.3)
    learned = fallback + noisy([-0.05, -0.02, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06], seed=2, spread=0.001)
    found = cold_start_table(made(learned, fallback, price=0.01), study)
    for place, row in enumerate(found.rows):
        assert (row.group, row.least) == (HISTORY[place], LEAST[place])
        assert row.learned == pytest.approx(1000 * learned[:, place].mean())
        assert row.fallback == pytest.approx(1000 * fallback[:, place].mean())
        assert row.difference == pytest.approx(1000 * (learned - fallback)[:, place].mean())
        assert row.greedy == pytest.approx(row.difference + 10.0), "the price is what exploration took"
        assert row.low is not None and row.high is not None
        # Replicates differ by 0.3, differences by 0.001: six of them know it within 0.003.
        assert row.high - row.low < 6.0
    weights = 10.0 + np.arange(8)
    assert [row.share for row in found.rows] == pytest.approx((weights / weights.sum()).tolist())
    assert found.threshold == 2
    # Without exploration 0.01 more: 1 is still below.
    assert found.greedy_threshold == 2
    assert "cold_start_after = 2" in found.sentence


@pytest.mark.parametrize(
    ("differences", "threshold"),
    [
        ([0.1] * 8, 0),
        ([-0.1] * 8, None),
        ([0.1, 0.1, 0.1, -0.1, 0.1, 0.1, 0.1, 0.1], 4),
        ([-0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, -0.1], None),
        ([-0.1] * 7 + [0.1], 20),
        ([-0.1] * 5 + [0.1] * 3, 5),
        ([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.0001], None),
        ([-0.1, 0.1, 0.1, float("nan"), float("nan"), float("nan"), float("nan"), float("nan")], 1),
        ([0.1, 0.1, float("nan"), 0.1, 0.1, 0.1, 0.1, 0.1], 3),
        ([0.0] * 8, 0),
    ],
)
def test_from_the_threshold_on_the_model_is_nowhere_worse(
    small: Experiment, differences: list[float], threshold: int | None
) -> None:
    """Differences of a tenth stand out of a noise of a hundredth, and one of a ten thousandth does not."""
    fallback = noisy([0.5] * 8, spread=0.1)
    spread = 0.0 if differences == [0.0] * 8 else 0.01
    found = cold_start_table(
        made(fallback + noisy(differences, seed=3, spread=spread), fallback), cold_started(small, "learned")
    )
    assert found.threshold == threshold
    if np.isnan(differences).any():
        left_out = [HISTORY[place] for place in np.flatnonzero(np.isnan(differences))]
        assert all(group in found.note for group in left_out) and len(found.rows) == 8 - len(left_out)


@given(st.lists(st.sampled_from([-0.2, 0.0001, 0.2]), min_size=8, max_size=8), st.integers(0, 1000))
def test_the_threshold_is_the_first_number_above_all_that_are_in_doubt(differences: list[float], seed: int) -> None:
    experiment = Experiment(
        question="?",
        arms={"learned": {"kind": "learned"}},
        baseline="learned",
        impressions=200,
        measure_from=100,
        bins=4,
    )
    fallback = noisy([0.5] * 8, seed=seed, spread=0.1)
    found = cold_start_table(made(fallback + noisy(differences, seed=seed + 1), fallback), experiment)
    fine = [row.low is not None and row.low >= 0 for row in found.rows]
    expected = next((LEAST[place] for place in range(8) if all(fine[place:])), None)
    assert found.threshold == expected


def test_what_says_nothing_is_refused_or_said(small: Experiment) -> None:
    study = cold_started(small, "learned")
    with pytest.raises(LrerankError, match="no replicate"):
        cold_start_table(pd.DataFrame([], columns=list(COLUMNS)), study)
    fallback = noisy([0.5] * 8)
    alone = cold_start_table(made(fallback[:1] + 0.1, fallback[:1]), study)
    assert alone.threshold is None and alone.rows[0].low is None and "no intervals" in alone.note
    figures = made(fallback + 0.1, fallback)
    with pytest.raises(LrerankError, match="not valued on every page"):
        cold_start_table(figures.drop(figures.index[figures["measure"] == "fallback_reward"][1]), study)


def test_the_command_says_the_threshold(small: Experiment, tmp_path: Path) -> None:
    spec = tmp_path / "asked.toml"
    spec.write_text(small.to_toml())
    environment = {"LRERANK_HOME": str(tmp_path), "COLUMNS": "200"}
    arguments = ["sweep", str(spec), "--cold-start", "learned", "--workers", "1", "-q"]
    result = CliRunner(env=environment).invoke(app, [*arguments, "--json"])
    assert result.exception is None, result.output
    found = json.loads(result.stdout)
    assert {"threshold", "threshold_without_exploration", "verdict"} <= set(found)
    assert [row["group"] for row in found["interactions"]] == list(HISTORY[: len(found["interactions"])])
    shown = CliRunner(env=environment).invoke(app, ["runs", "show"])
    assert found["verdict"] in shown.stdout and "without exploration" in shown.stdout
