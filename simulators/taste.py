"""Taste at work: what each user likes at a moment, in a context, while taste drifts.

It adds to `simulators.preferences` what changes: a part that depends on the context, and a slow turn towards another
taste. Everything is elementwise arithmetic in a fixed order, so that a document's taste is the same number to the last
bit, whatever else is asked for in the same call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulators.arrivals import DAY, DEVICES, LOCATIONS, Arrivals
from simulators.document_factors import DocumentFactors
from simulators.parameters import WorldParameters

DAYPARTS = ("night", "morning", "afternoon", "evening")
"""Six hours each, from midnight UTC."""
WEEKPARTS = ("workday", "weekend")
_SIZES = (len(DEVICES), len(DAYPARTS), len(WEEKPARTS), len(LOCATIONS))
CONTEXTS = int(np.prod(_SIZES))

Part = Literal["all", "visible", "context", "hidden"]
_CELLS = 8_000  # documents at a time: their terms stay in the processor's cache


def contexts(arrivals: Arrivals) -> NDArray[np.int64]:
    """The number of each arrival's combination of device, part of the day, part of the week and location: [m]."""
    hours = arrivals.timestamp / 3600.0
    daypart = (hours // 6).astype(np.int64) % 4
    weekpart = ((arrivals.timestamp // DAY).astype(np.int64) + 3) % 7 >= 5  # the epoch began on a Thursday
    return np.ravel_multi_index((arrivals.device, daypart, weekpart.astype(np.int64), arrivals.location), _SIZES)


@dataclass(frozen=True)
class Likings:
    """What the segments like, between two sudden changes of taste: fixed by the world.

    Attributes:
        now, later: [segments, v] likings of values, and those that taste drifts towards.
        in_context: [segments, CONTEXTS, v] what the context adds: partly the same for all segments.
    """

    now: NDArray[np.float64]
    later: NDArray[np.float64]
    in_context: NDArray[np.float64]


def draw_likings(rng: np.random.Generator, values: int, parameters: WorldParameters) -> Likings:
    """Likings of `values` values by the segments.

    A context's likings are the mean of those of its device, part of the day, part of the week and location; of their
    variance a share of 1 - `individual_share` is the whole population's and the rest the segment's.
    """
    segments, own = parameters.segments, parameters.individual_share
    now, later = rng.standard_normal((2, segments, values))
    total = np.zeros((segments, *_SIZES, values))
    for axis, size in enumerate(_SIZES):
        piece = np.sqrt(1 - own) * rng.standard_normal((1, size, values))
        piece = piece + np.sqrt(own) * rng.standard_normal((segments, size, values))
        shape = [segments, 1, 1, 1, 1, values]
        shape[1 + axis] = size
        total += piece.reshape(shape) / len(_SIZES)
    return Likings(now, later, total.reshape(segments, CONTEXTS, values))


class Tastes:
    """The taste of every user for every document, between two sudden changes of taste.

    For every user, in every context and at every moment, over all documents of the catalog: the mean is 0 and the
    variance 1, of which `hidden_share` is hidden; of the visible rest `context_share` belongs to the context and
    correlates with nothing else. While taste turns by an angle, the part that no context changes keeps cos(angle) of
    its correlation with what it was. All this holds to the precision of single floats, not on average.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        documents: DocumentFactors,
        likings: Likings,
        segments: NDArray[np.int64],
        parameters: WorldParameters,
    ) -> None:
        """
        Args:
            rng: of what is the users' own.
            segments: [users] of every user.

        Raises:
            ValueError: the values do not vary enough for what they shall show.
        """
        self._documents, self._segments = documents, segments
        self._drifts = parameters.drift_per_10000 > 0
        visible, context = 1 - parameters.hidden_share, parameters.context_share
        self._shows, self._hides = visible > 0, parameters.hidden_share > 0
        self._depends = self._shows and context > 0
        self._steady = np.float32(np.sqrt(visible * (1 - context)))
        shared, own = np.sqrt(1 - parameters.individual_share), np.sqrt(parameters.individual_share)
        deviations = own * rng.standard_normal((2, len(segments), likings.now.shape[1]))
        affinities = rng.standard_normal((2, len(segments), parameters.hidden_dimensions))
        if self._shows:
            metric = documents.covariance
            now = _unit(shared * likings.now[segments] + deviations[0], metric)
            later = np.zeros_like(now)
            if self._drifts:
                later = shared * likings.later[segments] + deviations[1]
                later = _unit(later - _inner(later, now, metric)[:, None] * now, metric)
            self._now, self._later = documents.with_offset(now), documents.with_offset(later)
            if self._depends:
                self._in_context = documents.with_offset(likings.in_context)
                self._weigh_contexts(likings, now, later, np.sqrt(visible * context))
        if self._hides:
            metric = documents.hidden_covariance
            now = _unit(affinities[0], metric)
            later = np.zeros_like(now)
            if self._drifts:
                later = _unit(affinities[1] - _inner(affinities[1], now, metric)[:, None] * now, metric)
            size = np.sqrt(parameters.hidden_share)
            self._hidden_now, self._hidden_later = documents.filled(size * now), documents.filled(size * later)

    def of(
        self,
        users: NDArray[np.int64],
        context: NDArray[np.int64],
        angle: NDArray[np.float64],
        rows: NDArray[np.int64],
        part: Part = "all",
    ) -> NDArray[np.float64]:
        """The taste logit, or a part of it.

        Args:
            users, context: [m] numbers.
            angle: [m] radians that taste has turned.
            rows: [m, c] rows of the catalog, all 0 or more.
            part: "visible" is the most that features can tell, "context" what it owes to the context.

        Returns:
            [m, c]
        """
        taste = np.empty(rows.shape)
        step = max(1, _CELLS // max(1, rows.shape[1]))
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            taste[some] = self._of(users[some], context[some], angle[some], rows[some], part)
        return taste

    def _of(
        self,
        users: NDArray[np.int64],
        context: NDArray[np.int64],
        angle: NDArray[np.float64],
        rows: NDArray[np.int64],
        part: Part,
    ) -> NDArray[np.float32]:
        now, later = np.cos(angle).astype(np.float32)[:, None], np.sin(angle).astype(np.float32)[:, None]
        taste = np.zeros(rows.shape, np.float32)
        if self._shows and part != "hidden":
            steady = np.float32(0.0) if part == "context" else self._steady
            here, there = steady * now, steady * later
            if self._depends:
                weight, on_now, on_later = (
                    array[users, context][:, None] for array in (self._weight, self._on_now, self._on_later)
                )
                here, there = here - weight * on_now, there - weight * on_later
            likings = here * self._now[users]
            if self._drifts:
                likings += there * self._later[users]
            if self._depends:
                likings += weight * self._in_context[self._segments[users], context]
            taste += self._documents.visible(likings, rows)
        if self._hides and part in ("all", "hidden"):
            affinity = now * self._hidden_now[users]
            if self._drifts:
                affinity += later * self._hidden_later[users]
            taste += self._documents.hidden(affinity, rows)
        return taste

    def _weigh_contexts(
        self, likings: Likings, now: NDArray[np.float64], later: NDArray[np.float64], size: float
    ) -> None:
        """How much of a user's steady likings to take from each context's, and how to scale the rest."""
        metric = self._documents.covariance
        shape = (len(self._segments), CONTEXTS)
        on_now, on_later, squared = np.empty(shape), np.empty(shape), np.empty(shape)
        for segment, in_context in enumerate(likings.in_context):
            mine = self._segments == segment
            image = metric @ in_context.T  # [v, CONTEXTS]
            on_now[mine], on_later[mine] = now[mine] @ image, later[mine] @ image
            squared[mine] = np.einsum("gv,vg->g", in_context, image)
        rest = squared - on_now**2 - on_later**2
        _require_dimensions(rest, squared)
        self._on_now, self._on_later = on_now.astype(np.float32), on_later.astype(np.float32)
        self._weight = (size / np.sqrt(rest)).astype(np.float32)


def _inner(one: NDArray[np.float64], other: NDArray[np.float64], metric: NDArray[np.float64]) -> NDArray[np.float64]:
    """[users] covariance over the documents of two likings [users, v] each."""
    return np.asarray(((one @ metric) * other).sum(axis=1))


def _unit(likings: NDArray[np.float64], metric: NDArray[np.float64]) -> NDArray[np.float64]:
    """[users, v] likings, scaled to variance 1 over the documents."""
    variance = _inner(likings, likings, metric)
    _require_dimensions(variance, np.square(likings).sum(axis=1) * np.trace(metric))
    return np.asarray(likings / np.sqrt(variance)[:, None])


def _require_dimensions(left: NDArray[np.float64], whole: NDArray[np.float64]) -> None:
    # Below this share, single floats would miss the stated variances by more than a few thousandths.
    if not (left > 1e-9 * whole).all():
        raise ValueError("values do not vary enough to show steady taste, drift and context's part side by side")
