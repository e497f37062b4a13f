"""Every measure equals its definition, adds up exactly, and does not depend on how pages are batched or looked at."""

from __future__ import annotations

import dataclasses
import math
import tracemalloc
from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from lrerank.calibration import expected_calibration_error
from lrerank.evaluation.ranking import Metric, by_order
from lrerank.experiments.arms.base import Requests, Served
from lrerank.experiments.measures import HISTORY, MEASURES, Measures, Page
from lrerank.experiments.measures_histograms import LatencyHistogram
from lrerank.experiments.measures_lists import category_spread, discounted_gain, gini, self_information
from lrerank.types import FloatArray, IntArray

DOCUMENTS, CANDIDATES, SLOTS = 12, 6, 4
SEGMENTS = ["sport", "politics", "nobody"]
CATEGORIES = np.array([0, 0, 1, 1, 2, 2, 3, -1, -1, 0, 1, 2])
KEYS = ["start", "end", "measure", "by", "group"]

Pages = tuple[Requests, Served, Page]


def drawn(n: int, seed: int, first: int = 0) -> Pages:
    """n pages; some lists are short or empty, some candidates missing, some predictions absent."""
    rng = np.random.default_rng(seed)
    rows = np.argsort(rng.random((n, DOCUMENTS)), axis=1)[:, :CANDIDATES]
    alpha = rng.random((n, CANDIDATES)) * (rng.random((n, 1)) < 0.9)
    columns = np.argsort(rng.random((n, CANDIDATES)), axis=1)[:, :SLOTS]
    shown = np.arange(SLOTS) < rng.choice([0, 1, 3, 4, 4, 4], (n, 1))
    clicks = (rng.random((n, SLOTS)) < 0.3) & shown
    purchases = clicks & (rng.random((n, SLOTS)) < 0.4)
    expected, greedy, reference = rng.random((3, n))
    requests = Requests(
        impression=first + np.arange(n),
        user=rng.integers(0, 5, n),
        query=np.zeros(n, dtype=np.int64),
        timestamp=np.arange(n, dtype=np.float64),
        device=np.zeros(n, dtype=np.int64),
        location=np.zeros(n, dtype=np.int64),
        rows=rows,
        scores=np.zeros((n, CANDIDATES)),
    )
    served = Served(
        columns=np.where(shown, columns, -1),
        propensities=np.where(shown, rng.random((n, SLOTS)), np.nan),
        explored=(rng.random((n, SLOTS)) < 0.2) & shown,
        greedy=columns,
        probability=np.where(rng.random((n, SLOTS)) < 0.8, rng.random((n, SLOTS)), np.nan),
        segments=rng.choice(["a", "b", "c"], n).tolist(),
    )
    page = Page(
        clicks=clicks,
        purchases=purchases,
        reward=clicks + 2.7 * purchases,
        alpha=np.where(shown, np.take_along_axis(alpha, columns, axis=1), np.nan),
        ideal=-np.sort(-alpha, axis=1)[:, :SLOTS],
        expected=expected,
        greedy_expected=greedy,
        reference=reference,
        segments=rng.integers(0, 2, n),
        history=rng.integers(0, 30, n),
        milliseconds=rng.lognormal(0, 1, n),
        fallback=rng.random(n) if seed % 2 else None,
    )
    return requests, served, page


def part(pages: Pages, start: int, stop: int) -> Pages:
    requests, served, page = pages

    def cut(value: Any) -> Any:
        return None if value is None else value[start:stop]

    return (
        requests.part(start, stop),
        Served(**{field.name: cut(getattr(served, field.name)) for field in dataclasses.fields(served)}),
        Page(**{field.name: cut(getattr(page, field.name)) for field in dataclasses.fields(page)}),
    )


def fresh(edges: list[int]) -> Measures:
    return Measures(DOCUMENTS, SLOTS, np.array(edges), CATEGORIES, SEGMENTS)


def measured(pages: Pages, edges: list[int]) -> pd.DataFrame:
    measures = fresh(edges)
    measures.add(*pages)
    return measures.figures(0, 0, "arm")


def value(figures: pd.DataFrame, measure: str, by: str = "all", group: str = "") -> float:
    rows = figures[(figures["measure"] == measure) & (figures["by"] == by) & (figures["group"] == group)]
    return float(rows["total"].sum() / rows["weight"].sum()) if len(rows) else math.nan


