"""The interaction log: what was shown and what users did. Profiles and engagement features are derived from it.

Nothing aggregated is stored, so what is erased here or has outlived its retention is gone everywhere but in models
that were trained before.
"""

# ruff: noqa: S608  (statements are put together from constants of this file; values are bound)

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from lrerank.errors import DataError
from lrerank.files import json_text
from lrerank.interaction_rows import COLUMNS, Impression, decode, decode_impression, encodable, encode, moment
from lrerank.log_session import Session
from lrerank.types import Interaction

__all__ = ["AppendResult", "Impression", "InteractionLog", "LogState"]

_PAGE = 1000
_EXPIRED_AT_ONCE = 10_000
_SECONDS_PER_DAY = 86_400.0
_ALWAYS, _NEVER = float("-inf"), float("inf")
# A session that a fork copied must neither be used nor closed in the child: closing could drop the parent's locks.
_ABANDONED: list[Session] = []


class AppendResult(NamedTuple):
    """What became of each interaction that was appended."""

    added: int
    repeated: int
    refused_opted_out: int


class LogState(NamedTuple):
    """Equal states mean an equal log, so caches of what is derived from it still hold.

    Where only `last_row` has grown, the news are `read(after_row=old.last_row, up_to_row=new.last_row)`. Where
    `privacy_changes` has grown (erasure, expiry, opting out or in), what was derived must be derived again.
    """

    last_row: int
    privacy_changes: int


