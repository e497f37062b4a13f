"""On which line of a JSON text a path lies, such as `[2].parameters.top_n`."""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder
from json.decoder import scanstring  # type: ignore[attr-defined]

_BLANK = re.compile(r"[ \t\r\n]*")
_STEP = re.compile(r"\[(\d+)\]|\.([^.\[]+)")
_DECODER = JSONDecoder()


def line_of(text: str, path: str) -> int | None:
    """The 1-based line where a path begins, or what is nearest above it; None where there is no path or no JSON."""
    steps = [int(match[1]) if match[1] else match[2] for match in _STEP.finditer(path)]
    if not steps:
        return None
    try:
        place = _place(text, steps)
    except (JSONDecodeError, ValueError, IndexError):
        return None
    return text.count("\n", 0, place) + 1


def _place(text: str, steps: list[int | str]) -> int:
    """The place of the key or element that the steps lead to, as far as they lead."""
    found = at = _past_blanks(text, 0)
    for step in steps:
        members = _members(text, at)
        if step not in members:
            break
        found, at = members[step]
    return found


def _members(text: str, at: int) -> dict[int | str, tuple[int, int]]:
    """Key or number → (where it is written, where its value is) of an object or a list; nothing for anything else."""
    opening, members = text[at], dict[int | str, tuple[int, int]]()
    if opening not in "[{":
        return members
    at = _past_blanks(text, at + 1)
    while text[at] not in "]}":
        written, key = at, len(members)
        name: int | str = key
        if opening == "{":
            name, at = scanstring(text, at + 1, True)
            at = _past_blanks(text, _past_blanks(text, at) + 1)
        members[name] = (written, at)
        _, at = _DECODER.raw_decode(text, at)
        at = _past_blanks(text, at)
        if text[at] == ",":
            at = _past_blanks(text, at + 1)
    return members


def _past_blanks(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at
