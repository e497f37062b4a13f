"""What the parts of a spec share: strict fields, refusals that name the place, TOML in and out."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from lrerank.errors import LrerankError

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_ALLOWED = {
    "int_type": "Use a whole number",
    "int_from_float": "Use a whole number",
    "float_type": "Use a number",
    "finite_number": "Use a finite number",
    "string_type": "Use text, in quotes",
    "bool_type": "Use true or false",
    "tuple_type": "Use a list, […]",
    "greater_than": "Use more than {gt:.12g}",
    "greater_than_equal": "Use {ge:.12g} or more",
    "less_than": "Use less than {lt:.12g}",
    "less_than_equal": "Use {le:.12g} or less",
    "too_short": "Give at least one",
    "string_too_short": "Write something",
    "string_too_long": "Use at most {max_length} characters",
    "string_pattern_mismatch": "Use letters, digits, _ and -",
}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class SpecError(LrerankError):
    """An experiment that can't be run as it is written."""


class Part(BaseModel):
    """Base of a spec and its tables: unknown names are refused, nothing is coerced, nothing changes later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _has_known_names(cls, found: Any) -> Any:
        if not isinstance(found, Mapping):
            return found
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for name in found:
            if name not in known:
                raise refused("unknown name", path=str(name), value=found[name], remedy=nearest(str(name), known))
        return found


def refused(message: str, *, value: Any, remedy: str, path: str = "") -> PydanticCustomError:
    """What a validator raises; `path` is relative to the part it validates."""
    found = {"message": message, "value": value, "remedy": remedy, "path": path}
    return PydanticCustomError("refused", "{message}", found)


def nearest(name: str, known: Iterable[str]) -> str:
    """A remedy for a name that nobody knows."""
    names = list(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    there_are = f"Known: {', '.join(names) or 'none'}"
    return f"Did you mean {close[0]}? {there_are}" if close else there_are


def explained(error: ValidationError) -> SpecError:
    """The first thing wrong, in our words and with the path as it is written in TOML."""
    first = error.errors(include_url=False)[0]
    context, where = first.get("ctx", {}), dotted(_location(first))
    match first["type"]:
        case "refused":
            where = joined(where, context["path"])
            return SpecError(context["message"], path=where, value=context["value"], remedy=context["remedy"])
        case "missing":
            return SpecError("this is required", path=where, remedy="Add it")
        case "union_tag_not_found":
            return SpecError("this is required", path=joined(where, "kind"), remedy="Add it")
        case "union_tag_invalid":
            known = re.findall(r"'([^']+)'", context["expected_tags"])
            remedy = nearest(str(context["tag"]), known)
            return SpecError("unknown kind of arm", path=joined(where, "kind"), value=context["tag"], remedy=remedy)
        case "literal_error":
            known = re.findall(r"'([^']+)'", context["expected"])
            remedy = nearest(str(first["input"]), known) if known else f"Use {context['expected'].lower()}"
            return SpecError("not one of the choices", path=where, value=first["input"], remedy=remedy)
        case "model_type" | "model_attributes_type" | "dict_type":
            remedy = "Write {name = value, …}" if where.endswith("]") else f"Write [{where}]"
            return SpecError("this is a table", path=where, value=first["input"], remedy=remedy)
    allowed = _ALLOWED.get(first["type"])
    remedy = allowed.format(**context) if allowed else first["msg"]
    return SpecError("not allowed", path=where, value=first["input"], remedy=remedy)


def _location(error: ErrorDetails) -> Sequence[str | int]:
    """Without the tag that pydantic puts behind an arm's name."""
    steps = error["loc"]
    return [*steps[:2], *steps[3:]] if steps[:1] == ("arms",) else steps


def dotted(steps: Iterable[str | int]) -> str:
    """`("world", "filter", 0)` → `world.filter[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def joined(base: str, path: str) -> str:
    """One dotted path behind another."""
    return f"{base}{'' if path.startswith('[') or not base or not path else '.'}{path}"


def set_value(table: dict[str, Any], path: str, value: Any) -> None:
    """Sets a value deep in plain tables and lists; tables on the way are made.

    Raises:
        SpecError: the path is no path, or something on the way is neither a table nor a list.
    """
    steps: list[str | int] = [int(index) if index else name for index, name in _STEP.findall(path)]
    if not steps or dotted(steps) != path:
        raise SpecError("this is not a path", value=path, remedy="Write names with dots: arms.learned.exploration_rate")
    here: Any = table
    for depth, step in enumerate(steps):
        fits = isinstance(here, list) and step < len(here) if isinstance(step, int) else isinstance(here, dict)
        if not fits:
            place = dotted(steps[:depth])
            raise SpecError("there is nothing of this name", path=path, remedy=f"Look what {place} holds")
        if depth == len(steps) - 1:
            here[step] = value
        elif isinstance(step, str):
            here = here.setdefault(step, {})
        else:
            here = here[step]


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """Tables of a TOML text.

    Raises:
        SpecError: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Beside its own error tomllib lets through ValueError (a date that is none) and RecursionError (nesting).
        raise SpecError(f"this is not TOML: {error}", path=origin, remedy="Mend the line it names") from None


def parse_value(text: str) -> Any:
    """A value as TOML has it; text that is none stands for itself: `0.1`, `[1, 2]`, `true`, `news`."""
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return found["value"] if len(found) == 1 else text


def to_toml(table: Mapping[str, Any]) -> str:
    """TOML of plain tables, lists, strings, booleans and finite numbers; what is None is left out."""
    return "\n".join(_lines(table, ())).strip() + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    values = {key: value for key, value in table.items() if not isinstance(value, Mapping) and value is not None}
    if path and (values or not table):
        yield f"\n[{'.'.join(map(_key, path))}]"
    for key, value in values.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _lines(value, (*path, key))


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items() if each is not None)
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        # JSON's escapes are TOML's as well, but for DEL, which JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value, allow_nan=False)
