"""A pipeline: JSON -> validated stages in order -> a ranking and the trace of how it came about."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from lrerank.data.catalog import Catalog
from lrerank.data.load import load_catalog
from lrerank.errors import InputError, LrerankError, PipelineError
from lrerank.interactions import Impression
from lrerank.pipeline_json import fill, holds_template, is_file, parse, read_stage, refusal, shipped_pipelines
from lrerank.stages.base import Environment, Parameters, Stage
from lrerank.stages.learned_rerank import LearnedDetails, LearnedRerank
from lrerank.store import Store
from lrerank.types import Candidates, Interaction, Request


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """One result, in the contract's terms; `learned` is its `learned_rerank` object, None without that stage."""

    document_id: str
    content: str
    score: float
    learned: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        shown = {"document_id": self.document_id, "content": self.content, "score": self.score}
        return shown if self.learned is None else {**shown, "learned_rerank": dict(self.learned)}


@dataclass(frozen=True, slots=True)
class StageTrace:
    """What one stage did: documents in and out, and how long it took."""

    stage_id: str
    documents_in: int
    documents_out: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a pipeline returns.

    Attributes:
        catalog: name of the catalog.
        documents: best first.
        trace: one entry per stage.
        notes: sentences for the user, each once: features ignored, who ranked instead.
        candidates: rows and scores behind the documents, slot by slot.
        details: what learned_rerank says beyond the order; None without that stage.
    """

    request: Request
    catalog: str
    documents: Sequence[RankedDocument]
    trace: Sequence[StageTrace]
    notes: Sequence[str]
    candidates: Candidates
    details: LearnedDetails | None

    def impression(self) -> Impression | None:
        """The record to log once the documents were shown: what was known then, so that nothing recomputes it.

        None where nothing may be logged or learned: without learned_rerank, and for users who opted out or are nobody.
        """
        details = self.details
        if details is None or details.block is None or details.reranker is None:
            return None
        placed = details.placed
        shared, lines = details.reranker.lines(details.block, details.chosen, range(1, len(self.documents) + 1))
        record = {
            "scores": [document.score for document in self.documents],
            "values": None if placed is None else placed.values,
            "personalization_scores": None if placed is None else placed.scores,
            "explored": details.explored,
            "supported": details.supported,
            "fallback": details.fallback,
            "shared": shared,
            "documents": lines,
        }
        return Impression(
            request_id=self.request.request_id,
            user_id=details.user_id,
            timestamp=self.request.timestamp,
            shown=[document.document_id for document in self.documents],
            record=record,
            query=str(self.request.inputs.get("query", "")),
            context=self.request.context,
            propensities=details.propensities.tolist(),
            model_version=details.model,
            catalog=self.catalog,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "request_id": self.request.request_id,
            "documents": [document.to_json() for document in self.documents],
            "fallback": self.details.fallback if self.details else None,
            "timed_out": bool(self.details and self.details.timed_out),
            "notes": list(self.notes),
            "trace": [
                {"stage_id": t.stage_id, "in": t.documents_in, "out": t.documents_out, "ms": round(t.milliseconds, 3)}
                for t in self.trace
            ],
        }


class Pipeline:
    """Stages in order. Made once, run for many requests.

    >>> pipeline = Pipeline.from_json([{"stage_type": "filter", "stage_id": "hybrid_search",
    ...                                 "parameters": {"query": "{{INPUT.query}}", "top_k": 20}}])
    >>> len(pipeline.run({"query": "trail running shoes"}, catalog="marketplace").documents)
    20
    """

    def __init__(self, stages: Sequence[Stage[Any]], parameters: Sequence[Mapping[str, Any]]) -> None:
        self.stages = stages
        self._parameters = parameters
        self._templates = [[name for name, value in own.items() if holds_template(value)] for own in parameters]

    @classmethod
    def from_json(cls, source: str | Path | Sequence[Any]) -> Pipeline:
        """Reads and checks a pipeline.

        Args:
            source: a path, JSON text, or the list itself.

        Raises:
            PipelineError: with the path into the JSON, the value and what is allowed.
        """
        found = parse(source)
        if not isinstance(found, Sequence) or isinstance(found, str | bytes) or not found:
            raise PipelineError(
                "a pipeline is a list of at least one stage", value=found, remedy='Write [{"stage_type": …}]'
            )
        stages, parameters = [], []
        for position, entry in enumerate(found):
            stage, own = read_stage(entry, f"[{position}]")
            if position < len(found) - 1 and isinstance(stage, LearnedRerank):
                raise PipelineError(
                    "a stage that explores comes last: reordering after it would make its logged propensities false",
                    path=f"[{position}].stage_id",
                    value=stage.stage_id,
                    remedy="Move it to the end",
                )
            stages.append(stage)
            parameters.append(own)
        return cls(stages, parameters)

    @classmethod
    def find(cls, name_or_path: str | Path, catalog: str) -> Pipeline:
        """A pipeline file, or one that the project ships for a catalog, by name: `personalized_search`.

        Raises:
            PipelineError: there is neither; the error lists what is shipped.
        """
        shipped = shipped_pipelines(catalog)
        if str(name_or_path) in shipped:
            return cls.from_json(shipped[str(name_or_path)])
        if not is_file(Path(name_or_path)):
            names = ", ".join(shipped) or "none"
            raise PipelineError(
                "no such pipeline", value=str(name_or_path), remedy=f"Give a file; shipped for {catalog!r}: {names}"
            )
        return cls.from_json(Path(name_or_path))

    def to_json(self) -> list[dict[str, Any]]:
        """The pipeline with all defaults filled in."""
        return [
            {"stage_type": stage.stage_type, "stage_id": stage.stage_id, "parameters": dict(parameters)}
            for stage, parameters in zip(self.stages, self._parameters, strict=True)
        ]

    @property
    def learned(self) -> LearnedRerank | None:
        """The learned stage, which comes last, if there is one."""
        return self.stages[-1] if isinstance(self.stages[-1], LearnedRerank) else None

    def before_learning(self) -> Pipeline | None:
        """The stages whose result the learned one receives; None where there are none."""
        count = len(self.stages) - (1 if self.learned else 0)
        return Pipeline(self.stages[:count], self._parameters[:count]) if count else None

    def run(
        self,
        inputs: Mapping[str, Any],
        *,
        catalog: Catalog | str | Path,
        store: Store | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: float | None = None,
        request_id: str | None = None,
        rng: np.random.Generator | int | None = None,
        candidates: Candidates | None = None,
    ) -> Ranking:
        """Ranks for one request.

        Args:
            inputs: what `{{INPUT.name}}` is filled from.
            catalog: a catalog, the name of one, or a path.
            store: models and log; `$LRERANK_HOME` by default.
            context: device, location and the like.
            timestamp: seconds since the epoch; now by default.
            request_id: ties what follows to this ranking; a fresh one by default.
            rng: a generator, or a seed for one; fresh by default.
            candidates: what the first stage starts from; the whole catalog by default.

        Raises:
            LrerankError: bad input, an unknown model, a missing extra; the text names what and the remedy.
        """
        store = store or Store()
        if not isinstance(catalog, Catalog):
            catalog = load_catalog(catalog, data_folders=[store.data], catalogs=store.catalogs)
        request = Request(
            inputs=inputs,
            timestamp=time.time() if timestamp is None else timestamp,
            request_id=request_id or uuid.uuid4().hex,
            context=context or {},
        )
        environment = Environment(catalog, store, np.random.default_rng(rng))
        going = Candidates(np.arange(len(catalog)), np.zeros(len(catalog))) if candidates is None else candidates
        trace, notes, details = [], dict[str, None](), None
        for position, stage in enumerate(self.stages):
            parameters = self._filled(position, inputs)
            started, incoming = time.perf_counter(), len(going)
            try:
                outcome = stage.run(parameters, request, going, environment)
            except LrerankError as error:
                raise error.within(f"[{position}]") from None
            going = outcome.candidates
            trace.append(StageTrace(stage.stage_id, incoming, len(going), (time.perf_counter() - started) * 1000))
            notes.update(dict.fromkeys(outcome.notes))
            details = outcome.details
        if details is not None and details.fallback:
            notes[details.fallback] = None
        documents = _documents(catalog, going, details)
        return Ranking(request, catalog.name, documents, trace, list(notes), going, details)

    def learn(
        self,
        ranking: Ranking,
        *,
        clicks: Sequence[str] = (),
        purchases: Sequence[str] = (),
        store: Store | None = None,
        timestamp: float | None = None,
    ) -> bool:
        """Logs what a ranking showed and what came of it, and learns from it: the next request sees the update.

        Call it once per ranking, when its outcome is known; again, it changes nothing.

        Args:
            clicks, purchases: ids of documents in the ranking.
            store: where it is logged; `$LRERANK_HOME` by default.
            timestamp: of the clicks and purchases; the request's by default.

        Returns:
            Whether it was learned.

        Raises:
            InputError: a document that the ranking did not show.
        """
        shown = {document.document_id: place for place, document in enumerate(ranking.documents)}
        for document_id in (*clicks, *purchases):
            if document_id not in shown:
                raise InputError(
                    "this ranking did not show the document", value=document_id, remedy="Log what was shown"
                )
        impression = ranking.impression()
        if impression is None or ranking.details is None or ranking.details.reranker is None:
            return False
        when = max(ranking.request.timestamp, timestamp or 0.0)
        kinds = [("click", item) for item in dict.fromkeys(clicks)] + [
            ("purchase", item) for item in dict.fromkeys(purchases)
        ]
        outcomes = [
            Interaction(
                interaction_type=kind,
                user_id=impression.user_id,
                document_id=item,
                timestamp=when,
                query=impression.query,
                position=shown[item] + 1,
                request_id=impression.request_id,
                interaction_id=f"{kind}:{impression.request_id}:{item}",
                propensity=impression.propensities[shown[item]],
                model_version=impression.model_version,
                catalog=impression.catalog,
            )
            for kind, item in kinds
        ]
        reranker = ranking.details.reranker
        if reranker.has_learned(impression.request_id):
            return False
        logged = (store or Store()).log.append([impression, *outcomes])
        # Whoever logs a page when it is shown has yet to learn that nothing on it was clicked.
        if logged.refused_opted_out or (outcomes and not logged.added):
            return False
        engaged = [float(document_id in clicks or document_id in purchases) for document_id in impression.shown]
        values = impression.record["values"]
        reranker.learn(impression.record["shared"], impression.record["documents"], engaged, values)
        reranker.remember(impression.request_id)
        return True

    def _filled(self, position: int, inputs: Mapping[str, Any]) -> Parameters:
        stage = self.stages[position]
        own = dict(self._parameters[position])
        for name in self._templates[position]:
            own[name] = fill(own[name], inputs, f"[{position}].parameters.{name}", stage.stage_id)
        try:
            return stage.parameters_type.model_validate(own)
        except ValidationError as error:
            raise refusal(error, f"[{position}].parameters", InputError) from None


def _documents(catalog: Catalog, going: Candidates, details: LearnedDetails | None) -> list[RankedDocument]:
    documents = []
    for slot, (row, score) in enumerate(zip(going.rows.tolist(), going.scores.tolist(), strict=True)):
        learned = None if details is None else _learned(details, slot)
        documents.append(RankedDocument(catalog.ids[row], catalog.content(row), float(score), learned))
    return documents


def _learned(details: LearnedDetails, slot: int) -> dict[str, Any]:
    placed = details.placed
    return {
        "personalization_score": float(placed.scores[slot]) if placed else None,
        "exploration_boost": float(placed.boosts[slot]) if placed else 0.0,
        "user_segment": details.segment,
        "top_features": list(placed.reasons[slot]) if placed else [],
    }
