"""What personalization adds on real queries and documents, with made-up users.

    LRERANK_DATA=… python benchmarks/movies.py [--users 300] [--requests 20000] [--pairs 2000]

Users search the queries of 70 % of the query groups, see the judged movies in the order of hybrid search, examine
position k with probability 1/k, and click what is marked relevant and meets their taste by genre; half of taste no
feature shows. An LTR model and learned_rerank learn from these same clicks. All rank held-out queries of the same
users; the truth is: marked relevant, and to this user's taste. It is synthetic taste on real queries and documents.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from lrerank.calibration import ReliabilityTable, expected_calibration_error, reliability_table
from lrerank.data.judgment_files import read_judged
from lrerank.data.load import load_catalog
from lrerank.evaluation.intervals import Estimate, mean_by_group, paired_difference
from lrerank.evaluation.ranking import Metric, by_order
from lrerank.pipeline import Pipeline, Ranking
from lrerank.retrieval.index import text_index
from lrerank.store import Store
from lrerank.synthetic import interactions, populate
from lrerank.training import TrainingRun, log_interactions
from lrerank.training_static import train_static
from lrerank.types import Candidates, Interaction

SEARCH = {"stage_type": "filter", "stage_id": "hybrid_search", "parameters": {"query": "{{INPUT.query}}", "top_k": 100}}


def rerank(model: str) -> dict[str, object]:
    return {"stage_type": "sort", "stage_id": "rerank", "parameters": {"model": model}}


def learned(model_id: str) -> dict[str, object]:
    parameters = {"model_id": model_id, "exploration_rate": 0.0, "cold_start_after": 0, "top_n": 24}
    return {"stage_type": "sort", "stage_id": "learned_rerank", "parameters": parameters}


def as_judgments(logged: list[Interaction]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pages as queries and their documents as judgments: grade 1 where clicked, with the position."""
    clicked = {(one.request_id, one.document_id) for one in logged if one.interaction_type == "click"}
    pages = [one for one in logged if one.interaction_type == "impression"]
    queries = pd.DataFrame(
        [{"query_id": one.request_id, "query": one.query, "query_group": one.query} for one in pages]
    )
    rows = [
        (one.request_id, item, float((one.request_id, item) in clicked), place)
        for one in pages
        for place, item in enumerate(one.shown, start=1)
    ]
    judgments = pd.DataFrame(rows, columns=["query_id", "doc_id", "grade", "position"])
    with_clicks = judgments.groupby("query_id")["grade"].transform("max") > 0
    return queries, judgments[with_clicks]


def wider(values: np.ndarray, by_user: list[str], by_group: list[str], other: np.ndarray | None = None) -> Estimate:
    """The wider of the intervals over users and over query groups: both recur among the pairs."""
    both = [
        mean_by_group(values, groups) if other is None else paired_difference(values, other, groups)
        for groups in (by_user, by_group)
    ]
    return max(both, key=lambda one: (one.high or 0) - (one.low or 0))


