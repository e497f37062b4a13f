"""What the learned arm leaves undone: the same learner told what it would have to find out of its users.

    python benchmarks/ceiling.py [--worlds 6] [--impressions 8000] [--workers 2]

In worlds drawn from the published distribution, with a seed of its own, behind popularity, with little exploration and no
fallback. All arms have the learner's columns; in two of them the match of the profile with a document is replaced by the
truth, which no policy of the product can read:

- segment: the taste that the user's segment has on average. No more could be learned from others than that.
- visible: the user's own taste, as far as features show it. No more could be learned from the features.

What lies between `learned` and `visible` is what a profile made of few clicks does not know; what lies between `visible`
and the reference list is taste that no feature shows, quality of documents, and the order of slots.
"""

from __future__ import annotations

import argparse
import copy
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from lrerank.experiments.arms.learned import Learned
from lrerank.experiments.building import arms_of, logger_of, parameters_of, plan_of, scene_of, world_of
from lrerank.experiments.compare import compare
from lrerank.experiments.loop import Course
from lrerank.experiments.spec import Experiment
from lrerank.reranker import Block
from lrerank.store import Store
from simulators.arrivals import Arrivals
from simulators.taste import Tastes, contexts

SEED = 555
LEARNER: dict[str, Any] = {"after": "popularity", "exploration_rate": 0.01}
PERSONAL = {"kind": "learned", **LEARNER, "cold_start": {"threshold": 0}}
ARMS = {
    "static": {"kind": "rerank"},
    "popularity": {"kind": "popularity"},
    "pooled": {"kind": "pooled", **LEARNER},
    "learned": PERSONAL,
    "segment": PERSONAL,
    "visible": PERSONAL,
}


def experiment(worlds: int, impressions: int) -> Experiment:
    """The last three eighths are measured."""
    return Experiment.parse(
        {
            "name": "ceiling",
            "question": "What would knowing the users' taste bring?",
            "baseline": "pooled",
            "world": {"catalog": "marketplace", "seed": SEED, "worlds": worlds, "parameters": {"drift_per_10000": 0.0}},
            "log": {"impressions": 1000},
            "arms": ARMS,
            "impressions": impressions,
            "measure_from": 5 * impressions // 8,
            "bins": 8,
            "batch": 10,
            "replicates": 1,
        }
    )


def tell(arm: Learned, tastes: Tastes) -> None:
    """Has the arm see these tastes where its own matches with the profile stand."""
    schema, unaware = arm.reranker.features.schema, arm._block
    start, fields = len(schema.engagement), len(schema.specs)

    def block(requests: Any, place: int, shelved: Any) -> Block:
        found = unaware(requests, place, shelved)
        one = requests.part(place, place + 1)
        arrival = Arrivals(*(getattr(one, name) for name in Arrivals.__slots__))
        rows = shelved.shelf.rows[None, :]
        taste = tastes.of(arrival.user, contexts(arrival), np.zeros(1), rows, "visible")[0]
        plain = found.plain.copy()
        plain[:, start : start + 2 * fields] = 0.0
        plain[:, start], plain[:, start + fields] = taste, taste * shelved.shelf.incoming[:, 0]
        return replace(found, plain=plain)

    arm._block = block  # type: ignore[method-assign]


def of_segments(tastes: Tastes) -> Tastes:
    """The same, everybody's own taste replaced by the mean of their segment."""
    found = copy.copy(tastes)
    found._now = np.empty_like(tastes._now)
    for segment in np.unique(tastes._segments):
        mine = tastes._segments == segment
        found._now[mine] = tastes._now[mine].mean(axis=0)
    return found


def figures_of(found: Experiment, number: int) -> pd.DataFrame:
    """Figures of one world."""
    with threadpool_limits(1):
        scene, plan = scene_of(found, Store()), plan_of(found)
        replicate = world_of(found, scene, number).replicate(0, plan.log + plan.impressions)
        arms = arms_of(found, scene.search, number, 0)
        tastes = replicate._tastes(0)
        for name, truth in (("segment", of_segments(tastes)), ("visible", tastes)):
            arm = arms[name]
            assert isinstance(arm, Learned)
            tell(arm, truth)
        course = Course(scene.search, replicate, arms, logger_of(found, scene.search, number, 0), plan, reference=True)
        for _ in course.advance():
            pass
        return course.figures(number, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=6)
    parser.add_argument("--impressions", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    found = experiment(given.worlds, given.impressions)
    with ProcessPoolExecutor(given.workers) as processes:
        figures = pd.concat(processes.map(partial(figures_of, found), range(given.worlds)), ignore_index=True)
    start, end = found.window
    for arm in (*ARMS, "reference"):
        if arm == "pooled":
            continue
        compared = compare(figures, arm, "pooled", "expected_reward", start=start, end=end)
        by_world = " ".join(f"{1000 * value:+7.1f}" for value in compared.differences)
        headline = compared.per_thousand.headline
        between = "no interval" if headline.low is None else f"{headline.low:+.1f} to {headline.high:+.1f}"
        print(f"{arm:11} minus pooled {headline.value:+7.1f} per 1,000 searches ({between})   by world {by_world}")
    for number in range(given.worlds):
        one = parameters_of(found, number)
        told = f"strength {one.taste_strength:.2f}, hidden {one.hidden_share:.2f}, {one.users} users"
        print(f"world {number}: {told}, {one.segments} segments, of a taste {one.individual_share:.2f} their own")


if __name__ == "__main__":
    main()
