"""No policy can read the truth of the world that it is judged in: not by its decisions, nor by what it holds."""

from __future__ import annotations

import ast
import gc
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_site

import lrerank.experiments.arms
from lrerank.data.load import load_catalog
from lrerank.experiments.arms.base import Arm, Outcomes, Requests, Served
from lrerank.experiments.building import arms_of, logger_of, parameters_of, plan_of, world_of
from lrerank.experiments.loop import Course
from lrerank.experiments.measures import Measures
from lrerank.experiments.scene import Scene, build_scene
from lrerank.experiments.search import Search
from lrerank.experiments.spec import Experiment
from lrerank.store import Store
from simulators.arrivals import ArrivalProcess, Arrivals
from simulators.preferences import Preferences
from simulators.prospects import Prospects
from simulators.replicate import Replicate, Response
from simulators.satiation import UserState
from simulators.taste import DocumentFactors, Likings, Tastes
from simulators.world import Documents, Queries, World

TRUTH = (
    World, Documents, Queries, DocumentFactors, Likings, Preferences, Replicate, Tastes, ArrivalProcess, Arrivals,
    Prospects, Response, UserState, Scene, Course, Measures,
)  # fmt: skip
ARMS = {
    "lexical": {"kind": "rerank"},
    "nightly": {"kind": "rerank", "method": "ltr", "retrain": "nightly"},
    "trees": {"kind": "rerank", "method": "ltr"},
    "popular": {"kind": "popularity"},
    "by_segment": {"kind": "popularity", "by": "segment"},
    "varied": {"kind": "mmr"},
    "found": {"kind": "retrieval"},
    "chance": {"kind": "uniform"},
    "pooled": {"kind": "pooled"},
    "placebo": {"kind": "placebo"},
    "learned": {"kind": "learned"},
    "examining": {"kind": "learned", "position": "examination", "strategy": "softmax"},
    "bag": {"kind": "learned", "strategy": "bag", "cold_start": {"threshold": 0}},
}


class Recorder:
    """Another arm, and all that went through it."""

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self.requests: list[Requests] = []
        self.served: list[Served] = []
        self.outcomes: list[Outcomes] = []

    def rank(self, requests: Requests) -> Served:
        self.requests.append(requests)
        self.served.append(self.arm.rank(requests))
        return self.served[-1]

    def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
        self.outcomes.append(outcomes)
        self.arm.learn(requests, served, outcomes)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    catalog = small_site.shop(tmp_path_factory.mktemp("shop"))
    return small_site.experiment(catalog).with_values({"arms": ARMS, "baseline": "lexical", "reward_wait_time": 0.0})


@pytest.fixture(scope="module")
def scene(experiment: Experiment) -> Scene:
    return build_scene(load_catalog(experiment.world.catalog), candidates=20, store=Store())


def followed(experiment: Experiment, search: Search, world: World, *, first: int) -> dict[str, Recorder]:
    """The arms after a log of 200 impressions that nobody learns of, if any, and `first` impressions of their own."""
    plan = replace(plan_of(experiment), batch=first, impressions=first, bins=1)
    replicate = world.replicate(0, 600)
    users = replicate.arrivals(0, 600).user
    recorders = {name: Recorder(arm) for name, arm in arms_of(experiment, search, 0, 0, users=users).items()}
    course = Course(search, replicate, recorders, logger_of(experiment, search, 0, 0), plan, reference=False)
    list(course.advance())
    return recorders


def test_another_truth_behind_the_same_public_data_changes_no_decision(experiment: Experiment, scene: Scene) -> None:
    """Other quality, tastes, segments, relevance, click model and prices of the same queries, users and moments."""
    alone = experiment.with_values({"log.impressions": 0, "arms.trees.retrain": "nightly"})
    shuffled = np.random.default_rng(1).permuted(scene.relevance, axis=1)
    other = replace(scene, relevance=np.where(scene.rows >= 0, np.maximum(shuffled, 0.1), 0.0))
    hidden = {"base_attractiveness": 0.5, "segments": 2, "click_model": "cascade", "purchase_probability": 0.6}
    changed = alone.with_values({f"world.parameters.{name}": value for name, value in hidden.items()})
    assert parameters_of(changed, 0) != parameters_of(alone, 0)
    one = followed(alone, scene.search, world_of(alone, scene, 0), first=150)
    two = followed(changed, scene.search, world_of(changed, other, 0, truth_seed=77), first=150)
    for name in ARMS:
        requests, again = one[name].requests[0], two[name].requests[0]
        for field in Requests.__slots__:
            np.testing.assert_array_equal(getattr(requests, field), getattr(again, field), err_msg=field)
        served, same = one[name].served[0], two[name].served[0]
        for field in ("columns", "propensities", "explored", "greedy", "probability", "segments"):
            np.testing.assert_array_equal(getattr(served, field), getattr(same, field), err_msg=f"{name}.{field}")
        # The two truths are different ones: users act otherwise on the very same lists.
        assert (one[name].outcomes[0].clicks != two[name].outcomes[0].clicks).any()


