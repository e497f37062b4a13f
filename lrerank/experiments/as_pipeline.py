"""An arm as a pipeline in JSON, and what of it a pipeline can't say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lrerank.errors import LrerankError
from lrerank.experiments.arm_specs import LearnerSpec, MMRSpec, PlaceboSpec, RerankSpec, RetrievalSpec
from lrerank.experiments.spec import Experiment

MODEL_ID = "search_personalization_v1"
_LEXICAL: dict[str, Any] = {"stage_type": "sort", "stage_id": "rerank", "parameters": {"model": "lexical"}}
# `bag` is in the stage where the strategy is `bag`; other learners may have members as well, and then it names them too.
_IN_STAGE = {"kind", "strategy", "exploration_rate", "exploration_parameters", "features", "bag", "cold_start"}
_OF_MODEL = {"bits", "learning_rate", "power_t", "interactions", "position", "importance", "clip"}


@dataclass(frozen=True, slots=True)
class Exported:
    """What production needs to do as an arm does.

    Attributes:
        stage: the last stage; None where the candidates stay as they are found.
        pipeline: all stages.
        left_out: field of the arm → value: what the stage has no parameter for, where it is not the default or was
            asked for.
    """

    stage: dict[str, Any] | None
    pipeline: list[dict[str, Any]]
    left_out: Mapping[str, Any]

    @property
    def of_model(self) -> dict[str, Any]:
        """What of it belongs to the model and how it is trained."""
        return {name: value for name, value in self.left_out.items() if name in _OF_MODEL}

    @property
    def impossible(self) -> dict[str, Any]:
        """What of it neither the stage nor a model can do: the pipeline ranks otherwise than the arm."""
        return {name: value for name, value in self.left_out.items() if name not in _OF_MODEL}


def as_pipeline(experiment: Experiment, arm: str, model_id: str = MODEL_ID, asked: Collection[str] = ()) -> Exported:
    """The pipeline that ranks as this arm does, once its model is trained.

    Args:
        model_id: which model the stage names.
        asked: fields of the arm to speak of in any case: those that were swept.

    Raises:
        LrerankError: no stage ranks as this arm does.
    """
    spec = experiment.arms[arm]
    before = experiment.world.stages()
    left_out: dict[str, Any] = {}
    if isinstance(spec, PlaceboSpec):
        remedy = "Choose the learned arm that it is there to be compared with"
        raise LrerankError("no stage ranks as a placebo does", path=f"arms.{arm}", value=spec.kind, remedy=remedy)
    if isinstance(spec, LearnerSpec):
        stage: dict[str, Any] | None = spec.stage(model_id, experiment.slots)
        defaults = {name: field.default for name, field in LearnerSpec.model_fields.items()}
        given = {name: value for name, value in spec.model_dump().items() if name not in _IN_STAGE}
        left_out = {name: value for name, value in given.items() if value != defaults[name] or name in asked}
        if spec.after == "rerank":
            before = [*before, _LEXICAL]
        if spec.after not in ("popularity", "ltr"):
            left_out.pop("after", None)
    elif isinstance(spec, RerankSpec) and spec.method == "lexical":
        stage = {**_LEXICAL, "parameters": {**_LEXICAL["parameters"], "top_n": experiment.slots}}
    elif isinstance(spec, MMRSpec):
        parameters = {"lambda": spec.weight, "top_n": experiment.slots}
        stage = {"stage_type": "sort", "stage_id": "mmr", "parameters": parameters}
    elif isinstance(spec, RetrievalSpec):
        stage = None
    else:
        remedy = "Choose an arm that learns, rerank (lexical), mmr or retrieval"
        raise LrerankError("no stage ranks as this arm does", path=f"arms.{arm}", value=spec.kind, remedy=remedy)
    return Exported(stage, before if stage is None else [*before, stage], left_out)
