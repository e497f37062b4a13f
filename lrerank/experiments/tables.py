"""The table of figures, and how it lies on disk: one Parquet file per finished task.

A task is one replicate of one world with a group of arms. Its file says which task it is, so a file's name is for people
only, and carries checksums, so damage is found when it is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from lrerank.experiments.measures_table import MEASURES
from lrerank.files import StorageError

WHOLE, TEXT, NUMBER = pa.int64(), pa.string(), pa.float64()
_TYPES = {
    "world": WHOLE,
    "replicate": WHOLE,
    "arm": TEXT,
    "start": WHOLE,
    "end": WHOLE,
    "measure": TEXT,
    "by": TEXT,
    "group": TEXT,
    "total": NUMBER,
    "weight": NUMBER,
}
COLUMNS = tuple(_TYPES)
"""world, replicate, arm; impressions start..end-1; measure; by ("all", "segment", …) and its group; total and weight:
the value of a measure is total / weight, and sums over bins and replicates are sums of both."""

_KEY = b"lrerank.task"
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """What is computed and kept as one: a replicate of a world with a group of arms.

    Attributes:
        group: a name for the arms that run in lockstep, "all" where all do.
    """

    world: int
    replicate: int
    group: str = "all"

    @property
    def file_name(self) -> str:
        """Readable, and different for different tasks, also where case does not count."""
        readable = re.sub(r"[^a-z0-9_-]", "_", self.group)[:_LONGEST_NAME]
        if readable != self.group:
            readable += f"-{hashlib.sha256(self.group.encode()).hexdigest()[:8]}"
        return f"w{self.world}-r{self.replicate}-{readable}.parquet"


def no_figures() -> pd.DataFrame:
    """A table of figures without rows."""
    frame: pd.DataFrame = _schema().empty_table().to_pandas()
    return frame


def to_parquet(task: Task, figures: pd.DataFrame) -> bytes:
    """A task's figures as a file.

    Raises:
        ValueError: these are no figures of this task: other columns, another world or replicate, an empty cell, a number
            that is not finite, a negative weight, or the same figure twice.
    """
    _check(task, figures)
    schema = _schema().with_metadata({_KEY: json.dumps(asdict(task)).encode()})
    table = pa.Table.from_pandas(figures[list(COLUMNS)], schema=schema, preserve_index=False)
    target = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(schema.metadata), target, compression="zstd", write_page_checksum=True)
    return target.getvalue()


def read_task(path: Path) -> Task:
    """Which task a file holds, without its figures.

    Raises:
        StorageError: it is damaged, or no file of ours.
    """
    try:
        found = json.loads((pq.read_schema(path).metadata or {})[_KEY])
        return Task(int(found["world"]), int(found["replicate"]), str(found["group"]))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise _damaged(path, error) from None


def read_figures(path: Path) -> pd.DataFrame:
    """The figures of one file.

    Raises:
        StorageError: it is damaged, or no file of ours.
    """
    task = read_task(path)
    try:
        # Without a file that may be cut off under a memory map, and with the checksums looked at. Without threads of Arrow's
        # own: a server that ends while they read may never end.
        table = pq.read_table(
            path,
            page_checksum_verification=True,
            memory_map=False,
            partitioning=None,
            use_threads=False,
            pre_buffer=False,
        )
        figures: pd.DataFrame = table.cast(_schema()).to_pandas(use_threads=False)
        _check(task, figures)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise _damaged(path, error) from None
    return figures


def together(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One table of many."""
    frames = [part for part in parts if len(part)]
    return pd.concat(frames, ignore_index=True) if frames else no_figures()


def values(figures: pd.DataFrame, window: tuple[int, int], by: str = "all") -> pd.DataFrame:
    """Every measure of every arm over all worlds and replicates: columns arm, measure, group, value, weight.

    Args:
        figures: as above.
        window: impressions from..to - 1. A measure that is not additive has the window it was computed for.
        by: which breakdown.

    The value is the sum of totals over that of weights, NaN where there is no weight.
    """
    part = figures[figures["by"] == by]
    inside = (part["start"] >= window[0]) & (part["end"] <= window[1])
    whole = part["measure"].isin([name for name, measure in MEASURES.items() if not measure.additive])
    summed = part[inside | whole].groupby(["arm", "measure", "group"], sort=False, as_index=False)
    found: pd.DataFrame = summed[["total", "weight"]].sum()
    weight = found["weight"].to_numpy(np.float64)
    found["value"] = found["total"] / np.where(weight > 0, weight, np.nan)
    return found[["arm", "measure", "group", "value", "weight"]]


def _schema() -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in _TYPES.items()])


def _check(task: Task, figures: pd.DataFrame) -> None:
    if sorted(map(str, figures.columns)) != sorted(COLUMNS):
        raise ValueError(f"figures have the columns {', '.join(COLUMNS)}, not {', '.join(map(str, figures.columns))}")
    if figures[list(COLUMNS)].isna().any(axis=None):
        raise ValueError("a figure has an empty cell")
    if not np.isfinite(figures[["total", "weight"]].to_numpy(np.float64)).all() or (figures["weight"] < 0).any():
        raise ValueError("a total or weight is not finite, or a weight is negative")
    if (figures["world"] != task.world).any() or (figures["replicate"] != task.replicate).any():
        raise ValueError(f"these are not figures of world {task.world}, replicate {task.replicate}")
    if (figures["start"] >= figures["end"]).any():
        raise ValueError("a time bin ends before it starts")
    if figures.duplicated(subset=list(COLUMNS[:-2])).any():
        raise ValueError("a figure is there twice")


def _damaged(path: Path, error: Exception) -> StorageError:
    return StorageError(
        f"the figures of this task are damaged: {' '.join(str(error).split()) or type(error).__name__}",
        path=str(path),
        remedy="Delete this file and go on with the run (lrerank simulate --resume RUN): it is computed again",
    )
