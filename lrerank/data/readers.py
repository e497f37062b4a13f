"""CSV, Parquet and JSON lines files to frames. What can't be read is named by file and line, never a traceback."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from lrerank.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
_LONGEST_CELL = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read of a file whose origin is unknown: a few bytes may unpack to more than fits in memory."""

    rows: int
    columns: int


def read_frame(path: Path, limits: Limits | None = None) -> pd.DataFrame:
    """A whole file as a frame, one row per record, nested objects flattened to dotted columns.

    CSV and TSV (comma, semicolon, tab or bar, told by the header; also `.gz`) come as strings with "" where a cell is
    empty. JSON lines (also `.gz`, or one JSON array) and Parquet keep their types; None where a record lacks a field.

    Raises:
        DataError: no such file, unknown suffix, wrong encoding, ragged lines (with the line), no records, more
            than the limits allow.
    """
    if data_suffix(path) == ".parquet":
        return _parquet_frame(path, limits)
    records = []
    columns: dict[str, None] = {}
    for place in read_records(path):
        records.append(place)
        columns.update(dict.fromkeys(place[1]))
        _check_size(len(records), len(columns), limits, path)
    if not records:
        raise DataError("the file has no records", path=str(path), remedy="Give a file with at least one record")
    return pd.DataFrame(
        {column: pd.Series([record.get(column) for _, record in records], dtype=object) for column in columns}
    )


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records of a file one by one, each with the line it begins at (Parquet: the row), from 1.

    Nested objects are flattened to dotted names. Reads lazily: what is wrong in line 900 is raised when it is reached.

    Raises:
        DataError: as `read_frame`.
    """
    suffix = data_suffix(path)
    if suffix == ".parquet":
        yield from _parquet_records(path)
    elif suffix in (".csv", ".tsv"):
        yield from _csv_records(path, suffix)
    else:
        yield from _json_records(path)


def data_suffix(path: Path) -> str:
    """The suffix that says how a file is read, without `.gz`.

    Raises:
        DataError: the file is missing, is a folder, or has a suffix that is not read here.
    """
    name = path.name.lower()
    packed = name.endswith(".gz")
    suffix = Path(name.removesuffix(".gz")).suffix
    if suffix not in SUFFIXES or (packed and suffix == ".parquet"):
        allowed = "CSV or TSV, JSON lines (both also .gz) or Parquet"
        raise DataError("this kind of file is not read", path=str(path), remedy=f"Use {allowed}")
    try:
        there, folder = path.exists(), path.is_dir()
    except (OSError, ValueError) as error:  # a folder that is closed to us, or a name that no file can have
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise DataError(f"the file can't be read: {reason}", path=str(path), remedy="Give another path") from None
    if not there:
        raise DataError("there is no such file", path=str(path), remedy="Check the path")
    if folder:
        raise DataError("this is a folder", path=str(path), remedy="Give the path of a file in it")
    return suffix


def data_stem(path: Path) -> str:
    """The file's name without its suffixes: `shop` for `shop.csv.gz`."""
    return Path(path.name[:-3] if path.name.lower().endswith(".gz") else path.name).stem


def _lines(path: Path) -> Iterator[str]:
    """Decoded lines with their line ends.

    Splits at line feeds only: text may hold other separators that `str.splitlines` would take for line ends.
    """
    number = 0
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
            for raw in stream:
                number += 1
                yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        found = error.object[error.start : error.start + 4]
        remedy = "Save the file as UTF-8, for example with iconv -f latin1 -t utf-8"
        raise DataError("the text is not UTF-8", path=f"{path}:{number}", value=found, remedy=remedy) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        message = f"the file is not complete gzip: {error}"
        raise DataError(message, path=str(path), remedy="Pack or download it again") from None
    except OSError as error:
        remedy = "Make it readable for you, or give another one"
        raise DataError(f"the file can't be read: {error.strerror or error}", path=str(path), remedy=remedy) from None