def draw_reliability(table: ReliabilityTable, error: float, path: Path) -> None:
    """The reliability plot as SVG: predicted against observed with Wilson intervals, on the range that occurs."""
    top = float(max(table.predicted.max(), table.high.max())) * 1.05
    place = lambda share, low, high: low + (high - low) * share / top  # noqa: E731
    marks = []
    for predicted, observed, low, high in zip(table.predicted, table.observed, table.low, table.high, strict=True):
        x = place(predicted, 60, 460)
        marks.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{place(low, 360, 20):.1f}" y2="{place(high, 360, 20):.1f}" stroke="#0072B2"/>'
        )
        marks.append(f'<circle cx="{x:.1f}" cy="{place(observed, 360, 20):.1f}" r="4" fill="#0072B2"/>')
    ticks = []
    for tick in np.linspace(0, top, 5):
        ticks.append(f'<text x="{place(tick, 60, 460):.1f}" y="378" text-anchor="middle">{tick:.2f}</text>')
        ticks.append(f'<text x="54" y="{place(tick, 360, 20) + 4:.1f}" text-anchor="end">{tick:.2f}</text>')
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="480" height="410" font-family="sans-serif" font-size="11">'
        '<rect width="480" height="410" fill="white"/>'
        '<path d="M60 20V360H460" fill="none" stroke="#444"/><path d="M60 360L460 20" stroke="#999" stroke-dasharray="4"/>'
        + "".join(ticks + marks)
        + '<text x="260" y="400" text-anchor="middle">personalization_score</text>'
        '<text x="70" y="34">share engaged, held-out interactions; expected calibration error '
        f"{error:.4f}</text></svg>\n",
        encoding="utf-8",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--requests", type=int, default=20000)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden-share", type=float, default=0.5, help="1 = no feature shows taste: nothing to win")
    asked = parser.parse_args()
    data = Path(os.environ.get("LRERANK_DATA", "../shared/data")) / "msrd"
    os.environ.setdefault("LRERANK_DATA", str(data.parent))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {asked.users} users, "
        f"{asked.requests} searches, seed {asked.seed}"
    )
    catalog = load_catalog("movies")
    judged = read_judged(data / "queries.parquet", data / "judgments.parquet", catalog)
    rng = np.random.default_rng([asked.seed, 9])
    groups = rng.permutation(judged.queries["query_group"].unique())
    held_out = judged.queries["query_group"].isin(set(groups[: int(0.3 * len(groups))]))
    train, test = judged.queries[~held_out], judged.queries[held_out].reset_index(drop=True)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        options = {
            "users": asked.users,
            "seed": asked.seed,
            "hidden_share": asked.hidden_share,
            "fields": [str(catalog.segment_path)],
        }
        population = populate(catalog, train.reset_index(drop=True), judged.judgments, **options)
        logged = list(interactions(population, requests=asked.requests, seed=asked.seed, store=store))
        log_interactions(store, catalog, logged)
        clicks = sum(one.interaction_type == "click" for one in logged)
        print(f"{clicks} clicks; {len(train)} queries to train on, {len(test)} held out")
        pools = {
            text: np.sort(population.grades[query_id][0])
            for query_id, text in zip(train["query_id"], train["query"], strict=True)
        }
        started = time.perf_counter()
        trained = train_static(catalog, text_index(catalog, store.indexes), *as_judgments(logged), asked.seed)
        store.models.publish("ltr", "static", trained.files, trained.report)
        print(f"LTR on the clicks: {time.perf_counter() - started:.0f} s")
        systems = {
            "hybrid search (what was logged)": [SEARCH],
            "rerank, lexical": [SEARCH, rerank("lexical")],
            "rerank, LTR on the same clicks": [SEARCH, rerank("ltr")],
            "learned_rerank": [SEARCH, learned("plain")],
            "learned_rerank after lexical rerank": [SEARCH, rerank("lexical"), learned("after_lexical")],
            "learned_rerank after that LTR": [SEARCH, rerank("ltr"), learned("after_ltr")],
        }
        for name, stages in systems.items():
            pipeline = Pipeline.from_json(stages)
            if pipeline.learned is None:
                continue
            started = time.perf_counter()
            model_id = pipeline.to_json()[-1]["parameters"]["model_id"]
            run = TrainingRun(model_id, catalog, logged, pipeline=pipeline, store=store, pools=pools)
            for _ in run:
                pass
            run.publish()
            progress = run.progress
            print(
                f"{name}: {time.perf_counter() - started:.0f} s, progressive loss {progress.loss:.4f}, of the mean {progress.constant_loss:.4f}"
            )
        # Who searches next is who searched before: pairs are searches, and active users count as often as they come.
        number_of = {user_id: number for number, user_id in enumerate(population.users)}
        arrivals = [number_of[one.user_id] for one in logged if one.interaction_type == "impression"]
        past_clicks = Counter(number_of[one.user_id] for one in logged if one.interaction_type == "click")
        pairs = list(
            zip(
                rng.choice(arrivals, size=asked.pairs).tolist(),
                rng.integers(len(test), size=asked.pairs).tolist(),
                strict=True,
            )
        )
        moment = max(one.timestamp for one in logged) + 3600.0
        held_out_world = populate(catalog, test, judged.judgments, **options)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in systems}
        by_user: list[str] = []
        by_group: list[str] = []
        predicted: list[float] = []
        slots: list[int] = []
        engaged: list[float] = []
        for name, stages in systems.items():
            pipeline = Pipeline.from_json(stages)
            for user, query in pairs:
                query_id, text = test["query_id"][query], test["query"][query]
                rows, _ = held_out_world.grades[query_id]
                relevant = held_out_world.relevant(user, query_id)
                truth = dict(zip(rows.tolist(), relevant.tolist(), strict=True))
                if not relevant.any():
                    continue
                inputs = {"query": text, "user_id": population.users[user]}
                shuffled = rng.permutation(rows)
                ranking: Ranking = pipeline.run(
                    inputs,
                    catalog=catalog,
                    store=store,
                    timestamp=moment,
                    rng=0,
                    candidates=Candidates(shuffled, np.zeros(len(rows))),
                )
                grades = [float(truth[row]) for row in ranking.candidates.rows.tolist()]
                found[name].append((by_order(Metric("ndcg", 10), grades), by_order(Metric("mrr"), grades)))
                if name == next(iter(systems)):
                    by_user.append(str(user))
                    by_group.append(test["query_group"][query])
        print(
            f"\n{len(by_user)} pairs of user and held-out query with something relevant; intervals over users or query groups, the wider"
        )
        values = {name: np.array(scores) for name, scores in found.items()}
        for place, metric in enumerate(("NDCG@10", "MRR")):
            print(f"\n{metric:<40}{'mean':>8}{'95 %':>18}{'minus LTR on clicks':>24}")
            base = values["rerank, LTR on the same clicks"][:, place]
            for name, scores in values.items():
                own = wider(scores[:, place], by_user, by_group)
                told = f"{name:<40}{own.value:8.4f}{own.low:9.4f} to{own.high:7.4f}"
                if name != "rerank, LTR on the same clicks":
                    gap = wider(scores[:, place], by_user, by_group, base)
                    told += f"{gap.value:+10.4f} ({gap.low:+.4f} to {gap.high:+.4f})"
                print(told)
        history = np.array([past_clicks[int(user)] for user in by_user])
        print(f"\n{'learned_rerank after that LTR minus LTR':<40}{'pairs':>8}{'NDCG@10':>10}")
        gap = values["learned_rerank after that LTR"][:, 0] - values["rerank, LTR on the same clicks"][:, 0]
        for low, high in ((0, 5), (5, 20), (20, 100), (100, 10**9)):
            some = np.flatnonzero((history >= low) & (history < high))
            own = wider(gap[some], [by_user[k] for k in some], [by_group[k] for k in some])
            told = "" if own.low is None else f" ({own.low:+.4f} to {own.high:+.4f})"
            label = (
                f"users with {low} to {high - 1} past clicks"
                if high < 10**9
                else f"users with {low} past clicks or more"
            )
            print(f"{label:<40}{len(some):8d}{own.value:+10.4f}{told}")
        # Held-out interactions: the same users search the held-out queries; pages are as logged, in retrieval order.
        later = list(interactions(held_out_world, requests=asked.requests // 4, seed=asked.seed + 1, store=store))
        clicked = {(one.request_id, one.document_id) for one in later if one.interaction_type in ("click", "purchase")}
        pipeline = Pipeline.from_json([SEARCH, learned("plain")])
        for one in later:
            if one.interaction_type != "impression":
                continue
            query_id = held_out_world.queries["query_id"][held_out_world.queries["query"] == one.query].iloc[0]
            rows = np.sort(held_out_world.grades[query_id][0])
            ranking = pipeline.run(
                {"query": one.query, "user_id": one.user_id},
                catalog=catalog,
                store=store,
                timestamp=moment,
                rng=0,
                candidates=Candidates(rows, np.zeros(len(rows))),
            )
            score_of = {d.document_id: (d.learned or {}).get("personalization_score") for d in ranking.documents}
            for slot, item in enumerate(one.shown, start=1):
                if score_of.get(item) is not None:
                    predicted.append(float(score_of[item]))
                    slots.append(slot)
                    engaged.append(float((one.request_id, item) in clicked))
        error = expected_calibration_error(np.array(predicted), np.array(engaged))
        table = reliability_table(np.array(predicted), np.array(engaged))
        print(
            f"\npersonalization_score on {len(predicted)} held-out showings: expected calibration error {error:.4f}, base rate {np.mean(engaged):.4f}"
        )
        for count, mean, share, low, high in zip(
            table.count, table.predicted, table.observed, table.low, table.high, strict=True
        ):
            print(f"{count:8d}{mean:9.4f} predicted{share:9.4f} observed ({low:.4f} to {high:.4f})")
        place = np.array(slots)
        told = (
            f"{slot}: {np.array(predicted)[place == slot].mean():.3f}/{np.array(engaged)[place == slot].mean():.3f}"
            for slot in (1, 2, 3, 5, 10)
        )
        print("a score is an average over the log's positions; by slot, predicted/observed: " + ", ".join(told))
        if asked.hidden_share == parser.get_default("hidden_share") and asked.seed == 0:
            draw_reliability(table, error, Path(__file__).with_name("reliability.svg"))


if __name__ == "__main__":
    main()
