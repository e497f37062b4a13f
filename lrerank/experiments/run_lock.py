"""Who is at work on a run: a lock that the system gives back when its holder is killed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Whoever only looks holds the lock for microseconds; who wants to work waits for that long.
_PATIENCE_SECONDS = 0.5


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Holds the lock in this file while in the context; gives False where somebody else has it."""
    with path.open("a+b") as stream:
        end = time.monotonic() + _PATIENCE_SECONDS
        mine = _take(stream)
        while not mine and time.monotonic() < end:
            time.sleep(0.01)
            mine = _take(stream)
        try:
            yield mine
        finally:
            if mine:
                _give_back(stream)


def is_claimed(path: Path) -> bool:
    """Whether somebody, this process included, has the lock now."""
    try:
        with path.open("r+b") as stream:
            free = _take(stream)
            if free:
                _give_back(stream)
            return not free
    except FileNotFoundError:
        return False


def _take(stream: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _give_back(stream: IO[bytes]) -> None:
    if sys.platform == "win32":
        stream.seek(0)
        msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(stream, fcntl.LOCK_UN)
