"""One browser session's playground on one catalog: it ranks, takes clicks, learns, says what changed, and takes it back."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import TypeVar

import numpy as np

from lrerank.data.catalog import Catalog
from lrerank.deployment import Deployment
from lrerank.features import context_terms
from lrerank.pipeline import Pipeline, Ranking
from lrerank.profiles import Profile
from lrerank.stages.base import Environment
from lrerank.stages.learned_rerank import LearnedRerank
from lrerank.store import Store
from lrerank.types import Candidates, IntArray
from lrerank.ui.demo import MODEL_ID, catalog_of, queries, users, working_copy
from lrerank.ui.playground.asked import Asked, fallback_told
from lrerank.ui.playground.changes import Change, change
from lrerank.ui.playground.names import first_names
from lrerank.ui.playground.results import (
    LEARNED,
    MMR,
    OTHERS,
    RERANK,
    RETRIEVAL,
    Row,
    Taste,
    described,
    rows_of,
    segment_title,
    tastes,
)

_TRAITS = 2
_REMEMBERED = 256
_Key = TypeVar("_Key")
_Found = TypeVar("_Found")
_RERANK = ({"stage_type": "sort", "stage_id": "rerank", "parameters": {"model": "lexical"}},)


@dataclass(frozen=True, slots=True)
class Person:
    """A user one may be: made up, or a new visitor of this session.

    Attributes:
        name: a first name.
        segment: inferred from behaviour, for people.
        traits: what is clicked more than expected, strongest first.
    """

    user_id: str
    name: str
    segment: str
    traits: Sequence[str] = ()

    @property
    def label(self) -> str:
        if not self.segment:
            return self.name
        return f"{self.name} · {self.segment}" + "".join(f", {trait}" for trait in self.traits)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The learned list and what it is compared with, for one request.

    Attributes:
        candidates: [candidates] catalog rows of what learned_rerank received, in that order.
        lists: list → its rows; the learned one among them.
        segment, profile: of the user, before this request; `pages` and `engagements` are what they rest on.
        badge: who ranked instead of the model, and until when; "" where the model ranked.
        notes: sentences of the stages, such as features that the model does not know.
    """

    asked: Asked
    ranking: Ranking
    candidates: IntArray
    lists: Mapping[str, Sequence[Row]]
    segment: str
    profile: Sequence[Taste]
    pages: int
    engagements: int
    badge: str
    notes: Sequence[str]

    @property
    def learned(self) -> Sequence[Row]:
        """The learned list."""
        return self.lists[LEARNED]


@dataclass(frozen=True, slots=True)
class Click:
    """A click that was learned: what is needed to learn it again."""

    ranking: Ranking
    document_id: str
    moment: float
    changed: Change


@dataclass(frozen=True, slots=True)
class _Search:
    """What is the same for every user: the other lists, all of their ids, and the candidates."""

    lists: Mapping[str, Sequence[str]]
    candidates: IntArray


