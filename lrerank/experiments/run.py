"""Runs an experiment: snapshots while it goes on, figures on disk as soon as a replicate is finished.

    for snapshot in run(Experiment.shipped("first")):
        print(snapshot.done_tasks, "of", snapshot.tasks)
    print(verdict(snapshot.figures, experiment).sentence)

The figures (but for latency, which is measured) hang on the spec alone: not on the number of processes, on which arms
run in which of them, on how often one looks, or on whether the run was stopped and went on later.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from lrerank.experiments.executor import Executor, InThisProcess, usable_cores
from lrerank.experiments.grouping import groups, named_arms
from lrerank.experiments.jobs import Built, CourseJob, Finished, Progress, SceneJob, overall
from lrerank.experiments.processes import Processes
from lrerank.experiments.results import Run, RunCancelledError
from lrerank.experiments.spec import Experiment, SpecError
from lrerank.experiments.tables import Task, read_figures, together
from lrerank.store import Store

__all__ = ["Cancel", "Snapshot", "run"]

Cancel: TypeAlias = threading.Event | Callable[[], bool]

_SECONDS_BETWEEN_SNAPSHOTS = 0.4


@dataclass(frozen=True)
class Snapshot:
    """How far a run is.

    Attributes:
        done_tasks, tasks: a task is a replicate of a world with some or all arms; those of before a resume count.
        impressions, total_impressions: shown and to be shown, those of the logs included, in the tasks of this call.
        seconds: since this call.
        seconds_left: None where nothing can be said yet.
    """

    done_tasks: int
    tasks: int
    impressions: int
    total_impressions: int
    seconds: float
    seconds_left: float | None
    _everything: Callable[[], pd.DataFrame] = field(repr=False)
    _curves: tuple[pd.DataFrame, ...] = field(repr=False)
    _partial: tuple[pd.DataFrame, ...] = field(repr=False)

    @cached_property
    def figures(self) -> pd.DataFrame:
        """All figures of finished tasks, and of those under way the additive ones of everybody, bin after bin.

        Put together, or read from the disk, when first asked for.
        """
        found = self._everything()
        # What was under way may be finished by the time that it is asked for.
        finished = set(_courses(found))
        under_way = [part for part in self._partial if not finished.intersection(_courses(part))]
        return together([found, *under_way])

    @cached_property
    def overall(self) -> pd.DataFrame:
        """Of those figures the additive ones of everybody (`by` is "all"): what curves need, and cheap."""
        return together([*self._curves, *self._partial])

    @property
    def provisional(self) -> bool:
        """Whether there are tasks left."""
        return self.done_tasks < self.tasks


def run(
    experiment: Experiment,
    *,
    results: Run | None = None,
    store: Store | None = None,
    workers: int | None = None,
    cancel: Cancel | None = None,
    processes: Processes | None = None,
    by_world: bool = False,
) -> Iterator[Snapshot]:
    """Runs what is not yet in the results; gives a snapshot about twice a second, the last one when all is done.

    Closing the generator stops all work at once.

    Args:
        results: where figures are kept and a run goes on; in memory only where it is None. The caller holds
            `results.working()`.
        store: of catalogs and indexes; `$LRERANK_HOME` by default.
        workers: processes; as many as there are cores by default. 0 = none but this one.
        cancel: set, or true, when it is to stop.
        processes: begun already, to be used instead of new ones; they end with the run.
        by_world: of several worlds one after the other, for who looks after every world.

    Raises:
        SpecError: the experiment has a sweep.
        RunCancelledError: `cancel` said so; what was finished is in the results.
        StorageError: the catalog holds other documents than when the run began.
        LrerankError: the catalog or an arm can't be used, or a task failed (then the error names arm, replicate and
            world); what was finished is in the results.
    """
    with ExitStack() as stack:
        if processes is not None:
            stack.push(processes)
        if experiment.sweep is not None:
            raise SpecError(
                "this experiment has a sweep", path="sweep", remedy="Run its settings, or leave the sweep out"
            )
        if workers is not None and workers < 0:
            remedy = "Use 1 or more, or 0 for this process alone"
            raise SpecError("too few", path="workers", value=workers, remedy=remedy)
        count = usable_cores() if workers is None else workers
        kept = _Kept(results)
        todo = groups(experiment, kept.arms(experiment), max(count, 1), by_world=by_world)
        yield from _Going(experiment, kept, todo, _stopper(cancel)).follow(store or Store(), count, processes)


class _Going:
    """A run under way."""

    def __init__(
        self, experiment: Experiment, kept: _Kept, todo: Mapping[Task, tuple[str, ...]], stop: Callable[[], bool]
    ) -> None:
        self.experiment, self.kept, self.todo, self.stop = experiment, kept, todo, stop
        self.before = kept.count
        self.length = experiment.log.impressions + experiment.impressions
        self.shown = dict.fromkeys(todo, 0)
        self.partial: dict[Task, pd.DataFrame] = {}
        self.started = self.simulating = time.monotonic()

    def follow(self, store: Store, workers: int, processes: Processes | None) -> Iterator[Snapshot]:
        with ExitStack() as stack:
            if self.todo:
                yield self._snapshot()
                executor: Executor
                if processes is None and workers:
                    processes = stack.enter_context(Processes(min(workers, len(self.todo))))
                if processes is not None:
                    executor, scratch = processes, processes.scratch
                else:
                    executor = stack.enter_context(InThisProcess())
                    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lrerank-")))
                yield from self._work(executor, store, scratch)
        yield self._snapshot()

    def _work(self, executor: Executor, store: Store, folder: Path) -> Iterator[Snapshot]:
        looked = self.started
        built: Built | None = None
        for event in executor.events([SceneJob(self.experiment, store.home, folder)]):
            if event is not None and isinstance(event.step, Built):
                built = event.step
                self.kept.made_with(built.fingerprint)
            self._may_stop()
            if time.monotonic() >= looked + _SECONDS_BETWEEN_SNAPSHOTS:
                looked = time.monotonic()
                yield self._snapshot()
        assert built is not None  # noqa: S101 - for the type checker
        self.simulating = time.monotonic()
        tasks = list(self.todo)
        jobs = [CourseJob(self.experiment, built.scene, task, self.todo[task]) for task in tasks]
        for event in executor.events(jobs):
            waits_for_figures = not (self.partial or self.kept.curves)
            if event is not None:
                self._take(tasks[event.job], event.step)
            self._may_stop()
            is_time = time.monotonic() >= looked + _SECONDS_BETWEEN_SNAPSHOTS or (waits_for_figures and self.partial)
            if is_time and self.kept.count < self.before + len(tasks):
                looked = time.monotonic()
                yield self._snapshot()

    def _take(self, task: Task, step: object) -> None:
        if isinstance(step, Progress):
            self.shown[task] = step.impressions
            if step.figures is not None:
                self.partial[task] = step.figures
        elif isinstance(step, Finished):
            self.kept.add(task, step.figures)
            self.shown[task] = self.length
            self.partial.pop(task, None)

    def _may_stop(self) -> None:
        if self.stop():
            remedy = "What was finished is kept; go on with lrerank simulate --resume RUN"
            raise RunCancelledError("the run was stopped", remedy=remedy)

    def _snapshot(self) -> Snapshot:
        now = time.monotonic()
        shown, total = sum(self.shown.values()), self.length * len(self.todo)
        left = (now - self.simulating) * (total - shown) / shown if shown else None
        return Snapshot(
            done_tasks=self.kept.count,
            tasks=self.before + len(self.todo),
            impressions=shown,
            total_impressions=total,
            seconds=now - self.started,
            seconds_left=left if self.todo else 0.0,
            _everything=self.kept.everything(),
            _curves=tuple(self.kept.curves),
            _partial=tuple(self.partial.values()),
        )


class _Kept:
    """Figures of finished tasks: on disk, or in memory where there is no run on disk; those for curves here in any case."""

    def __init__(self, results: Run | None) -> None:
        self._results = results
        self._figures: dict[Task, pd.DataFrame] = {}
        self._before = sorted(results.done()) if results is not None else []
        self.curves: list[pd.DataFrame] = []
        self.count = len(self._before)
        if results is not None and self._before:
            files = [results.folder / "tasks" / task.file_name for task in self._before]
            self.curves.append(overall(together(map(read_figures, files))))

    def arms(self, experiment: Experiment) -> Mapping[tuple[int, int], set[str]]:
        """Which arms of which replicate of which world are finished."""
        found: dict[tuple[int, int], set[str]] = {}
        for task in self._before:
            found.setdefault((task.world, task.replicate), set()).update(named_arms(experiment, task.group))
        return found

    def made_with(self, fingerprint: str) -> None:
        """Refuses to go on with what was begun with other documents."""
        if self._results is not None:
            self._results.made_with(fingerprint)

    def add(self, task: Task, figures: pd.DataFrame) -> None:
        if self._results is not None:
            self._results.append(task, figures)
        else:
            self._figures[task] = figures
        self.curves.append(overall(figures))
        self.count += 1

    def everything(self) -> Callable[[], pd.DataFrame]:
        """A way to all figures as they are now, or later."""
        if self._results is not None:
            return self._results.figures
        now = [self._figures[task] for task in sorted(self._figures)]
        return lambda: together(now)


def _courses(figures: pd.DataFrame) -> Iterator[tuple[int, int, str]]:
    return zip(figures["world"], figures["replicate"], figures["arm"], strict=True)


def _stopper(cancel: Cancel | None) -> Callable[[], bool]:
    if cancel is None:
        return lambda: False
    return cancel.is_set if isinstance(cancel, threading.Event) else cancel
