"""What experiments say where there is nothing to say: three worlds of which the answer is known beforehand.

    python benchmarks/nulls.py [--null alike|best|quality] [--worlds 9] [--replicates 4] [--impressions 6000] [--seed 0]

- alike: all documents are equally relevant, good and liked. No arm differs from any other.
- best: the order in which candidates come is that of their attractiveness, for everybody. Nothing is above it.
- quality: documents differ in a quality that no feature shows, and taste has no part in it. Who asks says nothing. The
  arm `placebo` is the learned arm with the users of all requests shuffled: what it has above the pooled learner comes of
  learning otherwise, not of knowing anybody, and what the learned arm has above it is personal.

The last one is not what was expected. With the same options (learning_rate 0.01, topic crossed) the learned arm is above
the pooled learner: by 3.0 clicks per 1,000 pages (within these worlds +1.3 to +4.8, over worlds -0.5 to +6.6; six
worlds, four replicates, 3,000 impressions, seed 78), and by 2.5 (+1.0 to +4.0, over worlds +0.5 to +4.4) with eight
replicates of seed 77. With seed 0 and four replicates it is +1.1 (-1.0 to +3.2, over worlds -0.6 to +2.8), the placebo
has +1.0, and learned minus placebo is +0.1 (-1.8 to +2.0, over worlds -0.7 to +0.8). With seed 78, its users shuffled by
another draw than the arm's own, the placebo has +2.8 and learned minus placebo is +0.2 (-1.2 to +1.6, over worlds -1.7 to
+2.1); the pooled learner at half the learning rate is 1.8 above the learned arm (0.5 to 3.0, over worlds -1.2 to +4.7).
So a lift of a few clicks over one pooled learner need not be personal; a lift over the placebo is.

In none of them do users tire of a topic: that would be something to know of a user. Worlds are drawn from the published
distribution, so their click models differ. Expected reward is exact; its intervals are 95 % ones, over the replicates
of each world, over all replicates of these worlds, and over worlds.
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lrerank.experiments.building import parameters_of, scene_of
from lrerank.experiments.compare import compare
from lrerank.experiments.executor import Executor, InThisProcess, usable_cores
from lrerank.experiments.jobs import CourseJob, Finished
from lrerank.experiments.precision import BothIntervals
from lrerank.experiments.processes import Processes
from lrerank.experiments.run import run
from lrerank.experiments.scene import Scene
from lrerank.experiments.spec import REFERENCE, Experiment
from lrerank.experiments.tables import Task
from lrerank.store import Store

SEED = 7_300
NO_TASTE: dict[str, Any] = {"taste_strength": 0.0, "satiation": 0.0}
EVERYBODY: dict[str, Any] = {"cold_start": {"threshold": 0}}
NULLS = ("alike", "best", "quality")


def experiment(null: str, learner: dict[str, Any], **values: Any) -> Experiment:
    """One of the nulls.

    Args:
        learner: knobs of all arms that learn by Vowpal Wabbit.
        values: dotted path → value, over what stands here, its dots written as two underscores.
    """
    static: dict[str, Any] = {"kind": "rerank"}
    world: dict[str, Any] = {"catalog": "marketplace", "seed": SEED, "parameters": {**NO_TASTE, "quality_spread": 0.0}}
    after = "rerank"
    if null == "best":
        static, after, world["accuracy"] = {"kind": "retrieval"}, "retrieval", 1.0
    own: dict[str, dict[str, Any]] = {}
    if null == "quality":
        del world["parameters"]["quality_spread"]
        own = {"placebo": {"kind": "placebo", **EVERYBODY, "after": after, **learner}}
    arms = {
        "static": static,
        "popularity": {"kind": "popularity"},
        "by_segment": {"kind": "popularity", "by": "segment"},
        "uniform": {"kind": "uniform"},
        "pooled": {"kind": "pooled", "after": after, **learner},
        "learned": {"kind": "learned", **EVERYBODY, "after": after, **learner},
        **own,
    }
    base = Experiment.parse(
        {
            "name": f"null-{null}",
            "question": "Does anything differ where nothing can?",
            "baseline": "pooled" if null == "quality" else "static",
            "world": world,
            "log": {"impressions": 1000},
            "arms": arms,
            "bins": 2,
            "batch": 10,
        }
    )
    return base.with_values({path.replace("__", "."): value for path, value in values.items()})


def figures_of(found: Experiment, workers: int | None) -> pd.DataFrame:
    """All figures of an experiment."""
    *_, last = run(found, workers=workers)
    return last.figures


def alike(scene: Scene) -> Scene:
    """The same queries and candidates, all of them equally relevant."""
    return replace(scene, relevance=np.where(scene.rows >= 0, 1.0, 0.0))


def figures_in(scene: Scene, found: Experiment, workers: int | None) -> pd.DataFrame:
    """All figures of an experiment in a scene that no spec can ask for, by the jobs that `run` gives out."""
    arms = (*found.arms, REFERENCE)
    places = [(world, replicate) for world in range(found.world.worlds) for replicate in range(found.replicates)]
    count = usable_cores() if workers is None else workers
    with tempfile.TemporaryDirectory(prefix="lrerank-") as folder:
        path = Path(folder) / "scene.pickle"
        path.write_bytes(pickle.dumps(scene))
        jobs = [CourseJob(found, path, Task(*place), arms) for place in places]
        executor: Executor = Processes(min(count, len(jobs))) if count else InThisProcess()
        with executor:
            events = [event for event in executor.events(jobs) if event is not None]
    return pd.concat([event.step.figures for event in events if isinstance(event.step, Finished)], ignore_index=True)


def report(null: str, found: Experiment, figures: pd.DataFrame) -> None:
    """Prints each arm against the baseline: overall, and in how many worlds which is above or below."""
    models = [parameters_of(found, world).click_model for world in range(found.world.worlds)]
    for arm in (*found.arms, REFERENCE):
        if arm == found.baseline:
            continue
        overall = compare(figures, arm, found.baseline, "expected_reward")
        realised = compare(figures, arm, found.baseline, "reward")
        print(f"  {arm:12} {_both(overall.difference)}   realised {_both(realised.difference)}")
        if null == "quality" and arm in ("learned", "placebo") and found.world.worlds > 1:
            for world, model in enumerate(models):
                one = compare(figures[figures["world"] == world], arm, found.baseline, "expected_reward")
                print(f"      world {world:2} {model:8} {_both(one.difference)}")
    if null == "quality":
        personal = compare(figures, "learned", "placebo", "expected_reward")
        print(f"  learned minus placebo {_both(personal.difference)}")
    if null == "best":
        gain = _differences(figures, "learned", "static")
        print(f"  largest gain of learned over static in any replicate: {gain.max():+.2e} reward per page")
    if null == "alike":
        gains = [
            np.abs(_differences(figures, arm, "static")).max() for arm in (*found.arms, REFERENCE) if arm != "static"
        ]
        print(f"  largest difference of any arm in any replicate: {max(gains):.2e} reward per page")


def _differences(figures: pd.DataFrame, arm: str, baseline: str) -> np.ndarray:
    return compare(figures, arm, baseline, "expected_reward").differences


def _both(found: BothIntervals) -> str:
    """Per 1,000 pages."""
    texts = []
    for name, one in (("noise", found.noise), ("worlds", found.worlds)):
        if one.low is not None and one.high is not None:
            texts.append(f"{name} {1000 * one.low:+.2f} to {1000 * one.high:+.2f}")
    return f"{1000 * found.value:+8.2f} ({', '.join(texts) or 'no interval'})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--null", choices=NULLS, action="append")
    parser.add_argument("--worlds", type=int, default=9)
    parser.add_argument("--replicates", type=int, default=4)
    parser.add_argument("--impressions", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0, help="of the replicates")
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE", help="of the learners")
    given = parser.parse_args()
    knobs = dict(_knob(each) for each in given.set)
    for null in given.null or NULLS:
        started = time.perf_counter()
        found = experiment(
            null,
            knobs,
            world__worlds=given.worlds,
            replicates=given.replicates,
            impressions=given.impressions,
            seed=given.seed,
        )
        if null == "alike":
            figures = figures_in(alike(scene_of(found, Store())), found, given.workers)
        else:
            figures = figures_of(found, given.workers)
        print(f"{null}, against {found.baseline}, per 1,000 pages ({time.perf_counter() - started:.0f} s)")
        report(null, found, figures)


def _knob(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    known: dict[str, Any] = {"true": True, "false": False}
    try:
        return name, known.get(value) if value in known else float(value)
    except ValueError:
        return name, value


if __name__ == "__main__":
    main()
