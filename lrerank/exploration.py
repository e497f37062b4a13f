"""Values -> one distribution per slot -> a slate with exact propensities.

A list is drawn slot by slot. With R the documents not yet placed, P those of R in the pool, T those of R tied for the
largest value, and eps the exploration rate, slot k draws document i with probability

    q_k(i | placed above) = (1 - eps) * own(i) + eps * 1{i in P} / |P|

where `own` is the strategy's distribution over the support S = P + T (P = R and S = R without a pool):

- `epsilon_greedy`: uniform over T.  `greedy`: the same with eps = 0.  `uniform`: eps = 1.
- `softmax`: proportional to exp(value / temperature).
- `squarecb`: 1 / (|S| + gamma * (best value - value)) outside T, what is left shared equally by T. Foster and Rakhlin,
  "Beyond UCB" (2020), equation 2.
- `bag`: sum over members b of w_b * (uniform over the documents of S that b values most). One member orders the whole
  list, so w is the posterior of the member given what is placed: it starts uniform and each slot multiplies w_b by the
  member's own (1 - eps) * own_b(i) + eps * 1{i in P} / |P|, then normalises. Averaging the members anew in each slot
  would log probabilities that nothing was drawn with.

Two guards. Slots above `from_slot`, and every slot once the pool is used up, are exploited: uniform over T, for every
strategy, and they tell nothing about the bag's member. What is outside the pool and not in T has probability 0: it has
no support, and no estimator can say anything about showing it there. (`uniform` shows nothing but the pool until that
is used up.)

VW's pmf is the first slot's for the same values: `--epsilon e`; `--softmax --lambda 1/temperature`; `--bag n`;
`--squarecb --gamma_exponent 0 --gamma_scale gamma`. Two differences are deliberate. With an epsilon beside `--softmax`
or `--bag` VW lifts small probabilities to epsilon / n and scales down the others; here, as in its `--epsilon`, the rate
is always mixed in. And where several documents tie for the best, VW's squarecb gives the remainder to the first of
them; here they share it.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from lrerank.errors import PipelineError
from lrerank.types import FloatArray, IntArray, Slate

Strategy: TypeAlias = Literal["epsilon_greedy", "softmax", "squarecb", "bag", "greedy", "uniform"]

STRATEGIES: tuple[Strategy, ...] = ("epsilon_greedy", "softmax", "squarecb", "bag", "greedy", "uniform")

TIE_TOLERANCE = 1e-6
"""Values closer than this are tied. Single precision sums of some dozens of terms of size 1 differ by up to 3e-7
between numpy and VW for the same document; a difference of 1e-6 of a click is of no use to anybody."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """How a slate departs from the order of values.

    Attributes:
        strategy: one of `STRATEGIES`.
        rate: eps, per slot, 0 to 1; `greedy` and `uniform` have their own.
        temperature: of `softmax`, in units of value: documents this far apart have odds of e to 1. VW's lambda is
            1 / temperature.
        gamma: of `squarecb`, per unit of value: the factor on the gap itself, VW's
            `gamma_scale * examples ** gamma_exponent`. The theory's choice is about the square root of documents times
            impressions: 1000 for 100 documents and 10,000 impressions.
        from_slot: first slot, 1-based, that may be explored.
        pool: exploration draws only from this many documents, those with the best incoming scores; None for all.

    Raises:
        PipelineError: a parameter out of range; the path is the parameter's name in a stage.
    """

    strategy: Strategy = "epsilon_greedy"
    rate: float = 0.1
    temperature: float = 0.05
    gamma: float = 1000.0
    from_slot: int = 1
    pool: int | None = None

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise PipelineError(
                "unknown strategy",
                path="exploration",
                value=self.strategy,
                remedy=f"Use one of {', '.join(STRATEGIES)}",
            )
        if not 0.0 <= self.rate <= 1.0:
            raise PipelineError("out of range", path="exploration_rate", value=self.rate, remedy="Use a number 0 to 1")
        for name in ("temperature", "gamma"):
            if not 0.0 < (found := getattr(self, name)) < math.inf:
                raise PipelineError(
                    "out of range",
                    path=f"exploration_parameters.{name}",
                    value=found,
                    remedy="Use a finite number above 0",
                )
        for path, count in (("explore_from_slot", self.from_slot), ("explore_pool", self.pool)):
            if count is not None and count < 1:
                raise PipelineError("out of range", path=path, value=count, remedy="Use a whole number from 1 on")


def canonical(values: FloatArray) -> FloatArray:
    """The values that rank, with near ties made exact: [n], or [b, n] of which the mean over rows is taken, -> [n].

    Values that a chain of steps of at most `TIE_TOLERANCE` connects all become the largest among them. Order is kept,
    and ties, boosts, scores and propensities agree when all of them start from these values.

    Raises:
        ValueError: a value that is not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    return _ranked(values if values.ndim == 1 else values.mean(axis=0))[0]