def _csv_records(path: Path, suffix: str) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(_LONGEST_CELL)
    lines = _lines(path)
    blank = 0
    first = next(lines, "")
    while first and not first.strip():
        blank, first = blank + 1, next(lines, "")
    if not first:
        raise DataError("the file is empty", path=str(path), remedy="Give a file with a header and records")
    delimiter = "\t" if suffix == ".tsv" else max(",;\t|", key=first.count)
    rows = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    begins = blank + 1
    try:
        # A column without a name, such as a frame's index that was saved along, is called by its place.
        header = [column.strip() or f"column_{place}" for place, column in enumerate(next(rows), start=1)]
        _refuse_repeated(header, path)
        begins = blank + rows.line_num + 1
        for row in rows:
            if row and len(row) != len(header):
                raise DataError(
                    f"the line has {len(row)} cells, the header {len(header)}",
                    path=f"{path}:{begins}",
                    value=delimiter.join(row),
                    remedy="Quote cells that hold the delimiter or a line end",
                )
            if row:
                yield begins, dict(zip(header, row, strict=True))
            begins = blank + rows.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"not CSV: {error}", path=f"{path}:{begins}", remedy='Double the quotes inside cells: ""'
        ) from None


def _refuse_repeated(names: list[str], path: Path) -> None:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise DataError("columns share a name", path=str(path), value=repeated[0], remedy="Rename one of them")


def _json_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = _lines(path)
    if path.name.lower().removesuffix(".gz").endswith(".json"):
        text = "".join(lines)
        if text.lstrip().startswith("["):
            for number, item in enumerate(_parsed(text, str(path)), start=1):
                yield number, _flat_record(item, f"{path}[{number - 1}]")
            return
        lines = iter(text.split("\n"))
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, _flat_record(_parsed(line, f"{path}:{number}"), f"{path}:{number}")


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unrepeated)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError(f"not JSON: {reason}", path=place, value=text.strip(), remedy="One object per line") from None


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("an object names a field twice")
    return record


def _flat_record(item: Any, place: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise DataError("not an object", path=place, value=item, remedy='Write each record as {"id": ..., ...}')
    flat: dict[str, Any] = {}
    try:
        for name, value in _leaves("", item):
            if name in flat:
                raise DataError("two fields have the same path", path=place, value=name, remedy="Rename one of them")
            flat[name] = value
    except RecursionError:
        raise DataError("nested too deeply", path=place, remedy="Flatten the record") from None
    return flat


def _leaves(prefix: str, part: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in part.items():
        if isinstance(value, dict):
            yield from _leaves(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value


def _check_size(rows: int, columns: int, limits: Limits | None, path: Path) -> None:
    if limits is None:
        return
    for count, most, what in ((rows, limits.rows, "rows"), (columns, limits.columns, "columns")):
        if count > most:
            remedy = f"Give a file with at most {most:,} {what}"
            raise DataError(f"there are more than {most:,} {what}", path=str(path), remedy=remedy)


def _parquet_frame(path: Path, limits: Limits | None) -> pd.DataFrame:
    try:
        with pq.ParquetFile(path) as file:
            _check_size(file.metadata.num_rows, file.metadata.num_columns, limits, path)
            table = file.read()
        while any(pa.types.is_struct(column.type) for column in table.schema):
            table = table.flatten()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _not_parquet(path, error) from None
    _refuse_repeated(table.column_names, path)
    if not table.num_rows:
        raise DataError("the file has no records", path=str(path), remedy="Give a file with at least one record")
    return pd.DataFrame({name: _series(table.column(name)) for name in table.column_names})


def _series(column: Any) -> pd.Series[Any]:
    """An Arrow column as pandas holds it, with whole numbers kept whole where some are missing."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    if (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)) and column.null_count:
        return pd.Series(column.to_pylist(), dtype=object)
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    series: pd.Series[Any] = column.to_pandas()
    return series


def _parquet_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=4096):
                for record in batch.to_pylist():
                    number += 1
                    yield number, _flat_record(record, f"{path}, row {number}")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _not_parquet(path, error) from None


def _not_parquet(path: Path, error: Exception) -> DataError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return DataError(
        f"not readable as Parquet: {reason.rstrip('.')}", path=str(path), remedy="Write or download it again"
    )
