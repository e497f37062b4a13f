"""From an experiment as it is written down to what runs: scene, worlds, arms and the course of a replicate.

Everything that is drawn here hangs on numbers alone (seeds, the world's and the replicate's number, an arm's name), so
it makes no difference which process builds it, nor beside which other arms.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection

import numpy as np

from lrerank.data.load import load_catalog
from lrerank.errors import LrerankError
from lrerank.experiments.arm_specs import (
    ArmSpec,
    LearnerSpec,
    MMRSpec,
    PlaceboSpec,
    PopularitySpec,
    RerankSpec,
    RetrievalSpec,
    UniformSpec,
)
from lrerank.experiments.arms.base import Arm, Outcomes, Requests, Served
from lrerank.experiments.arms.explored import Explored
from lrerank.experiments.arms.fixed import MMR, LexicalRerank, RetrievalOrder, Uniform
from lrerank.experiments.arms.learned import Learned
from lrerank.experiments.arms.popularity import Popularity
from lrerank.experiments.arms.segment_popularity import SegmentPopularity
from lrerank.experiments.arms.shuffled import Shuffled
from lrerank.experiments.arms.trees import Trees
from lrerank.experiments.loop import Course, Plan
from lrerank.experiments.scene import Scene, build_scene
from lrerank.experiments.search import Search
from lrerank.experiments.spec import REFERENCE, Experiment
from lrerank.store import Store
from lrerank.types import IntArray
from simulators.parameters import WorldParameters, draw_parameters
from simulators.world import Documents, Queries, World

# No arm has this name: names don't begin with a bracket.
_LOGGER = "[log]"


class ArmFailedError(Exception):
    """Something went wrong within an arm; the cause says what."""

    def __init__(self, arm: str) -> None:
        super().__init__(arm)
        self.arm = arm


def scene_of(experiment: Experiment, store: Store) -> Scene:
    """The queries that are asked, what is found for them, and how relevant that is.

    Raises:
        LrerankError: the catalog, the stages or the judgments can't be used.
    """
    world = experiment.world
    return build_scene(
        load_catalog(world.catalog, data_folders=[store.data], catalogs=store.catalogs),
        stages=world.stages(),
        candidates=world.candidates,
        only_judged=world.only_judged,
        accuracy=world.accuracy,
        most_queries=world.queries,
        store=store,
        seed=world.seed,
    )


def parameters_of(experiment: Experiment, number: int) -> WorldParameters:
    """Of world `number`: those of the spec over the defaults, or over a draw where there are several worlds."""
    world = experiment.world
    drawn = WorldParameters()
    if world.worlds > 1:
        drawn = draw_parameters(np.random.default_rng([world.seed, number]))
    return drawn.with_parameters(**world.parameters)


def world_of(experiment: Experiment, scene: Scene, number: int, *, truth_seed: int | None = None) -> World:
    """World `number`: the seed's own where there is one, else one of as many different seeds.

    Args:
        truth_seed: as in `World`.

    Raises:
        LrerankError: this catalog can't have such a world.
    """
    seed = experiment.world.seed
    if experiment.world.worlds > 1:
        seed = int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])
    documents = Documents(scene.values, scene.topics)
    queries = Queries(scene.rows, scene.relevance)
    try:
        return World(parameters_of(experiment, number), documents, queries, seed, truth_seed=truth_seed)
    except ValueError as error:
        raise _impossible(error) from error


def arms_of(
    experiment: Experiment,
    search: Search,
    world: int,
    replicate: int,
    names: Collection[str] | None = None,
    users: IntArray | None = None,
) -> dict[str, Arm]:
    """Fresh arms that know nothing yet, in the order of the spec.

    Args:
        names: which; None for all.
        users: [impressions] of the replicate, the log's included: what a placebo shuffles, and no other arm needs.

    Raises:
        LrerankError: an arm can't be made for this catalog; the path names it.
    """
    found: dict[str, Arm] = {}
    for name, spec in experiment.arms.items():
        if names is None or name in names:
            try:
                luck = _luck(experiment, world, replicate, name)
                found[name] = _arm(spec, search, experiment.slots, luck, users)
            except LrerankError as error:
                value = {} if error.value is None else {"value": error.value}
                path = f"arms.{name}" + (f".{error.path}" if error.path else "")
                raise LrerankError(error.message, path=path, remedy=error.remedy, **value) from error
    return found


def logger_of(experiment: Experiment, search: Search, world: int, replicate: int) -> Arm:
    """Who shows the log."""
    luck, log = _luck(experiment, world, replicate, _LOGGER), experiment.log
    if log.arm == "uniform":
        return Uniform(experiment.slots, luck)
    retrieval = log.arm == "retrieval"
    order: Arm = RetrievalOrder(experiment.slots) if retrieval else LexicalRerank(search, experiment.slots)
    return Explored(order, log.exploration_rate, luck) if log.exploration_rate else order


def plan_of(experiment: Experiment) -> Plan:
    """The course of every replicate."""
    return Plan(
        slots=experiment.slots,
        log=experiment.log.impressions,
        impressions=experiment.impressions,
        bins=experiment.bins,
        batch=experiment.batch,
        click=experiment.reward.click,
        purchase=experiment.reward.purchase,
        wait=experiment.reward_wait_time,
    )


def course_of(
    experiment: Experiment, scene: Scene, world: World, place: tuple[int, int], names: Collection[str]
) -> Course:
    """A replicate at its beginning.

    Args:
        place: number of the world, and of the replicate in it.
        names: of the arms that take part; `REFERENCE` may be among them.

    Raises:
        LrerankError: as `arms_of`, or this world can't have such users.
    """
    plan = plan_of(experiment)
    # The seed chooses which of a world's replicates are run; 2^32 of them belong to each.
    number = experiment.seed * 2**32 + place[1]
    try:
        peopled = world.replicate(number, plan.log + plan.impressions)
    except ValueError as error:
        raise _impossible(error) from error
    has_placebo = any(isinstance(experiment.arms.get(name), PlaceboSpec) for name in names)
    users = peopled.arrivals(0, plan.log + plan.impressions).user if has_placebo else None
    made = arms_of(experiment, scene.search, *place, names, users)
    arms = {name: _Named(name, arm) for name, arm in made.items()}
    logger = logger_of(experiment, scene.search, *place)
    return Course(scene.search, peopled, arms, logger, plan, reference=REFERENCE in names)


class _Named:
    """An arm that says its name when something goes wrong in it."""

    def __init__(self, name: str, arm: Arm) -> None:
        self.name, self.arm = name, arm

    def rank(self, requests: Requests) -> Served:
        try:
            return self.arm.rank(requests)
        except Exception as error:
            raise ArmFailedError(self.name) from error

    def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
        try:
            self.arm.learn(requests, served, outcomes)
        except Exception as error:
            raise ArmFailedError(self.name) from error


def _arm(spec: ArmSpec, search: Search, slots: int, luck: np.random.SeedSequence, users: IntArray | None) -> Arm:
    match spec:
        case PlaceboSpec():
            if users is None:
                raise ValueError("a placebo needs the users of the replicate")
            return Shuffled(Learned(search, spec, slots=slots, seed=luck), users, luck)
        case LearnerSpec():
            return Learned(search, spec, slots=slots, seed=luck)
        case RerankSpec(method="ltr"):
            return Trees(search, slots, retrain=spec.retrain, seed=luck)
        case RerankSpec():
            return LexicalRerank(search, slots)
        case PopularitySpec():
            return SegmentPopularity(search, slots) if spec.by == "segment" else Popularity(search, slots)
        case MMRSpec():
            return MMR(search, slots, spec.weight)
        case RetrievalSpec():
            return RetrievalOrder(slots)
        case UniformSpec():
            return Uniform(slots, luck)


def _luck(experiment: Experiment, world: int, replicate: int, name: str) -> np.random.SeedSequence:
    """An arm's own: the same whichever arms run beside it."""
    return np.random.SeedSequence([experiment.seed, world, replicate, zlib.crc32(name.encode())])


def _impossible(error: ValueError) -> LrerankError:
    remedy = "Change them, or use a catalog with more values that differ"
    return LrerankError(f"this catalog can't have such a world: {error}", path="world.parameters", remedy=remedy)
