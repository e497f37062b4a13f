"""What is set on the page Simulate, as an experiment: the same that the command line runs from the same TOML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

from lrerank.experiments.arm_specs import LearnedSpec
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep_verdict import named_values
from lrerank.ui.policy import Policy


@dataclass(frozen=True, slots=True)
class Population:
    """Who searches.

    Attributes:
        told: what is special about them, in a sentence.
        parameters: of the world, where they differ from the default.
    """

    label: str
    told: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ArmChoice:
    """A policy that one can put into the comparison."""

    label: str
    told: str
    spec: Mapping[str, Any]


POOLED, PLACEBO, LEARNED, GREEDY = "pooled", "placebo", "learned", "greedy"

ARMS: Mapping[str, ArmChoice] = MappingProxyType(
    {
        "static": ArmChoice("static (lexical)", "Lexical relevance, the same for everybody.", {"kind": "rerank"}),
        "nightly": ArmChoice(
            "nightly (LTR)",
            "LambdaMART on everybody's clicks so far.",
            {"kind": "rerank", "method": "ltr", "retrain": "nightly"},
        ),
        "popularity": ArmChoice("popularity", "Documents by their clicks so far.", {"kind": "popularity"}),
        "segment_popularity": ArmChoice(
            "segment_popularity", "By the clicks of the inferred segment.", {"kind": "popularity", "by": "segment"}
        ),
        "mmr": ArmChoice("mmr", "Relevance against redundancy, half and half.", {"kind": "mmr"}),
        "retrieval": ArmChoice("retrieval", "As hybrid search found them.", {"kind": "retrieval"}),
        "uniform": ArmChoice("uniform (random)", "Every order alike likely.", {"kind": "uniform"}),
        POOLED: ArmChoice("pooled (not personal)", "Your setting without who clicked.", {"kind": "pooled"}),
        PLACEBO: ArmChoice(
            "placebo (users shuffled)",
            "Your setting with the users of all searches shuffled: what learned has above it is personal.",
            {"kind": "placebo"},
        ),
        LEARNED: ArmChoice("learned (my setting)", "The policy that you carry.", {"kind": "learned"}),
        GREEDY: ArmChoice(
            "greedy (no exploring)",
            "Your setting at exploration rate 0: shows what exploration costs and brings.",
            {"kind": "learned"},
        ),
    }
)
"""Name → what it is; names are those of the figures."""

BASELINES = tuple(name for name in ARMS if name not in (LEARNED, GREEDY))
USUAL_ARMS = ("static", POOLED, LEARNED, GREEDY)

# From static relevance over what everybody's clicks teach, and what more columns do to learning, to what is personal.
STEPS = ("static", POOLED, PLACEBO, LEARNED)
_BATCH, _BINS = 25, 20


@cache
def populations() -> Mapping[str, Population]:
    """Name → who searches."""
    regulars = Experiment.shipped("first").world.parameters
    return MappingProxyType(
        {
            "regulars": Population(
                "Regulars with strong tastes",
                "Three hundred users who come often and like what the catalog's fields show: there is much to learn.",
                regulars,
            ),
            "public": Population(
                "A broad public",
                "Two thousand users, half of whose taste no field shows: the default world, and a hard one.",
                {},
            ),
            "newcomers": Population(
                "Mostly newcomers",
                "Four of five users come for the first time during the run: cold start is what matters.",
                {**regulars, "new_user_share": 0.8},
            ),
            "drifting": Population(
                "Tastes that drift",
                "Regulars whose tastes turn slowly, by about half a right angle in 10,000 searches.",
                {**regulars, "drift_per_10000": 0.8},
            ),
            "launches": Population(
                "New documents arrive",
                "Regulars, and a third of the catalog appears only during the run.",
                {**regulars, "launches": 0.33},
            ),
            "tasteless": Population(
                "Nobody has a taste",
                "A null: personalization can't win here. A learner that leads another learner here misleads.",
                {**regulars, "taste_strength": 0.0},
            ),
        }
    )


@dataclass(frozen=True, slots=True)
class Setup:
    """One question to a simulated population.

    Attributes:
        catalog: as in `WorldSpec`.
        population: a name of `populations()`.
        arms: names of `ARMS`; the baseline is always among them.
        impressions: per replicate and arm, after the log; the second half is measured.
        replicates: at most; a run may stop earlier when its answer is clear.
        worlds: 1, or how many are drawn.
        logged: impressions of static lists that learners and trees begin with.
        changes: parameters of the world that were set by hand.
        shift: impressions after the log until all tastes change; None for never.
    """

    policy: Policy
    catalog: str = "marketplace"
    population: str = "regulars"
    arms: Sequence[str] = USUAL_ARMS
    baseline: str = "static"
    impressions: int = 3000
    replicates: int = 12
    worlds: int = 1
    logged: int = 500
    batch: int = _BATCH
    seed: int = 0
    changes: Mapping[str, Any] = field(default_factory=dict)
    shift: int | None = None

    def experiment(self) -> Experiment:
        """The experiment.

        Raises:
            SpecError: a value that is not allowed, with its path as in TOML.
        """
        names = [name for name in ARMS if name in {*self.arms, self.baseline}]
        parameters = {**populations()[self.population].parameters, **self.changes}
        if self.shift is not None:
            # A world counts from the log on.
            parameters["shifts"] = [self.logged + self.shift]
        steps = [name for name in STEPS if name in names]
        given: dict[str, Any] = {
            "name": f"{self.population}-{self.impressions}",
            "question": self.question(names),
            "baseline": self.baseline,
            "impressions": self.impressions,
            "measure_from": self._measured_from(),
            "bins": min(_BINS, self.impressions),
            "batch": self.batch,
            "replicates": self.replicates,
            "seed": self.seed,
            "waterfall": steps if len(steps) > 1 and steps[0] == "static" else [],
            "world": {"catalog": self.catalog, "worlds": self.worlds, "parameters": parameters},
            "log": {"impressions": self.logged},
            "arms": {name: dict(ARMS[name].spec) for name in names},
        }
        values: dict[str, Any] = {}
        if POOLED in names:  # the same learner but for the user, to whom it then is no stranger either
            own = self.policy.arm_values(POOLED)
            values |= {path: value for path, value in own.items() if not path.endswith(".cold_start")}
        for name in (PLACEBO, LEARNED, GREEDY):
            if name in names:
                values |= self.policy.arm_values(name)
        if GREEDY in names:
            values |= {f"arms.{GREEDY}.strategy": "greedy", f"arms.{GREEDY}.exploration_rate": 0.0}
            if self.policy.strategy == "bag":  # the same learner has the same members
                values[f"arms.{GREEDY}.bag"] = self.policy.bag
        return Experiment.parse(given).with_values(values)

    def question(self, names: Sequence[str]) -> str:
        """What is asked, in a sentence."""
        others = [ARMS[name].label for name in names if name != self.baseline]
        shift = "" if self.shift is None else f", all tastes new after {self.shift:,} searches"
        return (
            f"{populations()[self.population].label}{shift}: {', '.join(others)} against {ARMS[self.baseline].label}?"
        )

    def _measured_from(self) -> int:
        """Where the measured half begins: at an edge of a time bin, since a window can't cut one."""
        bins = min(_BINS, self.impressions)
        return round(bins // 2 * self.impressions / bins)


def watched(experiment: Experiment) -> str | None:
    """The arm that is looked at after every replicate, or world where there are several: the learned one, else the only
    other one; None where neither."""
    others = [name for name in experiment.arms if name != experiment.baseline]
    if LEARNED in others:
        return LEARNED
    return others[0] if len(others) == 1 else None


@dataclass(frozen=True, slots=True)
class Carried:
    """An arm as the policy that travels.

    Attributes:
        lost: what of the arm the policy can't say, in a sentence; "" for nothing.
    """

    arm: str
    policy: Policy
    lost: str


def carried(experiment: Experiment, origin: str, arm: str | None = None) -> Carried | None:
    """The policy of an arm: the one asked for, `learned`, or the first learned one; None where it is none."""
    specs = {name: spec for name, spec in experiment.arms.items() if isinstance(spec, LearnedSpec)}
    name = arm or (LEARNED if LEARNED in specs else next(iter(specs), ""))
    if name not in specs:
        return None
    policy = Policy.of_arm(specs[name], origin)
    lost = named_values(policy.lost(specs[name]))
    told = (
        f"“Use this setting” leaves behind what no page can set: {lost}. The usual values take their place."
        if lost
        else ""
    )
    return Carried(name, policy, told)