def by_definition(pages: Pages, edges: list[int]) -> dict[tuple[int, str, str, str], tuple[float, float]]:
    """(start, measure, by, group) -> total and weight of what is additive, page by page and as plainly as possible."""
    requests, served, page = pages
    sums: dict[tuple[int, str, str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    exposures = [0] * DOCUMENTS
    for i, impression in enumerate(requests.impression.tolist()):
        slots = [j for j in range(SLOTS) if served.columns[i, j] >= 0]
        documents = [int(requests.rows[i, served.columns[i, j]]) for j in slots]
        surprise = [math.log2((sum(exposures) + DOCUMENTS) / (exposures[row] + 1)) for row in documents]
        for row in documents:
            exposures[row] += 1
        if impression < edges[0]:
            continue
        start = max(edge for edge in edges if edge <= impression)
        known = [int(CATEGORIES[row]) for row in documents if CATEGORIES[row] >= 0]
        pairs = [(a, b) for n, a in enumerate(known) for b in known[n + 1 :]]
        gain = sum(page.alpha[i, j] / math.log2(j + 2) for j in slots)
        best = sum(alpha / math.log2(j + 2) for j, alpha in enumerate(page.ideal[i]))
        assert served.probability is not None and served.segments is not None
        off = [served.probability[i, j] - page.clicks[i, j] for j in slots if served.probability[i, j] >= 0]
        clicks, purchases = int(page.clicks[i].sum()), int(page.purchases[i].sum())
        found: dict[str, tuple[float, float]] = {
            "clicks": (clicks, 1),
            "reward": (page.reward[i].sum(), 1),
            "ctr_at_1": (page.clicks[i, 0], 1),
            "conversion": (purchases, 1),
            "purchases_per_click": (purchases, clicks),
            "abandonment": (clicks == 0, 1),
            "ndcg": (gain / best if best else 0.0, best > 0),
            "expected_reward": (page.expected[i], 1),
            "reference_reward": (page.reference[i], 1),
            "regret": (page.reference[i] - page.expected[i], 1),
            "price": (page.greedy_expected[i] - page.expected[i], 1),
            "explored_slots": (served.explored[i].sum(), len(slots)),
            "explored_pages": (served.explored[i].any(), 1),
            "attractiveness": (sum(page.alpha[i, j] for j in slots), len(slots)),
            "propensity": (sum(served.propensities[i, j] for j in slots), len(slots)),
            "diversity": (sum(a != b for a, b in pairs) / len(pairs) if pairs else 0.0, bool(pairs)),
            "categories": (len(set(known)), bool(known)),
            "novelty": (sum(surprise) / len(slots) if slots else 0.0, bool(slots)),
            "calibration_bias": (sum(off), len(off)),
            "fallback_reward": (0.0, 0) if page.fallback is None else (page.fallback[i], 1),
        }
        history = int(page.history[i])
        spoken = str(history) if history < 5 else "5-9" if history < 10 else "10-19" if history < 20 else "20+"
        true, inferred = SEGMENTS[int(page.segments[i])], served.segments[i]
        groups = [("all", ""), ("segment", true), ("inferred", inferred), ("history", spoken)]
        adds = [(name, by, group, pair) for name, pair in found.items() for by, group in groups]
        adds.append(("latency_ms", "all", "", (page.milliseconds[i], 1)))
        for j in slots:
            click, predicted = bool(page.clicks[i, j]), served.probability[i, j]
            here: dict[str, tuple[float, float]] = {
                "clicks": (click, 1),
                "reward": (page.reward[i, j], 1),
                "conversion": (page.purchases[i, j], 1),
                "purchases_per_click": (page.purchases[i, j], click),
                "explored_slots": (served.explored[i, j], 1),
                "attractiveness": (page.alpha[i, j], 1),
                "propensity": (served.propensities[i, j], 1),
                "calibration_bias": (predicted - click, 1) if predicted >= 0 else (0.0, 0),
            }
            adds += [(name, "position", str(j + 1), pair) for name, pair in here.items()]
        for name, by, group, (total, weight) in adds:
            sums[start, name, by, group][0] += float(total)
            sums[start, name, by, group][1] += float(weight)
    return {key: (total, weight) for key, (total, weight) in sums.items() if weight > 0}


def additive(figures: pd.DataFrame) -> pd.DataFrame:
    return figures[[MEASURES[name].additive for name in figures["measure"]]]


@pytest.mark.parametrize(("n", "first"), [(1, 5), (40, 0), (2500, 0)])
def test_every_additive_measure_is_its_definition(n: int, first: int) -> None:
    pages, edges = drawn(n, seed=n, first=first), [3, 20, 30, 1500, 3000]
    found = {
        (row.start, row.measure, row.by, row.group): (row.total, row.weight)
        for row in additive(measured(pages, edges)).itertuples()
    }
    told = by_definition(pages, edges)
    assert found.keys() == told.keys()
    for key, pair in told.items():
        # What is summed is rounded to 1e-9 before.
        assert found[key] == pytest.approx(pair, abs=1e-9 * n * SLOTS), key


def test_every_measure_comes_in_the_breakdowns_it_is_documented_with() -> None:
    figures = measured(drawn(300, seed=1), [0, 300])
    found = {(row.measure, row.by) for row in figures.itertuples()}
    assert found == {(name, by) for name, measure in MEASURES.items() for by in measure.by}
    assert set(figures.query("by == 'history'")["group"]) == set(HISTORY)
    assert set(figures.query("by == 'segment'")["group"]) == {"sport", "politics"}, "nobody has no pages, so no row"
    columns = ["world", "replicate", "arm", "start", "end", "measure", "by", "group", "total", "weight"]
    assert figures.columns.tolist() == columns
    assert not figures.duplicated(KEYS).any() and np.isfinite(figures[["total", "weight"]]).all(axis=None)


def test_a_page_by_hand() -> None:
    requests, served, page = part(drawn(1, seed=0), 0, 1)
    requests = dataclasses.replace(requests, rows=np.array([[0, 1, 2, 7, 4, -1]]))
    served = dataclasses.replace(
        served,
        columns=np.array([[2, 0, 1, -1]]),
        explored=np.array([[True, False, False, False]]),
        probability=None,
        segments=None,
    )
    page = dataclasses.replace(
        page,
        clicks=np.array([[False, True, True, False]]),
        purchases=np.array([[False, True, False, False]]),
        reward=np.array([[0.0, 6.0, 1.0, 0.0]]),
        alpha=np.array([[0.2, 0.4, 0.4, 0.0]]),
        ideal=np.array([[0.5, 0.4, 0.4, 0.2]]),
        expected=np.array([1.0]),
        greedy_expected=np.array([1.25]),
        reference=np.array([1.75]),
    )
    figures = measured((requests, served, page), [0, 1])
    gain = 0.2 + 0.4 / math.log2(3) + 0.4 / 2
    best = 0.5 + 0.4 / math.log2(3) + 0.4 / 2 + 0.2 / math.log2(5)
    expected = {
        "clicks": 2.0,
        "reward": 7.0,
        "ctr_at_1": 0.0,
        "conversion": 1.0,
        "purchases_per_click": 0.5,
        "abandonment": 0.0,
        "ndcg": gain / best,
        "regret": 0.75,
        "price": 0.25,
        "explored_slots": 1 / 3,
        "explored_pages": 1.0,
        "attractiveness": 1 / 3,
        "diversity": 2 / 3,  # documents 0 and 1 are of one category, 2 of another
        "categories": 2.0,
        "novelty": math.log2(DOCUMENTS),  # nothing was shown before, so all are equally likely
        "coverage": 3 / DOCUMENTS,
        "candidate_coverage": 3 / 5,
        "concentration": 1 - 3 / DOCUMENTS,
    }
    assert {name: value(figures, name) for name in expected} == pytest.approx(expected, abs=1e-8)
    assert not {"calibration_error", "calibration_bias"} & set(figures["measure"]), "nothing was predicted"
    assert "inferred" not in set(figures["by"])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 80),
    inner=st.lists(st.integers(1, 79), unique=True, max_size=5),
)
def test_bins_groups_and_positions_add_up_exactly(seed: int, n: int, inner: list[int]) -> None:
    pages = drawn(n, seed)
    fine, coarse = measured(pages, [0, *sorted(inner), 80]), measured(pages, [0, 80])

    def summed(figures: pd.DataFrame, *keys: str) -> pd.DataFrame:
        return additive(figures).groupby(list(keys))[["total", "weight"]].sum().sort_index()

    pd.testing.assert_frame_equal(
        summed(fine, "measure", "by", "group"), summed(coarse, "measure", "by", "group"), check_exact=True
    )
    totals = summed(coarse, "measure", "by")
    for measure, by in totals.index:
        whole = totals.loc[(measure, "all")]
        assert totals.loc[(measure, by), "total"] == whole["total"], (measure, by)
        # The weight of clicks, reward and conversion is pages overall and slots shown by position.
        if by != "position" or measure not in ("clicks", "reward", "conversion"):
            assert totals.loc[(measure, by), "weight"] == whole["weight"], (measure, by)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.sampled_from([1, 2, 7, 100, 600, 1024, 1500]), min_size=1, max_size=6),
    look=st.booleans(),
)
def test_neither_batches_nor_snapshots_change_a_digit(seed: int, sizes: list[int], look: bool) -> None:
    n = sum(sizes)
    pages, edges = drawn(n, seed), [5, 150, 900, 5000, 10**6]
    measures, start = fresh(edges), 0
    for size in sizes:
        measures.add(*part(pages, start, start + size))
        start += size
        if look:
            measures.figures(0, 0, "arm")
    at_once = measured(pages, edges).sort_values(KEYS, ignore_index=True)
    in_parts = measures.figures(0, 0, "arm").sort_values(KEYS, ignore_index=True)
    pd.testing.assert_frame_equal(in_parts, at_once, check_exact=True)


