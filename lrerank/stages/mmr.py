"""`mmr`: maximal marginal relevance, the diversity baseline."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lrerank.stages.base import Environment, Outcome, Parameters, Stage
from lrerank.stages.queries import index_of
from lrerank.types import Candidates, FloatArray, IntArray, Request, StageType


class MMRParameters(Parameters):
    """Parameters of `mmr`.

    Attributes:
        weight: `lambda` in JSON: 0 = diversity only, 1 = relevance only.
        top_n: how many documents go on at most.
    """

    weight: Annotated[float, Field(alias="lambda", ge=0, le=1)] = 0.5
    top_n: Annotated[int, Field(ge=1)] = 10


class MMR(Stage[MMRParameters]):
    """Picks one document after another: relevant, and unlike those picked before (Carbonell and Goldstein, SIGIR 1998).

    Likeness is the cosine in the catalog's default index. `score` stays the relevance that came in, so it need not
    fall from one document to the next.
    """

    stage_id: ClassVar[str] = "mmr"
    stage_type: ClassVar[StageType] = "sort"
    parameters_type: ClassVar[type[MMRParameters]] = MMRParameters

    def run(
        self,
        parameters: MMRParameters,
        request: Request,  # noqa: ARG002
        candidates: Candidates,
        environment: Environment,
    ) -> Outcome:
        if not len(candidates):
            return Outcome(candidates)
        embeddings = index_of(environment).document_embeddings[candidates.rows]
        order = select(relevance(candidates.scores), embeddings, parameters.weight, parameters.top_n)
        return Outcome(candidates.take(order))


def relevance(scores: FloatArray) -> FloatArray:
    """[n ≥ 1] 0..1: the incoming scores [n] on a common scale, 0 for all where they are equal.

    Where the scores contradict the order in which the documents came, as after another `mmr`, the order speaks:
    so `lambda` = 1 always gives the incoming order.
    """
    if (scores[1:] > scores[:-1]).any():
        scores = -np.arange(len(scores), dtype=np.float64)
    low, high = scores.min(), scores.max()
    # Halved first: the span of two finite numbers need not be finite.
    span = high / 2 - low / 2
    return (scores / 2 - low / 2) / span if span > 0 else np.zeros(len(scores))


def select(relevance: FloatArray, embeddings: NDArray[np.float32], weight: float, count: int) -> IntArray:
    """Positions in the order of picking: argmax of weight · relevance - (1 - weight) · likeness to the likest picked.

    Args:
        relevance: [n ≥ 1].
        embeddings: [n, d] of length 1 or 0.
        weight: 0..1.
        count: how many to pick; ties go to the document that came first.

    Returns:
        [min(count, n)]
    """
    gain = weight * relevance
    picked = np.empty(min(count, len(relevance)), dtype=np.int64)
    closest = np.full(len(relevance), -np.inf)
    value = gain.copy()
    for slot in range(len(picked)):
        picked[slot] = np.argmax(value)
        np.maximum(closest, embeddings @ embeddings[picked[slot]], out=closest)
        value = gain - (1.0 - weight) * closest
        value[picked[: slot + 1]] = -np.inf
    return picked
