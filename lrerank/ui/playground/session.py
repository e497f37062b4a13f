"""One browser session's playground on one world: it ranks, takes clicks, learns, and says what changed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

import numpy as np

from lrerank.data.catalog import Catalog
from lrerank.data.load import load_catalog
from lrerank.pipeline import Pipeline, Ranking
from lrerank.stages.base import Environment
from lrerank.stages.learned_rerank import LearnedRerank
from lrerank.store import Store
from lrerank.types import IntArray
from lrerank.ui.demo import MODEL_ID, users, working_copy
from lrerank.ui.playground.asked import SLOTS, Asked
from lrerank.ui.playground.changes import Change, change
from lrerank.ui.playground.results import Row, Taste, learned_rows, segment_title, static_rows, tastes

_SHOWN_PEOPLE = 12


@dataclass(frozen=True, slots=True)
class Person:
    """A user one may be: made up, or a new visitor of this session."""

    user_id: str
    label: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The static list beside the learned one, for one request.

    Attributes:
        candidates: [candidates] catalog rows of what both rank, in the static order.
        segment, profile: of the user, before this request; `pages` and `engagements` are what they rest on.
        badge: who ranked instead of the model and why; "" where the model ranked.
        notes: sentences of the stages, such as features that the model does not know.
    """

    asked: Asked
    ranking: Ranking
    candidates: IntArray
    static: Sequence[Row]
    learned: Sequence[Row]
    segment: str
    profile: Sequence[Taste]
    pages: int
    engagements: int
    badge: str
    notes: Sequence[str]


class Session:
    """A working copy of a demo store with one live model, which all settings of the page share.

    Args:
        world: marketplace or news.
        original: the demo store; it is read only.

    Attributes:
        people: made-up users of different inferred segments, and the new visitor, last.
    """

    def __init__(self, world: str, original: Store) -> None:
        self.world = world
        self.original_home: Path = original.home
        self.catalog: Catalog = load_catalog(world)
        # Kept, because the folder goes when this does.
        self._store, self._folder = working_copy(original)
        self._stage = LearnedRerank()
        # Two reruns of one session may overlap when somebody clicks faster than the page is drawn.
        self._lock = RLock()
        self.visitor = f"visitor-{secrets.token_hex(3)}"
        self.people = self._people()

    def rank(self, asked: Asked) -> Comparison:
        """Ranks one request both ways.

        Raises:
            LrerankError: an empty query, or settings that can't be used.
        """
        with self._lock:
            pipeline = self._pipeline(asked)
            before = pipeline.before_learning()
            assert before is not None  # noqa: S101  (every pipeline of this page searches first)
            inputs = {"query": asked.query, "user_id": asked.user_id}
            moment = time.time()
            static = before.run(inputs, catalog=self.catalog, store=self._store, timestamp=moment, rng=asked.seed)
            ranking = pipeline.run(inputs, catalog=self.catalog, store=self._store, timestamp=moment, rng=asked.seed)
            deployment = self._stage.deployment(MODEL_ID, self._environment())
            profile = deployment.reranker.behaviour.profiles.get(self._store.log.pseudonym(asked.user_id))
            learned = learned_rows(ranking, self.catalog)
            details = ranking.details
            return Comparison(
                asked=asked,
                ranking=ranking,
                candidates=static.candidates.rows,
                static=static_rows(static, self.catalog, SLOTS, learned),
                learned=learned,
                segment=segment_title(details.segment if details else None),
                profile=tastes(deployment.reranker, profile),
                pages=profile.impressions if profile else 0,
                engagements=profile.engaged if profile else 0,
                badge=(details.fallback or "") if details else "",
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
            pipeline = self._pipeline(shown.asked)
            if not pipeline.learn(shown.ranking, clicks=[document_id], store=self._store, timestamp=time.time()):
                return Change(0, "This page counted already: one click for each result page.")
            return change(shown.ranking, self.rank(shown.asked).ranking, document_id, shown.candidates, self.catalog)

    def features(self) -> list[str]:
        """Document features that the model knows, for choosing among them."""
        schema = self._stage.deployment(MODEL_ID, self._environment()).reranker.features.schema
        return [spec.path for spec in schema.specs] + list(schema.engagement)

    def _pipeline(self, asked: Asked) -> Pipeline:
        """The pipeline with this session's own learned stage, so that what was learned survives a change of settings."""
        checked = Pipeline.from_json(asked.pipeline())
        return Pipeline([*checked.stages[:-1], self._stage], [stage["parameters"] for stage in checked.to_json()])

    def _environment(self) -> Environment:
        return Environment(self.catalog, self._store, np.random.default_rng(0))

    def _people(self) -> list[Person]:
        """For each inferred segment its most engaged user, the most engaged first; then the new visitor."""
        behaviour = self._stage.deployment(MODEL_ID, self._environment()).reranker.behaviour
        found: dict[str, Person] = {}
        # The log knows its users by pseudonyms only.
        known = {user_id: behaviour.profiles.get(self._store.log.pseudonym(user_id)) for user_id in users(self._store)}
        active = [(profile, user_id) for user_id, profile in known.items() if profile is not None]
        for _, user_id in sorted(active, key=lambda pair: (-pair[0].engaged, pair[1])):
            segment = behaviour.segment(self._store.log.pseudonym(user_id))
            if segment not in ("newcomer", *found):
                found[segment] = Person(user_id, segment_title(segment))
        return [*list(found.values())[:_SHOWN_PEOPLE], Person(self.visitor, "New visitor")]
