"""The learned reranker as an arm: what it freezes, what it would show without exploration, and what it logs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import small_site

from lrerank.experiments.arms.base import Outcomes, Requests
from lrerank.experiments.arms.fixed import RetrievalOrder
from lrerank.experiments.arms.learned import Learned
from lrerank.experiments.as_pipeline import as_pipeline
from lrerank.experiments.building import arms_of, course_of, scene_of, world_of
from lrerank.experiments.scene import Scene
from lrerank.experiments.spec import Experiment
from lrerank.pipeline import Pipeline
from lrerank.reranker import Frozen
from lrerank.store import Store
from lrerank.types import Candidates, IntArray

SLOTS = 5
LISTS = 2000
_MIDNIGHT = 1_767_225_600.0
# A model of two fields ties whole groups of documents.
BLUNT = {"features": ("category", "brand"), "incoming": False, "user_side": False, "context": False}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return small_site.experiment(small_site.shop(tmp_path_factory.mktemp("shop"))).with_values(
        {"reward_wait_time": 0.0, "impressions": 160, "measure_from": 0}
    )


@pytest.fixture(scope="module")
def scene(small: Experiment) -> Scene:
    return scene_of(small, Store())


def arm_of(small: Experiment, scene: Scene, **values: Any) -> Learned:
    arms = {"static": {"kind": "rerank"}, "learned": {"kind": "learned", **values}}
    found = arms_of(small.with_values({"arms": arms}), scene.search, 0, 0, ("learned",))["learned"]
    assert isinstance(found, Learned)
    return found


def same_request(scene: Scene, m: int, candidates: int | None = None) -> Requests:
    """The first query, m times, with the first of its candidates."""
    zeros = np.zeros(m, np.int64)
    rows = scene.rows[zeros].copy()
    if candidates is not None:
        rows[:, candidates:] = -1
    scores = np.where(rows >= 0, scene.scores[zeros], 0.0)
    return Requests(np.arange(m), zeros, zeros, _MIDNIGHT + np.arange(m), zeros, zeros, rows, scores)


def clicked(m: int, slot: int) -> Outcomes:
    clicks = np.zeros((m, SLOTS), np.bool_)
    clicks[:, slot] = True
    return Outcomes(clicks, np.zeros_like(clicks), clicks.astype(np.float64))


@pytest.mark.parametrize("after", ["retrieval", "rerank", "popularity"])
def test_what_is_frozen_of_a_logged_page_does_not_hang_on_its_outcome(
    small: Experiment, scene: Scene, after: str
) -> None:
    asked = same_request(scene, 1)
    served = RetrievalOrder(SLOTS).rank(asked)

    def frozen_with(slot: int) -> Frozen:
        arm, seen = arm_of(small, scene, after=after), list[Frozen]()
        arm.learn(asked, served, clicked(1, 2))  # popularity has something to say
        teach = arm.reranker.learn_frozen

        def learn_frozen(frozen: Frozen, *rest: Any) -> None:
            seen.append(frozen)
            teach(frozen, *rest)

        arm.reranker.learn_frozen = learn_frozen  # type: ignore[method-assign]
        arm.learn(asked, served, clicked(1, slot))
        return seen[0]

    for one, other in zip(frozen_with(0), frozen_with(4), strict=True):
        assert all(np.array_equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def test_who_never_explores_pays_nothing_for_exploration_though_values_tie(small: Experiment, scene: Scene) -> None:
    arms = {"static": {"kind": "rerank"}, "learned": {"kind": "learned", "exploration_rate": 0.0, **BLUNT}}
    experiment = small.with_values({"arms": arms})
    course = course_of(experiment, scene, world_of(experiment, scene, 0), (0, 0), ("learned",))
    for _ in course.advance():
        pass
    figures = course.figures(0, 0)
    price = figures[(figures["measure"] == "price") & (figures["by"] == "all")]
    assert len(price) == 8 and (price["total"] == 0).all()


def test_lists_without_exploration_split_ties_evenly(small: Experiment, scene: Scene) -> None:
    """A fresh model values all of four candidates alike, so each of them is first on a quarter of the greedy lists. Of
    2,000 lists the standard error of a share is 0.01; explored slots must not make a difference to that."""
    served = arm_of(small, scene, exploration_rate=0.5, cold_start={"threshold": 0}).rank(same_request(scene, LISTS, 4))
    assert (np.sort(served.greedy[:, :4], axis=1) == np.arange(4)).all() and (served.greedy[:, 4] == -1).all()
    for slot in range(4):
        share = np.bincount(served.greedy[:, slot], minlength=4) / LISTS
        assert np.abs(share - 0.25).max() < 0.04


def lists(columns: IntArray) -> list[tuple[int, ...]]:
    return [tuple(line) for line in columns.tolist()]


@pytest.mark.parametrize("strategy", ["epsilon_greedy", "softmax", "squarecb", "bag"])
@pytest.mark.parametrize("features", [{}, BLUNT])
def test_lists_are_drawn_with_the_propensities_that_are_logged(
    small: Experiment, scene: Scene, strategy: str, features: dict[str, Any]
) -> None:
    """2,000 lists of 4 candidates in one state: 24 orders in 8 cases. A share may be 4.5 of its standard errors off the
    product of the logged propensities, once in 750 such tests by chance, and a list more for those that are rare."""
    knobs = {"temperature": 0.3, "gamma": 5.0}
    arm = arm_of(
        small,
        scene,
        strategy=strategy,
        exploration_rate=0.2,
        exploration_parameters=knobs,
        learning_rate=0.3,
        cold_start={"threshold": 0},
        **features,
    )
    for slot in (0, 1, 0, 3):
        before = same_request(scene, 10)
        arm.learn(before, RetrievalOrder(SLOTS).rank(before), clicked(10, slot))
    served = arm.rank(same_request(scene, LISTS, 4))
    named = {
        order: float(product)
        for order, product in zip(lists(served.columns), served.propensities.prod(axis=1), strict=True)
    }
    counts = Counter(lists(served.columns))
    assert len(counts) > 10
    assert sum(named.values()) == pytest.approx(1.0, abs=0.02), "all orders that are likely have been drawn"
    for order, count in counts.items():
        error = np.sqrt(named[order] * (1 - named[order]) / LISTS)
        assert abs(count / LISTS - named[order]) < 4.5 * error + 1 / LISTS


@pytest.mark.parametrize("kind", [{}, {"user_side": False}, {"after": "popularity"}])
def test_no_candidates_no_list(small: Experiment, scene: Scene, kind: dict[str, Any]) -> None:
    arm, asked = arm_of(small, scene, **kind), same_request(scene, 2, 0)
    served = arm.rank(asked)
    assert (served.columns == -1).all() and (served.greedy == -1).all() and (served.propensities == 1).all()
    nothing = np.zeros((2, SLOTS), np.bool_)
    arm.learn(asked, served, Outcomes(nothing, nothing, nothing.astype(np.float64)))


@pytest.mark.parametrize("fallback", ["rerank", "mmr"])
def test_strangers_are_shown_what_the_exported_pipeline_shows_them(
    small: Experiment, scene: Scene, fallback: str
) -> None:
    cold = {"fallback": fallback, "threshold": 2}
    arm = arm_of(small, scene, cold_start=cold)
    experiment = small.with_values(
        {"arms": {"learned": {"kind": "learned", "cold_start": cold}}, "baseline": "learned"}
    )
    *before, learned = as_pipeline(experiment, "learned").pipeline
    stage = {"stage_type": "sort", "stage_id": fallback, "parameters": {"top_n": learned["parameters"]["top_n"]}}
    pipeline = Pipeline.from_json([*(each for each in before if each["stage_type"] == "sort"), stage])
    for query, text in enumerate(scene.search.texts):
        there = int((scene.rows[query] >= 0).sum())
        asked = same_request(scene, 1)
        numbers = np.array([query])
        asked = replace(asked, query=numbers, rows=scene.rows[numbers], scores=scene.scores[numbers])
        start = Candidates(scene.rows[query, :there].copy(), scene.scores[query, :there].copy())
        expected = pipeline.run({"query": text}, catalog=scene.catalog, store=Store(), candidates=start).candidates
        columns = arm.rank(asked).columns[0]
        assert scene.rows[query, columns[columns >= 0]].tolist() == expected.rows.tolist()