def draw_slate(
    values: FloatArray, incoming: FloatArray, slots: int, exploration: Exploration, rng: np.random.Generator
) -> Slate:
    """Draw a list slot by slot.

    The number of variates taken from `rng` depends on n and `slots` alone, so that strategies can be compared draw for
    draw.

    Args:
        values: [n], or [b, n] with one row per member of the bag. The mean over members ranks, decides what counts as
            explored, and is all that the other strategies use.
        incoming: [n] scores that choose the pool; ties go to the earlier position.
        slots: length of the list; cut to n.
        exploration: how to draw.
        rng: the policy's own stream.

    Returns:
        Positions into `values`, their propensities, and whether each has a lower value (canonical, mean over members)
        than the best document that was not yet placed.

    Raises:
        ValueError: a value that is not finite, or shapes that differ.
    """
    state = _slots(values, incoming, exploration)
    slots = min(slots, len(state.values))
    noise = rng.random(1 + 2 * slots).tolist()
    state.member = noise[0]
    order, propensities, explored = [], [], []
    for branch, pick in zip(noise[1::2], noise[2::2], strict=True):
        document = state.draw(branch, pick)
        order.append(document)
        propensities.append(state.probability(document))
        explored.append(state.values[document] < state.best)
        state.place(document)
    return Slate(
        np.array(order, dtype=np.int64), np.array(propensities, dtype=np.float64), np.array(explored, dtype=np.bool_)
    )


def slate_propensities(
    values: FloatArray, incoming: FloatArray, order: Sequence[int] | IntArray, exploration: Exploration
) -> FloatArray:
    """[k] propensities with which `draw_slate` would draw this order, slot by slot; 0 where it never would.

    After a slot of propensity 0 the next ones are still the distributions given what stands above them; a document that
    no member of the bag could have placed leaves the posterior as it was, the limit of a vanishing rate.

    Raises:
        ValueError: as `draw_slate`, or a position that repeats or is not among the candidates.
    """
    state = _slots(values, incoming, exploration)
    propensities = []
    for document in _checked_order(order, len(state.values)):
        propensities.append(state.probability(document))
        state.place(document)
    return np.array(propensities, dtype=np.float64)


def slot_distribution(
    values: FloatArray, incoming: FloatArray, placed: Sequence[int] | IntArray, exploration: Exploration
) -> FloatArray:
    """[n] distribution of the slot below the `placed` documents; 0 for those. Sums to 1 while any is left.

    Raises:
        ValueError: as `slate_propensities`.
    """
    state = _slots(values, incoming, exploration)
    for document in _checked_order(placed, len(state.values)):
        state.place(document)
    return np.array([state.probability(document) for document in range(len(state.values))], dtype=np.float64)


class _Leaders:
    """The documents tied for the largest value among those of a list that are not yet placed.

    Sorted once and kept in Python lists: going on to the next slot then costs less than a microsecond.
    """

    def __init__(self, values: list[float], ascending: list[int], placed: bytearray) -> None:
        self.values = values
        self.top: list[int] = []
        self.best = -math.inf
        self._ahead = ascending
        self._placed = placed
        self._advance()

    def take(self, document: int) -> None:
        """Drop a document that has just been marked as placed."""
        if self.values[document] == self.best and document in self.top:
            self.top.remove(document)
            if not self.top:
                self._advance()

    def _advance(self) -> None:
        ahead, values, placed = self._ahead, self.values, self._placed
        while ahead and placed[ahead[-1]]:
            ahead.pop()
        self.best = values[ahead[-1]] if ahead else -math.inf
        while ahead and values[ahead[-1]] == self.best:
            document = ahead.pop()
            if not placed[document]:
                self.top.append(document)