class Session:
    """A working copy of a demo store with one live model, which all settings of the page share.

    Args:
        catalog: or its name.
        original: its demo store; it is read only.
        clock: gives the moment, in seconds since the epoch.

    Attributes:
        world: the catalog's name.
        people: the new visitor, then made-up users, of each inferred segment one first.
        queries: what the made-up users search for.
        clicks: what was clicked so far, and not taken back.
        state: changes whenever the model or what is known of users does.
    """

    def __init__(self, catalog: Catalog | str, original: Store, clock: Callable[[], float] = time.time) -> None:
        self.original_home: Path = original.home
        self.catalog = catalog_of(catalog) if isinstance(catalog, str) else catalog
        self.world = self.catalog.name
        self._original, self._clock = original, clock
        # Two reruns of one session may overlap when somebody clicks faster than the page is drawn.
        self._lock = RLock()
        self._searches: dict[tuple[str, str, str], _Search] = {}
        self._incoming: dict[tuple[str, str, str], Candidates] = {}
        self.clicks: list[Click] = []
        self.state = 0
        self._begin()
        self.queries = queries(original)
        self.visitor = f"visitor-{secrets.token_hex(3)}"
        self.people = self._people()

    def rank(self, asked: Asked) -> Comparison:
        """Ranks one request in all ways.

        Raises:
            LrerankError: an empty query, or settings that can't be used.
        """
        with self._lock:
            pipeline = self._pipeline(asked)
            inputs, moment = {"query": asked.query, "user_id": asked.user_id}, self.now()
            search = self._search(asked, pipeline, moment)
            ranking = pipeline.run(inputs, catalog=self.catalog, store=self._store, timestamp=moment, rng=asked.seed)
            deployment = self.deployment()
            profile = deployment.reranker.behaviour.profiles.get(self.pseudonym(asked.user_id))
            details = ranking.details
            return Comparison(
                asked=asked,
                ranking=ranking,
                candidates=search.candidates,
                lists=rows_of(search.lists, ranking, self.catalog, asked.stages.slots),
                segment=segment_title(details.segment if details else None),
                profile=tastes(deployment.reranker, profile),
                pages=profile.impressions if profile else 0,
                engagements=profile.engaged if profile else 0,
                badge=_badge(details.fallback if details else None, profile, asked),
                notes=[note for note in ranking.notes if details is None or note != details.fallback],
            )

    def click(self, shown: Comparison, document_id: str) -> Change:
        """The user clicks one of the results: it is logged, the model learns, and the same request is ranked again.

        Returns:
            What is different now.

        Raises:
            LrerankError: the list did not show the document.
        """
        with self._lock:
            moment = self.now()
            pipeline = self._pipeline(shown.asked)
            if not pipeline.learn(shown.ranking, clicks=[document_id], store=self._store, timestamp=moment):
                return Change("This page counted already: one click for each result page.")
            after, user_id = self.rank(shown.asked), self.pseudonym(shown.asked.user_id)
            changed = change(
                shown.ranking, after.ranking, document_id, shown.candidates, self.catalog, user_id, after.badge
            )
            self.clicks.append(Click(shown.ranking, document_id, moment, changed))
            self.state += 1
            return changed

    def undo(self) -> Click | None:
        """Takes the last click back: everything is as it was before it. None where there is none."""
        with self._lock:
            if not self.clicks:
                return None
            self._replay(self.clicks[:-1])
            return self.clicks.pop()

    def start_over(self) -> None:
        """Takes all clicks back."""
        with self._lock:
            self._replay([])
            self.clicks.clear()

    def features(self) -> list[str]:
        """What a policy may let the model look at: document features that it knows, then facts of the moment."""
        schema = self.deployment().reranker.features.schema
        facts = [term.partition("=")[0] for term in context_terms(schema, {}, 0.0)]
        return [*(spec.path for spec in schema.specs), *schema.engagement, *facts]

    def incoming(self, asked: Asked, query: str) -> Candidates:
        """What learned_rerank would receive for a query, in that order."""
        key = (json.dumps([*asked.stages.before]), query, asked.user_id)
        found = self._incoming.get(key)
        if found is None:
            before = self._pipeline(asked).before_learning()
            assert before is not None  # noqa: S101  (every pipeline of this page searches first)
            inputs, moment = {"query": query, "user_id": asked.user_id}, self.now()
            ranking = before.run(inputs, catalog=self.catalog, store=self._store, timestamp=moment, rng=0)
            found = _remember(self._incoming, key, ranking.candidates)
        return found

    def now(self) -> float:
        """The moment, in seconds since the epoch."""
        return self._clock()

    def dropped(self, features: Sequence[str] | None) -> list[str]:
        """What of `features()` a policy leaves out."""
        if features is None:
            return []
        resolved = (self.catalog.resolve(path) for path in features)
        listed = {*features, *(found.path for found in resolved if found is not None)}
        return [path for path in self.features() if path not in listed]

    def title(self, document_id: str) -> str:
        """How a document is called."""
        return described(self.catalog, document_id).title

    def deployment(self) -> Deployment:
        """The live model, in step with the log."""
        return self._stage.deployment(MODEL_ID, Environment(self.catalog, self._store, np.random.default_rng(0)))

    def pseudonym(self, user_id: str) -> str:
        """A user as the log has them."""
        return self._store.log.pseudonym(user_id)

    def _begin(self) -> None:
        # The folder is kept, because it goes when nobody holds it.
        self._store, self._folder = working_copy(self._original)
        self._stage = LearnedRerank()

    def _replay(self, clicks: Sequence[Click]) -> None:
        """Begins anew, and learns these clicks again from what was known when each was made."""
        self._begin()
        reranker = self.deployment().reranker
        for click in clicks:
            details = click.ranking.details
            assert details is not None  # noqa: S101  (only rankings of learned_rerank are learned from)
            ranking = replace(click.ranking, details=replace(details, reranker=reranker))
            pipeline = self._pipeline(Asked(self.world, details.user_id, "any"))
            pipeline.learn(ranking, clicks=[click.document_id], store=self._store, timestamp=click.moment)
        self.state += 1

    def _pipeline(self, asked: Asked) -> Pipeline:
        """The pipeline with this session's own learned stage, so that what was learned survives a change of settings."""
        checked = Pipeline.from_json(asked.pipeline())
        return Pipeline([*checked.stages[:-1], self._stage], [stage["parameters"] for stage in checked.to_json()])

    def _search(self, asked: Asked, pipeline: Pipeline, moment: float) -> _Search:
        key = (json.dumps([*asked.stages.before]), asked.query, asked.user_id)
        found = self._searches.get(key)
        if found is None:
            found = _remember(self._searches, key, self._lists(asked, pipeline, moment))
        return found

    def _lists(self, asked: Asked, pipeline: Pipeline, moment: float) -> _Search:
        """The lists that learned_rerank is compared with: before any sort, statically sorted, and made diverse instead."""
        inputs = {"query": asked.query, "user_id": asked.user_id}
        before = pipeline.before_learning()
        assert before is not None  # noqa: S101  (every pipeline of this page searches first)
        own = before.to_json()
        filters = next((place for place, stage in enumerate(own) if stage["stage_type"] != "filter"), len(own))

        def run(stages: Sequence[Mapping[str, object]], ranking: Ranking | None = None) -> Ranking:
            candidates = None if ranking is None else ranking.candidates
            return Pipeline.from_json(list(stages)).run(
                inputs, catalog=self.catalog, store=self._store, timestamp=moment, candidates=candidates, rng=asked.seed
            )

        static = before.run(inputs, catalog=self.catalog, store=self._store, timestamp=moment, rng=asked.seed)
        reranks = any(stage["stage_id"] == "rerank" for stage in own)
        diverse = {"top_n": max(len(static.documents), 1)}
        rankings = {
            RETRIEVAL: run(own[:filters]),
            RERANK: static if reranks else run(_RERANK, static),
            MMR: run([{"stage_type": "sort", "stage_id": "mmr", "parameters": diverse}], static),
        }
        lists = {name: [found.document_id for found in rankings[name].documents] for name in OTHERS}
        return _Search(lists, static.candidates.rows)

    def _people(self) -> list[Person]:
        """The new visitor; then for each inferred segment its most engaged user, the most engaged first; then the others."""
        reranker = self.deployment().reranker
        behaviour = reranker.behaviour
        everybody = users(self._store)
        names = first_names(everybody)
        found, others = dict[str, Person](), list[Person]()
        # The log knows its users by pseudonyms only.
        known = {user_id: behaviour.profiles.get(self.pseudonym(user_id)) for user_id in everybody}
        active = [(profile, user_id) for user_id, profile in known.items() if profile is not None]
        for profile, user_id in sorted(active, key=lambda pair: (-pair[0].engaged, pair[1])):
            segment = behaviour.segment(self.pseudonym(user_id))
            words = [taste.word for taste in tastes(reranker, profile)]
            likes = [word.replace("_", " ") for word in words if word and word.lower() not in segment]
            person = Person(user_id, names[user_id], segment_title(segment), likes[:_TRAITS])
            if found.setdefault(segment, person) is not person:
                others.append(person)
        return [Person(self.visitor, "New visitor", ""), *found.values(), *others]


def _badge(reason: str | None, profile: Profile | None, asked: Asked) -> str:
    return fallback_told(reason, profile.engaged if profile else 0, asked.policy.cold_start_after) if reason else ""


def _remember(known: dict[_Key, _Found], key: _Key, found: _Found) -> _Found:
    """Keeps what was found, and forgets the oldest where there is much."""
    if len(known) >= _REMEMBERED:
        del known[next(iter(known))]
    known[key] = found
    return found
