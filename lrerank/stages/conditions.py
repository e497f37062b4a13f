"""The conditions of `structured_filter`, as they are written in JSON."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from lrerank.stages.base import Parameters

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "exists"]
_SETS = ("in", "nin")
# Beyond it a whole number has no floating point number near it.
_LARGEST_NUMBER = 2**1023


class Condition(Parameters):
    """One field against one value: a list for `in` and `nin`, true or false for `exists`, one value for all others."""

    field: Annotated[str, Field(min_length=1)]
    operator: Operator
    value: Any = None

    @model_validator(mode="after")
    def _fits(self) -> Condition:
        if isinstance(self.value, str) and "{{" in self.value:
            return self  # not filled yet
        if self.operator == "exists" and self.value is None:
            return self
        if self.operator == "exists" and not isinstance(self.value, bool):
            raise PydanticCustomError("value", "exists takes true or false as its value")
        if self.operator in _SETS and not (isinstance(self.value, list) and all(map(_is_scalar, self.value))):
            raise PydanticCustomError("value", "{operator} takes a list of values", {"operator": self.operator})
        if self.operator not in (*_SETS, "exists") and not _is_scalar(self.value):
            raise PydanticCustomError("value", "{operator} takes one value", {"operator": self.operator})
        return self


class All(Parameters):
    """Every one of some conditions; an empty list holds."""

    conditions: Annotated[list[AnyCondition], Field(alias="and")]


class Either(Parameters):
    """At least one of some conditions; an empty list does not hold."""

    conditions: Annotated[list[AnyCondition], Field(alias="or")]


class Negation(Parameters):
    """The opposite of a condition: missing values included."""

    condition: Annotated[AnyCondition, Field(alias="not")]


def _variant(found: Any) -> str:
    """The kind of a piece of JSON or of what was made from it; parentheses mark a name that is not a place in the JSON."""
    for kind, key in ((All, "and"), (Either, "or"), (Negation, "not")):
        if isinstance(found, kind) or (isinstance(found, dict) and key in found):
            return f"({key})"
    return "(condition)"


AnyCondition: TypeAlias = Annotated[
    Annotated[All, Tag("(and)")]
    | Annotated[Either, Tag("(or)")]
    | Annotated[Negation, Tag("(not)")]
    | Annotated[Condition, Tag("(condition)")],
    Discriminator(_variant),
]
for _model in (All, Either, Negation):
    _model.model_rebuild()


def _is_scalar(value: Any) -> bool:
    if isinstance(value, int):
        return abs(value) <= _LARGEST_NUMBER
    return isinstance(value, str) or (isinstance(value, float) and isfinite(value))