def test_arrays_may_be_reused_after_they_were_counted() -> None:
    pages = drawn(10, seed=3)
    measures = fresh([0, 10])
    measures.add(*pages)
    expected = measured(drawn(10, seed=3), [0, 10])
    pages[2].clicks[:] = False
    pages[1].columns[:] = 0
    pd.testing.assert_frame_equal(measures.figures(0, 0, "arm"), expected, check_exact=True)


def test_the_log_before_counts_for_novelty_alone() -> None:
    log, pages = drawn(50, seed=4), drawn(30, seed=5, first=50)
    measures = fresh([50, 80])
    measures.add(*log)
    assert measures.figures(0, 0, "arm").empty
    measures.add(*pages)
    after, alone = measures.figures(0, 0, "arm"), measured(pages, [50, 80])
    left, right = (
        figures[figures["measure"] != "novelty"].sort_values(KEYS, ignore_index=True) for figures in (after, alone)
    )
    pd.testing.assert_frame_equal(left, right, check_exact=True)
    assert value(after, "novelty") != value(alone, "novelty")


def test_ndcg_is_that_of_the_evaluation_and_of_scikit_learn() -> None:
    rng = np.random.default_rng(6)
    for _ in range(50):
        alpha = rng.random(CANDIDATES) + 1.0  # grades below 1 would not count as relevant in `evaluate`
        order = rng.permutation(CANDIDATES)
        ideal = np.sort(alpha)[::-1][:SLOTS]
        found = discounted_gain(alpha[None, order[:SLOTS]]) / discounted_gain(ideal[None])
        assert found[0] == pytest.approx(by_order(Metric("ndcg_linear", SLOTS), alpha[order]), rel=1e-12)
        scores = np.empty(CANDIDATES)
        scores[order] = -np.arange(CANDIDATES)
        assert found[0] == pytest.approx(ndcg_score(alpha[None], scores[None], k=SLOTS), rel=1e-12)


