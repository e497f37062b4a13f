"""What a sweep says, worked out without drawing it: panels of settings, what is recommended and why, and what to carry on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, TypeAlias

from lrerank.errors import LrerankError
from lrerank.evaluation.intervals import Estimate
from lrerank.experiments.ablation import Ablation
from lrerank.experiments.arm_specs import LearnerSpec, PlaceboSpec
from lrerank.experiments.as_pipeline import Exported, as_pipeline
from lrerank.experiments.cold_start import ColdStart
from lrerank.experiments.findings import ABLATION, COLD_START, SETTINGS, found_by, study_of
from lrerank.experiments.results import Run, Status
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep import SettingsTable, conditions_of
from lrerank.experiments.sweep_plan import Condition
from lrerank.experiments.sweep_table import LEVEL, SettingRow, rows_of
from lrerank.experiments.sweep_verdict import Winner
from lrerank.experiments.twins import explores
from lrerank.experiments.wording import amount, measured, number, unit
from lrerank.ui.playground.asked import percent, share_of_pages
from lrerank.ui.policy import Policy
from lrerank.ui.tune.labels import Words, axis_label, condition_label, rate_first
from lrerank.ui.welcome.finished import SWEEPS

PAGES, PRICE, VERDICT = "Pages changed", "Price", "Verdict"
"""Columns of `table` beside those that are named by axes and arms."""

Conditions: TypeAlias = Sequence[tuple[Condition, Run]]
"""The conditions of a sweep with the runs that have their figures, `sweep.conditions_of`."""

_MOST_NAMED = 3
_CHANGED = "Share of pages on which exploring really put a document where the model values another one, not yet placed, higher."
_WHY_FEWER = (
    "an explored slot may get the document that would stand there anyway, and users of whom too little is known get the "
    "fallback's list, which does not explore."
)
_STUDIES = {SETTINGS: "sweep", ABLATION: "ablation", COLD_START: "cold-start study"}


@dataclass(frozen=True, slots=True)
class Panel:
    """The settings of one condition, best first.

    Attributes:
        label: the condition in words; "" where there is one only.
        run_id: the run that has its figures.
        replicates: finished ones.
        winner: None while the sweep goes on.
        note: what was left out; "" for nothing.
    """

    label: str
    condition: Condition
    run_id: str
    rows: tuple[SettingRow, ...]
    replicates: int
    winner: Winner | None
    note: str

    @property
    def words(self) -> Words:
        """What its settings are called."""
        return Words(self.condition.variants)

    def row(self, simulated_as: str) -> SettingRow | None:
        """The setting that was simulated under this name."""
        return next((row for row in self.rows if row.variant.name == simulated_as), None)

    def carried(self, row: SettingRow, origin: str) -> Policy | None:
        """A setting as the policy that travels; None where it is no learner that can be shipped."""
        spec = self.condition.experiment.arms[row.variant.name]
        if not isinstance(spec, LearnerSpec) or isinstance(spec, PlaceboSpec):
            return None
        return Policy.of_arm(spec, origin)

    def exported(self, row: SettingRow) -> Exported | None:
        """A setting as a pipeline; None where no stage ranks so."""
        asked = {path.split(".")[2] for path in row.variant.values if path.count(".") > 1}
        try:
            return as_pipeline(self.condition.experiment, row.variant.name, asked=asked)
        except LrerankError:
            return None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do, in sentences.

    Attributes:
        title: what to set.
        evidence: what it gains, by figures that did not choose it.
        reason: why this one.
        price: what exploring costs at it.
        sure: whether it is shown to be better than the baseline.
    """

    title: str
    evidence: str
    reason: str
    price: str
    sure: bool


