"""Files of interactions: JSON lines, CSV or Parquet with the columns of the stage contract, checked line by line."""

from __future__ import annotations

import difflib
import json
import math
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lrerank.data.readers import read_records
from lrerank.data.values import id_word, items, number, plain, seconds, word
from lrerank.errors import DataError
from lrerank.types import Interaction

_FIELDS = {
    "interaction_type",
    "user_id",
    "document_id",
    "query",
    "position",
    "request_id",
    "interaction_id",
    "timestamp",
    "features",
    "context",
    "shown",
    "propensity",
    "propensities",
    "model_version",
    "experiment_arm",
    "catalog",
}
# What the log takes, and what a calendar knows.
_EARLIEST, _LATEST, _POSITIONS = -62_135_596_800.0, 1e11, 2**31
# How pandas, its Parquet files and our reader call a column without a name, such as an index that was saved along.
_LARGEST = sys.float_info.max
_UNNAMED = re.compile(r"column_\d+|Unnamed: \d+|__index_level_\d+__")
_SAME_TYPE = {"conversion": "purchase"}


def read_interactions(path: Path, received_at: float | None = None) -> Iterator[Interaction]:
    """The interactions of a file, one by one, in its order.

    `conversion` is read as `purchase`; other types are allowed and kept in lower case. `features.category` and
    `context.device` are read into the mappings of that name. Any further column with plain values is context, unless
    its name is so close to a field's that it must be a slip. Nothing is made up: a missing propensity stays None.

    Args:
        path: `.jsonl`, `.csv` (also `.gz`) or `.parquet`.
        received_at: seconds since the epoch that records of a file without timestamps get; by default now.

    Raises:
        DataError: with `file:line`, the value and the remedy, when the record is reached.
    """
    received = time.time() if received_at is None else received_at
    dated: bool | None = None
    empty = True
    for line, raw in read_records(path):
        empty = False
        place = f"{path}, row {line}" if path.suffix.lower() == ".parquet" else f"{path}:{line}"
        # A list item may be None; a field that is None or empty counts as not given.
        record = {name: cell for name, value in raw.items() if (cell := _cell(value)) is not None}
        has_time = "timestamp" in record
        if dated is not None and has_time != dated:
            remedy = "Give every record a timestamp, or none"
            raise DataError("some records have a timestamp and some have none", path=place, remedy=remedy)
        dated = has_time
        yield _interaction(record, place, received)
    if empty:
        raise DataError("the file has no interactions", path=str(path), remedy="Give a file with at least one record")


def _cell(value: Any) -> Any:
    try:
        cell = plain(value)
    except RecursionError:
        return "nested too deeply"
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _interaction(record: Mapping[str, Any], place: str, received: float) -> Interaction:
    kind = _text(record, "interaction_type", place, required=True).lower()
    document_id = _id(record, "document_id", place)
    shown = tuple(_shown(record, place))
    if document_id is None and not (kind == "impression" and shown):
        remedy = "Give document_id; an impression of a whole list gives `shown` instead"
        raise DataError("the interaction names no document", path=f"{place}: document_id", remedy=remedy)
    propensities = tuple(
        _probability(item, f"{place}: propensities[{slot}]") for slot, item in enumerate(_list(record, "propensities"))
    )
    if propensities and len(propensities) != len(shown):
        message = f"{len(propensities)} propensities for {len(shown)} shown documents"
        raise DataError(message, path=f"{place}: propensities", remedy="Give one per shown document, in slot order")
    propensity = record.get("propensity")
    user_id = _id(record, "user_id", place)
    if user_id is None:
        raise DataError("the interaction names no user", path=f"{place}: user_id", remedy="Give user_id")
    return Interaction(
        interaction_type=_SAME_TYPE.get(kind, kind),
        user_id=user_id,
        document_id=document_id,
        timestamp=_timestamp(record, place, received),
        query=_text(record, "query", place),
        position=_position(record, place),
        request_id=_id(record, "request_id", place),
        interaction_id=_id(record, "interaction_id", place),
        features=_storable(_mapping(record, "features", place), f"{place}: features"),
        context=_storable({**_mapping(record, "context", place), **_other_context(record, place)}, f"{place}: context"),
        shown=shown,
        propensity=None if propensity is None else _probability(propensity, f"{place}: propensity"),
        propensities=propensities,
        model_version=_id(record, "model_version", place),
        experiment_arm=_id(record, "experiment_arm", place),
        catalog=_id(record, "catalog", place),
    )


