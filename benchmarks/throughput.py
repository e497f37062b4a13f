"""How many impressions a second one core simulates, beside its floor and others who do less: all in one run.

    python benchmarks/throughput.py [--rounds 7] [--impressions 500] [--workers 2] [--memory]

Reference work: 100 candidates × 12 document features, crossed with what is known of the user (segment, activity, up to
eight tastes), top 10 shown, learned from all ten. In each round every contender gets the same requests:

- the whole loop at batch 1 and 100: arrivals, features, values, exploration, clicks, measures, learning;
- the floor: `VWModel.score` of the candidates and VW's learning of ten documents, from arrays that lie ready;
- Vowpal Wabbit's own command line on the same requests as text: predict 100 actions, learn one label. Its run alone,
  the file is written before;
- Coba with its VW learner, one action, document features only. Optional: pip install coba vowpalwabbit

Rates are per second of processor time, so what else runs on the machine disturbs them less; the command line also by
the clock, because it reads in a second thread. Ratios are of one round; the median and the whole spread are shown.
`--memory` also looks at the memory of a long run (minutes).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from threadpoolctl import threadpool_limits

from lrerank.experiments.building import course_of, scene_of, world_of
from lrerank.experiments.jobs import Built, CourseJob, SceneJob
from lrerank.experiments.loop import Course
from lrerank.experiments.processes import Processes
from lrerank.experiments.scene import Scene
from lrerank.experiments.spec import Experiment
from lrerank.experiments.tables import Task
from lrerank.reranker import LearnedReranker
from lrerank.store import Store
from lrerank.vw import SHARED, VWModel, run_command_line
from simulators.arrivals import DEVICES, LOCATIONS
from simulators.world import World

CANDIDATES, SLOTS = 100, 10
FEATURES = (
    *("metadata.category", "metadata.subcategory", "metadata.brand", "metadata.colour", "metadata.material"),
    *("metadata.price", "metadata.discount", "metadata.in_stock", "metadata.rating", "metadata.review_count"),
    *("metadata.shipping_days", "engagement.click_through_rate"),
)
LOG, WARM = 500, 3000
COBA_REQUESTS = 50

Run: TypeAlias = Callable[[], int]


@dataclass(frozen=True)
class Rate:
    """Requests per second of processor time, and by the clock."""

    processor: float
    clock: float


def reference(batch: int, impressions: int, arm: str = "learned") -> Experiment:
    """The reference work as an experiment with one arm."""
    arms: dict[str, dict[str, object]] = {
        "learned": {
            "kind": "learned",
            "features": list(FEATURES),
            "interactions": "all",
            "cold_start": {"threshold": 0},
        },
        "static": {"kind": "retrieval"},
    }
    return Experiment.model_validate(
        {
            "name": "throughput",
            "question": "How fast?",
            "baseline": "static",
            "impressions": impressions,
            "batch": batch,
            "replicates": 2,
            "bins": 10,
            "log": {"impressions": LOG},
            "world": {"catalog": "marketplace", "candidates": CANDIDATES, "only_judged": False},
            "arms": arms if arm == "learned" else {"static": arms["static"]},
        }
    )


@dataclass(frozen=True)
class Requests:
    """What the contenders beside the loop are given.

    Attributes:
        scoring: arguments of `VWModel.score`.
        learning: arguments of `VWModel.learn_arrays`: the ten documents of largest value, the first one clicked.
        texts: in VW's text, all candidates, a label on the best.
        dictionaries: (user, candidates) by name, without what is not crossed with the user.
        shared, crossed, plain: mean number of features that are not 0, per request or document.
    """

    scoring: list[tuple[Any, ...]]
    learning: list[tuple[Any, ...]]
    texts: list[str]
    dictionaries: list[tuple[dict[str, float], list[dict[str, float]]]]
    shared: float
    crossed: float
    plain: float


def requests_of(scene: Scene, course: Course, reranker: LearnedReranker, start: int, stop: int) -> Requests:
    """Impressions start..stop-1, with profiles as they are now."""
    arrivals = course._replicate.arrivals(start, stop)
    found = Requests([], [], [], [], 0.0, 0.0, 0.0)
    counts = []
    rewards = [1.0] + [0.0] * (SLOTS - 1)
    for place in range(len(arrivals)):
        query, moment = arrivals.query[place], float(arrivals.timestamp[place])
        context = {"device": DEVICES[arrivals.device[place]], "location": LOCATIONS[arrivals.location[place]]}
        text = scene.search.texts[query]
        shelf = reranker.shelve(scene.rows[query], scene.scores[query], moment)
        block = reranker.stock(shelf, f"u{arrivals.user[place]}", context, moment, text)
        shared = reranker.model.indices(SHARED, block.shared_names), block.shared_values
        terms = reranker.index_of_term[block.vocabulary]
        crossed = reranker.features.crossed[block.vocabulary].nonzero()[0]
        plain = reranker._plain_index, block.plain
        found.scoring.append((shared, terms, crossed, (block.places, block.values), plain))
        best = np.argsort(-reranker.judge(block).values, kind="stable")[:SLOTS]
        found.learning.append((*reranker.freeze(block, best, np.arange(1, SLOTS + 1)), rewards))
        line, documents = reranker.lines(block, range(CANDIDATES), [1] * CANDIDATES)
        documents[best[0]] = f"0:-1:1 {documents[best[0]]}"
        found.texts.append("\n".join([line, *documents]) + "\n\n")
        if place < COBA_REQUESTS:
            user = dict(zip(block.shared_names, block.shared_values.tolist(), strict=True))
            names = reranker.features.names
            each = [
                {names[term]: value for term, value in zip(terms, values, strict=True) if value != 0.0}
                for terms, values in zip(block.terms.tolist(), block.values.tolist(), strict=True)
            ]
            found.dictionaries.append((user, each))
        counts.append([len(block.shared_names), (block.values != 0).sum(1).mean(), (block.plain != 0).sum(1).mean()])
    return Requests(found.scoring, found.learning, found.texts, found.dictionaries, *np.mean(counts, axis=0).tolist())


def floor(model: VWModel, requests: Requests) -> int:
    for scoring, learning in zip(requests.scoring, requests.learning, strict=True):
        model.score(*scoring)
        model.learn_arrays(*learning)
    return len(requests.scoring)


def command_line(model: VWModel, file: Path, count: int) -> int:
    run_command_line([*model.options.arguments(), "-d", str(file)])
    return count


def coba_learner(model: VWModel) -> Any:
    """A learner of Coba's with VW inside; None where it is not installed."""
    if importlib.util.find_spec("coba") is None or importlib.util.find_spec("vowpalwabbit") is None:
        return None
    options = model.options
    return importlib.import_module("coba").VowpalLearner(
        f"--cb_explore_adf --epsilon 0.1 --cb_type mtr --interactions xa -b {options.bits} "
        f"--learning_rate {options.learning_rate} --power_t {options.power_t} --random_seed 1 --quiet"
    )


