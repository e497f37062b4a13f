"""What a sweep concludes: the winner with the figure that did not choose it, as a stage, and in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lrerank.experiments.as_pipeline import Exported
from lrerank.experiments.compare import Comparison, joined
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep_table import LEVEL, SettingRow
from lrerank.experiments.wording import amount, number


@dataclass(frozen=True, slots=True)
class Winner:
    """The best setting of a condition.

    Attributes:
        row: it, with the figures that chose it.
        fresh: against the baseline on figures that did not choose it; None where there are none.
        run_id: where those are; "" where there are none.
        exported: as a pipeline; None where no stage ranks so.
        alone: whether there was nothing to choose from.
    """

    row: SettingRow
    fresh: Comparison | None
    run_id: str
    exported: Exported | None
    alone: bool

    def to_json(self) -> dict[str, Any]:
        """One flat record per 1,000 impressions; the figures that chose it are not in it."""
        found: dict[str, Any] = {**self.row.condition, "arm": self.row.variant.arm, **self.row.variant.values}
        if self.fresh is None:
            return found | {"difference": None, "low": None, "high": None, "run": None}
        headline = self.fresh.per_thousand.headline
        found |= {"difference": headline.value, "low": headline.low, "high": headline.high}
        found |= {"baseline": self.fresh.baseline, "level": self.fresh.level, "interval_is": self.fresh.source}
        found |= {"start": self.fresh.start, "end": self.fresh.end, "replicates": len(self.fresh.replicates)}
        return found | {"run": self.run_id}


@dataclass(frozen=True, slots=True)
class SettingsTable:
    """What a sweep found.

    Attributes:
        settings: condition by condition, the best first.
        winners: of each condition.
        note: on what was left out; "" for nothing.
        sentence: for people; it holds no figure that chose its setting.
    """

    settings: tuple[SettingRow, ...]
    winners: tuple[Winner, ...]
    note: str
    sentence: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The settings as flat records."""
        return [row.to_json() for row in self.settings]

    @property
    def exported(self) -> Exported | None:
        """The winner as a pipeline; None where several conditions have one each, or no stage ranks so."""
        return self.winners[0].exported if len(self.winners) == 1 else None

    @property
    def stage(self) -> dict[str, Any] | None:
        """The winner as a stage."""
        return None if self.exported is None else self.exported.stage


def concluded(
    experiment: Experiment, settings: tuple[SettingRow, ...], winners: tuple[Winner, ...], notes: Sequence[str]
) -> SettingsTable:
    """The table with its sentences, one paragraph per condition."""
    paragraphs = [
        _paragraph(experiment, winner, [row for row in settings if row.condition == winner.row.condition])
        for winner in winners
    ]
    return SettingsTable(settings, winners, joined(*notes), "\n".join(paragraphs))


def named_values(values: Mapping[str, Any]) -> str:
    """`{"arms.learned.exploration_rate": 0.1}` → `exploration_rate = 0.1`."""
    return ", ".join(f"{short_path(path)} = {_value(value)}" for path, value in values.items())


def short_path(path: str) -> str:
    """An axis without the arm's name, which stands beside it."""
    steps = path.split(".")
    return ".".join(steps[2:]) if steps[0] == "arms" and len(steps) > 2 else path


def _paragraph(experiment: Experiment, winner: Winner, rows: Sequence[SettingRow]) -> str:
    variant = winner.row.variant
    name = f"{variant.arm} with {named_values(variant.values)}" if variant.values else variant.arm
    sentences = []
    if winner.row.condition:
        sentences.append(f"Where {named_values(winner.row.condition)}:")
    if not winner.alone:
        rivals = sum(row.kept for row in rows) - 1
        others = "it leads all others" if not rivals else f"{rivals} can't be told apart from it"
        sentences.append(f"Of {len(rows)} settings the best is {name}; {others}.")
    if winner.fresh is None:
        sentences.append("What it gains is not said here: no replicates were run that had no part in the choice.")
    else:
        sentences.append(_gain(experiment, name if winner.alone else "it", winner.fresh, alone=winner.alone))
    if winner.exported is not None and winner.exported.of_model:
        sentences.append(f"Not of the stage but of its model: {named_values(winner.exported.of_model)}.")
    if winner.exported is not None and winner.exported.impossible:
        sentences.append(f"The stage can't do this, so it ranks otherwise: {named_values(winner.exported.impossible)}.")
    if winner.exported is None:
        sentences.append("No stage ranks so.")
    return " ".join(sentences)


def _gain(experiment: Experiment, name: str, fresh: Comparison, *, alone: bool) -> str:
    headline = fresh.headline
    replicates = f"{len(fresh.replicates)} replicates" if alone else f"{len(fresh.replicates)} fresh replicates"
    sure = f"no interval: {headline.note}"
    said = f"{name} has this against {fresh.baseline}"
    if headline.low is not None and headline.high is not None:
        sure = f"{100 * LEVEL:g} % interval {number(headline.low)} to {number(headline.high)}, {fresh.source}"
        if headline.low <= 0 <= headline.high:
            said = f"{name} can't be told apart from {fresh.baseline}"
        else:
            said = f"{name} {'leads' if headline.value > 0 else 'is behind'} {fresh.baseline}"
    window = f"searches {fresh.start:,} to {fresh.end:,}; {experiment.world.provenance}"
    gain = amount(headline.value, experiment, signed=True)
    return f"On {replicates} {said}: {gain} per 1,000 searches ({sure}; {window})."


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
