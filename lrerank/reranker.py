"""The learned reranker: features, profile, values, exploration and learning, on arrays.

The stage, training and experiments are thin callers of this one object.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lrerank.attribution import Contributions
from lrerank.behaviour import Behaviour, question
from lrerank.calibration import Link, LinkEstimator
from lrerank.exploration import Exploration, canonical, draw_slate
from lrerank.features import CatalogFeatures, context_terms
from lrerank.profiles import Profile, strongest
from lrerank.types import FloatArray, IntArray, Slate
from lrerank.vw import CROSSED, OWN, PLAIN, SHARED, Indices, Scored, VWModel, escape, render

Int32Array: TypeAlias = NDArray[np.int32]
Float32Array: TypeAlias = NDArray[np.float32]

INCOMING = ("incoming.score", "incoming.rank")
WORTHS = ("rates", "rates×score", "rates×rank")
RATES = {"engagement.click_through_rate", "engagement.query_click_through_rate"}
_MOST_WORTH = 1.5  # in logarithms: five times, or a fifth of, what is usual
_REMEMBERED_PAGES = 100_000
_LAST_POSITION = 30
_NO_STRENGTH = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Shelf:
    """Candidates as the model sees them, whoever asks: made once where the same ones come again.

    Attributes:
        rows: [n] rows of the catalog.
        terms, values: [n, T] document terms and their feature values.
        vocabulary: [U] the different terms, ascending.
        places: [n, T] places of the terms in `vocabulary`.
        incoming: [n, 2] incoming score and rank.
        moment: when ages were taken.
    """

    rows: IntArray
    terms: Int32Array
    values: Float32Array
    vocabulary: Int32Array
    places: IntArray
    incoming: Float32Array
    moment: float


@dataclass(frozen=True, slots=True)
class Block:
    """A request's candidates as the model sees them.

    Attributes:
        shared_names, shared_values: [S] user and moment.
        terms, values: [n, T] document terms and their feature values.
        vocabulary, places: [U], [n, T] the different terms, and where in them each term is.
        plain: [n, P] values of the request's own features, as at position 1.
        segment: inferred from the profile.
        query: what was asked.
    """

    shared_names: Sequence[str]
    shared_values: Float32Array
    terms: Int32Array
    values: Float32Array
    vocabulary: Int32Array
    places: IntArray
    plain: Float32Array
    segment: str
    query: str = ""


class Frozen(NamedTuple):
    """What was known of a shown list, as (indices, values) in VW's memory: [S]; then [k, ...] each."""

    shared: tuple[Indices, Float32Array]
    crossed: tuple[Indices, Float32Array]
    others: tuple[Indices, Float32Array]


@dataclass(frozen=True, slots=True)
class Judged:
    """A request's candidates with the model's values.

    Attributes:
        values: [n] value of each document, mean over a bag's members; ties are exact.
        members: [b, n] values by member, b = 1 without a bag.
        scored: the terms they are made of.
    """

    values: FloatArray
    members: FloatArray
    scored: Scored