def test_gini_in_closed_form() -> None:
    n = 50
    assert gini(np.full(n, 7)) == 0.0
    assert gini(np.eye(1, n, 3, dtype=np.int64)[0]) == pytest.approx(1 - 1 / n)
    assert gini(np.random.default_rng(0).permutation(np.arange(1, n + 1))) == pytest.approx((n - 1) / (3 * n))
    counts = np.random.default_rng(1).poisson(2.0, n)
    assert gini(counts) == pytest.approx(np.abs(counts[:, None] - counts).mean() / (2 * counts.mean()))
    assert math.isnan(gini(np.zeros(n, dtype=np.int64)))


def test_spread_of_categories() -> None:
    lists = np.array([[1, 1, 1, 1], [1, 2, 3, 4], [2, 1, 2, 1], [-1, 5, -1, 5], [-1, -1, -1, 3], [-1, -1, -1, -1]])
    pairs, different, distinct = category_spread(lists)
    assert pairs.tolist() == [6, 6, 6, 1, 0, 0]
    assert different.tolist() == [0, 6, 4, 0, 0, 0]
    assert distinct.tolist() == [1, 4, 2, 1, 1, 0]


def test_self_information_is_of_the_pages_before() -> None:
    exposures: IntArray = np.zeros(4, dtype=np.int64)
    rows = np.array([[0, 1], [0, 2], [0, 3]])
    shown = np.array([[True, True], [True, False], [True, True]])
    found: FloatArray = self_information(rows, shown, exposures)
    share = [[1 / 4, 1 / 4], [2 / 6, 1.0], [3 / 7, 1 / 7]]
    assert found == pytest.approx(-np.log2(share))
    assert exposures.tolist() == [3, 1, 0, 1]


