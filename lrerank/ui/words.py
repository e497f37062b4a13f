"""Texts that users or files bring, as they may stand in a sentence of the page."""

from __future__ import annotations

import re

from lrerank.errors import LrerankError

_MARKS = re.compile(r"([\\`*_{}\[\]()#!|~$:<>])")


def plain(text: object) -> str:
    """Words only: what would be a heading, a link or a picture, which the browser would fetch, stays as it is written."""
    return _MARKS.sub(r"\\\1", str(text))


def told(error: LrerankError) -> str:
    """An error as a sentence of its own; what names a file or a column begins as that does."""
    text = str(error)
    return plain(text if error.path else text[:1].upper() + text[1:])


def counted(count: int, one: str, several: str = "") -> str:
    """`1 document`, `1,200 documents`."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"