class LearnedReranker:
    """One trained model at work on one catalog.

    Attributes:
        features: the catalog as terms.
        model: Vowpal Wabbit.
        links: what turns values into probabilities of engagement.
        behaviour: profiles and engagement as of now.
        matches: how the profile's match with a document enters.
        position_feature: whether the position is a feature while learning (and constantly 1 at serving).
    """

    def __init__(
        self,
        features: CatalogFeatures,
        model: VWModel,
        links: LinkEstimator,
        behaviour: Behaviour,
        *,
        position_feature: bool = True,
    ) -> None:
        self.features = features
        self.model = model
        self.links = links
        self.behaviour = behaviour
        self.position_feature = position_feature
        self._link: tuple[int, Link] | None = None
        self._learned: OrderedDict[str, None] = OrderedDict()
        self.index_of_term = np.where(
            features.crossed, model.indices(CROSSED, features.names), model.indices(OWN, features.names)
        )
        self._crossed_places, self._own_places = (
            features.crossed_places.nonzero()[0],
            (~features.crossed_places).nonzero()[0],
        )
        self._escaped = [escape(name) for name in features.names]
        schema = features.schema
        # A document that is not relevant is not saved by taste: the match counts alone and times the incoming score.
        self.matches = (
            ("match", "match×score") if schema.user_side and schema.incoming else ("match",) * schema.user_side
        )
        matches = [f"{kind}.{spec.key}" for kind in self.matches for spec in schema.specs]
        # Rates multiply what a document is worth by the incoming score; sums of logarithms can't say that.
        self.worths = WORTHS if schema.incoming and set(schema.engagement) >= RATES else ()
        self.plain_names = [
            *schema.engagement,
            *matches,
            *self.worths,
            *(INCOMING if schema.incoming else ()),
            *([_position(1)] if position_feature else ()),
        ]
        self._rate_places = [place for place, name in enumerate(schema.engagement) if name in RATES]
        self._plain_index = model.indices(PLAIN, self.plain_names)
        # By position; there is no position 0.
        self._position_index = model.indices(PLAIN, [_position(at) for at in range(_LAST_POSITION + 1)])
        self._told = len(self.plain_names) - position_feature
        self._escaped_plain = [escape(name) for name in self.plain_names[: self._told]]

    @cached_property
    def _no_tastes(self) -> Float32Array:
        return np.zeros(len(self.features.names), np.float32)

    def assemble(
        self,
        rows: IntArray,
        scores: FloatArray,
        user_id: str | None,
        context: Mapping[str, Any],
        timestamp: float,
        keep: IntArray | None = None,
        query: str = "",
    ) -> Block:
        """A request's candidates as a block, with what is known at this moment.

        Args:
            rows, scores: [n] candidates and their incoming scores.
            user_id: whose profile; None for nobody's.
            context, timestamp: of the request.
            keep: [k] the candidates wanted, where not all are; incoming score and rank still refer to all n.
            query: what is asked, for the rates that count by query.
        """
        return self.stock(self.shelve(rows, scores, timestamp, keep), user_id, context, timestamp, query)

    def shelve(self, rows: IntArray, scores: FloatArray, timestamp: float, keep: IntArray | None = None) -> Shelf:
        """Candidates as they stand at a moment, for `stock`; arguments as for `assemble`."""
        incoming = incoming_features(scores)
        if keep is not None:
            rows, incoming = rows[keep], incoming[keep]
        return self._shelf(rows, incoming, *self.features.at(rows, timestamp), timestamp)

    def reshelve(self, shelf: Shelf, timestamp: float) -> Shelf:
        """The same candidates as they stand at another moment."""
        terms, values = shelf.terms.copy(), shelf.values.copy()
        self.features.age(terms, values, shelf.rows, timestamp)
        if (terms == shelf.terms).all():
            return replace(shelf, values=values, moment=timestamp)
        return self._shelf(shelf.rows, shelf.incoming, terms, values, timestamp)

    def _shelf(
        self, rows: IntArray, incoming: Float32Array, terms: Int32Array, values: Float32Array, timestamp: float
    ) -> Shelf:
        seen = np.zeros(len(self.features.names), np.bool_)
        seen[terms] = True
        vocabulary = seen.nonzero()[0].astype(np.int32)
        place_of = np.empty(len(self.features.names), np.int64)
        place_of[vocabulary] = np.arange(len(vocabulary))
        return Shelf(rows, terms, values, vocabulary, place_of[terms], incoming, timestamp)

    def stock(
        self, shelf: Shelf, user_id: str | None, context: Mapping[str, Any], timestamp: float, query: str = ""
    ) -> Block:
        """Shelved candidates as a block for a user, with what is known of both at this moment."""
        schema = self.features.schema
        shared = context_terms(schema, context, timestamp)
        # Columns as in `plain_names`.
        plain = np.zeros((len(shelf.rows), len(self.plain_names)), np.float32)
        end = len(schema.engagement)
        if end:
            plain[:, :end] = self.behaviour.engagement.features(schema.engagement, shelf.rows, question(query))
        segment = "newcomer"
        if schema.user_side:
            profile = self.behaviour.profiles.get(user_id) if user_id is not None else None
            fields = len(schema.specs)
            if profile is not None and len(profile.terms):
                known, strength = profile.terms, self.behaviour.tastes(profile)
                segment = profile.segment(self.behaviour.segment_terms, self.features.names, strength)
                tastes = self._no_tastes.copy()
                tastes[known] = strength
                for term, taste in strongest(known, strength):
                    shared[f"likes.{self.features.names[term]}"] = taste
                # Transposed: numpy sums fast along an axis whose neighbour is long.
                match = tastes[shelf.vocabulary].take(shelf.places.T) * shelf.values.T
                plain[:, end : end + fields] = np.add.reduceat(match, self.features.starts, axis=0).T
                if schema.incoming:
                    plain[:, end + fields : end + 2 * fields] = plain[:, end : end + fields] * shelf.incoming[:, :1]
            elif profile is not None:
                segment = profile.segment(self.behaviour.segment_terms, self.features.names, _NO_STRENGTH)
            shared[f"segment={segment}"] = 1.0
            shared[f"activity={_activity(profile)}"] = 1.0
        if self.worths:
            rates = plain[:, self._rate_places].sum(axis=1)
            worth = np.exp(np.minimum(np.maximum(rates, -_MOST_WORTH), _MOST_WORTH))
            end = self._told - len(INCOMING)
            plain[:, end - 3] = worth
            plain[:, end - 2 : end] = worth[:, None] * shelf.incoming
        if schema.incoming:
            plain[:, self._told - len(INCOMING) : self._told] = shelf.incoming
        plain[:, self._told :] = 1.0
        names = list(shared)
        values = np.fromiter(shared.values(), np.float32, len(shared))
        return Block(names, values, shelf.terms, shelf.values, shelf.vocabulary, shelf.places, plain, segment, query)

    def judge(self, block: Block) -> Judged:
        """Values of a block's documents."""
        shared = (self.model.indices(SHARED, block.shared_names), block.shared_values)
        vocabulary = self.index_of_term[block.vocabulary]
        crossed = self.features.crossed[block.vocabulary].nonzero()[0]
        own, plain = (block.places, block.values), (self._plain_index, block.plain)
        scored = self.model.score(shared, vocabulary, crossed, own, plain)
        members = scored.values
        return Judged(canonical(members[0] if len(members) == 1 else members.mean(axis=0)), members, scored)

    def engagement_probability(self, values: FloatArray) -> FloatArray:
        """[n] personalization_score: the calibrated probability of engagement, strictly increasing in the value."""
        if self._link is None or self._link[0] != self.links.seen:
            self._link = self.links.seen, self.links.link()
        # Multiples of 2^-48: differences and sums of such scores are exact, so score + boost is the best one's score to
        # the last bit, and the order by that sum holds.
        scores: FloatArray = np.round(self._link[1](values) * 2.0**48) / 2.0**48
        return scores

    def draw(
        self, judged: Judged, incoming: FloatArray, slots: int, exploration: Exploration, rng: np.random.Generator
    ) -> Slate:
        """A slate with exact propensities; `incoming` ([n] scores) says which documents form the pool."""
        values = judged.members if exploration.strategy == "bag" else judged.values
        return draw_slate(values, incoming, slots, exploration, rng)

    def explain(self, judged: Judged) -> Contributions:
        """Contributions of all features to all candidates' values."""
        schema, scored = self.features.schema, judged.scored
        own = np.zeros((len(judged.values), len(schema.specs)))
        if schema.specs:
            own += np.add.reduceat(scored.own, self.features.starts, axis=1)
        engagement, fields = len(schema.engagement), len(schema.specs)
        end = engagement
        for _ in self.matches:
            own += scored.plain[:, end : end + fields]
            end += fields
        rates = scored.plain[:, :engagement].copy()
        if self.worths:
            # A product counts to the rates that are in it, in equal parts.
            share = scored.plain[:, end : end + len(self.worths)].sum(axis=1) / len(RATES)
            for place, name in enumerate(schema.engagement):
                rates[:, place] += share * (name in RATES)
            end += len(self.worths)
        rest = scored.plain[:, end:]
        raw = np.hstack([own, rates, rest[:, : len(INCOMING) if schema.incoming else 0]])
        names = (
            [spec.path for spec in schema.specs] + list(schema.engagement) + list(INCOMING if schema.incoming else ())
        )
        base = scored.base + (float(rest[0, -1]) if self.position_feature and len(rest) else 0.0)
        return Contributions(names, len(schema.specs) + engagement, raw, base)

    def label(self, feature: int, block: Block, judged: Judged, candidate: int, row: int) -> str:
        """How people read one document feature of one candidate: `category:shoes`, `click_through_rate:0.31`."""
        specs = self.features.schema.specs
        if feature >= len(specs):
            name = self.features.schema.engagement[feature - len(specs)]
            rate = self.behaviour.engagement.rate(name, row, question(block.query))
            return f"{name.rsplit('.', 1)[-1]}:{'none yet' if rate is None else format(rate, '.3g')}"
        start, spec = int(self.features.starts[feature]), specs[feature]
        # Of a list, the value that lifts most speaks for the field; of a date, its age class.
        place = start + 1 if spec.kind == "date" else start
        if spec.kind in ("list", "text"):
            place = start + int(np.argmax(judged.scored.own[candidate, start : start + spec.width]))
        return self.features.label(feature, row, int(block.terms[candidate, place]))

    def position_effects(self, positions: IntArray) -> FloatArray:
        """[k] what showing a document at these 1-based positions instead of the first adds to its predicted reward."""
        if not self.position_feature:
            return np.zeros(len(positions))
        indices = np.array([self.model.index(PLAIN, _position(position)) for position in positions.tolist()])
        first = np.full_like(indices, self.model.index(PLAIN, _position(1)))
        effects: FloatArray = self.model.weights_at(first) - self.model.weights_at(indices)
        return effects

    def lines(self, block: Block, chosen: Sequence[int], positions: Sequence[int | None]) -> tuple[str, list[str]]:
        """(shared line, one line per chosen candidate) in VW's text: what was known, frozen for learning."""
        shared = "shared " + render(SHARED, [escape(name) for name in block.shared_names], block.shared_values.tolist())
        documents = []
        for candidate, position in zip(chosen, positions, strict=True):
            terms, values = block.terms[candidate], block.values[candidate]
            own = " ".join(
                render(namespace, [self._escaped[term] for term in terms[places]], values[places].tolist())
                for namespace, places in ((CROSSED, self._crossed_places), (OWN, self._own_places))
            )
            plain = render(PLAIN, self._escaped_plain, block.plain[candidate, : self._told].tolist())
            placed = f" {_position(position)}" if self.position_feature and position is not None else ""
            documents.append(f"{own} {plain}{placed}")
        return shared, documents

    def learn(
        self, shared: str, documents: Sequence[str], rewards: Sequence[float], values: FloatArray | None = None
    ) -> None:
        """Learns one shown list from its frozen lines and what came of each document.

        Args:
            shared, documents: from `lines`.
            rewards: [k].
            values: [k] what the model said of these documents when they were shown; they calibrate its probabilities.
                None where another stage ranked.
        """
        self.model.learn(shared, documents, rewards)
        if values is not None:
            self.links.add(values, np.array([float(reward > 0) for reward in rewards]))

    def freeze(self, block: Block, chosen: IntArray, positions: IntArray) -> Frozen:
        """What `lines` freezes, as arrays: for learning in the same process.

        Args:
            chosen, positions: [k] candidates and the 1-based positions at which they are shown.
        """
        shared_index = self.model.indices(SHARED, block.shared_names)
        used = block.shared_values.nonzero()[0]
        index, values, plain = self.index_of_term[block.terms[chosen]], block.values[chosen], block.plain[chosen]
        other_index = np.empty((len(chosen), len(self._own_places) + plain.shape[1]), np.uint32)
        other_index[:, : len(self._own_places)] = index.take(self._own_places, axis=1)
        other_index[:, len(self._own_places) :] = self._plain_index
        if self.position_feature:
            other_index[:, -1] = self._position_index[np.minimum(positions, _LAST_POSITION)]
        return Frozen(
            (shared_index[used], block.shared_values[used]),
            (index.take(self._crossed_places, axis=1), values.take(self._crossed_places, axis=1)),
            (other_index, np.concatenate((values.take(self._own_places, axis=1), plain), axis=1)),
        )

    def learn_frozen(
        self,
        frozen: Frozen,
        rewards: Sequence[float],
        probabilities: Sequence[float] | None = None,
        weights: Sequence[float] | None = None,
    ) -> None:
        """`learn` from arrays; arguments as for `VWModel.learn`. The links are the caller's to feed."""
        self.model.learn_arrays(*frozen, rewards, probabilities, weights)

    def has_learned(self, request_id: str) -> bool:
        """Whether `remember` was told of this page: a page is learned once."""
        return request_id in self._learned

    def remember(self, request_id: str) -> None:
        """Notes that a page was learned; the oldest are forgotten."""
        self._learned[request_id] = None
        if len(self._learned) > _REMEMBERED_PAGES:
            self._learned.popitem(last=False)


def incoming_features(scores: FloatArray) -> Float32Array:
    """[n, 2] score scaled to 0..1 within the request, and the discount of the rank by score, 1/log2(1 + rank)."""
    # Halved first: the span of two finite numbers need not be finite.
    halves = scores / 2
    low, high = halves.min(initial=np.inf), halves.max(initial=-np.inf)
    scaled = (halves - low) / (high - low) if high > low else np.zeros(len(scores))
    found = np.empty((len(scores), 2), np.float32)
    found[:, 0] = scaled
    found[np.argsort(-halves, kind="stable"), 1] = 1 / np.log2(np.arange(2, len(scores) + 2))
    return found


def _position(position: int) -> str:
    return f"position={min(position, _LAST_POSITION)}"


def _activity(profile: Profile | None) -> str:
    engaged = 0 if profile is None else profile.engaged
    return "0" if engaged == 0 else "1-2" if engaged <= 2 else "3-9" if engaged <= 9 else "10+"
