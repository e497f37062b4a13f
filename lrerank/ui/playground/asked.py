"""What is set on the page "Rank one request", as a pipeline, as a command, and in plain words."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrerank.exploration import Strategy
from lrerank.ui.demo import BEFORE_LEARNING, MODEL_ID

SLOTS = 10

STRATEGIES: dict[Strategy, str] = {
    "epsilon_greedy": "Epsilon-greedy",
    "softmax": "Softmax",
    "squarecb": "SquareCB",
    "greedy": "Greedy (never explores)",
    "uniform": "Uniform (always explores)",
}
"""Strategy → how people read it. `bag` is missing: it needs a model that was trained with bootstraps."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and how to rank it.

    Attributes:
        features: the document features the model may look at; None for all.
        seed: of the draw.
    """

    world: str
    user_id: str
    query: str
    exploration_rate: float = 0.1
    strategy: Strategy = "epsilon_greedy"
    features: Sequence[str] | None = None
    seed: int = 1

    def pipeline(self) -> list[dict[str, Any]]:
        """The stages as JSON, without defaults."""
        parameters: dict[str, Any] = {"model_id": MODEL_ID, "user_id": "{{INPUT.user_id}}"}
        if self.features is not None:
            parameters["features"] = list(self.features)
        parameters |= {"top_n": SLOTS, "exploration_rate": self.exploration_rate, "fallback": "rerank"}
        if self.strategy != "epsilon_greedy":
            parameters["exploration"] = self.strategy
        learned = {"stage_type": "sort", "stage_id": "learned_rerank", "parameters": parameters}
        return [*BEFORE_LEARNING, learned]

    def pipeline_text(self) -> str:
        """The stages as one would keep them in a file: a parameter list on a line."""
        stages = []
        for stage in self.pipeline():
            inner = ",\n".join(
                f"      {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
                for name, value in stage["parameters"].items()
            )
            head = [f'    "{name}": {json.dumps(stage[name])},\n' for name in ("stage_type", "stage_id")]
            stages.append(f'  {{\n{"".join(head)}    "parameters": {{\n{inner}\n    }}\n  }}')
        return "[\n" + ",\n".join(stages) + "\n]"

    def command(self, home: Path) -> str:
        """The shell command that ranks the same request, given the pipeline as `pipeline.json`.

        Args:
            home: of the demo store.
        """
        parts = [
            f"LRERANK_HOME={shlex.quote(str(home))} LRERANK_ORGANISATION=demo lrerank rank",
            f"--pipeline pipeline.json --catalog {self.world} --seed {self.seed} --explain",
            f"--input query={shlex.quote(self.query)}",
            f"--input user_id={shlex.quote(self.user_id)}",
        ]
        return " \\\n  ".join(parts)

    def pages_explored(self) -> str:
        """How many result pages hold an explored slot: people read the rate as this share, and it is far larger."""
        if self.strategy == "uniform":
            return "Every slot is drawn at random"
        if self.strategy == "greedy" or (self.strategy == "epsilon_greedy" and self.exploration_rate == 0):
            return "No result page contains an explored slot"
        share = share_of_pages(self.exploration_rate)
        if self.strategy == "epsilon_greedy":
            return f"{percent(share)} of result pages contain an explored slot"
        return f"At least {percent(share)} of result pages contain an explored slot; the strategy explores on top"


def share_of_pages(rate: float, slots: int = SLOTS) -> float:
    """The share of pages on which at least one of so many slots is drawn at random: 1 − (1 − rate)^slots."""
    return 1.0 - (1.0 - rate) ** slots


def percent(share: float) -> str:
    """A share for people: never 100 % where something is left, never 0 % where something is."""
    if 0 < share < 0.005:
        return "less than 1 %"
    if 0.995 <= share < 1:
        return "more than 99 %"
    return f"{share:.0%}".replace("%", " %")
