"""Measures of one arm, accumulated as it runs and given as the table that everything downstream reads.

Sums are kept per time bin for all pages, per true and inferred segment, by the user's past interactions and by
position; memory depends on their numbers and the catalog, not on how long a run is. What measures mean stands in
`measures_table.MEASURES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from lrerank.experiments.arms.base import Requests, Served
from lrerank.experiments.measures_columns import (
    OF_PAGES,
    OF_POSITIONS,
    PER_PAGE,
    PER_SLOT,
    Recipe,
    evaluated,
    page_columns,
    slot_columns,
)
from lrerank.experiments.measures_histograms import CalibrationHistogram, LatencyHistogram
from lrerank.experiments.measures_lists import gini, self_information
from lrerank.experiments.measures_page import BLOCK, PAGE_FIELDS, SLOT_FIELDS, Block, Page, check_values, empty_block
from lrerank.experiments.measures_sums import GroupedSums, on_grid
from lrerank.experiments.measures_table import MEASURES
from lrerank.types import FloatArray, IntArray

__all__ = ["HISTORY", "MEASURES", "Measures", "Page"]

HISTORY = ("0", "1", "2", "3", "4", "5-9", "10-19", "20+")
_HISTORY_FROM = np.array([1, 2, 3, 4, 5, 10, 20])


class Measures:
    """Running measures of one arm in one replicate.

    Pages before `edges[0]` count for the popularity behind `novelty` and for nothing else.

    Args:
        documents: size of the catalog.
        slots: k, the same for all pages.
        edges: [bins + 1] impression numbers, increasing; bin b is [edges[b], edges[b + 1]).
        categories: [documents] code of each document's category, for diversity; negative for none.
        segment_names: name of each true segment.

    Raises:
        ValueError: edges that do not increase, or categories for another catalog.
    """

    def __init__(
        self, documents: int, slots: int, edges: IntArray, categories: IntArray, segment_names: Sequence[str]
    ) -> None:
        self._edges = np.asarray(edges, dtype=np.int64)
        if self._edges.ndim != 1 or len(self._edges) < 2 or (np.diff(self._edges) <= 0).any():
            raise ValueError(f"edges must be two or more increasing numbers, not {edges}")
        if categories.shape != (documents,):
            raise ValueError(f"categories must have shape ({documents},), not {categories.shape}")
        self._slots = slots
        self._categories = np.append(categories, -1)  # row -1, no document, has no category
        self._segment_names = list(segment_names)
        self._inferred: dict[str, int] = {}
        self._exposures = np.zeros(documents, dtype=np.int64)
        self._shown_in_window = np.zeros(documents, dtype=np.int64)
        self._candidates = np.zeros(documents + 1, dtype=np.bool_)  # the last for row -1
        self._last = -1
        bins = len(self._edges) - 1
        self._everyone = GroupedSums(len(PER_PAGE), bins)
        self._by_segment = GroupedSums(len(PER_PAGE), bins, max(len(self._segment_names), 1))
        self._by_inferred = GroupedSums(len(PER_PAGE), bins)
        self._by_history = GroupedSums(len(PER_PAGE), bins, len(HISTORY))
        self._by_position = GroupedSums(len(PER_SLOT) * slots, bins)
        self._calibration = CalibrationHistogram(slots)
        self._latency = LatencyHistogram()
        self._waiting = 0
        self._block = empty_block(slots)

    def add(self, requests: Requests, served: Served, page: Page) -> None:
        """Count m pages, in the order of time. The arrays are copied.

        Raises:
            ValueError: arrays of other shapes than they should have, an impression at or after the last edge, and (at
                the latest in `figures`) numbers that can't be: not finite, an event where nothing was shown, a
                probability outside 0..1, an unknown segment, a list better than the ideal one.
        """
        m = len(requests)
        given = self._given(m, requests, served, page)
        inside = requests.impression >= self._edges[0]
        if inside.all():
            self._candidates[requests.rows] = True
        elif inside.any():
            self._candidates[requests.rows[inside]] = True
        start = 0
        while start < m:
            stop = min(m, start + BLOCK - self._waiting)
            end = self._waiting + stop - start
            for name, values in given.items():
                self._block[name][self._waiting : end] = values[start:stop]
            self._waiting, start = end, stop
            if self._waiting == BLOCK:
                self._flush()

    def figures(self, world: int, replicate: int, arm: str) -> pd.DataFrame:
        """What has been measured so far, a row per measure, time bin and group that has a weight.

        Columns: world, replicate, arm, start, end (impressions [start, end)), measure, by ("all", "segment",
        "inferred", "history", "position"), group ("" under "all", positions from "1"), total, weight. The value is
        total / weight. The bin under way has its full width as start and end; what is not additive has the first
        edge and the impression after the last one measured.
        """
        self._flush()
        columns: list[tuple[list[str], list[str], list[str], IntArray, IntArray, FloatArray, FloatArray]] = []
        for by, groups, totals, recipes in self._breakdowns():
            measures = [name for name in recipes if by in MEASURES[name].by]
            names = PER_SLOT if by == "position" else PER_PAGE
            total, weight = evaluated([recipes[name] for name in measures], names, totals)
            measure, group, place = np.nonzero(weight > 0)
            columns.append(
                (
                    [measures[i] for i in measure.tolist()],
                    [by] * len(measure),
                    [groups[i] for i in group.tolist()],
                    self._edges[place],
                    self._edges[place + 1],
                    total[measure, group, place],
                    weight[measure, group, place],
                )
            )
        window = [row for row in self._window() if np.isfinite(row[3])]
        columns.append(
            (
                [name for name, _, _, _ in window],
                [by for _, by, _, _ in window],
                [group for _, _, group, _ in window],
                np.full(len(window), self._edges[0]),
                np.full(len(window), self._last + 1),
                np.array([value for _, _, _, value in window], dtype=np.float64),
                np.ones(len(window)),
            )
        )
        measure_names, bys, group_names, starts, ends, totals_, weights = zip(*columns, strict=True)
        rows = sum(map(len, measure_names))
        return pd.DataFrame(
            {
                "world": np.full(rows, world, dtype=np.int64),
                "replicate": np.full(rows, replicate, dtype=np.int64),
                "arm": _texts([[arm] * rows]),
                "start": np.concatenate(starts),
                "end": np.concatenate(ends),
                "measure": _texts(measure_names),
                "by": _texts(bys),
                "group": _texts(group_names),
                "total": np.concatenate(totals_),
                "weight": np.concatenate(weights),
            }
        )

    def _given(self, m: int, requests: Requests, served: Served, page: Page) -> Block:
        """The columns of a block for m pages. A wrong shape would be broadcast into it without a word: refused here."""
        wide, narrow = (m, self._slots), (m,)
        given: Block = {name: getattr(page, name) for name in SLOT_FIELDS}
        given["columns"] = served.columns
        given["explored"] = served.explored
        given["propensity"] = served.propensities
        given["probability"] = np.full(wide, np.nan) if served.probability is None else served.probability
        for name, values in given.items():
            if values.shape != wide:
                raise ValueError(f"{name} has shape {values.shape}, not {wide}")
        of_pages: Block = {name: getattr(page, name) for name in PAGE_FIELDS}
        if page.fallback is None:
            of_pages["fallback"] = np.full(narrow, np.nan)
        elif not np.isfinite(page.fallback).all():
            raise ValueError("page.fallback must be finite")
        of_pages["impression"] = requests.impression
        of_pages["inferred"] = self._inferred_codes(m, served.segments)
        for name, values in of_pages.items():
            if values.shape != narrow:
                raise ValueError(f"{name} has shape {values.shape}, not {narrow}")
        given |= of_pages
        given["rows"] = requests.rows[np.arange(m)[:, None], served.columns]
        given["shown"] = given.pop("columns") >= 0
        return given

    def _inferred_codes(self, m: int, segments: list[str] | None) -> IntArray:
        if segments is None:
            return np.full(m, -1)
        codes = self._inferred
        return np.array([codes.setdefault(segment, len(codes)) for segment in segments], dtype=np.int64)

    def _flush(self) -> None:
        """Count the pages that wait."""
        if self._waiting == 0:
            return
        block = {name: values[: self._waiting] for name, values in self._block.items()}
        self._waiting = 0
        check_values(block, len(self._segment_names), int(self._edges[-1]))
        information = on_grid(self_information(block["rows"], block["shown"], self._exposures))
        inside = block["impression"] >= self._edges[0]
        if not inside.all():
            block, information = {name: values[inside] for name, values in block.items()}, information[inside]
        if len(block["impression"]) == 0:
            return
        slots = slot_columns(block)
        pages = page_columns(block, slots, information, self._categories)
        bins = np.searchsorted(self._edges, block["impression"], side="right") - 1
        self._everyone.add(pages, bins)
        self._by_segment.add(pages, bins, block["segments"])
        self._by_history.add(pages, bins, np.searchsorted(_HISTORY_FROM, block["history"], side="right"))
        self._by_position.add(slots.reshape(-1, len(bins)), bins)
        known = block["inferred"] >= 0
        if known.any():
            self._by_inferred.add(pages[:, known], bins[known], block["inferred"][known])
        page, position = np.nonzero(block["shown"] & np.isfinite(block["probability"]))
        if len(page):
            probability = on_grid(block["probability"][page, position])
            self._calibration.add(position, probability, block["clicks"][page, position])
        self._latency.add(block["milliseconds"])
        self._shown_in_window += np.bincount(block["rows"][block["shown"]], minlength=len(self._shown_in_window))
        self._last = max(self._last, int(block["impression"].max()))

    def _breakdowns(self) -> Iterator[tuple[str, Sequence[str], FloatArray, dict[str, Recipe]]]:
        """by, names of groups, [groups, bins, columns], recipes."""
        inferred = list(self._inferred)
        yield "all", [""], self._everyone.totals, OF_PAGES
        yield "segment", self._segment_names, self._by_segment.totals, OF_PAGES
        yield "inferred", inferred, self._by_inferred.totals[: len(inferred)], OF_PAGES
        yield "history", HISTORY, self._by_history.totals, OF_PAGES
        positions = [str(slot + 1) for slot in range(self._slots)]
        bins = len(self._edges) - 1
        totals = self._by_position.totals.reshape(bins, len(PER_SLOT), self._slots).transpose(2, 0, 1)
        yield "position", positions, totals, OF_POSITIONS

    def _window(self) -> Iterator[tuple[str, str, str, float]]:
        """What is not additive: measure, by, group, value, NaN where there is none."""
        if self._last < 0:
            return
        shown, candidates = self._shown_in_window, int(self._candidates[:-1].sum())
        seen = int(np.count_nonzero(shown))
        yield "latency_p50_ms", "all", "", self._latency.quantile(0.5)
        yield "latency_p99_ms", "all", "", self._latency.quantile(0.99)
        yield "coverage", "all", "", seen / len(shown)
        yield "candidate_coverage", "all", "", seen / candidates if candidates else np.nan
        yield "concentration", "all", "", gini(shown)
        yield "calibration_error", "all", "", self._calibration.error()
        for slot in range(self._slots):
            yield "calibration_error", "position", str(slot + 1), self._calibration.error(slot)


def _texts(parts: Sequence[list[str]]) -> pd.Series[str]:
    return pd.Series([text for part in parts for text in part], dtype="str")
