"""An experiment as it is asked: a question, a world, arms and a baseline; from TOML and from Python.

    experiment = Experiment.shipped("first")
    experiment = Experiment.read("mine.toml").with_values({"arms.learned.exploration_rate": 0.05})

Every refusal is a `SpecError` with the path as it is written in TOML: `arms.learned.exploration_rate`.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from lrerank.data.own import default_folder, names_ever
from lrerank.data.registry import list_datasets
from lrerank.data.worlds import NAMES
from lrerank.errors import LrerankError
from lrerank.experiments.arm_specs import (
    ArmSpec,
    ColdStartSpec,
    ExplorationSpec,
    LearnedSpec,
    LearnerSpec,
    MMRSpec,
    PlaceboSpec,
    PooledSpec,
    PopularitySpec,
    RerankSpec,
    RetrievalSpec,
    UniformSpec,
    listed,
)
from lrerank.experiments.spec_text import (
    Part,
    SpecError,
    explained,
    nearest,
    parse_toml,
    refused,
    set_value,
    to_toml,
)
from lrerank.pipeline_json import fill, read_stage
from simulators.parameters import WorldParameters

__all__ = [
    "REFERENCE",
    "ArmSpec",
    "ColdStartSpec",
    "Experiment",
    "ExplorationSpec",
    "LearnedSpec",
    "LearnerSpec",
    "LogSpec",
    "MMRSpec",
    "PlaceboSpec",
    "PooledSpec",
    "PopularitySpec",
    "RerankSpec",
    "RetrievalSpec",
    "RewardSpec",
    "Setting",
    "SpecError",
    "SweepSpec",
    "UniformSpec",
    "WorldSpec",
]

REFERENCE = "reference"
"""The arm that shows the list of highest expected reward; every experiment has it, none may define it."""

Provenance = Literal["built-in world", "your catalog, assumed users"]
_ARM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_MOST_SETTINGS = 1000
_NO_AXES = ("sweep", "name", "question", "baseline", "waterfall")
_SHIPPED = "specs"
_DAY = 86_400.0

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


class WorldSpec(Part):
    """Where it happens.

    Attributes:
        catalog: a name or a file, as for `load_catalog`.
        seed: fixes the documents' quality and the segments' likings.
        worlds: 1 = the world of the seed with the default parameters; more = as many draws from the published
            distribution of worlds.
        parameters: fields of `simulators.parameters.WorldParameters` that are set, in drawn worlds as well.
        candidates: most candidates per query.
        filter: the stages that find them; hybrid search by default. They know the query and nothing of the user.
        queries: how many of the catalog's queries are asked, drawn with the seed; None for all.
        only_judged: where there are judgments, candidates are judged documents only, so that their relevance is known;
            else those that nobody judged count as irrelevant.
        accuracy: of the static order, 0 to 1; relevance is then assumed although judgments may exist.
    """

    catalog: Annotated[str, Field(min_length=1)] = "marketplace"
    seed: Seed = 0
    worlds: Annotated[int, Field(ge=1, le=10_000)] = 1
    parameters: dict[str, Any] = Field(default_factory=dict)
    candidates: Annotated[int, Field(ge=2, le=1000)] = 50
    filter: Annotated[tuple[dict[str, Any], ...] | None, BeforeValidator(listed)] = None
    queries: Annotated[int, Field(ge=1)] | None = None
    only_judged: bool = True
    accuracy: Annotated[float, Field(ge=0, le=1)] | None = None

    @field_validator("catalog")
    @classmethod
    def _may_be_found(cls, catalog: str) -> str:
        known = _catalogs()
        if catalog not in known and not Path(catalog).suffix and not _is_there(Path(catalog)):
            remedy = f"{nearest(catalog, known)}, or give the path of a file"
            raise refused("no catalog has this name", value=catalog, remedy=remedy)
        return catalog

    @field_validator("parameters")
    @classmethod
    def _make_a_world(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        defaults = {field.name: field.default for field in fields(WorldParameters)}
        for name, value in parameters.items():
            if name not in defaults:
                remedy = nearest(name, defaults)
                raise refused("unknown parameter of a world", path=name, value=value, remedy=remedy)
            if isinstance(defaults[name], tuple) and not isinstance(value, list | tuple):
                raise refused("not allowed", path=name, value=value, remedy="Use a list, […]")
        try:
            WorldParameters(**parameters)
        except ValueError as error:
            # The message begins with the name of the parameter.
            name, _, said = str(error).partition(" ")
            if name not in parameters:
                raise refused(f"not allowed: {error}", value=parameters, remedy="Change one of them") from None
            allowed = said.rpartition(", not ")[2].replace("...", "…")
            raise refused("out of range", path=name, value=parameters[name], remedy=f"Use {allowed}") from None
        return {name: list(value) if isinstance(value, tuple) else value for name, value in parameters.items()}

    @field_validator("filter")
    @classmethod
    def _know_the_query_only(cls, stages: tuple[dict[str, Any], ...] | None) -> tuple[dict[str, Any], ...] | None:
        for place, entry in enumerate(stages or ()):
            path = f"world.filter[{place}]"
            stage, parameters = read_stage(entry, path)
            if stage.stage_type != "filter":
                remedy = "Use filter stages here; sort stages are arms"
                raise SpecError("candidates are found, not sorted", path=path, value=stage.stage_id, remedy=remedy)
            fill(parameters, {"query": "any"}, f"{path}.parameters", stage.stage_id)
        return stages

    def stages(self) -> list[dict[str, Any]]:
        """The pipeline that finds the candidates, as JSON."""
        if self.filter is not None:
            return [dict(stage) for stage in self.filter]
        parameters = {"query": "{{INPUT.query}}", "top_k": self.candidates}
        return [{"stage_type": "filter", "stage_id": "hybrid_search", "parameters": parameters}]

    @property
    def provenance(self) -> Provenance:
        """What a figure from this world may be called."""
        return "built-in world" if self.catalog in NAMES else "your catalog, assumed users"


class LogSpec(Part):
    """What was logged before the start: what arms that learn know when they begin.

    Attributes:
        impressions: how many.
        arm: who showed them: the `static` (lexical) `rerank`, the filter stages' own order, or chance.
        exploration_rate: share of slots drawn uniformly instead.
    """

    impressions: Annotated[int, Field(ge=0)] = 2000
    arm: Literal["static", "retrieval", "uniform"] = "static"
    exploration_rate: Annotated[float, Field(ge=0, le=1)] = 0.0


class RewardSpec(Part):
    """What a click and a purchase are worth."""

    click: Annotated[float, Field(ge=0)] = 1.0
    purchase: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _is_worth_something(self) -> Self:
        if self.click == self.purchase == 0:
            raise refused("nothing is worth anything", path="click", value=0, remedy="Give one of them a weight")
        return self


class SweepSpec(Part):
    """Settings to compare: the cross product of the axes.

    Attributes:
        axes: dotted path → values.
    """

    axes: Annotated[dict[str, tuple[Any, ...]], Field(min_length=1)]

    @field_validator("axes", mode="before")
    @classmethod
    def _lists(cls, axes: Any) -> Any:
        if not isinstance(axes, Mapping):
            return axes
        flat = dict(_flat(axes))
        for path, values in flat.items():
            if not isinstance(values, list | tuple) or not values:
                raise refused("an axis is a list of values", path=f'"{path}"', value=values, remedy="Write [a, b, …]")
            if any(value in values[:place] for place, value in enumerate(values)):
                raise refused("an axis has a value twice", path=f'"{path}"', value=values, remedy="Write it once")
        return {path: tuple(values) for path, values in flat.items()}


@dataclass(frozen=True, slots=True)
class Setting:
    """One point of a sweep: what is set, and the experiment that it makes, which has no sweep of its own."""

    values: Mapping[str, Any]
    experiment: Experiment


class Experiment(Part):
    """A question to a simulated world.

    Attributes:
        name: a short name for runs and files.
        question: what is asked, in a sentence.
        world: where.
        log: what came before.
        arms: name → policy. The reference list is always measured beside them.
        baseline: name of the arm that the others are compared with.
        impressions: per replicate and arm, after the log.
        measure_from: totals are over impressions measure_from..impressions - 1, counted after the log.
        bins: points in time for curves.
        batch: impressions between updates.
        reward_wait_time: seconds after an impression until its outcome is learned; purchases that take longer are not.
            By default a day where purchases count, else 0.
        replicates: of each world: other users, arrivals and luck.
        seed: of the replicates.
        slots: length of the lists.
        reward: what is learned and compared.
        waterfall: arms in the order in which their lifts are told step by step, the static ranking first; the reference
            list follows by itself. () = none.
        sweep: settings to compare, or None.

    Raises:
        SpecError: a field that is not allowed.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)] = "experiment"
    question: Annotated[str, Field(min_length=1)]
    world: WorldSpec = WorldSpec()
    log: LogSpec = LogSpec()
    arms: Annotated[dict[str, ArmSpec], Field(min_length=1)]
    baseline: str
    impressions: Annotated[int, Field(ge=1)] = 10_000
    measure_from: Annotated[int, Field(ge=0)] = 0
    bins: Annotated[int, Field(ge=1)] = 20
    batch: Annotated[int, Field(ge=1)] = 1
    reward_wait_time: Annotated[float, Field(ge=0)] = 0.0
    replicates: Annotated[int, Field(ge=1, le=100_000)] = 8
    seed: Seed = 0
    slots: Annotated[int, Field(ge=1)] = 10
    reward: RewardSpec = RewardSpec()
    waterfall: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()
    sweep: SweepSpec | None = None

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise explained(error) from None

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Experiment:
        """From plain tables, as TOML and JSON have them."""
        return cls(**given)

    @classmethod
    def read(cls, path: Path | str) -> Experiment:
        """From a TOML file; its name is the experiment's by default, a catalog's file may be given relative to it.

        Raises:
            SpecError: the file can't be read, or something in it is not allowed; the path begins with the file's name.
        """
        path = Path(path)
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            remedy = f"Give a TOML file, or one of {', '.join(shipped_specs())}"
            raise SpecError(f"the spec can't be read: {reason}", path=str(path), remedy=remedy) from None
        given = parse_toml(text, path.name)
        given.setdefault("name", re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-_") or "experiment")
        _resolve_catalog(given, path.parent)
        try:
            return cls.parse(given)
        except LrerankError as error:
            raise _moved(error, f"{path.name}: {error.path}".removesuffix(": ")) from None

    @classmethod
    def shipped(cls, name: str) -> Experiment:
        """One that comes with the project.

        Raises:
            SpecError: there is none of this name.
        """
        known = shipped_specs()
        if name not in known:
            remedy = f"{nearest(name, known)}; or give the path of a TOML file"
            raise SpecError("no spec of this name comes with lrerank", value=name, remedy=remedy)
        return cls.read(known[name])

    @classmethod
    def find(cls, name_or_path: str) -> Experiment:
        """A shipped one by name, or any by path. Names win; `./first` is a path."""
        path = Path(name_or_path)
        is_path = name_or_path not in shipped_specs() and (path.suffix or path.name != name_or_path or _is_there(path))
        return cls.read(path) if is_path else cls.shipped(name_or_path)

    def with_values(self, values: Mapping[str, Any]) -> Experiment:
        """The same experiment with other values, checked anew.

        Args:
            values: dotted path → value, `{"arms.learned.exploration_rate": 0.05}`.
        """
        given = _plain(self.model_dump(by_alias=True, exclude_unset=True))
        for path, value in values.items():
            steps = path.split(".")
            if steps[0] == "arms" and len(steps) > 2 and steps[1] not in self.arms:
                raise SpecError("there is no such arm", path=path, value=steps[1], remedy=nearest(steps[1], self.arms))
            set_value(given, path, _plain(value))
        return Experiment.parse(given)

    def settings(self) -> list[Setting]:
        """The points of the sweep, the last axis running fastest; without a sweep, the experiment itself."""
        if self.sweep is None:
            return [Setting({}, self)]
        alone, axes = self.without_sweep(), self.sweep.axes
        points = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
        return [Setting(point, alone.with_values(point)) for point in points]

    def without_sweep(self) -> Experiment:
        """The experiment that the sweep varies."""
        given = self.model_dump(by_alias=True, exclude_unset=True)
        given.pop("sweep", None)
        return Experiment.parse(_plain(given))

    @property
    def window(self) -> tuple[int, int]:
        """What totals are over: impressions from..to - 1, counted from the end of the log."""
        return self.measure_from, self.impressions

    def edges(self) -> list[int]:
        """[bins + 1] where time bins begin, and the end, counted from the end of the log."""
        found: list[int] = np.linspace(0, self.impressions, self.bins + 1).round().astype(np.int64).tolist()
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain tables with every default written out, so that later defaults change nothing."""
        found: dict[str, Any] = _plain(self.model_dump(by_alias=True, exclude_none=True))
        return found

    def to_toml(self) -> str:
        """The same as TOML."""
        return to_toml(self.to_json())

    @field_validator("question")
    @classmethod
    def _is_one_line(cls, question: str) -> str:
        return " ".join(question.split())

    @field_validator("arms")
    @classmethod
    def _have_names(cls, arms: dict[str, Any]) -> dict[str, Any]:
        for name in arms:
            if name == REFERENCE:
                remedy = "Use another name; the reference list is always measured"
                raise refused("this name is taken", path=name, value=name, remedy=remedy)
            if not _ARM_NAME.fullmatch(name):
                remedy = "Use 1 to 40 letters, digits, _ and -"
                raise refused("this can't name an arm", path=name, value=name, remedy=remedy)
        return arms

    @model_validator(mode="after")
    def _waits_for_purchases(self) -> Self:
        if self.reward.purchase > 0 and "reward_wait_time" not in self.model_fields_set:
            # Not set but known: what is set later (`with_values`) decides anew.
            object.__setattr__(self, "reward_wait_time", _DAY)
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.baseline not in self.arms:
            remedy = nearest(self.baseline, self.arms)
            raise refused("no arm has this name", path="baseline", value=self.baseline, remedy=remedy)
        if self.bins > self.impressions:
            remedy = f"Use at most impressions, {self.impressions}"
            raise refused("more points in time than impressions", path="bins", value=self.bins, remedy=remedy)
        if self.measure_from >= self.impressions:
            middle = self.edges()[self.bins // 2]
            remedy = f"Use less than impressions, {self.impressions}: {middle}, or 0 to measure all"
            raise refused("nothing would be measured", path="measure_from", value=self.measure_from, remedy=remedy)
        if self.measure_from not in self.edges():
            after = bisect(self.edges(), self.measure_from)
            remedy = f"Use {self.edges()[after - 1]} or {self.edges()[after]}, or other bins"
            raise refused("this cuts a time bin", path="measure_from", value=self.measure_from, remedy=remedy)
        if self.slots > self.world.candidates:
            remedy = f"Use at most world.candidates, {self.world.candidates}"
            raise refused("more slots than candidates", path="slots", value=self.slots, remedy=remedy)
        for name, arm in self.arms.items():
            if (
                isinstance(arm, RerankSpec)
                and (arm.method, arm.retrain) == ("ltr", "never")
                and not self.log.impressions
            ):
                remedy = 'Give log.impressions, or use retrain = "nightly"'
                path = f"arms.{name}.method"
                raise refused("there is no log to learn from before the start", path=path, value="ltr", remedy=remedy)
        end = self.log.impressions + self.impressions
        late = [shift for shift in self.world.parameters.get("shifts", ()) if shift >= end]
        if late:
            remedy = f"Use numbers below {end}, log.impressions + impressions"
            raise refused(
                "tastes would change after the end", path="world.parameters.shifts", value=late, remedy=remedy
            )
        return self

    @model_validator(mode="after")
    def _has_steps(self) -> Self:
        for place, name in enumerate(self.waterfall):
            path = f"waterfall[{place}]"
            if name == REFERENCE:
                remedy = "Leave it out; the reference list is always the last step"
                raise refused("this step comes by itself", path=path, value=name, remedy=remedy)
            if name not in self.arms:
                raise refused("no arm has this name", path=path, value=name, remedy=nearest(name, self.arms))
            if name in self.waterfall[:place]:
                raise refused("a step is there twice", path=path, value=name, remedy="Name it once")
        return self

    @model_validator(mode="after")
    def _can_be_swept(self) -> Self:
        if self.sweep is None:
            return self
        axes = self.sweep.axes
        count = prod(len(values) for values in axes.values())
        if count > _MOST_SETTINGS:
            remedy = f"Use at most {_MOST_SETTINGS}"
            raise refused("too many settings", path="sweep.axes", value=count, remedy=remedy)
        for path in axes:
            if path.split(".")[0] in _NO_AXES:
                remedy = "Vary arms, world, log, batch, slots or reward"
                raise refused("this can't be an axis", path=f'sweep.axes."{path}"', value=path, remedy=remedy)
        try:
            self.settings()
        except LrerankError as error:
            path = next((f'sweep.axes."{path}"' for path in axes if error.path.startswith(path)), "")
            raise _moved(error, path or f"sweep.axes: {error.path}") from None
        return self


def shipped_specs() -> dict[str, Path]:
    """Name → file of the specs that come with the project."""
    folder = Path(str(files("lrerank.experiments"))) / _SHIPPED
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _catalogs() -> list[str]:
    entries = [entry for entry in list_datasets() if entry.catalog_file]
    public = (name for entry in entries for name in (*entry.aliases, str(entry.name)))
    # Of the user's own, those that were deleted count too: runs on them can still be looked at.
    return [*NAMES, *public, *names_ever(default_folder())]


def _resolve_catalog(given: Mapping[str, Any], folder: Path) -> None:
    world = given.get("world")
    catalog = world.get("catalog") if isinstance(world, dict) else None
    if isinstance(catalog, str) and catalog and catalog not in _catalogs() and _is_there(folder / catalog):
        given["world"]["catalog"] = str(folder / catalog)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name, or one that no file can have
        return False


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Unquoted dots in TOML nest; an axis is meant all the same."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _plain(found: Any) -> Any:
    if isinstance(found, Mapping):
        return {key: _plain(value) for key, value in found.items()}
    return [_plain(value) for value in found] if isinstance(found, list | tuple) else found


def _moved(error: LrerankError, path: str) -> SpecError:
    """The same error seen from elsewhere."""
    value = {} if error.value is None else {"value": error.value}
    return SpecError(error.message, path=path, remedy=error.remedy, **value)
