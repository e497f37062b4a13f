"""Does learning beat what knows nothing of persons on the real movies, with their real queries and judgments?

    LRERANK_DATA=… python benchmarks/movies_worlds.py [--worlds 4] [--replicates 2] [--queries 300] [--impressions 8000]

Documents, queries and relevance are real (`msrd`: people's judgments); users, their tastes and clicks are drawn, from
the published distribution of worlds. So a figure is one of "your catalog, assumed users", no forecast. Candidates are
the judged movies of each query. Every arm has the options of the stage, its exploration included; all are measured over
the last quarter of the impressions. The strongest non-personal arm is chosen in each world by what it did there, which
is to the learned arm's disadvantage. The share of the gap is that of the way from it (or from static) to the reference
list.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

import numpy as np
import pandas as pd

from lrerank.evaluation.intervals import Estimate
from lrerank.experiments.building import parameters_of
from lrerank.experiments.compare import paired
from lrerank.experiments.precision import BothIntervals, mean_over_worlds, ratio_over_worlds
from lrerank.experiments.run import run
from lrerank.experiments.spec import REFERENCE, Experiment

SEED = 20_261_124
RIVALS = ("static", "popularity", "pooled")
LEARNED = "learned"


def experiment(given: argparse.Namespace) -> Experiment:
    """The question as a spec: what is not said here is the stage's default."""
    arms: dict[str, dict[str, Any]] = {
        "static": {"kind": "rerank"},
        "popularity": {"kind": "popularity"},
        "pooled": {"kind": "pooled"},
        LEARNED: {"kind": "learned"},
    }
    parameters = {name: float(value) for name, _, value in (each.partition("=") for each in given.set)}
    return Experiment.parse(
        {
            "name": "movies-worlds",
            "question": "Does learning beat the strongest policy that knows nothing of persons, on real movies?",
            "baseline": "static",
            "world": {
                "catalog": "msrd",
                "seed": SEED,
                "worlds": given.worlds,
                "queries": given.queries,
                "only_judged": True,
                "parameters": parameters,
            },
            "log": {"impressions": 1000},
            "arms": arms,
            "impressions": given.impressions,
            "measure_from": 3 * given.impressions // 4,
            "bins": 4,
            "batch": 10,
            "replicates": given.replicates,
        }
    )


def report(found: Experiment, figures: pd.DataFrame) -> None:
    """Prints every world, then the lifts with both intervals and the shares of the gap."""
    start, end = found.window
    arms = (*RIVALS, LEARNED, REFERENCE)
    pairs = paired(figures, arms, "expected_reward", start=start, end=end)
    values, worlds = pairs.values(), pairs.worlds
    learned, reference = values[:, len(RIVALS)], values[:, -1]
    strongest = np.empty(len(values))
    for world in np.unique(worlds):
        own = worlds == world
        means = values[own].mean(axis=0)
        best = int(np.argmax(means[: len(RIVALS)]))
        strongest[own] = values[own, best]
        cells = " ".join(f"{arm} {1000 * mean:.1f}" for arm, mean in zip(arms, means, strict=True))
        parameters = parameters_of(found, int(world))
        print(
            f"  world {world} ({parameters.click_model}, taste {parameters.taste_strength:.2f}, hidden "
            f"{parameters.hidden_share:.2f}): {cells}; lift over {RIVALS[best]} "
            f"{1000 * (means[len(RIVALS)] - means[best]):+.1f}"
        )
    baselines = {
        "the strongest non-personal arm": strongest,
        **{arm: values[:, place] for place, arm in enumerate(RIVALS)},
    }
    print(f"learned, clicks per 1,000 searches, impressions {start:,} to {end:,}:")
    for name, baseline in baselines.items():
        lift = mean_over_worlds(learned - baseline, worlds, 0.95)
        share = ratio_over_worlds(learned - baseline, reference - baseline, worlds, 0.95, float(values.max()))
        print(f"  over {name:30} {_lift(lift)}; share of the gap {_share(share)}")


def _lift(found: BothIntervals) -> str:
    return f"{1000 * found.value:+7.1f} ({_bounds(found.noise, 1000)} noise, {_bounds(found.worlds, 1000)} worlds)"


def _share(found: BothIntervals) -> str:
    return f"{found.value:+.3f} ({_bounds(found.noise, 1, 3)} noise, {_bounds(found.worlds, 1, 3)} worlds)"


def _bounds(found: Estimate, units: float, digits: int = 1) -> str:
    if found.low is None or found.high is None:
        return "no interval"
    return f"{units * found.low:+.{digits}f} to {units * found.high:+.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=4)
    parser.add_argument("--replicates", type=int, default=2)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--impressions", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--set", action="append", default=[], metavar="PARAMETER=NUMBER", help="of all worlds")
    given = parser.parse_args()
    os.environ.setdefault("LRERANK_DATA", "../shared/data")
    found, started = experiment(given), time.perf_counter()
    *_, last = run(found, workers=given.workers)
    print(
        f"{given.worlds} worlds of {given.replicates} replicates, {given.queries} queries, {found.world.provenance}, "
        f"{time.perf_counter() - started:.0f} s"
    )
    report(found, last.figures)


if __name__ == "__main__":
    main()
