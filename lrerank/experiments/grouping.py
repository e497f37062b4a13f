"""Which arms of a replicate run in lockstep as one task.

What is the same for all arms of a replicate is worked out once per task, so a task holds all of them, unless there are
fewer replicates than processes, or so many arms that a process would not hold them.
"""

from __future__ import annotations

from collections.abc import Mapping

from lrerank.experiments.arm_specs import LearnerSpec, PopularitySpec, RerankSpec
from lrerank.experiments.spec import REFERENCE, Experiment
from lrerank.experiments.tables import Task

ALL = "all"
_BETWEEN_NAMES = "+"  # no name has it
_MOST_ARMS = 12


def groups(
    experiment: Experiment, done: Mapping[tuple[int, int], set[str]], workers: int, *, by_world: bool = False
) -> dict[Task, tuple[str, ...]]:
    """The tasks that are left, in the order in which they begin, and the arms of each.

    All arms of a replicate come before those of the next one, so that what is finished can be compared.

    Args:
        done: (world, replicate) → arms that are finished.
        workers: processes that want work.
        by_world: one world after the other, for a run that ends when enough worlds are complete. Else replicate by
            replicate through all worlds: a run that is cancelled has seen all of them.
    """
    every = (*experiment.arms, REFERENCE)
    worlds, numbers = range(experiment.world.worlds), range(experiment.replicates)
    places = [(world, replicate) for replicate in numbers for world in worlds]
    if by_world:
        places.sort()
    replicates = [(place, tuple(arm for arm in every if arm not in done.get(place, ()))) for place in places]
    left = [(place, arms) for place, arms in replicates if arms]
    parts = -(-workers // max(len(left), 1))
    found: dict[Task, tuple[str, ...]] = {}
    for (world, replicate), arms in left:
        for group in _balanced(experiment, arms, max(parts, -(-len(arms) // _MOST_ARMS))):
            name = ALL if group == every else _BETWEEN_NAMES.join(group)
            found[Task(world, replicate, name)] = group
    return found


def named_arms(experiment: Experiment, group: str) -> tuple[str, ...]:
    """The arms of a task by the name of its group."""
    return (*experiment.arms, REFERENCE) if group == ALL else tuple(group.split(_BETWEEN_NAMES))


def _balanced(experiment: Experiment, arms: tuple[str, ...], parts: int) -> list[tuple[str, ...]]:
    """Arms parted so that no part takes much longer than the others, each in the order of the spec."""
    loads = [0.0] * min(parts, len(arms))
    members: list[list[str]] = [[] for _ in loads]
    for arm in sorted(arms, key=lambda arm: -_cost(experiment, arm)):
        lightest = loads.index(min(loads))
        loads[lightest] += _cost(experiment, arm)
        members[lightest].append(arm)
    return [tuple(arm for arm in arms if arm in part) for part in members]


def _cost(experiment: Experiment, arm: str) -> float:
    """About how long it takes, in units of a static arm."""
    spec = experiment.arms.get(arm)
    if isinstance(spec, LearnerSpec):
        return 6.0
    if isinstance(spec, RerankSpec) and spec.method == "ltr":
        return 4.0
    return 1.5 if isinstance(spec, PopularitySpec) or arm == REFERENCE else 1.0
