"""How long each stage takes at 100 candidates × 12 features, and Vowpal Wabbit's own predict for the same requests.

    python benchmarks/latency.py [--requests 2000]

Percentiles over single requests in one process; the ratio to VW's own predict is the figure to compare between
machines.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable

import numpy as np

from lrerank.data.load import load_catalog
from lrerank.data.worlds import judgments, queries
from lrerank.pipeline import Pipeline
from lrerank.stages.base import Environment
from lrerank.stages.learned_rerank import LearnedRerank
from lrerank.store import Store
from lrerank.synthetic import interactions, populate
from lrerank.training import TrainingRun, log_interactions
from lrerank.types import Candidates, Request

CANDIDATES = 100
FEATURES = (
    *("metadata.category", "metadata.subcategory", "metadata.brand", "metadata.colour", "metadata.material"),
    *("metadata.price", "metadata.discount", "metadata.in_stock", "metadata.rating", "metadata.review_count"),
    *("metadata.shipping_days", "engagement.click_through_rate"),
)
SEARCH = {
    "stage_type": "filter",
    "stage_id": "hybrid_search",
    "parameters": {"query": "{{INPUT.query}}", "top_k": CANDIDATES},
}


def learned(**parameters: object) -> dict[str, object]:
    own = {"model_id": "bench", "features": list(FEATURES), "cold_start_after": 0, **parameters}
    return {"stage_type": "sort", "stage_id": "learned_rerank", "parameters": own}


def percentiles(work: Callable[[int], object], requests: int) -> tuple[float, float]:
    """(p50, p99) in milliseconds over single calls, after a warm-up."""
    for number in range(50):
        work(number)
    times = np.empty(requests)
    for number in range(requests):
        started = time.perf_counter()
        work(number)
        times[number] = time.perf_counter() - started
    return float(np.percentile(times, 50) * 1e3), float(np.percentile(times, 99) * 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    requests = parser.parse_args().requests
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {requests} requests, "
        f"{CANDIDATES} candidates × {len(FEATURES)} features, top 10"
    )
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        catalog = load_catalog("marketplace")
        population = populate(catalog, queries("marketplace"), judgments("marketplace"), users=100, seed=0)
        logged = list(interactions(population, requests=3000, seed=0, store=store))
        pipeline = Pipeline.from_json([SEARCH, learned()])
        run = TrainingRun("bench", catalog, logged, pipeline=pipeline, store=store)
        for _ in run:
            pass
        run.publish()
        log_interactions(store, catalog, logged)
        texts = population.queries["query"].tolist()
        search = Pipeline.from_json([SEARCH])
        found: dict[str, Candidates] = {}
        for text in texts:
            ranking = search.run({"query": text}, catalog=catalog, store=store, rng=0)
            if len(ranking.candidates) == CANDIDATES:
                found[text] = ranking.candidates
        texts = list(found)
        users = population.users[:50]
        environment = Environment(catalog, store, np.random.default_rng(0))
        moment = logged[-1].timestamp + 60

        def request(number: int) -> Request:
            inputs = {"query": texts[number % len(texts)], "user_id": users[number % len(users)]}
            return Request(inputs, moment, str(number), {"device": "phone"})

        def stage(entry: dict[str, object]) -> Callable[[int], object]:
            one = Pipeline.from_json([entry])
            runner = one.stages[0]

            def work(number: int) -> object:
                asked = request(number)
                parameters = one._filled(0, asked.inputs)
                return runner.run(parameters, asked, found[asked.inputs["query"]], environment)

            return work

        whole = Candidates(np.arange(len(catalog)), np.zeros(len(catalog)))
        rows: list[tuple[str, float, float, str]] = []
        for name, entry, promised in (
            ("rerank, lexical", {"stage_type": "sort", "stage_id": "rerank", "parameters": {"top_n": 10}}, "50–100"),
            ("mmr", {"stage_type": "sort", "stage_id": "mmr", "parameters": {"top_n": 10}}, "10–50"),
            ("learned_rerank, epsilon_greedy", learned(), "20–50"),
            ("learned_rerank, softmax", learned(exploration="softmax"), "20–50"),
            ("learned_rerank, squarecb", learned(exploration="squarecb"), "20–50"),
        ):
            rows.append((name, *percentiles(stage(entry), requests), promised))
        for stage_id in ("semantic_search", "hybrid_search"):
            one = Pipeline.from_json([{**SEARCH, "stage_id": stage_id}])

            def searching(number: int, one: Pipeline = one) -> object:
                asked = request(number)
                return one.stages[0].run(one._filled(0, asked.inputs), asked, whole, environment)

            rows.insert(0, (f"{stage_id}, {len(catalog)} documents", *percentiles(searching, requests), ""))
        one = LearnedRerank()
        reranker = one.deployment("bench", environment).reranker
        blocks = []
        for number in range(100):
            asked = request(number)
            candidates = found[asked.inputs["query"]]
            known = store.log.pseudonym(asked.inputs["user_id"])
            block = reranker.assemble(candidates.rows, candidates.scores, known, asked.context, moment)
            blocks.append(reranker.lines(block, range(CANDIDATES), [1] * CANDIDATES))
        own = percentiles(lambda number: reranker.model.predict(*blocks[number % 100]), requests)
        rows.append(("Vowpal Wabbit's own predict, text of the same", *own, ""))
        print(f"{'stage':<48}{'p50 ms':>9}{'p99 ms':>9}{'source, ms':>13}{'p50 / VW':>10}")
        for name, middle, high, promised in rows:
            print(f"{name:<48}{middle:9.3f}{high:9.3f}{promised:>13}{middle / own[0]:10.2f}")


if __name__ == "__main__":
    main()
