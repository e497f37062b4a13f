"""What processes do for a run: build the scene once, then follow replicates.

A job is a value that can be sent to another process. Its steps are told as they happen; what several jobs of a process
share (the scene, the world of the job before) is kept in that process's memory.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from lrerank.errors import LrerankError
from lrerank.experiments.building import ArmFailedError, course_of, scene_of, world_of
from lrerank.experiments.measures_table import MEASURES
from lrerank.experiments.scene import BUILT_IN, Scene
from lrerank.experiments.spec import Experiment
from lrerank.experiments.tables import Task
from lrerank.store import Store
from simulators.world import World

_SECONDS_BETWEEN_SIGNS = 0.2
_SECONDS_BETWEEN_FIGURES = 0.5
# Partial figures take at most one part in so many of the time.
_SHARE_FOR_FIGURES = 30.0

Memory = dict[str, Any]


class TaskFailedError(LrerankError):
    """A replicate that could not be followed to its end."""


class Job(Protocol):
    """Something to do, in this process or another one."""

    def steps(self, memory: Memory) -> Iterator[object]:
        """Does it, and tells of it now and then: several times a second, so that whoever asked may stop it."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """A task on its way.

    Attributes:
        impressions: shown so far, those of the log included.
        figures: of the time bins that are complete, additive measures of everybody only; None where they are as before.
    """

    impressions: int
    figures: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """All figures of a task."""

    figures: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Built:
    """A scene that is ready.

    Attributes:
        scene: the file that it is in.
        fingerprint: of documents, queries and judgments.
    """

    scene: Path
    fingerprint: str


@dataclass(frozen=True)
class SceneJob:
    """Builds the scene and leaves it in a file for all processes.

    A process that has built the same scene of a built-in world already tells that; other catalogs may have changed since.

    Attributes:
        home: of the store.
        folder: where the file goes.
    """

    experiment: Experiment
    home: Path
    folder: Path

    def steps(self, memory: Memory) -> Iterator[object]:
        world, built = memory.get("built", (None, None))
        if world is None or world != self.experiment.world or world.provenance != BUILT_IN or world.filter is not None:
            scene = scene_of(self.experiment, Store(self.home))
            number, name = tempfile.mkstemp(".pickle", "scene-", self.folder)
            with os.fdopen(number, "wb") as stream:
                pickle.dump(scene, stream, protocol=5)
            built = Built(Path(name), scene.fingerprint)
            memory["built"] = self.experiment.world, built
            memory["scene"] = {built.scene: scene}
        yield built


@dataclass(frozen=True)
class LogJob:
    """Goes through the log of a replicate, so that this process begins with its first search if it is asked for later.

    Attributes:
        scene, task, arms: as of the `CourseJob` that is expected.
    """

    experiment: Experiment
    scene: Path
    task: Task
    arms: tuple[str, ...]

    def steps(self, memory: Memory) -> Iterator[object]:
        key = self.experiment, self.scene, self.task, self.arms
        scene, world = surroundings(memory, self.experiment, self.scene, self.task.world)
        course = course_of(self.experiment, scene, world, (self.task.world, self.task.replicate), self.arms)
        log = self.experiment.log.impressions
        if log:
            for done in course.advance():
                if done >= log:
                    break
                yield Progress(done)
        memory["course"] = key, course


@dataclass(frozen=True)
class CourseJob:
    """Follows some arms through a replicate.

    Attributes:
        scene: the file.
        arms: `REFERENCE` may be among them.
    """

    experiment: Experiment
    scene: Path
    task: Task
    arms: tuple[str, ...]

    def steps(self, memory: Memory) -> Iterator[object]:
        task = self.task
        try:
            yield from self._follow(memory)
        except ArmFailedError as failed:
            raise self._failed(failed.__cause__, f"arm {failed.arm!r}", f"arms.{failed.arm}") from failed.__cause__
        except LrerankError:
            raise
        except Exception as error:
            raise self._failed(error, f"the group {task.group!r} of arms", "") from error

    def _follow(self, memory: Memory) -> Iterator[object]:
        place = self.task.world, self.task.replicate
        known, course = memory.pop("course", (None, None))
        if known != (self.experiment, self.scene, self.task, self.arms):
            scene, world = surroundings(memory, self.experiment, self.scene, self.task.world)
            course = course_of(self.experiment, scene, world, place, self.arms)
        log = self.experiment.log.impressions
        edges = iter(self.experiment.edges()[1:])
        edge = log + next(edges)
        signed = time.monotonic()
        figures_from = 0.0
        for done in course.advance():
            now = time.monotonic()
            if done >= edge and now >= figures_from and done < course.total:
                found = _complete(course.figures(*place), done - log)
                signed = time.monotonic()
                figures_from = signed + max(_SECONDS_BETWEEN_FIGURES, _SHARE_FOR_FIGURES * (signed - now))
                yield Progress(done, found)
            elif now >= signed + _SECONDS_BETWEEN_SIGNS:
                signed = now
                yield Progress(done)
            while done >= edge:
                edge = log + next(edges, course.total + 1)
        yield Finished(course.figures(*place))

    def _failed(self, cause: BaseException | None, what: str, path: str) -> TaskFailedError:
        if isinstance(cause, LrerankError):
            said = str(cause).rstrip(".")
        else:
            said = f"{type(cause).__name__}: {' '.join(str(cause).split())}".removesuffix(": ")
        where = f"replicate {self.task.replicate} of world {self.task.world}"
        return TaskFailedError(f"{what} failed in {where}: {said}", path=path, remedy="What was finished is kept")


def surroundings(memory: Memory, experiment: Experiment, file: Path, number: int) -> tuple[Scene, World]:
    """The scene of a file, and one of its worlds: as this process remembers them, or built."""
    scenes: dict[Path, Scene] = memory.setdefault("scene", {})
    if file not in scenes:
        scenes.clear()
        # Our own process wrote it, into a folder that only this user can read.
        scenes[file] = pickle.loads(file.read_bytes())  # noqa: S301
    key = file, experiment.world, number
    before, world = memory.get("world", (None, None))
    if before != key:
        world = world_of(experiment, scenes[file], number)
        memory["world"] = key, world
    return scenes[file], world


def overall(figures: pd.DataFrame) -> pd.DataFrame:
    """The additive measures of everybody: what curves need, and small."""
    additive = figures["measure"].isin([name for name, measure in MEASURES.items() if measure.additive])
    return figures[additive & (figures["by"] == "all")]


def simple_fields(error: LrerankError) -> Mapping[str, Any]:
    """What its constructor needs to make it anew in another process."""
    fields: dict[str, Any] = {"message": error.message, "path": error.path, "remedy": error.remedy}
    if error.value is not None:
        fields["value"] = error.value if isinstance(error.value, str | int | float) else _Said(repr(error.value))
    return fields


class _Said(str):
    """A value as it was written: its own representation."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _complete(figures: pd.DataFrame, impressions: int) -> pd.DataFrame:
    found = overall(figures)
    return found[found["end"] <= impressions].reset_index(drop=True)
