"""Arms of several runs in one table, where the same users came to the same world in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lrerank.errors import LrerankError
from lrerank.experiments.results import Run
from lrerank.experiments.spec import Experiment
from lrerank.experiments.tables import together

# What decides who comes, to what and with which luck, what is counted, and over which impressions.
_SHARED = ("world", "seed", "impressions", "measure_from", "bins", "slots", "log", "reward")
# How soon arms learn: the same users come with the same luck, but an arm of the same spec is another one.
_OF_LEARNING = {"batch": "Searches between updates", "reward_wait_time": "Seconds until a reward is learned"}
_PROGRAM = {"versions": "versions", "git": "sources"}


class NotComparableError(LrerankError):
    """Runs whose difference would not be that of their arms."""


def labels(runs: Sequence[Run]) -> list[str]:
    """What the runs are called: by their experiments' names where these differ, else by their ids."""
    names = [str(run.manifest["name"]) for run in runs]
    return names if len(set(names)) == len(names) else [run.run_id for run in runs]


def side_by_side(runs: Sequence[Run]) -> pd.DataFrame:
    """The figures of all runs with arms called `label:arm`, for the replicates that all of them have.

    Raises:
        NotComparableError: two runs differ in more than their arms, or share no replicate; or one is there twice.
        StorageError: what is on disk can't be read.
    """
    first, *others = runs
    for place, other in enumerate(others, start=1):
        if other.run_id in [run.run_id for run in runs[:place]]:
            raise NotComparableError("this run is named twice", value=other.run_id, remedy="Name two different ones")
        _check(first, other)
    parts = [run.figures() for run in runs]
    common = set.intersection(*(set(_replicates(part)) for part in parts))
    if not common:
        ids = ", ".join(run.run_id for run in runs)
        raise NotComparableError("these runs share no replicate that is done", value=ids, remedy="Let them finish")
    kept = [
        part[_replicates(part).isin(common)].assign(arm=f"{label}:" + part["arm"])
        for label, part in zip(labels(runs), parts, strict=True)
    ]
    return together(kept)


def differences(runs: Sequence[Run]) -> list[str]:
    """What runs that can be compared differ in beside their arms, in sentences."""
    first, *others = runs
    found = []
    for other in others:
        for path, said in _OF_LEARNING.items():
            here, there = (_at(run.experiment, path) for run in (first, other))
            if here != there:
                found.append(f"{said}: {here:g} in {first.run_id}, {there:g} in {other.run_id}.")
        for name, said in _PROGRAM.items():
            if first.manifest[name] != other.manifest[name]:
                programs = f"{first.run_id} and {other.run_id} were computed by different programs"
                found.append(f"{programs}: their {said} differ.")
    return found


def learning(experiment: Experiment) -> tuple[object, ...]:
    """What decides beside its spec what an arm learns from the same users."""
    return tuple(_at(experiment, path) for path in _OF_LEARNING)


def program(run: Run) -> tuple[object, ...]:
    """What computed a run's figures: versions, and the sources where they are under git."""
    return tuple(run.manifest[name] for name in _PROGRAM)


def _check(one: Run, other: Run) -> None:
    here, there = (run.manifest.get("catalog_fingerprint") for run in (one, other))
    if here and there and here != there:
        raise NotComparableError(
            "these runs are about other documents, queries or judgments",
            path="world.catalog",
            value=f"{one.experiment.world.catalog} when {one.run_id} and {other.run_id} began",
            remedy="Run both anew",
        )
    first, second = one.experiment, other.experiment
    for path in _SHARED:
        here, there = _at(first, path), _at(second, path)
        if here != there:
            while isinstance(here, dict) and isinstance(there, dict):
                name = next(name for name in {**here, **there} if here.get(name) != there.get(name))
                path, here, there = f"{path}.{name}", here.get(name), there.get(name)
            raise NotComparableError(
                "these runs differ in more than their arms",
                path=path,
                value=f"{here} in {one.run_id}, {there} in {other.run_id}",
                remedy="Run both with the same one (lrerank simulate --set)",
            )


def _at(experiment: Experiment, path: str) -> Any:
    found: Any = experiment.to_json()
    for step in path.split("."):
        found = found[step]
    return found


def _replicates(figures: pd.DataFrame) -> pd.Series[Any]:
    return pd.Series(list(zip(figures["world"], figures["replicate"], strict=True)), index=figures.index, dtype=object)
