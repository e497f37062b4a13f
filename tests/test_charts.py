"""Charts of experiments: their data are what the analysis says, for whole runs and for those under way."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from charting import EXPERIMENT, figures, figures_of

from lrerank.charts.cold_start import cold_start, cold_start_figure
from lrerank.charts.curves import (
    Curve,
    Curves,
    curves_figure,
    difference_curves,
    difference_figure,
    learning_curves,
    regret,
)
from lrerank.charts.dose import dose, dose_figure
from lrerank.charts.heat import heat, heat_figure
from lrerank.charts.lift_charts import net_return, net_return_figure, waterfall, waterfall_figure
from lrerank.charts.rows import (
    Forest,
    Row,
    comparison_forest,
    forest,
    forest_figure,
    group_names,
    groups,
    groups_figure,
)
from lrerank.charts.settings import numeric_axes, swept_axes
from lrerank.charts.values import VARIETY, values_of
from lrerank.evaluation.intervals import Estimate
from lrerank.experiments import bands
from lrerank.experiments.ablation import Ablation, Effect
from lrerank.experiments.cold_start import ColdStart, Interactions
from lrerank.experiments.compare import compare
from lrerank.experiments.findings import comparisons
from lrerank.experiments.groups_table import groups_table
from lrerank.experiments.lifts import lifts, personal
from lrerank.experiments.precision import BothIntervals
from lrerank.experiments.spec import REFERENCE
from lrerank.experiments.sweep_plan import Variant
from lrerank.experiments.sweep_table import SettingRow

FIGURES = figures()
MEASURE = "expected_reward"


def drawn(figure: dict[str, Any]) -> str:
    """The figure as the browser gets it: plain JSON, without a number that JSON does not know."""
    known = [trace["uid"] for trace in figure["traces"] if "uid" in trace]
    assert len(set(known)) == len(known) and all(name.isalnum() for name in known)
    return json.dumps(figure, allow_nan=False)


def until(frame: pd.DataFrame, end: int, arm: str | None = None) -> pd.DataFrame:
    """What is there of a replicate under way; of one arm, where they are computed apart."""
    return frame[(frame["end"] <= end) | ((frame["arm"] != arm) if arm else False)]


@pytest.mark.parametrize("kind", ["running", "bin"])
def test_differences_are_the_bands(kind: str) -> None:
    found = difference_curves(FIGURES, EXPERIMENT, kind)  # type: ignore[arg-type]
    assert [curve.arm for curve in found.curves] == ["pooled", "greedy", "learned"] and found.replicates == 4
    for curve in found.curves:
        band = bands.difference_band(FIGURES, curve.arm, "static", MEASURE, kind=kind)  # type: ignore[arg-type]
        for mine, theirs in ((curve.value, band.value), (curve.low, band.low), (curve.high, band.high)):
            np.testing.assert_allclose(np.asarray(mine), 1000.0 * np.asarray(theirs), rtol=1e-9)
        assert curve.at.tolist() == band.end.tolist() == EXPERIMENT.edges()[1:]
        assert not len(curve.ahead)
    whole = compare(FIGURES, "learned", "static", MEASURE)
    if kind == "running":
        assert found.curves[-1].value[-1] == pytest.approx(whole.per_thousand.value)
    assert "95 % of experiments: 4 replicates, simulation noise" in found.note
    assert drawn(difference_figure(found))


def test_a_first_replicate_under_way_gives_a_line_as_far_as_all_arms_are() -> None:
    some = until(until(figures_of(0), 600), 400, "learned")
    found = difference_curves(some, EXPERIMENT)
    assert {tuple(curve.ahead_at.tolist()) for curve in found.curves} == {(200, 400)}
    assert not any(len(curve.at) for curve in found.curves) and "No band yet" in found.note
    of = compare(some, "learned", "static", MEASURE, end=400)
    assert found.curves[-1].ahead[-1] == pytest.approx(of.per_thousand.value)
    figure = difference_figure(found)
    assert drawn(figure) and all(trace["showlegend"] for trace in figure["traces"])


def test_the_first_point_is_seen_before_there_is_a_line() -> None:
    first = difference_figure(difference_curves(until(figures_of(0), 200), EXPERIMENT))
    assert all(trace["mode"] == "lines+markers" for trace in first["traces"])
    later = difference_figure(difference_curves(until(figures_of(0), 400), EXPERIMENT))
    assert all(trace["mode"] == "lines" for trace in later["traces"])


def test_one_replicate_gives_a_line_without_a_band() -> None:
    found = difference_curves(figures(1), EXPERIMENT)
    assert all(curve.low is None and len(curve.at) == 5 for curve in found.curves)
    assert len(difference_figure(found)["traces"]) == 3


def test_replicates_under_way_are_told_beside_those_that_are_done() -> None:
    some = pd.concat([figures(2), until(figures_of(2), 600), until(figures_of(3), 200)])
    found = difference_curves(some, EXPERIMENT)
    done = difference_curves(figures(2), EXPERIMENT)
    assert found.replicates == 2
    for mine, theirs in zip(found.curves, done.curves, strict=True):
        np.testing.assert_array_equal(mine.value, theirs.value)
        np.testing.assert_array_equal(mine.low, theirs.low)
        assert mine.ahead_at.tolist() == [200, 400, 600]
        ahead = bands.difference_band(figures(3), mine.arm, "static", MEASURE, kind="running").value
        np.testing.assert_allclose(mine.ahead, 1000 * ahead[:3])
    assert len(difference_figure(found)["traces"]) == 9


@pytest.mark.parametrize("make", [difference_curves, learning_curves, regret])
def test_nothing_is_drawn_of_nothing(make: object) -> None:
    for frame in (FIGURES.iloc[:0], FIGURES[FIGURES["arm"] == "pooled"].iloc[:0]):
        found = make(frame, EXPERIMENT)  # type: ignore[operator]
        assert found.curves == () and drawn(curves_figure(found))
    assert difference_curves(FIGURES[FIGURES["arm"] != "static"], EXPERIMENT).curves == ()


def test_learning_curves_and_regret_are_the_arms_own_values() -> None:
    learned, lost = learning_curves(FIGURES, EXPERIMENT), regret(FIGURES, EXPERIMENT)
    assert [curve.arm for curve in learned.curves] == [*EXPERIMENT.arms, REFERENCE]
    assert [curve.arm for curve in lost.curves] == list(EXPERIMENT.arms)
    for curve in learned.curves:
        of = FIGURES[(FIGURES["arm"] == curve.arm) & (FIGURES["measure"] == MEASURE) & (FIGURES["by"] == "all")]
        sums = of.groupby("end")[["total", "weight"]].sum()
        np.testing.assert_allclose(curve.value, 1000 * sums["total"] / sums["weight"])
    last = compare(FIGURES, "learned", "static", "regret")
    assert lost.curves[-1].value[-1] == pytest.approx(last.arm_value.value * EXPERIMENT.impressions)
    assert regret(FIGURES, EXPERIMENT, "bin").curves[0].value[0] == pytest.approx(1400 - learned.curves[0].value[0])


def test_a_change_of_tastes_is_marked_where_it_happens() -> None:
    found = learning_curves(FIGURES, EXPERIMENT)
    assert found.events == {600: "tastes change"}
    assert curves_figure(found)["layout"]["annotations"][0]["x"] == 600


def test_arms_keep_their_colour_whatever_else_is_drawn() -> None:
    def shades(found: Curves) -> dict[str, str]:
        lines = [trace for trace in curves_figure(found)["traces"] if trace["line"].get("color")]
        return {trace["name"]: trace["line"]["color"] for trace in lines}

    several = shades(learning_curves(FIGURES, EXPERIMENT))
    assert shades(difference_curves(FIGURES, EXPERIMENT)).items() <= several.items()


def test_numbers_reach_the_browser_as_they_are() -> None:
    found = difference_curves(FIGURES, EXPERIMENT)
    line = next(trace for trace in difference_figure(found)["traces"] if trace.get("name") == "learned")
    read = np.frombuffer(base64.b64decode(line["y"]["bdata"]), "<f4")
    np.testing.assert_allclose(read, found.curves[-1].value, rtol=1e-6)
    assert line["text"][-1].startswith("+") and " to " in line["text"][-1]


def test_the_waterfall_is_that_of_the_lifts() -> None:
    found, steps = waterfall(FIGURES, EXPERIMENT), lifts(FIGURES, EXPERIMENT).steps
    assert [bar.arm for bar in found.bars] == ["static", "pooled", "learned"]
    assert found.bars[0].after == 0.0 and found.bars[0].value == pytest.approx(1000 * steps[0].value.value)
    for bar, step in zip(found.bars[1:], steps[1:], strict=False):
        assert step.difference is not None and step.share is not None
        added = step.difference.per(1000).headline
        assert bar.after - bar.before == pytest.approx(added.value)
        assert bar.low == pytest.approx(bar.before + (added.low or 0)) and bar.said and " to " in bar.between
        assert bar.share == f"{100 * step.share.value:.1f} %"
    assert found.bars[-1].after == pytest.approx(1000 * (steps[-2].value.value - steps[0].value.value))
    assert found.reference == pytest.approx(1000 * steps[-1].value.value)
    assert "of the way" in drawn(waterfall_figure(found)) and personal(EXPERIMENT) in found.note
    assert not found.provisional and "pattern" not in waterfall_figure(found)["traces"][0]["marker"]
    early = waterfall(until(pd.concat([figures_of(0), figures_of(1)]), 800), EXPERIMENT)
    assert early.provisional and early.title.endswith("so far, searches 400 to 800 of 1,000")
    assert all(bar.low is None and not bar.between for bar in early.bars)
    assert "pattern" in waterfall_figure(early)["traces"][0]["marker"], "it can be seen that it is not the answer"
    mixed = waterfall(pd.concat([figures_of(0), until(figures_of(1), 800)]), EXPERIMENT)
    assert not mixed.provisional and mixed.bars == waterfall(figures_of(0), EXPERIMENT).bars
    empty = waterfall(FIGURES[FIGURES["arm"] != "pooled"], EXPERIMENT)
    assert empty.bars == () and drawn(waterfall_figure(empty))


def test_net_return_is_that_of_the_twin() -> None:
    (found,) = net_return(FIGURES, EXPERIMENT)
    returns = lifts(FIGURES, EXPERIMENT).exploration[0].returns
    assert (found.arm, found.twin, found.break_even, found.cautious) == (
        "learned",
        "greedy",
        returns.break_even,
        returns.cautious,
    )
    np.testing.assert_array_equal(found.value, returns.band.value)
    np.testing.assert_array_equal(found.low, returns.band.low)
    np.testing.assert_allclose(found.price, 0.02 * found.at)
    figure = net_return_figure(replace(found, break_even=400), traffic=200.0)
    assert "break-even 400 (2 days)" in drawn(figure) and "200<br>1 d" in figure["layout"]["xaxis"]["ticktext"]
    (early,) = net_return(until(figures_of(0), 400), EXPERIMENT)
    assert early.provisional and early.break_even is None and early.at.tolist() == [200, 400]
    np.testing.assert_allclose(early.price, 0.02 * early.at)
    assert drawn(net_return_figure(early)) and net_return(FIGURES[FIGURES["arm"] != "greedy"], EXPERIMENT) == ()


@pytest.mark.parametrize("by", ["segment", "history", "position"])
def test_groups_are_those_of_the_table(by: str) -> None:
    found, told = groups(FIGURES, EXPERIMENT, by), groups_table(FIGURES, EXPERIMENT, by, MEASURE)
    assert found.is_difference == (by != "history")
    cells = {(cell.group, cell.arm): cell for cell in told.cells}
    for cell in found.cells:
        estimate = cells[cell.group, cell.arm].difference if found.is_difference else cells[cell.group, cell.arm].value
        assert estimate is not None and cell.value == pytest.approx(1000 * estimate.value)
        assert cell.low == pytest.approx(1000 * (estimate.low or 0))
    on_its_own = groups(FIGURES, EXPERIMENT, by, difference=False)
    assert not on_its_own.is_difference and len(on_its_own.cells) == len(told.cells)
    text = drawn(groups_figure(found))
    assert "<hunters>" not in text and ("&lt;hunters&gt;" in text) == (by == "segment")
    assert ("of its requests" in text, "of its slots shown" in text) == (by != "position", by == "position")


def test_forests_hold_what_was_compared() -> None:
    compared = comparisons(FIGURES, "static", MEASURE, EXPERIMENT.window)
    found = comparison_forest(compared, EXPERIMENT)
    by_arm = {each.arm: each.per_thousand.headline for each in compared}
    assert sorted(row.label for row in found.rows) == ["greedy", "learned", "pooled"]
    for row in found.rows:
        assert (row.value, row.low, row.high) == pytest.approx(
            (by_arm[row.label].value, by_arm[row.label].low, by_arm[row.label].high)
        )
    effects = (Effect("metadata.free_shipping", "no-x", 3.0, 1.0, 5.0), Effect("user side", "no-u", -1.0, None, None))
    ablated = forest(Ablation("learned", 800.0, effects, "simulation noise", 0.95, 4, ""), "clicks")
    assert [row.label for row in ablated.rows] == ["free shipping", "user side"]
    assert [row.said for row in ablated.rows] == ["+3.0 (+1.0 to +5.0)", "−1.0"] and ablated.axis.startswith("Clicks")
    assert drawn(forest_figure(ablated)) and comparison_forest([], EXPERIMENT).rows == ()
    alike = ["metadata.price", "content.price", "user side"]
    assert group_names(alike) == alike and group_names(["metadata.price"]) == ["price"]
    hostile = forest_figure(Forest("", "", (Row("<a href='https://example.org'>x</a>", 1.0, None, None),), ""))
    assert "<a" not in drawn(hostile)


def settings() -> tuple[SettingRow, ...]:
    """Two strategies at three rates; the best first."""

    def both(value: float) -> BothIntervals:
        one = Estimate(value, value - 2, value + 2, 4, 4, "t")
        return BothIntervals(one, replace(one, low=None, high=None), "simulation noise")

    rows = []
    for place, (strategy, rate, value) in enumerate(
        [("softmax", 0.1, 50.0), ("epsilon_greedy", 0.1, 49.0), ("softmax", 0.0, 30.0), ("epsilon_greedy", 0.0, 30.0)]
    ):
        values = {"arms.learned.strategy": strategy, "arms.learned.exploration_rate": rate}
        variant = Variant(f"learned-{place}", "learned", values)
        to_best = None if not place else both(value - 50.0)
        rows.append(SettingRow({}, variant, both(800 + value), both(value), to_best, rate, 10 * rate, place < 2))
    return tuple(rows)


def test_a_dose_has_a_line_per_other_setting_and_marks_what_may_be_best() -> None:
    path = "arms.learned.exploration_rate"
    assert numeric_axes(settings()) == [path] and swept_axes(settings()) == ["arms.learned.strategy", path]
    found = dose(settings(), path, baseline="static")
    assert list(found.series) == ["strategy = softmax", "strategy = epsilon_greedy"]
    points = found.series["strategy = softmax"]
    assert [(point.at, point.value, point.kept, point.best) for point in points] == [
        *((0.0, 30.0, False, False), (0.1, 50.0, True, True)),
    ]
    trace = dose_figure(found)["traces"][0]
    assert trace["customdata"] == ["learned-2", "learned-0"] and trace["marker"]["symbol"] == ["circle-open", "star"]
    assert dose(settings(), path, difference=False).series["strategy = softmax"][1].value == 850.0
    assert drawn(dose_figure(found))


def test_a_heat_map_has_a_cell_per_setting() -> None:
    found = heat(settings(), "arms.learned.exploration_rate", "arms.learned.strategy")
    assert (found.columns, found.rows) == (("0", "0.1"), ("epsilon_greedy", "softmax"))
    assert [[point and point.value for point in row] for row in found.cells] == [[30.0, 49.0], [30.0, 50.0]]
    figure = heat_figure(found)
    assert set(figure["traces"][1]["customdata"]) == {f"learned-{place}" for place in range(4)}
    assert len(figure["layout"]["shapes"]) == 2 and drawn(figure)
    gap = heat(settings()[1:], "arms.learned.exploration_rate", "arms.learned.strategy")
    assert gap.cells[1][1] is None and drawn(heat_figure(gap))


def test_the_cold_start_threshold_is_marked() -> None:
    rows = tuple(
        Interactions(group, least, 0.3, 800.0, 790.0, 10.0 * place - 10, *ends, 12.0 * place, None, None)
        for place, (group, least, ends) in enumerate(
            [("0", 0, (-20.0, 1.0)), ("1", 1, (-2.0, 2.0)), ("5-9", 5, (1.0, 9.0))]
        )
    )
    found = cold_start(ColdStart("learned", rows, 5, None, "simulation noise", 0.95, 4, ""))
    assert (found.threshold, found.greedy_threshold, found.value) == (2, None, (-10.0, 0.0, 10.0))
    figure = cold_start_figure(found)
    assert figure["layout"]["annotations"][0]["text"] == "the model may rank from 5-9 on" and drawn(figure)


def test_tables_hold_each_arms_own_values() -> None:
    found = {each.arm: each.values for each in values_of(FIGURES, EXPERIMENT, (*VARIETY, MEASURE))}
    assert list(found) == [*EXPERIMENT.arms, REFERENCE]
    own = compare(FIGURES, "learned", "static", MEASURE, start=400, end=1000).arm_value.headline
    assert found["learned"][MEASURE].value == pytest.approx(own.value)
    assert found["learned"][MEASURE].low == pytest.approx(own.low or 0)
    assert list(found["learned"]) == ["diversity", "coverage", MEASURE]
    assert values_of(FIGURES.iloc[:0], EXPERIMENT) == ()


def test_wide_bands_of_few_replicates_leave_the_curves_readable() -> None:
    at = np.array([1, 2])
    curve = Curve("learned", at, np.array([10.0, 20.0]), np.full(2, -6000.0), np.full(2, 6000.0), at[:0], np.zeros(0))
    found = Curves("title", "axis", ("static", "learned"), (curve,), 2, 2, {}, "")
    assert difference_figure(found)["layout"]["yaxis"]["range"] == [-40.0, 60.0]
    narrow = replace(curve, low=np.array([5.0, 15.0]), high=np.array([15.0, 25.0]))
    assert "range" not in difference_figure(replace(found, curves=(narrow,)))["layout"]["yaxis"]
