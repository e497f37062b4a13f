"""The course of a replicate: what nobody learns from hangs on no batch, and pages are measured where they happened."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import small_site

from lrerank.experiments.arms.base import Arm
from lrerank.experiments.arms.fixed import MMR, LexicalRerank, RetrievalOrder, Uniform
from lrerank.experiments.building import scene_of, world_of
from lrerank.experiments.loop import Course, Plan
from lrerank.experiments.scene import Scene
from lrerank.experiments.spec import REFERENCE, Experiment
from lrerank.store import Store

LOG, PAGES = 130, 430


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return small_site.experiment(small_site.shop(tmp_path_factory.mktemp("shop")))


@pytest.fixture(scope="module")
def scene(small: Experiment) -> Scene:
    return scene_of(small, Store())


def figures(small: Experiment, scene: Scene, batch: int, looks: int = 0, **world: object) -> pd.DataFrame:
    """Of arms that do not learn, without latency; looked at every so many batches."""
    search = scene.search
    arms: dict[str, Arm] = {
        "retrieval": RetrievalOrder(5),
        "static": LexicalRerank(search, 5),
        "mmr": MMR(search, 5),
        "uniform": Uniform(5, np.random.SeedSequence(3)),
    }
    changed = small.world.model_copy(update={"parameters": {"users": 25, **world}})
    replicate = world_of(small.model_copy(update={"world": changed}), scene, 0).replicate(0, LOG + PAGES)
    plan = Plan(slots=5, log=LOG, impressions=PAGES, bins=3, batch=batch, click=1.0, purchase=3.0, wait=600.0)
    course = Course(search, replicate, arms, LexicalRerank(search, 5), plan, reference=True)
    for number, done in enumerate(course.advance()):
        if looks and number % looks == 0 and done > LOG:
            seen = course.figures(0, 0)
            pages = seen[(seen["measure"] == "clicks") & (seen["by"] == "all")].groupby("arm")["weight"].sum()
            assert (pages == done - LOG).all() and len(pages) == len(arms) + 1
    found = course.figures(0, 0)
    return found[~found["measure"].str.startswith("latency")].reset_index(drop=True)


@pytest.mark.parametrize(
    "world",
    [
        {},
        {"satiation": 0.0, "click_model": "cascade"},
        {"satiation": 1.0, "click_model": "dbn", "launches": 0.4, "purchase_probability": 0.4},
    ],
)
def test_batches_make_no_difference_to_who_does_not_learn(
    small: Experiment, scene: Scene, world: dict[str, object]
) -> None:
    one = figures(small, scene, 1, **world)
    assert set(one["arm"]) == {"retrieval", "static", "mmr", "uniform", REFERENCE}
    for batch, looks in ((1, 17), (7, 3), (300, 1)):
        pd.testing.assert_frame_equal(figures(small, scene, batch, looks, **world), one, check_exact=True)


def test_the_reference_list_has_no_regret_in_its_own_state(small: Experiment, scene: Scene) -> None:
    found = figures(small, scene, 1, satiation=1.0)
    regret = found[(found["measure"] == "regret") & (found["by"] == "all")].groupby("arm")["total"].sum()
    assert regret[REFERENCE] == pytest.approx(0.0, abs=1e-6)
    assert (regret.drop(REFERENCE) > 1.0).all()
