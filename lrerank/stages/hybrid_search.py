"""`hybrid_search`: lexical and embedding results, fused by reciprocal rank."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lrerank.stages.base import Environment, Outcome, Stage
from lrerank.stages.queries import index_of, usable_query
from lrerank.stages.semantic_search import SearchParameters, best
from lrerank.types import Candidates, FloatArray, Request, StageType

# Cormack, Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods", SIGIR 2009.
_RANK_OFFSET = 60


class HybridSearch(Stage[SearchParameters]):
    """Keeps the `top_k` best of the candidates that came in; `score` is the sum of 1 / (60 + rank) over both lists.

    A document is on a list only if it has something of the query: a word for BM25, a positive cosine for the embedding.
    """

    stage_id: ClassVar[str] = "hybrid_search"
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
        lexical = index.lexical_scores(query)[candidates.rows]
        semantic = (index.document_embeddings[candidates.rows] @ index.embed_query(query)).astype(np.float64)
        return Outcome(best(candidates, reciprocal_ranks(lexical) + reciprocal_ranks(semantic), parameters.top_k))


def reciprocal_ranks(scores: FloatArray) -> FloatArray:
    """[n] 1 / (60 + rank), rank 1 for the largest of the scores [n]; equal scores share a rank, scores ≤ 0 give 0."""
    ranks = 1 + len(scores) - np.searchsorted(np.sort(scores), scores, side="right")
    return np.where(scores > 0, 1.0 / (_RANK_OFFSET + ranks), 0.0)
