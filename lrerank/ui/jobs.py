"""Runs under way: worker processes compute, a thread here follows, and every page of every window may look.

A job belongs to the server, not to a window: closing a tab ends nothing, and whoever knows the run's id can look on. When
the server ends, in whatever way, its workers end with it, and what was finished is on the disk.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias, cast

from lrerank.errors import LrerankError
from lrerank.experiments.early_stop import looked, stopped_after
from lrerank.experiments.executor import usable_cores
from lrerank.experiments.findings import WATCHED
from lrerank.experiments.grouping import groups
from lrerank.experiments.jobs import Built, LogJob, SceneJob
from lrerank.experiments.processes import Processes
from lrerank.experiments.results import Run, RunCancelledError, Runs, RunStoppedError
from lrerank.experiments.run import Cancel, Snapshot, run
from lrerank.experiments.sequential import Look
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep import sweep
from lrerank.store import Store

__all__ = ["Begin", "Job", "Jobs"]

Begin: TypeAlias = Callable[[Run, Cancel], Iterator[Snapshot]]

_LOG = logging.getLogger(__name__)


class Job:
    """One run, followed until it ends.

    Attributes:
        run: where its figures are.
        watched: the arm that is looked at after every replicate; None where nobody asked.
        snapshot: the last one; None before the first.
        look: what could be said of the watched arm when a replicate was finished last.
        problem: why it failed, for people; "" while it did not.
        stops_when_clear: whether it ends by itself as soon as the watched arm's answer is clear; may be changed.
    """

    def __init__(self, run: Run, begin: Begin, watched: str | None, *, stops_when_clear: bool) -> None:
        self.run = run
        self.experiment = run.experiment
        self.watched = watched
        self.stops_when_clear = stops_when_clear
        self.snapshot: Snapshot | None = None
        self.look: Look | None = None
        self.problem = ""
        self._begin = begin
        self._cancel, self._enough, self._ended = threading.Event(), threading.Event(), threading.Event()
        self._looked_after = 0
        threading.Thread(target=self._follow, daemon=True, name=f"lrerank {run.run_id}").start()

    @property
    def active(self) -> bool:
        return not self._ended.is_set()

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody wants it to end."""
        return self._cancel.is_set()

    def cancel(self) -> None:
        """Ends it at once; what was finished stays."""
        self._cancel.set()

    def stop(self) -> None:
        """The evidence is enough: ends it where the watched arm's answer is clear, else does nothing."""
        self._enough.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Waits for its end; whether it came."""
        return self._ended.wait(seconds)

    def _follow(self) -> None:
        try:
            with (
                self.run.working(),
                # Closed, it stops its workers before the run is given back.
                closing(cast("Generator[Snapshot]", self._begin(self.run, self._cancel))) as snapshots,
            ):
                for snapshot in snapshots:
                    self.snapshot = snapshot
                    self._may_stop(snapshot)
        except (RunStoppedError, RunCancelledError):
            pass
        except LrerankError as error:
            self.problem = str(error)
        except Exception:  # noqa: BLE001  (a thread has nobody else to tell)
            # A page shows no traceback; whoever started the server finds it there.
            _LOG.exception("the run %s failed", self.run.run_id)
            self.problem = (
                "The run failed unexpectedly; the terminal of the server says more. What was finished is kept."
            )
        finally:
            self._ended.set()

    def _may_stop(self, snapshot: Snapshot) -> None:
        if self.watched is None or not snapshot.provisional:
            return
        if snapshot.done_tasks != self._looked_after:
            self._looked_after = snapshot.done_tasks
            self.look = looked(snapshot.overall, self.experiment, self.watched)
        clear = self.look is not None and self.look.answer is not None
        if clear and (self.stops_when_clear or self._enough.is_set()):
            raise RunStoppedError(stopped_after(cast("Look", self.look), self.experiment))
        self._enough.clear()


class _Standby:
    """Processes that have gone as far as the first search of the run that is expected."""

    def __init__(self, count: int, experiment: Experiment, home: Path, after: float) -> None:
        self._count = count
        self._processes = Processes(count)
        self._wanted, self._ready = threading.Event(), threading.Event()
        self._works = self._closed = False
        arguments = experiment, home, after
        threading.Thread(target=self._warm, args=arguments, daemon=True, name="lrerank standby").start()

    def take(self) -> Processes | None:
        """Them, when they are ready; None where they failed, and then a run tells why."""
        self._wanted.set()
        self._ready.wait()
        return self._processes if self._works else None

    def close(self) -> None:
        """Ends them, and begins none."""
        self._closed = True
        taken = self.take()
        if taken is not None:
            taken.__exit__(None, None, None)

    def _warm(self, experiment: Experiment, home: Path, after: float) -> None:
        self._wanted.wait(after)
        try:
            if self._closed:
                return
            self._processes.__enter__()
            try:
                told = self._processes.events([SceneJob(experiment, home, self._processes.scratch)])
                files = [event.step.scene for event in told if event is not None and isinstance(event.step, Built)]
                first = list(groups(experiment, {}, self._count).items())[: self._count]
                for _ in self._processes.events([LogJob(experiment, files[0], *each) for each in first]):
                    pass
                self._works = True
            except BaseException:
                self._processes.__exit__(None, None, None)
                raise
        except Exception as error:  # noqa: BLE001  (nobody asked for it: the run itself tells what is wrong)
            _LOG.info("nothing was prepared: %s", error)
        finally:
            self._ready.set()


class Jobs:
    """All jobs of a server.

    Args:
        workers: processes of each job; as many as there are cores by default.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = usable_cores() if workers is None else workers
        self._standby: _Standby | None = None
        self._jobs: dict[str, Job] = {}
        self._asked: dict[str, tuple[object, ...]] = {}
        self._lock, self._beginning = threading.Lock(), threading.Lock()

    def prepare(self, store: Store, experiment: Experiment, after: float = 0.0) -> None:
        """Begins processes that the next simulation takes over, while nothing else is computed: its curves come sooner.

        Args:
            after: seconds from now, for a page that is to be drawn before.
        """
        with self._lock:
            if self._standby is None and not self.active():
                self._standby = _Standby(self._workers, experiment, store.home, after)

    def simulate(
        self, store: Store, experiment: Experiment, watched: str | None = None, *, stops_when_clear: bool = False
    ) -> Job:
        """Begins an experiment, or gives the job that is computing the same: who presses twice gets one run.

        Args:
            watched: the arm to look at after every replicate, chosen now, before there are figures.

        Raises:
            StorageError: the run can't be kept.
        """

        def begin() -> Job:
            begun = Runs(store.runs).create(experiment)
            if watched is not None:
                begun.note(WATCHED, watched)
            return self._start(begun, self._simulation(store), watched, stops_when_clear=stops_when_clear)

        return self._once((store.home, experiment.to_json(), "simulation", watched, stops_when_clear), begin)

    def sweep(self, store: Store, experiment: Experiment, fresh: int | None = None) -> Job:
        """Begins a sweep: all settings, then the winner again on fresh replicates."""

        def begin() -> Job:
            return self._start(Runs(store.runs).create(experiment, "sweep"), self._sweep(store, fresh))

        return self._once((store.home, experiment.to_json(), "sweep", fresh), begin)

    def study(self, store: Store, experiment: Experiment, notes: Sequence[tuple[str, object]]) -> Job:
        """Begins an ablation or a cold-start study: an experiment of kind "sweep" with notes on what its arms stand for."""

        def begin() -> Job:
            begun = Runs(store.runs).create(experiment, "sweep")
            for name, content in notes:
                begun.note(name, content)
            return self._start(begun, self._simulation(store))

        return self._once((store.home, experiment.to_json(), "study", tuple(notes)), begin)

    def resume(self, store: Store, run_id: str, fresh: int | None = None) -> Job:
        """Goes on with a run that did not end.

        Raises:
            LrerankError: there is no such run, or it can't be gone on with.
        """
        active = self.get(run_id)
        if active is not None and active.active:
            return active
        found = Runs(store.runs).open(run_id)
        if found.experiment.sweep is not None:
            return self._start(found, self._sweep(store, fresh))
        return self._start(found, self._simulation(store), found.noted(WATCHED))

    def get(self, run_id: str) -> Job | None:
        """The job that computes, or has computed, a run in this server."""
        return self._jobs.get(run_id)

    def active(self) -> list[Job]:
        """Those that have not ended, the oldest first."""
        return [job for job in list(self._jobs.values()) if job.active]

    def close(self) -> None:
        """Cancels all and waits for them."""
        with self._lock:
            standby, self._standby = self._standby, None
        if standby is not None:
            standby.close()
        for job in self.active():
            job.cancel()
        for job in list(self._jobs.values()):
            job.wait()

    def _once(self, asked: tuple[object, ...], begin: Callable[[], Job]) -> Job:
        """What `begin` begins, or the job that computes what was asked for already."""
        with self._beginning:
            for job in self.active():
                if self._asked.get(job.run.run_id) == asked and not job.is_cancelled:
                    return job
            begun = begin()
            self._asked[begun.run.run_id] = asked
            return begun

    def _simulation(self, store: Store) -> Begin:
        return lambda each, cancel: run(
            each.experiment,
            results=each,
            store=store,
            workers=self._workers,
            cancel=cancel,
            processes=self._prepared(),
            by_world=each.noted(WATCHED) is not None,
        )

    def _prepared(self) -> Processes | None:
        with self._lock:
            standby, self._standby = self._standby, None
        return None if standby is None else standby.take()

    def _sweep(self, store: Store, fresh: int | None) -> Begin:
        return lambda each, cancel: sweep(
            each.experiment, results=each, store=store, workers=self._workers, cancel=cancel, fresh=fresh
        )

    def _start(self, begun: Run, begin: Begin, watched: str | None = None, *, stops_when_clear: bool = False) -> Job:
        job = Job(begun, begin, watched, stops_when_clear=stops_when_clear)
        with self._lock:
            self._jobs[begun.run_id] = job
        return job
