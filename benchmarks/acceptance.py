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
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lrerank.evaluation.intervals import Estimate, proportion
from lrerank.experiments.compare import paired
from lrerank.experiments.precision import mean_over_worlds
from lrerank.experiments.results import Runs
from lrerank.experiments.run import run
from lrerank.experiments.spec import Experiment

SEED = 20_261_123
IMPRESSIONS, MEASURED = 20_000, 15_000
STRENGTHS, VISIBLE = (0.75, 1.5, 2.5), (0.25, 0.5, 1.0)


ALWAYS = {"cold_start": {"threshold": 0}}
LEARNED = {
    "learned": {"kind": "learned"},
    "always": {"kind": "learned", **ALWAYS},
    "stacked": {"kind": "learned", "after": "popularity", **ALWAYS},
    "careful": {"kind": "learned", "after": "popularity", "exploration_rate": 0.01, **ALWAYS},
    "behind": {"kind": "learned", "after": "ltr", "exploration_rate": 0.01, **ALWAYS},
}
"""The stage's defaults; the same without a fallback for strangers; that behind popularity instead of lexical order; that
with a tenth of the exploration; and behind nightly trees instead of popularity."""
RIVALS: dict[str, dict[str, Any]] = {
    "static": {"kind": "rerank"},
    "popularity": {"kind": "popularity"},
    "pooled": {"kind": "pooled"},
    "nightly": {"kind": "rerank", "method": "ltr", "retrain": "nightly"},
}


def figures_of(given: argparse.Namespace, parameters: dict[str, Any], arms: Sequence[str]) -> pd.DataFrame:
    """Figures of these arms; arms may run apart, since worlds, arrivals and luck are the same."""
    every = {**RIVALS, **LEARNED}
    asked = Experiment.parse(
        {
            "name": "acceptance",
            "question": "Does learning beat the strongest policy that knows nothing of persons?",
            "baseline": arms[0],
            "world": {"catalog": given.catalog, "seed": SEED, "worlds": given.worlds, "parameters": parameters},
            "log": {"impressions": 1000},
            "arms": {name: every[name] for name in arms},
            "impressions": IMPRESSIONS,
            "measure_from": MEASURED,
            "bins": 4,
            "batch": given.batch,
            "replicates": given.replicates,
        }
    )
    if given.keep is None:
        for snapshot in run(asked, workers=given.workers):
            last = snapshot
        return last.figures
    runs = Runs(Path(given.keep) / "-".join(arms))
    kept = runs.open(runs.ids()[0]) if runs.ids() else runs.create(asked, "simulate")
    if kept.experiment.replicates < given.replicates:
        kept.extend(given.replicates)
    with kept.working():
        for snapshot in run(kept.experiment, results=kept, workers=given.workers):
            print(f"{snapshot.done_tasks}/{snapshot.tasks}", end="\r", file=sys.stderr)
    return kept.figures()


def report(figures: pd.DataFrame, arm: str, *, worlds: bool) -> None:
    """Prints how one learned arm did against the best rival of each world."""
    rivals = [name for name in RIVALS if name in set(figures["arm"])]
    arms = [*rivals, arm, "reference"]
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
    both = mean_over_worlds(np.array(lifts), np.array(units), 0.95)
    everything = proportion(won, len(shares))
    print(
        f"  {arm} wins in {won} of {len(shares)} worlds ({everything.low:.2f} to {everything.high:.2f}); lift per 1,000 "
        f"searches {1000 * both.value:+.1f}, over worlds {bounds(both.worlds)}, simulation noise only "
        f"{bounds(both.noise)}; share of the gap: median {np.nanmedian(shares):+.3f}, "
        f"quartiles {np.nanquantile(shares, 0.25):+.3f} and {np.nanquantile(shares, 0.75):+.3f}"
    )


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
    parser.add_argument("--keep", metavar="FOLDER", help="keep figures there, and go on from what is there")
    parser.add_argument("--grid", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="PARAMETER=NUMBER", help="of all worlds")
    given = parser.parse_args()
    fixed = {name: float(value) for name, _, value in (each.partition("=") for each in given.set)}
    started = time.perf_counter()
    if not given.grid:
        groups = [["static", "popularity", "pooled", "learned", "always", "stacked"], ["careful"]]
        groups += [["nightly"], ["behind"]] if given.ltr else []
        tables = [figures_of(given, fixed, group) for group in groups]
        # The reference list runs in every group, the same to the bit.
        tables[1:] = [table[table["arm"] != "reference"] for table in tables[1:]]
        figures = pd.concat(tables, ignore_index=True)
        for arm in (name for name in LEARNED if (figures["arm"] == name).any()):
            report(figures, arm, worlds=arm == "learned")
    else:
        for strength in STRENGTHS:
            for visible in VISIBLE:
                print(f"taste strength {strength}, visible share {visible}:", flush=True)
                own = {"taste_strength": strength, "hidden_share": 1.0 - visible}
                figures = figures_of(given, fixed | own, ["static", "popularity", "pooled", "learned", "careful"])
                for arm in ("learned", "careful"):
                    report(figures, arm, worlds=False)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
