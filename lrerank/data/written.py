"""Numbers as people write them: with a currency or a percent sign, with a decimal comma, with parted thousands.

What parts the decimals is told by a column, not by a cell: `1,234` alone may be either. Where the column leaves it open,
nothing is read, since a price a thousand times too small looks right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lrerank.data.values import NULL_WORDS, number

_UNIT = "[€$£¥₹%]|EUR|USD|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|CZK|AUD|CAD"
_WRITTEN = re.compile(rf"([+-]?)({_UNIT})? ?([0-9][0-9.,' ]*?) ?({_UNIT})?")
_LIKE_ASCII = str.maketrans({"\u00a0": " ", "\u202f": " ", "’": "'", "−": "-"})
# Decimal sign → a number. Thousands are parted by one sign throughout, which is another one.
_BODY = {
    decimal: re.compile(
        rf"(?:0|[1-9][0-9]*|[1-9][0-9]{{0,2}}(?P<by>[{other}' ])[0-9]{{3}}(?:(?P=by)[0-9]{{3}})*)(?:[{decimal}][0-9]+)?"
    )
    for decimal, other in ((".", ","), (",", "."))
}
_FOUR = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3}){3}")
_MOST = 0.8
_REMEDY = "write numbers with a decimal point, nothing between thousands and no unit"


@dataclass(frozen=True, slots=True)
class Written:
    """How the numbers of a column are written.

    Attributes:
        decimal: what parts decimals; "" where they are plain numbers, or none.
        note: a sentence on how one is read, or on why none is; "" where there is nothing to say.
    """

    decimal: str = ""
    note: str = ""

    def read(self, cell: Any) -> float | None:
        """A cell as a number; None where it is none."""
        parts = _parts(cell) if self.decimal and isinstance(cell, str) else None
        if parts is None:
            return number(cell)
        sign, body, _ = parts
        if not _BODY[self.decimal].fullmatch(body):
            return number(cell) if body.endswith(".") else None
        whole, _, decimals = body.partition(self.decimal)
        return float(f"{sign}{re.sub('[^0-9]', '', whole)}.{decimals}")


def how_written(cells: Sequence[Any], *, are_numbers: bool = False) -> Written:
    """How the numbers of a column are written.

    Args:
        cells: as `values.plain` gives them; None and words such as "n/a" are passed over.
        are_numbers: whether somebody said so: then what is none is passed over as well.
    """
    telling = [
        each for each in cells if each is not None and not (isinstance(each, str) and each.lower() in NULL_WORDS)
    ]
    parts: dict[str, tuple[str, str, str]] = {}
    odd: list[Any] = []
    is_plain = True
    for each in telling:
        found = _parts(each) if isinstance(each, str) else None
        if found is not None and any(body.fullmatch(found[1]) for body in _BODY.values()):
            parts[each] = found
            is_plain = is_plain and number(each) is not None
        elif isinstance(each, bool) or number(each) is None:
            odd.append(each)
            if not are_numbers and len(odd) > (1 - _MOST) * len(telling):
                return Written()
    if odd and not are_numbers:
        return Written(note=f"{_quoted(odd[0])} is no number, though most values are")
    if is_plain:
        return Written()
    units = sorted({unit for _, _, unit in parts.values() if unit})
    if len(units) > 1:
        return Written(note=f"these are numbers of several units ({', '.join(units)}), which can't be compared")
    ways = [Written(sign) for sign, body in _BODY.items() if all(body.fullmatch(each) for _, each, _ in parts.values())]
    if not ways:
        return Written(note=f"decimals are parted in more than one way; {_REMEDY}")
    for each in parts:
        readings = list(dict.fromkeys(way.read(each) for way in ways))
        if len(readings) > 1:
            low, high = sorted(filter(None, readings))
            return Written(note=f"{_quoted(each)} may be {low:g} or {high:g}; {_REMEDY}")
    if len(ways) > 1 and not units:
        return Written()  # digits with spaces between them: a telephone number, a code
    of_four = [body for _, body, _ in parts.values() if _FOUR.fullmatch(body)]
    if of_four and not units and all(int(part) < 256 for body in of_four for part in body.split(".")):
        return Written()  # addresses of machines
    example = max(parts, key=len)
    return Written(ways[0].decimal, f"{_quoted(example)} is read as {ways[0].read(example)!r}".removesuffix(".0"))


def _parts(cell: str) -> tuple[str, str, str] | None:
    """(sign, number, unit), or None."""
    found = _WRITTEN.fullmatch(cell.translate(_LIKE_ASCII))
    return None if found is None else (found[1], found[3], found[2] or found[4] or "")


def _quoted(cell: Any) -> str:
    return repr(str(cell)[:40])
