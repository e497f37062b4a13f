"""A sweep: every setting on the same users and luck, and the winner once more on users that did not choose it.

Of many settings the luckiest looks better than it is, so what a sweep concludes is the winner's figure on fresh
replicates (another seed, and other worlds where several are drawn): a run of its own beside the sweep.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import Any, cast

from lrerank.errors import LrerankError
from lrerank.experiments.as_pipeline import Exported, as_pipeline
from lrerank.experiments.compare import Comparison, compare
from lrerank.experiments.results import Run, Runs
from lrerank.experiments.run import Cancel, Snapshot, run
from lrerank.experiments.spec import Experiment, SpecError
from lrerank.experiments.sweep_plan import Condition, Variant, plan
from lrerank.experiments.sweep_table import LEVEL, MEASURE, SettingRow, rows_of
from lrerank.experiments.sweep_verdict import SettingsTable, Winner, concluded
from lrerank.store import Store

__all__ = ["SettingsTable", "conditions_of", "settings_table", "sweep"]

# What a sweep keeps of the runs beside it: {"parts": [run id of each condition], "fresh": {condition: run id}}.
_NOTE, _PARTS, _FRESH = "beside", "parts", "fresh"
_LEAST_FRESH = 8
_OTHER_SEEDS = 2**31
_SEEDS = 2**32
_LONGEST_NAME = 60


def sweep(
    experiment: Experiment,
    *,
    results: Run,
    store: Store | None = None,
    workers: int | None = None,
    cancel: Cancel | None = None,
    fresh: int | None = None,
) -> Iterator[Snapshot]:
    """Runs what is not yet there of all settings, then the winners on fresh replicates.

    Snapshots count the tasks of all of it; their figures are those of the part that is under way.

    Args:
        results: where figures are kept, and whom the caller holds (`results.working()`); several conditions, and fresh
            replicates, are runs of their own beside it.
        store, workers, cancel: as in `run`.
        fresh: replicates of a winner, by default as many as the sweep has but at least 8; 0 = none, and then nothing is
            concluded.

    Raises:
        SpecError: as `plan`, or a single fresh replicate.
        LrerankError: as `run`.
    """
    conditions = plan(experiment)
    count = max(experiment.replicates, _LEAST_FRESH) if fresh is None else fresh
    if count < 0 or count == 1:
        remedy = "Use 2 or more, or 0 for none"
        raise SpecError("one replicate can't tell how sure a figure is", path="fresh", value=count, remedy=remedy)
    parts = _parts(results, conditions)
    choices = [place for place, each in enumerate(conditions) if count and len(each.variants) > 1]
    each = experiment.replicates
    tasks = [each] * len(conditions) + [count] * len(choices)
    work = [len(condition.variants) * each for condition in conditions] + [count] * len(choices)
    done = 0
    for step in range(len(tasks)):
        if step < len(conditions):
            asked, where = conditions[step].experiment, parts[step]
        else:
            place = choices[step - len(conditions)]
            asked = _asked_again(conditions[place], parts[place], count)
            where = _fresh_run(results, place, asked)
        ahead = sum(tasks[step + 1 :]) * experiment.world.worlds
        with nullcontext() if where is results else where.working():
            snapshots = run(asked, results=where, store=store, workers=workers, cancel=cancel)
            done = yield from _counted(snapshots, done, ahead, sum(work[step + 1 :]) / work[step])


def settings_table(results: Run) -> SettingsTable:
    """What a sweep has found, as soon as all settings have finished a replicate.

    Raises:
        LrerankError: they have not, or a run beside it is gone.
    """
    conditions = conditions_of(results)
    if not conditions:
        raise LrerankError("no replicate is finished", value=results.run_id, remedy="Go on with the run")
    runs, beside = Runs(results.folder.parent), _beside(results)
    rows: list[SettingRow] = []
    winners: list[Winner] = []
    notes: list[str] = []
    for place, (condition, part) in enumerate(conditions):
        own, note = rows_of(condition, part.figures())
        rows += own
        notes.append(note)
        chosen, alone = own[0], len(own) == 1
        source = (part, chosen.variant.name) if alone else None
        run_id = beside[_FRESH].get(str(place))
        if not alone and run_id is not None:
            # It may be that of the winner of fewer replicates.
            other = runs.open(run_id)
            if _same_arm(other.experiment, condition, chosen.variant.arm, chosen.variant.name):
                source = other, chosen.variant.arm
        fresh = None if source is None else _against_baseline(*source)
        where = "" if fresh is None or source is None else source[0].run_id
        winners.append(Winner(chosen, fresh, where, _exported(condition, chosen.variant), alone))
    return concluded(results.experiment, tuple(rows), tuple(winners), notes)


def conditions_of(results: Run) -> list[tuple[Condition, Run]]:
    """The conditions of a sweep, each with the run that has its figures; [] before the runs beside it are begun.

    Raises:
        LrerankError: a run beside it is gone.
    """
    conditions = plan(results.experiment)
    if len(conditions) == 1:
        return [(conditions[0], results)]
    runs = Runs(results.folder.parent)
    parts = [runs.open(run_id) for run_id in _beside(results)[_PARTS]]
    return list(zip(conditions, parts, strict=bool(parts)))


def _counted(snapshots: Iterator[Snapshot], before: int, ahead: int, ratio: float) -> Generator[Snapshot, None, int]:
    """Snapshots of a part as those of the whole; returns the tasks done.

    Args:
        before, ahead: tasks of other parts.
        ratio: work ahead in units of this part's.
    """
    done = before
    with closing(cast("Generator[Snapshot]", snapshots)):
        for each in snapshots:
            left = each.seconds_left
            if left is not None:
                left += (each.seconds + left) * ratio
            done = before + each.done_tasks
            yield replace(each, done_tasks=done, tasks=before + each.tasks + ahead, seconds_left=left)
    return done


def _parts(results: Run, conditions: tuple[Condition, ...]) -> list[Run]:
    """The run of each condition: the sweep's own where there is one, else runs beside it."""
    if len(conditions) == 1:
        return [results]
    beside, runs = _beside(results), Runs(results.folder.parent)
    if not beside[_PARTS]:
        beside[_PARTS] = [runs.create(condition.experiment).run_id for condition in conditions]
        results.note(_NOTE, beside)
    parts = [runs.open(run_id) for run_id in beside[_PARTS]]
    for part, condition in zip(parts, conditions, strict=True):
        part.extend(condition.experiment.replicates)
    return parts