class Outcome:
    """The figures of a sweep as they are on the disk now.

    Attributes:
        kind: which question it answers.
        status: how it ended.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.experiment = run, run.experiment
        self.kind: str = study_of(run)["kind"]
        self.status: Status = run.status

    @property
    def provenance(self) -> str:
        return str(self.run.manifest["provenance"])

    @property
    def comes_along(self) -> bool:
        """Whether it comes with the program, so that it is none of the store's runs."""
        return self.run.run_id in SWEEPS.values()

    @cached_property
    def origin(self) -> str:
        """Where a setting comes from, for people: `the sweep of 23 Nov`."""
        if self.comes_along:
            return f"the {_STUDIES[self.kind]} that comes with lrerank"
        started = datetime.fromisoformat(self.run.manifest["started"])
        return f"the {_STUDIES[self.kind]} of {started.day} {started:%b}"

    @cached_property
    def found(self) -> SettingsTable | Ablation | ColdStart:
        """What it has found.

        Raises:
            LrerankError: nothing yet.
        """
        return found_by(self.run)

    @cached_property
    def panels(self) -> tuple[Panel, ...]:
        """Condition by condition, with the winners where all conditions have figures; () of another question.

        Raises:
            LrerankError: nothing yet.
        """
        if self.kind != SETTINGS:
            return ()
        conditions = conditions_of(self.run)
        try:
            found = self.found
        except LrerankError:  # not all conditions have figures
            panels = so_far(conditions)
            if not panels:
                raise
            return panels
        if not isinstance(found, SettingsTable):
            return ()
        labels = condition_label([condition.values for condition, _ in conditions])
        return tuple(
            _panel(
                label, each, tuple(row for row in found.settings if row.condition == each[0].values), winner, found.note
            )
            for each, label, winner in zip(conditions, labels, found.winners, strict=True)
        )

    @cached_property
    def kept(self) -> tuple[Policy, Exported] | None:
        """What an ablation or a cold-start study lets one set; None where nothing follows.

        Raises:
            LrerankError: nothing yet.
        """
        found, experiment = self.found, self.experiment
        match found:
            case Ablation():
                arm, values = found.arm, _without_harm(found, experiment)
            case ColdStart(threshold=int(threshold)):
                arm, values = found.arm, {f"arms.{found.arm}.cold_start.threshold": threshold}
            case _:
                return None
        shipped = experiment.with_values(values)
        spec = shipped.arms[arm]
        if not isinstance(spec, LearnerSpec):
            return None
        return Policy.of_arm(spec, self.origin), as_pipeline(shipped, arm)


def so_far(conditions: Conditions) -> tuple[Panel, ...]:
    """Those of which all settings have finished a replicate, without winners.

    Raises:
        LrerankError: figures can't be read.
    """
    found = []
    labels = condition_label([condition.values for condition, _ in conditions])
    for (condition, part), label in zip(conditions, labels, strict=True):
        if not part.count():
            continue
        try:
            rows, note = rows_of(condition, part.figures())
        except LrerankError:  # no replicate has all settings yet
            continue
        found.append(_panel(label, (condition, part), rows, None, note))
    return tuple(found)


def _panel(
    label: str, each: tuple[Condition, Run], rows: tuple[SettingRow, ...], winner: Winner | None, note: str
) -> Panel:
    condition, part = each
    return Panel(label, condition, part.run_id, rows, rows[0].value.noise.n, winner, note)


def recommended(panel: Panel, experiment: Experiment) -> Recommendation:
    """What follows from a condition's settings. Of figures that chose the setting it tells only what can't be told apart."""
    winner, baseline = panel.winner, experiment.baseline
    best = panel.rows[0] if winner is None else winner.row
    name = panel.words.setting(best.variant)
    price = _price(best, experiment)
    reason = _reason(panel, best)
    if winner is None or winner.fresh is None:
        title = f"So far the best is {name}."
        waits = "What it gains is not said yet: the winner is run once more on users that had no part in choosing it."
        return Recommendation(title, waits, reason, price, sure=False)
    fresh = winner.fresh
    headline, count = fresh.headline, len(fresh.replicates)
    gain = f"{amount(headline.value, experiment, signed=True)} per 1,000 searches"
    users = f"{count} replicates" if winner.alone else f"{count} fresh replicates, which had no part in choosing it,"
    if headline.low is None or headline.high is None:
        evidence = f"On {users} it has {gain} against {baseline}, without an interval: {headline.note}."
        return Recommendation(f"So far the best is {name}.", evidence, reason, price, sure=False)
    about = (
        f"({100 * LEVEL:g} % interval {number(headline.low)} to {number(headline.high)}, {fresh.source}; "
        f"searches {fresh.start:,} to {fresh.end:,})"
    )
    if headline.low > 0:
        title, verb = f"Use {name}.", f"leads {baseline}"
    elif headline.high < 0:
        title, verb = f"Keep {baseline}: the best of these settings is behind it.", f"is behind {baseline}"
        reason = f"The best was {name}. {reason}"
    else:
        title = f"Nothing is shown to beat {baseline} yet."
        verb = f"can't be told apart from {baseline}"
        reason = f"The best was {name}. {reason} More searches or replicates may tell."
    evidence = f"On {users} it {verb}: {gain} {about}."
    return Recommendation(title, evidence, reason, price, sure=headline.low > 0)


