"""What `simulate` and `runs show` print of lifts: step by step from static to reference, and what exploration brings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import pandas as pd
import typer

from lrerank.cli.common import console, say, table
from lrerank.experiments.lifts import explained, lifts, personal
from lrerank.experiments.spec import Experiment
from lrerank.experiments.waterfall import Step
from lrerank.experiments.wording import measured, unit

TrafficOption = Annotated[
    float | None, typer.Option(help="Searches a day, to tell break-even in days.", min=1, metavar="N")
]

_PER = 1000.0


def print_lifts(figures: pd.DataFrame, experiment: Experiment, traffic: float | None = None) -> None:
    """The waterfall and what exploration brings, where the spec has arms for them.

    Args:
        traffic: searches a day, to tell the break-even in days as well.
    """
    found = lifts(figures, experiment)
    if found.steps:
        _print_waterfall(found.steps, experiment)
        if told := personal(experiment):
            say(told)
        console.print()
    for each in found.exploration:
        console.print(explained(each, experiment, traffic), highlight=False, markup=False, soft_wrap=True)
        console.print()
    if found.note:
        say(found.note)


def _print_waterfall(steps: Sequence[Step], experiment: Experiment) -> None:
    """A row per step; each interval holds by itself."""
    rows = []
    source = {step.difference.source for step in steps if step.difference is not None}
    for place, step in enumerate(steps):
        value = step.value.per(_PER).headline
        amount, _ = measured(value.value, None, None, sign=False)
        added, between = "", ""
        if step.difference is not None:
            difference = step.difference.per(_PER).headline
            added, between = measured(difference.value, difference.low, difference.high)
        rows.append([step.arm, amount, added, between, *_share(step, place, len(steps))])
    columns = ["step", f"expected {unit(experiment)}", "added", "95 % interval", "of the gap", "95 % interval "]
    start, end = experiment.window
    title = (
        f"Lift step by step: expected {unit(experiment)} per 1,000 searches, impressions {start:,} to {end:,}, "
        f"{steps[0].value.noise.n} replicates, {' or '.join(sorted(source))}"
    )
    table(columns, rows, right=columns[1:], whole=columns, title=title)
    for note in dict.fromkeys(step.note for step in steps if step.note):
        say(note)


def _share(step: Step, place: int, steps: int) -> tuple[str, str]:
    if place == 0:
        return "0 %", ""
    if place == steps - 1:
        return "100 %", ""
    if step.share is None:
        return "", ""
    share = step.share.per(100.0).headline
    value, between = measured(share.value, share.low, share.high, sign=False)
    return f"{value} %", f"{between} %" if between else "none"
