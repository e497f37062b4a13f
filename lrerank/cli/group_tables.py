"""What `runs show --by` prints."""

from __future__ import annotations

from math import floor, isnan, log10

from lrerank.cli.common import say, table
from lrerank.evaluation.intervals import Estimate
from lrerank.experiments.groups_table import Groups
from lrerank.experiments.measures_table import MEASURES
from lrerank.experiments.wording import rounded

_MOST_DIGITS = 5


def print_groups(found: Groups) -> None:
    """A row per group and arm."""
    measured = MEASURES[found.measure]
    compared = any(cell.difference is not None for cell in found.cells)
    shares = found.by != "position"
    columns = [found.by, "arm", *(["share"] if shares else []), found.measure, "95 % interval"]
    columns += [f"minus {found.baseline}", "95 % interval "] if compared else []
    rows, last = [], None
    for cell in found.cells:
        row = ["" if cell.group == last else cell.group, cell.arm, *([f"{cell.share:.1%}"] if shares else [])]
        row += _with_interval(cell.value)
        if compared:
            row += ["", ""] if cell.difference is None else _with_interval(cell.difference, plus="+")
        rows.append(row)
        last = cell.group
    title = f"{measured.label} ({measured.unit}) by {found.by}"
    table(columns, rows, right=columns[2:], whole=columns, title=title)
    if found.note:
        say(found.note)


def _with_interval(found: Estimate, plus: str = "") -> list[str]:
    """With two digits of the interval's width."""
    if isnan(found.value):
        return ["", ""]
    if found.low is None or found.high is None:
        return [rounded(found.value, 4, plus), "none"]
    width = found.high - found.low
    digits = min(max(1 - floor(log10(width)), 0), _MOST_DIGITS) if width > 0 else 4
    return [
        rounded(found.value, digits, plus),
        " to ".join(rounded(end, digits, plus) for end in (found.low, found.high)),
    ]
