"""Interactions and impressions as rows of the log, checked on their way in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lrerank.errors import DataError
from lrerank.files import json_text
from lrerank.types import Interaction

COLUMNS = (
    "interaction_type, user_id, document_id, timestamp, query, position, request_id, interaction_id, features, "
    "context, shown, propensity, propensities, model_version, experiment_arm, catalog"
)

# Later than this (the year 5138) a timestamp is in milliseconds, and every age and rate from it would be wrong.
_LATEST = 1e11
_ROUNDING = 1e-9
_POSITIONS = 2**31


@dataclass(frozen=True, slots=True)
class Impression:
    """A list as it was shown, with what was known at that moment, so that learning never computes it again.

    Attributes:
        request_id: what clicks refer to; there is one impression per request.
        user_id: whose; a pseudonym when it is read back.
        timestamp: seconds since the epoch, UTC.
        shown: ids of the documents, slot 1 first.
        record: what the stage knew: values, explored slots, support, fallback and timeout flags, the exact text given
            to the model. Anything JSON knows, and numpy arrays, which come back as lists.
        query: as it was typed.
        context: `device`, `location` and the like.
        propensities: one per document shown, or none at all.
        model_version: `id@3`.
        experiment_arm: of an experiment, if any.
        catalog: whose documents were shown.
    """

    request_id: str
    user_id: str
    timestamp: float
    shown: Sequence[str]
    record: Mapping[str, Any] = field(default_factory=dict)
    query: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    propensities: Sequence[float] = ()
    model_version: str | None = None
    experiment_arm: str | None = None
    catalog: str | None = None

    def interaction(self) -> Interaction:
        """The same without the record; its id follows from the request's, so that it is stored once."""
        return Interaction(
            "impression",
            self.user_id,
            None,
            self.timestamp,
            query=self.query,
            request_id=self.request_id,
            interaction_id=f"impression:{self.request_id}",
            context=self.context,
            shown=self.shown,
            propensities=self.propensities,
            model_version=self.model_version,
            experiment_arm=self.experiment_arm,
            catalog=self.catalog,
        )


def encode(item: Interaction | Impression, path: str) -> tuple[list[Any], str | None]:
    """The values of `COLUMNS` and the record as JSON; the user id still plain, a missing interaction id still None.

    Args:
        item: what to store.
        path: where it stands, for errors.

    Raises:
        DataError: it names the field that can't be stored as it is.
    """
    if isinstance(item, Impression):
        _text(item.request_id, f"{path}.request_id")
        return encode(item.interaction(), path)[0], _json(item.record, f"{path}.record") or "{}"
    is_list = item.interaction_type == "impression" and item.document_id is None
    if item.document_id is None and not is_list:
        raise DataError(
            f"a {item.interaction_type!r} needs a document", path=f"{path}.document_id", remedy="Give its document_id"
        )
    shown = [_text(document, f"{path}.shown[{slot}]") for slot, document in enumerate(item.shown)]
    chances = [_probability(chance, f"{path}.propensities[{slot}]") for slot, chance in enumerate(item.propensities)]
    if chances and len(chances) != len(shown):
        raise DataError(
            f"{len(shown)} documents were shown",
            path=f"{path}.propensities",
            value=chances,
            remedy="Give one propensity per document shown, or none",
        )
    values = [
        _text(item.interaction_type, f"{path}.interaction_type"),
        _text(item.user_id, f"{path}.user_id"),
        _optional_text(item.document_id, f"{path}.document_id"),
        moment(item.timestamp, f"{path}.timestamp"),
        _text(item.query, f"{path}.query", may_be_empty=True),
        None if item.position is None else _position(item.position, f"{path}.position"),
        _optional_text(item.request_id, f"{path}.request_id"),
        _optional_text(item.interaction_id, f"{path}.interaction_id"),
        _json(item.features, f"{path}.features"),
        _json(item.context, f"{path}.context"),
        json_text(shown) if shown or is_list else None,
        None if item.propensity is None else _probability(item.propensity, f"{path}.propensity"),
        json_text(chances) if chances else None,
        _optional_text(item.model_version, f"{path}.model_version"),
        _optional_text(item.experiment_arm, f"{path}.experiment_arm"),
        _optional_text(item.catalog, f"{path}.catalog"),
    ]
    return values, None


def decode(row: Sequence[Any]) -> Interaction:
    """The interaction in a row of `COLUMNS`."""
    (
        kind,
        user,
        document,
        timestamp,
        query,
        position,
        request,
        name,
        features,
        context,
        shown,
        chance,
        chances,
        *rest,
    ) = row
    return Interaction(
        kind,
        user,
        document,
        timestamp,
        query,
        position,
        request,
        name,
        json.loads(features) if features else {},
        json.loads(context) if context else {},
        tuple(json.loads(shown)) if shown else (),
        chance,
        tuple(json.loads(chances)) if chances else (),
        *rest,
    )


def decode_impression(row: Sequence[Any], record: str | None) -> Impression:
    """The impression in a row of `COLUMNS`; its record is empty where it was logged without one."""
    listed = decode(row)
    return Impression(
        listed.request_id or "",
        listed.user_id,
        listed.timestamp,
        listed.shown,
        json.loads(record) if record else {},
        listed.query,
        listed.context,
        listed.propensities,
        listed.model_version,
        listed.experiment_arm,
        listed.catalog,
    )


def moment(value: Any, path: str) -> float:
    """A point in time as seconds since the epoch; refuses what is not one, milliseconds among it."""
    seconds = _number(value, path)
    if not abs(seconds) < _LATEST:
        raise DataError(
            "this is not a time in seconds since the epoch",
            path=path,
            value=value,
            remedy="Divide milliseconds by 1000" if math.isfinite(seconds) else "Give a finite number",
        )
    return seconds


def _number(value: Any, path: str) -> float:
    # Numbers of numpy are welcome, and must not reach SQLite: it would store their bytes.
    try:
        if isinstance(value, bool | str):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise DataError("this must be a number", path=path, value=value) from None


def _probability(value: Any, path: str) -> float:
    chance = _number(value, path)
    if not 0 < chance <= 1 + _ROUNDING:
        raise DataError(
            "a propensity is above 0 and at most 1",
            path=path,
            value=value,
            remedy="Leave it out where it is not known; it then stays missing",
        )
    return chance


def _position(value: Any, path: str) -> int:
    number = _number(value, path)
    if not 1 <= number < _POSITIONS or number != int(number):
        raise DataError("positions are whole numbers, the first is 1", path=path, value=value)
    return int(number)


def _text(value: Any, path: str, *, may_be_empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or may_be_empty):
        wanted = "a string" if may_be_empty else "a string with at least one character"
        raise DataError(f"this must be {wanted}", path=path, value=value)
    return encodable(value, path)


def encodable(value: str, path: str) -> str:
    """The same text; refuses what can't be written as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(
            "this text holds half of a surrogate pair", path=path, value=value, remedy="Give text that is valid Unicode"
        ) from None
    return value


def _optional_text(value: Any, path: str) -> str | None:
    return None if value is None else _text(value, path)


def _json(value: Mapping[str, Any], path: str) -> str | None:
    """None for an empty mapping, which is what most are."""
    if not value:
        return None
    try:
        return encodable(json_text(dict(value), sort_keys=True), path)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"this can't be stored as JSON: {error}", path=path, remedy="Use strings, finite numbers, lists and objects"
        ) from None
