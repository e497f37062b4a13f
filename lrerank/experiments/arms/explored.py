"""A fixed order of which a share of the slots is drawn instead: what a careful shop logs before it learns."""

from __future__ import annotations

import numpy as np

from lrerank.experiments.arms.base import Arm, Outcomes, Requests, Served
from lrerank.experiments.search import ABSENT
from simulators.variates import uniforms

# What the variates decide; no channel of a world has these numbers.
_WHETHER, _WHICH = 3_011, 3_012


class Explored:
    """Another arm's lists, each slot of which is with probability `rate` drawn uniformly from what is not yet placed.

    With N candidates left for a slot the best remaining one has the propensity 1 - rate + rate / N, any other rate / N.

    Args:
        arm: one whose lists hold no chance.
        rate: 0..1.
        seed: of the draws, which are looked up by impression and slot, so that batches change none.
    """

    def __init__(self, arm: Arm, rate: float, seed: np.random.SeedSequence) -> None:
        self.arm, self.rate = arm, rate
        self.seed = int(seed.generate_state(1, np.uint64)[0])

    def rank(self, requests: Requests) -> Served:
        certain = self.arm.rank(requests)
        greedy = certain.columns
        (m, slots), every = greedy.shape, np.arange(len(greedy))
        slot = np.arange(1, slots + 1)
        whether = uniforms(self.seed, requests.impression[:, None], slot, _WHETHER) < self.rate
        which = uniforms(self.seed, requests.impression[:, None], slot, _WHICH)
        left = requests.rows >= 0
        columns = np.full((m, slots), ABSENT, np.int64)
        propensities, explored = np.ones((m, slots)), np.zeros((m, slots), np.bool_)
        for place in range(min(slots, left.shape[1])):
            count = left.sum(axis=1)
            # The best remaining one: the first of the arm's own list that is not placed yet.
            waiting = (greedy >= 0) & left[every[:, None], np.maximum(greedy, 0)]
            best = greedy[every, np.argmax(waiting, axis=1)]
            nth = (which[:, place] * count).astype(np.int64)
            drawn = np.argmax(np.cumsum(left, axis=1) > nth[:, None], axis=1)
            chosen = np.where(whether[:, place], drawn, best)
            there = count > 0
            columns[there, place] = chosen[there]
            explored[:, place] = there & (chosen != best)
            share = self.rate / np.maximum(count, 1)
            propensities[:, place] = np.where(there, share + np.where(chosen == best, 1.0 - self.rate, 0.0), 1.0)
            left[every[there], chosen[there]] = False
        return Served(columns, propensities, explored, greedy, segments=certain.segments)

    def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
        self.arm.learn(requests, served, outcomes)
