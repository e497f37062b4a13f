"""Jobs in processes of their own.

Plain processes with pipes rather than `multiprocessing`: those are started anew instead of forked (this one may have
threads), without running the caller's script again, so a script needs no guard and a page no care. They end with this
process, however it ends, because their end of the pipe does.
"""

from __future__ import annotations

import os
import pickle
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from lrerank.errors import LrerankError
from lrerank.experiments.executor import Event
from lrerank.experiments.jobs import Job
from lrerank.experiments.worker import DONE, Failed, Step

_TICK_SECONDS = 0.1
# A consumer who looks away stops the processes instead of filling the memory.
_MOST_WAITING = 100
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
# Arguments: the folder that is removed if we die, then the search path. Nothing is imported before the path is set.
_BEGIN = "import sys; sys.path[:] = sys.argv[2:]; from lrerank.experiments.worker import main; main(sys.argv[1])"


class WorkerDiedError(LrerankError):
    """A process that ended in the middle of its work."""


class Processes:
    """Jobs in `count` processes, each with one thread for arithmetic.

    Attributes:
        scratch: a folder for files that processes share; it goes when this is closed, or when this process dies.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._workers: list[_Worker] = []
        self._heard: queue.Queue[tuple[_Worker, object]] = queue.Queue(_MOST_WAITING)
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        self.scratch = Path(tempfile.mkdtemp(prefix="lrerank-"))
        try:
            for _ in range(self._count):
                self._workers.append(self._start())
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def events(self, jobs: Sequence[Job]) -> Iterator[Event | None]:
        waiting = deque(enumerate(jobs))
        idle = deque(self._workers)
        busy: dict[int, int] = {}
        while waiting or busy:
            while waiting and idle:
                number, job = waiting.popleft()
                worker = idle.popleft()
                busy[worker.pid] = number
                worker.give(job)
            try:
                worker, heard = self._heard.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                yield None
                continue
            if isinstance(heard, Step):
                yield Event(busy[worker.pid], heard.told)
            elif heard == DONE:
                idle.append(worker)
                yield Event(busy.pop(worker.pid), None)
            elif isinstance(heard, Failed):
                raise heard.error()
            else:
                raise _died(worker.process.wait())

    def _start(self) -> _Worker:
        own_group: dict[str, Any] = {"process_group": 0}
        if sys.platform == "win32":
            own_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        # Ctrl-C is for this process, which then stops the others. The program is the Python that runs this.
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _BEGIN, str(self.scratch), *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD},
            **own_group,
        )
        worker = _Worker(process)
        worker.listener = threading.Thread(target=self._listen, args=(worker,), daemon=True, name="lrerank worker")
        worker.listener.start()
        return worker

    def _listen(self, worker: _Worker) -> None:
        while True:
            try:
                heard: object = pickle.load(worker.out)  # noqa: S301  (our own process wrote it)
            except (EOFError, OSError, ValueError, pickle.UnpicklingError):
                heard = None
            while not self._closed.is_set():
                try:
                    self._heard.put((worker, heard), timeout=_TICK_SECONDS)
                    break
                except queue.Full:
                    continue
            if heard is None or self._closed.is_set():
                return

    def _close(self) -> None:
        self._closed.set()
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.end()
        shutil.rmtree(self.scratch, ignore_errors=True)


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    listener: threading.Thread | None = field(default=None)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def out(self) -> IO[bytes]:
        assert self.process.stdout is not None  # noqa: S101 - for the type checker
        return self.process.stdout

    def give(self, job: Job) -> None:
        assert self.process.stdin is not None  # noqa: S101 - for the type checker
        try:
            content = pickle.dumps(job, protocol=5)
            self.process.stdin.write(len(content).to_bytes(8, "little") + content)
            self.process.stdin.flush()
        except OSError:
            raise _died(self.process.wait()) from None

    def end(self) -> None:
        self.process.wait()
        if self.listener is not None:
            self.listener.join()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what was not yet flushed into a pipe that nobody reads
                    continue


def _died(code: int) -> WorkerDiedError:
    how = f"signal {-code}" if code < 0 else f"exit status {code}"
    remedy = "If the memory was full, use fewer --workers; what was finished is kept"
    return WorkerDiedError("a worker process died", value=how, remedy=remedy)
