"""The pipeline that the playground runs, as JSON: made from the chosen policy, and read back when somebody edits it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lrerank.errors import LrerankError, PipelineError
from lrerank.pipeline import Pipeline
from lrerank.ui.demo import BEFORE_LEARNING, MODEL_ID
from lrerank.ui.playground.json_lines import line_of
from lrerank.ui.policy import Policy

SLOTS = 10
# What a policy says of the stage; everything else is kept as it was written.
_OF_POLICY = frozenset(
    {"model_id", "user_id", "features", "exploration_rate", "exploration", "exploration_parameters", "cold_start_after"}
)
_LINE = re.compile(r"Line (\d+): ")
_USER = "{{INPUT.user_id}}"


@dataclass(frozen=True, slots=True)
class Stages:
    """What a pipeline says beside the policy.

    Attributes:
        before: the stages whose result learned_rerank receives, as JSON.
        more: learned_rerank's parameters that no control sets: `top_n`, `explore_pool` and the like.
    """

    before: Sequence[Mapping[str, Any]] = BEFORE_LEARNING
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def slots(self) -> int:
        """Length of the lists."""
        return int(self.more.get("top_n", SLOTS))

    def pipeline(self, policy: Policy) -> list[dict[str, Any]]:
        """All stages as JSON."""
        more = dict(self.more)
        if "fallback" in more and more["fallback"]["stage_id"] != policy.fallback:
            del more["fallback"]
        parameters = {**policy.parameters(MODEL_ID, self.slots), **more}
        learned = {"stage_type": "sort", "stage_id": "learned_rerank", "parameters": parameters}
        return [*(dict(stage) for stage in self.before), learned]

    def text(self, policy: Policy) -> str:
        """All stages as one would keep them in a file: a parameter on a line."""
        stages = []
        for stage in self.pipeline(policy):
            inner = ",\n".join(
                f"      {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
                for name, value in stage.get("parameters", {}).items()
            )
            head = "".join(f'    "{name}": {json.dumps(stage[name])},\n' for name in ("stage_type", "stage_id"))
            own = f"{{\n{inner}\n    }}" if inner else "{}"
            stages.append(f'  {{\n{head}    "parameters": {own}\n  }}')
        return "[\n" + ",\n".join(stages) + "\n]"


def read(text: str) -> tuple[Policy, Stages]:
    """What an edited pipeline says.

    Raises:
        PipelineError: it can't be run here; the sentence begins with the line.
    """
    try:
        return _read(text)
    except LrerankError as error:
        path = error.path
        if error.message == "unknown key":  # the error says in which object, and its value is the key
            path += f".{error.value}"
        line = line_of(text, path)
        raise PipelineError(f"Line {line}: {str(error)[:-1]}" if line else str(error)[:-1]) from None


def _read(text: str) -> tuple[Policy, Stages]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        remedy = f"Mend it at column {error.colno}"
        raise PipelineError(f"Line {error.lineno}: this is not JSON, {error.msg}", remedy=remedy) from None
    except (ValueError, RecursionError) as error:
        raise PipelineError(f"this is not JSON: {error}", remedy="Mend it") from None
    if not isinstance(found, list):
        raise PipelineError("a pipeline is a list of stages", value=text[:40], remedy="Write [ … ] around them")
    # The text again, not what was found: only the text shows a key that is there twice.
    pipeline = Pipeline.from_json(text)
    last = f"[{len(found) - 1}]"
    if pipeline.learned is None:
        raise PipelineError(
            "the playground compares other orders with learned_rerank, which is not there",
            path=f"{last}.stage_id",
            value=pipeline.stages[-1].stage_id,
            remedy="Add it as the last stage",
        )
    if len(found) == 1 or pipeline.stages[0].stage_type != "filter":
        raise PipelineError(
            "nothing is searched before this stage",
            path="[0].stage_id",
            value=pipeline.stages[0].stage_id,
            remedy="Begin with hybrid_search, semantic_search or structured_filter",
        )
    given = found[-1]["parameters"]
    for name, allowed in (("model_id", MODEL_ID), ("user_id", _USER)):
        if name in given and given[name] != allowed:
            remedy = f'Write "{allowed}" here; the pipeline that you ship may name another'
            path = f"{last}.parameters.{name}"
            raise PipelineError("the playground can't take another one", path=path, value=given[name], remedy=remedy)
    if given.get("exploration") == "bag":
        raise PipelineError(
            "the playground's model was not trained with bootstraps",
            path=f"{last}.parameters.exploration",
            value="bag",
            remedy="Use epsilon_greedy, softmax, squarecb, greedy or uniform",
        )
    policy = Policy.from_parameters(given, origin="the JSON of the playground")
    more = {name: value for name, value in given.items() if name not in _OF_POLICY}
    if isinstance(more.get("fallback"), str):
        del more["fallback"]
    if more.get("top_n") == SLOTS:
        del more["top_n"]
    return policy, Stages(tuple(found[:-1]), more)


def line_told(text: str, error: LrerankError) -> str:
    """The line of the text that an error of `read` names, with its number; "" where it names none."""
    named = _LINE.match(str(error))
    lines = text.split("\n")
    if named is None or int(named[1]) > len(lines):
        return ""
    return f"{named[1]}  {lines[int(named[1]) - 1].strip()}"


def same_setting(one: Policy, other: Policy) -> bool:
    """Whether two policies rank alike, wherever they come from."""
    return replace(one, origin="") == replace(other, origin="")
