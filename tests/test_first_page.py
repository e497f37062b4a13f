"""The first page's waterfall: boxes stand where the data are, and words say the same."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from charting import EXPERIMENT, figures

from lrerank.charts.lift_charts import Waterfall, waterfall
from lrerank.ui.welcome.steps import Scale, drawing

FOUND = waterfall(figures(), EXPERIMENT)
BELOW = replace(FOUND, bars=(FOUND.bars[0], replace(FOUND.bars[1], after=-3.0, low=-9.0, high=2.0)))
ALIKE = replace(FOUND, bars=(FOUND.bars[0], replace(FOUND.bars[1], before=0.0, after=0.0, low=0.0, high=0.0)))
NONE = replace(FOUND, bars=FOUND.bars[:1])


def boxes(kind: str, html: str) -> list[tuple[float, float]]:
    """Left and right ends, in percent."""
    found = re.findall(rf'class="lr-{kind}" style="left:([-\d.]+)%;width:([\d.]+)%', html)
    return [(float(left), float(left) + float(width)) for left, width in found]


@pytest.mark.parametrize("found", [FOUND, BELOW, ALIKE])
def test_bars_and_intervals_end_where_the_data_do(found: Waterfall) -> None:
    html, scale = drawing(found), Scale.over(found)
    assert scale.at(scale.marks[0]) == 0 and scale.at(scale.marks[-1]) == 100 and 0.0 in scale.marks
    for kind, ends in (
        ("bar", [(bar.before, bar.after) for bar in found.bars[1:]]),
        ("whisker", [(bar.low, bar.high) for bar in found.bars[1:]]),
    ):
        drawn = boxes(kind, html)
        assert len(drawn) == len(ends)
        for (left, right), each in zip(drawn, ends, strict=True):
            low, high = sorted(scale.low + place / 100 * (scale.high - scale.low) for place in (left, right))
            assert (low, high) == pytest.approx(sorted(each), abs=1e-3 * (scale.high - scale.low))
            assert 0 <= left <= right <= 100


def test_it_is_said_as_well() -> None:
    html = drawing(FOUND)
    label = re.search(r'role="img" aria-label="([^"]*)"', html)
    assert label and FOUND.axis in label[1]
    for bar in FOUND.bars[1:]:
        said = f"{bar.arm} {bar.said} clicks (95 % interval {bar.between})"
        assert said in label[1] and f'title="{said}"' in html and bar.share in html
    assert "&lt;arm&gt;" in drawing(
        replace(FOUND, arms=("<arm>",), bars=(FOUND.bars[0], replace(FOUND.bars[1], arm="<arm>")))
    )
    assert drawing(NONE) == ""
