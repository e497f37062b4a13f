"""Do the intervals keep their promise? Thousands of cheap experiments whose truth is known.

    python benchmarks/coverage.py [--experiments 5000] [--learners 400] [--seed 1]

Static arms meet users of a small world under the position-based model; the true difference is a sum over its user
types. Arms that learn have no such sum: the truth is the mean of many replicates of one experiment of the built-in
world, and an experiment is a few of them, drawn at random. Minutes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lrerank.experiments.bands import difference_band, indistinguishable
from lrerank.experiments.compare import compare, paired
from lrerank.experiments.precision import mean_over_worlds
from lrerank.experiments.run import run
from lrerank.experiments.sequential import confidence_sequence
from lrerank.experiments.spec import Experiment
from simulators.click_models.pbm import PBM, power_law_examination
from simulators.impressions import feedback

REPLICATES = 10
BINS = 10
PAGES = 20
LISTS = {"learned": np.array([0, 3, 1, 5, 2]), "static": np.array([1, 0, 2, 3, 4])}


@dataclass(frozen=True)
class Truth:
    """What an experiment with endless replicates would say: clicks per page of `learned` and `static`."""

    arm: float
    baseline: float

    @property
    def difference(self) -> float:
        """Arm minus baseline."""
        return self.arm - self.baseline

    @property
    def lift(self) -> float:
        """Relative to the baseline."""
        return self.difference / self.baseline


Case = Callable[[int, int], Iterator[tuple[pd.DataFrame, Truth]]]


def static_arms(experiments: int, seed: int, batch: int = 50) -> Iterator[tuple[pd.DataFrame, Truth]]:
    """Two fixed lists of five before users of four types; a replicate has 30 users of its own."""
    model = PBM(power_law_examination(5))
    taste = np.random.default_rng(4).beta(1.2, 3.0, size=(4, 6))  # [types, documents]
    truth = Truth(*(float(model.click_probabilities(taste[:, shown]).sum(axis=1).mean()) for shown in LISTS.values()))
    rng = np.random.default_rng(seed)
    for begin in range(0, experiments, batch):
        runs = min(batch, experiments - begin) * REPLICATES
        types = rng.integers(4, size=(runs, 30))
        kind = np.take_along_axis(types, rng.integers(30, size=(runs, BINS * PAGES)), axis=1).ravel()
        impression = begin * REPLICATES * BINS * PAGES + np.arange(len(kind))
        clicks = [
            feedback(model, np.tile(shown, (len(kind), 1)), taste[kind][:, shown], impression, replicate=seed)
            .clicks.sum(axis=1)
            .reshape(-1, REPLICATES, BINS, PAGES)
            .sum(axis=3)
            for shown in LISTS.values()
        ]
        for totals in np.stack(clicks, axis=1):  # [arms, replicates, bins]
            yield table(totals, list(LISTS), PAGES), truth


def table(totals: np.ndarray, arms: list[str], weight: float, measure: str = "clicks") -> pd.DataFrame:
    """[arms, replicates, bins] totals of one world as tidy figures."""
    arm, replicate, where = (index.ravel() for index in np.indices(totals.shape))
    return pd.DataFrame(
        {
            "world": 0,
            "replicate": replicate,
            "arm": np.array(arms, dtype=object)[arm],
            "start": where * PAGES,
            "end": (where + 1) * PAGES,
            "measure": measure,
            "by": "all",
            "group": "",
            "total": totals.ravel().astype(float),
            "weight": weight,
        }
    )


def paired_intervals(case: Case, experiments: int, seed: int) -> tuple[dict[str, list[bool]], np.ndarray]:
    """Whether each interval contains the truth, and every replicate's error."""
    hits: dict[str, list[bool]] = {"difference": [], "relative lift": [], "value of one arm": []}
    errors = []
    for figures, truth in case(experiments, seed):
        found = compare(figures, "learned", "static", "clicks")
        for name, estimate, true in (
            ("difference", found.headline, truth.difference),
            ("relative lift", found.lift.headline, truth.lift),
            ("value of one arm", found.arm_value.headline, truth.arm),
        ):
            hits[name].append(estimate.low is not None and estimate.low <= true <= estimate.high)
        errors.append(found.differences - truth.difference)
    return hits, np.concatenate(errors)


def bands(case: Case, experiments: int, seed: int) -> dict[str, list[bool]]:
    """Whether each band contains the whole true curve."""
    hits: dict[str, list[bool]] = {}
    for figures, truth in case(experiments, seed):
        for replicates in (5, REPLICATES):
            part = figures[figures["replicate"] < replicates]
            for kind in ("bin", "running", "cumulative"):
                band = difference_band(part, "learned", "static", "clicks", kind=kind)
                true = truth.difference * (band.end if kind == "cumulative" else 1.0)
                inside = (band.low <= true) & (true <= band.high)
                hits.setdefault(f"{kind}, {replicates} replicates", []).append(bool(inside.all()))
    return hits


