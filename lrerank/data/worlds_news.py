"""The news site: articles of invented sources and authors, and queries of readers."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lrerank.data.worlds_queries import Intent, World, ask, pick

_ARTICLES = 3000
_NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
_DAYS = 60
_SLOT = re.compile(r"\{([a-z]+)(2?)(\^?)\}")
_HARD_NEWS = {"politics", "world", "economy", "business", "technology", "climate", "crime", "sport"}
_TAGGED = ("country", "city", "port", "station", "company")
_MOST_OF_A_PIECE = 24


@dataclass(frozen=True, slots=True)
class Article:
    """What the generator knows of an article; story, piece and slots grade queries and are no fields."""

    story: int
    piece: int
    slots: Mapping[str, str]
    row: Mapping[str, Any]


def generate(rng: np.random.Generator, folder: Path, articles: int = _ARTICLES) -> World:
    """A news site of that many articles from sixty days, and its readers' queries with their judgments."""
    stories: list[dict[str, Any]] = _toml(folder / "stories.toml")["story"]
    slots, formats = _toml(folder / "slots.toml"), _toml(folder / "formats.toml")["format"]
    people = _toml(folder / "people.toml")
    sources = people["source"]
    authors = _authors(rng, people, sorted({story["topic"] for story in stories}))
    weights = np.array([source["weight"] for source in sources])
    made: list[Article] = []
    headlines: set[str] = set()
    told: dict[tuple[int, int], int] = {}
    while len(made) < articles:
        place = int(rng.integers(len(stories)))
        story = stories[place]
        piece = int(rng.integers(len(story["piece"])))
        filled = _filled(rng, story["piece"][piece], slots)
        source = sources[int(rng.choice(len(sources), p=weights / weights.sum()))]
        row = _article(rng, story, piece, filled, source, formats, authors)
        # No headline twice, and no template so often that a reader would notice it.
        if row["headline"] in headlines or told.get((place, piece), 0) >= _MOST_OF_A_PIECE:
            continue
        headlines.add(row["headline"])
        told[place, piece] = told.get((place, piece), 0) + 1
        made.append(Article(place, piece, filled, row))
    ids = [f"a{number:05d}" for number in 20_001 + rng.permutation(len(made))]
    frame = pd.DataFrame([{"article_id": name, **article.row} for name, article in zip(ids, made, strict=True)])
    (asking,) = rng.spawn(1)
    return World(frame, lambda: ask(asking, _intents(asking, stories, made), ids))


def _article(
    rng: np.random.Generator,
    story: Mapping[str, Any],
    piece: int,
    slots: Mapping[str, str],
    source: Mapping[str, Any],
    formats: Sequence[Mapping[str, Any]],
    authors: Mapping[tuple[str, str], Sequence[str]],
) -> dict[str, Any]:
    matter = story["piece"][piece]
    forms = [form for form in formats if story["topic"] in form.get("topics", [story["topic"]])]
    odds = np.array([form["weight"] for form in forms])
    form = forms[int(rng.choice(len(forms), p=odds / odds.sum()))]
    age = min(float(rng.exponential(26.0)), rng.uniform(0, _DAYS))
    date = _NOW - timedelta(days=age)
    mood = story["mood"] + source["tilt"] + rng.normal(scale=0.16)
    headline = form["prefix"] + fill(matter["headline"], slots)
    text = f"{headline} {(summary := fill(pick(rng, matter['summaries']), slots))}"
    named = [slots[slot] for slot in _TAGGED if slot in slots and slots[slot] in text]
    return {
        "headline": headline,
        "summary": summary,
        "topic": story["topic"],
        "tags": [*story["tags"], *named[:2]],
        "format": form["name"],
        "length": max(90, round(source["length"] * form["length"] * float(rng.lognormal(0, 0.3)))),
        "sentiment": round(float(np.clip(mood, -1, 1)), 2),
        "breaking": bool(story["topic"] in _HARD_NEWS and age < 20 and rng.random() < source["breaking"] * 1.5),
        "author": pick(rng, authors[source["name"], story["topic"]]),
        "source": source["name"],
        "date": date.replace(second=0, microsecond=0).isoformat(),
    }


