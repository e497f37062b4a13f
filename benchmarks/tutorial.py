"""Vowpal Wabbit's personalization tutorial as a world with one slot: do we get what is published?

    python benchmarks/tutorial.py [--seeds 10] [--case "preferences switch"] [--seventh]

Tom likes politics in the morning and music in the afternoon, Anna sports and politics. Each of 5,000 rounds shows one of
seven articles to one of them. The published figures are mean click-through rates over ten seeds, epsilon 0.2.

Who comes, what they like and what they click stands here, in place of a replicate of a drawn world. All else is what
experiments run: the course of a replicate, the learned arm, its features, exploration and learning.

One thing differs from the tutorial. It hands all seven articles to Vowpal Wabbit, which then weighs an update by
1 / (7 propensity); ours hands over the article shown, and the weight is 1 / propensity. Larger steps follow a change of
preferences sooner. `--seventh` divides by seven as well.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lrerank.data.cards import parse_card
from lrerank.data.frames import catalog_from_frame
from lrerank.experiments.arm_specs import ColdStartSpec, LearnedSpec
from lrerank.experiments.arms.base import Arm, Outcomes, Requests, Served
from lrerank.experiments.arms.learned import Learned
from lrerank.experiments.loop import Course, Plan
from lrerank.experiments.search import Search
from lrerank.reranker import Frozen
from lrerank.types import FloatArray
from simulators.arrivals import DAY, START, Arrivals
from simulators.parameters import WorldParameters
from simulators.prospects import Prospects
from simulators.replicate import Replicate
from simulators.world import Documents, Queries, World

ARTICLES = ("politics", "sports", "music", "food", "finance", "health", "camping")
USERS = ("Tom", "Anna")
HOURS = (9, 15)  # morning and afternoon
# [preferences, user, time of day] as in the tutorial; the second ones are those after the switch.
LIKES = np.array(
    [
        [[ARTICLES.index("politics"), ARTICLES.index("music")], [ARTICLES.index("sports"), ARTICLES.index("politics")]],
        [[ARTICLES.index("politics"), ARTICLES.index("sports")], [ARTICLES.index("sports"), ARTICLES.index("sports")]],
    ]
)
ROUNDS = 5000
EPSILON = 0.2

_CARD = """
name = "tutorial"
id = "id"
text = ["article"]
[fields.article]
kind = "categorical"
path = "article"
"""


@dataclass(frozen=True)
class Case:
    """What the tutorial tries.

    Attributes:
        rounds: how many.
        switch: from which round on preferences are the second ones.
        interactions: whether user and time are crossed with the article (`-q UA`).
        learns: whether it learns at all.
        published, spread: mean and standard deviation of the click-through rate over ten seeds.
    """

    published: float
    spread: float
    rounds: int = ROUNDS
    switch: int = ROUNDS
    interactions: bool = True
    learns: bool = True


CASES = {
    "with interactions": Case(0.801, 0.010),
    "without interactions": Case(0.417, 0.012, interactions=False),
    "without learning": Case(0.145, 0.005, learns=False),
    "preferences switch": Case(0.798, 0.008, rounds=2 * ROUNDS),
}


class Visitors(Replicate):
    """Tom and Anna, who like one article each at a time and click on it whenever they see it.

    Which of them has come, a policy sees as the device: its only name for a user that Vowpal Wabbit may cross.
    """

    def __init__(self, world: World, seed: int, case: Case) -> None:
        super().__init__(world, seed, case.rounds)
        self._user, self._half = np.random.default_rng([seed, 1]).integers(2, size=(2, case.rounds))
        self._switch = case.switch

    def arrivals(self, start: int, stop: int) -> Arrivals:
        impression, some = np.arange(start, stop), slice(start, stop)
        user, nothing = self._user[some], np.zeros(stop - start, np.int64)
        timestamp = START + impression * DAY + np.array(HOURS)[self._half[some]] * 3600.0
        return Arrivals(impression, user, nothing, timestamp, user, nothing)

    def prospects(self, arrivals: Arrivals, rows: np.ndarray, slots: int) -> Prospects:
        which = (arrivals.impression >= self._switch).astype(np.int64)
        liked = LIKES[which, arrivals.user, self._half[arrivals.impression]]
        return replace(super().prospects(arrivals, rows, slots), fresh=(rows == liked[:, None]).astype(np.float64))


class OneSlot(Learned):
    """The learned arm for lists of one, which may weigh its lessons as VW's tutorial does."""

    def __init__(
        self, public: Search, spec: LearnedSpec, seed: np.random.SeedSequence, *, seventh: bool = False
    ) -> None:
        super().__init__(public, spec, slots=1, seed=seed)
        self._seventh = seventh

    def _teach(self, frozen: Frozen, rewards: FloatArray, propensities: FloatArray) -> None:
        if self._seventh:
            self.reranker.learn_frozen(frozen, rewards.tolist(), propensities.tolist(), [1 / len(ARTICLES)])
        else:
            super()._teach(frozen, rewards, propensities)


