"""What `lrerank sweep` prints: settings, feature groups, and numbers of past interactions."""

from __future__ import annotations

from typing import Any

from lrerank.cli.common import console, say, table
from lrerank.experiments.ablation import Ablation
from lrerank.experiments.cold_start import ColdStart
from lrerank.experiments.sweep_verdict import SettingsTable, short_path
from lrerank.experiments.wording import measured

_BEST, _KEPT = "best", "can't be told from best"


def sweep_json(found: SettingsTable | Ablation | ColdStart) -> dict[str, Any]:
    """The same for programs."""
    said: dict[str, Any] = {"verdict": found.sentence, "note": found.note}
    match found:
        case Ablation():
            return said | {"effects": found.to_json()}
        case ColdStart():
            thresholds = {"threshold": found.threshold, "threshold_without_exploration": found.greedy_threshold}
            return said | thresholds | {"interactions": found.to_json()}
    said |= {"winners": [winner.to_json() for winner in found.winners], "settings": found.rows, "stage": found.stage}
    exported = found.exported
    said |= {"pipeline": None, "not_in_stage": {}}
    return said if exported is None else said | {"pipeline": exported.pipeline, "not_in_stage": exported.left_out}


def print_sweep(found: SettingsTable | Ablation | ColdStart, baseline: str) -> None:
    """The sentence, then the table."""
    console.print(found.sentence, highlight=False, markup=False, soft_wrap=True)
    console.print()
    match found:
        case Ablation():
            _print_ablation(found)
        case ColdStart():
            _print_cold_start(found)
        case SettingsTable():
            _print_settings(found, baseline)
    if found.note:
        say(found.note)


def _print_settings(found: SettingsTable, baseline: str) -> None:
    """A row per setting, best first; rewards per 1,000 impressions with 95 % intervals."""
    axes = list(dict.fromkeys(path for row in found.settings for path in (*row.condition, *row.variant.values)))
    several = len({row.variant.arm for row in found.settings}) > 1
    columns = [
        *(["arm"] if several else []),
        *map(short_path, axes),
        "reward",
        f"minus {baseline}",
        "minus best",
        "explored pages",
        "price",
        "",
    ]
    rows = []
    for row in found.settings:
        own = {**row.condition, **row.variant.values}
        value, against = row.value.headline, row.against_baseline.headline
        best = None if row.to_best is None else row.to_best.headline
        rows.append(
            [
                *([row.variant.arm] if several else []),
                *(_plain(own[path]) if path in own else "" for path in axes),
                _with_interval(value.value, value.low, value.high, sign=False),
                _with_interval(against.value, against.low, against.high),
                "" if best is None else _with_interval(best.value, best.low, best.high),
                f"{row.explored_pages:.0%}",
                f"{row.price:.1f}",
                _BEST if row.best else _KEPT if row.kept else "",
            ]
        )
    title = "Expected reward per 1,000 impressions, paired differences, 95 % intervals one by one"
    table(columns, rows, right=columns[-6:-1], whole=columns[-6:-1], title=title)


def _print_ablation(found: Ablation) -> None:
    """A row per group of features, the largest effect first."""
    rows = [[each.group, _with_interval(each.value, each.low, each.high)] for each in found.effects]
    title = (
        f"What each group adds to {found.arm} ({found.reward:.1f} per 1,000 impressions): reward per 1,000 with it "
        "minus without it"
    )
    table(["group", "adds"], rows, right=("adds",), whole=("group", "adds"), title=title)


def _print_cold_start(found: ColdStart) -> None:
    """A row per number of past interactions."""
    columns = ["interactions", "impressions", found.arm, "fallback", "difference", "without exploration"]
    rows = [
        [
            row.group,
            f"{row.share:.1%}",
            f"{row.learned:.1f}",
            f"{row.fallback:.1f}",
            _with_interval(row.difference, row.low, row.high),
            _with_interval(row.greedy, row.greedy_low, row.greedy_high),
        ]
        for row in found.rows
    ]
    title = "Expected reward per 1,000 impressions on the same requests, by the user's past interactions"
    table(columns, rows, right=columns[1:], whole=columns, title=title)


def _with_interval(value: float, low: float | None, high: float | None, *, sign: bool = True) -> str:
    said, between = measured(value, low, high, sign=sign)
    return f"{said} ({between})" if between else said


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
