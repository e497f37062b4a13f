"""The records that cross rooms. Records at the edges, arrays inside; the shape stands beside the array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

FieldKind = Literal["categorical", "numeric", "boolean", "date", "list", "text"]
StageType = Literal["filter", "sort"]


@dataclass(frozen=True, slots=True)
class Request:
    """One search by one user.

    Attributes:
        inputs: what `{{INPUT.name}}` is filled from, usually `query` and `user_id`.
        context: what is known of the moment: `device`, `location` and the like; strings, numbers or booleans.
        timestamp: seconds since the epoch, UTC. Ages and the time of day are as of this moment; profiles and engagement
            are as of all that has been logged.
        request_id: what ties the impression and its interactions together.
    """

    inputs: Mapping[str, Any]
    timestamp: float
    request_id: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidates:
    """An ordered list of documents on its way through the stages.

    Attributes:
        rows: [n] rows of the catalog, best first, without duplicates.
        scores: [n] finite score from the last stage that scored; 0 where none has.
    """

    rows: IntArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: IntArray | BoolArray) -> Candidates:
        """The candidates at these positions, in this order."""
        return Candidates(self.rows[positions], self.scores[positions])


@dataclass(frozen=True, slots=True)
class Slate:
    """What was drawn slot by slot from n candidates, with the probabilities it was really drawn with.

    Attributes:
        order: [k] positions into the candidate list, slot 1 first.
        propensities: [k] probability of the drawn document given those placed above it.
        explored: [k] whether a document of lower value than the best remaining one was drawn.
    """

    order: IntArray
    propensities: FloatArray
    explored: BoolArray


@dataclass(frozen=True, slots=True)
class Interaction:
    """One thing a user did, or was shown, in the terms of the stage contract.

    `shown` marks a whole list at once: an `impression` with the ids of the documents from slot 1 on.
    A missing propensity stays missing. `catalog` says which documents the ids mean: those of other catalogs may be alike.
    """

    interaction_type: str
    user_id: str
    document_id: str | None
    timestamp: float
    query: str = ""
    position: int | None = None
    request_id: str | None = None
    interaction_id: str | None = None
    features: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    shown: Sequence[str] = ()
    propensity: float | None = None
    propensities: Sequence[float] = ()
    model_version: str | None = None
    experiment_arm: str | None = None
    catalog: str | None = None
