"""The settings of a sweep as points of a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lrerank.charts.lines import plain
from lrerank.experiments.sweep_table import SettingRow
from lrerank.experiments.sweep_verdict import named_values
from lrerank.experiments.wording import measured


@dataclass(frozen=True, slots=True)
class Point:
    """A setting; rewards per 1,000 searches.

    Attributes:
        at: its value on the axis.
        value, low, high: reward, or its paired difference from the baseline; ends are None without an interval.
        kept: whether it may be the best one of its condition.
        best: whether it has the highest figure of its condition.
        explored_pages: share of pages.
        price: of exploration.
        simulated_as: the arm's name in the figures.
        values: dotted path → value.
    """

    at: float
    value: float
    low: float | None
    high: float | None
    kept: bool
    best: bool
    explored_pages: float
    price: float
    simulated_as: str
    values: Mapping[str, Any]


def numeric_axes(settings: Sequence[SettingRow]) -> list[str]:
    """Paths with more than one value, all of them numbers: what a dose may be drawn against."""
    return [path for path, values in axes_of(settings).items() if all(map(is_number, values))]


def swept_axes(settings: Sequence[SettingRow]) -> list[str]:
    """Paths with more than one value, in order."""
    return list(axes_of(settings))


def point_of(row: SettingRow, at: float, *, difference: bool) -> Point:
    """A setting at a place of an axis.

    Args:
        difference: whether to show the paired difference from the baseline, else the reward itself.
    """
    shown = (row.against_baseline if difference else row.value).headline
    name, values = row.variant.name, values_of(row)
    return Point(
        at, shown.value, shown.low, shown.high, row.kept, row.best, row.explored_pages, row.price, name, values
    )


def told(point: Point) -> str:
    """For hovering."""
    number, between = measured(point.value, point.low, point.high)
    state = "best" if point.best else "can't be told from the best" if point.kept else "shown to be worse than the best"
    return (
        f"{plain(named_values(point.values))}<br>{number}{f' ({between})' if between else ''}, {state}<br>"
        f"{point.explored_pages:.0%} of pages changed, price {point.price:.1f} per 1,000"
    )


def values_of(row: SettingRow) -> dict[str, Any]:
    """Dotted path → value, of the condition as well."""
    return {**row.condition, **row.variant.values}


def axes_of(settings: Sequence[SettingRow]) -> dict[str, list[Any]]:
    """Path → values that occur, where they are more than one."""
    found: dict[str, list[Any]] = {}
    for row in settings:
        for path, value in values_of(row).items():
            seen = found.setdefault(path, [])
            if value not in seen:
                seen.append(value)
    return {path: values for path, values in found.items() if len(values) > 1}


def is_number(value: Any) -> bool:
    """Whether an axis may have it."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def reward_axis(of: str) -> str:
    """The unit of the values; `of` as in `wording.unit`."""
    return f"{of[0].upper()}{of[1:]} per 1,000 searches"
