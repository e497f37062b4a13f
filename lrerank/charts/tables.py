"""Tables beside charts: words with sensible digits, and the same as HTML for pages and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, isfinite, log10

import pandas as pd

from lrerank.charts.lines import PER
from lrerank.charts.values import REWARDS, VARIETY, Values, of_whole_run, values_of
from lrerank.errors import LrerankError
from lrerank.evaluation.intervals import Estimate
from lrerank.experiments.ablation import Ablation
from lrerank.experiments.cold_start import ColdStart
from lrerank.experiments.findings import comparisons
from lrerank.experiments.measures_table import MEASURES
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep_verdict import SettingsTable, named_values, short_path
from lrerank.experiments.wording import measured, rounded

_MOST_DIGITS = 5
_DIFFERENCES = ("expected_reward", "clicks", "ctr_at_1", "ndcg", "regret")
_SHARES = ("share of pages", "share of slots shown", "share of the catalog", "share of the candidates")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of words.

    Attributes:
        title: what is shown, in a line.
        columns: their names; the first one names the row, the others hold numbers.
        rows: a word per column.
        note: what must be known to read it; "" for nothing.
        words: columns behind the first that hold words, not numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str
    words: tuple[str, ...] = ()


def values_table(figures: pd.DataFrame, experiment: Experiment) -> Table:
    """What every arm's lists brought, each with its own interval."""
    note = (
        "95 % intervals of each arm on its own. They are wide with luck that all arms share: whether two arms differ is "
        "told by the paired differences."
    )
    return _of_arms("What each arm brought", values_of(figures, experiment, REWARDS), REWARDS, experiment, note)


def variety_table(figures: pd.DataFrame, experiment: Experiment) -> Table:
    """How different what every arm shows is, within a list and over all lists."""
    note = "95 % intervals of each arm on its own. Coverage grows with the length of the run."
    return _of_arms("Diversity and coverage", values_of(figures, experiment, VARIETY), VARIETY, experiment, note)


def differences_table(
    figures: pd.DataFrame, experiment: Experiment, baseline: str = "", measures: Sequence[str] = _DIFFERENCES
) -> Table:
    """Every arm's paired difference from the baseline.

    Args:
        baseline: another one than the experiment's: that of runs side by side.
    """
    against = baseline or experiment.baseline
    there = set(figures["measure"][figures["by"] == "all"].unique().tolist())
    cells: dict[str, dict[str, str]] = {}
    over = ""
    for measure in (each for each in measures if each in there):
        try:
            found = comparisons(figures, against, measure, experiment.window)
        except LrerankError:  # no replicate that both have in the window
            continue
        for each in found:
            per, _ = _scale(measure)
            cells.setdefault(each.arm, {})[measure] = precise(each.difference.per(per).headline, sign=True)
            over = f"{len(each.replicates)} replicates, {each.source}"
    shown = [measure for measure in measures if any(measure in row for row in cells.values())]
    rows = tuple((arm, *(row.get(measure, "") for measure in shown)) for arm, row in cells.items())
    start, end = experiment.window
    return Table(
        f"Differences from {against}, searches {start:,} to {end:,}",
        ("arm", *(_scale(measure)[1] for measure in shown)),
        rows,
        f"95 % intervals one by one, paired over {over}. An interval that excludes zero is a clear difference."
        if rows
        else f"There is nothing to compare with {against} yet.",
    )


def settings_table(found: SettingsTable, baseline: str) -> Table:
    """A row per setting of a sweep, best first."""
    axes = list(dict.fromkeys(path for row in found.settings for path in (*row.condition, *row.variant.values)))
    several = len({row.variant.arm for row in found.settings}) > 1
    rows = []
    for row in found.settings:
        own = {**row.condition, **row.variant.values}
        cells = [row.variant.arm] if several or not axes else []
        cells += [named_values({path: own[path]}).partition(" = ")[2] if path in own else "" for path in axes]
        cells += [precise(row.value.headline), precise(row.against_baseline.headline, sign=True)]
        cells += ["" if row.to_best is None else precise(row.to_best.headline, sign=True)]
        cells += [f"{row.explored_pages:.0%}", f"{row.price:.1f}"]
        rows.append((*cells, "best" if row.best else "can't be told from best" if row.kept else "shown to be worse"))
    words = (*(["arm"] if several or not axes else []), *map(short_path, axes))
    columns = (*words, "reward", f"minus {baseline}", "minus best", "explored pages", "price", "verdict")
    note = "Expected reward and price per 1,000 searches; paired differences; 95 % intervals one by one."
    return Table("Settings, best first", columns, tuple(rows), f"{note} {found.note}".strip(), (*words, "verdict"))


def effects_table(found: Ablation) -> Table:
    """A row per group of features."""
    rows = tuple((each.group, _measured(each.value, each.low, each.high)) for each in found.effects)
    note = (
        f"{found.arm} with all of them: {found.reward:.1f} per 1,000 searches. Intervals hold for all groups at once."
    )
    return Table("What each group of features adds", ("group", "adds per 1,000 searches"), rows, note)