def test_calibration_error_is_the_usual_one_where_predictions_lie_in_different_cells() -> None:
    n = 3000
    rng = np.random.default_rng(7)
    requests, served, page = drawn(n, seed=7)
    probability = rng.choice(np.linspace(0.02, 0.98, 25), (n, SLOTS))
    probability[rng.random((n, SLOTS)) < 0.1] = np.nan
    figures = measured((requests, dataclasses.replace(served, probability=probability), page), [0, n])
    counted = (served.columns >= 0) & np.isfinite(probability)
    told = expected_calibration_error(probability[counted], page.clicks[counted])
    assert value(figures, "calibration_error") == pytest.approx(told, abs=1e-8)
    for slot in range(SLOTS):
        here = counted[:, slot]
        told = expected_calibration_error(probability[here, slot], page.clicks[here, slot])
        assert value(figures, "calibration_error", "position", str(slot + 1)) == pytest.approx(told, abs=1e-8)


def test_calibration_error_of_any_predictions_is_close_to_the_usual_one() -> None:
    # Bins of the two differ by a cell at their edges: 5 % of the odds, so at most p (1 - p) / 20 of the prediction.
    n = 4000
    requests, served, page = drawn(n, seed=8)
    probability = np.random.default_rng(8).beta(1, 20, (n, SLOTS))
    figures = measured((requests, dataclasses.replace(served, probability=probability), page), [0, n])
    shown = served.columns >= 0
    told = expected_calibration_error(probability[shown], page.clicks[shown])
    assert value(figures, "calibration_error") == pytest.approx(told, abs=0.005)


def test_certain_predictions_are_counted() -> None:
    pages = drawn(200, seed=9)
    certain = dataclasses.replace(pages[1], probability=pages[2].clicks.astype(np.float64))
    figures = measured((pages[0], certain, pages[2]), [0, 200])
    assert value(figures, "calibration_error") == 0.0 and value(figures, "calibration_bias") == 0.0


def test_quantiles_of_latency_are_within_one_percent() -> None:
    times = np.random.default_rng(10).lognormal(0.0, 2.0, 10_001)
    histogram = LatencyHistogram()
    assert math.isnan(histogram.quantile(0.5))
    histogram.add(times)
    for share in (0.5, 0.99):
        assert histogram.quantile(share) == pytest.approx(np.sort(times)[math.ceil(share * 10_001) - 1], rel=0.0101)
    for extreme in (0.0, 1e9):
        histogram.add(np.array([extreme]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alpha": np.full((5, SLOTS), 2.0)}, "better than the ideal"),
        ({"expected": np.array([0.0, 1.0, np.nan, 0.0, 0.0])}, "expected must be finite"),
        ({"fallback": np.array([0.0, 1.0, np.nan, 0.0, 0.0])}, "fallback must be finite"),
        ({"fallback": np.ones(1)}, "fallback has shape"),
        ({"alpha": np.full((5, SLOTS), np.nan)}, "alpha and propensities must be finite"),
        ({"reward": np.ones(SLOTS)}, "reward has shape"),
        ({"history": np.array([3])}, "history has shape"),
        ({"segments": np.array([0, 1, 2, 3, 0])}, "segments must be 0..2"),
        ({"segments": np.array([0, 1, 2, -1, 0])}, "segments must be 0..2"),
        ({"clicks": np.ones((5, SLOTS), dtype=bool)}, "in a slot that shows nothing"),
        ({"milliseconds": np.full(5, -1.0)}, "must not be negative"),
        ({"propensities": np.ones((5, 1))}, "propensity has shape"),
        ({"probability": np.full((5, SLOTS), 1.5)}, "not within 0..1"),
        ({"columns": np.zeros((5, SLOTS), dtype=np.int64)}, "a document twice"),
        ({"segments_inferred": ["a"]}, "inferred has shape"),
        ({"rows": np.full((5, CANDIDATES), -1)}, "holds no candidate"),
        ({"impression": np.arange(5) + 10}, "behind the last edge"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], said: str) -> None:
    pages = list(drawn(5, seed=11))
    ((name, new),) = change.items()
    if name == "segments_inferred":
        pages[1] = dataclasses.replace(pages[1], segments=new)
    else:
        at = next(i for i in (2, 1, 0) if name in {field.name for field in dataclasses.fields(pages[i])})
        pages[at] = dataclasses.replace(pages[at], **{name: new})
    with pytest.raises(ValueError, match=said):
        measured((pages[0], pages[1], pages[2]), [0, 10])


@pytest.mark.parametrize("edges", [[5], [0, 0], [10, 5]])
def test_edges_must_increase(edges: list[int]) -> None:
    with pytest.raises(ValueError, match="edges must be"):
        fresh(edges)


def test_memory_does_not_grow_with_impressions() -> None:
    pages = drawn(1024, seed=12)
    measures = fresh([0, 100, 10**6])
    measures.add(*pages)
    tracemalloc.start()
    measures.add(*pages)
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(30):
        measures.add(*pages)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 30 blocks of waiting pages alone would be 10 MB.
    assert after - before < 20_000
