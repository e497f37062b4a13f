"""How a learner should read biased clicks: what each way of learning brings, over drawn worlds.

    python benchmarks/slates.py [--worlds 10] [--impressions 8000] [--replicates 1] [--arms core]

Every world is a draw of the published distribution (`simulators.parameters.draw_parameters`), with its own click model;
all ways of learning meet the same users and the same luck in each. The table gives clicks per 1,000 pages above the
static lexical order, mean over worlds with a 95 % interval in which worlds are the units. The worlds are not those of
the acceptance study (benchmarks/acceptance.py): defaults chosen here are judged there.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from typing import Any

from lrerank.experiments.compare import compare
from lrerank.experiments.run import run
from lrerank.experiments.spec import Experiment

SEED = 100
BASE: dict[str, Any] = {"kind": "learned", "cold_start": {"threshold": 0}}


def core() -> dict[str, dict[str, Any]]:
    """Position x interactions x learning rate, at a small rate of exploration."""
    arms = {}
    rates = (0.002, 0.005, 0.01)
    settings = [*itertools.product(("none", "feature", "examination"), ("none", "topic", "all"), rates[1:2])]
    settings += [("feature", "topic", rate) for rate in rates if rate != rates[1]]
    for position, crossed, rate in settings:
        name = f"position-{position}-crossed-{crossed}-{rate:g}".replace(".", "_")
        own = {"position": position, "interactions": crossed, "learning_rate": rate, "exploration_rate": 0.05}
        arms[name] = {**BASE, **own}
    return arms


def exploring() -> dict[str, dict[str, Any]]:
    """How much exploration, and weighting by propensity, for the way that learns best."""
    arms: dict[str, dict[str, Any]] = {}
    for rate in (0.0, 0.01, 0.02, 0.05, 0.1, 0.2):
        arms[f"rate-{rate:g}".replace(".", "_")] = {**BASE, "exploration_rate": rate}
    for clip in (0.01, 0.1, 0.5):
        own = {"importance": "propensity", "clip": clip, "exploration_rate": 0.05}
        arms[f"propensity-clip-{clip:g}".replace(".", "_")] = {**BASE, **own}
    for strategy in ("softmax", "squarecb", "bag"):
        arms[strategy] = {**BASE, "strategy": strategy, "exploration_rate": 0.0}
    return arms


def stacked() -> dict[str, dict[str, Any]]:
    """What stands before the learner, and whether interactions pay in the long run, at the stage's own rate."""
    return {
        "none": BASE | {"interactions": "none"},
        "topic": BASE | {"interactions": "topic"},
        "all": BASE | {"interactions": "all"},
        "after-popularity": BASE | {"after": "popularity"},
        "pooled-after-popularity": {"kind": "pooled", "after": "popularity"},
    }


SETS = {"core": core, "exploring": exploring, "stacked": stacked}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--replicates", type=int, default=1)
    parser.add_argument("--impressions", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--arms", choices=SETS, default="core")
    parser.add_argument("--set", action="append", default=[], metavar="PARAMETER=NUMBER", help="of all worlds")
    given = parser.parse_args()
    learned = SETS[given.arms]()
    experiment = Experiment.parse(
        {
            "name": f"slates-{given.arms}",
            "question": "How should a learner read the clicks of a list?",
            "baseline": "static",
            "world": {
                "catalog": "marketplace",
                "seed": SEED,
                "worlds": given.worlds,
                "parameters": {name: float(value) for name, _, value in (each.partition("=") for each in given.set)},
            },
            "log": {"impressions": 1000},
            "arms": {"static": {"kind": "rerank"}, "popularity": {"kind": "popularity"}, **learned},
            "impressions": given.impressions,
            "measure_from": given.impressions // 2,
            "bins": 2,
            "batch": 10,
            "replicates": given.replicates,
        }
    )
    started = time.perf_counter()
    for snapshot in run(experiment, workers=given.workers):
        if sys.stderr.isatty():
            print(f"\r{snapshot.done_tasks}/{snapshot.tasks} {snapshot.seconds:.0f} s", end="", file=sys.stderr)
    figures = snapshot.figures
    print(f"\n{given.worlds} worlds, {given.impressions} impressions, {time.perf_counter() - started:.0f} s")
    halves = ((0, given.impressions // 2), (given.impressions // 2, given.impressions))
    print(f"{'arm':32}" + "".join(f"{f'{start}..{end}':>30}" for start, end in halves))
    for name in ("popularity", *learned, "reference"):
        cells = []
        for start, end in halves:
            found = compare(figures, name, "static", "expected_reward", start=start, end=end)
            one = found.difference.headline
            low, high = (float("nan") if bound is None else 1000 * bound for bound in (one.low, one.high))
            cells.append(f"{1000 * one.value:+8.1f} ({low:+7.1f} to {high:+7.1f})")
        print(f"{name:32}" + "".join(f"{cell:>30}" for cell in cells))


if __name__ == "__main__":
    main()
