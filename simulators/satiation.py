"""What a user's own clicks do to them: the fifth document on one topic is less attractive than the first."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_NOWHERE, _NO_CLICKS = np.zeros(0, np.int64), np.zeros(0)


class UserState:
    """What has become of every user under one policy: how often each clicked on each topic of late.

    A click counts 2^(-age / half-life). Each policy in a world has a state of its own, since it follows from what the
    policy showed.

    Attributes:
        counts, updated: [users, topics] clicks as of the last one on that topic, and the moment of that click.
    """

    def __init__(self, users: int, topics: int, half_life: float) -> None:
        """
        Args:
            half_life: in the unit of the timestamps, above 0.
        """
        # With a first column for documents on no topic, which stays 0: then topics need not be told apart.
        self._counts = np.zeros((users, topics + 1))
        self._updated = np.zeros((users, topics + 1))
        self._half_life = half_life

    @property
    def counts(self) -> NDArray[np.float64]:
        return self._counts[:, 1:]

    @property
    def updated(self) -> NDArray[np.float64]:
        return self._updated[:, 1:]

    def recent(
        self, users: NDArray[np.int64], timestamps: NDArray[np.float64], topics: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Recent clicks on the topic of each document.

        Args:
            users, timestamps: [m], no moment before the user's last click.
            topics: [m, c]; -1 for none.

        Returns:
            [m, c]; 0 where there is no topic.
        """
        recent = np.zeros(topics.shape)
        places, clicks = self.remembered(users, timestamps, topics)
        recent.ravel()[places] = clicks
        return recent

    def remembered(
        self, users: NDArray[np.int64], timestamps: NDArray[np.float64], topics: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """`recent` where it may be above 0: places in [m, c], counted through, and the numbers there."""
        if not len(self._counts):
            return _NOWHERE, _NO_CLICKS
        # Few documents are on a topic that their user clicked on, so only those are aged.
        place = topics + (users * self._counts.shape[1] + 1)[:, None]
        some = self._counts.take(place).ravel().nonzero()[0]
        if not len(some):
            return some, _NO_CLICKS
        where = place.ravel()[some]
        age = timestamps[some // topics.shape[1]] - self._updated.take(where)
        return some, self._counts.take(where) * np.exp2(-age / self._half_life)

    def add(self, users: NDArray[np.int64], timestamps: NDArray[np.float64], topics: NDArray[np.int64]) -> None:
        """Clicks in the order of time, all [clicks]; those on no topic (-1) leave nothing behind."""
        for user, timestamp, topic in zip(users.tolist(), timestamps.tolist(), topics.tolist(), strict=True):
            if topic >= 0 and len(self._counts):
                age = timestamp - self._updated[user, topic + 1]
                kept = self._counts[user, topic + 1] * math.exp2(-age / self._half_life)
                self._counts[user, topic + 1], self._updated[user, topic + 1] = kept + 1.0, timestamp


def rounds(users: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Splits requests so that no user comes twice in one part: the first of every user, the second ones, ...

    Args:
        users: [m] of requests in the order of time.

    Returns:
        Index arrays, each increasing.
    """
    if len(set(users.tolist())) == len(users):
        return [np.arange(len(users))]
    order = np.argsort(users, kind="stable")
    ordered = users[order]
    fresh = np.ones(len(users), dtype=bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    place = np.arange(len(users))
    turn = np.empty(len(users), np.int64)
    turn[order] = place - np.maximum.accumulate(np.where(fresh, place, 0))
    return [np.flatnonzero(turn == number) for number in range(int(turn.max()) + 1)]