def test_no_truth_can_be_reached_from_an_arm(experiment: Experiment, scene: Scene) -> None:
    world = world_of(experiment, scene, 0)
    for name, recorder in followed(experiment, scene.search, world, first=120).items():
        kept = [recorder.arm, *recorder.requests, *recorder.served, *recorder.outcomes]
        reached = reachable(kept)
        if name not in ("found", "chance"):  # these look at their requests only
            assert any(each is scene.search.rows for each in reached), "what is public is reached"
        assert not [type(each) for each in reached if isinstance(each, TRUTH)], name
        secrets = {"relevance": scene.relevance, "quality": world.quality, "purchase": world.purchase}
        for each in reached:
            if isinstance(each, np.ndarray):
                for what, secret in secrets.items():
                    assert not np.shares_memory(each, secret), f"{name} holds {what}"
                    assert each.shape != secret.shape or not np.array_equal(each, secret), f"{name} copied {what}"


def test_the_search_for_truth_finds_it_where_it_is_hidden(scene: Scene, experiment: Experiment) -> None:
    world = world_of(experiment, scene, 0)

    class Holder:
        __slots__ = ("kept",)

        def __init__(self, kept: Any) -> None:
            self.kept = kept

    def closed_over() -> object:
        return world

    for way in ([world], {"a": (scene,)}, Holder(world), closed_over, world.replicate, iter([world])):
        assert any(isinstance(each, World | Scene) for each in reachable([way])), way
    view = scene.relevance[1:, ::2]
    assert any(each is scene.relevance for each in reachable([Holder(view)]))


def reachable(roots: list[Any]) -> list[Any]:
    """Everything that these objects lead to, but for what modules and classes hold, which is the same for everybody."""
    found: dict[int, Any] = {}
    waiting: list[Any] = list(roots)
    while waiting:
        one = waiting.pop()
        if id(one) in found or isinstance(one, types.ModuleType | type):
            continue
        found[id(one)] = one
        if isinstance(one, types.FunctionType):  # what it closes over, not the module that it is in
            waiting += [one.__closure__, one.__defaults__, one.__kwdefaults__]
        elif isinstance(one, np.ndarray):  # of an array the collector knows nothing
            waiting.append(one.base)
            if one.dtype == object:
                waiting += one.ravel().tolist()
        else:
            waiting += gc.get_referents(one)
    return list(found.values())


FOLDER = Path(str(lrerank.experiments.arms.__path__[0]))
PUBLIC = {"simulators.arrivals": {"DEVICES", "LOCATIONS"}, "simulators.variates": {"uniforms"}}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_arms_import_nothing_of_the_truth(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert not [each.name for each in node.names if each.name.startswith(("simulators", "importlib"))]
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None
            names = {each.name for each in node.names}
            if node.module.startswith("simulators"):
                assert names <= PUBLIC.get(node.module, set()), node.module
            assert not node.module.startswith("importlib")


def test_importing_arms_loads_no_module_with_truth() -> None:
    modules = [f"lrerank.experiments.arms.{path.stem}" for path in FOLDER.glob("*.py") if path.stem != "__init__"]
    script = f"import sys; sys.path[:] = {sys.path!r}\nimport {', '.join(modules)}\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in loaded if name.partition(".")[0] == "simulators"} <= {
        "simulators", "simulators.arrivals", "simulators.parameters", "simulators.variates",
    }  # fmt: skip
    assert not {"lrerank.experiments.scene", "lrerank.experiments.building", "lrerank.experiments.loop"} & set(loaded)
