"""The waterfall as plain HTML: it stands with the page's text, where Plotly would have to be fetched and started first.

Streamlit's filter of HTML lets no SVG through. Boxes that are placed in percent follow the page's width and theme besides,
and their words stay as large as those around them.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import ceil, floor

from lrerank.charts.figures import colours, round_step
from lrerank.charts.lift_charts import Bar, Waterfall
from lrerank.ui.words import amount

STYLE = """<style>
.lr-steps{display:grid;grid-template-columns:max-content minmax(6rem,1fr) max-content;column-gap:1rem;position:relative;
padding-top:.2rem;font-size:.875rem;line-height:1.35;font-variant-numeric:tabular-nums}
.lr-steps>*{grid-row:var(--row);display:flex;flex-direction:column;justify-content:center;height:5.4rem}
.lr-steps i{position:absolute;display:block}
.lr-arm{grid-column:1;align-items:end}
.lr-step{grid-column:2;position:relative}
.lr-step .lr-bar{top:1rem;bottom:1rem;min-width:2px;border-radius:3px}
.lr-step .lr-whisker{top:calc(50% - .35rem);height:.7rem;border:solid color-mix(in srgb,currentColor 62%,transparent);
border-width:0 2px}
.lr-step .lr-whisker::before{content:"";position:absolute;left:0;right:0;top:calc(50% - 1px);
border-top:2px solid color-mix(in srgb,currentColor 62%,transparent)}
.lr-step .lr-next{top:calc(100% - 1rem);height:2rem;border-left:1px dashed color-mix(in srgb,currentColor 55%,transparent)}
.lr-words{grid-column:3}
.lr-words b{font-size:1.05rem}
.lr-words span{opacity:.86}
.lr-steps .lr-grid{grid-column:2;grid-row:1/span var(--rows);position:relative;height:auto}
.lr-grid i{top:0;bottom:0;border-left:1px solid color-mix(in srgb,currentColor 12%,transparent)}
.lr-grid .lr-zero{border-left:2px solid color-mix(in srgb,currentColor 45%,transparent)}
.lr-steps .lr-ticks{grid-column:2;position:relative;height:1.5rem}
.lr-ticks i{top:.2rem;transform:translateX(-50%);font-style:normal}
.lr-steps .lr-axis{grid-column:2;height:auto;text-align:center;padding-top:.2rem}
@media(max-width:640px){.lr-steps{grid-template-columns:max-content minmax(6rem,1fr)}
.lr-steps>*{grid-row:auto}.lr-steps .lr-words{grid-column:2;height:auto;padding-bottom:.6rem}
.lr-steps .lr-grid,.lr-step .lr-next{display:none}}
</style>"""


@dataclass(frozen=True, slots=True)
class Scale:
    """From value to place, in percent of the width.

    Attributes:
        low, high: values at the left and the right.
        step: between two marks, of which 0 is one.
    """

    low: float
    high: float
    step: float

    @classmethod
    def over(cls, found: Waterfall) -> Scale:
        """From a round number to a round number, with 0, all bars and all intervals between them."""
        ends = [0.0, *(value for bar in found.bars for value in (bar.after, bar.low, bar.high) if value is not None)]
        step = round_step(max(ends) - min(ends) or 1.0, 6)
        low, high = step * floor(min(ends) / step), step * ceil(max(ends) / step)
        return cls(low, max(high, low + step), step)

    @property
    def marks(self) -> tuple[float, ...]:
        """What is written below."""
        return tuple(
            self.step * place for place in range(round(self.low / self.step), round(self.high / self.step) + 1)
        )

    def at(self, value: float) -> float:
        """Its place."""
        return 100.0 * (value - self.low) / (self.high - self.low)


def drawing(found: Waterfall) -> str:
    """Bars from top to bottom, each where the one before it ends, with what it adds in words beside it; "" without bars."""
    drawn = found.bars[1:]
    if not drawn:
        return ""
    scale, colour = Scale.over(found), colours(found.arms)
    lines = "".join(
        f'<i{"" if mark else " class=lr-zero"} style="left:{scale.at(mark):.2f}%"></i>' for mark in scale.marks
    )
    parts = [f'<div class="lr-grid" style="--rows:{len(drawn)}">{lines}</div>']
    for row, bar in enumerate(drawn, 1):
        parts.append(_row(bar, row, scale, colour[bar.arm], found.unit, last=row == len(drawn)))
    ticks = "".join(f'<i style="left:{scale.at(mark):.2f}%">{amount(mark)}</i>' for mark in scale.marks)
    parts.append(f'<div class="lr-ticks" style="--row:{len(drawn) + 1}">{ticks}</div>')
    parts.append(f'<div class="lr-axis" style="--row:{len(drawn) + 2}">{escape(found.axis)}</div>')
    said = f"{found.title}. {found.axis}: {'; '.join(_said(bar, found.unit) for bar in drawn)}."
    return f'{STYLE}<div class="lr-steps" role="img" aria-label="{escape(said)}">{"".join(parts)}</div>'


def _row(bar: Bar, row: int, scale: Scale, colour: str, unit: str, last: bool) -> str:
    ends = scale.at(bar.before), scale.at(bar.after)
    marks = f'<i class="lr-bar" style="{_between(*ends)};background:{colour}"></i>'
    if bar.low is not None and bar.high is not None:
        marks += f'<i class="lr-whisker" style="{_between(scale.at(bar.low), scale.at(bar.high))}"></i>'
    if not last:
        marks += f'<i class="lr-next" style="left:{ends[1]:.2f}%"></i>'
    more = [f"95 % interval {bar.between}"] if bar.between else []
    more += [f"{bar.share} of the way to the best lists"] if bar.share else []
    words = "".join(f"<span>{each}</span>" for each in more)
    return (
        f'<div class="lr-arm" style="--row:{row}">{escape(bar.arm)}</div>'
        f'<div class="lr-step" style="--row:{row}" title="{escape(_said(bar, unit))}">{marks}</div>'
        f'<div class="lr-words" style="--row:{row}"><b>{bar.said} {unit}</b>{words}</div>'
    )


def _between(one: float, other: float) -> str:
    return f"left:{min(one, other):.2f}%;width:{abs(other - one):.2f}%"


def _said(bar: Bar, unit: str) -> str:
    return f"{bar.arm} {bar.said} {unit}" + (f" (95 % interval {bar.between})" if bar.between else "")
