"""Three clicks of a new visitor in one category: how far does the category rise on the next search?

A case is a query and a class of which 3 to half of the query's candidates are, at least one of them on the page. A new
visitor searches, clicks a document of that class, and does so twice more; each click is on a page of its own. Ranks are
among all candidates, without exploration, in the model's own order. The next search is

- the same again, against what the model would have shown to a stranger before the clicks: all documents of the class,
  and those only that were not clicked themselves;
- the same again, against the fallback's order, which was the visitor's first page: in all cases, and in those where the
  class had room, so that its median document had at least two documents of other classes above it;
- for something else that has documents of the class, against the model's order for a stranger: taste alone.

Prints medians over cases of the median over documents. "Of the possible" is the sum of all rises over what it would be
with the class on top. "Taking over" is what changes on the first page without any click, when the model ranks in place
of the fallback.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrerank.data.catalog import CategoricalColumn
from lrerank.store import Store
from lrerank.types import IntArray
from lrerank.ui.demo import ready
from lrerank.ui.playground.asked import Asked
from lrerank.ui.playground.session import Session
from lrerank.ui.policy import Policy

CLASSES = {
    "marketplace": ("metadata.category", "metadata.subcategory", "metadata.brand"),
    "news": ("content.topic", "metadata.source", "content.format"),
}
_CLICKS = 3
_ROOM = 2
_GREEDY = Policy(exploration_rate=0.0)


def cases(session: Session, path: str, most: int, seed: int = 0) -> list[tuple[str, int]]:
    """(query, code of the class) drawn from all there are."""
    every, found = _codes(session, path), []
    for query in session.queries:
        codes = every[session.incoming(_asked(session, query), query).rows]
        values, counts = np.unique(codes[codes >= 0], return_counts=True)
        found += [
            (query, int(code))
            for code, count in zip(values, counts, strict=True)
            if 3 <= count <= len(codes) // 2 and (codes[:10] == code).any()
        ]
    return [found[place] for place in np.random.default_rng(seed).permutation(len(found))[:most]]


@dataclass(frozen=True, slots=True)
class Rise:
    """Median rises of one case, in places; NaN where there is no such document.

    Attributes:
        all, unclicked: of the class, by the clicks alone.
        seen: of the class, against the visitor's first page.
        room: documents of other classes that stood there above one of the class.
        possible: share of the rise that would bring the class to the top; NaN where it was there.
        taking_over: of the class, for a stranger, when the model ranks in place of the fallback.
        elsewhere: of the class, in another search.
        causes: share of the risers of the first page for which a cause was named.
    """

    all: float
    unclicked: float
    seen: float
    room: float
    possible: float
    taking_over: float
    elsewhere: float
    causes: float


def rises(session: Session, path: str, chosen: Sequence[tuple[str, int]], *, apart: bool = True) -> Iterator[Rise]:
    """One after the other, each with a visitor of its own.

    Args:
        apart: each begins with the published model; else with what the cases before it taught, which is faster.
    """
    codes = _codes(session, path)
    for number, (query, code) in enumerate(chosen):
        if apart:
            session.start_over()
        visitor = f"{session.visitor}-{number}"
        asked = replace(_asked(session, query), user_id=visitor)
        rows = session.incoming(_asked(session, query), query).rows
        others = [text for text, same in chosen if same == code and text != query]
        before = _places(session, query, None)
        before_elsewhere = _places(session, others[0], None) if others else None
        clicked: list[str] = []
        causes: list[bool] = []
        for _ in range(_CLICKS):
            shown = session.rank(asked)
            ids = [row.document.document_id for row in shown.learned]
            own = [item for item in ids if codes[session.catalog.row_of[item]] == code]
            fresh = [item for item in own if item not in clicked] or own
            if not fresh:
                break
            clicked.append(fresh[0])
            changed = session.click(shown, fresh[0])
            causes += [bool(move.cause) for move in changed.moves if move.after < move.before]
        if len(clicked) < _CLICKS:
            continue
        members = codes[rows] == code
        unclicked = members & ~np.isin(rows, [session.catalog.row_of[item] for item in clicked])
        after = _places(session, query, visitor)
        first = np.arange(len(rows))
        room = first[members] - np.arange(members.sum())
        elsewhere = float("nan")
        if before_elsewhere is not None:
            there = codes[session.incoming(_asked(session, others[0]), others[0]).rows] == code
            elsewhere = float(np.median((before_elsewhere - _places(session, others[0], visitor))[there]))
        yield Rise(
            float(np.median((before - after)[members])),
            float(np.median((before - after)[unclicked])) if unclicked.any() else float("nan"),
            float(np.median((first - after)[members])),
            float(np.median(room)),
            float((first - after)[members].sum() / room.sum()) if room.any() else float("nan"),
            float(np.median((first - before)[members])),
            elsewhere,
            float(np.mean(causes or [True])),
        )


def _codes(session: Session, path: str) -> NDArray[np.int32]:
    column = session.catalog.column(path)
    assert isinstance(column, CategoricalColumn)
    return column.codes


def _asked(session: Session, query: str) -> Asked:
    return Asked(session.world, session.visitor, query, _GREEDY)


def _places(session: Session, query: str, user_id: str | None) -> IntArray:
    """[candidates] 0-based places in the model's order for a user; None for a stranger."""
    reranker, found = session.deployment().reranker, session.incoming(_asked(session, query), query)
    known = None if user_id is None else session.pseudonym(user_id)
    block = reranker.assemble(found.rows, found.scores, known, {}, session.now(), query=query)
    places = np.empty(len(found), np.int64)
    places[np.argsort(-reranker.judge(block).values, kind="stable")] = np.arange(len(found))
    return places


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=60, help="of each class, at most")
    parser.add_argument("--home", type=Path, help="where demo stores lie; the default store's by default")
    options = parser.parse_args(arguments)
    heads = (
        "world",
        "class",
        "cases",
        "all",
        "quartiles",
        "unclicked",
        "first page",
        "its room",
        "first page with room",
    )
    heads += ("of the possible", "taking over", "another search", "risers with a cause")
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    for world, paths in CLASSES.items():
        session = Session(world, ready(world, options.home or Store().home / "demo"))
        for path in paths:
            found = list(rises(session, path, cases(session, path, options.cases)))
            with_room = [one for one in found if one.room >= _ROOM]
            cells = (
                world,
                path.rsplit(".", 1)[-1],
                str(len(found)),
                _median(found, "all"),
                _quartiles(found, "all", "+"),
                _median(found, "unclicked"),
                _median(found, "seen"),
                _quartiles(found, "room", ""),
                f"{_median(with_room, 'seen')} ({len(with_room)} cases)",
                f"{np.nanmedian([one.possible for one in with_room]):.0%}".replace("%", " %"),
                _median(found, "taking_over"),
                _median(found, "elsewhere"),
                f"{np.mean([one.causes for one in found]):.0%}".replace("%", " %"),
            )
            print(f"| {' | '.join(cells)} |", flush=True)


def _median(found: Sequence[Rise], name: str) -> str:
    return f"{np.nanmedian([getattr(one, name) for one in found]):+.1f}".replace("-", "−")


def _quartiles(found: Sequence[Rise], name: str, sign: str) -> str:
    low, high = np.percentile([getattr(one, name) for one in found], (25, 75))
    return f"{low:{sign}.1f} to {high:{sign}.1f}"


if __name__ == "__main__":
    main(sys.argv[1:])
