"""Texts that users or files bring, as they may stand in a sentence of the page."""

from __future__ import annotations

import re

from lrerank.errors import LrerankError

_UNITS = {"h": "hour", "d": "day", "w": "week", "m": "month", "y": "year"}
_MARKS = re.compile(r"([\\`*_{}\[\]()#!|~$:<>])")


def plain(text: object) -> str:
    """Words only: what would be a heading, a link or a picture, which the browser would fetch, stays as it is written."""
    return _MARKS.sub(r"\\\1", str(text))


def told(error: LrerankError) -> str:
    """An error as a sentence of its own; what names a file or a column begins as that does."""
    text = str(error)
    return plain(text if error.path else text[:1].upper() + text[1:])


def amount(value: float) -> str:
    """Four digits, or all of a larger number: four stay together, since they may be a year."""
    written = f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    return written.replace("-", "−")


def between(name: str) -> str:
    """The name of a class of numbers or dates as people say it: `20..35`, `<20`, `>=35`; `<3d`, `>=5y` for ages."""
    sign, bound, unit = re.fullmatch(r"(<|>=|)(.*?)([hdwmy]?)", name).groups()  # type: ignore[union-attr]
    try:
        numbers = [amount(float(each)) for each in bound.split("..")]
    except ValueError:
        return name
    if unit:
        age = counted(int(float(bound)), _UNITS[unit])
        return f"less than {age} old" if sign == "<" else f"{age} old or more"
    return f"below {numbers[0]}" if sign == "<" else f"{numbers[0]} and more" if sign else " to ".join(numbers)


def counted(count: int, one: str, several: str = "") -> str:
    """`1 document`, `1,200 documents`."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"
