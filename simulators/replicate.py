"""A world, peopled: its users come, look at what policies show them, click, buy, and tire of what they clicked on."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.arrivals import DAY, ArrivalProcess, Arrivals
from simulators.click_models.base import ClickModel
from simulators.click_models.cascade import CM
from simulators.click_models.dbn import DBN
from simulators.click_models.pbm import PBM, power_law_examination
from simulators.impressions import Feedback, feedback
from simulators.parameters import CLICK_MODELS, WorldParameters
from simulators.presets import product_grid, search_page
from simulators.prospects import Prospects, luck
from simulators.satiation import UserState, rounds
from simulators.taste import Part, Tastes, contexts
from simulators.variates import Channel, uniforms
from simulators.world import World

_REMEMBERED_EPOCHS = 2


@dataclass(frozen=True, slots=True)
class Response:
    """What users did with m lists of k slots, chosen among c candidates each.

    Attributes:
        attractiveness: [m, c] of every candidate to the user in the state that the list met; 0 where there is none.
        clicks, purchases: [m, k].
        purchase_delay: [m, k] seconds from the impression to the purchase; infinite where there is none.
    """

    attractiveness: NDArray[np.float64]
    clicks: NDArray[np.bool_]
    purchases: NDArray[np.bool_]
    purchase_delay: NDArray[np.float64]


class Replicate:
    """One population in a world.

    The attractiveness of document d, with query q, to user u at impression t is

        relevance(q, d) * sigmoid(base + quality_d + taste_strength * taste(u, d, context, t) - satiation * recent)

    where recent counts the user's recent clicks on the document's topic. All but the last term is the same for every
    policy; a policy's own `UserState` keeps the last one.

    Attributes:
        world: what is the same in all replicates.
        key: what all luck is keyed by: the `replicate` of `simulators.impressions.feedback`.
        segments: [users] the true segment of every user.
        process: arrivals, births and activity.
        shifts: impressions from which all tastes are new ones.
    """

    def __init__(self, world: World, number: int, impressions: int) -> None:
        """`World.replicate` says what the arguments are."""
        if number < 0:
            raise ValueError(f"number is {number!r}, not 0 or more")
        self.world, self.number = world, number
        self.key = world.key(number)
        self.process = ArrivalProcess(world.parameters, world.query_weights, key=self.key, impressions=impressions)
        self.segments = world.members(number)
        self.shifts = list(world.parameters.shifts)
        self._launch = np.ceil(world.launched * impressions).astype(np.int64)
        self._epochs: dict[int, Tastes] = {}
        self._models: dict[int, ClickModel] = {}
        rows = world.queries.rows
        keys = np.where(rows >= 0, np.arange(len(rows))[:, None] * len(world.documents) + rows, -1).ravel()
        self._pair_order = np.argsort(keys)
        self._pairs = keys[self._pair_order]
        if world.factors is not None:
            self._tastes(0)  # what the values can't show is said here

    def arrivals(self, start: int, stop: int) -> Arrivals:
        """Impressions start..stop-1: the same ones however they are asked for, but cheaper by the hundred."""
        return self.process.between(start, stop)

    def available(self, rows: NDArray[np.int64], impression: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each document [m, c] exists at its impression [m]; False for row -1."""
        return np.asarray((rows >= 0) & (self._launch[rows] <= impression[:, None]))

    def shift(self, impression: int) -> None:
        """Tastes change now: from this impression on, all are new ones. What came before stays as it was."""
        if impression not in self.shifts:
            insort(self.shifts, impression)

    def state(self) -> UserState:
        """The state of users who have not seen anything yet: one for each policy."""
        tire = self.world.parameters.satiation > 0
        topics = int(self.world.documents.topics.max()) + 1 if tire else 0
        half_life = self.world.parameters.satiation_half_life_days * DAY
        return UserState(self.world.parameters.users if topics else 0, topics, half_life)

    def taste(self, arrivals: Arrivals, rows: NDArray[np.int64], part: Part = "all") -> NDArray[np.float64]:
        """The taste logit in units of its standard deviation, or a part of it: [m, c]; 0 where taste has no role.

        Args:
            rows: [m, c] rows of the catalog; -1 where there is no document, which gets 0.
        """
        if self.world.factors is None:
            return np.zeros(rows.shape)
        angle = self.world.parameters.drift_per_10000 * arrivals.impression / 10_000
        context, there = contexts(arrivals), np.where(rows >= 0, rows, 0)
        epoch = np.searchsorted(np.asarray(self.shifts, dtype=np.int64), arrivals.impression, side="right")
        taste = np.zeros(rows.shape)
        for number in np.unique(epoch).tolist():
            some = np.flatnonzero(epoch == number)
            tastes = self._tastes(number)
            taste[some] = tastes.of(arrivals.user[some], context[some], angle[some], there[some], part)
        return np.where(rows >= 0, taste, 0.0)

    def relevance(self, arrivals: Arrivals, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """To the query, whoever asks: [m, c]; 0 where there is no document.

        Raises:
            ValueError: a document that is no candidate of the query.
        """
        queries, there = self.world.queries, rows >= 0
        if rows.shape[1] == queries.rows.shape[1] and (rows == queries.rows[arrivals.query]).all():
            return np.where(there, queries.relevance[arrivals.query], 0.0)
        wanted = arrivals.query[:, None] * len(self.world.documents) + rows
        place = np.minimum(np.searchsorted(self._pairs, wanted), len(self._pairs) - 1)
        if not (self._pairs[place] == wanted)[there].all():
            raise ValueError("a document is no candidate of the query that it is shown for")
        return np.where(there, queries.relevance.ravel()[self._pair_order[place]], 0.0)

    def prospects(self, arrivals: Arrivals, rows: NDArray[np.int64], slots: int) -> Prospects:
        """The truth and the luck of candidates, for all policies at once; cheapest by the hundred.

        Args:
            rows: [m, c] candidates of each request, in any order; -1 where there is none.
            slots: most slots of a list.

        Raises:
            ValueError: a document that is no candidate of the query, or that does not exist yet.
        """
        there, p = rows >= 0, self.world.parameters
        if p.launches > 0 and not self.available(rows, arrivals.impression)[there].all():
            raise ValueError("a document is a candidate before it exists")
        relevance = self.relevance(arrivals, rows)
        logits = p.base_attractiveness + self.world.quality[rows]
        if self.world.factors is not None:
            logits += p.taste_strength * self.taste(arrivals, rows)
        logits = np.where(there, logits, 0.0)
        drawn = luck(self.key, arrivals.impression, rows, slots)
        return Prospects(
            arrivals=arrivals,
            rows=rows,
            topics=np.where(there, self.world.documents.topics[rows], -1),
            relevance=relevance,
            logits=logits,
            fresh=relevance * _sigmoid(logits),
            purchase=self.purchase_probability(arrivals, rows),
            examination=drawn.examination,
            attraction=drawn.attraction,
            satisfaction=drawn.satisfaction,
            buying=drawn.buying,
        )

    def attractiveness(self, arrivals: Arrivals, rows: NDArray[np.int64], state: UserState) -> NDArray[np.float64]:
        """alpha of documents to users in this state: [m, c]; 0 where there is no document.

        The same number for the same user, document, impression and state, whatever the other candidates and requests.
        """
        prospects = self.prospects(arrivals, rows, 1)
        alpha = prospects.fresh.copy()
        self._tire(alpha, prospects, slice(None), state)
        return alpha

    def purchase_probability(self, arrivals: Arrivals, rows: NDArray[np.int64]) -> NDArray[np.float64]:  # noqa: ARG002
        """Of each document once it is clicked: [m, c]; 0 where there is no document. The same for every user so far."""
        return np.where(rows >= 0, self.world.purchase[rows], 0.0)

    def worth(
        self, arrivals: Arrivals, rows: NDArray[np.int64], *, click: float = 1.0, purchase: float = 0.0
    ) -> NDArray[np.float64]:
        """Expected reward of one click on each document, with these weights of a click and a purchase: [m, c]."""
        return click + purchase * self.purchase_probability(arrivals, rows)

    def click_model(self, slots: int) -> ClickModel:
        """How users go through lists of at most so many slots; exact expectations are its methods."""
        if slots not in self._models:
            self._models[slots] = click_model(self.world.parameters, slots)
        return self._models[slots]

    def respond(self, prospects: Prospects, columns: NDArray[np.int64], state: UserState) -> Response:
        """Shows lists in the order of time; users click, buy and tire, also between the lists of one call.

        So it makes no difference to users after how many impressions a policy learns: all lists of a batch may be
        chosen before, but each meets its user as the lists before have left them.

        Args:
            columns: [m, k] the shown columns of the prospects' candidates, slot 1 first; -1 after the last one.
            state: of the policy that shows them; it is changed.

        Raises:
            ValueError: more slots than the prospects have luck for; a column without a document.
        """
        (m, k), c = columns.shape, prospects.rows.shape[1]
        if k > prospects.examination.shape[1]:
            raise ValueError(f"lists of {k} slots, but luck for {prospects.examination.shape[1]}")
        shown, place = columns >= 0, columns if m == 1 else columns + (np.arange(m) * c)[:, None]
        if ((prospects.rows.take(place) < 0) & shown).any():
            raise ValueError("a column without a document is shown")
        model, arrivals = self.click_model(k), prospects.arrivals
        attraction, satisfaction = prospects.attraction.take(place), prospects.satisfaction.take(place)
        alpha, clicks = prospects.fresh.copy(), np.zeros((m, k), np.bool_)
        parts = rounds(arrivals.user) if state.counts.size else []
        for some in parts if len(parts) > 1 else [slice(None)]:
            self._tire(alpha, prospects, some, state)
            there = shown[some]
            offered = np.where(there, alpha.take(place[some]), 0.0)
            clicked = there & model.draw(offered, prospects.examination[some, :k], attraction[some], satisfaction[some])
            clicks[some] = clicked
            at, slot = clicked.nonzero()
            if len(at):
                at = np.arange(m)[some][at]
                state.add(arrivals.user[at], arrivals.timestamp[at], prospects.topics.take(place[at, slot]))
        purchases, delay = np.zeros((m, k), np.bool_), np.full((m, k), np.inf)
        at, slot = clicks.nonzero()
        if len(at):
            bought = prospects.buying.take(place[at, slot]) < prospects.purchase.take(place[at, slot])
            at, slot = at[bought], slot[bought]
        if len(at):
            purchases[at, slot] = True
            rows = prospects.rows.take(place[at, slot])
            waited = -np.log(uniforms(self.key, arrivals.impression[at], rows, Channel.PURCHASE_DELAY))
            delay[at, slot] = 3600.0 * self.world.parameters.purchase_delay_hours * waited
        return Response(alpha, clicks, purchases, delay)

    def feedback(
        self,
        arrivals: Arrivals,
        rows: NDArray[np.int64],
        attractiveness: NDArray[np.float64],
        purchase: NDArray[np.float64],
    ) -> Feedback:
        """What users do with lists [m, k] of this attractiveness; `respond` also follows how they tire."""
        return feedback(
            self.click_model(rows.shape[1]),
            rows,
            attractiveness,
            arrivals.impression,
            replicate=self.key,
            purchase_probability=purchase,
            mean_purchase_delay=3600.0 * self.world.parameters.purchase_delay_hours,
        )

    def advance(self, state: UserState, arrivals: Arrivals, rows: NDArray[np.int64], clicks: NDArray[np.bool_]) -> None:
        """Lets users tire of what they clicked on: lists [m, k] in the order of time."""
        at, slot = np.nonzero(clicks)
        topics = self.world.documents.topics[rows[at, slot]]
        state.add(arrivals.user[at], arrivals.timestamp[at], topics)

    def _tire(
        self, alpha: NDArray[np.float64], prospects: Prospects, some: slice | NDArray[np.int64], state: UserState
    ) -> None:
        """Writes into `alpha` what those of the requests that are in `some` become by satiation."""
        arrivals = prospects.arrivals
        place, recent = state.remembered(arrivals.user[some], arrivals.timestamp[some], prospects.topics[some])
        if len(place):
            if not isinstance(some, slice):
                line, column = np.divmod(place, alpha.shape[1])
                place = some[line] * alpha.shape[1] + column
            logits = prospects.logits.take(place) - self.world.parameters.satiation * recent
            alpha.ravel()[place] = prospects.relevance.take(place) * _sigmoid(logits)

    def _tastes(self, epoch: int) -> Tastes:
        if epoch not in self._epochs:
            assert self.world.factors is not None  # noqa: S101 - for the type checker
            while len(self._epochs) >= _REMEMBERED_EPOCHS:
                self._epochs.pop(next(iter(self._epochs)))
            self._epochs[epoch] = Tastes(
                self.world.own(self.number, epoch),
                self.world.factors,
                self.world.likings(epoch),
                self.segments,
                self.world.parameters,
            )
        return self._epochs[epoch]


def click_model(parameters: WorldParameters, slots: int) -> ClickModel:
    """The click model that the parameters name, for lists of at most so many slots."""
    match parameters.click_model:
        case "pbm":
            return PBM(power_law_examination(slots, parameters.examination_severity))
        case "cascade":
            return CM()
        case "dbn":
            return DBN(parameters.continuation, parameters.satisfaction)
        case "search_page":
            return search_page()
        case "product_grid":
            return product_grid(slots)
        case other:
            raise ValueError(f"click_model is {other!r}, not {' or '.join(CLICK_MODELS)}")


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))
