"""One replicate of a world: its arms side by side over the same arrivals, batch by batch.

The loop is where truth and policies meet. Arms are handed `Requests` and told `Outcomes`; everything else that a
replicate knows goes to the measures alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lrerank.experiments.arms.base import Arm, Outcomes, Requests, Served
from lrerank.experiments.arms.lists import certain
from lrerank.experiments.followed import Followed
from lrerank.experiments.measures import Measures
from lrerank.experiments.measures_page import Page
from lrerank.experiments.search import ABSENT, Search
from lrerank.types import FloatArray, IntArray
from simulators.prospects import Prospects
from simulators.replicate import Replicate, Response
from simulators.satiation import rounds

REFERENCE = "reference"
_BLOCK = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """The course of a replicate.

    Attributes:
        slots: length of the lists.
        log: impressions before the start, shown by the logging arm; every arm learns from them.
        impressions: after the log, shown by every arm.
        bins: points in time that figures are parted by.
        batch: impressions between updates of the arms.
        click, purchase: their rewards.
        wait: seconds after an impression until its outcome is learned; purchases that take longer are not seen.
    """

    slots: int
    log: int
    impressions: int
    bins: int
    batch: int
    click: float
    purchase: float
    wait: float = 0.0


class Course:
    """A replicate on its way.

    Attributes:
        done: impressions shown so far, those of the log included.
        total: how many there will be.
    """

    def __init__(
        self, search: Search, replicate: Replicate, arms: Mapping[str, Arm], logger: Arm, plan: Plan, *, reference: bool
    ) -> None:
        """
        Args:
            search: the public side of the scene.
            replicate: users, arrivals and luck.
            arms: by name.
            logger: shows the log.
            plan: the course.
            reference: whether to follow a user population that is shown the reference list.
        """
        self.done, self.total = 0, plan.log + plan.impressions
        self._search, self._replicate, self._plan = search, replicate, plan
        self._logger = Followed(logger, None, replicate)
        self._arms = arms
        self._reference = reference
        self._measured = plan.log
        self._followed: dict[str, Followed] = {}
        self._segments = [f"segment {number + 1}" for number in range(replicate.world.parameters.segments)]

    def advance(self) -> Iterator[int]:
        """Goes to the end, a batch at a time; gives the impressions done."""
        plan = self._plan
        while self.done < self.total:
            if self.done == plan.log:
                self._start()
            limit = plan.log if self.done < plan.log else self.total
            # What is the same for all arms is worked out for many requests at once, whatever the batch.
            start, stop = self.done, min(self.done + max(plan.batch, _BLOCK - _BLOCK % plan.batch), limit)
            requests, prospects = self._block = self._arrive(start, stop)
            for one in self._followed.values():
                if one.arm is None:  # it learns nothing: batches make no difference to it
                    self._show_reference(one, prospects)
            for first in range(0, stop - start, plan.batch):
                last = min(first + plan.batch, stop - start)
                batch = requests.part(first, last), prospects.part(first, last)
                if self.done < plan.log:
                    self._show(self._logger, *batch, tuple(self._arms.values()))
                else:
                    for one in self._followed.values():
                        if one.arm is not None:
                            self._show(one, *batch, (one.arm,))
                self.done = start + last
                yield self.done
            self._measure()

    def figures(self, world: int, replicate: int) -> pd.DataFrame:
        """What has been measured so far, in the tidy form; impressions count from the end of the log."""
        self._measure()
        tables = [
            one.measures.figures(world, replicate, name)
            for name, one in self._followed.items()
            if one.measures is not None
        ]
        if not tables:
            return pd.DataFrame()
        found = pd.concat(tables, ignore_index=True)
        found[["start", "end"]] -= self._plan.log
        return found

    def _start(self) -> None:
        """From here on every arm has users of its own, who remember the log."""
        plan, world = self._plan, self._replicate.world
        edges = plan.log + np.linspace(0, plan.impressions, plan.bins + 1).round().astype(np.int64)
        names: dict[str, Arm | None] = {**self._arms, **({REFERENCE: None} if self._reference else {})}
        for name, arm in names.items():
            measures = Measures(len(world.documents), plan.slots, edges, self._search.topics, self._segments)
            self._followed[name] = self._logger.followed_by(arm, measures)

    def _arrive(self, start: int, stop: int) -> tuple[Requests, Prospects]:
        """Requests as the arms may see them, and the truth and luck of their candidates."""
        arrivals = self._replicate.arrivals(start, stop)
        rows, scores = self._search.rows[arrivals.query], self._search.scores[arrivals.query]
        if self._replicate.world.parameters.launches > 0:
            there = self._replicate.available(rows, arrivals.impression)
            order = np.argsort(~there, axis=1, kind="stable")
            there = np.take_along_axis(there, order, axis=1)
            rows = np.where(there, np.take_along_axis(rows, order, axis=1), ABSENT)
            scores = np.where(there, np.take_along_axis(scores, order, axis=1), 0.0)
        facts = {name: getattr(arrivals, name) for name in arrivals.__slots__}
        return Requests(**facts, rows=rows, scores=scores), self._replicate.prospects(arrivals, rows, self._plan.slots)

    def _show(self, one: Followed, requests: Requests, prospects: Prospects, learners: tuple[Arm, ...]) -> None:
        """One batch under one arm: rank, let users act one after the other, learn."""
        assert one.arm is not None  # noqa: S101 - for the type checker
        plan, m = self._plan, len(requests)
        started = time.perf_counter()
        served = one.arm.rank(requests)
        milliseconds = (time.perf_counter() - started) * 1e3 / m
        happened = self._replicate.respond(prospects, served.columns, one.state)
        if one.measures is None:
            one.count(requests.user, happened.clicks)
        else:
            one.pages.add(served, happened, np.full(m, milliseconds))
        if learners:
            known = happened.purchases & (happened.purchase_delay <= plan.wait)
            outcomes = Outcomes(happened.clicks, known, plan.click * happened.clicks + plan.purchase * known)
            one.teach(requests, served, outcomes, learners, plan.wait)

    def _show_reference(self, one: Followed, prospects: Prospects) -> None:
        """Reference lists, each in the state in which it meets its user."""
        shape = len(prospects), self._plan.slots
        columns = np.full(shape, ABSENT, np.int64)
        happened = Response(
            np.zeros(prospects.rows.shape), np.zeros(shape, np.bool_), np.zeros(shape, np.bool_), np.zeros(shape)
        )
        for some in rounds(prospects.arrivals.user) if one.state.counts.size else [np.arange(shape[0])]:
            part = prospects.take(some)
            nothing = np.full((len(some), shape[1]), ABSENT, np.int64)
            alpha = self._replicate.respond(part, nothing, one.state).attractiveness
            columns[some] = self._best_lists(part, alpha)
            response = self._replicate.respond(part, columns[some], one.state)
            for name in Response.__slots__:
                getattr(happened, name)[some] = getattr(response, name)
        one.pages.add(certain(columns), happened, np.zeros(shape[0]))

    def _measure(self) -> None:
        """Works out the truth of the pages shown since the last time, all of one block, and counts them."""
        if self._measured == self.done or not self._followed:
            return
        requests, prospects = self._block
        start = int(requests.impression[0])
        some = self._measured - start, self.done - start
        requests, prospects = requests.part(*some), prospects.part(*some)
        for one in self._followed.values():
            if one.measures is not None:
                served, happened, milliseconds = one.pages.take(len(requests))
                one.measures.add(requests, served, self._page(one, requests, prospects, served, happened, milliseconds))
        self._measured = self.done

    def _page(
        self,
        one: Followed,
        requests: Requests,
        prospects: Prospects,
        served: Served,
        happened: Response,
        milliseconds: FloatArray,
    ) -> Page:
        """What the world knows of lists and what came of them."""
        plan, alpha = self._plan, happened.attractiveness
        worth = plan.click + plan.purchase * prospects.purchase
        return Page(
            clicks=happened.clicks,
            purchases=happened.purchases,
            reward=plan.click * happened.clicks + plan.purchase * happened.purchases,
            alpha=_taken(alpha, served.columns),
            ideal=_largest(alpha, plan.slots),
            expected=self._expected(alpha, worth, served.columns),
            greedy_expected=self._expected(alpha, worth, served.greedy),
            reference=self._expected(alpha, worth, self._best_lists(prospects, alpha)),
            segments=self._replicate.segments[requests.user],
            history=one.count(requests.user, happened.clicks),
            milliseconds=milliseconds,
            fallback=None if served.fallback is None else self._expected(alpha, worth, served.fallback),
        )

    def _best_lists(self, prospects: Prospects, alpha: FloatArray) -> IntArray:
        plan = self._plan
        worth = plan.click + plan.purchase * prospects.purchase
        there = np.where(prospects.rows >= 0, alpha, np.nan)
        return self._replicate.click_model(plan.slots).reference_list(there, worth, plan.slots)

    def _expected(self, alpha: FloatArray, worth: FloatArray, columns: IntArray) -> FloatArray:
        model = self._replicate.click_model(self._plan.slots)
        return model.expected_reward(_taken(alpha, columns), _taken(worth, columns))


def _taken(values: FloatArray, columns: IntArray) -> FloatArray:
    """[m, k] values at these columns; 0 where a list has ended."""
    return np.where(columns >= 0, np.take_along_axis(values, np.maximum(columns, 0), axis=1), 0.0)


def _largest(alpha: FloatArray, k: int) -> FloatArray:
    """[m, k] the k largest, descending; 0 where there are fewer."""
    count = alpha.shape[1]
    if count > k:
        alpha = np.partition(alpha, count - k, axis=1)[:, count - k :]
    found = np.zeros((len(alpha), k))
    found[:, : alpha.shape[1]] = -np.sort(-alpha, axis=1)
    return found
