"""An arm that takes every request for another one's user: as much to learn from, and nobody known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lrerank.experiments.arms.base import Arm, Outcomes, Requests, Served
from lrerank.types import IntArray

_NEAR = 8


class Shuffled:
    """Another arm, to which the users of all requests of a replicate are shuffled, those of the log included.

    Every user occurs as often as before, but no request is of the user that it is said to be of. So what the arm holds for
    a user's taste, habit or satiation is a mixture of many, while its model has the same columns. Device, location, moment
    and query are those of the request: they are no part of the user's profile.

    Users change places with others who have searched about as often by then, at about the same time: newcomers with
    newcomers, regulars with regulars. So profiles are as rich as before, and as many requests are left to a fallback. The
    price: among hundreds of users 1 to 7 % of a profile's past is the asker's own all the same, of the few busiest users up
    to a quarter. So what is above this arm is personal, and somewhat less than all that is. With a handful of users it is no
    placebo.

    Args:
        users: [impressions] of the replicate; not kept.
        seed: of the shuffling.
    """

    def __init__(self, arm: Arm, users: IntArray, seed: np.random.SeedSequence) -> None:
        self.arm = arm
        self._users = shuffled(users, np.random.default_rng(seed))

    def rank(self, requests: Requests) -> Served:
        return self.arm.rank(self._mistaken(requests))

    def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
        self.arm.learn(self._mistaken(requests), served, outcomes)

    def _mistaken(self, requests: Requests) -> Requests:
        return replace(requests, user=self._users[requests.impression])


def shuffled(users: IntArray, rng: np.random.Generator) -> IntArray:
    """[impressions] whom to take each request to be of: a permutation of `users` among those alike.

    Alike are requests before which their users have made 0, 1 to 2, 3 to 6, 7 to 14, ... others: some 8, 16, 32, 64,
    ... at a time, in the order of time, so that each time several users change places. The last of these classes has no end, and at most a third of it is one user's, so that all have
    somebody to change with.
    """
    kind = np.log2(earlier(users) + 1).astype(np.int64)
    counts = np.bincount(users)
    last = int(kind.max(initial=0))
    while last:
        in_last = np.maximum(counts - 2**last + 1, 0)
        if 3 * in_last.max() <= in_last.sum():
            break
        last -= 1
    kind = np.minimum(kind, last)
    found = users.copy()
    for each in range(last + 1):
        places = np.flatnonzero(kind == each)
        for some in np.array_split(places, max((len(places) >> each) // _NEAR, 1)):
            found[some] = _exchanged(users[some], rng)
    return found


def earlier(users: IntArray) -> IntArray:
    """[impressions] how many requests their users have made before."""
    order = np.argsort(users, kind="stable")
    first = np.searchsorted(users[order], users[order])
    found = np.empty(len(users), np.int64)
    found[order] = np.arange(len(users)) - first
    return found


def _exchanged(users: IntArray, rng: np.random.Generator) -> IntArray:
    """A permutation by chance in which nobody keeps a place, as far as there are others."""
    found = rng.permutation(users)
    for place in np.flatnonzero(found == users):
        others = np.flatnonzero((found != users[place]) & (users != found[place]))
        if found[place] == users[place] and len(others):
            other = rng.choice(others)
            found[place], found[other] = found[other], found[place]
    return found
