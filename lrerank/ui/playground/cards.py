"""Results as HTML. Colours are half transparent or of middle lightness, so that one sheet serves both themes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from lrerank.ui.playground.asked import percent
from lrerank.ui.playground.beliefs import Dropped
from lrerank.ui.playground.changes import Move
from lrerank.ui.playground.results import LEARNED, MMR, OTHERS, RERANK, RETRIEVAL, Document, Row, Taste
from lrerank.ui.words import counted

# Okabe and Ito's colours, told apart by colour-blind eyes, a little darker where white letters stand on them.
_TILES = ("#0072b2", "#b35900", "#00795a", "#a34d7f", "#3f6fa8", "#8a7400", "#5b5ea6", "#7a6a58")

TITLES: Mapping[str, str] = {RETRIEVAL: "Retrieval", RERANK: "rerank", MMR: "mmr", LEARNED: "learned_rerank"}
"""List → its heading."""
TOLD: Mapping[str, str] = {
    RETRIEVAL: "as the search found it",
    RERANK: "static, the same for everybody",
    MMR: "diverse, the same for everybody",
    LEARNED: "personal",
}

STYLE = """<style>
[data-testid="stLayoutWrapper"]:has(>.st-key-controls){position:sticky;top:4.2rem}
[data-testid="stLayoutWrapper"]:has(>.st-key-told){position:sticky;top:4rem;z-index:20;backdrop-filter:blur(16px);border-radius:.5rem}
[class*="st-key-others-"],[class*="st-key-learned-"]{padding:.5rem .65rem!important;position:relative;border-radius:.5rem}
[class*="st-key-others-"]{padding:0!important;border:0!important}
[class*="st-key-others-"] [data-testid="stHtml"],[class*="st-key-others-"] [data-testid="stElementContainer"]{height:100%}
[class*="st-key-click-"]{position:absolute;right:.65rem;bottom:.35rem;width:auto!important}
[class*="st-key-click-"] button{min-height:0;padding:0;color:light-dark(#1767ad,#62aef0)}
[class*="st-key-click-"] button p{font-size:.8rem;font-weight:600}
[class*="st-key-click-"] button p span{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);
white-space:nowrap}
[class*="st-key-click-"] button:hover{text-decoration:underline}
.lr-cells{display:grid;grid-template-columns:repeat(var(--lists),minmax(0,1fr));gap:.5rem;height:100%}
.lr-cell{border:1px solid rgba(128,128,128,.25);border-radius:.5rem;padding:.5rem .6rem;display:flex;gap:.5rem;min-width:0;
line-height:1.3;min-height:6.1rem;transition:background .12s}
.lr-cell .lr-body{display:flex;flex-direction:column}
.lr-cell .lr-title{font-size:.86rem;-webkit-line-clamp:3}
.lr-cell .lr-to{margin-top:auto;font-size:.78rem;font-variant-numeric:tabular-nums;padding-top:.15rem}
.lr-heads{display:grid;grid-template-columns:repeat(var(--lists),minmax(0,1fr));gap:.5rem}
.lr-head{font-weight:600;font-size:1rem;line-height:1.3}
.lr-head code{font-size:.95rem;padding:0;background:none;color:inherit}
.lr-head span{display:block;font-weight:400;font-size:.78rem;opacity:.72}
.lr-card{display:flex;gap:.55rem;align-items:flex-start;line-height:1.3}
.lr-learned{min-height:6.1rem;padding-bottom:1.25rem}
.lr-slot{font-variant-numeric:tabular-nums;font-weight:600;opacity:.74;min-width:1.05rem;text-align:right;padding-top:.1rem}
.lr-tile{flex:none;width:2rem;height:2rem;border-radius:.45rem;color:#fff;display:flex;align-items:center;
justify-content:center;font-weight:600;font-size:.74rem}
.lr-cell .lr-tile{width:1.6rem;height:1.6rem;font-size:.64rem;border-radius:.35rem}
.lr-body{flex:1;min-width:0}
.lr-title{font-weight:600;font-size:.92rem;display:-webkit-box;-webkit-line-clamp:2;-webkit-box-orient:vertical;overflow:hidden}
.lr-facts{font-size:.78rem;opacity:.72;margin-top:.1rem;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.lr-side{flex:none;width:4.6rem;text-align:right;font-size:.8rem;font-variant-numeric:tabular-nums}
.lr-score{font-weight:600;font-size:.95rem}
.lr-bar{height:.32rem;border-radius:.2rem;background:rgba(128,128,128,.22);margin:.2rem 0 .3rem;overflow:hidden}
.lr-bar i{display:block;height:100%;background:#3b82c4;border-radius:.2rem}
.lr-up{color:light-dark(#1767ad,#62aef0);font-weight:600}.lr-down{color:light-dark(#a05000,#f0a04b);font-weight:600}.lr-same{opacity:.72}
.lr-moves{font-size:.78rem;margin-top:.15rem;font-variant-numeric:tabular-nums;display:flex;flex-wrap:wrap;gap:0 .7rem}
.lr-chips{display:flex;flex-wrap:wrap;gap:.25rem;margin-top:.3rem}
.lr-learned .lr-chips{margin-left:4.15rem}
.lr-chip{font-size:.75rem;padding:.08rem .5rem;border-radius:1rem;background:rgba(59,130,196,.15);white-space:nowrap;
overflow:hidden;text-overflow:ellipsis;max-width:13rem}
.lr-explored{background:rgba(217,130,43,.22);font-weight:600;max-width:none}
.lr-who{display:flex;flex-wrap:wrap;gap:.4rem 2rem;align-items:flex-start}
.lr-label{font-size:.78rem;opacity:.72}.lr-value{font-size:1.1rem;font-weight:600;line-height:1.5}
.lr-plain{line-height:1.65}
.lr-table{width:100%;border-collapse:collapse;font-size:.86rem}
.lr-table th{text-align:left;font-weight:600;opacity:.72;font-size:.78rem}
.lr-table td,.lr-table th{padding:.18rem .6rem .18rem 0;border-bottom:1px solid rgba(128,128,128,.2);vertical-align:top}
.lr-table th.lr-number,.lr-table td.lr-number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;width:1%}
.st-key-json textarea{font-family:"Source Code Pro",ui-monospace,monospace!important;font-size:.8rem!important;line-height:1.4}
@media (max-width:1600px){
.lr-learned .lr-chips{margin-left:1.6rem}.lr-learned .lr-chip{font-size:.72rem;padding:.05rem .4rem}.lr-learned .lr-side{width:3.6rem}
.lr-moves{gap:0 .5rem}
.lr-cells[style*="--lists:3"] .lr-tile{display:none}
.lr-cell .lr-facts{white-space:normal;display:-webkit-box;-webkit-line-clamp:2;-webkit-box-orient:vertical;font-size:.74rem}
.lr-cell{padding:.45rem .5rem}.lr-cell .lr-title{font-size:.82rem}}
</style>"""


def heads(names: Sequence[str], explored: int = 0, fallback: str = "") -> str:
    """The headings of some lists, side by side.

    Args:
        explored: how many slots of the learned list.
        fallback: who ranked instead of the model; "" where the model did.
    """
    found = []
    for name in names:
        told = TOLD[name]
        if name == LEARNED:
            told = f"not yet personal: {fallback} ranked" if fallback else told
            told += f", {explored} explored" if explored else ""
        title = TITLES[name] if name == RETRIEVAL else f"<code>{TITLES[name]}</code>"
        found.append(f'<div class="lr-head">{title}<span>{told}</span></div>')
    return f'<div class="lr-heads" style="--lists:{len(names)}">{"".join(found)}</div>'


def other_cells(rows: Mapping[str, Row | None], mark: Mapping[str, str]) -> str:
    """What the other lists show in one slot, side by side, each with where the learned list has it.

    Args:
        rows: list → its row in this slot, if it has one.
        mark: document → class name by which its places in all lists are lit up together.
    """
    cells = []
    for name, row in rows.items():
        if row is None:
            cells.append("<div></div>")
            continue
        body = (
            f'<div class="lr-slot">{row.slot}</div>{_tile(row.document)}<div class="lr-body">{_title(row.document)}'
            f'<div class="lr-facts">{escape(row.document.facts)}</div><div class="lr-to">{_to_learned(row, name)}</div></div>'
        )
        cells.append(f'<div class="lr-cell {mark[row.document.document_id]}">{body}</div>')
    return f'<div class="lr-cells" style="--lists:{len(rows)}">{"".join(cells)}</div>'


def learned_card(row: Row, largest: float, against: Sequence[str] = OTHERS, mark: str = "") -> str:
    """A result of the learned list.

    Args:
        largest: the list's largest personalization_score, whose bar is full.
        against: the lists to compare its place with.
        mark: see `other_cells`.
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
    moves = "".join(f"<span>{_arrow(row, name)} {TITLES[name].lower()}</span>" for name in against)
    moved = f'<div class="lr-moves" title="Places against the other lists">{moves}</div>' if moves else ""
    return (
        f'<div class="lr-learned {mark}"><div class="lr-card"><div class="lr-slot">{row.slot}</div>{_tile(row.document)}'
        f'<div class="lr-body">{_title(row.document)}<div class="lr-facts">{escape(row.document.facts)}</div>{moved}</div>'
        f'<div class="lr-side">{side}</div></div>{below}</div>'
    )


def lights(mark: Mapping[str, str]) -> str:
    """A style by which a document's places in all lists are lit up while the pointer is on one of them."""
    rules = "".join(
        f".stMain:has(.{name}:hover) .{name}{{background:rgba(59,130,196,.16);border-radius:.5rem}}"
        for name in mark.values()
    )
    return f"<style>{rules}</style>"


def who(name: str, segment: str, profile: Sequence[Taste], pages: int, engagements: int) -> str:
    """The user's line: name, segment, what it rests on, and the strongest tastes."""
    known = f"{counted(engagements, 'click or purchase', 'clicks and purchases')} on {counted(pages, 'page')}"
    rests = known if pages else "nothing known yet"
    chips = "".join(
        f'<span class="lr-chip" title="Clicked {taste.factor:.1f} times as often as an average user would, '
        f'shrunk towards 1">{escape(taste.label)} ×{taste.factor:.1f}</span>'
        for taste in profile
    )
    strengths = f'<div><div class="lr-label">Clicks more than expected</div><div class="lr-chips">{chips}</div></div>'
    return (
        f'<div class="lr-who"><div><div class="lr-label">{escape(name)}, segment inferred from behaviour</div>'
        f'<div class="lr-value">{escape(segment)}</div></div>'
        f'<div><div class="lr-label">Profile rests on</div><div class="lr-plain">{rests}</div></div>{strengths if chips else ""}</div>'
    )


def moves_table(moves: Sequence[Move]) -> str:
    """Where documents stood and stand, and why."""
    rows = "".join(
        f'<tr><td class="lr-number">{_change(move.before - move.after)}</td><td class="lr-number">{move.before} → {move.after}</td>'
        f"<td>{escape(move.title)}</td><td>{escape(move.cause) if move.cause else _no_cause(move)}</td></tr>"
        for move in moves
    )
    heads_ = '<th class="lr-number">Moved</th><th class="lr-number">Place</th><th>Item</th><th>Because of</th>'
    return f'<table class="lr-table"><thead><tr>{heads_}</tr></thead><tbody>{rows}</tbody></table>'


def dropped_table(found: Sequence[Dropped]) -> str:
    """Features with what each contributes, and what happens without it."""
    rows = "".join(
        f'<tr><td>{escape(one.feature)}</td><td class="lr-number">{_signed(one.contribution)}</td>'
        f'<td class="lr-number">{_signed(-one.loss)}</td><td class="lr-number">{one.place}</td></tr>'
        for one in found
    )
    titles = ("Contribution", "Value if dropped", "Place then")
    heads_ = "<th>Feature</th>" + "".join(f'<th class="lr-number">{title}</th>' for title in titles)
    return f'<table class="lr-table"><thead><tr>{heads_}</tr></thead><tbody>{rows}</tbody></table>'


def _signed(amount: float) -> str:
    return f"{amount:+.3f}".replace("-", "−")


def _no_cause(move: Move) -> str:
    return '<span class="lr-same">' + ("others fell" if move.after < move.before else "others rose past it") + "</span>"


def _tile(document: Document) -> str:
    colour = _TILES[document.group_code % len(_TILES)]
    letters = escape(document.group[:2].capitalize())
    return f'<div class="lr-tile" style="background:{colour}" title="{escape(document.group)}">{letters}</div>'


def _title(document: Document) -> str:
    return f'<div class="lr-title" title="{escape(document.title)}">{escape(document.title)}</div>'


def _to_learned(row: Row, name: str) -> str:
    learned = row.places.get(LEARNED)
    if learned is None:
        return '<span class="lr-same">not in learned</span>'
    return f'{_change(row.move(name))} <span class="lr-same">learned {learned}</span>'


def _arrow(row: Row, name: str) -> str:
    move = row.move(name)
    return '<span class="lr-same">new to</span>' if move is None else _change(move)


def _change(move: int | None) -> str:
    if not move:
        return '<span class="lr-same" title="same place">=</span>'
    if move > 0:
        return f'<span class="lr-up" title="{move} higher">↑{move}</span>'
    return f'<span class="lr-down" title="{-move} lower">↓{-move}</span>'
