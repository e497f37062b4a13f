"""Examination curves from logged slates: the truth, the naive estimate and ours, with coverage and speed.

A policy that knows attractiveness up to noise ranks the candidates and shows 10 by `draw_slate`. Under the position-based
model truth is its curve; under the DBN it is the average examination of the lists that were shown, and "as clicked" the
average over pages by how attractive their documents outside the list are, which is what clicks on those can tell. The
naive estimate is the click rate of explored slots. `python benchmarks/examination.py` takes some minutes; `--pages 20000 --runs 40` one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lrerank.examination import ExaminationEstimator, rank_spans, survival_weights
from lrerank.exploration import Exploration, canonical, draw_slate
from lrerank.types import BoolArray, FloatArray, IntArray, Slate
from simulators.click_models.base import ClickModel
from simulators.click_models.dbn import DBN
from simulators.click_models.pbm import PBM, power_law_examination

BATCH = 1000


@dataclass
class Pages:
    """Pages with what only the truth knows: alpha [m, slots] of what was shown, and [m] its mean outside the list."""

    values: FloatArray
    incoming: FloatArray
    slates: list[Slate]
    alpha: FloatArray
    outside: FloatArray
    clicks: BoolArray

    @property
    def order(self) -> IntArray:
        return np.stack([slate.order for slate in self.slates])


def drawn(
    pages: int, n: int, slots: int, model: ClickModel, exploration: Exploration, rng: np.random.Generator
) -> Iterator[Pages]:
    """Pages in batches. Users differ in how much they click, documents a lot, and the policy is well trained."""
    for start in range(0, pages, BATCH):
        m = min(BATCH, pages - start)
        alpha = rng.beta(2.0, 2.0, (m, 1)) * rng.beta(0.7, 2.5, (m, n))
        values = alpha + rng.normal(0.0, 0.03, (m, n))
        incoming = alpha + rng.normal(0.0, 0.3, (m, n))
        values = np.stack([canonical(row) for row in values])
        slates = [draw_slate(*page, slots, exploration, rng) for page in zip(values, incoming, strict=True)]
        shown = np.take_along_axis(alpha, np.stack([slate.order for slate in slates]), axis=1)
        last = np.sort(values, axis=1)[:, [n - slots]]
        outside = alpha.mean(axis=1, where=values < last)
        yield Pages(values, incoming, slates, shown, outside, model.draw(shown, *rng.random((3, m, slots))))


def add(estimator: ExaminationEstimator, pages: Pages, exploration: Exploration) -> None:
    if exploration.strategy in ("epsilon_greedy", "uniform") and exploration.pool is None:
        spans = rank_spans(pages.values, pages.order)
        estimator.add(spans, pages.values.shape[1], pages.clicks, exploration)
        return
    parts = zip(pages.values, pages.incoming, pages.order, pages.clicks, strict=True)
    weights = [
        survival_weights(values, incoming, order, exploration, clicks) for values, incoming, order, clicks in parts
    ]
    estimator.add_weighted(np.array(weights), pages.clicks, exploration.from_slot)


def compare(name: str, model: ClickModel, exploration: Exploration, n: int, pages: int, seed: int) -> None:
    slots, rng = 10, np.random.default_rng(seed)
    closed = exploration.strategy == "epsilon_greedy" and exploration.pool is None
    ours = {"outside": ExaminationEstimator(slots)}
    if closed:
        ours["all"] = ExaminationEstimator(slots, documents="all")
    examined, weighted, explored, clicked = np.zeros((4, slots))
    for part in drawn(pages, n, slots, model, exploration, rng):
        examination = model.examination(part.alpha)
        examined += examination.sum(axis=0)
        weighted += part.outside @ examination
        flags = np.stack([slate.explored for slate in part.slates])
        explored += flags.sum(axis=0)
        clicked += (flags & part.clicks).sum(axis=0)
        for estimator in ours.values():
            add(estimator, part, exploration)
    truth, naive = examined / examined[0], clicked / explored
    naive /= naive[0]
    print(f"\n{name}, {n} candidates, {pages} pages")
    print("slot        " + "".join(f"{slot:>14}" for slot in range(1, slots + 1)))
    print("truth       " + "".join(f"{value:14.3f}" for value in truth))
    if not isinstance(model, PBM):
        print("as clicked  " + "".join(f"{value:14.3f}" for value in weighted / weighted[0]))
    print("naive       " + "".join(f"{value:14.3f}" for value in naive))
    for documents, estimator in ours.items():
        curve = estimator.curve()
        print(f"{documents:<12}" + "".join(f"{value:14.3f}" for value in curve.estimate))
        ends = (f"{low:.3f}–{high:.3f}" for low, high in zip(curve.low, curve.high, strict=True))
        print("  95 %      " + "".join(f"{end:>14}" for end in ends))
        if curve.note:
            print(f"  {curve.note}")
    last = weighted[-1] / weighted[0]
    print(f"slot 10 against the truth as clicked: naive {naive[-1] / last - 1:+.0%}", end="")
    print("".join(f", {name} {one.curve().estimate[-1] / last - 1:+.0%}" for name, one in ours.items()))


def coverage(runs: int, pages: int, seed: int) -> None:
    slots, n, exploration = 5, 25, Exploration(rate=0.3)
    theta = power_law_examination(slots, 0.7)
    rng = np.random.default_rng(seed)
    covered: dict[str, list[BoolArray]] = {"outside": [], "all": []}
    errors: dict[str, list[FloatArray]] = {"outside": [], "all": []}
    for _ in range(runs):
        ours = {name: ExaminationEstimator(slots, documents=name) for name in ("outside", "all")}
        for part in drawn(pages, n, slots, PBM(theta), exploration, rng):
            for estimator in ours.values():
                add(estimator, part, exploration)
        for name, estimator in ours.items():
            curve = estimator.curve()
            covered[name].append((curve.low <= theta) & (theta <= curve.high))
            errors[name].append(np.log(curve.estimate / theta))
    print(
        f"\nCoverage of the 95 % intervals, {runs} runs of {pages} pages, {exploration.rate:g} explored, {slots} slots"
    )
    for name in covered:
        shares = " ".join(f"{share:.3f}" for share in np.mean(covered[name], axis=0)[1:])
        means = " ".join(f"{mean:+.3f}" for mean in np.mean(errors[name], axis=0)[1:])
        spread = " ".join(f"{value:.3f}" for value in np.std(errors[name], axis=0)[1:])
        print(f"{name:<10} covered {shares}   mean log error {means}   its spread {spread}")


def speed(pages: int) -> None:
    rng, exploration = np.random.default_rng(0), Exploration(rate=0.1)
    batches = list(drawn(pages, 100, 10, PBM(power_law_examination(10)), exploration, rng))
    single = [
        (part.values[[page]], part.order[[page]], part.clicks[[page]])
        for part in batches
        for page in range(len(part.clicks))
    ]
    started = time.perf_counter()
    spans = [rank_spans(values, order) for values, order, _ in single]
    ranked = time.perf_counter()
    estimator = ExaminationEstimator(10, documents="all")
    for span, (_, _, clicks) in zip(spans, single, strict=True):
        estimator.add(span, 100, clicks, exploration)
    estimator.to_json()
    added = time.perf_counter()
    whole = [rank_spans(part.values, part.order) for part in batches]
    ranked_whole = time.perf_counter()
    for span, part in zip(whole, batches, strict=True):
        estimator.add(span, 100, part.clicks, exploration)
    estimator.to_json()
    added_whole = time.perf_counter()
    estimator.curve()
    started_curve = time.perf_counter()
    estimator.curve()
    curve = time.perf_counter() - started_curve
    unit = 1e6 / len(single)
    print("\nmicroseconds per page of 100 candidates and 10 slots, one page at a time and by the thousand:")
    print(f"rank_spans {(ranked - started) * unit:.1f}, {(ranked_whole - added) * unit:.1f}; ", end="")
    print(f"add {(added - ranked) * unit:.1f}, {(added_whole - ranked_whole) * unit:.1f}; curve {curve * 1e3:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    studies: list[tuple[str, ClickModel, Exploration, int]] = []
    for severity in (0.5, 1.0):
        curve = PBM(power_law_examination(10, severity))
        for candidates, rate in ((100, 0.05), (100, 0.1), (100, 0.3), (20, 0.1)):
            name = f"PBM, theta = k^-{severity:g}, epsilon_greedy {rate:g}"
            studies.append((name, curve, Exploration(rate=rate), candidates))
    half = PBM(power_law_examination(10, 0.5))
    studies.append(("PBM, theta = k^-0.5, softmax 0.1", half, Exploration("softmax", 0.1, 0.1), 100))
    studies.append(("PBM, theta = k^-0.5, epsilon_greedy 0.1, pool 50", half, Exploration(rate=0.1, pool=50), 100))
    for satisfaction in (0.3, 0.8):
        name = f"DBN, continuation 0.9, satisfaction {satisfaction:g}, epsilon_greedy 0.1"
        studies.append((name, DBN(0.9, satisfaction), Exploration(rate=0.1), 100))
    # Own luck for each, so that one chance deviation is not read as a pattern.
    for number, (name, model, exploration, candidates) in enumerate(studies):
        compare(name, model, exploration, candidates, asked.pages, asked.seed + number)
    coverage(asked.runs, 6000, asked.seed)
    speed(20_000)


if __name__ == "__main__":
    main()
