"""Who comes when, and searches for what: the arrivals that are common to all policies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Sessions:
    """m requests in the order of time.

    Attributes:
        request: [m] 0..m-1.
        user: [m] number of the user.
        query: [m] number of the query.
        timestamp: [m] seconds since the epoch, UTC.
    """

    request: NDArray[np.int64]
    user: NDArray[np.int64]
    query: NDArray[np.int64]
    timestamp: NDArray[np.float64]


def sessions(
    rng: np.random.Generator,
    requests: int,
    users: int,
    queries: int,
    *,
    start: float,
    days: float = 14.0,
    activity_exponent: float = 1.0,
    query_exponent: float = 0.7,
    requests_per_session: float = 2.0,
    minutes_between: float = 1.0,
    daily_swing: float = 0.8,
) -> Sessions:
    """Draw requests of users who come in sessions, with a daily rhythm.

    Args:
        rng: the source of randomness.
        requests: how many, m.
        users: how many there are. The user of activity rank r starts sessions in proportion to r^-activity_exponent;
            which user has which rank is random. Not every user need come.
        queries: how many there are; popularity rank r is chosen in proportion to r^-query_exponent, independently
            of the user.
        start: seconds since the epoch of the beginning of the first day.
        days: sessions start uniformly over these, but for the rhythm of the day.
        activity_exponent: 0 = all alike.
        query_exponent: 0 = all alike.
        requests_per_session: mean of a geometric distribution, 1 or more.
        minutes_between: mean of the exponential time between requests of a session.
        daily_swing: the rate at 20:00 is 1 + daily_swing times the day's mean, at 8:00 it is 1 - daily_swing; 0..1.

    Raises:
        ValueError: a parameter out of its range.
    """
    if min(requests, users, queries) < 1 or requests_per_session < 1 or days <= 0 or not 0 <= daily_swing <= 1:
        raise ValueError("there must be requests, users, queries and days, 1 request per session, a swing in 0..1")
    if min(activity_exponent, query_exponent, minutes_between) < 0:
        raise ValueError("exponents and times are 0 or more")
    # Every session has a request at least, so as many sessions as requests are enough; the last one is cut short.
    lengths = rng.geometric(1.0 / requests_per_session, size=requests)
    lengths = lengths[: int(np.searchsorted(np.cumsum(lengths), requests)) + 1]
    session = np.repeat(np.arange(len(lengths)), lengths)[:requests]
    begin = start + _moments(rng, len(lengths), days, daily_swing)
    first = np.searchsorted(session, session)  # [m] index of the session's first request
    gaps = rng.exponential(60.0 * minutes_between, size=requests) if minutes_between > 0 else np.zeros(requests)
    elapsed = np.cumsum(gaps)
    timestamp = begin[session] + elapsed - elapsed[first]
    user = rng.choice(users, size=len(lengths), p=_zipf(rng, users, activity_exponent))[session]
    query = rng.choice(queries, size=requests, p=_zipf(rng, queries, query_exponent))
    order = np.argsort(timestamp, kind="stable")
    return Sessions(np.arange(requests), user[order], query[order], timestamp[order])


def _zipf(rng: np.random.Generator, n: int, exponent: float) -> NDArray[np.float64]:
    """Probabilities in proportion to rank^-exponent, ranks dealt at random: [n]."""
    weight = rng.permutation(np.arange(1, n + 1, dtype=np.float64)) ** -exponent
    return np.asarray(weight / weight.sum())


def _moments(rng: np.random.Generator, n: int, days: float, swing: float) -> NDArray[np.float64]:
    """Seconds since the start, by rejection from the uniform distribution: [n]."""
    moments = np.empty(0)
    while len(moments) < n:
        proposed = rng.uniform(0.0, days * DAY, size=2 * n)
        rate = 1.0 + swing * np.cos(2.0 * np.pi * (proposed / DAY - 20.0 / 24.0))
        moments = np.concatenate([moments, proposed[rng.random(2 * n) * (1.0 + swing) < rate]])
    return moments[:n]
