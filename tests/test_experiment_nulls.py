"""Experiments whose answer is known beforehand: nothing differs, nothing is better, intervals contain the truth.

Larger ones, in worlds that are drawn, are benchmarks/nulls.py and benchmarks/coverage.py. All knobs of the learners that
the outcome hangs on are stated here, whatever the defaults are.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_site
from conftest import ROOT

from lrerank.experiments.building import scene_of
from lrerank.experiments.compare import Comparison, compare
from lrerank.experiments.run import run
from lrerank.experiments.spec import REFERENCE, Experiment
from lrerank.store import Store

CLICK_MODELS = ("pbm", "cascade", "dbn")
LEARNER: dict[str, Any] = {
    "strategy": "epsilon_greedy",
    "exploration_rate": 0.1,
    "features": "auto",
    "incoming": True,
    "context": True,
    "bits": 16,
    "learning_rate": 0.01,
    "power_t": 0.0,
    "interactions": "all",
    "position": "feature",
    "importance": "none",
    "cold_start": {"threshold": 0},
}


@pytest.fixture(scope="module")
def nulls() -> ModuleType:
    """benchmarks/nulls.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("nulls_benchmark", ROOT / "benchmarks" / "nulls.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_site.shop(tmp_path_factory.mktemp("shop"))


def small(nulls: ModuleType, null: str, shop: Path, **values: Any) -> Experiment:
    """The benchmark's experiment in a small shop: one world, lists of five among twenty candidates."""
    here = {
        "world__catalog": str(shop),
        "world__candidates": 20,
        "world__parameters__users": 60,
        "log__impressions": 60,
        "impressions": 150,
        "slots": 5,
        "batch": 10,
        "replicates": 2,
    }
    found: Experiment = nulls.experiment(null, LEARNER, **{**here, **values})
    return found


def against(figures: pd.DataFrame, arm: str, baseline: str, measure: str = "expected_reward") -> Comparison:
    return compare(figures, arm, baseline, measure)


@pytest.mark.parametrize("click_model", CLICK_MODELS)
def test_no_arm_differs_where_all_documents_are_alike(nulls: ModuleType, shop: Path, click_model: str) -> None:
    """The exact expectation of every full list is the same, whatever is in it, under any model of clicks."""
    found = small(nulls, "alike", shop, world__parameters__click_model=click_model)
    figures = nulls.figures_in(nulls.alike(scene_of(found, Store())), found, 0)
    arms = [arm for arm in (*found.arms, REFERENCE) if arm != "static"]
    assert len(arms) == 6
    for arm in arms:
        assert np.abs(against(figures, arm, "static").differences).max() < 1e-9
    regret = figures[(figures["measure"] == "regret") & (figures["by"] == "all")]
    assert len(regret) and np.abs(regret["total"]).max() < 1e-9


@pytest.mark.parametrize("click_model", CLICK_MODELS)
def test_nothing_is_above_the_best_order(nulls: ModuleType, shop: Path, click_model: str) -> None:
    """Candidates come in the order of their attractiveness, the same for everybody: nobody can know better."""
    found = small(nulls, "best", shop, world__parameters__click_model=click_model)
    *_, last = run(found, workers=0)
    figures = last.figures
    for arm in found.arms:
        if arm != "static":
            assert against(figures, arm, "static").differences.max() < 1e-12
    assert np.abs(against(figures, REFERENCE, "static").differences).max() < 1e-9
    # Exploration and what is not yet learned cost something: the test is not blind.
    assert against(figures, "learned", "static").differences.max() < -1e-3


def test_who_asks_says_nothing_where_taste_has_no_part(nulls: ModuleType, shop: Path) -> None:
    """Learned minus placebo, the same arm with its users shuffled: 0 is in the 95 % interval over four replicates.

    Not learned minus pooled: with more columns the same options learn otherwise, and in larger experiments that is a
    difference, though nobody is known any better (benchmarks/nulls.py). There is something to learn here: all do better
    than chance in every replicate.
    """
    found = small(nulls, "quality", shop, world__parameters__quality_spread=1.0, impressions=400, replicates=4)
    given = found.to_json()
    given["arms"] = {arm: given["arms"][arm] for arm in ("pooled", "learned", "placebo", "uniform")}
    *_, last = run(Experiment.parse(given), workers=0)
    figures = last.figures
    personal = against(figures, "learned", "placebo").headline
    assert personal.low is not None and personal.high is not None
    assert personal.low <= 0 <= personal.high
    for arm in ("pooled", "learned", "placebo"):
        assert against(figures, "uniform", arm).differences.max() < 0


def test_intervals_of_static_arms_contain_the_truth(shop: Path) -> None:
    """Sixty experiments of four replicates each, through `run` and `compare`; the truth is the mean of all others.

    Of 95 % intervals 57 should hold it, give or take a binomial standard deviation of 1.69: three of them are allowed,
    upwards as far as there is room. The truth's own error is a sixtieth of the variance and makes no difference.
    """
    experiments, size = 60, 4
    found = small_site.experiment(
        shop,
        **{
            "arms": {"static": {"kind": "rerank"}, "retrieval": {"kind": "retrieval"}},
            "log": {"impressions": 1},
            "world.parameters": {"users": 30, "satiation": 0.5},
            "impressions": 40,
            "measure_from": 0,
            "bins": 1,
            "batch": 40,
            "replicates": experiments * size,
        },
    )
    *_, last = run(found, workers=0)
    figures = last.figures[(last.figures["by"] == "all") & (last.figures["measure"] == "clicks")]
    every = against(figures, "retrieval", "static", "clicks").differences
    inside = 0
    for number in range(experiments):
        own = (figures["replicate"] // size == number).to_numpy()
        headline = against(figures[own], "retrieval", "static", "clicks").headline
        truth = np.delete(every, np.arange(number * size, (number + 1) * size)).mean()
        assert headline.low is not None and headline.high is not None
        inside += headline.low <= truth <= headline.high
    assert 57 - 3 * 1.69 <= inside <= experiments
