"""`structured_filter`: keeps the documents whose fields meet conditions.

A missing value meets `exists: false` and nothing else, so `ne` and `nin` keep only documents that have some other value;
`{"not": {… "eq" …}}` keeps those without any as well. On a list, `eq`, `in` and `contains` ask for one item that fits, `ne` and
`nin` for none. `contains` finds a part of a text, upper or lower case. A date without a time is that whole day in UTC: `gt` means
after it, `lte` until its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from lrerank.data.catalog import BooleanColumn, Catalog, CategoricalColumn, Column, Field, ListColumn, NumericColumn
from lrerank.data.values import is_iso_date, seconds
from lrerank.errors import PipelineError
from lrerank.stages.base import Environment, Outcome, Parameters, Stage
from lrerank.stages.conditions import All, AnyCondition, Condition, Either, Negation
from lrerank.types import BoolArray, Candidates, FieldKind, FloatArray, IntArray, Request, StageType

_DAY = 86_400.0
_ISO_DAY = len("2024-05-01")
_SAME = ("eq", "ne", "in", "nin", "exists")
_OPERATORS: Mapping[FieldKind, tuple[str, ...]] = {
    "numeric": (*_SAME, "gt", "gte", "lt", "lte"),
    "date": (*_SAME, "gt", "gte", "lt", "lte"),
    "boolean": _SAME,
    "categorical": (*_SAME, "contains"),
    "list": (*_SAME, "contains"),
    "text": (*_SAME, "contains"),
}


class StructuredFilterParameters(Parameters):
    """Parameters of `structured_filter`: one condition, or several under `and`, `or`, `not`."""

    conditions: AnyCondition


class StructuredFilter(Stage[StructuredFilterParameters]):
    """Keeps what matches, in its order and with its scores."""

    stage_id: ClassVar[str] = "structured_filter"
    stage_type: ClassVar[StageType] = "filter"
    parameters_type: ClassVar[type[StructuredFilterParameters]] = StructuredFilterParameters

    def run(
        self,
        parameters: StructuredFilterParameters,
        request: Request,  # noqa: ARG002
        candidates: Candidates,
        environment: Environment,
    ) -> Outcome:
        kept = matching(parameters.conditions, environment.catalog, candidates.rows, "parameters.conditions")
        return Outcome(candidates.take(kept))


def matching(condition: AnyCondition, catalog: Catalog, rows: IntArray, path: str) -> BoolArray:
    """[n] whether each document in `rows` [n] meets a condition.

    Args:
        condition: already checked by itself; here it is checked against the catalog's fields.
        catalog: the documents.
        rows: which of them.
        path: where the condition stands in the pipeline, for errors.

    Raises:
        PipelineError: no such field (the error lists them), or an operator or a value that its kind does not allow.
    """
    match condition:
        case All(conditions=parts):
            masks = [matching(part, catalog, rows, f"{path}.and[{place}]") for place, part in enumerate(parts)]
            return np.logical_and.reduce(masks) if masks else np.ones(len(rows), dtype=np.bool_)
        case Either(conditions=parts):
            masks = [matching(part, catalog, rows, f"{path}.or[{place}]") for place, part in enumerate(parts)]
            return np.logical_or.reduce(masks) if masks else np.zeros(len(rows), dtype=np.bool_)
        case Negation(condition=part):
            return ~matching(part, catalog, rows, f"{path}.not")
        case Condition():
            return _meets(condition, catalog, rows, path)


def _meets(condition: Condition, catalog: Catalog, rows: IntArray, path: str) -> BoolArray:
    field = catalog.resolve(condition.field)
    if field is None:
        known = ", ".join(each.path for each in catalog.fields)
        raise PipelineError(
            f"catalog {catalog.name!r} has no such field",
            path=f"{path}.field",
            value=condition.field,
            remedy=f"It has {known}",
        )
    operator = condition.operator
    if operator not in _OPERATORS[field.kind]:
        raise PipelineError(
            f"{field.path} is {field.kind} and can't be compared so",
            path=f"{path}.operator",
            value=operator,
            remedy=f"Use one of {', '.join(_OPERATORS[field.kind])}",
        )
    column = catalog.column(field.path)
    present = _present(column, rows)
    if operator == "exists":
        return present if condition.value in (None, True) else ~present
    values = condition.value if isinstance(condition.value, list) else [condition.value]
    for value in values:
        _check_kind(field, value, f"{path}.value")
    if isinstance(column, NumericColumn):
        return present & _compared(column.values[rows], operator, [_span(field, value) for value in values])
    if operator == "contains" and not isinstance(column, ListColumn):
        part = str(values[0]).casefold()
        found = [part in catalog.text(field.path, row).casefold() for row in rows.tolist()]
        return present & np.array(found, dtype=np.bool_)
    same = _same(column, values, rows)
    return present & (~same if operator in ("ne", "nin") else same)


def _check_kind(field: Field, value: Any, path: str) -> None:
    match field.kind:
        case "numeric":
            fits, wanted = isinstance(value, int | float) and not isinstance(value, bool), "a number"
        case "date":
            fits = is_iso_date(value) or (isinstance(value, int | float) and not isinstance(value, bool))
            wanted = "a date as 2024-05-01 or 2024-05-01T12:00:00Z, or seconds since the epoch"
        case "boolean":
            fits, wanted = isinstance(value, bool), "true or false"
        case _:
            fits, wanted = isinstance(value, str), "text"
    if not fits:
        raise PipelineError(
            f"{field.path} is {field.kind}: this value can't be compared with it",
            path=path,
            value=value,
            remedy=f"Give {wanted}",
        )


def _span(field: Field, value: Any) -> tuple[float, float]:
    """First and last number that a value means: the same one, or the ends of a day."""
    if field.kind != "date" or not isinstance(value, str):
        return float(value), float(value)
    start = seconds(value)
    assert start is not None  # noqa: S101 - checked by `_check_kind`
    return (start, float(np.nextafter(start + _DAY, -np.inf))) if len(value) == _ISO_DAY else (start, start)


def _compared(found: FloatArray, operator: str, spans: list[tuple[float, float]]) -> BoolArray:
    """[n] comparisons of numbers with spans; NaN meets none but `ne` and `nin`."""
    within = np.zeros(len(found), dtype=np.bool_)
    for low, high in spans:
        within |= (found >= low) & (found <= high)
    match operator:
        case "eq" | "in":
            return within
        case "ne" | "nin":
            return ~within
        case "gt":
            return found > spans[0][1]
        case "gte":
            return found >= spans[0][0]
        case "lt":
            return found < spans[0][0]
        case _:
            return found <= spans[0][1]


def _present(column: Column, rows: IntArray) -> BoolArray:
    match column:
        case CategoricalColumn(codes=codes):
            return codes[rows] >= 0
        case NumericColumn(values=numbers):
            return np.isfinite(numbers[rows])
        case BooleanColumn(values=flags):
            return flags[rows] >= 0
        case ListColumn(offsets=offsets):
            return offsets[rows + 1] > offsets[rows]
        case _:
            return np.array([bool(column.values[row]) for row in rows.tolist()], dtype=np.bool_)


def _same(column: Column, values: list[Any], rows: IntArray) -> BoolArray:
    """[n] whether a document's value, or one item of its list, is one of the values."""
    wanted = set(values)
    match column:
        case CategoricalColumn(codes=codes, vocabulary=vocabulary):
            return np.isin(codes[rows], _codes_of(vocabulary, wanted))
        case ListColumn(offsets=offsets, codes=codes, vocabulary=vocabulary):
            hits = np.concatenate(([0], np.cumsum(np.isin(codes, _codes_of(vocabulary, wanted)))))
            return np.asarray(hits[offsets[rows + 1]] > hits[offsets[rows]])
        case BooleanColumn(values=flags):
            return np.isin(flags[rows], [int(value) for value in wanted])
        case _:
            return np.array([column.values[row] in wanted for row in rows.tolist()], dtype=np.bool_)


def _codes_of(vocabulary: Sequence[str], wanted: set[Any]) -> list[int]:
    return [code for code, value in enumerate(vocabulary) if value in wanted]