class _Slots:
    """What is not yet placed, and the next slot's distribution; by itself the mixture of greedy and uniform."""

    def __init__(self, values: FloatArray, incoming: FloatArray, exploration: Exploration, rate: float) -> None:
        ranked, ascending = _ranked(values)
        n = len(ranked)
        self.values: list[float] = ranked.tolist()
        self.member = 0.0
        self._rate = rate
        self._keep = 1.0 - rate
        self._slot = 1
        self._from_slot = exploration.from_slot
        self._placed = bytearray(n)
        self._leaders = _Leaders(self.values, ascending.tolist(), self._placed)
        self._restricted = exploration.pool is not None and exploration.pool < n
        if self._restricted:
            self._pool: list[int] = np.argsort(-incoming, kind="stable")[: exploration.pool].tolist()
            self._in_pool = bytearray(n)
            for document in self._pool:
                self._in_pool[document] = 1
        else:
            self._pool = list(range(n))
            self._in_pool = bytearray(b"\1") * n

    @property
    def best(self) -> float:
        """The largest value among the documents not yet placed."""
        return self._leaders.best

    def draw(self, branch: float, pick: float) -> int:
        """A document for this slot, from two uniform variates."""
        if self._exploited():
            return _nth(self._leaders.top, pick)
        # Written so that a rate too small to be drawn at all never is.
        if branch >= self._keep:
            return _nth(self._pool, pick)
        return self._own_draw(pick)

    def probability(self, document: int) -> float:
        """The whole mixture's probability, whichever branch drew the document."""
        if self._placed[document]:
            return 0.0
        if self._exploited():
            return self._greedy(document)
        return self._keep * self._own(document) + self._uniform(document)

    def place(self, document: int) -> None:
        """Go on to the next slot."""
        self._placed[document] = 1
        self._slot += 1
        if self._in_pool[document]:
            self._pool.remove(document)
            self._in_pool[document] = 0
        self._leaders.take(document)

    def _own(self, document: int) -> float:
        return self._greedy(document)

    def _own_draw(self, pick: float) -> int:
        return _nth(self._leaders.top, pick)

    def _exploited(self) -> bool:
        return self._slot < self._from_slot or not self._pool

    def _greedy(self, document: int) -> float:
        return 1.0 / len(self._leaders.top) if self.values[document] == self.best else 0.0

    def _uniform(self, document: int) -> float:
        return self._rate / len(self._pool) if self._in_pool[document] else 0.0


class _DenseSlots(_Slots):
    """Strategies that need every remaining value in every slot."""

    def __init__(self, values: FloatArray, incoming: FloatArray, exploration: Exploration) -> None:
        super().__init__(values, incoming, exploration, exploration.rate)
        # [n] values of what the strategy may draw, -inf elsewhere.
        self._support = np.array(self.values, dtype=np.float64)
        if self._restricted:
            self._support[~np.frombuffer(self._in_pool, dtype=np.bool_)] = -np.inf
        self._row: FloatArray | None = None

    @abstractmethod
    def _distribution(self) -> FloatArray:
        """[n] the strategy's own distribution over the support."""

    def place(self, document: int) -> None:
        super().place(document)
        self._support[document] = -np.inf
        self._row = None

    def _own(self, document: int) -> float:
        return float(self._own_row()[document])

    def _own_draw(self, pick: float) -> int:
        cumulated = self._own_row().cumsum()
        return int(cumulated.searchsorted(pick * cumulated[-1], side="right"))

    def _own_row(self) -> FloatArray:
        if self._row is None:
            if self._restricted:
                # The best remaining belong to the support even outside the pool, and stay the best until placed.
                self._support[self._leaders.top] = self.best
            with np.errstate(over="ignore"):
                self._row = self._distribution()
        return self._row


class _SoftmaxSlots(_DenseSlots):
    def __init__(self, values: FloatArray, incoming: FloatArray, exploration: Exploration) -> None:
        super().__init__(values, incoming, exploration)
        self._temperature = exploration.temperature

    def _distribution(self) -> FloatArray:
        odds: FloatArray = np.exp((self._support - self.best) / self._temperature)
        odds /= odds.sum()
        return odds


class _SquareCBSlots(_DenseSlots):
    def __init__(self, values: FloatArray, incoming: FloatArray, exploration: Exploration) -> None:
        super().__init__(values, incoming, exploration)
        self._gamma = exploration.gamma

    def _distribution(self) -> FloatArray:
        top = self._leaders.top
        outside = sum(not self._in_pool[document] for document in top) if self._restricted else 0
        shares: FloatArray = 1.0 / (len(self._pool) + outside + self._gamma * (self.best - self._support))
        shares[top] = 0.0
        shares[top] = (1.0 - shares.sum()) / len(top)
        return shares


