"""Where jobs are done: in this process, or in several others at once. Either gives the same figures, to the bit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, cast

from lrerank.experiments.jobs import Job, Memory


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened.

    Attributes:
        job: number of the job among those asked for.
        step: what it told; None when it has ended.
    """

    job: int
    step: object | None


class Executor(Protocol):
    """Does jobs while it is open; closing it stops what is under way."""

    def events(self, jobs: Sequence[Job]) -> Iterator[Event | None]:
        """Does all jobs, in any order; gives what they tell, and None now and then while nothing happens.

        Raises:
            LrerankError: a job failed, or the process that did it died.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class InThisProcess:
    """One job after the other, here: nothing to start, and debuggers see everything."""

    def __init__(self) -> None:
        self._memory: Memory = {}
        self._open = ExitStack()

    def events(self, jobs: Sequence[Job]) -> Iterator[Event | None]:
        for number, job in enumerate(jobs):
            for step in job.steps(self._memory):
                yield Event(number, step)
            yield Event(number, None)

    def __enter__(self) -> Self:
        # Threads part sums otherwise, and another order of adding gives other last digits.
        from threadpoolctl import threadpool_limits  # type: ignore[import-not-found, import-untyped, unused-ignore]

        self._open.enter_context(cast("AbstractContextManager[object]", threadpool_limits(1)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self._memory.clear()


def usable_cores() -> int:
    """How many processes this one may keep busy."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
