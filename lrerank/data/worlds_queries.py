"""What both built-in worlds share: queries as people type them, and judged pools drawn from generated grades."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lrerank.types import IntArray

_POOL = {3: 10, 2: 8, 1: 8}
_UNRELATED = 14


@dataclass(frozen=True, slots=True)
class World:
    """What a generator makes.

    Attributes:
        documents: one row per document, the id first.
        ask: makes queries (query_id, query, query_group) and judgments (query_id, doc_id, grade); to be called once,
            and only when they are wanted, since they take longer than the documents.
    """

    documents: pd.DataFrame
    ask: Callable[[], tuple[pd.DataFrame, pd.DataFrame]]


@dataclass(frozen=True, slots=True)
class Intent:
    """Something people look for.

    Attributes:
        phrasings: ways to ask for it, the plainest first.
        grades: [documents] 0..3, how well each document answers.
        tempting: [documents] whether an irrelevant document looks like an answer (same shelf, same word).
    """

    phrasings: tuple[str, ...]
    grades: IntArray
    tempting: np.ndarray[tuple[int], np.dtype[np.bool_]]


def ask(rng: np.random.Generator, intents: Sequence[Intent], ids: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Queries and judgments: one to three phrasings per intent, one in nine with a slip of the keys.

    Each query has its own pool of some forty documents: up to 10, 8 and 8 of grade 3, 2 and 1, and 14 irrelevant ones,
    of which most are tempting. Intents that nothing answers are left out.
    """
    query_rows: list[tuple[str, str, str]] = []
    judged: list[tuple[str, str, float]] = []
    taken: set[str] = set()
    for group, intent in enumerate(intents):
        if not (intent.grades >= 2).any():
            continue
        count = min(len(intent.phrasings), int(rng.integers(1, 4)))
        for place in sorted(rng.choice(len(intent.phrasings), size=count, replace=False)):
            text = intent.phrasings[place]
            text = with_slip(rng, text) if rng.random() < 1 / 9 else text
            if text in taken:
                continue
            taken.add(text)
            query_id = f"q{len(query_rows) + 1:04d}"
            query_rows.append((query_id, text, f"g{group + 1:03d}"))
            judged += [(query_id, ids[row], float(intent.grades[row])) for row in _pool(rng, intent)]
    queries = pd.DataFrame(query_rows, columns=["query_id", "query", "query_group"], dtype="str")
    pairs = pd.DataFrame([pair[:2] for pair in judged], columns=["query_id", "doc_id"], dtype="str")
    return queries, pairs.assign(grade=np.array([pair[2] for pair in judged], np.float64))


def with_slip(rng: np.random.Generator, text: str) -> str:
    """The text with one slip in its longest word: a letter lost, doubled or swapped with the next."""
    words = text.split(" ")
    longest = max(range(len(words)), key=lambda place: len(words[place]))
    word = words[longest]
    if len(word) < 4:
        return text
    at = int(rng.integers(1, len(word) - 1))
    slips = (
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
    )
    words[longest] = slips[int(rng.integers(3))]
    return " ".join(words)


def pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    """One of the options, uniformly."""
    return options[int(rng.integers(len(options)))]


def unrepeated(text: str) -> str:
    """The text without words that repeat the one before: a wireless keyboard is not a wireless wireless keyboard."""
    words = text.split(" ")
    return " ".join(word for place, word in enumerate(words) if place == 0 or word != words[place - 1])


def _pool(rng: np.random.Generator, intent: Intent) -> list[int]:
    rows: list[int] = []
    for grade, most in _POOL.items():
        rows += _some(rng, np.flatnonzero(intent.grades == grade), most)
    tempting = _some(rng, np.flatnonzero((intent.grades == 0) & intent.tempting), _UNRELATED - 4)
    other = _some(rng, np.flatnonzero((intent.grades == 0) & ~intent.tempting), _UNRELATED - len(tempting))
    return sorted(rows + tempting + other)


def _some(rng: np.random.Generator, rows: IntArray, most: int) -> list[int]:
    return [int(row) for row in rng.choice(rows, size=min(most, len(rows)), replace=False)]
