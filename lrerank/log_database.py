"""The SQLite file under the interaction log: its tables, how it is opened, and its errors as sentences."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from lrerank.files import StorageError, readable_errors

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x6C72726B  # "lrrk": tells our file from another program's

# AUTOINCREMENT: a row number is never used twice, so the highest one only ever grows, whatever is erased.
# Records stand apart because they are large: whoever scans interactions does not read past them.
_SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE organisations (
    organisation INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    retention_days REAL,
    plain_ids INTEGER NOT NULL DEFAULT 0,
    privacy_changes INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE opt_outs (
    organisation INTEGER NOT NULL REFERENCES organisations,
    flag TEXT NOT NULL,
    PRIMARY KEY (organisation, flag)
) WITHOUT ROWID;
CREATE TABLE interactions (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    organisation INTEGER NOT NULL REFERENCES organisations,
    interaction_type TEXT NOT NULL,
    user_id TEXT NOT NULL,
    document_id TEXT,
    timestamp REAL NOT NULL,
    query TEXT NOT NULL,
    position INTEGER,
    request_id TEXT,
    interaction_id TEXT NOT NULL,
    features TEXT,
    context TEXT,
    shown TEXT,
    propensity REAL,
    propensities TEXT,
    model_version TEXT,
    experiment_arm TEXT,
    catalog TEXT
);
CREATE UNIQUE INDEX by_id ON interactions (organisation, interaction_id);
CREATE INDEX by_time ON interactions (organisation, timestamp);
CREATE INDEX by_user ON interactions (organisation, user_id, timestamp);
CREATE INDEX impression_of_request ON interactions (organisation, request_id) WHERE interaction_type = 'impression';
CREATE TABLE records (
    row INTEGER PRIMARY KEY REFERENCES interactions ON DELETE CASCADE,
    record TEXT NOT NULL
);
"""


def connect(path: Path, wait_seconds: float) -> sqlite3.Connection:
    """Opens the log, and makes it first where there is none.

    Args:
        path: the file; its folder is made as well.
        wait_seconds: how long to wait for another process before giving up.

    Raises:
        StorageError: the file is not such a log, is from a newer program, or can't be opened.
    """
    with readable_errors(path, "the interaction log"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with readable_sql_errors(path, wait_seconds):
        connection = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None)
        try:
            is_new = _version(connection, path) == 0
            if is_new:
                # Queries are free text: only this user of the machine may read them. SQLite gives its other files
                # the same permissions.
                path.chmod(0o600)
            _use_write_ahead_log(connection, path, wait_seconds)
            connection.executescript(
                "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;"
                "PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;"
            )
            if is_new:
                _make_tables(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    with transaction(connection):
        if _version(connection, path) == 0:  # nobody else was quicker
            for statement in _SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


@contextmanager
def transaction(connection: sqlite3.Connection, kind: Literal["IMMEDIATE", "DEFERRED"] = "IMMEDIATE") -> Iterator[None]:
    """All or nothing; what was written is on the disk when this ends. DEFERRED is for reading only."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def readable_sql_errors(path: Path, wait_seconds: float) -> Iterator[None]:
    """Turns SQLite's errors into sentences that say what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of the code says more than a user needs
        if code not in _SENTENCES:
            raise
        message, remedy = _SENTENCES[code]
        message = message.format(wait=f"{wait_seconds:g}", error=error)
        raise StorageError(f"the interaction log {message}", path=str(path), remedy=remedy) from error


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The schema's version; 0 = a new, empty file."""
    # In this order: another process may make the tables, all in one step, between two of these lines.
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if application != _APPLICATION_ID and not (version == 0 and empty):
        raise StorageError("this is another program's database", path=str(path), remedy=_ELSEWHERE)
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"a newer lrerank wrote this log; this one knows versions up to {SCHEMA_VERSION}",
            path=str(path),
            value=version,
            remedy="Upgrade lrerank",
        )
    return version


def _use_write_ahead_log(connection: sqlite3.Connection, path: Path, wait_seconds: float) -> None:
    # SQLite does not wait by itself when two processes make this switch on a new file at once.
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise StorageError(
            "several processes can't share a log on this file system", path=str(path), value=mode, remedy=_ELSEWHERE
        )


_ELSEWHERE = "Set LRERANK_HOME to another folder, on a local disk"
_DAMAGED = "Restore it from a backup, or move it away to start a new one"
_SENTENCES = {
    sqlite3.SQLITE_NOTADB: ("is not an SQLite database", _DAMAGED),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _DAMAGED),
    sqlite3.SQLITE_BUSY: (
        "was held by another process for more than {wait} seconds",
        "Wait for that process to end, or end it, then try again; nothing was written",
    ),
    sqlite3.SQLITE_FULL: ("does not fit on the disk", "Free some space, then try again; nothing was written"),
    sqlite3.SQLITE_READONLY: (
        "may not be written",
        "Give yourself the right to write to it, its folder and its -wal file",
    ),
    sqlite3.SQLITE_CANTOPEN: ("can't be opened", "Set LRERANK_HOME to a folder that you can write to"),
    sqlite3.SQLITE_PERM: ("may not be opened", "Set LRERANK_HOME to a folder that you can write to"),
    sqlite3.SQLITE_IOERR: (
        "met an error of the disk: {error}",
        "Check the disk and its free space, then try again; nothing was acknowledged",
    ),
}