def _text(record: Mapping[str, Any], name: str, place: str, *, required: bool = False) -> str:
    value = record.get(name)
    if value is None and required:
        raise DataError("missing", path=f"{place}: {name}", remedy=f"Give {name}, such as click or impression")
    if isinstance(value, list | bool):
        raise DataError("not a text", path=f"{place}: {name}", value=value, remedy="Write it as one text")
    return word(value) or ""


def _id(record: Mapping[str, Any], name: str, place: str) -> str | None:
    value = record.get(name)
    found = id_word(value)
    if found is None and value is not None:
        remedy = "Write ids as text or as whole numbers of at most 15 digits"
        raise DataError("not an id", path=f"{place}: {name}", value=value, remedy=remedy)
    return found


def _timestamp(record: Mapping[str, Any], place: str, received: float) -> float:
    value = record.get("timestamp")
    if value is None:
        return received
    moment = seconds(value)
    if moment is None or not _EARLIEST <= moment < _LATEST:
        remedy = "Write 2026-01-31T12:00:00Z, or seconds since 1970, of the years 1 to 5138"
        raise DataError("not a moment in time", path=f"{place}: timestamp", value=value, remedy=remedy)
    return moment


def _position(record: Mapping[str, Any], place: str) -> int | None:
    value = record.get("position")
    if value is None:
        return None
    slot = None if isinstance(value, bool) else number(value)
    if slot is None or not 1 <= slot < _POSITIONS or not slot.is_integer():
        remedy = "Positions are whole numbers from 1, the topmost"
        raise DataError("not a position", path=f"{place}: position", value=value, remedy=remedy)
    return int(slot)


def _probability(value: Any, place: str) -> float:
    share = None if isinstance(value, bool) else number(value)
    if share is None or not 0 < share <= 1:
        remedy = "A propensity is above 0 and at most 1; leave it out where it is not known"
        raise DataError("not a propensity", path=place, value=value, remedy=remedy)
    return share


def _list(record: Mapping[str, Any], name: str) -> list[Any]:
    value = record.get(name)
    return [] if value is None else items(value, "|")


def _shown(record: Mapping[str, Any], place: str) -> Iterator[str]:
    seen: set[str] = set()
    for slot, item in enumerate(_list(record, "shown")):
        found = _id({"id": plain(item)}, "id", f"{place}: shown[{slot}]")
        if found is None or found in seen:
            message = "no document" if found is None else "a document is shown twice"
            remedy = "List each shown document once, in slot order"
            raise DataError(message, path=f"{place}: shown[{slot}]", value=item, remedy=remedy)
        seen.add(found)
        yield found


def _mapping(record: Mapping[str, Any], name: str, place: str) -> dict[str, Any]:
    """The dotted columns under a name, or the object that a CSV cell holds as JSON."""
    found = {key.removeprefix(f"{name}."): value for key, value in record.items() if key.startswith(f"{name}.")}
    whole = record.get(name)
    if whole is None:
        return found
    try:
        parsed = json.loads(whole) if isinstance(whole, str) else None
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        remedy = 'Write a JSON object such as {"category": "education"}'
        raise DataError("not an object", path=f"{place}: {name}", value=whole, remedy=remedy)
    return {**found, **parsed}


def _storable(found: dict[str, Any], place: str) -> dict[str, Any]:
    """The same mapping; refuses here, with its line, what the log or the model would refuse later."""
    for name, value in found.items():
        if isinstance(value, int | float) and not abs(value) <= _LARGEST:
            remedy = "Give a finite number"
            raise DataError("not a number to learn from", path=f"{place}.{name}", value=value, remedy=remedy)
    try:
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        remedy = "Use valid Unicode text, finite numbers, lists and objects"
        raise DataError("this can't be stored as JSON", path=place, value=found, remedy=remedy) from None
    return found


def _other_context(record: Mapping[str, Any], place: str) -> dict[str, Any]:
    context: dict[str, Any] = {}
    for name, value in record.items():
        if name in _FIELDS or name.startswith(("features.", "context.")) or _UNNAMED.fullmatch(name):
            continue
        meant = difflib.get_close_matches(name.lower(), _FIELDS, n=1, cutoff=0.8)
        if meant:
            remedy = f"Did you mean {meant[0]}? Context goes into `context`"
            raise DataError("an interaction has no such field", path=f"{place}: {name}", value=value, remedy=remedy)
        if not isinstance(value, str | bool | int | float):
            remedy = "Context values are texts, numbers or booleans"
            raise DataError("can't be context", path=f"{place}: {name}", value=value, remedy=remedy)
        context[name] = value
    return context
