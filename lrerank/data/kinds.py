"""Which kind a column is, told from its name and values. Conservative: what is doubtful stays words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lrerank.data.values import NULL_WORDS, boolean, is_iso_date, json_array, number, seconds, word
from lrerank.data.written import how_written
from lrerank.types import FieldKind

_SEPARATORS = ("|", ";")
_LONGEST_ITEM = 40
_TEXT_NAMES = {"title", "headline", "description", "summary", "overview", "text", "body", "abstract", "excerpt"}
_MOMENT_NAMES = {"timestamp", "date", "datetime", "time", "published", "created", "updated", "added", "released"}
_YEAR_2000, _YEAR_2100 = 946_684_800.0, 4_102_444_800.0


@dataclass(frozen=True, slots=True)
class Guess:
    """What a column seems to be.

    Attributes:
        kind: how its values are read.
        separator: what parts list items within a text; None where they are arrays.
        identifies: (nearly) every document has its own value, so it can teach nothing about others.
        note: a sentence for the user where the values leave room for doubt; "".
    """

    kind: FieldKind
    separator: str | None = None
    identifies: bool = False
    note: str = ""


def guess_kind(name: str, values: Sequence[Any]) -> Guess:
    """The kind of a column from its last name part and its cells (as `values.plain` gives them)."""
    name = name.rsplit(".", 1)[-1]
    present = [value for value in values if value is not None]
    if not present:
        return Guess("categorical")
    if any(isinstance(value, list) for value in present):
        return Guess("list")
    # Words such as "n/a" give way to a kind only if something else in the column shows that kind.
    telling = [value for value in present if not (isinstance(value, str) and value.lower() in NULL_WORDS)]
    if not telling:
        return _of_words(name, present)
    if all(isinstance(value, bool) for value in telling) or _all_boolean_words(telling):
        return Guess("boolean")
    if all(is_iso_date(value) for value in telling):
        return Guess("date")
    numbers = [None if isinstance(value, bool) else number(value) for value in telling]
    if all(value is not None for value in numbers):
        return _of_numbers(name, telling)
    written = how_written(telling)
    if written.decimal:
        return Guess("numeric", note=written.note)
    guess = _of_words(name, present)
    note = written.note and f"read as {guess.kind}, since {written.note}"
    return replace(guess, note=note)


def _all_boolean_words(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) and value not in ("0", "1") and boolean(value) is not None for value in values)


def _of_numbers(name: str, values: Sequence[Any]) -> Guess:
    lower = name.lower()
    whole = all(parsed is None or not math.isfinite(parsed) or parsed.is_integer() for parsed in map(number, values))
    if whole and (lower == "id" or lower.endswith("_id") or name.endswith("Id")):
        return Guess("categorical", identifies=_nearly_unique([word(value) or "" for value in values]))
    if lower in _MOMENT_NAMES or lower.endswith("_at"):
        moments = [moment for moment in map(seconds, values) if moment is not None and math.isfinite(moment)]
        if moments and all(_YEAR_2000 <= moment < _YEAR_2100 for moment in moments):
            return Guess("date")
    return Guess("numeric")


def _of_words(name: str, values: Sequence[Any]) -> Guess:
    words = [word(value) or "" for value in values]
    if all(json_array(value) is not None for value in words):
        return Guess("list")
    separator = next((candidate for candidate in _SEPARATORS if _parts_items(words, candidate)), None)
    if separator:
        return Guess("list", separator)
    distinct = len(set(words)) / len(words)
    length = sum(map(len, words)) / len(words)
    tokens = sum(len(value.split()) for value in words) / len(words)
    own = _nearly_unique(words)
    if all(re.match(r"https?://|www\.|data:", value) for value in words):
        return Guess("categorical", identifies=True)
    named_text = name.lower() in _TEXT_NAMES and distinct > 0.5
    if named_text or tokens >= 8 or (distinct > 0.5 and tokens >= 2.5) or (distinct > 0.2 and length > 60):
        return Guess("text")
    return Guess("categorical", identifies=own)


def _nearly_unique(words: Sequence[str]) -> bool:
    return len(words) >= 20 and len(set(words)) > 0.95 * len(words)


def _parts_items(words: Sequence[str], separator: str) -> bool:
    """Whether the separator parts short items in enough cells, and items come back: prose with semicolons does not."""
    parted = [[item.strip() for item in value.split(separator)] for value in words]
    several = [cell for cell in parted if len(cell) > 1]
    if len(several) < 2 or len(several) < 0.1 * len(words):
        return False
    found = Counter(item for cell in parted for item in cell)
    return all(0 < len(item) <= _LONGEST_ITEM for item in found) and len(found) < 0.9 * sum(found.values())
