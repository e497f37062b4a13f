"""`semantic_search`: the documents whose embeddings are nearest to the query's."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from lrerank.stages.base import Environment, Outcome, Parameters, Stage
from lrerank.stages.queries import index_of, usable_query
from lrerank.types import Candidates, FloatArray, Request, StageType


class SearchParameters(Parameters):
    """Parameters of both searches.

    Attributes:
        query: what is searched for.
        vector_index: one of the catalog's indexes.
        top_k: how many documents go on at most.
    """

    query: str = "{{INPUT.query}}"
    vector_index: str = "default"
    top_k: Annotated[int, Field(ge=1)] = 100


class SemanticSearch(Stage[SearchParameters]):
    """Keeps the `top_k` nearest of the candidates that came in; `score` is the cosine, -1..1."""

    stage_id: ClassVar[str] = "semantic_search"
    stage_type: ClassVar[StageType] = "filter"
    parameters_type: ClassVar[type[SearchParameters]] = SearchParameters

    def run(
        self,
        parameters: SearchParameters,
        request: Request,  # noqa: ARG002
        candidates: Candidates,
        environment: Environment,
    ) -> Outcome:
        query = usable_query(parameters.query, "parameters.query")
        index = index_of(environment, parameters.vector_index)
        scores = index.document_embeddings[candidates.rows] @ index.embed_query(query)
        return Outcome(best(candidates, scores.astype(np.float64), parameters.top_k))


def best(candidates: Candidates, scores: FloatArray, count: int | None) -> Candidates:
    """The candidates with the largest scores [n], which they now carry; ties keep the order in which they came."""
    order = np.argsort(-scores, kind="stable")[:count]
    return Candidates(candidates.rows[order], scores[order])
