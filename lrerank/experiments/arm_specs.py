"""The arms of an experiment as they are written down; `lrerank.experiments.arms` runs them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator

from lrerank.experiments.spec_text import Part, refused
from lrerank.exploration import Exploration, Strategy
from lrerank.features import Interactions
from lrerank.vw import LearnerOptions

_BAG_MEMBERS = 5


def listed(value: Any) -> Any:
    """TOML arrays arrive as lists; strict tuples refuse lists, and a spec must not change later."""
    return tuple(value) if isinstance(value, list) else value


class ExplorationSpec(Part):
    """Knobs of single strategies, as in the stage; those of other strategies are ignored."""

    temperature: Annotated[float, Field(gt=0)] = Exploration().temperature
    gamma: Annotated[float, Field(gt=0)] = Exploration().gamma


class ColdStartSpec(Part):
    """Who ranks for users of whom little is known.

    Attributes:
        threshold: clicks or purchases a user needs before the model ranks; by default 2 as in the stage, and 0 for
            models without a user side, to which nobody is a stranger.
        fallback: who ranks until then: the static `rerank` (lexical), or `mmr`.
    """

    threshold: Annotated[int, Field(ge=0)] | None = None
    fallback: Literal["rerank", "mmr"] = "rerank"


class LearnerSpec(Part):
    """What learned, pooled and placebo arms share.

    Attributes:
        strategy, exploration_rate, exploration_parameters: as in the stage.
        features: field paths the model may look at, or "auto".
        user_side: whether it sees who asks: profile, segment, likes.
        incoming: whether it sees the incoming score and rank.
        context: whether it sees device, location and time.
        bits, learning_rate, power_t: Vowpal Wabbit's.
        interactions: which document fields are crossed with what is known of user and moment: the `topic` (the field
            that names segments), `all`, or `none`.
        bag: bootstrap members; by default 5 where the strategy is `bag`, else 1.
        cold_start: who ranks for strangers.
        after: whose score and order it sees as incoming: that of the filter stages (`retrieval`), of a static lexical
            `rerank` behind them, of `popularity`, or of `ltr` (trained nightly), both as the arms of that kind and kept
            beside it on its own clicks.
        position: how it is kept from taking what is on top for liked: the position as a `feature` while learning
            (constant while ranking), rewards weighted by `examination`, or not at all.
        importance: weights by 1 / `propensity`, or none.
        clip: propensities below it count as it.
    """

    strategy: Strategy = "epsilon_greedy"
    exploration_rate: Annotated[float, Field(ge=0, le=1)] = 0.1
    exploration_parameters: ExplorationSpec = ExplorationSpec()
    features: Annotated[Literal["auto"] | tuple[str, ...], BeforeValidator(listed)] = "auto"
    user_side: bool = True
    incoming: bool = True
    context: bool = True
    bits: Annotated[int, Field(ge=10, le=28)] = LearnerOptions().bits
    learning_rate: Annotated[float, Field(gt=0, le=100)] = LearnerOptions().learning_rate
    power_t: Annotated[float, Field(ge=0, le=1)] = LearnerOptions().power_t
    interactions: Interactions = "topic"
    bag: Annotated[int, Field(ge=1, le=32)] | None = None
    cold_start: ColdStartSpec = ColdStartSpec()
    after: Literal["retrieval", "rerank", "popularity", "ltr"] = "rerank"
    position: Literal["feature", "examination", "none"] = "feature"
    importance: Literal["none", "propensity"] = "none"
    clip: Annotated[float, Field(gt=0, le=1)] = 0.1

    @field_validator("features", mode="before")
    @classmethod
    def _names_features(cls, found: Any) -> Any:
        names = isinstance(found, list | tuple) and found and all(isinstance(each, str) and each for each in found)
        if found != "auto" and not names:
            raise refused("not allowed", value=found, remedy='Use "auto", or a list of field paths')
        if names and len(set(found)) < len(found):
            raise refused("a feature is named twice", value=found, remedy="Name it once")
        return found

    @model_validator(mode="after")
    def _has_a_bag(self) -> Self:
        if self.strategy == "bag" and self.bag == 1:
            raise refused(
                "the strategy bag needs members", path="bag", value=1, remedy="Use 2 or more, or leave it out"
            )
        return self

    @property
    def cold_start_after(self) -> int:
        """Engagements a user needs before the model ranks; 0 = the model ranks for everybody."""
        given = self.cold_start.threshold
        return given if given is not None else (2 if self.user_side else 0)

    def learner(self, seed: int = 0) -> LearnerOptions:
        """What Vowpal Wabbit is started with."""
        members = self.bag or (_BAG_MEMBERS if self.strategy == "bag" else 1)
        return LearnerOptions(self.bits, self.learning_rate, self.power_t, members, seed)

    def explorer(self) -> Exploration:
        """How its lists are drawn."""
        own = self.exploration_parameters
        return Exploration(self.strategy, self.exploration_rate, temperature=own.temperature, gamma=own.gamma)

    def stage(self, model_id: str, top_n: int) -> dict[str, Any]:
        """The stage of a pipeline that ranks as this arm does.

        The stage always sees the incoming score, the moment and the user: what was ablated is not part of it.
        """
        parameters: dict[str, Any] = {
            "model_id": model_id,
            "features": "auto" if self.features == "auto" else list(self.features),
            "top_n": top_n,
            "exploration": self.strategy,
            "exploration_rate": self.exploration_rate,
            "fallback": self.cold_start.fallback,
            "cold_start_after": self.cold_start_after,
        }
        if knobs := self.knobs():
            parameters["exploration_parameters"] = knobs
        return {"stage_type": "sort", "stage_id": "learned_rerank", "parameters": parameters}

    def knobs(self) -> dict[str, Any]:
        """The stage's exploration_parameters: those that this strategy reads, and how many members a bag has."""
        name = {"softmax": "temperature", "squarecb": "gamma"}.get(self.strategy)
        found: dict[str, Any] = {} if name is None else {name: getattr(self.exploration_parameters, name)}
        members = self.learner().bag
        return found | {"bag": members} if members > 1 else found