def fill(template: str, slots: Mapping[str, str]) -> str:
    """The template with its braces filled; a sentence that a lower-case slot begins gets its capital by `{slot^}`."""

    def value(match: re.Match[str]) -> str:
        text = slots[match[1] + match[2]]
        return text[0].upper() + text[1:] if match[3] else text

    return _SLOT.sub(value, template)


def _filled(rng: np.random.Generator, matter: Mapping[str, Any], slots: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """A value for every slot that the piece's texts have, and another for its second use."""
    filled: dict[str, str] = {}
    for match in _SLOT.finditer(" ".join([matter["headline"], *matter["summaries"]])):
        name = match[1]
        if name not in filled:
            one, other = rng.choice(len(slots[name]), size=2, replace=False)
            filled[name], filled[f"{name}2"] = slots[name][one], slots[name][other]
    return filled


def _authors(
    rng: np.random.Generator, people: Mapping[str, Any], topics: Sequence[str]
) -> dict[tuple[str, str], list[str]]:
    """(source, topic) → the authors who write about it there; each author has one source and up to three topics."""
    first, last = rng.permutation(people["first"]), rng.permutation(people["last"])
    names = [
        f"{first[place % len(first)]} {last[(place * 7 + place // len(last)) % len(last)]}"
        for place in range(people["authors"])
    ]
    sources = [source["name"] for source in people["source"]]
    desks: dict[tuple[str, str], list[str]] = {}
    for place, name in enumerate(names):
        source = sources[place % len(sources)]
        for topic in rng.choice(len(topics), size=3, replace=False):
            desks.setdefault((source, topics[topic]), []).append(name)
    for place, source in enumerate(sources):
        staff = names[place :: len(sources)]
        for topic in topics:
            # A topic without a specialist is covered by whoever is on duty.
            desks.setdefault((source, topic), [pick(rng, staff)])
    return desks


def _intents(rng: np.random.Generator, stories: Sequence[Mapping[str, Any]], made: Sequence[Article]) -> list[Intent]:
    intents: list[Intent] = []
    for place, story in enumerate(stories):
        for query in story["query"]:
            pieces = {number - 1 for number in query["pieces"]}
            answers = [article for article in made if article.story == place and article.piece in pieces]
            wanted = [match[1] for match in _SLOT.finditer(query["text"])]
            # The place or name asked for must be in an article that answers.
            telling = [article for article in answers if _names_all(article, wanted)]
            if not telling:
                continue
            slots = telling[int(rng.integers(len(telling)))].slots
            text = fill(query["text"], slots)
            phrasings = (text.lower(), f"{text.lower()} news", f"latest on {text}", f"{text.lower()} this week")
            intents.append(_intent(made, story, place, pieces, {name: slots[name] for name in wanted}, phrasings))
    return intents


def _intent(
    made: Sequence[Article],
    story: Mapping[str, Any],
    place: int,
    pieces: set[int],
    wanted: Mapping[str, str],
    phrasings: tuple[str, ...],
) -> Intent:
    """Grades: 3 the matter and every place or name asked for, 2 the matter elsewhere, 1 a related matter, 0 else."""
    grades = np.zeros(len(made), np.int64)
    tempting = np.zeros(len(made), np.bool_)
    for row, article in enumerate(made):
        said = f"{article.row['headline']} {article.row['summary']}"
        if article.story == place:
            met = all(value in said for value in wanted.values())
            grades[row] = 1 if article.piece not in pieces else 3 if met else 2
        tempting[row] = article.row["topic"] == story["topic"] or any(value in said for value in wanted.values())
    return Intent(phrasings, grades, tempting)


def _names_all(article: Article, wanted: Sequence[str]) -> bool:
    said = f"{article.row['headline']} {article.row['summary']}"
    return all(name in article.slots and article.slots[name] in said for name in wanted)


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
