"""Text to words: one way for documents and queries, so that both sides always meet."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import numpy as np
import Stemmer

from lrerank.types import IntArray

_WORD = re.compile(r"[^\W_]+")
_APOSTROPHES = re.compile(r"['’`´]")
# "Part II" is searched as "part 2". Single letters (i, v, x) stay: they are words and names more often than numbers.
_ROMAN = {"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9"}


def words(text: str) -> list[str]:
    """Lower-case words without accents or apostrophes, Roman numerals from II to IX as digits, in order.

    Scripts without spaces come back as runs of their characters.
    """
    plain = _APOSTROPHES.sub("", text).casefold()
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", plain)
        plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return [_ROMAN.get(word, word) for word in _WORD.findall(plain)]


def stems(text: str) -> list[str]:
    """The words of a text as Snowball's English stems."""
    return list(_stemmer().stemWords(words(text)))


def trigrams(text: str) -> IntArray:
    """Distinct three-character pieces of a text's words written together, ends marked: "WALL·E" meets "walle".

    Returns:
        [pieces] sorted codes; a code is the three code points side by side, so no vocabulary is needed. Empty for no words.
    """
    joined = "".join(words(text))
    if not joined:
        return np.empty(0, dtype=np.int64)
    points = np.array([1, *map(ord, joined), 2], dtype=np.int64)
    return np.unique((points[:-2] << 42) | (points[1:-1] << 21) | points[2:])


@cache
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")