def drawn_worlds(experiments: int, seed: int) -> dict[str, list[bool]]:
    """Both intervals for worlds that are drawn, with normal replicates."""
    rng = np.random.default_rng(seed)
    hits: dict[str, list[bool]] = {}
    for worlds, replicates in ((3, 5), (5, 2), (20, 2), (20, 5)):
        for _ in range(experiments):
            effect = rng.normal(size=worlds)
            label = np.repeat(np.arange(worlds), replicates)
            both = mean_over_worlds(effect[label] + 2.0 * rng.normal(size=len(label)), label, 0.95)
            for name, interval, true in (("noise", both.noise, effect.mean()), ("worlds", both.worlds, 0.0)):
                hit = interval.low is not None and interval.low <= true <= interval.high
                hits.setdefault(f"{name}, {worlds} worlds of {replicates}", []).append(bool(hit))
    return hits


def looks(runs: int, seed: int, errors: np.ndarray) -> dict[str, list[bool]]:
    """Whether any of 200 looks excludes a true zero."""
    rng = np.random.default_rng(seed)
    alarms: dict[str, list[bool]] = {}
    for name, draw in (
        ("normal differences", lambda: rng.normal(size=200)),
        ("the simulator's differences", lambda: rng.choice(errors, size=200)),
        ("exponential differences, not promised", lambda: rng.exponential(size=200) - 1.0),
    ):
        for _ in range(runs):
            low, high = confidence_sequence(draw())
            alarms.setdefault(name, []).append(bool(((low > 0) | (high < 0)).any()))
    return alarms


def best_kept(experiments: int, seed: int) -> dict[str, list[bool]]:
    """Whether a truly best arm is kept: one that is as good as seven others is hardest."""
    rng = np.random.default_rng(seed)
    arms = [f"arm {i}" for i in range(8)]
    hits: dict[str, list[bool]] = {}
    for replicates in (5, 10):
        for name, mean in (("all equal", np.zeros(8)), ("two best", np.array([2.0, 2, 1, 1, 0, 0, 0, 0]))):
            for _ in range(experiments):
                shared = rng.normal(size=(1, replicates, 1)) * 3.0
                values = mean[:, None, None] + shared + rng.normal(size=(8, replicates, 1))
                kept = indistinguishable(table(values, arms, 1.0, "clicks"), arms, "clicks").kept
                hits.setdefault(f"{name}, {replicates} replicates", []).append("arm 0" in kept)
    return hits


def learners(replicates: int, seed: int, experiments: int) -> dict[str, list[bool]]:
    """Intervals of paired differences between arms that learn, from a few of many replicates."""
    shipped = Experiment.shipped("first").to_json()
    arms = {**shipped["arms"], "greedy": {**shipped["arms"]["learned"], "exploration_rate": 0.0}}
    arms.pop("context")
    short = {"impressions": 600, "measure_from": 300, "bins": 2, "replicates": replicates, "seed": seed}
    experiment = Experiment.parse({**shipped, **short, "arms": arms, "log": {"impressions": 200}, "waterfall": []})
    for snapshot in run(experiment):
        last = snapshot
    rng = np.random.default_rng(seed)
    hits: dict[str, list[bool]] = {}
    for arm, baseline in (("learned", "static"), ("learned", "pooled"), ("learned", "greedy")):
        values = paired(last.figures, (arm, baseline), "expected_reward", start=300, end=600).values()
        differences = values[:, 0] - values[:, 1]
        truth = float(differences.mean())
        for few in (4, 6, 12):
            for _ in range(experiments):
                some = rng.choice(differences, few, replace=False)
                found = mean_over_worlds(some, np.zeros(few, np.int64), 0.95).noise
                hit = found.low is not None and found.low <= truth <= found.high
                hits.setdefault(f"{arm} minus {baseline}, {few} replicates", []).append(bool(hit))
    return hits


def show(title: str, hits: dict[str, list[bool]], wanted: str) -> None:
    """A block of the table: share of experiments, its standard error, how many."""
    print(f"\n{title} (wanted: {wanted})")
    for name, hit in hits.items():
        share = np.mean(hit)
        print(
            f"  {name:<36} {100 * share:6.2f} % ± {100 * np.sqrt(share * (1 - share) / len(hit)):.2f}   n = {len(hit)}"
        )


def main() -> None:
    """Run all and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiments", type=int, default=5000)
    parser.add_argument("--learners", type=int, default=400, help="replicates behind the truth; 0 = leave these out")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.perf_counter()
    few = max(1, options.experiments // 5)
    hits, errors = paired_intervals(static_arms, options.experiments, options.seed)
    show(f"Static arms, {REPLICATES} replicates: 95 % intervals that cover", hits, "94 to 96 %")
    if options.learners:
        found = learners(options.learners, options.seed, few)
        show(f"Arms that learn, truth from {options.learners} replicates: 95 % intervals that cover", found, "95 %")
    show("Drawn worlds: 95 % intervals that cover", drawn_worlds(few, options.seed), "95 %")
    show(
        f"95 % bands that cover a whole curve of {BINS} bins", bands(static_arms, few, options.seed + 1), "95 % or more"
    )
    show(
        "Sequences of 200 looks that exclude a true zero",
        looks(options.experiments, options.seed, errors),
        "at most 5 %",
    )
    show("Sets that keep a truly best of eight arms", best_kept(few // 2, options.seed), "95 % or more")
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
