"""What the commands on experiments print: values of arms, and their differences from a baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from lrerank.cli.common import console, printable, say, table
from lrerank.evaluation.intervals import Estimate
from lrerank.experiments.measures_table import MEASURES
from lrerank.experiments.spec import REFERENCE
from lrerank.experiments.spec_text import SpecError, nearest
from lrerank.experiments.tables import values
from lrerank.experiments.wording import rounded

if TYPE_CHECKING:
    from lrerank.experiments.compare import Comparison

DEFAULT_MEASURE = "expected_reward"
_OVERVIEW = ("clicks", "expected_reward", "ctr_at_1", "ndcg", "regret", "explored_pages", "candidate_coverage")


def check_measures(measures: Sequence[str], by: str | None = None) -> None:
    """Refuses a measure that nobody knows, and a breakdown that a measure does not come in."""
    for measure in measures:
        if measure not in MEASURES:
            raise SpecError("unknown measure", path="--measure", value=measure, remedy=nearest(measure, MEASURES))
        known = [each for each in MEASURES[measure].by if each != "all"]
        if by is not None and by not in known:
            raise SpecError(f"{measure} does not come by this", path="--by", value=by, remedy=nearest(by, known))


def print_comparisons(found: Sequence[Comparison], measure: str) -> None:
    """Differences with both intervals; that over worlds where several were drawn."""
    if not found:
        return
    one, measured = found[0], MEASURES[measure]
    rows = [[one.baseline, f"{one.baseline_value.value:.4f}", "", "", "", ""]]
    for each in found:
        lift = "" if math.isnan(each.lift.value) else f"{rounded(100 * each.lift.value, 1, '+')} %"
        noise, worlds = (_range(estimate) for estimate in (each.difference.noise, each.difference.worlds))
        rows.append(
            [each.arm, f"{each.arm_value.value:.4f}", rounded(each.difference.value, 4, "+"), lift, noise, worlds]
        )
    columns = ["arm", measure, "difference", "lift", "simulation noise", "world uncertainty"]
    if len(set(one.worlds.tolist())) == 1:
        rows, columns = [row[:-1] for row in rows], columns[:-1]
    window = f"impressions {one.start:,} to {one.end:,}, {one.difference.noise.n} replicates"
    table(
        columns,
        rows,
        right=columns[1:4],
        whole=("arm", *columns[4:]),
        title=f"{measured.label} ({measured.unit}) against {one.baseline}, {window}; {100 * one.level:g} % intervals, paired",
    )
    for each in found:
        for note in dict.fromkeys((each.difference.noise.note, each.note)):
            if note:
                say(f"{each.arm}: {note}")


def print_values(figures: pd.DataFrame, window: tuple[int, int], measures: Sequence[str] = _OVERVIEW) -> None:
    """A row per arm, a column per measure that there are figures of."""
    wide = _wide(figures, window)
    names = [name for name in measures if name in wide.columns]
    rows = [[arm, *(_number(wide.at[arm, name]) for name in names)] for arm in wide.index]
    table(["arm", *names], rows, right=names, whole=("arm",))


def values_json(figures: pd.DataFrame, window: tuple[int, int]) -> dict[str, dict[str, float]]:
    """arm → measure → value."""
    wide = _wide(figures, window)
    return {str(arm): {str(name): float(value) for name, value in row.items()} for arm, row in wide.iterrows()}


def comparison_json(found: Comparison) -> dict[str, Any]:
    """One comparison with both intervals."""
    return {
        "arm": found.arm,
        "baseline": found.baseline,
        "measure": found.measure,
        "start": found.start,
        "end": found.end,
        "arm_value": found.arm_value.value,
        "baseline_value": found.baseline_value.value,
        "difference": _estimate(found.headline),
        "interval_is": found.source,
        "simulation_noise": _estimate(found.difference.noise),
        "world_uncertainty": _estimate(found.difference.worlds),
        "lift": _estimate(found.lift.headline),
        "note": found.note,
    }


def print_heading(about: Mapping[str, Any]) -> None:
    """Which run, what it asks, whose world it is."""
    console.print(printable(str(about["question"])), style="bold", highlight=False, markup=False)
    begun = str(about["started"])[:16].replace("T", " ")
    state = f"{about['status']}, {about['tasks']} tasks done, begun {begun} UTC"
    console.print(f"{about['run']}: {state}; {about['provenance']}", highlight=False, markup=False)
    if about["problem"]:
        say(str(about["problem"]))
    console.print()


def _wide(figures: pd.DataFrame, window: tuple[int, int]) -> pd.DataFrame:
    found = values(figures, window)
    wide: pd.DataFrame = found.pivot_table(index="arm", columns="measure", values="value", sort=False, dropna=False)
    # The ceiling last, whenever it was computed.
    return wide.loc[sorted(wide.index, key=lambda arm: arm == REFERENCE)]


def _number(value: Any) -> str:
    return "" if math.isnan(value) else rounded(value, 4)


def _range(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "none"
    return f"{rounded(estimate.low, 4)} to {rounded(estimate.high, 4)}"


def _estimate(found: Estimate) -> dict[str, Any]:
    return asdict(found)