def table(panel: Panel, experiment: Experiment) -> list[dict[str, Any]]:
    """The settings for people, best first, a column per axis; differences per 1,000 searches, intervals one by one."""
    axes, words = rate_first(varied(panel)), panel.words
    several = len({row.variant.arm for row in panel.rows}) > 1
    found = []
    for row in panel.rows:
        values, to_best = row.variant.values, None if row.to_best is None else row.to_best.headline
        own: dict[str, Any] = {"Policy": row.variant.arm} if several else {}
        own |= {sentence_case(axis_label(path)): words.value(path, values[path]) for path in axes if path in values}
        figures: dict[str, Any] = {
            VERDICT: "Best" if row.best else "Tied" if row.kept else "Worse",
            f"Against {experiment.baseline}": said(row.against_baseline.headline),
            "Against the best": "" if to_best is None else said(to_best),
            PAGES: 100 * row.explored_pages,
            PRICE: row.price,
        }
        found.append(own | figures)
    return found


def varied(panel: Panel) -> list[str]:
    """Paths of what settings differ in; all there are where there is one setting only."""
    paths = list(dict.fromkeys(path for row in panel.rows for path in row.variant.values))
    first = panel.rows[0].variant.values
    found = [path for path in paths if any(row.variant.values.get(path) != first.get(path) for row in panel.rows)]
    return found or paths


def said(estimate: Estimate) -> str:
    """A figure with its interval: `+85 (+79 to +92)`."""
    value, between = measured(estimate.value, estimate.low, estimate.high)
    return f"{value} ({between})" if between else value


def sentence_case(text: str) -> str:
    """With a capital at the beginning."""
    return text[:1].upper() + text[1:]


def pages_told(panel: Panel, row: SettingRow) -> str:
    """How a setting's pages that are changed go with those that contain an explored slot, which other pages tell."""
    policy, slots = panel.carried(row, ""), panel.condition.experiment.slots
    spec = panel.condition.experiment.arms[row.variant.name]
    if isinstance(spec, LearnerSpec) and not explores(spec):
        return f"{_CHANGED} This setting never explores."
    explored = "More pages than that contain an explored slot"
    if policy is not None and policy.strategy == "epsilon_greedy":
        share = percent(share_of_pages(policy.exploration_rate, slots))
        explored = f"At this rate {share} of the pages that the model ranks contain an explored slot; fewer are changed"
    return f"{_CHANGED} {explored}: {_WHY_FEWER}"


def pages_help(slots: int) -> str:
    """What the column says that tells how many pages are changed."""
    share = percent(share_of_pages(0.1, slots))
    return f"{_CHANGED} More pages than that contain an explored slot, {share} at a rate of 0.1: {_WHY_FEWER}"


def gaps(exported: Exported | None) -> list[str]:
    """What the stage does not do of what was simulated, in sentences."""
    if exported is None:
        return ["No stage ranks as this setting does, so there is nothing to export."]
    told = []
    if exported.of_model:
        told.append(f"Belongs to the model and its training, not to the stage: {_listed(exported.of_model)}.")
    if exported.impossible:
        told.append(f"The stage can't do this, so it would rank otherwise: {_listed(exported.impossible)}.")
    return told


def _reason(panel: Panel, best: SettingRow) -> str:
    others = [row for row in panel.rows if row.variant.name != best.variant.name]
    axes, words = varied(panel), panel.words
    alone = axes[0] if len(axes) == 1 else None
    kept = [
        words.setting(row.variant) if alone is None else words.value(alone, row.variant.values[alone])
        for row in others
        if row.kept
    ]
    if not others:
        return "It is the only setting."
    if not kept:
        return f"It leads all {len(others)} others, also when one allows for having chosen it."
    first = f"It has the highest figure of {len(panel.rows)} settings"
    if len(kept) > _MOST_NAMED:
        return f"{first}; {len(kept)} of the others can't be told apart from it."
    return f"{first}; what can't be told apart from it: {(', ' if alone else '; ').join(kept)}."


def _price(row: SettingRow, experiment: Experiment) -> str:
    if row.explored_pages == 0:
        return "Exploring changes no page, so it costs nothing."
    share = percent(row.explored_pages)
    cost = measured(row.price, None, None, sign=False)[0]
    return f"Exploring changes {share} of pages, which costs {cost} {unit(experiment)} per 1,000 searches at once."


def _without_harm(found: Ablation, experiment: Experiment) -> Mapping[str, Any]:
    """The arm without the fields that are shown to do harm; what no list of features can say stays."""
    harmful = {each.group for each in found.effects if each.high is not None and each.high < 0}
    lists: list[Sequence[str]] = []
    for each in found.effects:
        spec = experiment.arms[each.simulated_as]
        if each.group in harmful and isinstance(spec, LearnerSpec) and spec.features != "auto":
            lists.append(spec.features)
    whole = experiment.arms[found.arm]
    if not lists or not isinstance(whole, LearnerSpec):
        return {}
    kept = [path for path in lists[0] if all(path in other for other in lists)]
    return {f"arms.{found.arm}.features": kept} if kept else {}


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} = {_plain(value)}" for name, value in values.items())


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
