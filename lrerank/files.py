"""Files that are whole or absent: a kill at any moment leaves the old content or the new, never a part."""

from __future__ import annotations

import errno
import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lrerank.errors import LrerankError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class StorageError(LrerankError):
    """Something on disk that can't be read or written as it is."""


def home_folder() -> Path:
    """Where everything is kept that persists: `$LRERANK_HOME`, else `.lrerank` in the user's home directory."""
    return Path(os.environ.get("LRERANK_HOME") or Path.home() / ".lrerank")


def write_new(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Writes a file that must not exist yet and forces its content to the disk."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def write_atomically(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Replaces a file as one step; the new name is on the disk when this returns.

    Args:
        path: the file; its folder must exist.
        data: all of its content.
        mode: permissions of the new file, before the umask.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write_new(temporary, data, mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Forces the names in a folder to the disk; Windows can't open folders and does not need it."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; the system gives the lock back when its holder is killed. The file stays, empty."""
    with path.open("a+b") as stream:
        if sys.platform == "win32":
            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK, 1)
        else:
            fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            yield
        finally:
            if sys.platform == "win32":
                stream.seek(0)
                msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)
            else:
                fcntl.flock(stream, fcntl.LOCK_UN)


@contextmanager
def readable_errors(path: Path, what: str) -> Iterator[None]:
    """Turns errors of the file system into sentences.

    Args:
        path: the file or folder at work.
        what: what it is, as in "the models".
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{what} can't be read or written: {error.strerror or error}",
            path=str(error.filename or path),
            remedy=_REMEDIES.get(error.errno or 0, "Set LRERANK_HOME to a folder that you can write to"),
        ) from error


_REMEDIES = {
    errno.ENOENT: "Another process may have removed it: look what there is, and try again",
    errno.ENOSPC: "Free some space on this disk, or set LRERANK_HOME to a folder on another one",
    errno.EDQUOT: "Free some of your quota, or set LRERANK_HOME to a folder on another disk",
}


def json_text(value: Any, *, sort_keys: bool = False) -> str:
    """JSON without spaces; arrays and scalars of numpy become lists and numbers.

    Raises:
        TypeError: something that JSON does not know.
        ValueError: a number that is not finite, or a structure that contains itself.
    """
    return (_SORTED if sort_keys else _AS_GIVEN).encode(value)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


# Made once: json.dumps would make one for each call.
_AS_GIVEN, _SORTED = (
    json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain, sort_keys=sort_keys)
    for sort_keys in (False, True)
)
