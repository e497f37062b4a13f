"""Which arms differ in one thing alone: what an arm that explores, or that knows users, has to be compared with."""

from __future__ import annotations

from typing import Any

from lrerank.experiments.arm_specs import LearnerSpec
from lrerank.experiments.spec import Experiment

_OF_EXPLORATION = ("strategy", "exploration_rate", "exploration_parameters", "bag", "cold_start")


def twins(experiment: Experiment) -> dict[str, str]:
    """Arm that explores → the arm that is the same learner and never explores, where the spec has one."""
    learners = {name: spec for name, spec in experiment.arms.items() if isinstance(spec, LearnerSpec)}
    greedy = {name: _learner(spec) for name, spec in learners.items() if not explores(spec)}
    found = {}
    for name, spec in learners.items():
        same = [other for other, learner in greedy.items() if learner == _learner(spec)]
        if same and explores(spec):
            found[name] = same[0]
    return found


def explores(spec: LearnerSpec) -> bool:
    """Whether any of its lists departs from what its model holds for best."""
    if spec.strategy == "epsilon_greedy":
        return spec.exploration_rate > 0
    return spec.strategy != "greedy"


def same_but_for_users(one: LearnerSpec, other: LearnerSpec) -> bool:
    """Whether two arms of different kinds learn, rank and explore alike: a learned arm and its placebo."""
    (rest, numbers), (others, other_numbers) = _learner(one), _learner(other)
    alike = {**rest, "kind": others["kind"]} == others and numbers == other_numbers
    return alike and one.explorer() == other.explorer()


def _learner(spec: LearnerSpec) -> tuple[dict[str, Any], object]:
    """What it is without its exploration. A number that was left out counts as the one that it stands for."""
    rest = {name: value for name, value in spec.model_dump().items() if name not in _OF_EXPLORATION}
    return rest, (spec.learner(), spec.cold_start_after, spec.cold_start.fallback)
