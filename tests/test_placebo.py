"""The placebo: the learned arm that takes every request for another one's user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import small_site

from lrerank.errors import LrerankError
from lrerank.experiments.ablation import ablated
from lrerank.experiments.arms.base import Arm, Outcomes, Requests, Served
from lrerank.experiments.arms.shuffled import Shuffled, earlier, shuffled
from lrerank.experiments.as_pipeline import as_pipeline
from lrerank.experiments.building import arms_of, logger_of, plan_of, scene_of, world_of
from lrerank.experiments.lifts import lifts, personal
from lrerank.experiments.loop import Course
from lrerank.experiments.run import Snapshot, run
from lrerank.experiments.scene import Scene
from lrerank.experiments.spec import REFERENCE, Experiment, SpecError
from lrerank.store import Store
from lrerank.types import IntArray
from simulators.replicate import Replicate

STEPS = ["static", "pooled", "placebo", "learned"]
KNOWN = {"cold_start": {"threshold": 0}}
ARMS = {
    "static": {"kind": "rerank"},
    "pooled": {"kind": "pooled"},
    "placebo": {"kind": "placebo", **KNOWN},
    "learned": {"kind": "learned", **KNOWN},
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A world of strong tastes whose users tire as well: there is much to know of who asks."""
    base = small_site.experiment(small_site.shop(tmp_path_factory.mktemp("shop")))
    shorter = {"impressions": 200, "measure_from": 100, "bins": 4, "replicates": 1, "log.impressions": 100}
    return base.with_values({"arms": ARMS, "waterfall": STEPS, "world.parameters.taste_strength": 4.0, **shorter})


@pytest.fixture(scope="module")
def scene(small: Experiment) -> Scene:
    return scene_of(small, Store())


@pytest.fixture(scope="module")
def here(small: Experiment) -> Snapshot:
    return list(run(small, workers=0))[-1]


class Between:
    """Another arm, to which requests come as something makes them."""

    def __init__(self, arm: Arm, made: Callable[[Requests], Requests]) -> None:
        self.arm, self.made = arm, made

    def rank(self, requests: Requests) -> Served:
        return self.arm.rank(self.made(requests))

    def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
        self.arm.learn(self.made(requests), served, outcomes)


def peopled(small: Experiment, scene: Scene) -> tuple[Replicate, IntArray]:
    """A replicate and who asks in it."""
    total = small.log.impressions + small.impressions
    replicate = world_of(small, scene, 0).replicate(0, total)
    return replicate, replicate.arrivals(0, total).user


def followed(small: Experiment, scene: Scene, replicate: Replicate, arms: dict[str, Arm]) -> pd.DataFrame:
    """Figures of arms that are followed through a replicate, without latency."""
    logger = logger_of(small, scene.search, 0, 0)
    course = Course(scene.search, replicate, arms, logger, plan_of(small), reference=False)
    list(course.advance())
    found = course.figures(0, 0)
    return found[~found["measure"].str.startswith("latency")].reset_index(drop=True)


def test_every_user_is_handed_over_as_often_but_not_for_the_own_requests(small: Experiment, scene: Scene) -> None:
    replicate, users = peopled(small, scene)
    placebo = arms_of(small, scene.search, 0, 0, ["placebo"], users)["placebo"]
    assert isinstance(placebo, Shuffled)
    ranked: dict[int, int] = {}
    learned: dict[int, int] = {}

    class Noted(Between):
        def rank(self, requests: Requests) -> Served:
            ranked.update(zip(requests.impression.tolist(), requests.user.tolist(), strict=True))
            return super().rank(requests)

        def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
            learned.update(zip(requests.impression.tolist(), requests.user.tolist(), strict=True))
            super().learn(requests, served, outcomes)

    placebo.arm = Noted(placebo.arm, lambda requests: requests)
    followed(small, scene, replicate, {"placebo": placebo})
    # With a wait of an hour the last pages are ranked and never learned.
    assert ranked.keys() == set(range(small.log.impressions, len(users))) and ranked | learned == learned | ranked
    handed = np.array([(learned | ranked)[impression] for impression in range(len(users))])
    assert (np.bincount(handed) == np.bincount(users)).all()
    assert (handed != users).all()


