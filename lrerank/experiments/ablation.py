"""Feature ablation: what each group of features adds to an arm, by leaving it out.

Everything else stays as it is, who ranks for strangers included, so a difference is due to what the model looks at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lrerank.data.catalog import Catalog
from lrerank.data.load import load_catalog
from lrerank.experiments.arm_specs import LearnerSpec, PlaceboSpec
from lrerank.experiments.compare import paired
from lrerank.experiments.precision import Source
from lrerank.experiments.simultaneous import mean_of_worlds, simultaneous
from lrerank.experiments.spec import Experiment, SpecError
from lrerank.experiments.spec_text import nearest
from lrerank.experiments.sweep_table import LEVEL, MEASURE, PER
from lrerank.features import CONTEXT, fit_schema
from lrerank.store import Store

ENGAGEMENT, CONTEXTUAL, USER, INCOMING = "engagement", "context", "user side", "incoming score and rank"
_FACTS = ("time_of_day", "weekend", "device", "location")
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Effect:
    """What a group of features adds: with it minus without it, reward per 1,000 impressions.

    Attributes:
        group: a document field's path, or one of the names above.
        simulated_as: the arm without it.
        low, high: an interval that holds for all groups at once; None where there is none.
    """

    group: str
    simulated_as: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Ablation:
    """Rows of a forest plot, the largest effect first.

    Attributes:
        arm: with all of its features.
        reward: its reward per 1,000 impressions.
        source: which uncertainty the intervals are.
        level: probability that all intervals together contain the truth.
        note: "" or what was left out.
    """

    arm: str
    reward: float
    effects: tuple[Effect, ...]
    source: Source
    level: float
    replicates: int
    note: str

    def to_json(self) -> list[dict[str, Any]]:
        """One flat record per group."""
        return [{name: getattr(each, name) for name in Effect.__slots__} for each in self.effects]

    @property
    def sentence(self) -> str:
        """What is shown to matter, and what is not."""
        clear = [each for each in self.effects if each.low is not None and each.low > 0]
        harmful = [each for each in self.effects if each.high is not None and each.high < 0]
        rest = len(self.effects) - len(clear) - len(harmful)
        parts = []
        if clear:
            parts.append(f"{_named(clear)} {'adds' if len(clear) == 1 else 'add'} to what {self.arm} gains")
        if harmful:
            parts.append(f"without {_named(harmful)} it does better")
        if rest:
            others = f"the other {rest} groups show" if rest > 1 else "the other group shows"
            parts.append(f"{others} no clear effect" if parts else f"none of {rest} groups shows a clear effect")
        found = "; ".join(parts)
        how = f"{100 * self.level:g} % intervals for all groups at once, {self.source}, {self.replicates} replicates"
        return f"{found[0].upper()}{found[1:]} ({how})."


def ablated(experiment: Experiment, arm: str, store: Store | None = None) -> tuple[Experiment, dict[str, str]]:
    """The arm beside itself without each group of features, and arm → group.

    Groups are each document field, the engagement rates, the context, the user side and the incoming score; those that
    the arm does not look at anyway are passed over.

    Raises:
        SpecError: no such arm, or one without features.
        LrerankError: the catalog can't be used.
    """
    spec = learner_of(experiment, arm)
    store = store or Store()
    catalog = load_catalog(experiment.world.catalog, data_folders=[store.data], catalogs=store.catalogs)
    given = experiment.without_sweep().to_json()
    whole = given["arms"][arm]
    # Left unsaid it would change with the user side.
    whole["cold_start"]["threshold"] = spec.cold_start_after
    arms, groups = {arm: whole}, dict[str, str]()
    for group, change in _changes(spec, catalog).items():
        name = _free_name(group, arms)
        arms[name] = {**whole, **change}
        groups[name] = group
    if not groups:
        raise SpecError("this arm looks at nothing that could be left out", path=f"arms.{arm}", value=arm)
    return Experiment.parse({**given, "arms": arms, "baseline": arm, "waterfall": []}), groups


def ablation_table(figures: pd.DataFrame, experiment: Experiment, groups: Mapping[str, str]) -> Ablation:
    """The effects, over the replicates that all arms have finished.

    Raises:
        LrerankError: there are none.
    """
    arm, (start, end) = experiment.baseline, experiment.window
    names = list(groups)
    pairs = paired(figures, (arm, *names), MEASURE, start=start, end=end)
    values = PER * pairs.values()
    found = simultaneous(values[:, :1] - values[:, 1:], pairs.worlds, LEVEL, float(np.abs(values).max()))
    effects = [Effect(groups[name], name, *found.row(place)) for place, name in enumerate(names)]
    reward = float(mean_of_worlds(values, pairs.worlds)[0])
    note = "; ".join(each for each in (pairs.note, found.note) if each)
    effects.sort(key=lambda each: -each.value)
    return Ablation(arm, reward, tuple(effects), found.source, LEVEL, len(pairs.worlds), note)


def learner_of(experiment: Experiment, arm: str) -> LearnerSpec:
    """The spec of an arm that learns from features, and not of a placebo, which is only there to be compared with.

    Raises:
        SpecError: no such arm, or another kind.
    """
    learners = {
        name: spec
        for name, spec in experiment.arms.items()
        if isinstance(spec, LearnerSpec) and not isinstance(spec, PlaceboSpec)
    }
    if arm not in learners:
        said = "this is no arm that learns from features"
        if isinstance(experiment.arms.get(arm), PlaceboSpec):
            said = "a placebo is only there to be compared with"
        raise SpecError(said, value=arm, remedy=nearest(arm, learners))
    return learners[arm]


def _changes(spec: LearnerSpec, catalog: Catalog) -> dict[str, dict[str, Any]]:
    """group → what is set to leave it out."""
    sides = {"incoming": spec.incoming, "user_side": spec.user_side}
    schema, _ = fit_schema(catalog, spec.features, **sides, interactions=spec.interactions)
    fields = [each.path for each in schema.specs]
    facts = [f"{CONTEXT}{name}" for name in (_FACTS if schema.context is None else schema.context)]
    rates = list(schema.engagement)
    found: dict[str, dict[str, Any]] = {}
    for field in fields:
        others = [*(each for each in fields if each != field), *rates, *facts]
        if others:
            found[field] = {"features": others}
            if schema.crossed == (field,):
                # Without it the others would be crossed instead.
                found[field]["interactions"] = "none"
    if rates and fields + facts:
        found[ENGAGEMENT] = {"features": [*fields, *facts]}
    if spec.context and facts:
        found[CONTEXTUAL] = {"context": False}
    if spec.user_side:
        found[USER] = {"user_side": False}
    if spec.incoming:
        found[INCOMING] = {"incoming": False}
    return found


def _free_name(group: str, taken: Mapping[str, Any]) -> str:
    slug = "".join(character if character.isascii() and character.isalnum() else "-" for character in group)
    base = f"no-{slug.rsplit('-', 1)[-1] if '.' in group else slug}"[:_LONGEST]
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base[: _LONGEST - 4]}-{number}"
    return name


def _named(effects: list[Effect]) -> str:
    names = [each.group for each in effects]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