def _asked_again(condition: Condition, part: Run, replicates: int) -> Experiment:
    """The winner and the baseline on replicates that had no part in the choice."""
    chosen = rows_of(condition, part.figures())[0][0].variant
    experiment = condition.experiment
    given = experiment.to_json()
    arms = {experiment.baseline: experiment.baseline, chosen.arm: chosen.name}
    given["arms"] = {name: given["arms"][source] for name, source in arms.items()}
    given["name"] = experiment.name[: _LONGEST_NAME - len("-fresh")] + "-fresh"
    given["replicates"] = replicates
    given["seed"] = (experiment.seed + _OTHER_SEEDS) % _SEEDS
    if experiment.world.worlds > 1:
        given["world"]["seed"] = (experiment.world.seed + _OTHER_SEEDS) % _SEEDS
    return Experiment.parse(given)


def _fresh_run(results: Run, place: int, asked: Experiment) -> Run:
    """The run that was begun for the same question, or a new one."""
    beside, runs = _beside(results), Runs(results.folder.parent)
    run_id = beside[_FRESH].get(str(place))
    if run_id in runs.ids():
        found = runs.open(run_id)
        replicates = max(asked.replicates, found.experiment.replicates)
        if (
            found.experiment.with_values({"replicates": replicates}).to_json()
            == asked.with_values({"replicates": replicates}).to_json()
        ):
            found.extend(replicates)
            return found
    found = runs.create(asked)
    beside[_FRESH][str(place)] = found.run_id
    results.note(_NOTE, beside)
    return found


def _beside(results: Run) -> dict[str, Any]:
    return results.noted(_NOTE) or {_PARTS: [], _FRESH: {}}


def _same_arm(fresh: Experiment, condition: Condition, arm: str, name: str) -> bool:
    return arm in fresh.arms and fresh.arms[arm] == condition.experiment.arms[name]


def _against_baseline(source: Run, arm: str) -> Comparison | None:
    """None while no replicate is finished."""
    figures = source.figures()
    if figures.empty:
        return None
    start, end = source.experiment.window
    return compare(figures, arm, source.experiment.baseline, MEASURE, start=start, end=end, level=LEVEL)


def _exported(condition: Condition, chosen: Variant) -> Exported | None:
    swept = {path.split(".")[2] for path in chosen.values if path.count(".") > 1}
    try:
        return as_pipeline(condition.experiment, chosen.name, asked=swept)
    except LrerankError:
        return None
