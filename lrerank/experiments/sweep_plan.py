"""What a sweep has to run: every setting of an arm beside the others, over the same users, arrivals and luck.

Axes of arms (`arms.learned.exploration_rate`) make more arms in one experiment; what else is swept (`batch`,
`world.parameters.taste_strength`) makes another experiment, a *condition*: settings of different conditions meet other
users or are paid otherwise, so they are never compared with each other.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lrerank.experiments.spec import Experiment, SpecError

_ARMS = "arms"
_LONGEST = 40
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Variant:
    """An arm at one setting of the axes that change it.

    Attributes:
        name: of the arm in the condition's experiment.
        arm: its name in the spec.
        values: dotted path → value.
    """

    name: str
    arm: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """Settings that can be compared with each other.

    Attributes:
        values: dotted path → value of what is not an arm's.
        experiment: all variants as arms, beside the arms that nothing changes.
        variants: what is compared.
    """

    values: Mapping[str, Any]
    experiment: Experiment
    variants: tuple[Variant, ...]


def plan(experiment: Experiment) -> tuple[Condition, ...]:
    """Conditions in the order of the axes; where no axis is an arm's, all arms but the baseline are compared in each.

    Raises:
        SpecError: there is no sweep; an axis changes the baseline, which everything is compared with, or all arms at
            once.
    """
    if experiment.sweep is None:
        remedy = "Add [sweep.axes], as in the shipped spec sweep"
        raise SpecError("there is nothing to sweep", path="sweep", remedy=remedy)
    axes = experiment.sweep.axes
    of_arm = {path: path.split(".")[1:2] for path in axes if path.split(".")[0] == _ARMS}
    for path, named in of_arm.items():
        if not named:
            raise SpecError("this changes all arms", path=f'sweep.axes."{path}"', remedy="Name one: arms.learned")
        if named == [experiment.baseline]:
            remedy = "Name another baseline: one that nothing changes"
            raise SpecError("an axis changes the baseline", path=f'sweep.axes."{path}"', value=named[0], remedy=remedy)
    touched = list(dict.fromkeys(named[0] for named in of_arm.values()))
    variants: dict[str, dict[str, _Draft]] = {}
    conditions: dict[str, tuple[dict[str, Any], Experiment]] = {}
    for setting in experiment.settings():
        surroundings = {path: value for path, value in setting.values.items() if path not in of_arm}
        key = json.dumps(surroundings, default=list)
        conditions.setdefault(key, (surroundings, setting.experiment))
        for arm in touched:
            own = {path: value for path, value in setting.values.items() if of_arm.get(path) == [arm]}
            draft = _Draft(arm, own, setting.experiment.to_json()[_ARMS][arm])
            variants.setdefault(key, {}).setdefault(f"{arm} {json.dumps(own, default=list)}", draft)
    return tuple(
        _condition(values, setting, list(variants.get(key, {}).values()), touched, number, len(conditions))
        for number, (key, (values, setting)) in enumerate(conditions.items(), start=1)
    )


@dataclass(frozen=True, slots=True)
class _Draft:
    arm: str
    values: dict[str, Any]
    spec: dict[str, Any]


def _condition(
    values: Mapping[str, Any],
    setting: Experiment,
    drafts: list[_Draft],
    touched: Collection[str],
    number: int,
    conditions: int,
) -> Condition:
    given = setting.to_json()
    arms = {name: spec for name, spec in given[_ARMS].items() if name not in touched}
    variants = [Variant(name, name, {}) for name in arms if not drafts and name != setting.baseline]
    width = len(str(len(drafts)))
    for place, draft in enumerate(drafts, start=1):
        name = _free(draft.arm, f"-{place:0{width}d}", arms)
        arms[name] = draft.spec
        variants.append(Variant(name, draft.arm, draft.values))
    given |= {_ARMS: arms, "waterfall": []}  # its steps may be among the arms that are replaced
    if conditions > 1:
        suffix = f"-{number}"
        given["name"] = setting.name[: _LONGEST_NAME - len(suffix)] + suffix
    return Condition(values, Experiment.parse(given), tuple(variants))


def _free(arm: str, suffix: str, taken: Collection[str]) -> str:
    while (name := arm[: _LONGEST - len(suffix)] + suffix) in taken:
        suffix = f"_{suffix}"
    return name