class Untaught:
    """An arm that is never told anything."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm

    def rank(self, requests: Requests) -> Served:
        return self._arm.rank(requests)

    def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
        """Nothing comes of it."""


def spec(case: Case) -> LearnedSpec:
    """Vowpal Wabbit's defaults on the tutorial's features, nothing of ours beside them."""
    return LearnedSpec(
        kind="learned",
        strategy="epsilon_greedy",
        exploration_rate=EPSILON,
        features=("article", "context.device", "context.time_of_day"),
        user_side=False,
        incoming=False,
        position="none",
        interactions="all" if case.interactions else "none",
        bits=18,
        learning_rate=0.5,
        power_t=0.5,
        importance="propensity",
        clip=0.001,
        after="retrieval",
        cold_start=ColdStartSpec(threshold=0),
    )


def search() -> Search:
    """One question, to which all seven articles are equally good answers."""
    frame = pd.DataFrame({"id": ARTICLES, "article": ARTICLES})
    shape = 1, len(ARTICLES)
    return Search(
        catalog=catalog_from_frame(frame, parse_card(_CARD), "tutorial"),
        indexes=Path(),
        query_ids=["news"],
        texts=["news"],
        rows=np.arange(len(ARTICLES)).reshape(shape),
        scores=np.zeros(shape),
        lexical=np.zeros(shape),
        topics=np.full(len(ARTICLES), -1),
        topic_names=(),
    )


def world(public: Search) -> World:
    """Two users and seven articles; what they like is `Visitors`' business."""
    parameters = WorldParameters(users=2, segments=1, new_user_share=0.0, taste_strength=0.0, satiation=0.0)
    documents = Documents(np.eye(len(ARTICLES)), public.topics)
    return World(parameters, documents, Queries(public.rows, np.ones(public.rows.shape)), seed=0)


def rates(case: Case, seeds: int, *, seventh: bool = False) -> Iterator[float]:
    """The click-through rate over all rounds, seed by seed."""
    public = search()
    for seed in range(seeds):
        arm: Arm = OneSlot(public, spec(case), np.random.SeedSequence([seed, 2]), seventh=seventh)
        arm = arm if case.learns else Untaught(arm)
        plan = Plan(slots=1, log=0, impressions=case.rounds, bins=1, batch=1, click=1.0, purchase=0.0)
        visitors = Visitors(world(public), seed, case)
        course = Course(public, visitors, {"learned": arm}, Untaught(arm), plan, reference=False)
        for _ in course.advance():
            pass
        figures = course.figures(0, seed)
        clicks = figures[(figures["measure"] == "clicks") & (figures["by"] == "all")]
        yield float(clicks["total"].sum() / clicks["weight"].sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--seventh", action="store_true")
    given = parser.parse_args()
    seeds, started = given.seeds, time.perf_counter()
    for name in given.case or CASES:
        case = CASES[name]
        found = np.array(list(rates(case, seeds, seventh=given.seventh)))
        print(
            f"{name:22} {found.mean():.4f} (standard deviation {found.std(ddof=1):.4f}), published {case.published:.3f} "
            f"({case.spread:.3f}), difference {found.mean() - case.published:+.4f}"
        )
    print(f"{seeds} seeds, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
