"""What an arm may see, what it answers, and what it is told afterwards.

These records are the wall between a world's truth and the policies that are judged in it: they hold what production
would know and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from lrerank.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Requests:
    """m requests in the order of time, with their candidates.

    Attributes:
        impression: [m] number of the impression within the replicate, from 0; the log's come first.
        user: [m] number of the user.
        query: [m] number of the query.
        timestamp: [m] seconds since the epoch, UTC.
        device, location: [m] indices into `simulators.arrivals.DEVICES` and `LOCATIONS`.
        rows: [m, c] rows of the catalog, in the order of the static score; -1 after the last candidate.
        scores: [m, c] static score of each candidate, from the stages before; 0 where there is none.
    """

    impression: IntArray
    user: IntArray
    query: IntArray
    timestamp: FloatArray
    device: IntArray
    location: IntArray
    rows: IntArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.impression)

    def part(self, start: int, stop: int) -> Requests:
        """Requests start..stop-1."""
        return Requests(*(getattr(self, name)[start:stop] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Served:
    """The lists that an arm shows: m lists of k slots.

    Attributes:
        columns: [m, k] column of each shown document in `Requests.rows`, slot 1 first; -1 where the list ends.
        propensities: [m, k] probability of the drawn document given those placed above it; 1 for arms without chance.
        explored: [m, k] whether a document of lower value than the best remaining one was drawn.
        greedy: [m, k] the columns that the same state would show without exploration.
        probability: [m, k] predicted probability of engagement, where the arm predicts one.
        segments: [m] segment inferred from the user's past, where the arm infers one.
        frozen: [m] whatever the arm wants back when the outcomes are known.
        fallback: [m, k] the columns that the arm's fallback would show for the same requests, where it has one.
    """

    columns: IntArray
    propensities: FloatArray
    explored: BoolArray
    greedy: IntArray
    probability: FloatArray | None = None
    segments: list[str] | None = None
    frozen: list[Any] | None = None
    fallback: IntArray | None = None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What users did with lists, as far as it is known when the arm learns of it: all [m, k].

    Attributes:
        clicks, purchases: whether; a purchase that came too late for the learner is missing here.
        reward: of each slot, weighted interactions.
    """

    clicks: BoolArray
    purchases: BoolArray
    reward: FloatArray


class Arm(Protocol):
    """A policy. It is told of every page in the order of time, its own and those of the log before it."""

    def rank(self, requests: Requests) -> Served:
        """Lists for requests that arrive before anything is learned of one another."""
        ...

    def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
        """What came of lists; `served.frozen` is None where another arm showed them."""
        ...
