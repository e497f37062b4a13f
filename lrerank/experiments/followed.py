"""An arm with its own users, and its pages on their way to being learned and measured."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Sequence

import numpy as np

from lrerank.experiments.arms.base import Arm, Outcomes, Requests, Served
from lrerank.experiments.measures import Measures
from lrerank.types import BoolArray, FloatArray, IntArray
from simulators.replicate import Replicate, Response
from simulators.satiation import UserState


class Followed:
    """An arm with its own users: what they were shown has made them who they are.

    Attributes:
        arm: None for the reference list.
        measures: None while the log is shown.
        state: of the users.
        history: [users] clicks so far, on the pages counted.
        pages: shown and not yet measured: they are measured together, since a call costs much more than a page.
        pending: shown and not yet learned.
    """

    def __init__(self, arm: Arm | None, measures: Measures | None, replicate: Replicate) -> None:
        self.arm, self.measures = arm, measures
        self.state: UserState = replicate.state()
        self.history: IntArray = np.zeros(replicate.world.parameters.users, np.int64)
        self.pages = Pages()
        self.pending: deque[tuple[Requests, Served, Outcomes]] = deque()

    def followed_by(self, arm: Arm | None, measures: Measures) -> Followed:
        """The same users from here on under another arm; what is not yet learned of the log, it learns later."""
        other = copy.copy(self)
        other.arm, other.measures = arm, measures
        other.state, other.history = copy.deepcopy(self.state), self.history.copy()
        other.pages, other.pending = Pages(), deque(self.pending)
        return other

    def count(self, users: IntArray, clicks: BoolArray) -> IntArray:
        """[m] interactions of each user before, pages of the same call included; counts these too."""
        before = np.empty(len(users), np.int64)
        for place, (user, own) in enumerate(zip(users.tolist(), clicks.sum(axis=1).tolist(), strict=True)):
            before[place] = self.history[user]
            self.history[user] += own
        return before

    def teach(
        self, requests: Requests, served: Served, outcomes: Outcomes, learners: tuple[Arm, ...], wait: float
    ) -> None:
        """Tells learners of the pages whose time has come."""
        self.pending.append((requests, served, outcomes))
        now = float(requests.timestamp[-1])
        while self.pending and float(self.pending[0][0].timestamp[-1]) + wait <= now:
            page = self.pending.popleft()
            for learner in learners:
                learner.learn(*page)


class Pages:
    """Pages in the order of time, added batch by batch and taken from the front."""

    def __init__(self) -> None:
        self._parts: list[tuple[Served, Response, FloatArray]] = []

    def add(self, served: Served, happened: Response, milliseconds: FloatArray) -> None:
        """What was shown, what became of it, and [m] how long it took to rank."""
        self._parts.append((served, happened, milliseconds))

    def take(self, count: int) -> tuple[Served, Response, FloatArray]:
        """The first pages, at most as many as there are; they are gone afterwards.

        Raises:
            ValueError: an arm gave inferred segments, or fallback lists, for some of its pages only.
        """
        served, happened, milliseconds = zip(*self._parts, strict=True)
        whole = _joined_lists(served), _joined_responses(happened), np.concatenate(milliseconds)
        first, rest = slice(0, count), slice(count, None)
        self._parts.clear()
        if count < len(whole[2]):
            self.add(_lists(whole[0], rest), _responses(whole[1], rest), whole[2][rest])
        return _lists(whole[0], first), _responses(whole[1], first), whole[2][first]


def _joined_lists(parts: Sequence[Served]) -> Served:
    """Without what an arm wants back."""
    probability, segments = None, None
    if any(part.probability is not None for part in parts):
        probability = np.concatenate(
            [np.full(part.columns.shape, np.nan) if part.probability is None else part.probability for part in parts]
        )
    if any(part.segments is not None for part in parts):
        segments = [segment for part in parts for segment in part.segments or ()]
        if len(segments) != sum(len(part.columns) for part in parts):
            raise ValueError("an arm infers segments for all of its pages or for none")
    fallbacks = [part.fallback for part in parts if part.fallback is not None]
    if len(fallbacks) not in (0, len(parts)):
        raise ValueError("an arm has a fallback for all of its pages or for none")
    columns, propensities, explored, greedy = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("columns", "propensities", "explored", "greedy")
    )
    fallback = np.concatenate(fallbacks) if fallbacks else None
    return Served(columns, propensities, explored, greedy, probability, segments, fallback=fallback)


def _joined_responses(parts: Sequence[Response]) -> Response:
    return Response(*(np.concatenate([getattr(part, name) for part in parts]) for name in Response.__slots__))


def _lists(served: Served, some: slice) -> Served:
    probability = None if served.probability is None else served.probability[some]
    segments = None if served.segments is None else served.segments[some]
    return Served(
        served.columns[some],
        served.propensities[some],
        served.explored[some],
        served.greedy[some],
        probability,
        segments,
        fallback=None if served.fallback is None else served.fallback[some],
    )


def _responses(happened: Response, some: slice) -> Response:
    return Response(*(getattr(happened, name)[some] for name in Response.__slots__))