class LearnedSpec(LearnerSpec):
    """The learned reranker."""

    kind: Literal["learned"]


class PooledSpec(LearnerSpec):
    """A learner without user side: what everybody's clicks teach."""

    kind: Literal["pooled"]
    user_side: Literal[False] = False


class PlaceboSpec(LearnerSpec):
    """The learned reranker with the users of all requests shuffled: as much to learn from, and nobody known.

    More columns alone change how a model learns. What a learned arm has above the placebo of the same settings is
    personal, and that users tire of a topic is part of it: the placebo sees nobody tire.
    """

    kind: Literal["placebo"]
    user_side: Literal[True] = True


class RerankSpec(Part):
    """Static relevance, the same for every user.

    Attributes:
        method: `lexical`, or `ltr`: LambdaMART on pooled clicks.
        retrain: `never` = on the log before the start only; `nightly` = each night on all clicks so far.
    """

    kind: Literal["rerank"]
    method: Literal["lexical", "ltr"] = "lexical"
    retrain: Literal["never", "nightly"] = "never"

    @model_validator(mode="after")
    def _learns_if_retrained(self) -> Self:
        if self.retrain == "nightly" and self.method == "lexical":
            remedy = 'Use method = "ltr", or leave retrain out'
            raise refused("lexical relevance learns nothing", path="retrain", value="nightly", remedy=remedy)
        return self


class PopularitySpec(Part):
    """Documents by their clicks so far, of everybody or of the user's inferred segment."""

    kind: Literal["popularity"]
    by: Literal["overall", "segment"] = "overall"


class MMRSpec(Part):
    """Maximal marginal relevance; `lambda` as in the stage: 0 = diversity only, 1 = relevance only."""

    kind: Literal["mmr"]
    weight: Annotated[float, Field(alias="lambda", ge=0, le=1)] = 0.5


class RetrievalSpec(Part):
    """The candidates in the order of the filter stages."""

    kind: Literal["retrieval"]


class UniformSpec(Part):
    """Every order alike likely."""

    kind: Literal["uniform"]


ArmSpec: TypeAlias = Annotated[
    LearnedSpec | PooledSpec | PlaceboSpec | RerankSpec | PopularitySpec | MMRSpec | RetrievalSpec | UniformSpec,
    Field(discriminator="kind"),
]