class _BagSlots(_Slots):
    """One leader board per member; `member` chooses, once for the whole list, whose is followed."""

    def __init__(self, rows: FloatArray, incoming: FloatArray, exploration: Exploration) -> None:
        super().__init__(rows.mean(axis=0), incoming, exploration, exploration.rate)
        self._members = []
        for row in rows:
            ranked, ascending = _ranked(row)
            pool = [document for document in ascending.tolist() if self._in_pool[document]]
            self._members.append(_Leaders(ranked.tolist(), pool, self._placed))
        self._weights = [1.0 / len(rows)] * len(rows)
        self._choices: list[list[int]] | None = None

    def place(self, document: int) -> None:
        if not self._exploited():
            uniform = self._uniform(document)
            weights = [
                weight * (self._keep * (document in choice) / len(choice) + uniform)
                for weight, choice in zip(self._weights, self._own_choices(), strict=True)
            ]
            if (total := sum(weights)) > 0.0:
                self._weights = [weight / total for weight in weights]
        super().place(document)
        for member in self._members:
            member.take(document)
        self._choices = None

    def _own(self, document: int) -> float:
        choices = zip(self._weights, self._own_choices(), strict=True)
        return sum(weight / len(choice) for weight, choice in choices if document in choice)

    def _own_draw(self, pick: float) -> int:
        return _nth(_nth(self._own_choices(), self.member), pick)

    def _own_choices(self) -> list[list[int]]:
        """Per member, the documents of the support that it values most."""
        if self._choices is None:
            # The mean's best belong to the support even outside the pool.
            outside = [document for document in self._leaders.top if not self._in_pool[document]]
            self._choices = [_choice(member, outside) for member in self._members]
        return self._choices


def _choice(member: _Leaders, outside: list[int]) -> list[int]:
    if not outside:
        return member.top
    best = max(member.best, *(member.values[document] for document in outside))
    choice = [document for document in outside if member.values[document] == best]
    return choice + member.top if member.best == best else choice


_T = TypeVar("_T")


def _nth(items: list[_T], variate: float) -> _T:
    """One of the items, uniformly; below the length for every variate below 1, rounding included."""
    return items[int(variate * len(items))]


def _slots(values: FloatArray, incoming: FloatArray, exploration: Exploration) -> _Slots:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim not in (1, 2) or values.shape[-1:] != np.shape(incoming) or 0 in values.shape[:-1]:
        raise ValueError(f"values {values.shape} do not go with incoming scores {np.shape(incoming)}")
    strategy = exploration.strategy
    if strategy == "bag":
        return _BagSlots(np.atleast_2d(values), incoming, exploration)
    mean = values if values.ndim == 1 else values.mean(axis=0)
    if strategy == "softmax":
        return _SoftmaxSlots(mean, incoming, exploration)
    if strategy == "squarecb":
        return _SquareCBSlots(mean, incoming, exploration)
    rate = {"greedy": 0.0, "uniform": 1.0}.get(strategy, exploration.rate)
    return _Slots(mean, incoming, exploration, rate)


def _ranked(values: FloatArray) -> tuple[FloatArray, IntArray]:
    """[n] canonical values, [n] positions in ascending order."""
    order = np.argsort(values, kind="stable")
    if len(values) == 0:
        return values, order
    ascending = values[order]
    # Sorting puts NaN last and infinities at the ends.
    if not (math.isfinite(ascending[0]) and math.isfinite(ascending[-1])):
        raise ValueError("values must be finite")
    ends = np.append((ascending[1:] - ascending[:-1] > TIE_TOLERANCE).nonzero()[0], len(values) - 1)
    if len(ends) == len(values):
        return values, order
    tied = np.empty_like(values)
    tied[order] = np.repeat(ascending[ends], np.diff(ends, prepend=-1))
    return tied, order


def _checked_order(order: Sequence[int] | IntArray, n: int) -> list[int]:
    positions = [int(position) for position in order]
    if len(set(positions)) < len(positions) or any(not 0 <= position < n for position in positions):
        raise ValueError(f"an order must hold different positions below {n}, not {positions}")
    return positions
