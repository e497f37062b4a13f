"""Popularity by segment: what everybody clicks, corrected by what users who seem alike click."""

from __future__ import annotations

import numpy as np

from lrerank.experiments.arms.base import Outcomes, Requests, Served
from lrerank.experiments.arms.lists import by_value, shown_rows
from lrerank.experiments.arms.rates import Rates, next_fit, ratio, trust
from lrerank.experiments.search import Search
from lrerank.types import FloatArray, IntArray

NEWCOMER = "newcomer"
GENERALIST = "generalist"

_FEWEST_CLICKS = 2.0
_ENTHUSIAST = 0.4
_USER_TRUST = 1.0
_ACTIVITY_TRUST = 3.0
_FIRST_TRUST = 10.0


class SegmentPopularity:
    """Orders by popularity times what the user's segment makes of the document beyond expectation.

    A user's segment is the topic that they clicked most beyond expectation, once there are two clicks: clicks are
    compared with those that popularity expected of the very lists they saw, so that a topic which they merely search
    for, or which everybody clicks, makes no segment. A segment's liking for a document backs off to its liking for the
    document's topic.
    """

    def __init__(self, search: Search, slots: int) -> None:
        self.search, self.slots = search, slots
        self.rates = Rates(search, slots)
        topics = len(search.topic_names)
        # Of documents without a topic, a segment's liking is that of no topic in particular: one more.
        self._topic = np.where(search.topics >= 0, search.topics, topics)
        self._names = [f"{'_'.join(name.lower().split())}_enthusiast" for name in search.topic_names]
        self._names += [GENERALIST, NEWCOMER]
        segments = len(self._names)
        self._clicks = np.zeros((0, topics + 1))
        self._expected = np.zeros((0, topics + 1))
        # Rewards, and those that popularity expected.
        self._by_topic = np.zeros((2, segments, topics + 1))
        self._by_document = np.zeros((2, segments, len(search.catalog)))
        self._topic_trust = self._document_trust = _FIRST_TRUST
        self._pages = 0
        self._next_fit = next_fit(0)

    def rank(self, requests: Requests) -> Served:
        columns = self.search.columns(requests.query, requests.rows)
        segments = self.segments(requests.user)
        documents = np.maximum(requests.rows, 0)
        values = self.rates.values(requests.query, columns) * self._liking(segments, documents)
        return by_value(requests, values, self.slots, [self._names[segment] for segment in segments.tolist()])

    def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
        rows = shown_rows(requests, served)
        columns = self.search.columns(requests.query, rows)
        segments = self.segments(requests.user)
        clicks = outcomes.clicks.astype(np.float64)
        page, slot = np.nonzero(rows >= 0)
        examined = self.rates.examination[np.minimum(slot, len(self.rates.examination) - 1)]
        expected = examined * self.rates.values(requests.query, columns)[page, slot]
        documents, user = rows[page, slot], requests.user[page]
        topics = self._topic[documents]
        for place, amount in enumerate((outcomes.reward[page, slot], expected)):
            np.add.at(self._by_topic[place], (segments[page], topics), amount)
            np.add.at(self._by_document[place], (segments[page], documents), amount)
        np.add.at(self._clicks, (user, topics), clicks[page, slot])
        np.add.at(self._expected, (user, topics), expected)
        self.rates.add(requests.query, columns, clicks, outcomes.reward)
        self._pages += len(requests)
        if self._pages >= self._next_fit:
            self._fit()
            self._next_fit = next_fit(self._pages)

    def segments(self, users: IntArray) -> IntArray:
        """[m] number of each user's segment: a topic, a generalist, or a newcomer."""
        self._make_room(int(users.max(initial=-1)) + 1)
        topics = len(self.search.topic_names)
        clicks, expected = self._clicks[users], self._expected[users]
        # Who clicks more or less than others on everything shows it on the other topics. (On all topics together it would
        # hide a liking, once lists hold little but what is liked.)
        clicks_elsewhere = clicks.sum(axis=1, keepdims=True) - clicks
        expected_elsewhere = np.maximum(expected.sum(axis=1, keepdims=True) - expected, 0.0)
        activity = ratio(clicks_elsewhere, expected_elsewhere, _ACTIVITY_TRUST)
        likings = np.log(ratio(clicks, expected * activity, _USER_TRUST))[:, :topics]
        if not topics:
            likings = np.full((len(users), 1), -np.inf)
        best = np.argmax(likings, axis=1)
        enthusiast = likings[np.arange(len(users)), best] >= _ENTHUSIAST
        segments: IntArray = np.where(enthusiast, best, topics)
        return np.where(clicks.sum(axis=1) < _FEWEST_CLICKS, topics + 1, segments)

    def _liking(self, segments: IntArray, documents: IntArray) -> FloatArray:
        """[m, c] rewards over expected ones, of the segment with the document."""
        segment, topics = segments[:, None], self._topic[documents]
        rewards, expected = self._by_topic
        of_topic = ratio(rewards[segment, topics], expected[segment, topics], self._topic_trust)
        rewards, expected = self._by_document
        prior = expected[segment, documents] * of_topic
        return of_topic * ratio(rewards[segment, documents], prior, self._document_trust)

    def _fit(self) -> None:
        """How much segments differ beyond chance decides how far they are trusted."""
        rewards, expected = self._by_topic
        self._topic_trust = trust(rewards, expected, self.rates.dispersion)
        of_topic = ratio(rewards, expected, self._topic_trust)
        rewards, expected = self._by_document
        self._document_trust = trust(rewards, expected * of_topic[:, self._topic], self.rates.dispersion)

    def _make_room(self, users: int) -> None:
        if users > len(self._clicks):
            more = np.zeros((max(users, 2 * len(self._clicks)) - len(self._clicks), self._clicks.shape[1]))
            self._clicks = np.concatenate([self._clicks, more])
            self._expected = np.concatenate([self._expected, more])
