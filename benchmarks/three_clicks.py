"""Three clicks of a new visitor in one category: how far does the category rise on the next search?

A case is a query and a class of which 3 to half of the query's candidates are, at least one of them on the page. A new
visitor searches, clicks a document of that class, and does so twice more; each click is on a page of its own. Then the
same search again. Ranks are among all candidates, without exploration, in the model's own order; two comparisons:

- by the clicks alone: against what the model, before them, would have shown to a stranger;
- as the visitor sees it: against the fallback's order, which was their first page.

Prints the median over cases of the median over the class's documents.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lrerank.data.catalog import CategoricalColumn
from lrerank.store import Store
from lrerank.types import FloatArray, IntArray
from lrerank.ui.demo import ready
from lrerank.ui.playground.asked import Asked
from lrerank.ui.playground.session import Session
from lrerank.ui.policy import Policy

CLASSES = {
    "marketplace": ("metadata.category", "metadata.subcategory", "metadata.brand"),
    "news": ("content.topic", "metadata.source", "content.format"),
}
_CLICKS = 3
# The model learns from the clicks of one case; the next begins with a model that has not.
_GREEDY = Policy(exploration_rate=0.0)


def cases(session: Session, path: str, most: int, seed: int = 0) -> list[tuple[str, int]]:
    """(query, code of the class) drawn from all there are."""
    column = session.catalog.column(path)
    assert isinstance(column, CategoricalColumn)
    found = []
    for query in session.queries:
        codes = column.codes[session.incoming(_asked(session, query), query).rows]
        values, counts = np.unique(codes[codes >= 0], return_counts=True)
        found += [
            (query, int(code))
            for code, count in zip(values, counts, strict=True)
            if 3 <= count <= len(codes) // 2 and (codes[:10] == code).any()
        ]
    return [found[place] for place in np.random.default_rng(seed).permutation(len(found))[:most]]


def rises(session: Session, path: str, chosen: list[tuple[str, int]]) -> Iterator[tuple[float, float, float]]:
    """For each case the median rise by the clicks alone, as the visitor sees it, and the share of causes named."""
    column = session.catalog.column(path)
    assert isinstance(column, CategoricalColumn)
    for query, code in chosen:
        session.start_over()
        asked = _asked(session, query)
        rows = session.incoming(asked, query).rows
        members = column.codes[rows] == code
        before = _places(_values(session, query, None))
        clicked: list[str] = []
        causes: list[bool] = []
        for _ in range(_CLICKS):
            shown = session.rank(asked)
            own = [
                one.document.document_id
                for one in shown.learned
                if column.codes[session.catalog.row_of[one.document.document_id]] == code
            ]
            fresh = [item for item in own if item not in clicked] or own
            if not fresh:
                break
            clicked.append(fresh[0])
            changed = session.click(shown, fresh[0])
            causes += [bool(move.cause) for move in changed.moves if move.after < move.before]
        if len(clicked) == _CLICKS:
            after = _places(_values(session, query, session.visitor))
            seen = np.arange(len(rows)) - after
            yield (
                float(np.median((before - after)[members])),
                float(np.median(seen[members])),
                float(np.mean(causes or [1])),
            )


def _asked(session: Session, query: str) -> Asked:
    return Asked(session.world, session.visitor, query, _GREEDY)


def _values(session: Session, query: str, user_id: str | None) -> FloatArray:
    reranker, found = session.deployment().reranker, session.incoming(_asked(session, query), query)
    known = None if user_id is None else session.pseudonym(user_id)
    block = reranker.assemble(found.rows, found.scores, known, {}, session.now(), query=query)
    return reranker.judge(block).values


def _places(values: FloatArray) -> IntArray:
    places = np.empty(len(values), np.int64)
    places[np.argsort(-values, kind="stable")] = np.arange(len(values))
    return places


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=60, help="of each class, at most")
    parser.add_argument("--home", type=Path, help="where demo stores lie; the default store's by default")
    options = parser.parse_args(arguments)
    print(
        "| world | class | cases | by the clicks alone | quartiles | as seen | share of cases with 2 or more | risers with a cause |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for world, paths in CLASSES.items():
        session = Session(world, ready(world, options.home or Store().home / "demo"))
        for path in paths:
            found = np.array(list(rises(session, path, cases(session, path, options.cases))))
            alone, low, high = np.percentile(found[:, 0], (50, 25, 75))
            print(
                f"| {world} | {path.rsplit('.', 1)[-1]} | {len(found)} | {alone:.1f} | {low:.1f} to {high:.1f} | "
                f"{np.median(found[:, 1]):.1f} | {(found[:, 0] >= 2).mean():.0%} | {found[:, 2].mean():.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
