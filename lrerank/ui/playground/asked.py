"""What is set on the playground: one request and how to rank it, also as a command and in plain words."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrerank.exploration import Strategy
from lrerank.ui.playground.stages import SLOTS, Stages
from lrerank.ui.policy import Policy

STRATEGIES: dict[Strategy, str] = {
    "epsilon_greedy": "Epsilon-greedy",
    "softmax": "Softmax",
    "squarecb": "SquareCB",
    "greedy": "Greedy (never explores)",
    "uniform": "Uniform (always explores)",
}
"""Strategy → how people read it. `bag` is missing: it needs a model that was trained with bootstraps."""

NO_BAG = (
    "The strategy Bag draws one of several models for each page, and the playground has only one. Simulate and Tune train "
    "their own, and can use it."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and how to rank it.

    Attributes:
        stages: what the pipeline says beside the policy.
        seed: of the draw.
    """

    world: str
    user_id: str
    query: str
    policy: Policy = field(default_factory=Policy)
    seed: int = 1
    stages: Stages = field(default_factory=Stages)

    def pipeline(self) -> list[dict[str, Any]]:
        """The stages as JSON."""
        return self.stages.pipeline(self.policy)

    def pipeline_text(self) -> str:
        """The stages as one would keep them in a file."""
        return self.stages.text(self.policy)

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


def strategy_label(strategy: str) -> str:
    """How people read it, `bag` as well."""
    return next((label for name, label in STRATEGIES.items() if name == strategy), strategy.capitalize())


def pages_explored(policy: Policy, slots: int = SLOTS) -> str:
    """How many result pages hold an explored slot: people read the rate as this share, and it is far larger."""
    if policy.strategy == "uniform":
        return "Every slot is drawn at random"
    if policy.strategy == "greedy" or (policy.strategy == "epsilon_greedy" and policy.exploration_rate == 0):
        return "No result page contains an explored slot"
    share = share_of_pages(policy.exploration_rate, slots)
    if policy.strategy == "epsilon_greedy":
        return f"{percent(share)} of result pages contain an explored slot"
    return f"At least {percent(share)} of result pages contain an explored slot; the strategy explores on top"


def clicks_until_the_model(needed: int) -> str:
    """Who ranks for a new visitor, and until when."""
    if not needed:
        return "The model ranks from a new visitor's second page on, clicked or not."
    first = "first click is" if needed == 1 else f"first {needed} clicks are"
    return f"A new visitor's {first} on the fallback's list; then the model ranks."


def fallback_told(reason: str, engagements: int, needed: int) -> str:
    """Who ranks instead of the model, and until when.

    Args:
        reason: as the stage tells it, such as "rerank ranked: the user is unknown".
        engagements: clicks and purchases of the user so far.
        needed: how many the model waits for.
    """
    ranker, _, why = reason.partition(" ranked: ")
    if "opted out" in why:
        return f"{ranker} ranks, the same for everybody, because {why}"
    if not needed:
        return f"{ranker} ranks a visitor's first page, the same for everybody"
    times = {1: "once", 2: "twice"}.get(needed, f"{needed} times")
    until = f"until this person has clicked {times}: {engagements} of {needed} so far"
    return f"{ranker} ranks, the same for everybody, {until}"


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