@pytest.mark.parametrize("newcomers", [0.1, 0.8])
@pytest.mark.parametrize("exponent", [0.4, 0.8])
def test_who_is_shuffled_is_as_new_as_before(
    newcomers: float, exponent: float, scene: Scene, small: Experiment
) -> None:
    """Then both leave as many requests to a fallback, early and late, whoever else is there.

    Of whose requests the fallback takes those of users with less than two clicks: 15 in 1,000 more or less of them, at the
    10 clicks per 1,000 that a fallback costs, would be a sixth of a click. A shuffle over all requests differs by 40 to 90.
    """
    several = small.with_values(
        {
            "world.parameters.users": 300,
            "world.parameters.new_user_share": newcomers,
            "world.parameters.activity_exponent": exponent,
        }
    )
    users = world_of(several, scene, 0).replicate(0, 3500).arrivals(0, 3500).user
    handed = shuffled(users, np.random.default_rng(5))
    assert (np.bincount(handed) == np.bincount(users)).all() and (handed != users).mean() > 0.99
    for part in (slice(0, 1000), slice(1000, 2000), slice(2000, 3500)):
        for few, most in ((1, 0.01), (3, 0.015), (10, 0.03)):
            share, shares = ((earlier(each)[part] < few).mean() for each in (users, handed))
            assert abs(share - shares) < most
    # Some eight users or more change places with each other: one in eight may be taken for the same one twice running.
    last: dict[int, int] = {}
    same = pairs = 0
    for user, taken in zip(users.tolist(), handed.tolist(), strict=True):
        same, pairs = same + (last.get(user) == taken), pairs + (user in last)
        last[user] = taken
    assert same / pairs < 1 / 8


def test_where_nobody_else_is_there_all_stay() -> None:
    alone = np.zeros(5, np.int64)
    assert (shuffled(alone, np.random.default_rng(0)) == alone).all()
    assert sorted(shuffled(np.array([0, 1, 0]), np.random.default_rng(0))) == [0, 0, 1]


def test_who_really_asks_makes_no_difference_to_it(small: Experiment, scene: Scene) -> None:
    """Said to be all of one user, the same requests get the same lists of a placebo, and others of the learned arm."""
    replicate, users = peopled(small, scene)

    def arms() -> dict[str, Arm]:
        return arms_of(small, scene.search, 0, 0, ["placebo", "learned"], users)

    def nobodys(requests: Requests) -> Requests:
        return replace(requests, user=np.zeros_like(requests.user))

    told = followed(small, scene, replicate, arms())
    blind: dict[str, Arm] = {name: Between(arm, nobodys) for name, arm in arms().items()}
    untold = followed(small, scene, replicate, blind)
    for arm, same in (("placebo", True), ("learned", False)):
        one, other = (each[each["arm"] == arm].reset_index(drop=True) for each in (told, untold))
        assert one.equals(other) == same, arm


def test_processes_and_groups_of_arms_give_the_same_figures(small: Experiment, here: Snapshot) -> None:
    """Two processes share one replicate, so that learned arm and placebo are computed apart."""
    keys = ["arm", "measure", "by", "group", "start"]
    *_, last = run(small, workers=2)
    one, other = (
        each.figures[~each.figures["measure"].str.startswith("latency")].sort_values(keys, ignore_index=True)
        for each in (here, last)
    )
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_the_steps_add_up_and_what_is_personal_is_said(small: Experiment, here: Snapshot) -> None:
    steps = lifts(here.figures, small).steps
    assert [step.arm for step in steps] == [*STEPS, REFERENCE]
    added = sum(step.difference.value for step in steps if step.difference)
    assert added == pytest.approx(steps[-1].value.value - steps[0].value.value)
    said = personal(small)
    assert said.startswith("What learned has above placebo is personal")
    other = small.with_values({"arms.placebo.exploration_rate": 0.05})
    assert "differ in other settings" in personal(other)
    assert "need be personal" in personal(small.with_values({"waterfall": ["static", "pooled", "learned"]}))
    assert personal(small.with_values({"waterfall": ["static", "pooled", "placebo"]})) == ""


def test_nobody_ships_or_studies_a_placebo(small: Experiment) -> None:
    with pytest.raises(LrerankError, match="no stage ranks as a placebo does") as refused:
        as_pipeline(small, "placebo")
    assert refused.value.path == "arms.placebo"
    with pytest.raises(SpecError, match="only there to be compared with"):
        ablated(small, "placebo")
    with pytest.raises(SpecError, match="true"):
        small.with_values({"arms.placebo.user_side": False})