class InteractionLog:
    """The log of one organisation in an SQLite file that several processes and organisations share.

    User ids are stored as pseudonyms: HMAC-SHA256 under a key that lies beside the file (`<name>.key`, readable by
    its owner only). What is read back carries pseudonyms; methods that take a `user_id` take it as the request has it.
    Other ids and the text of queries are stored as they are: queries may say who is asking, so treat the file as
    personal data, and never build interaction or request ids from user ids.

    Times are seconds since the epoch, UTC, and a future one is taken as it is: reading is always up to a moment, so it
    counts from that moment on.

    Safe to share between threads; processes open their own (a copy that was pickled or forked does so by itself).

    Args:
        path: the file; it is made at first use.
        organisation: whose interactions; others in the same file are neither seen nor touched.
        wait_seconds: how long to wait for another process that is writing.
    """

    def __init__(self, path: Path | str, organisation: str = "default", *, wait_seconds: float = 30.0) -> None:
        if not organisation:
            raise DataError("an organisation needs a name", path="organisation", value=organisation)
        self.path = Path(path)
        self.organisation = encodable(organisation, "organisation")
        self._wait = wait_seconds
        self._threads = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.path, self.organisation, self._wait)

    def close(self) -> None:
        """Closes what this thread has opened; the next use opens it again."""
        session: Session | None = getattr(self._threads, "session", None)
        self._threads.session = None
        if session is not None and session.process == os.getpid():
            session.connection.close()

    # Writing

    def append(self, interactions: Iterable[Interaction | Impression]) -> AppendResult:
        """Stores all of these, or none; when this returns they survive a kill and a loss of power.

        An interaction whose id the organisation has already is left out. Without an id it gets `content_id`: equal
        content counts as the same interaction. The same goes for impressions by their `request_id`. What was erased
        or has expired is unknown again, so sending it again stores it again. Interactions of users who opted out are
        not stored.

        Raises:
            DataError: one of them can't be stored as it is; none is stored.
            StorageError: the log can't be written.
        """
        session = self._session()
        rows = [_row(session, item, f"interactions[{place}]") for place, item in enumerate(interactions)]
        added = refused = 0
        with session.writing() as connection:
            stored = session.stored_ids({values[_USER_ID] for values, _ in rows})
            flags = session.flags()
            silent = {user for user in stored if session.flag(stored[user]) in flags} if flags else set()
            for values, record in rows:
                user = values[_USER_ID]
                if user in silent:
                    refused += 1
                    continue
                written = connection.execute(
                    _INSERT, (session.organisation, *values[:_USER_ID], stored[user], *values[_USER_ID + 1 :])
                )
                added += written.rowcount
                if record is not None and written.rowcount:
                    connection.execute("INSERT INTO records VALUES (?, ?)", (written.lastrowid, record))
        return AppendResult(added, len(rows) - added - refused, refused)

    def content_id(self, interaction: Interaction, occurrence: int = 0) -> str:
        """The id that an interaction without one gets: a keyed hash of all of its content.

        Who reads a file in which equal rows are separate events numbers them (`occurrence` 0, 1, …), so that each is
        kept and reading the file again still adds nothing.
        """
        values, _ = encode(replace(interaction, interaction_id=None), "interaction")
        return self._session().content_id(json_text(values), occurrence)

    # Reading

    def read(
        self,
        since: float | None = None,
        until: float | None = None,
        *,
        user_id: str | None = None,
        types: Iterable[str] | None = None,
        after_row: int | None = None,
        up_to_row: int | None = None,
    ) -> Iterator[Interaction]:
        """What may be learned from, in order of time, then of arrival, a page at a time: memory stays flat.

        Users who have opted out are passed over, whenever their interactions were logged.

        Args:
            since: from this moment on.
            until: before this moment.
            user_id: of this user only.
            types: of these types only.
            after_row: only what was appended after this row; see `LogState`.
            up_to_row: only what was appended up to this row; by default up to the last one when reading starts.
        """
        rows = self._rows(since, until, user_id, types, after_row, up_to_row, "NULL")
        return (decode(row[_FIRST:-1]) for row in rows)

    def impressions(
        self,
        since: float | None = None,
        until: float | None = None,
        *,
        after_row: int | None = None,
        up_to_row: int | None = None,
    ) -> Iterator[Impression]:
        """Lists that were shown, with their records; otherwise as `read`."""
        rows = self._rows(since, until, None, ["impression"], after_row, up_to_row, _RECORD)
        return (decode_impression(row[_FIRST:-1], row[-1]) for row in rows if row[_FIRST + _SHOWN] is not None)

    def impression(self, request_id: str) -> Impression | None:
        """The list that was shown for a request; None where none was logged."""
        session = self._session()
        with session.reading() as connection:
            row = connection.execute(_IMPRESSION_OF_REQUEST, (session.organisation, request_id)).fetchone()
            if row is None or session.is_opted_out(row[_USER_ID]):
                return None
        return decode_impression(row[:-1], row[-1])

    def user_history(
        self, user_id: str, before: float, limit: int | None = None, types: Iterable[str] | None = None
    ) -> list[Interaction]:
        """The latest interactions of a user before a moment, oldest first; none for who has opted out."""
        session = self._session()
        with session.reading() as connection:
            stored = session.stored_id(user_id)
            if session.is_opted_out(stored):
                return []
            known = {
                "organisation": session.organisation,
                "user": stored,
                "before": moment(before, "before"),
                "types": _json_list(types),
                "limit": -1 if limit is None else limit,
            }
            rows = connection.execute(_USER_HISTORY, known).fetchall()
        return [decode(row) for row in reversed(rows)]

    def count(self, interaction_type: str | None = None) -> int:
        """How many interactions are stored."""
        session = self._session()
        with session.reading() as connection:
            found = connection.execute(_COUNT, {"organisation": session.organisation, "type": interaction_type})
            return int(found.fetchone()[0])

    def state(self) -> LogState:
        """What caches compare, at the price of one look-up; see `LogState`."""
        session = self._session()
        with session.reading() as connection:
            return LogState(*connection.execute(_STATE, (session.organisation,)).fetchone())

    def last_row(self) -> int:
        """The highest row number ever given, to any organisation; 0 in a new log."""
        return self.state().last_row

    # Privacy

    def pseudonym(self, user_id: str) -> str:
        """What stands for this user in interactions that are read back."""
        session = self._session()
        with session.reading():
            return session.stored_id(user_id)

    def opt_out(self, *user_ids: str) -> None:
        """From now on nothing of these users is stored, and nothing that is stored is handed out. `erase` removes it.

        All of them or, after an error, none.
        """
        self._flag("INSERT OR IGNORE INTO opt_outs VALUES (?, ?)", user_ids)

    def opt_in(self, user_id: str) -> None:
        """Takes an opting out back."""
        self._flag("DELETE FROM opt_outs WHERE organisation = ? AND flag = ?", [user_id])

    def is_opted_out(self, user_id: str) -> bool:
        session = self._session()
        with session.reading():
            return session.is_opted_out(session.stored_id(user_id))

    def erase(self, user_id: str) -> int:
        """Removes all interactions of a user from the files, not only from view; an opting out stays.

        The flag that stays is a hash of its own kind, which can't be matched with the pseudonym. Models that were
        trained before keep what they learned; copies of the files are the owner's to find. The whole file is written
        anew, which takes time and disk space in proportion to it, and others who write wait for it.

        Returns:
            How many interactions there were.

        Raises:
            StorageError: they are removed, but traces remain in the files; erasing again removes these too.
        """
        session = self._session()
        with session.writing() as connection:
            known = (session.organisation, session.stored_id(user_id))
            erased = connection.execute(
                "DELETE FROM interactions WHERE organisation = ? AND user_id = ?", known
            ).rowcount
            connection.execute(_NOTE_CHANGE, (session.organisation,))
            if erased:
                session.note_traces()
        session.remove_traces()
        return erased

    def set_retention(self, days: float | None) -> None:
        """Sets after how many days `expire` removes an interaction; None = never."""
        if days is not None and not (isinstance(days, int | float) and 0 < days < _NEVER):
            raise DataError("retention is a number of days above 0, or none", path="retention", value=days)
        session = self._session()
        with session.writing() as connection:
            connection.execute(
                "UPDATE organisations SET retention_days = ? WHERE organisation = ?", (days, session.organisation)
            )

    def retention(self) -> float | None:
        """Days; None = forever."""
        session = self._session()
        with session.reading() as connection:
            query = "SELECT retention_days FROM organisations WHERE organisation = ?"
            days: float | None = connection.execute(query, (session.organisation,)).fetchone()[0]
            return days

    def expire(self, now: float) -> int:
        """Removes, as `erase` does, what is older than this organisation's retention allows.

        Interactions from the future stay until their time has come and gone.

        Returns:
            How many interactions there were.
        """
        now, days = moment(now, "now"), self.retention()
        if days is None:
            return 0
        session = self._session()
        known = (session.organisation, now - days * _SECONDS_PER_DAY, _EXPIRED_AT_ONCE)
        expired, removed = 0, _EXPIRED_AT_ONCE
        while removed == _EXPIRED_AT_ONCE:  # in parts, so that others can write in between
            with session.writing() as connection:
                removed = connection.execute(_EXPIRE, known).rowcount
                connection.execute(_NOTE_CHANGE, (session.organisation,))
                if removed:
                    session.note_traces()
            expired += removed
        session.remove_traces()
        return expired

    def plain_ids(self) -> bool:
        """Whether user ids are stored as they are."""
        session = self._session()
        with session.reading():
            return session.has_plain_ids()

    def set_plain_ids(self, plain: bool) -> None:
        """Stores user ids as they are (True) or as pseudonyms (False, the default), for the whole organisation.

        Raises:
            DataError: there are interactions or opted-out users already, who would become strangers.
        """
        session = self._session()
        with session.writing() as connection:
            known = {"organisation": session.organisation, "plain": plain}
            if session.has_plain_ids() != plain and connection.execute(_HAS_USERS, known).fetchone()[0]:
                raise DataError(
                    "user ids can't change their form once there are some",
                    path=f"organisation {self.organisation!r}",
                    remedy="Start another organisation",
                )
            connection.execute("UPDATE organisations SET plain_ids = :plain WHERE organisation = :organisation", known)

    # Inside

    def _session(self) -> Session:
        session: Session | None = getattr(self._threads, "session", None)
        if session is not None and session.process != os.getpid():
            _ABANDONED.append(session)
            session = None
        if session is None:
            session = self._threads.session = Session(self.path, self.organisation, self._wait)
        return session

    def _flag(self, statement: str, user_ids: Iterable[str]) -> None:
        session = self._session()
        with session.writing() as connection:
            flags = [session.flag(stored) for stored in session.stored_ids(user_ids).values()]
            connection.executemany(statement, [(session.organisation, flag) for flag in flags])
            connection.execute(_NOTE_CHANGE, (session.organisation,))

    def _rows(
        self,
        since: float | None,
        until: float | None,
        user_id: str | None,
        types: Iterable[str] | None,
        after_row: int | None,
        up_to_row: int | None,
        record: str,
    ) -> Iterator[tuple[Any, ...]]:
        """(timestamp, row, *COLUMNS, record) in order of the first two. What is asked is checked at once."""
        session = self._session()
        with session.reading() as connection:
            last_row = connection.execute(_STATE, (session.organisation,)).fetchone()[0]
            known = {
                "organisation": session.organisation,
                "since": _ALWAYS if since is None else moment(since, "since"),
                "until": _NEVER if until is None else moment(until, "until"),
                "user": None if user_id is None else session.stored_id(user_id),
                "types": _json_list(types),
                "after": after_row or 0,
                "up_to": last_row if up_to_row is None else min(up_to_row, last_row),
            }
            flags = session.flags()
        pages = self._tail(known, record) if known["up_to"] - known["after"] <= _PAGE else self._pages(known, record)
        rows = (row for page in pages for row in page)
        if not flags:
            return rows
        return (row for row in rows if session.flag(row[_FIRST + _USER_ID]) not in flags)

    def _tail(self, known: dict[str, Any], record: str) -> Iterator[list[tuple[Any, ...]]]:
        """A few new rows are found by their numbers, however long the log is."""
        with self._session().reading() as connection:
            rows = connection.execute(_select("NOT INDEXED", "i.timestamp >= :since", known, record), known).fetchall()
        yield rows

    def _pages(self, known: dict[str, Any], record: str) -> Iterator[list[tuple[Any, ...]]]:
        """Each page is a transaction of its own, so that a slow reader holds nobody up and erasing reaches it."""
        index = f"INDEXED BY {'by_time' if known['user'] is None else 'by_user'}"
        # Two steps, because SQLite finds (timestamp, row) > (?, ?) by the timestamp alone, and many rows may share one.
        same = _select(index, "i.timestamp = :at AND i.row > :row", known, record)
        later = _select(index, "i.timestamp > :at", known, record)
        at, row = known["since"], -1
        while True:
            with self._session().reading() as connection:
                page = connection.execute(same, {**known, "at": at, "row": row, "page": _PAGE}).fetchall()
                page += connection.execute(later, {**known, "at": at, "page": _PAGE - len(page)}).fetchall()
            yield page
            if len(page) < _PAGE:
                return
            at, row = page[-1][:2]


