"""The other end of `lrerank.experiments.processes`: a process that does jobs until the one that started it is gone."""

from __future__ import annotations

import os
import pickle
import queue
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from lrerank.errors import LrerankError

DONE = "done"
_YIELDS = 10
_ORPHANED = 70


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a job told."""

    told: object


@dataclass(frozen=True, slots=True)
class Failed:
    """How a job failed.

    Attributes:
        kind, fields: of an error that a user can mend, enough to raise it again.
        trace: where it came from, as text.
    """

    kind: type[LrerankError]
    fields: Mapping[str, Any]
    trace: str

    def error(self) -> LrerankError:
        fields = dict(self.fields)
        error = self.kind(fields.pop("message"), **fields)
        error.add_note(self.trace)
        return error


def main(scratch: str) -> None:
    """Reads jobs from standard input, writes what they tell to standard output, and dies with the other end.

    Args:
        scratch: a folder that is removed if the other end dies.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        # Pages, and whoever works on this machine, come first.
        os.nice(_YIELDS)
    commands, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What libraries print must not get between the replies, nor may they read jobs.
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(commands, jobs, scratch), daemon=True).start()
    from lrerank.experiments import jobs as _imported  # noqa: F401 - while the first process builds the scene

    memory: dict[str, Any] = {}
    while True:
        _do(pickle.loads(jobs.get()), memory, replies, scratch)  # noqa: S301  (the process that started us wrote it)


def _read(commands: IO[bytes], jobs: queue.SimpleQueue[Any], scratch: str) -> None:
    """Hands jobs on; when the other end is gone, ends this process in the middle of whatever it does."""
    try:
        while size := commands.read(8):
            jobs.put(commands.read(int.from_bytes(size, "little")))
    finally:
        _die(scratch)


def _do(job: Any, memory: dict[str, Any], replies: IO[bytes], scratch: str) -> None:
    def say(what: object) -> None:
        try:
            pickle.dump(what, replies, protocol=5)
            replies.flush()
        except OSError:
            _die(scratch)

    try:
        for told in job.steps(memory):
            say(Step(told))
    except LrerankError as error:
        from lrerank.experiments.jobs import simple_fields

        say(Failed(type(error), simple_fields(error), traceback.format_exc()))
    except Exception as error:  # noqa: BLE001 - raised again at the other end
        fields = {"message": f"{type(error).__name__}: {' '.join(str(error).split())}"}
        say(Failed(LrerankError, fields, traceback.format_exc()))
    else:
        say(DONE)


def _die(scratch: str) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    sys.stderr.flush()
    os._exit(_ORPHANED)
