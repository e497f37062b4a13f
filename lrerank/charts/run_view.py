"""Everything that is shown of a run: its sentence, charts and tables, the same on the page and in the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from lrerank.charts.cold_start import cold_start, cold_start_figure
from lrerank.charts.curves import curves_figure, difference_curves, difference_figure, learning_curves, regret
from lrerank.charts.dose import dose, dose_figure
from lrerank.charts.figures import Figure
from lrerank.charts.heat import heat, heat_figure
from lrerank.charts.lift_charts import net_return, net_return_figure, waterfall, waterfall_figure
from lrerank.charts.rows import comparison_forest, forest, forest_figure, groups, groups_figure
from lrerank.charts.settings import numeric_axes, swept_axes
from lrerank.charts.tables import (
    Table,
    differences_table,
    effects_table,
    interactions_table,
    settings_table,
    values_table,
    variety_table,
)
from lrerank.errors import LrerankError
from lrerank.experiments.ablation import Ablation
from lrerank.experiments.cold_start import ColdStart
from lrerank.experiments.findings import comparisons, found_by, sentence_of
from lrerank.experiments.results import Run
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep_verdict import SettingsTable, named_values
from lrerank.experiments.wording import unit

TOO_NARROW = "Bands and intervals of charts and tables are somewhat too narrow for such a run."
"""What is said where a run ends by itself when its answer is clear."""

STOPPED = f"Only the sentence above allows for a run that ends when its answer is clear. {TOO_NARROW}"
"""The same where a sentence stands above, which allows for it."""

_MEASURE = "expected_reward"
_LINE, _ROW = 340, 30


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart.

    Attributes:
        key: unlike those of the run's other charts.
        title: what is shown, in a line.
        figure: as `lrerank.charts.figures` says.
        note: what the intervals are; "" for nothing.
        height: in pixels.
        section: under which heading it stands.
    """

    key: str
    title: str
    figure: Figure
    note: str
    height: int
    section: str


@dataclass(frozen=True, slots=True)
class RunView:
    """What a run says.

    Attributes:
        sentence: what it found so far.
        caution: what must be known to read all but the sentence; "" for nothing.
        panels: its charts.
        tables: its tables.
        notes: what could not be worked out, in sentences.
    """

    sentence: str
    panels: tuple[Panel, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    caution: str = ""


def run_view(run: Run, traffic: float | None = None) -> RunView:
    """What there are figures of.

    Args:
        traffic: searches a day, to tell break-even in days as well.

    Raises:
        LrerankError: what is on disk can't be read.
    """
    figures, experiment = run.figures(), run.experiment
    if run.manifest["kind"] == "sweep":
        return _sweep_view(run, experiment)
    if figures.empty:
        return RunView("Nothing can be said yet: no replicate is finished.", (), (), ())
    tables = (
        differences_table(figures, experiment),
        values_table(figures, experiment),
        variety_table(figures, experiment),
    )
    notes: list[str] = []
    panels = tuple(_panels(figures, experiment, traffic, notes))
    shown = tuple(table for table in tables if table.rows)
    caution = STOPPED if run.status == "stopped" else ""
    return RunView(sentence_of(run, figures), panels, shown, tuple(notes), caution)


def _panels(figures: pd.DataFrame, experiment: Experiment, traffic: float | None, notes: list[str]) -> Iterator[Panel]:
    try:
        found = comparison_forest(comparisons(figures, experiment.baseline, _MEASURE, experiment.window), experiment)
        if found.rows:
            height = 90 + _ROW * len(found.rows)
            yield Panel("forest", found.title, forest_figure(found), found.note, height, "Who leads")
    except LrerankError as error:
        notes.append(f"No comparison over the measured window: {error}")
    steps = waterfall(figures, experiment)
    if steps.bars:
        height = 70 + 52 * (len(steps.bars) - 1)
        yield Panel("waterfall", steps.title, waterfall_figure(steps), steps.note, height, "Who leads")
    curves = difference_curves(figures, experiment)
    if curves.curves:
        yield Panel("differences", curves.title, difference_figure(curves), curves.note, _LINE, "Over time")
    for key, own in (("learning", learning_curves(figures, experiment)), ("regret", regret(figures, experiment))):
        yield Panel(key, own.title, curves_figure(own), own.note, _LINE, "Over time")
    for returned in net_return(figures, experiment):
        note = f"Price of exploration: what {returned.arm}'s own model would have brought on top, had it not explored."
        figure = net_return_figure(returned, traffic)
        yield Panel(f"net-{returned.arm}", returned.title, figure, note, _LINE, "What exploration brings")
    for by, measure in (("segment", _MEASURE), ("history", _MEASURE), ("position", "reward")):
        try:
            broken = groups(figures, experiment, by, measure)
        except LrerankError as error:
            notes.append(f"Nothing by {by}: {error}")
            continue
        if broken.cells:
            yield Panel(f"by-{by}", broken.title, groups_figure(broken), broken.note, _LINE, "For whom, and where")


def _sweep_view(run: Run, experiment: Experiment) -> RunView:
    try:
        found = found_by(run)
    except LrerankError as error:
        return RunView(f"Nothing can be said yet: {error}", (), (), ())
    of = unit(experiment)
    if isinstance(found, Ablation):
        effects = forest(found, of)
        height = 90 + _ROW * len(effects.rows)
        panel = Panel("ablation", effects.title, forest_figure(effects), effects.note, height, "Feature groups")
        return RunView(found.sentence, (panel,), (effects_table(found),), ())
    if isinstance(found, ColdStart):
        past = cold_start(found, of)
        panel = Panel("cold-start", past.title, cold_start_figure(past), past.note, _LINE + 60, "Cold start")
        return RunView(found.sentence, (panel,), (interactions_table(found),), ())
    panels = tuple(_settings_panels(found, experiment.baseline, of))
    return RunView(found.sentence, panels, (settings_table(found, experiment.baseline),), ())


def _settings_panels(found: SettingsTable, baseline: str, of: str) -> Iterator[Panel]:
    """For each condition, since settings of different ones are not compared: reward against numbers, and a heat map."""
    conditions = list({named_values(row.condition): row.condition for row in found.settings}.items())
    for place, (name, condition) in enumerate(conditions):
        own = [row for row in found.settings if row.condition == condition]
        where, section = f" where {name}" if name else "", f"Where {name}" if name else "Settings"
        axes, numbers = swept_axes(own), numeric_axes(own)
        for path in numbers[:2]:
            line = dose(own, path, baseline=baseline, of=of)
            if len(line.series) <= 8:
                key = f"dose-{place}-{path}"
                yield Panel(key, f"{line.title}{where}", dose_figure(line), line.note, _LINE + 40, section)
        if len(axes) > 1:
            across = numbers[0] if numbers else axes[0]
            down = next(path for path in axes if path != across)
            cells = heat(own, across, down, baseline=baseline, of=of)
            note = "Framed: can't be told from the best one, which has the star."
            height = 110 + 54 * len(cells.rows)
            yield Panel(f"heat-{place}", f"{cells.title}{where}", heat_figure(cells), note, height, section)
