"""Lifts that a spec asks for by its arms: step by step from static to reference, and what exploration brings.

All are of the exact expected reward of the lists shown: the same as the reward, without the luck of single clicks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from math import ceil
from typing import Any

import pandas as pd

from lrerank.errors import LrerankError
from lrerank.experiments.arm_specs import LearnedSpec, LearnerSpec, PlaceboSpec
from lrerank.experiments.bands import NetReturn, net_return
from lrerank.experiments.compare import Comparison, compare, paired
from lrerank.experiments.precision import BothIntervals, mean_over_worlds
from lrerank.experiments.spec import REFERENCE, Experiment
from lrerank.experiments.twins import same_but_for_users, twins
from lrerank.experiments.waterfall import Step, waterfall
from lrerank.experiments.wording import measured, unit
from simulators.parameters import WorldParameters

_MEASURE = "expected_reward"
_PER = 1000.0


@dataclass(frozen=True, slots=True)
class Exploration:
    """What an arm's exploration costs and brings, from the first impression after the log on.

    Attributes:
        comparison: the arm against its twin that never explores.
        price: of exploration, per page.
        returns: the net return, accumulated.
    """

    comparison: Comparison
    price: BothIntervals
    returns: NetReturn


@dataclass(frozen=True, slots=True)
class Lifts:
    """Everything of the kind that a run has figures of.

    Attributes:
        steps: the waterfall over the measured window; () where the spec has none, or no replicate has all of its arms.
        exploration: one for every arm that explores and has a twin.
        note: what could not be worked out, and why; "" for nothing.
    """

    steps: tuple[Step, ...]
    exploration: tuple[Exploration, ...]
    note: str

    def to_json(self) -> dict[str, Any]:
        """Per 1,000 impressions; shares of the gap from 0 to 1."""
        return {
            "waterfall": [_step_json(step) for step in self.steps],
            "exploration": [_exploration_json(each) for each in self.exploration],
        }


def lifts(figures: pd.DataFrame, experiment: Experiment) -> Lifts:
    """What there are figures of, over the replicates that the arms in question share."""
    start, end = experiment.window
    there = set(figures["arm"][figures["measure"] == _MEASURE])
    steps: tuple[Step, ...] = ()
    found, notes = [], []
    if experiment.waterfall and there.issuperset((*experiment.waterfall, REFERENCE)):
        try:
            steps = waterfall(figures, experiment.waterfall, _MEASURE, start=start, end=end)
        except LrerankError as error:
            notes.append(f"no lift step by step: {error}")
    for arm, twin in twins(experiment).items():
        if there.issuperset((arm, twin)):
            try:
                found.append(_exploration(figures, arm, twin))
            except LrerankError as error:
                notes.append(f"no net return of exploration for {arm}: {error}")
    return Lifts(steps, tuple(found), " ".join(notes))


def _exploration(figures: pd.DataFrame, arm: str, twin: str) -> Exploration:
    compared = compare(figures, arm, twin, _MEASURE)
    own = paired(figures, (arm,), "price")
    price = mean_over_worlds(own.values()[:, 0], own.worlds, compared.level)
    return Exploration(compared, price, net_return(figures, arm, twin, _MEASURE))


def personal(experiment: Experiment) -> str:
    """What of the waterfall's step to a user profile is personal, in a sentence; "" where no step adds just that."""
    for before, arm in pairwise(experiment.waterfall):
        one, other = experiment.arms[before], experiment.arms[arm]
        if not (isinstance(other, LearnedSpec) and other.user_side and isinstance(one, LearnerSpec)):
            continue
        if isinstance(one, PlaceboSpec):
            if not same_but_for_users(one, other):
                return f"{before} and {arm} differ in other settings too: not all between them need be personal."
            return (
                f"What {arm} has above {before} is personal: {before} is the same learner with the users of all "
                "searches shuffled, so it has as much to learn from and knows hardly anybody."
            )
        if not one.user_side:
            return (
                f"Not all that {arm} has above {before} need be personal: more columns alone change how a model learns, "
                "in worlds without taste by up to a few clicks per 1,000 searches. An arm of kind placebo tells."
            )
    return ""


def explained(found: Exploration, experiment: Experiment, traffic: float | None = None) -> str:
    """Net return, price and break-even in sentences.

    Args:
        traffic: searches a day, to tell the break-even in days as well.
    """
    compared, of = found.comparison, unit(experiment)
    gained = compared.per_thousand.headline
    value, between = measured(gained.value, gained.low, gained.high)
    sure = f"95 % interval {between}, {compared.source}" if between else f"no interval: {gained.note}"
    price, _ = measured(_PER * found.price.value, None, None, sign=False)
    return (
        f"Exploration of {compared.arm}: net return {value} {of} per 1,000 searches against {compared.baseline}, which "
        f"is the same without exploration ({sure}, over all {compared.end:,} searches). Price: {price} per 1,000, "
        "what its own model's lists would have brought on top had it not explored that once. "
        f"{_break_even(found.returns, compared.end, traffic)}{_converted(experiment, traffic)}"
    )


def _break_even(found: NetReturn, end: int, traffic: float | None) -> str:
    if found.break_even is None:
        return f"Within these {_time(end, traffic)} it does not break even."
    since = f"Break-even: it stays paid back from {_time(found.break_even, traffic)} on"
    if found.break_even == int(found.band.end[0]):
        since = f"Break-even: it is never behind beyond the first {_time(found.break_even, traffic)}"
    sure = "which is not shown with confidence"
    if found.cautious is not None:
        sure = f"and with confidence from {found.cautious:,} on"
    return f"{since}, {sure}."


def _converted(experiment: Experiment, traffic: float | None) -> str:
    """What must be known of days: users forget, buy and change by the world's own clock."""
    of_world = experiment.world.parameters.get("impressions_per_day", WorldParameters().impressions_per_day)
    drawn = experiment.world.worlds > 1 and "impressions_per_day" not in experiment.world.parameters
    if traffic is None or (traffic == of_world and not drawn):
        return ""
    had = "The worlds had traffic of their own" if drawn else f"The world had {of_world:,.0f} searches a day"
    return f" {had}: days are converted, not simulated."


def _time(impressions: int, traffic: float | None) -> str:
    if traffic is None:
        return f"{impressions:,} searches"
    days = impressions / traffic
    return (
        f"{impressions:,} searches ({days:.1f} days)"
        if days < 10
        else f"{impressions:,} searches ({ceil(days):,} days)"
    )


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "arm": step.arm,
        "value": asdict(step.value.per(_PER).headline),
        "difference": None if step.difference is None else asdict(step.difference.per(_PER).headline),
        "interval_is": None if step.difference is None else step.difference.source,
        "share_of_gap": None if step.share is None else asdict(step.share.headline),
        "note": step.note,
    }


def _exploration_json(found: Exploration) -> dict[str, Any]:
    compared = found.comparison
    return {
        "arm": compared.arm,
        "twin": compared.baseline,
        "impressions": compared.end,
        "net_return": asdict(compared.per_thousand.headline),
        "interval_is": compared.source,
        "price": asdict(found.price.per(_PER).headline),
        "break_even": found.returns.break_even,
        "break_even_with_confidence": found.returns.cautious,
    }
