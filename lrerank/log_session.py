"""One thread's way into the log: its connection, its organisation, and who its users are there."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lrerank.errors import DataError
from lrerank.files import StorageError
from lrerank.interaction_rows import encodable
from lrerank.log_database import connect, readable_sql_errors, transaction
from lrerank.privacy import Key, create_key, read_key


class Session:
    """An open log, for one thread of one process.

    Attributes:
        connection: in autocommit mode; use `reading` and `writing`.
        organisation: its number in the tables.
        process: who opened it; a copy in a forked process must not be used.
    """

    def __init__(self, path: Path, organisation: str, wait_seconds: float) -> None:
        self.process = os.getpid()
        self._path, self._name, self._wait = path, organisation, wait_seconds
        self.connection = connect(path, wait_seconds)
        try:
            with readable_sql_errors(path, wait_seconds):
                self.organisation = _organisation(self.connection, organisation)
                self.key = _key(self.connection, path)
        except BaseException:
            self.connection.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Everything read inside is of one moment."""
        with readable_sql_errors(self._path, self._wait), transaction(self.connection, "DEFERRED"):
            yield self.connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; what was written is on the disk when this ends."""
        with readable_sql_errors(self._path, self._wait), transaction(self.connection):
            yield self.connection

    def has_plain_ids(self) -> bool:
        query = "SELECT plain_ids FROM organisations WHERE organisation = ?"
        return bool(self.connection.execute(query, (self.organisation,)).fetchone()[0])

    def stored_ids(self, user_ids: Iterable[str]) -> dict[str, str]:
        """User id as the request has it → as the log has it."""
        is_plain = self.has_plain_ids()
        stored = {}
        for user_id in user_ids:
            if not isinstance(user_id, str) or not user_id:
                raise DataError(
                    "a user needs an id, a string",
                    path="user_id",
                    value=user_id,
                    remedy="Give visitors without one an id of their own, per session for instance",
                )
            hashed = self.key.digest("user", self._name, encodable(user_id, "user_id"))
            stored[user_id] = user_id if is_plain else hashed
        return stored

    def stored_id(self, user_id: str) -> str:
        return self.stored_ids([user_id])[user_id]

    def content_id(self, content: str, occurrence: int) -> str:
        """Keyed, because who knows the rest of the content could otherwise guess the user id in it."""
        return self.key.digest("interaction", self._name, content, str(occurrence))

    def flag(self, stored_id: str) -> str:
        """What stands for a user among those who opted out. It outlives an erasure, so it must not match the rows."""
        return self.key.digest("opt-out", self._name, stored_id)

    def flags(self) -> set[str]:
        """The flags of all who opted out."""
        query = "SELECT flag FROM opt_outs WHERE organisation = ?"
        return {flag for (flag,) in self.connection.execute(query, (self.organisation,))}

    def is_opted_out(self, stored_id: str) -> bool:
        query = "SELECT 1 FROM opt_outs WHERE organisation = ? AND flag = ?"
        return self.connection.execute(query, (self.organisation, self.flag(stored_id))).fetchone() is not None

    def note_traces(self) -> None:
        """Part of a transaction that deletes: says that `remove_traces` must run, even if we are killed before."""
        statement = "INSERT OR REPLACE INTO settings VALUES ('traces', ?)"
        self.connection.execute(statement, (secrets.token_hex(8),))

    def remove_traces(self) -> None:
        """Writes the file anew without what was deleted, and empties the write-ahead log.

        SQLite's secure_delete overwrites what it deletes, but not the copies that were left behind when a page was
        filled or split before (our tests find them), so only a file that is written anew is free of them.

        Raises:
            StorageError: another process reads or writes for longer than the wait, or the disk is full.
        """
        query = "SELECT value FROM settings WHERE name = 'traces'"
        with readable_sql_errors(self._path, self._wait):
            found = self.connection.execute(query).fetchone()
            if found is None:
                return
            try:
                self.connection.execute("VACUUM")
                is_busy = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                reason = f"another process has used the files for {self._wait:g} seconds"
            except sqlite3.OperationalError as error:
                is_busy, reason = True, str(error)
            if is_busy:
                raise StorageError(
                    f"the interactions are removed, but traces of them remain in the files: {reason}",
                    path=str(self._path),
                    remedy="Do the same again when no other process uses them, with as much free space as they take",
                )
            # Whoever deleted something meanwhile has left a note of their own.
            self.connection.execute("DELETE FROM settings WHERE name = 'traces' AND value = ?", found)


def _organisation(connection: sqlite3.Connection, name: str) -> int:
    query = "SELECT organisation FROM organisations WHERE name = ?"
    if connection.execute(query, (name,)).fetchone() is None:
        with transaction(connection):
            connection.execute("INSERT OR IGNORE INTO organisations (name) VALUES (?)", (name,))
    return int(connection.execute(query, (name,)).fetchone()[0])


def _key(connection: sqlite3.Connection, path: Path) -> Key:
    """The key of this log. Under another one users would be strangers, and their opting out would end unnoticed."""
    file = path.with_name(f"{path.name}.key")
    query = "SELECT value FROM settings WHERE name = 'key'"
    if connection.execute(query).fetchone() is None:
        with transaction(connection):  # whoever else opens the log waits here, so only one key is made
            if connection.execute(query).fetchone() is None:
                made = read_key(file) or create_key(file)
                connection.execute("INSERT INTO settings VALUES ('key', ?)", (made.fingerprint,))
    key = read_key(file)
    if key is None or key.fingerprint != connection.execute(query).fetchone()[0]:
        raise StorageError(
            "the key that this log hashes user ids with is missing" if key is None else "this is another log's key",
            path=str(file),
            remedy="Restore it from a backup, or move the log away to start a new one: its users can't be recognised "
            "without the key",
        )
    return key
