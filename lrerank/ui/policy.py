"""The setting of the learned reranker that travels from page to page: what one would ship."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from pydantic import ValidationError

from lrerank.errors import InputError
from lrerank.experiments.arm_specs import LearnedSpec, LearnerSpec
from lrerank.exploration import Exploration, Strategy
from lrerank.stages.learned_rerank import ExplorationParameters, LearnedRerankParameters

_BAG = ExplorationParameters().bag


@dataclass(frozen=True, slots=True)
class Policy:
    """How to rank, as far as the stage's parameters say it.

    Attributes:
        features: paths of document fields; None = all ("auto").
        cold_start_after: engagements a user needs before the model ranks.
        temperature, gamma, bag: of `softmax`, `squarecb` and `bag`; those of other strategies are ignored.
        origin: where it comes from, for people: "the stage's defaults", "the sweep of 23 Nov".
    """

    exploration_rate: float = 0.1
    strategy: Strategy = "epsilon_greedy"
    features: tuple[str, ...] | None = None
    fallback: Literal["rerank", "mmr"] = "rerank"
    cold_start_after: int = 2
    temperature: float = Exploration().temperature
    gamma: float = Exploration().gamma
    bag: int = _BAG
    origin: str = "the stage's defaults"

    def parameters(self, model_id: str, top_n: int = 10) -> dict[str, Any]:
        """The stage's parameters; those that are the contract's defaults and rarely set are left out."""
        found: dict[str, Any] = {"model_id": model_id, "user_id": "{{INPUT.user_id}}"}
        found["features"] = "auto" if self.features is None else list(self.features)
        found |= {"top_n": top_n, "exploration_rate": self.exploration_rate, "fallback": self.fallback}
        if self.strategy != "epsilon_greedy":
            found["exploration"] = self.strategy
        if self.strategy == "softmax":
            found["exploration_parameters"] = {"temperature": self.temperature}
        elif self.strategy == "squarecb":
            found["exploration_parameters"] = {"gamma": self.gamma}
        elif self.strategy == "bag":
            found["exploration_parameters"] = {"bag": self.bag}
        if self.cold_start_after != 2:
            found["cold_start_after"] = self.cold_start_after
        return found

    def arm_values(self, arm: str = "learned") -> dict[str, Any]:
        """The same for `Experiment.with_values`."""
        return {f"arms.{arm}.{name}": value for name, value in self._of_arm().items()}

    def lost(self, spec: LearnerSpec) -> dict[str, Any]:
        """What an arm is and this policy, taken from it, can't say: field → value."""
        back = _as_simulated(LearnedSpec(kind="learned", **self._of_arm()))
        return {name: value for name, value in _as_simulated(spec).items() if value != back[name]}

    def to_query(self) -> str:
        """For an address: what differs from the defaults, as JSON."""
        changed = {field.name: getattr(self, field.name) for field in fields(self)}
        usual = asdict(Policy())
        return json.dumps({name: value for name, value in changed.items() if value != usual[name]}, ensure_ascii=False)

    @classmethod
    def from_query(cls, text: str) -> Policy:
        """From an address.

        Raises:
            InputError: it is no policy.
        """
        try:
            given = json.loads(text)
            parameters = cls(**{**given, "features": tuple(given["features"]) if given.get("features") else None})
            # The stage's own rules say what is allowed.
            found = cls.from_parameters(
                {**parameters.parameters("any"), "cold_start_after": parameters.cold_start_after},
                origin=str(parameters.origin),
            )
            # Half a surrogate pair, which JSON escapes allow, can stand in no address.
            found.to_query().encode()
        except (ValueError, TypeError, AttributeError, RecursionError, ValidationError):
            remedy = "Open the page without it, and set the policy there"
            raise InputError("this address holds no policy", path="policy", value=text[:120], remedy=remedy) from None
        return found

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any], origin: str) -> Policy:
        """From a stage's parameters.

        Raises:
            pydantic.ValidationError: they are not the stage's.
        """
        found = LearnedRerankParameters.model_validate(dict(parameters))
        fallback = found.fallback if isinstance(found.fallback, str) else found.fallback.stage_id
        return cls(
            exploration_rate=found.exploration_rate,
            strategy=found.exploration,
            features=None if found.features == "auto" else tuple(found.features),
            fallback=fallback,
            cold_start_after=found.cold_start_after,
            temperature=found.exploration_parameters.temperature,
            gamma=found.exploration_parameters.gamma,
            bag=found.exploration_parameters.bag,
            origin=origin,
        )

    @classmethod
    def of_arm(cls, spec: LearnerSpec, origin: str) -> Policy:
        """Of an experiment's arm."""
        return cls.from_parameters(spec.stage("any", 10)["parameters"], origin)

    def _of_arm(self) -> dict[str, Any]:
        """Fields of an arm."""
        found: dict[str, Any] = {
            "strategy": self.strategy,
            "exploration_rate": self.exploration_rate,
            "features": "auto" if self.features is None else list(self.features),
            "cold_start": {"fallback": self.fallback, "threshold": self.cold_start_after},
            "exploration_parameters": {"temperature": self.temperature, "gamma": self.gamma},
        }
        # The usual number follows from the strategy, also where a sweep tries others.
        if self.strategy == "bag" and self.bag != _BAG:
            found["bag"] = self.bag
        return found


def _as_simulated(spec: LearnerSpec) -> dict[str, Any]:
    """Fields of an arm, with numbers for what was left out."""
    found = spec.model_dump(exclude={"kind"})
    knobs = {name: value for name, value in spec.knobs().items() if name != "bag"}
    numbers = {"exploration_parameters": knobs, "bag": spec.learner().bag}
    return found | numbers | {"cold_start": (spec.cold_start_after, spec.cold_start.fallback)}
