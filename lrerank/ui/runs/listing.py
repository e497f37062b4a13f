"""What ran before, as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from lrerank.errors import LrerankError
from lrerank.experiments.results import Run, Runs

_KINDS = {"simulate": "simulation", "sweep": "sweep"}


@dataclass(frozen=True, slots=True)
class Listed:
    """One run.

    Attributes:
        kind: "simulation" or "sweep".
        begun: for people, in UTC.
        done: finished tasks; a task is a replicate with some or all arms.
        provenance: whose world it is.
        problem: why it failed or can't be read; "" for nothing.
    """

    run_id: str
    question: str
    kind: str
    status: str
    begun: str
    done: int
    provenance: str
    seed: int | None
    problem: str


def listed(runs: Runs) -> tuple[Listed, ...]:
    """All runs, the one begun last first; damaged ones, at the end, with their problem instead of a question."""
    found = []
    for row in runs.list():
        seed = _seed(runs.folder / row.run_id) if row.status != "damaged" else None
        found.append(
            Listed(
                run_id=row.run_id,
                question=row.question or row.problem,
                kind=_KINDS.get(row.kind, row.kind),
                status=row.status,
                begun=moment(row.started),
                done=row.tasks,
                provenance=row.provenance,
                seed=seed,
                problem=row.problem,
            )
        )
    return tuple(found)


def frame(rows: Sequence[Listed]) -> pd.DataFrame:
    """The table as the page shows it."""
    return pd.DataFrame(
        {
            "Question": [row.question for row in rows],
            "Kind": [row.kind for row in rows],
            "Status": [row.status for row in rows],
            "Begun (UTC)": [row.begun for row in rows],
            "Done": [row.done for row in rows],
            "Figures": [row.provenance for row in rows],
            "Seed": pd.array([row.seed for row in rows], dtype="Int64"),
            "Run": [row.run_id for row in rows],
        }
    )


def moment(text: str) -> str:
    """`2026-03-01T12:00:00.000+00:00` → `1 Mar 2026, 12:00`; "" for nothing."""
    if not text:
        return ""
    when = datetime.fromisoformat(text).astimezone(UTC)
    return f"{when.day} {when:%b %Y, %H:%M}"


def _seed(folder: Path) -> int | None:
    try:
        return int(Run(folder).manifest["seed"])
    except LrerankError:  # deleted meanwhile
        return None