def _reopen(path: Path, organisation: str, wait_seconds: float) -> InteractionLog:
    return InteractionLog(path, organisation, wait_seconds=wait_seconds)


def _row(session: Session, item: Interaction | Impression, path: str) -> tuple[list[Any], str | None]:
    """The values of COLUMNS, with an interaction id, and the record."""
    values, record = encode(item, path)
    if values[_INTERACTION_ID] is None:
        values[_INTERACTION_ID] = session.content_id(json_text(values), 0)
    return values, record


def _json_list(types: Iterable[str] | None) -> str | None:
    if isinstance(types, str):
        raise DataError("types are a list", path="types", value=types, remedy=f"Give [{types!r}]")
    return None if types is None else json_text(list(types))


def _select(index: str, where: str, known: dict[str, Any], record: str) -> str:
    """SQL for rows in order; `page` limits them where the statement is used for paging."""
    conditions = ["i.organisation = :organisation", "i.row > :after", "i.row <= :up_to", "i.timestamp < :until", where]
    if known["user"] is not None:
        conditions.append("i.user_id = :user")
    if known["types"] is not None:
        conditions.append(f"i.interaction_type IN {_TYPES}")
    limit = "" if index == "NOT INDEXED" else "LIMIT :page"
    return (
        f"SELECT i.timestamp, i.row, {COLUMNS}, {record} FROM interactions AS i {index} "
        f"WHERE {' AND '.join(conditions)} ORDER BY i.timestamp, i.row {limit}"
    )


