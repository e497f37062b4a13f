"""Does learning beat the strongest policy that knows nothing of persons? Drawn worlds, the stage's defaults.

    python benchmarks/acceptance.py [--worlds 20] [--replicates 2] [--ltr] [--set PARAMETER=NUMBER]
    python benchmarks/acceptance.py --grid [--worlds 4]

Worlds come from the published distribution (`simulators.parameters.draw_parameters`), which was fixed before anything
learned in one, with a seed that nothing was tuned on. Every arm is measured over impressions 15,000 to 20,000, its
exploration included. In each world the learned arm is set against the non-personal arm that did best there (static
lexical order, popularity, the pooled learner and, with --ltr, LambdaMART retrained each night), which is to the
learner's disadvantage. The share of the gap is that of the distance from this arm to the reference list.

`--grid` repeats it over taste strength x share of taste that features show.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import pandas as pd

from lrerank.evaluation.intervals import Estimate, proportion
from lrerank.experiments.compare import paired
from lrerank.experiments.precision import mean_over_worlds
from lrerank.experiments.run import run
from lrerank.experiments.spec import Experiment

SEED = 20_261_123
IMPRESSIONS, MEASURED = 20_000, 15_000
STRENGTHS, VISIBLE = (0.75, 1.5, 2.5), (0.25, 0.5, 1.0)


def experiment(given: argparse.Namespace, parameters: dict[str, Any]) -> Experiment:
    arms: dict[str, dict[str, Any]] = {
        "static": {"kind": "rerank"},
        "popularity": {"kind": "popularity"},
        "pooled": {"kind": "pooled"},
        "learned": {"kind": "learned"},
    }
    if given.ltr:
        arms["nightly"] = {"kind": "rerank", "method": "ltr", "retrain": "nightly"}
    return Experiment.parse(
        {
            "name": "acceptance",
            "question": "Does learning beat the strongest policy that knows nothing of persons?",
            "baseline": "static",
            "world": {"catalog": given.catalog, "seed": SEED, "worlds": given.worlds, "parameters": parameters},
            "log": {"impressions": 1000},
            "arms": arms,
            "impressions": IMPRESSIONS,
            "measure_from": MEASURED,
            "bins": 4,
            "batch": given.batch,
            "replicates": given.replicates,
        }
    )


def figures_of(given: argparse.Namespace, parameters: dict[str, Any]) -> pd.DataFrame:
    found = experiment(given, parameters)
    for snapshot in run(found, workers=given.workers):
        last = snapshot
    return last.figures


def report(figures: pd.DataFrame, *, worlds: bool) -> tuple[int, int, float]:
    """Prints what came out; (wins, worlds, median share of the gap)."""
    rivals = [arm for arm in ("static", "popularity", "pooled", "nightly") if arm in set(figures["arm"])]
    arms = [*rivals, "learned", "reference"]
    by_arm = paired(figures, arms, "expected_reward", start=MEASURED, end=IMPRESSIONS)
    values = by_arm.values()
    lifts, shares, units, won = [], [], [], 0
    for world in np.unique(by_arm.worlds):
        own = values[by_arm.worlds == world]
        means = own.mean(axis=0)
        best = int(np.argmax(means[: len(rivals)]))
        lift = own[:, -2] - own[:, best]
        gap = means[-1] - means[best]
        lifts.extend(lift)
        units.extend([world] * len(lift))
        shares.append(lift.mean() / gap if gap > 0 else np.nan)
        won += lift.mean() > 0
        if worlds:
            cells = " ".join(f"{name} {1000 * value:7.1f}" for name, value in zip(arms, means, strict=True))
            print(
                f"  world {world:2}: {cells}  lift over {rivals[best]:10} {1000 * lift.mean():+7.1f}"
                f"  share of the gap {shares[-1]:+.3f}"
            )
    both = mean_over_worlds(np.array(lifts), np.array(units))
    everything = proportion(won, len(shares))
    print(
        f"  learned wins in {won} of {len(shares)} worlds ({everything.low:.2f} to {everything.high:.2f}); lift per 1,000 "
        f"searches {1000 * both.value:+.1f}, over worlds {bounds(both.worlds)}, simulation noise only "
        f"{bounds(both.noise)}; share of the gap: median {np.nanmedian(shares):+.3f}, "
        f"quartiles {np.nanquantile(shares, 0.25):+.3f} and {np.nanquantile(shares, 0.75):+.3f}"
    )
    return won, len(shares), float(np.nanmedian(shares))


def bounds(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return "no interval"
    return f"{1000 * found.low:+.1f} to {1000 * found.high:+.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--replicates", type=int, default=2)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--catalog", default="marketplace")
    parser.add_argument("--ltr", action="store_true", help="also nightly LambdaMART (slow)")
    parser.add_argument("--grid", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="PARAMETER=NUMBER", help="of all worlds")
    given = parser.parse_args()
    fixed = {name: float(value) for name, _, value in (each.partition("=") for each in given.set)}
    started = time.perf_counter()
    if not given.grid:
        report(figures_of(given, fixed), worlds=True)
    else:
        for strength in STRENGTHS:
            for visible in VISIBLE:
                print(f"taste strength {strength}, visible share {visible}:", flush=True)
                own = {"taste_strength": strength, "hidden_share": 1.0 - visible}
                report(figures_of(given, fixed | own), worlds=False)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
