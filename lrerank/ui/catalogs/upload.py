"""A file from the browser to a frame: bounded, told by its bytes and not by its name, and never unpickled."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from lrerank.data.readers import Limits, read_frame
from lrerank.errors import DataError
from lrerank.files import readable_errors

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
LARGEST = 50 * 2**20
LIMITS = Limits(rows=200_000, columns=200)

_LONGEST_NAME = 80
_PARQUET = b"PAR1"
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_FOREIGN = (
    (_PICKLE, "a Python pickle, which can run code and is never opened"),
    (re.compile(rb"PK\x03\x04|\xd0\xcf\x11\xe0"), "an Excel workbook or a zip archive"),
    (re.compile(rb"\x1f\x8b|BZh[1-9]1AY|\xfd7zXZ|\x28\xb5\x2f\xfd"), "a compressed file"),
    (re.compile(rb"%PDF"), "a PDF"),
    (re.compile(rb"SQLite format 3\0"), "an SQLite database"),
    (re.compile(rb"ARROW1\0|Obj\x01|\x89HDF"), "a data file of another kind"),
    (re.compile(rb"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE), "a web page"),
)


@dataclass(frozen=True)
class Upload:
    """A file that can be read.

    Attributes:
        name: as the browser called it, without folders: for people and errors, never for the disk.
        suffix: how it is read.
        data: its bytes.
        frame: its records.
    """

    name: str
    suffix: str
    data: bytes
    frame: pd.DataFrame

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.name).stem


def read_upload(name: str, data: bytes) -> Upload:
    """Reads a file that somebody gave.

    Raises:
        DataError: too large, of another kind than its name says or than is read here, or not readable; a path such as
            `shop.csv:3` names the line.
    """
    name = plain_name(name)
    suffix = PurePosixPath(name.lower()).suffix
    if suffix not in SUFFIXES:
        remedy = "Save it as CSV, Parquet or JSON lines"
        raise DataError("this kind of file is not read", path=name, value=suffix or "no suffix", remedy=remedy)
    if not data:
        raise DataError("the file is empty", path=name, remedy="Give a file with a header and records")
    if len(data) > LARGEST:
        remedy = f"Give at most {LARGEST >> 20} MB; Parquet takes the least space"
        raise DataError(f"the file has {len(data) / 2**20:.0f} MB", path=name, remedy=remedy)
    _check_content(name, suffix, data)
    with _on_disk(name, suffix, data) as path:
        return Upload(name, suffix, data, read_frame(path, LIMITS))


def plain_name(name: str) -> str:
    """The last part of a name, without control characters: a browser may be told to send anything."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(character for character in last if character.isprintable())
    return kept[-_LONGEST_NAME:] or "file"


def _check_content(name: str, suffix: str, data: bytes) -> None:
    remedy = "Save it as CSV, Parquet or JSON lines"
    for pattern, what in _FOREIGN:
        if pattern.match(data):
            raise DataError(f"this is {what}", path=name, remedy=remedy)
    is_parquet = data.startswith(_PARQUET)
    if is_parquet != (suffix == ".parquet"):
        what = "Parquet under another name" if is_parquet else "no Parquet file"
        raise DataError(f"this is {what}", path=name, remedy="Rename it to .parquet" if is_parquet else remedy)
    if is_parquet:
        return
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError("the text is UTF-16", path=name, remedy="Save it as UTF-8")
    if b"\0" in data:
        raise DataError("this is no text: it holds bytes that no text has", path=name, remedy=remedy)
    starts = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if suffix in (".csv", ".tsv") and starts == b"{":
        raise DataError("this looks like JSON lines", path=name, remedy="Rename it to .jsonl")
    if suffix not in (".csv", ".tsv") and starts not in (b"{", b"["):
        raise DataError("this is no JSON", path=name, remedy="If it is CSV, rename it to .csv")


@contextmanager
def _on_disk(name: str, suffix: str, data: bytes) -> Iterator[Path]:
    """The bytes as a file of our own naming; errors call it by the name that the user knows."""
    with tempfile.TemporaryDirectory(prefix="lrerank-upload-") as folder:
        path = Path(folder) / f"upload{suffix}"
        with readable_errors(path, "the upload"):
            path.write_bytes(data)
        try:
            yield path
        except DataError as error:
            value = {} if error.value is None else {"value": error.value}
            where = error.path.replace(str(path), name)
            raise DataError(error.message, path=where, remedy=error.remedy, **value) from None