_NAMES = COLUMNS.split(", ")
_USER_ID, _INTERACTION_ID, _SHOWN = (_NAMES.index(name) for name in ("user_id", "interaction_id", "shown"))
_FIRST = 2
_TYPES = "(SELECT value FROM json_each(:types))"
_RECORD = "(SELECT record FROM records WHERE records.row = i.row)"
_INSERT = (
    f"INSERT INTO interactions (organisation, {COLUMNS}) VALUES (?{', ?' * len(_NAMES)}) "
    "ON CONFLICT (organisation, interaction_id) DO NOTHING"
)
_IMPRESSION_OF_REQUEST = (
    f"SELECT {COLUMNS}, {_RECORD} FROM interactions AS i INDEXED BY impression_of_request "
    "WHERE organisation = ? AND request_id = ? AND interaction_type = 'impression' AND shown IS NOT NULL "
    "ORDER BY row LIMIT 1"
)
_USER_HISTORY = (
    f"SELECT {COLUMNS} FROM interactions INDEXED BY by_user "
    f"WHERE organisation = :organisation AND user_id = :user AND timestamp < :before "
    f"AND (:types IS NULL OR interaction_type IN {_TYPES}) ORDER BY timestamp DESC, row DESC LIMIT :limit"
)
_COUNT = (
    "SELECT count(*) FROM interactions WHERE organisation = :organisation "
    "AND (:type IS NULL OR interaction_type = :type)"
)
_STATE = (
    "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'interactions'), 0), privacy_changes "
    "FROM organisations WHERE organisation = ?"
)
_NOTE_CHANGE = "UPDATE organisations SET privacy_changes = privacy_changes + 1 WHERE organisation = ?"
_EXPIRE = (
    "DELETE FROM interactions WHERE row IN (SELECT row FROM interactions INDEXED BY by_time "
    "WHERE organisation = ? AND timestamp < ? LIMIT ?)"
)
_HAS_USERS = (
    "SELECT EXISTS (SELECT 1 FROM interactions WHERE organisation = :organisation) "
    "OR EXISTS (SELECT 1 FROM opt_outs WHERE organisation = :organisation)"
)
