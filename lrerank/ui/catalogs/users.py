"""A table of users: their ids, the segments one has put them in, and who has opted out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrerank.data.values import boolean, id_word, plain, word
from lrerank.errors import DataError
from lrerank.interactions import InteractionLog
from lrerank.ui.catalogs.upload import Upload

_IDS = ("user_id", "userid", "id", "customer_id", "visitor_id", "user", "customer", "uid")
_SEGMENTS = ("segment", "own_segment", "cohort", "group", "tier", "plan", "type", "category")
_OPT_OUTS = ("opt_out", "opted_out", "optout", "opt-out", "is_opted_out", "do_not_track", "dnt", "no_tracking")
_MOST_SEGMENTS = 200


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column is which; None where the file has none."""

    id: str | None
    segment: str | None = None
    opt_out: str | None = None


@dataclass(frozen=True, slots=True)
class UserTable:
    """Users with unique ids, in the file's order.

    Attributes:
        segments: [users] one's own; None where a user has none.
        opted_out: [users]
    """

    ids: Sequence[str]
    segments: Sequence[str | None]
    opted_out: Sequence[bool]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class OptOuts:
    """Those who have opted out, in the table and in the log.

    Attributes:
        new: in the table only: what `apply` would write.
        known: in both.
        kept: in the log only; they stay opted out, whatever the table says.
    """

    new: Sequence[str]
    known: int
    kept: Sequence[str]


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One of the user's own segments, and what the log has of it.

    Attributes:
        seen: users with an interaction in the log; who has opted out is never looked up.
        pages: result pages shown to them.
        clicks: theirs.
    """

    segment: str
    users: int
    opted_out: int
    seen: int
    pages: int
    clicks: int

    @property
    def clicks_per_page(self) -> float | None:
        """None where no page was shown."""
        return self.clicks / self.pages if self.pages else None


def guess_columns(upload: Upload) -> Columns:
    """Which column is which, by their names."""
    names = [str(column) for column in upload.frame.columns]
    found = [_first(names, wanted) for wanted in (_IDS, _SEGMENTS, _OPT_OUTS)]
    return Columns(*found)


def read_users(upload: Upload, columns: Columns) -> UserTable:
    """The users of a file.

    Raises:
        DataError: no id column, missing or repeated ids, a flag that is neither yes nor no, too many segments.
    """
    frame, name = upload.frame.rename(columns=str), upload.name
    if columns.id is None:
        remedy = f"Say which column it is. The columns are {', '.join(frame.columns[:30])}"
        raise DataError("no column is clearly the users' id", path=name, remedy=remedy)
    ids = []
    for row, value in enumerate(frame[columns.id], start=1):
        user_id = id_word(plain(value))
        if user_id is None:
            remedy = "Give every user an id, as text or as a whole number of at most 15 digits"
            raise DataError("a user has no usable id", path=_place(name, row, columns.id), value=value, remedy=remedy)
        ids.append(user_id)
    repeated = [(user_id, count) for user_id, count in Counter(ids).most_common(5) if count > 1]
    if repeated:
        shown = ", ".join(f"{user_id[:40]!r} {count} times" for user_id, count in repeated)
        remedy = "Keep one record per user"
        raise DataError(f"ids occur more than once: {shown}", path=f"{name}: {columns.id}", remedy=remedy)
    segments: list[str | None] = [None] * len(ids)
    if columns.segment is not None:
        segments = [word(plain(value)) for value in frame[columns.segment]]
        count = len(set(segments))
        if count > _MOST_SEGMENTS:
            remedy = f"Give a column with at most {_MOST_SEGMENTS} different values, or none"
            raise DataError("these are no segments", path=f"{name}: {columns.segment}", value=count, remedy=remedy)
    opted_out = [False] * len(ids)
    if columns.opt_out is not None:
        opted_out = [
            _flag(value, _place(name, row, columns.opt_out))
            for row, value in enumerate(frame[columns.opt_out], start=1)
        ]
    return UserTable(ids, segments, opted_out)


def opt_outs(table: UserTable, log: InteractionLog | None = None) -> OptOuts:
    """The table's opting out beside the log's, where there is one."""
    new, known, kept = [], 0, []
    for user_id, wants in zip(table.ids, table.opted_out, strict=True):
        is_out = log is not None and log.is_opted_out(user_id)
        known += wants and is_out
        if wants and not is_out:
            new.append(user_id)
        elif is_out and not wants:
            kept.append(user_id)
    return OptOuts(new, known, kept)


def apply(found: OptOuts, log: InteractionLog) -> int:
    """Opts the new ones out, all or none; nobody is opted in.

    Raises:
        StorageError: the log can't be written.
    """
    log.opt_out(*found.new)
    return len(found.new)


def by_segment(table: UserTable, log: InteractionLog | None = None) -> list[SegmentRow]:
    """Own segments, the largest first.

    Args:
        log: what is known of their behaviour; without it nobody was seen.
    """
    activity = _activity(log) if log is not None else {}
    named = [segment or "no segment" for segment in table.segments]
    counted = {segment: [0, 0, 0, 0, 0] for segment, _ in Counter(named).most_common()}
    for user_id, segment, is_out in zip(table.ids, named, table.opted_out, strict=True):
        sums = counted[segment]
        sums[0] += 1
        sums[1] += is_out
        if log is not None and (found := activity.get(log.pseudonym(user_id))):
            sums[2] += 1
            sums[3] += found[0]
            sums[4] += found[1]
    return [SegmentRow(segment, *sums) for segment, sums in counted.items()]


def _activity(log: InteractionLog) -> Mapping[str, tuple[int, int]]:
    """(pages, clicks) of every pseudonym in the log; those who have opted out are passed over."""
    pages, clicks = Counter[str](), Counter[str]()
    users = dict[str, None]()
    for one in log.read():
        users[one.user_id] = None
        pages[one.user_id] += one.interaction_type == "impression"
        clicks[one.user_id] += one.interaction_type == "click"
    return {user: (pages[user], clicks[user]) for user in users}


def _first(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    lower = {name.lower().replace(" ", "_"): name for name in reversed(names)}
    return next((lower[one] for one in wanted if one in lower), None)


def _flag(value: object, place: str) -> bool:
    cell = plain(value)
    if cell is None or cell != cell:
        return False
    found = boolean(cell)
    if found is None:
        raise DataError("opting out is yes or no", path=place, value=value, remedy="Write yes or no, true or false")
    return found


def _place(name: str, row: int, column: str) -> str:
    return f"{name}, record {row}: {column}"
