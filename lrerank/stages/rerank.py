"""`rerank`: a static relevance model, the same for every user."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from lrerank.errors import MissingExtraError, ModelNotFoundError, PipelineError
from lrerank.models import ModelVersion
from lrerank.retrieval.index import text_index
from lrerank.retrieval.ltr import FEATURES_FILE, MODEL_FILE, LtrModel
from lrerank.retrieval.matching import match
from lrerank.retrieval.neural import CROSS_ENCODERS, cross_encoder
from lrerank.stages.base import Environment, Outcome, Parameters, Stage
from lrerank.stages.queries import index_of, query_of
from lrerank.stages.semantic_search import best
from lrerank.types import Candidates, FloatArray, IntArray, Request, StageType

LEXICAL = "lexical"
_KEPT_IN_MEMORY = 4


class RerankParameters(Parameters):
    """Parameters of `rerank`.

    Attributes:
        model: `lexical`, the id of a static model that was trained here, or a cross-encoder: `bge-reranker-v2-m3`, any name
            on the Hugging Face hub (with its `/`), or a folder.
        top_n: how many documents go on at most; None for all.
    """

    model: Annotated[str, Field(min_length=1)] = LEXICAL
    top_n: Annotated[int, Field(ge=1)] | None = None


class Rerank(Stage[RerankParameters]):
    """Orders the candidates by their relevance to the request's `query`; `score` is the model's, ties keep their order."""

    stage_id: ClassVar[str] = "rerank"
    stage_type: ClassVar[StageType] = "sort"
    parameters_type: ClassVar[type[RerankParameters]] = RerankParameters

    def run(
        self, parameters: RerankParameters, request: Request, candidates: Candidates, environment: Environment
    ) -> Outcome:
        query = query_of(request, self.stage_id)
        if not len(candidates):
            return Outcome(candidates)
        scores = _scores(parameters.model, query, candidates.rows, environment)
        return Outcome(best(candidates, scores, parameters.top_n))


def _scores(model: str, query: str, rows: IntArray, environment: Environment) -> FloatArray:
    if model == LEXICAL:
        return match(index_of(environment).lexical, query, rows).relevance
    # A model trained here wins over a folder or a hub model of the same name.
    if model in environment.store.models.ids():
        return _trained(environment.store.models.current(model), query, rows, environment)
    if model in CROSS_ENCODERS or "/" in model or Path(model).is_dir():
        return _cross_encoded(model, query, rows, environment)
    known = [row.model_id for row in environment.store.models.list() if row.is_current and row.kind == "static"]
    raise ModelNotFoundError(
        "rerank knows no such model",
        path="parameters.model",
        value=model,
        remedy=f"Use one of {', '.join([LEXICAL, *known, *CROSS_ENCODERS])}, a cross-encoder by its hub name with '/', or a folder",
    )


def _trained(version: ModelVersion, query: str, rows: IntArray, environment: Environment) -> FloatArray:
    if version.kind != "static":
        raise PipelineError(
            f"this model is {version.kind}, not static",
            path="parameters.model",
            value=version.model_id,
            remedy="Name it in learned_rerank, or train a static one with lrerank train-static",
        )
    model = _loaded(version)
    index = text_index(environment.catalog, environment.store.indexes, model.spec.encoder)
    return model.scores(environment.catalog, index, query, rows)


_MEMORY: OrderedDict[Path, LtrModel] = OrderedDict()
_LOCK = Lock()


def _loaded(version: ModelVersion) -> LtrModel:
    """The trees of a version, whose files never change."""
    with _LOCK:
        if version.folder not in _MEMORY:
            _MEMORY[version.folder] = LtrModel.from_files(
                {name: version.read(name) for name in (MODEL_FILE, FEATURES_FILE)}
            )
            while len(_MEMORY) > _KEPT_IN_MEMORY:
                _MEMORY.popitem(last=False)
        _MEMORY.move_to_end(version.folder)
        return _MEMORY[version.folder]


def _cross_encoded(model: str, query: str, rows: IntArray, environment: Environment) -> FloatArray:
    pairs = [(query, environment.catalog.content(row)) for row in rows.tolist()]
    try:
        network = cross_encoder(model)
    except MissingExtraError as error:
        raise MissingExtraError(error.message, path="parameters.model", value=model, remedy=error.remedy) from error
    scores = np.asarray(network.predict(pairs, show_progress_bar=False), dtype=np.float64)
    if scores.shape != (len(rows),) or not np.isfinite(scores).all():
        raise PipelineError(
            "this model does not give one finite score per document",
            path="parameters.model",
            value=model,
            remedy="Use a cross-encoder with one output",
        )
    return scores
