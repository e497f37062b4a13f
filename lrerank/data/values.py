"""Single cells: what counts as missing, as a number, as a date, as a list. The same rules for every file format."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

# 1,234 and 1.234,5 and $5 are read by columns, in `lrerank.data.written`. 007 is no number: leading zeros make it a code.
_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*|(?=\.\d))(?:\.\d*)?(?:[eE][+-]?\d{1,4})?", re.ASCII)
_NOT_FINITE = {"nan", "inf", "-inf", "+inf", "infinity", "-infinity"}
NULL_WORDS = {"na", "n/a", "nan", "null", "none", "-"}
"""Words that mean missing in a column whose other values are numbers, booleans or dates; elsewhere they are words."""

_ISO_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
_TRUE, _FALSE = {"true", "yes", "y", "t"}, {"false", "no", "n", "f"}
_MILLISECONDS_FROM = 1e11
"""Epoch numbers from here on are milliseconds: as seconds this is the year 5138, as milliseconds March 1973."""


def plain(value: Any) -> Any:
    """A cell as None, bool, int, float, str, datetime (with zone) or list; NaN stays a float."""
    if isinstance(value, str):
        return clean_text(value)
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime | date):
        moment = value if isinstance(value, datetime) else datetime.combine(value, time())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        # A signalling NaN refuses to become a float.
        return math.nan if value.is_nan() else float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, dict):
        return clean_text(json.dumps(value, ensure_ascii=False, default=str))
    return clean_text(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))


def clean_text(text: str) -> str | None:
    """Trimmed text that can be encoded, or None where nothing is left."""
    text = text.strip()
    if not text.isascii():
        # Half a surrogate pair, which JSON escapes allow, can't be written as UTF-8 anywhere later.
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text or None


def number(value: Any) -> float | None:
    """A finite or non-finite float, or None where the value is not a number as these rules have it."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    if isinstance(value, str):
        if _NUMBER.fullmatch(value):
            return float(value)
        if value.lower() in _NOT_FINITE:
            return math.nan
    return None


def boolean(value: Any) -> bool | None:
    """True, false, yes, no and their first letters in any case, 1 and 0; None for all else."""
    if isinstance(value, str):
        word = value.lower()
        return True if word in _TRUE or word == "1" else False if word in _FALSE or word == "0" else None
    return bool(value) if isinstance(value, bool | int | float) and value in (0, 1) else None


def seconds(value: Any) -> float | None:
    """Seconds since the epoch from a datetime, an ISO date (UTC where it names no zone) or an epoch number."""
    if isinstance(value, str) and _ISO_DATE.fullmatch(value):
        try:
            # Python takes at most microseconds.
            moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))
        except ValueError:
            return None
        value = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    stamp = None if isinstance(value, bool) else number(value)
    if stamp is None or not math.isfinite(stamp):
        return stamp
    return stamp / 1000 if abs(stamp) >= _MILLISECONDS_FROM else stamp


def is_iso_date(value: Any) -> bool:
    """Whether this is a datetime or a text that is a valid ISO date."""
    if isinstance(value, str):
        return bool(_ISO_DATE.fullmatch(value)) and seconds(value) is not None
    return isinstance(value, datetime)


def items(value: Any, separator: str | None) -> list[Any]:
    """The items of a list cell: an array, a JSON array in a text, or a text parted by `separator`."""
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        array = json_array(value)
        if array is not None:
            return array
        if separator:
            return value.split(separator)
    return [value]


def json_array(text: str) -> list[Any] | None:
    """The list a text holds as JSON, also with single quotes as Python prints it; None where it holds none."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    import ast

    for parse in (json.loads, ast.literal_eval):
        try:
            parsed = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(parsed, list):
            return parsed
    return None


def word(value: Any) -> str | None:
    """A cell as a word of a vocabulary: whole numbers without a point, booleans as in JSON."""
    if isinstance(value, str):
        return clean_text(value)
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return clean_text(json.dumps(value, ensure_ascii=False, default=str))
    if isinstance(value, dict):
        return clean_text(json.dumps(value, ensure_ascii=False, default=str))
    if isinstance(value, int) and value.bit_length() > 4096:
        # Python refuses to print integers of more than 4300 digits.
        return hex(value)
    return clean_text(str(value))


def id_word(value: Any) -> str | None:
    """A cell as an id: as `word`, but None for what can't be told apart from another id.

    Floats beyond 2^53 have lost digits, so two ids may have become one; lists, booleans and dates are no ids.
    """
    if isinstance(value, bool | list | dict | datetime):
        return None
    if isinstance(value, float) and not (math.isfinite(value) and abs(value) < 2**53):
        return None
    return word(value)


def is_any_of(value: Any, listed: Sequence[str | int | float | bool]) -> bool:
    """Whether a cell equals one of the values a card lists. `0` means the number however written, never `false`."""
    for entry in listed:
        if isinstance(entry, bool) or isinstance(value, bool):
            if value is entry:
                return True
        elif isinstance(entry, str):
            if value == entry.strip():
                return True
        elif number(value) == entry:
            return True
    return False
