"""`learned_rerank`: personalized order from a model that learns online, with exact propensities and reasons."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from lrerank.attribution import Contributions, top_features
from lrerank.deployment import Deployment, deploy
from lrerank.errors import PipelineError
from lrerank.exploration import Exploration, Strategy
from lrerank.reranker import Block, Judged, LearnedReranker
from lrerank.stages.base import Environment, Outcome, Parameters, Stage
from lrerank.stages.mmr import MMR
from lrerank.stages.rerank import Rerank
from lrerank.types import BoolArray, Candidates, FloatArray, IntArray, Request, Slate

FALLBACKS: Mapping[str, type[Stage[Any]]] = {"rerank": Rerank, "mmr": MMR}
_REASONS = 3


class ExplorationParameters(Parameters):
    """Knobs of single strategies; those of other strategies are ignored."""

    temperature: Annotated[float, Field(gt=0)] = Exploration().temperature
    gamma: Annotated[float, Field(gt=0)] = Exploration().gamma
    bag: Annotated[int, Field(ge=2, le=32)] = 5


class Fallback(Parameters):
    stage_id: Literal["rerank", "mmr"]
    parameters: dict[str, Any] = Field(default_factory=dict)


class LearnedRerankParameters(Parameters):
    """The parameters of the stage contract."""

    model_id: Annotated[str, Field(min_length=1)]
    user_id: str = "{{INPUT.user_id}}"
    features: Literal["auto"] | Annotated[list[str], Field(min_length=1)] = "auto"
    top_n: Annotated[int, Field(ge=1)] = 10
    exploration_rate: Annotated[float, Field(ge=0, le=1)] = 0.1
    fallback: Literal["rerank", "mmr"] | Fallback = "rerank"
    exploration: Strategy = "epsilon_greedy"
    exploration_parameters: ExplorationParameters = ExplorationParameters()
    explore_from_slot: Annotated[int, Field(ge=1)] = 1
    explore_pool: Annotated[int, Field(ge=1)] | None = None
    timeout_ms: Annotated[float, Field(gt=0)] | None = None
    cold_start_after: Annotated[int, Field(ge=0)] = 2

    @field_validator("fallback")
    @classmethod
    def _whole(cls, fallback: str | Fallback) -> str | Fallback:
        """A fallback's own parameters are checked when the pipeline is read, not when the first cold user comes."""
        if isinstance(fallback, Fallback):
            FALLBACKS[fallback.stage_id].parameters_type.model_validate(fallback.parameters)
        return fallback

    def explorer(self) -> Exploration:
        own = self.exploration_parameters
        return Exploration(
            strategy=self.exploration,
            rate=self.exploration_rate,
            temperature=own.temperature,
            gamma=own.gamma,
            from_slot=self.explore_from_slot,
            pool=self.explore_pool,
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """Why the model's documents stand where they stand; all lists run over the slots.

    Attributes:
        scores: personalization_score, the estimated probability of engagement, averaged over the positions that the
            model learned from: at the top of the page more engage than that, at its end fewer.
        boosts: exploration_boost, the best remaining score minus the placed one's where the slot was explored.
        values: the model's values.
        reasons: the document features that lift it above the other candidates, largest first.
        chosen: positions among the stage's candidates.
        contributions, judged: everything behind it, over all candidates.
    """

    scores: FloatArray
    boosts: FloatArray
    values: FloatArray
    reasons: Sequence[Sequence[str]]
    contributions: Contributions
    judged: Judged


@dataclass(frozen=True, slots=True)
class LearnedDetails:
    """What the stage says beyond the order.

    Attributes:
        user_id: whom it ranked for.
        model: `model_id@version`.
        propensities: per slot; 1 where the order was certain (fallback, timeout).
        explored: per slot.
        segment: inferred from behaviour; None for a user who opted out.
        fallback: why another stage ranked, or None.
        timed_out: the incoming order came back.
        supported: how many candidates exploration could reach, or None without a pool.
        placed: present where the model ranked.
        reranker, block, chosen: the model, all candidates as it saw them, and the places of those shown: what learning
            from this ranking needs; absent where nothing may be learned.
    """

    user_id: str
    model: str
    propensities: FloatArray
    explored: BoolArray
    segment: str | None
    fallback: str | None = None
    timed_out: bool = False
    supported: int | None = None
    placed: Placed | None = None
    reranker: LearnedReranker | None = field(default=None, repr=False)
    block: Block | None = field(default=None, repr=False)
    chosen: Sequence[int] = ()


@dataclass(frozen=True)
class LearnedRerank(Stage[LearnedRerankParameters]):
    """Keeps the models it has loaded, so that only the first request pays for loading."""

    stage_id: ClassVar[str] = "learned_rerank"
    stage_type: ClassVar[Literal["sort"]] = "sort"
    parameters_type: ClassVar[type[LearnedRerankParameters]] = LearnedRerankParameters

    # By store, model and catalog, with the stamp under which the version was current.
    _deployments: dict[tuple[Path, str, str], tuple[tuple[int, int] | None, Deployment]] = field(
        default_factory=dict, repr=False
    )

    def run(
        self, parameters: LearnedRerankParameters, request: Request, candidates: Candidates, environment: Environment
    ) -> Outcome:
        started = time.perf_counter()
        deployment = self.deployment(parameters.model_id, environment)
        user_id, top_n = parameters.user_id, parameters.top_n
        log, reranker = environment.store.log, deployment.reranker
        opted_out = bool(user_id) and log.is_opted_out(user_id)
        known = log.pseudonym(user_id) if user_id and not opted_out else None
        profile = reranker.behaviour.profiles.get(known) if known else None
        late = _Deadline(started, parameters.timeout_ms)
        if late():
            return self._time_out(parameters, candidates, deployment, user_id)
        query = str(request.inputs.get("query", ""))
        block = reranker.assemble(
            candidates.rows, candidates.scores, known, request.context, request.timestamp, query=query
        )
        block = deployment.restrict(block, parameters.features)
        if opted_out:
            cold = "the user opted out"
        elif profile is None:
            cold = "the user is unknown"
        elif profile.engaged < parameters.cold_start_after:
            cold = f"cold start, {profile.engaged} of {parameters.cold_start_after} engagements"
        else:
            cold = ""
        if cold:
            learnable = None if known is None else block
            return self._fall_back(parameters, request, candidates, environment, deployment, cold, learnable)
        notes = deployment.notes(parameters.features)
        if late():
            return self._time_out(parameters, candidates, deployment, user_id)
        judged = reranker.judge(block)
        explorer = parameters.explorer()
        if explorer.strategy == "bag" and len(judged.members) == 1:
            raise PipelineError(
                f"model {deployment.reference} has no bag",
                path="parameters.exploration",
                value="bag",
                remedy="Train it with exploration 'bag' in its pipeline, or choose another strategy",
            )
        slate = reranker.draw(judged, candidates.scores, top_n, explorer, environment.rng)
        contributions = reranker.explain(judged)
        if late():
            return self._time_out(parameters, candidates, deployment, user_id)
        placed = _placed(reranker, block, judged, contributions, slate, candidates.rows)
        details = LearnedDetails(
            user_id=user_id,
            model=deployment.reference,
            propensities=slate.propensities,
            explored=slate.explored,
            segment=block.segment,
            supported=None if explorer.pool is None else min(explorer.pool, len(candidates)),
            placed=placed,
            reranker=reranker,
            block=block,
            chosen=slate.order.tolist(),
        )
        return Outcome(candidates.take(slate.order), notes, details)

    def deployment(self, model_id: str, environment: Environment) -> Deployment:
        """The current version of a model at work on this catalog, in step with the log."""
        models = environment.store.models
        key, stamp = (environment.store.home, model_id, environment.catalog.fingerprint), models.stamp(model_id)
        known = self._deployments.get(key)
        if known is None or stamp is None or known[0] != stamp:
            version = models.current(model_id)
            if known is None or known[1].reference != version.reference:
                known = stamp, deploy(version, environment.catalog)
            self._deployments[key] = known = stamp, known[1]
        deployment = known[1]
        deployment.catch_up(environment.store.log)
        return deployment

    def _fall_back(
        self,
        parameters: LearnedRerankParameters,
        request: Request,
        candidates: Candidates,
        environment: Environment,
        deployment: Deployment,
        reason: str,
        learnable: Block | None,
    ) -> Outcome:
        fallback = (
            parameters.fallback if isinstance(parameters.fallback, Fallback) else Fallback(stage_id=parameters.fallback)
        )
        stage = FALLBACKS[fallback.stage_id]()
        own = stage.parameters_type.model_validate({"top_n": parameters.top_n, **fallback.parameters})
        outcome = stage.run(own, request, candidates, environment)
        # `score` is the relevance this stage received, whoever ranks.
        place_of = {row: place for place, row in enumerate(candidates.rows.tolist())}
        chosen = [place_of[row] for row in outcome.candidates.rows[: parameters.top_n].tolist()]
        kept = candidates.take(np.array(chosen, np.int64))
        details = LearnedDetails(
            user_id=parameters.user_id,
            model=deployment.reference,
            propensities=np.ones(len(kept)),
            explored=np.zeros(len(kept), bool),
            segment=None if learnable is None else learnable.segment,
            fallback=f"{fallback.stage_id} ranked: {reason}",
            reranker=deployment.reranker,
            block=learnable,
            chosen=chosen,
        )
        return Outcome(kept, outcome.notes, details)

    def _time_out(
        self, parameters: LearnedRerankParameters, candidates: Candidates, deployment: Deployment, user_id: str
    ) -> Outcome:
        kept = candidates.take(np.arange(min(parameters.top_n, len(candidates))))
        details = LearnedDetails(
            user_id=user_id,
            model=deployment.reference,
            propensities=np.ones(len(kept)),
            explored=np.zeros(len(kept), bool),
            segment=None,
            timed_out=True,
        )
        note = f"learned_rerank ran out of its {parameters.timeout_ms:g} ms; the incoming order came back"
        return Outcome(kept, (note,), details)


def _placed(
    reranker: LearnedReranker,
    block: Block,
    judged: Judged,
    contributions: Contributions,
    slate: Slate,
    rows: IntArray,
) -> Placed:
    scores = reranker.engagement_probability(judged.values)
    boosts = np.zeros(len(slate.order))
    open_places = np.ones(len(scores), bool)
    for slot, chosen in enumerate(slate.order):
        if slate.explored[slot]:
            boosts[slot] = scores[open_places].max() - scores[chosen]
        open_places[chosen] = False
    own = contributions.centred[slate.order, : contributions.documents_own]
    reasons = [
        [reranker.label(feature, block, judged, int(chosen), int(rows[chosen])) for feature in features]
        for chosen, features in zip(slate.order, top_features(own, _REASONS), strict=True)
    ]
    return Placed(scores[slate.order], boosts, judged.values[slate.order], reasons, contributions, judged)


class _Deadline:
    """Cooperative: asked between steps, never interrupts one."""

    def __init__(self, started: float, timeout_ms: float | None) -> None:
        self._end = float("inf") if timeout_ms is None else started + timeout_ms / 1000

    def __call__(self) -> bool:
        return time.perf_counter() > self._end
