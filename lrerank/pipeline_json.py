"""A pipeline as JSON: read, checked, and filled with a request's inputs; every refusal says where."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lrerank.data.locate import datasets_folder
from lrerank.errors import InputError, LrerankError, PipelineError
from lrerank.stages.base import Stage
from lrerank.stages.hybrid_search import HybridSearch
from lrerank.stages.learned_rerank import LearnedRerank
from lrerank.stages.mmr import MMR
from lrerank.stages.rerank import Rerank
from lrerank.stages.semantic_search import SemanticSearch
from lrerank.stages.structured_filter import StructuredFilter

STAGES: Mapping[str, type[Stage[Any]]] = {
    stage.stage_id: stage for stage in (SemanticSearch, HybridSearch, StructuredFilter, Rerank, MMR, LearnedRerank)
}
_TEMPLATE = re.compile(r"\{\{\s*INPUT\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_FOLDERS = {"movies": "msrd"}
_KEYS = ("stage_type", "stage_id", "parameters")


def shipped_pipelines(catalog: str) -> dict[str, Path]:
    """Name → file of the pipelines that come with the project for a catalog."""
    folders = [datasets_folder() / name / "pipelines" for name in (catalog, _FOLDERS.get(catalog, catalog))]
    return {path.stem: path for folder in dict.fromkeys(folders) for path in sorted(folder.glob("*.json"))}


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, or one that no file can have
        return False


def parse(source: str | Path | Sequence[Any]) -> Any:
    if isinstance(source, str) and source.lstrip().startswith(("[", "{")):
        text, origin = source, ""
    elif isinstance(source, str | Path):
        path, origin = Path(source), str(source)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise PipelineError(
                f"the pipeline can't be read: {reason}", path=origin, remedy="Give a JSON file in UTF-8"
            ) from None
    else:
        return source
    try:
        return json.loads(text, object_pairs_hook=_unrepeated)
    except (ValueError, RecursionError) as error:
        # Beside its own error json lets through ValueError: a whole number of thousands of digits.
        raise PipelineError(f"this is not JSON: {error}", path=origin, remedy="Mend it at that place") from None


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"an object names {name!r} twice")
        found[name] = value
    return found


def read_stage(entry: Any, path: str) -> tuple[Stage[Any], Mapping[str, Any]]:
    if not isinstance(entry, Mapping):
        raise PipelineError("a stage is an object", path=path, value=entry, remedy=f"Give it {', '.join(_KEYS)}")
    unknown = sorted(str(key) for key in entry if key not in _KEYS)
    if unknown:
        raise PipelineError("unknown key", path=path, value=unknown[0], remedy=f"A stage has {', '.join(_KEYS)}")
    stage_id = entry.get("stage_id")
    if not isinstance(stage_id, str) or stage_id not in STAGES:
        raise PipelineError(
            "unknown stage", path=f"{path}.stage_id", value=stage_id, remedy=f"Use one of {', '.join(STAGES)}"
        )
    kind = STAGES[stage_id]
    if entry.get("stage_type") != kind.stage_type:
        raise PipelineError(
            f"{stage_id} has another type",
            path=f"{path}.stage_type",
            value=entry.get("stage_type"),
            remedy=f'Use "{kind.stage_type}"',
        )
    parameters = entry.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise PipelineError("parameters are an object", path=f"{path}.parameters", value=parameters, remedy="Use {…}")
    _check_templates(parameters, f"{path}.parameters")
    try:
        checked = kind.parameters_type.model_validate(dict(parameters))
    except ValidationError as error:
        raise refusal(error, f"{path}.parameters", PipelineError) from None
    return kind(), checked.model_dump(by_alias=True, mode="python")


def _check_templates(found: Any, path: str) -> None:
    """Braces that mean nothing would be searched for as they stand, and find something."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            _check_templates(value, f"{path}.{key}")
    elif isinstance(found, list | tuple):
        for place, value in enumerate(found):
            _check_templates(value, f"{path}[{place}]")
    elif isinstance(found, str) and "{{" in _TEMPLATE.sub("", found):
        raise PipelineError("this is not a template", path=path, value=found, remedy="Write {{INPUT.name}}")


def refusal(error: ValidationError, path: str, kind: type[LrerankError]) -> LrerankError:
    """The first thing wrong, in our words."""
    first, *others = error.errors(include_url=False, include_context=True)
    if first["type"] == "literal_error" and not isinstance(first["input"], str):
        # One of several forms: what is wrong with the form that was meant says more.
        first = next((other for other in others if not other["type"].startswith(("literal", "model"))), first)
    steps = [step for step in first["loc"] if isinstance(step, int) or not _is_variant(str(step))]
    where = path + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    message = first["msg"]
    if first["type"] == "missing":
        return kind("this parameter is required", path=where, remedy="Add it")
    if first["type"] == "extra_forbidden":
        return kind(
            "unknown parameter",
            path=where,
            value=first["input"],
            remedy="Remove it, or see the stage's list of parameters",
        )
    allowed = "Give an object, {…}" if first["type"] == "model_type" else message.partition(" [")[0]
    return kind("not allowed", path=where, value=first["input"], remedy=allowed)


def _is_variant(step: str) -> bool:
    """Whether a step names pydantic's choice among variants (`literal['auto']`, `list[str]`), not a place in the JSON."""
    return any(mark in step for mark in "[(") or step in {"Fallback", "str", "int", "float", "bool", "none"}


def holds_template(found: Any) -> bool:
    """Whether there is anything for a request to fill."""
    if isinstance(found, Mapping):
        return any(holds_template(value) for value in found.values())
    if isinstance(found, list | tuple):
        return any(holds_template(value) for value in found)
    return isinstance(found, str) and "{{" in found


def fill(found: Any, inputs: Mapping[str, Any], path: str, stage_id: str) -> Any:
    if isinstance(found, Mapping):
        return {key: fill(value, inputs, f"{path}.{key}", stage_id) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [fill(value, inputs, f"{path}[{place}]", stage_id) for place, value in enumerate(found)]
    if not isinstance(found, str) or "{{" not in found:
        return found
    # A condition's value may be a number or a list; everything else that holds a template is text.
    whole = _TEMPLATE.fullmatch(found)
    if whole and path.endswith(".value"):
        return _input(whole[1], inputs, path, stage_id)

    def text(match: re.Match[str]) -> str:
        value = _input(match[1], inputs, path, stage_id)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InputError(
                f"{stage_id} needs text for INPUT.{match[1]}", path=path, value=value, remedy="Give a string"
            )
        return str(value)

    return _TEMPLATE.sub(text, found)


def _input(name: str, inputs: Mapping[str, Any], path: str, stage_id: str) -> Any:
    if name not in inputs:
        raise InputError(
            f"{stage_id} needs the input {name!r}, which the request lacks", path=path, remedy=f"Give {name}=…"
        )
    return inputs[name]
