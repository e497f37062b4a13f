"""An arm that takes every request for another one's user: as much to learn from, and nobody known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lrerank.experiments.arms.base import Arm, Outcomes, Requests, Served
from lrerank.types import IntArray


class Shuffled:
    """Another arm, to which the users of all requests of a replicate are shuffled, those of the log included.

    Every user occurs as often as before, but no request is of the user that it is said to be of, other than by chance.
    So nothing that the arm holds for a user's taste, habit or satiation is anybody's, while its model has the same
    columns. Device, location, moment and query are those of the request: they are no part of the user's profile.

    Who is new when is shuffled too. A user who comes late is known from early on, so where many come late and strangers
    are left to a fallback, fewer late requests are left to it.

    Args:
        users: [impressions] of the replicate; not kept.
        seed: of the shuffling.
    """

    def __init__(self, arm: Arm, users: IntArray, seed: np.random.SeedSequence) -> None:
        self.arm = arm
        self._users = np.random.default_rng(seed).permutation(users)

    def rank(self, requests: Requests) -> Served:
        return self.arm.rank(self._mistaken(requests))

    def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
        self.arm.learn(self._mistaken(requests), served, outcomes)

    def _mistaken(self, requests: Requests) -> Requests:
        return replace(requests, user=self._users[requests.impression])