def interactions_table(found: ColdStart) -> Table:
    """A row per number of past interactions."""
    rows = tuple(
        (
            row.group,
            f"{row.share:.1%}",
            f"{row.learned:,.0f}",
            f"{row.fallback:,.0f}",
            _measured(row.difference, row.low, row.high),
            _measured(row.greedy, row.greedy_low, row.greedy_high),
        )
        for row in found.rows
    )
    columns = ("interactions", "searches", found.arm, "fallback", "difference", "without exploration")
    return Table("By past interactions, reward per 1,000 searches", columns, rows, found.note)


def precise(found: Estimate, *, sign: bool = False) -> str:
    """A value with its interval, in two digits of the interval's width."""
    if not isfinite(found.value):
        return ""
    if found.value == 0 and not found.low:
        return "0"
    plus = "+" if sign else ""
    if found.low is None or found.high is None:
        return measured(found.value, None, None, sign=sign)[0]
    width = found.high - found.low
    digits = min(max(1 - floor(log10(width)), 0), _MOST_DIGITS) if width > 0 else 3
    between = " to ".join(rounded(end, digits, plus) for end in (found.low, found.high))
    return f"{rounded(found.value, digits, plus)} ({between})"


def table_html(found: Table, badge: str = "") -> str:
    """The table with its title; everything in it is text.

    Args:
        badge: HTML that stands beside the title.
    """
    words = {found.columns[0], *found.words} if found.columns else set()
    kinds = [' class="lr-words"' if column in words else "" for column in found.columns]
    head = "".join(
        f'<th scope="col"{kind}>{escape(_title(name))}</th>' for name, kind in zip(found.columns, kinds, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(_cell(cell, kind, first=not place) for place, (cell, kind) in enumerate(zip(row, kinds, strict=True)))}</tr>"
        for row in found.rows
    )
    note = f'<p class="lr-note">{escape(found.note)}</p>' if found.note else ""
    return (
        f'<div class="lr-table" tabindex="0" role="region" aria-label="{escape(found.title)}"><table>'
        f"<caption><span>{escape(found.title)}</span> {badge}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}"
    )


TABLE_STYLE = """
.lr-table{overflow-x:auto}
.lr-table table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.88rem;width:auto;
min-width:min(100%,44rem)}
.lr-table caption{text-align:left;font-weight:600;padding:.2rem 0 .4rem;font-size:1rem}
.lr-table caption .lr-badge{float:right}
.lr-table th,.lr-table td{padding:.32rem .7rem;border:0;border-bottom:1px solid rgba(128,128,128,.25);text-align:right;
vertical-align:baseline}
.lr-table thead th{font-weight:600;opacity:.85}
.lr-table .lr-words{text-align:left}
.lr-table tbody th{font-weight:600;white-space:nowrap}
.lr-range{display:block;opacity:.75;font-size:.82em;white-space:nowrap}
.lr-note{font-size:.85rem;opacity:.8;margin:.4rem 0 0}
"""
"""How tables look, in both themes and on paper."""


def _of_arms(title: str, found: Sequence[Values], measures: Sequence[str], experiment: Experiment, note: str) -> Table:
    shown = [measure for measure in measures if any(measure in each.values for each in found)]
    rows = tuple((each.arm, *(_own(each, measure) for measure in shown)) for each in found)
    start, end = experiment.window
    columns = ("arm", *(_scale(measure)[1] for measure in shown))
    note = f"{note} {of_whole_run(experiment, shown)}".strip()
    return Table(f"{title}, searches {start:,} to {end:,}", columns, rows, note)


def _own(found: Values, measure: str) -> str:
    estimate = found.values.get(measure)
    if estimate is None:
        return ""
    per, _ = _scale(measure)
    low, high = (None if end is None else per * end for end in (estimate.low, estimate.high))
    return precise(Estimate(per * estimate.value, low, high, estimate.groups, estimate.n, estimate.method))


def _scale(measure: str) -> tuple[float, str]:
    """Factor and column."""
    known = MEASURES[measure]
    if known.unit.endswith(" per page") and not known.unit.startswith(("ms", "categories")):
        return PER, f"{known.label}, per 1,000"
    if known.unit in _SHARES:
        return 100.0, f"{known.label}, %"
    return 1.0, known.label


def _measured(value: float, low: float | None, high: float | None) -> str:
    number, between = measured(value, low, high)
    return f"{number} ({between})" if between else number


def _cell(text: str, kind: str, *, first: bool) -> str:
    if first:
        return f'<th scope="row"{kind}>{escape(text)}</th>'
    number, bracket, between = text.partition(" (")
    shown = (
        f'{escape(number)}<span class="lr-range">{escape(between.removesuffix(")"))}</span>'
        if bracket
        else escape(text)
    )
    return f"<td{kind}>{shown}</td>"


def _title(column: str) -> str:
    """With a capital, but for names of parameters."""
    return column if "_" in column or "." in column else column[:1].upper() + column[1:]
