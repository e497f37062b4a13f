"""Work done by other processes: to be killed, to race, or to see files as they are on the disk."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

ResultT = TypeVar("ResultT")

needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="Windows can neither fork nor kill with SIGKILL")
_NOBODY = 65534
_FILE_EVENTS = ("open", "os.", "shutil.")


class Child:
    """A forked process that does one thing; its result travels back through a pipe."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._end, start = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._end)
            status = 1
            try:
                os.write(start, pickle.dumps(work()))
                status = 0
            except BaseException:  # noqa: BLE001  (it is our exit status)
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(start)

    def result(self) -> Any:
        """Waits for it to end.

        Raises:
            ChildProcessError: it was killed or failed.
        """
        with os.fdopen(self._end, "rb") as stream:
            content = stream.read()
        _, status = os.waitpid(self.pid, 0)
        if status:
            raise ChildProcessError(f"ended with {status}")
        return pickle.loads(content)  # noqa: S301  (our own process wrote it)


def in_child(work: Callable[[], ResultT]) -> ResultT:
    """What this returns in another process."""
    result: ResultT = Child(work).result()
    return result


def killed_at_every_step(
    folder: Path, prepare: Callable[[], None], work: Callable[[], None], limit: int = 200
) -> Iterator[int]:
    """Yields after killing `work` right before its 1st, 2nd, … step in the file system, until it runs through."""
    for step in range(1, limit):
        prepare()
        if _killed_at(step, folder, work):
            yield step
        else:
            return
    raise AssertionError("it never ran through")


def _killed_at(step: int, folder: Path, work: Callable[[], None]) -> bool:
    def armed() -> None:
        left = step

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if event.startswith(_FILE_EVENTS) and any(str(folder) in str(argument) for argument in arguments):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        work()

    try:
        in_child(armed)
    except ChildProcessError:
        return True
    return False


def without_rights(work: Callable[[], ResultT]) -> ResultT:
    """What this returns for a user whom permissions bind: they do not bind root."""

    def dropped() -> ResultT:
        if os.geteuid() == 0:
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        return work()

    return in_child(dropped)