def coba(learner: Any, requests: Requests) -> int:
    for user, documents in requests.dictionaries:
        action, probability, more = learner.predict(user, documents)
        learner.learn(user, action, 1.0, probability, **more)
    return len(requests.dictionaries)


def advance(course: Course, steps: Iterator[int], stop: int) -> int:
    start = course.done
    while course.done < stop:
        next(steps)
    return course.done - start


def timed(run: Run) -> Rate:
    clock, processor = time.perf_counter(), time.process_time()
    done = run()
    return Rate(done / (time.process_time() - processor), done / (time.perf_counter() - clock))


def contest(scene: Scene, world: World, rounds: int, impressions: int) -> None:
    """The loop against its floor and the others, round by round."""
    total = WARM + rounds * impressions
    courses = {batch: course_of(reference(batch, total), scene, world, (0, 0), ["learned"]) for batch in (1, 100)}
    steps = {batch: course.advance() for batch, course in courses.items()}
    for batch, course in courses.items():
        advance(course, steps[batch], LOG + WARM)
    reranker: LearnedReranker = courses[100]._arms["learned"].arm.reranker  # type: ignore[attr-defined]
    model = VWModel(reranker.model.options)
    peer = coba_learner(model)
    if peer is None:
        print("Coba is left out: it is not installed (pip install coba vowpalwabbit)")
    found: dict[str, list[Rate]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requests.txt"
        for number in range(rounds):
            start = LOG + WARM + number * impressions
            requests = requests_of(scene, courses[100], reranker, start, start + impressions)
            file.write_text("".join(requests.texts))
            if number == 0:
                print(
                    f"features that are not 0: {requests.shared:.1f} of the user, {requests.crossed:.1f} of a document "
                    f"(crossed with the user's), {requests.plain:.1f} of both (not crossed); "
                    f"{file.stat().st_size / impressions / 1000:.0f} kB of text per request; "
                    f"{model.options.bits} bits of weights"
                )
                floor(model, requests)
            contenders: dict[str, Run] = {
                "floor": lambda requests=requests: floor(model, requests),
                "loop, batch 1": lambda: advance(courses[1], steps[1], start + impressions),  # noqa: B023
                "loop, batch 100": lambda: advance(courses[100], steps[100], start + impressions),  # noqa: B023
                "VW's command line": lambda: command_line(model, file, impressions),
            }
            if peer is not None:
                contenders["Coba with VW"] = lambda requests=requests: coba(peer, requests)
            for name, run in contenders.items():
                found.setdefault(name, []).append(timed(run))
    print(f"\n{'':<20}{'per second and core':>20}{'by the clock':>15}   (median of {rounds} rounds)")
    for name, rates in found.items():
        processor, clock = np.median([rate.processor for rate in rates]), np.median([rate.clock for rate in rates])
        print(f"{name:<20}{processor:20,.0f}{clock:15,.0f}")
    print(f"\n{'ratio, median (lowest to highest)':<40}{'of processor time':>22}{'by the clock':>26}")
    wanted = {"floor": 0.5, "VW's command line": 0.35, "Coba with VW": 20.0}
    for other, least in wanted.items():
        for name in ("loop, batch 1", "loop, batch 100"):
            if other in found:
                pairs = list(zip(found[name], found[other], strict=True))
                by_processor = spread([one.processor / two.processor for one, two in pairs])
                by_clock = spread([one.clock / two.clock for one, two in pairs])
                print(f"{f'{name} / {other}':<40}{by_processor:>22}{by_clock:>26}   wanted: {least:g}")


def spread(ratios: list[float]) -> str:
    return f"{np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def workers(experiment: Experiment, rounds: int, count: int) -> None:
    """The same jobs in one process and in several, in turns; beside it what a busy loop gets out of as many cores."""
    with Processes(1) as one, Processes(count) as many:
        told = [
            event.step for event in one.events([SceneJob(experiment, Store().home, one.scratch)]) if event is not None
        ]
        (target,) = (step.scene for step in told if isinstance(step, Built))
        ratios, limits = [], []
        for number in range(-1, rounds):  # the first round only warms up
            jobs = [CourseJob(experiment, target, Task(0, replicate), ("learned",)) for replicate in range(count)]
            seconds = []
            for processes in (one, many):
                started = time.perf_counter()
                for _ in processes.events(jobs):
                    pass
                seconds.append(time.perf_counter() - started)
            if number >= 0:
                ratios.append(seconds[0] / seconds[1])
                limits.append(busy(count, together=False) / busy(count, together=True))
    print(f"\n{count} workers / one, by the clock: {spread(ratios)}, wanted: {0.9 * count:g}; ", end="")
    print(f"a busy loop, {count} / one: {spread(limits)} (what the machine has to give now)")


def busy(count: int, *, together: bool) -> float:
    """Seconds until so many processes have counted to fifteen million, side by side or one after the other."""
    started = time.perf_counter()
    command = [sys.executable, "-c", "for _ in range(15_000_000): pass"]
    for _ in range(1 if together else count):
        running = [subprocess.Popen(command) for _ in range(count if together else 1)]
        for process in running:
            process.wait()
    return time.perf_counter() - started


def memory(arm: str, marks: list[int]) -> None:
    """This process's memory after so many impressions."""
    experiment = reference(100, marks[-1], arm)
    scene = scene_of(experiment, Store())
    course = course_of(experiment, scene, world_of(experiment, scene, 0), (0, 0), [arm])
    steps = course.advance()
    for mark in marks:
        advance(course, steps, mark)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        print(f"{arm:<10}{mark:>12,} impressions: {pages * os.sysconf('SC_PAGE_SIZE') / 1e6:8.1f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--impressions", type=int, default=500, help="of a round")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", action="store_true", help="also of a million impressions")
    parser.add_argument("--memory-of", choices=("static", "learned"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory_of:
        memory(given.memory_of, [10_000, 100_000, *([1_000_000] if given.memory_of == "static" else [])])
        return
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {CANDIDATES} candidates × "
        f"{len(FEATURES)} features, top {SLOTS}; {given.rounds} rounds of {given.impressions} requests"
    )
    with threadpool_limits(1):
        experiment = reference(100, WARM + given.rounds * given.impressions)
        scene = scene_of(experiment, Store())
        contest(scene, world_of(experiment, scene, 0), given.rounds, given.impressions)
    workers(reference(100, 3000), max(3, given.rounds // 2), given.workers)
    if given.memory and not Path("/proc/self/statm").exists():
        print("The memory is left out: this system does not tell it in /proc")
    elif given.memory:
        print("\nResident memory")
        for arm in ("static", "learned"):  # in processes of their own, which have seen nothing else
            subprocess.run([sys.executable, __file__, "--memory-of", arm], check=True)


if __name__ == "__main__":
    main()
