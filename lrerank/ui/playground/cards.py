"""Results as HTML. Colours are half transparent or of middle lightness, so that one sheet serves both themes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lrerank.ui.playground.asked import percent
from lrerank.ui.playground.results import Document, Row, Taste

# Okabe and Ito's colours, told apart by colour-blind eyes, a little darker where white letters stand on them.
_TILES = ("#0072b2", "#b35900", "#00795a", "#a34d7f", "#3f6fa8", "#8a7400", "#5b5ea6", "#7a6a58")

STYLE = """<style>
[data-testid="stLayoutWrapper"]:has(>.st-key-controls){position:sticky;top:4.2rem}
[data-testid="stLayoutWrapper"]:has(>.st-key-told){position:sticky;top:4rem;z-index:20;backdrop-filter:blur(16px);border-radius:.5rem}
[class*="st-key-static-"],[class*="st-key-learned-"]{padding:.65rem .8rem!important;position:relative}
[class*="st-key-click-"]{position:absolute;right:.8rem;bottom:.45rem;width:auto!important}
[class*="st-key-click-"] button{min-height:0;padding:0;color:#2f86d6}
[class*="st-key-click-"] button p{font-size:.82rem;font-weight:600}
[class*="st-key-click-"] button:hover{text-decoration:underline}
.lr-card{display:flex;gap:.6rem;align-items:flex-start;line-height:1.35;min-height:5.1rem}
.lr-slot{font-variant-numeric:tabular-nums;font-weight:600;opacity:.6;min-width:1.1rem;text-align:right;padding-top:.1rem}
.lr-tile{flex:none;width:2.3rem;height:2.3rem;border-radius:.5rem;color:#fff;display:flex;align-items:center;
justify-content:center;font-weight:600;font-size:.8rem}
.lr-body{flex:1;min-width:0}
.lr-title{font-weight:600;font-size:.95rem;display:-webkit-box;-webkit-line-clamp:2;-webkit-box-orient:vertical;overflow:hidden}
.lr-facts{font-size:.8rem;opacity:.72;margin-top:.1rem;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.lr-side{flex:none;width:6.2rem;text-align:right;font-size:.82rem;font-variant-numeric:tabular-nums}
.lr-score{font-weight:600;font-size:.95rem}
.lr-bar{height:.32rem;border-radius:.2rem;background:rgba(128,128,128,.22);margin:.2rem 0 .3rem;overflow:hidden}
.lr-bar i{display:block;height:100%;background:#3b82c4;border-radius:.2rem}
.lr-up{color:#2f86d6;font-weight:600}.lr-down{color:#cf7a1f;font-weight:600}.lr-same{opacity:.72}
.lr-chips{display:flex;flex-wrap:wrap;gap:.3rem;margin-top:.35rem}
.lr-chip{font-size:.75rem;padding:.08rem .5rem;border-radius:1rem;background:rgba(59,130,196,.15);white-space:nowrap;
overflow:hidden;text-overflow:ellipsis;max-width:14rem}
.lr-explored{background:rgba(217,130,43,.22);font-weight:600;max-width:none}
.lr-who{display:flex;flex-wrap:wrap;gap:.5rem 2rem;align-items:flex-start}
.lr-label{font-size:.78rem;opacity:.72}.lr-value{font-size:1.1rem;font-weight:600;line-height:1.5}
.lr-plain{line-height:1.65}
</style>"""


def static_card(row: Row) -> str:
    """A result of the static list, with its place in the learned one."""
    if row.elsewhere is None:
        side = '<span class="lr-same">not in the ten</span>'
    else:
        side = f'<span class="lr-same">learned: {row.elsewhere}</span>'
    return _card(row.slot, row.document, side, "")


def learned_card(row: Row, largest: float) -> str:
    """A result of the learned list.

    Args:
        largest: the list's largest personalization_score, whose bar is full.
    """
    side = ""
    if row.score is not None:
        share = 100 * row.score / largest if largest > 0 else 0.0
        side = (
            f'<div class="lr-score" title="personalization_score: estimated probability of engagement">'
            f'{escape(percent(row.score))}</div><div class="lr-bar"><i style="width:{share:.0f}%"></i></div>'
        )
    chips = [f'<span class="lr-chip" title="{escape(reason)}">{escape(reason)}</span>' for reason in row.reasons]
    if row.explored:
        told = f"explored · propensity {row.propensity:.2g} · boost {row.boost:+.3f}"
        hint = "Drawn at random. The features explain the value, not the placement."
        chips.insert(0, f'<span class="lr-chip lr-explored" title="{hint}">{told}</span>')
    below = f'<div class="lr-chips">{"".join(chips)}</div>' if chips else ""
    return _card(row.slot, row.document, side + _move(row), below)


def who(segment: str, profile: Sequence[Taste], pages: int, engagements: int) -> str:
    """The user's line: segment, what it rests on, and the strongest tastes."""
    rests = f"{engagements:,} clicks and purchases on {pages:,} pages" if pages else "nothing known yet"
    chips = "".join(
        f'<span class="lr-chip" title="Clicked {taste.factor:.1f} times as often as an average user would, '
        f'shrunk towards 1">{escape(taste.label)} ×{taste.factor:.1f}</span>'
        for taste in profile
    )
    strengths = f'<div><div class="lr-label">Clicks more than expected</div><div class="lr-chips">{chips}</div></div>'
    return (
        f'<div class="lr-who"><div><div class="lr-label">Segment, inferred from behaviour</div>'
        f'<div class="lr-value">{escape(segment)}</div></div>'
        f'<div><div class="lr-label">Profile rests on</div><div class="lr-plain">{rests}</div></div>{strengths if chips else ""}</div>'
    )


def _card(slot: int, document: Document, side: str, below: str) -> str:
    colour = _TILES[document.group_code % len(_TILES)]
    return (
        f'<div class="lr-card"><div class="lr-slot">{slot}</div>'
        f'<div class="lr-tile" style="background:{colour}" title="{escape(document.group)}">'
        f"{escape(document.group[:2].capitalize())}</div>"
        f'<div class="lr-body"><div class="lr-title" title="{escape(document.title)}">{escape(document.title)}</div>'
        f'<div class="lr-facts">{escape(document.facts)}</div>{below}</div><div class="lr-side">{side}</div></div>'
    )


def _move(row: Row) -> str:
    came_from = f'title="static place {row.came_from}"'
    if row.move > 0:
        return f'<span class="lr-up" {came_from}>↑ {row.move}</span> <span class="lr-same">from {row.came_from}</span>'
    if row.move < 0:
        return (
            f'<span class="lr-down" {came_from}>↓ {-row.move}</span> <span class="lr-same">from {row.came_from}</span>'
        )
    return '<span class="lr-same">same place</span>'
