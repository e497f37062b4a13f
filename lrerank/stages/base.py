"""What every stage is: parameters that check themselves, and one verb."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from lrerank.data.catalog import Catalog
from lrerank.store import Store
from lrerank.types import Candidates, Request, StageType


class Parameters(BaseModel):
    """Base of every stage's parameters: unknown names are refused, nothing is coerced, nothing changes later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


ParametersT = TypeVar("ParametersT", bound=Parameters)


@dataclass(frozen=True, slots=True)
class Environment:
    """What a stage may use beside its parameters and the request.

    Attributes:
        catalog: the documents.
        store: models, interaction log and cached indexes.
        rng: the only source of randomness.
    """

    catalog: Catalog
    store: Store
    rng: np.random.Generator


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage hands on.

    Attributes:
        candidates: the documents that go on, in order.
        notes: sentences for the user (features ignored, fallback used), each once.
        details: what only this stage can say, for the output and the log; None for most stages.
    """

    candidates: Candidates
    notes: tuple[str, ...] = ()
    details: Any = None


@dataclass(frozen=True)
class Stage(ABC, Generic[ParametersT]):
    """One stage of a pipeline, made once, run for many requests.

    A subclass sets the three class variables and `run`. Templates (`{{INPUT.query}}`) in string parameters are
    already filled when `run` is called: a stage sees final values only.
    """

    stage_id: ClassVar[str]
    stage_type: ClassVar[StageType]
    parameters_type: ClassVar[type[Parameters]]

    @abstractmethod
    def run(
        self, parameters: ParametersT, request: Request, candidates: Candidates, environment: Environment
    ) -> Outcome:
        """Documents in, documents out, in order. Never invents or repeats a document; scores stay finite."""
