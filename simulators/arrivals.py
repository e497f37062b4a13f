"""Who comes when, from where, and searches for what: the same for all policies, and looked up rather than drawn.

Every arrival is a function of its number, so any range of them can be asked for without those before it, in memory
that does not grow with the length of a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from simulators.parameters import WorldParameters
from simulators.variates import uniforms

DEVICES = ("desktop", "phone", "tablet")
LOCATIONS = ("north", "east", "south", "west")
START = 1_767_225_600.0
"""The first moment of every run: 2026-01-01, a Thursday, UTC."""

DAY, WEEK = 86_400.0, 604_800.0
_DEVICE_SHARES, _OWN_DEVICE = (0.40, 0.48, 0.12), 0.7
_LOCATION_SHARES, _AT_HOME = (0.4, 0.3, 0.2, 0.1), 0.9
_BUSIEST_OF_DAY, _BUSIEST_OF_WEEK = 20.0 / 24.0, 6.5 / 7.0
# A session never runs across a multiple of this many requests of its lane: so far back must one look for its start.
_BLOCK = 128


class _Decides(IntEnum):
    """What a variate of the arrivals decides. The channels of `simulators.variates` end below."""

    RANK = 101  # keyed by user
    HOME = 102  # keyed by user
    FAVOURITE = 103  # keyed by user
    SESSION = 104  # keyed by impression
    MOMENT = 105
    QUERY = 106
    USER = 107  # keyed by the first impression of a session
    DEVICE = 108
    OTHER_DEVICE = 109
    LOCATION = 110
    OTHER_LOCATION = 111


@dataclass(frozen=True, slots=True)
class Arrivals:
    """m requests in the order of time.

    Attributes:
        impression: [m] number within the replicate, from 0.
        user: [m] number of the user; users are numbered in the order in which they are born.
        query: [m] number of the query.
        timestamp: [m] seconds since the epoch, UTC.
        device, location: [m] indices into `DEVICES` and `LOCATIONS`.
    """

    impression: NDArray[np.int64]
    user: NDArray[np.int64]
    query: NDArray[np.int64]
    timestamp: NDArray[np.float64]
    device: NDArray[np.int64]
    location: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.impression)

    def take(self, which: slice | NDArray[np.int64]) -> Arrivals:
        """Some of them."""
        return Arrivals(*(getattr(self, name)[which] for name in self.__slots__))


class ArrivalProcess:
    """The arrivals of one replicate.

    A session keeps its user, device and location. Who starts one is drawn by activity among those born by then.
    Busy sites have sessions side by side: the impressions are dealt to as many lanes as make the mean time between
    two requests of a session the wanted one, and a session stays in its lane. (On a quiet site, where one lane is
    too many, that time is longer than wanted.)

    Attributes:
        births: [users] the impression from which each user may come, in increasing order.
        activity: [users] relative rate at which each user starts sessions.
        lanes: how many impressions lie between two requests of a session.
    """

    def __init__(
        self, parameters: WorldParameters, query_weights: NDArray[np.float64], *, key: int, impressions: int
    ) -> None:
        """
        Args:
            query_weights: [queries] relative frequency of each query, 0 or more.
            key: what all variates are keyed by, another one in every replicate of every world.
            impressions: over which the users are born.

        Raises:
            ValueError: no queries, or none that is ever asked; no impressions.
        """
        if impressions < 1:
            raise ValueError(f"impressions is {impressions!r}, not 1 or more")
        if len(query_weights) == 0 or not (query_weights >= 0).all() or not query_weights.sum() > 0:
            raise ValueError("there must be a query that is asked")
        self._parameters, self._key = parameters, key
        self._queries = np.cumsum(query_weights)
        users = parameters.users
        later = min(users - 1, round(parameters.new_user_share * users))
        # The j-th of them in the middle of the j-th part of the run, rounded up.
        born = -(-(2 * np.arange(later) + 1) * impressions // (2 * max(1, later)))
        self.births = np.concatenate([np.zeros(users - later, np.int64), born.astype(np.int64)])
        number = np.arange(users)
        ranks = np.argsort(np.argsort(uniforms(key, number, 0, _Decides.RANK))) + 1
        self.activity = np.asarray(ranks.astype(np.float64) ** -parameters.activity_exponent)
        self._active = np.cumsum(self.activity)
        self._home = _chosen(_LOCATION_SHARES, uniforms(key, number, 0, _Decides.HOME))
        self._favourite = _chosen(_DEVICE_SHARES, uniforms(key, number, 0, _Decides.FAVOURITE))
        self.lanes = max(1, round(parameters.impressions_per_day * parameters.session_gap_seconds / DAY))
        # The first request of a block always starts a session; the others do so often enough to give the wanted mean.
        self._starts = (_BLOCK / parameters.requests_per_session - 1) / (_BLOCK - 1)
        self._rhythm = _Rhythm(parameters.daily_swing, parameters.weekly_swing)

    def between(self, start: int, stop: int) -> Arrivals:
        """Arrivals start..stop-1: the same ones however they are asked for, but cheaper by the hundred.

        Raises:
            ValueError: a negative start, or a stop before it.
        """
        if not 0 <= start <= stop:
            raise ValueError(f"there are no arrivals from {start} to {stop}")
        key, impression = self._key, np.arange(start, stop, dtype=np.int64)
        first = self._session_starts(start, stop)
        born = np.searchsorted(self.births, first, side="right")
        drawn = uniforms(key, first, 0, _Decides.USER) * self._active[born - 1]
        user = np.minimum(np.searchsorted(self._active, drawn, side="right"), born - 1)
        other = _chosen(_DEVICE_SHARES, uniforms(key, first, 0, _Decides.OTHER_DEVICE))
        device = np.where(uniforms(key, first, 0, _Decides.DEVICE) < _OWN_DEVICE, self._favourite[user], other)
        other = _chosen(_LOCATION_SHARES, uniforms(key, first, 0, _Decides.OTHER_LOCATION))
        location = np.where(uniforms(key, first, 0, _Decides.LOCATION) < _AT_HOME, self._home[user], other)
        asked = uniforms(key, impression, 0, _Decides.QUERY) * self._queries[-1]
        query = np.minimum(np.searchsorted(self._queries, asked, side="right"), len(self._queries) - 1)
        days = (impression + uniforms(key, impression, 0, _Decides.MOMENT)) / self._parameters.impressions_per_day
        return Arrivals(impression, user, query, self._rhythm.moments(days * DAY), device, location)

    def _session_starts(self, start: int, stop: int) -> NDArray[np.int64]:
        """The first impression of the session that each of start..stop-1 belongs to: [stop - start]."""
        block = self.lanes * _BLOCK
        origin = start // block * block
        end = -(-stop // self.lanes) * self.lanes  # full rows of lanes
        impression = np.arange(origin, end, dtype=np.int64)
        starts = uniforms(self._key, impression, 0, _Decides.SESSION) < self._starts
        starts |= impression // self.lanes % _BLOCK == 0
        last = np.maximum.accumulate(np.where(starts, impression, -1).reshape(-1, self.lanes), axis=0)
        return last.ravel()[start - origin : stop - origin]


class _Rhythm:
    """The rate of arrivals over day and week, 1 on average, and its inverse."""

    def __init__(self, daily_swing: float, weekly_swing: float) -> None:
        self._since_monday = (START - 4 * DAY) % WEEK  # the epoch began on a Thursday; 4 days later it was Monday
        self._minutes = np.arange(7 * 24 * 60 + 1) * 60.0

        def integral(swing: float, period: float, busiest: float) -> NDArray[np.float64]:
            turn = 2.0 * np.pi
            wave = np.sin(turn * (self._minutes / period - busiest)) + np.sin(turn * busiest)
            return np.asarray(swing * period / turn * wave)

        # The integral of 1 + swing cos(2 pi (t / period - busiest)) for both periods; it maps a week onto a week.
        self._passed = self._minutes + integral(daily_swing, DAY, _BUSIEST_OF_DAY)
        self._passed += integral(weekly_swing, WEEK, _BUSIEST_OF_WEEK)
        self._passed_at_start = np.interp(self._since_monday, self._minutes, self._passed)

    def moments(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """When so many seconds of mean traffic have passed, as seconds since the epoch: [m], in the same order."""
        weeks, rest = np.divmod(seconds + self._passed_at_start, WEEK)
        within = np.interp(rest, self._passed, self._minutes)
        return np.asarray(START - self._since_monday + weeks * WEEK + within)


def _chosen(shares: tuple[float, ...], variates: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices into the shares, each as often as its share says: [m]."""
    bounds = np.array(shares[:-1]).cumsum()
    return bounds.searchsorted(variates, side="right").astype(np.int64)
