"""The learned reranker as an arm: the object that production runs, fed by the loop."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lrerank.behaviour import Behaviour
from lrerank.calibration import Link, LinkEstimator
from lrerank.examination import ExaminationEstimator, examination_weights, rank_spans
from lrerank.experiments.arm_specs import LearnerSpec
from lrerank.experiments.arms.base import Outcomes, Requests, Served
from lrerank.experiments.arms.fixed import MMR, LexicalRerank
from lrerank.experiments.arms.popularity import Popularity
from lrerank.experiments.arms.trees import Trees
from lrerank.experiments.search import ABSENT, Search
from lrerank.features import CatalogFeatures, fit_schema
from lrerank.reranker import Block, Frozen, LearnedReranker, Shelf, incoming_features
from lrerank.types import BoolArray, FloatArray, IntArray
from lrerank.vw import VWModel
from simulators.arrivals import DEVICES, LOCATIONS
from simulators.variates import uniforms

_MOST_SHELVES = 4000
# Values keep growing while a model learns: old pairs of value and outcome say little of today's values.
_CALIBRATED_OVER = 10_000
_LINK_GROWTH = 1.05
_PAGES_AT_ONCE = 50
_CURVE_EVERY = 500
_LEAST_EXAMINATION = 0.05
# What the variates decide; no channel of a world has this number.
_TIES = 3_021


@dataclass(slots=True)
class _Shelved:
    """The candidates of a query as the model sees them.

    Attributes:
        shelf: what does not change.
        scores: [n] incoming scores.
    """

    shelf: Shelf
    scores: FloatArray


@dataclass(frozen=True, slots=True)
class _Shown:
    """What an arm wants back with the outcomes.

    Attributes:
        frozen: what was known of the documents shown.
        values: [n] what the model said of all candidates; None where the fallback ranked.
        order: [k] which of them were shown.
    """

    frozen: Frozen
    values: FloatArray | None
    order: IntArray


class Learned:
    """LearnedReranker with exploration, a fallback for strangers, and one of three ways to read biased clicks."""

    def __init__(self, search: Search, spec: LearnerSpec, *, slots: int, seed: np.random.SeedSequence) -> None:
        """Starts without any knowledge.

        Args:
            search: the public side of the scene.
            spec: how it learns and ranks.
            slots: length of the lists.
            seed: of the arm's own luck.
        """
        sides = {"incoming": spec.incoming, "user_side": spec.user_side}
        schema, _ = fit_schema(search.catalog, spec.features, **sides, interactions=spec.interactions)
        if not spec.context:
            schema = replace(schema, context=())
        features = CatalogFeatures(search.catalog, schema)
        bootstrap, luck, of_trees = seed.spawn(3)
        self._ties = int(luck.generate_state(1, np.uint64)[0])
        self.reranker = LearnedReranker(
            features,
            VWModel(spec.learner(int(bootstrap.generate_state(1)[0]) % 2**31)),
            LinkEstimator(half_life=_CALIBRATED_OVER),
            Behaviour(features),
            position_feature=spec.position == "feature",
        )
        # A list of one says nothing of how examination falls with the position.
        self.examination = ExaminationEstimator(slots) if slots > 1 else None
        self._search = search
        self._spec = spec
        self._fallback = MMR(search, slots) if spec.cold_start.fallback == "mmr" else LexicalRerank(search, slots)
        self._before: Popularity | Trees | None = None
        if spec.after == "popularity":
            self._before = Popularity(search, slots)
        elif spec.after == "ltr":
            self._before = Trees(search, slots, retrain="nightly", seed=of_trees)
        self._slots = slots
        self._explorer = spec.explorer()
        self._rng = np.random.default_rng(luck)
        self._shelves: dict[int, _Shelved] = {}
        self._link: tuple[float, Link] = (-1.0, self.reranker.links.link())
        self._uncalibrated: list[tuple[FloatArray, BoolArray]] = []
        self._theta = np.ones(slots)
        if self.examination is not None and spec.position == "examination":
            self._theta = self.examination.curve(monotone=True).theta

    def rank(self, requests: Requests) -> Served:
        """Draws lists; strangers get the fallback's."""
        m, k, threshold = len(requests), self._slots, self._spec.cold_start_after
        incoming = self._incoming(requests)
        fallback = self._fallback_lists(requests, incoming)
        columns, greedy = np.full((m, k), ABSENT, np.int64), np.full((m, k), ABSENT, np.int64)
        propensities, probability = np.ones((m, k)), np.full((m, k), np.nan)
        explored = np.zeros((m, k), np.bool_)
        segments: list[str] = []
        frozen: list[_Shown | None] = []
        profiles, link = self.reranker.behaviour.profiles, self._current_link()
        for place in range(m):
            shelved = self._shelved(requests, place, incoming[place])
            block = self._block(requests, place, shelved)
            segments.append(block.segment)
            known = profiles.get(_user_id(requests, place))
            if len(shelved.scores) == 0:
                frozen.append(None)
                continue
            if threshold and (known is None or known.engaged < threshold):
                chosen = fallback[place][fallback[place] >= 0]
                columns[place] = greedy[place] = fallback[place]
                values = None
            else:
                judged = self.reranker.judge(block)
                slate = self.reranker.draw(judged, shelved.scores, k, self._explorer, self._rng)
                chosen, shown = slate.order, len(slate.order)
                columns[place, :shown] = chosen
                greedy[place, :shown] = self._unexplored(judged.values, chosen, requests.impression[place])
                propensities[place, :shown], explored[place, :shown] = slate.propensities, slate.explored
                values = judged.values
                probability[place, :shown] = link(values[chosen])
            frozen.append(_Shown(self.reranker.freeze(block, chosen, np.arange(1, len(chosen) + 1)), values, chosen))
        return Served(columns, propensities, explored, greedy, probability, segments, frozen, fallback)

    def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
        """Learns pages one after the other, from what was known when each was shown."""
        behaviour = self.reranker.behaviour
        for place in range(len(requests)):
            count = int((served.columns[place] >= 0).sum())
            if count == 0:
                continue
            rewards = outcomes.reward[place, :count]
            clicks = outcomes.clicks[place, :count]
            rows = requests.rows[place, served.columns[place, :count]]
            positions = np.arange(1, count + 1)
            shown = None if served.frozen is None else served.frozen[place]
            if shown is None:
                frozen = self._freeze_foreign(requests, place, served.columns[place, :count], positions)
            else:
                frozen = shown.frozen
                if shown.values is not None:
                    self._uncalibrated.append((shown.values[shown.order], clicks))
                    self._study(shown.values, shown.order, clicks)
            self._teach(frozen, rewards, served.propensities[place, :count])
            user_id, query = _user_id(requests, place), self._search.texts[requests.query[place]]
            behaviour.show(user_id, rows, positions, query=query)
            moment = float(requests.timestamp[place])
            for kind, happened in (("click", clicks), ("purchase", outcomes.purchases[place, :count])):
                for slot in happened.nonzero()[0].tolist():
                    behaviour.engage(kind, user_id, int(rows[slot]), slot + 1, moment, query=query)
        # Afterwards, since pages of others are frozen above: as they were before their own outcome counts.
        if self._before is not None:
            self._before.learn(requests, served, outcomes)

    def _fallback_lists(self, requests: Requests, incoming: FloatArray) -> IntArray:
        """[m, k] columns that strangers are shown: as in the stage, `mmr` gets what the model gets, best first."""
        if not isinstance(self._fallback, MMR):
            return self._fallback.rank(requests).columns
        order = np.argsort(np.where(requests.rows >= 0, -incoming, np.inf), axis=1, kind="stable")
        rows, scores = np.take_along_axis(requests.rows, order, axis=1), np.take_along_axis(incoming, order, axis=1)
        columns = self._fallback.rank(replace(requests, rows=rows, scores=scores)).columns
        return np.where(columns >= 0, np.take_along_axis(order, np.maximum(columns, 0), axis=1), ABSENT)

    def _unexplored(self, values: FloatArray, shown: IntArray, impression: int) -> IntArray:
        """[k] a list by value, as it would be drawn without exploration: exact ties are split evenly.

        Tied documents stand as in the list shown, the others behind them in an order by chance: so lists without an
        explored slot cost nothing, and no tied document is favoured.
        """
        order = np.argsort(-values, kind="stable")
        ranked = values[order[: len(shown) + 1]]
        if (ranked[1:] == ranked[:-1]).any():
            place = np.full(len(values), len(shown))
            place[shown] = np.arange(len(shown))
            chance = uniforms(self._ties, int(impression), np.arange(len(values)), _TIES)
            order = np.lexsort((chance, place, -values))
        return order[: len(shown)]

    def _teach(self, frozen: Frozen, rewards: FloatArray, propensities: FloatArray) -> None:
        spec = self._spec
        probabilities = None if spec.importance == "none" else np.maximum(propensities, spec.clip).tolist()
        weights = None
        if spec.position == "examination":
            inverse, importance = examination_weights(self._theta, np.arange(1, len(rewards) + 1), _LEAST_EXAMINATION)
            rewards, weights = rewards * inverse, importance.tolist()
        self.reranker.learn_frozen(frozen, rewards.tolist(), probabilities, weights)

    def _study(self, values: FloatArray, order: IntArray, clicks: BoolArray) -> None:
        """What a page says of the examination of its slots, by documents that chance has put into them."""
        drawn_evenly = self._explorer.strategy in ("epsilon_greedy", "uniform")
        if self.examination is None or not drawn_evenly or len(order) < self._slots:
            return
        spans = np.zeros((1, self._slots, 2), np.int64)
        if clicks.any():  # the others are not read
            spans = rank_spans(values[None, :], order[None, :])
        self.examination.add(spans, len(values), clicks[None, :], self._explorer)
        if self._spec.position == "examination" and self.examination.pages % _CURVE_EVERY == 0:
            self._theta = self.examination.curve(monotone=True).theta

    def _freeze_foreign(self, requests: Requests, place: int, columns: IntArray, positions: IntArray) -> Frozen:
        """A page that another policy showed, as this one would have seen it at that moment."""
        shelved = self._shelved(requests, place, self._incoming(requests.part(place, place + 1))[0])
        return self.reranker.freeze(self._block(requests, place, shelved), columns, positions)

    def _block(self, requests: Requests, place: int, shelved: _Shelved) -> Block:
        context = {"device": DEVICES[requests.device[place]], "location": LOCATIONS[requests.location[place]]}
        moment = float(requests.timestamp[place])
        query = self._search.texts[requests.query[place]]
        return self.reranker.stock(shelved.shelf, _user_id(requests, place), context, moment, query)

    def _incoming(self, requests: Requests) -> FloatArray:
        """[m, c] scores of the stage before."""
        if self._spec.after == "retrieval":
            return requests.scores
        if self._before is not None and (values := self._before.values(requests)) is not None:
            return values
        return self._search.lexical_of(requests.query, requests.rows)

    def _shelved(self, requests: Requests, place: int, scores: FloatArray) -> _Shelved:
        """The candidates of a request; what does not change is kept for the next one that has the same."""
        query, rows = int(requests.query[place]), requests.rows[place]
        rows = rows[: int((rows >= 0).sum())]
        scores = scores[: len(rows)]
        known = self._shelves.get(query)
        moment = float(requests.timestamp[place])
        if known is None or not np.array_equal(known.shelf.rows, rows):
            if len(self._shelves) >= _MOST_SHELVES:
                del self._shelves[next(iter(self._shelves))]
            shelf = self.reranker.shelve(rows.copy(), scores, moment)
        else:
            shelf = known.shelf
            # Ages are as of the request.
            if self.reranker.features.dated and shelf.moment != moment:
                shelf = self.reranker.reshelve(shelf, moment)
            if not np.array_equal(known.scores, scores):
                shelf = replace(shelf, incoming=incoming_features(scores))
            if shelf is known.shelf:
                return known
        known = self._shelves[query] = _Shelved(shelf, scores.copy())
        return known

    def _current_link(self) -> Link:
        """The calibration, fitted again when there is a twentieth more to fit it to."""
        if len(self._uncalibrated) >= _PAGES_AT_ONCE:
            values, clicks = (np.concatenate(part) for part in zip(*self._uncalibrated, strict=True))
            self.reranker.links.add(values, clicks)
            self._uncalibrated.clear()
        seen = self.reranker.links.seen
        if seen > self._link[0] * _LINK_GROWTH:
            self._link = float(seen), self.reranker.links.link()
        return self._link[1]


def _user_id(requests: Requests, place: int) -> str:
    return f"u{requests.user[place]}"
