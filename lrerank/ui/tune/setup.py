"""What is set on the page Tune, as an experiment: the same that the command line runs from the same TOML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from lrerank.experiments.ablation import ablated
from lrerank.experiments.cold_start import cold_started
from lrerank.experiments.findings import ABLATION, COLD_START, SETTINGS, STUDY
from lrerank.experiments.spec import Experiment, SpecError
from lrerank.experiments.sweep_plan import plan
from lrerank.store import Store
from lrerank.ui.jobs import Job, Jobs
from lrerank.ui.policy import Policy
from lrerank.ui.simulate.setup import populations
from lrerank.ui.tune.feature_sets import ALL, MINE, features_of

QUESTIONS: Mapping[str, str] = MappingProxyType(
    {
        SETTINGS: "Which exploration rate?",
        ABLATION: "Which features?",
        COLD_START: "When does it know a user?",
    }
)
"""Kind of sweep → what it answers."""

USUAL_SEARCHES: Mapping[str, int] = MappingProxyType({SETTINGS: 1500, ABLATION: 1000, COLD_START: 4000})
USUAL_REPLICATES: Mapping[str, int] = MappingProxyType({SETTINGS: 4, ABLATION: 6, COLD_START: 12})
"""Question → what gives a first answer."""

BASELINES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"static": {"kind": "rerank"}, "popularity": {"kind": "popularity"}}
)
"""Name → what settings may be compared with."""

DRIFT, LAUNCHES = "world.parameters.drift_per_10000", "world.parameters.launches"
LEARNED = "learned"

_SHARE_OF_LAUNCHES = 0.3
_TURN = math.pi / 3
_BINS, _BATCH = 20, 25
_NAMES = {SETTINGS: "tune-rate", ABLATION: "tune-features", COLD_START: "tune-cold-start"}


@dataclass(frozen=True, slots=True)
class TuneSetup:
    """One question about the learned reranker's settings.

    Attributes:
        question: one of `QUESTIONS`.
        policy: what is not varied.
        catalog: as in `WorldSpec`.
        population: a name of `populations()`.
        searches: the horizon: per replicate and setting, after the log; the second half is measured.
        rates, strategies, feature_sets: what is varied, where the question is about rates; sets by the names of
            `feature_sets.LABELS`.
        no_user: whether all of it is tried without the user side as well: what everybody's clicks teach.
        drift, launches: whether the same is asked again where tastes drift, and where new documents arrive.
        baseline: one of `BASELINES`.
        logged: searches that learners begin with, served by the static order.
    """

    question: str = SETTINGS
    policy: Policy = field(default_factory=Policy)
    catalog: str = "marketplace"
    population: str = "regulars"
    searches: int = 1500
    rates: Sequence[float] = (0.0, 0.02, 0.05, 0.1)
    strategies: Sequence[str] = ("epsilon_greedy",)
    feature_sets: Sequence[str] = (MINE,)
    no_user: bool = False
    replicates: int = 4
    drift: bool = False
    launches: bool = False
    baseline: str = "static"
    logged: int = 500
    batch: int = _BATCH
    seed: int = 0

    @classmethod
    def usual(cls, question: str) -> TuneSetup:
        """What the page asks by itself."""
        return cls(question, searches=USUAL_SEARCHES[question], replicates=USUAL_REPLICATES[question])

    def problems(self) -> dict[str, str]:
        """Field → what is wrong with it, for people."""
        found = {}
        if self.question == SETTINGS:
            wrong = [rate for rate in self.rates if not 0 <= rate <= 1]
            if wrong:
                found["rates"] = f"{wrong[0]:g} is no rate: use numbers from 0 to 1, the share of slots that explore."
            elif not self.rates:
                found["rates"] = "Choose at least one rate; 0 is never exploring."
            elif self.settings == 1:
                found["rates"] = "This is a single setting: add a rate, a strategy or a feature set to compare it with."
            if not self.strategies:
                found["strategies"] = "Choose at least one strategy."
            if not self.feature_sets:
                found["feature_sets"] = "Choose at least one feature set."
        if self.replicates < 2:
            found["replicates"] = "One replicate can't tell how sure a figure is: use 2 or more, 4 for a first look."
        return found

    @property
    def settings(self) -> int:
        """How many are compared in each condition."""
        return len(self.rates) * len(self.strategies) * len(self.feature_sets) * (1 + self.no_user)

    @property
    def conditions(self) -> int:
        """How many worlds the question is put to."""
        return 2 ** (self.drift + self.launches) if self.question == SETTINGS else 1

    def experiment(self, store: Store) -> Experiment:
        """The experiment, with its sweep where rates are asked for; the arm of the other questions is `learned`.

        Raises:
            SpecError: a value that is not allowed, with its path as in TOML.
            LrerankError: the catalog can't be used.
        """
        parameters = dict(populations()[self.population].parameters)
        given: dict[str, Any] = {
            "name": _NAMES[self.question],
            "question": self._asked(),
            "baseline": self.baseline,
            "impressions": self.searches,
            "measure_from": self._measured_from(),
            "bins": min(_BINS, self.searches),
            "batch": self.batch,
            "replicates": self.replicates,
            "seed": self.seed,
            "world": {"catalog": self.catalog, "parameters": parameters},
            "log": {"impressions": self.logged},
            "arms": {self.baseline: dict(BASELINES[self.baseline]), LEARNED: {"kind": "learned"}},
        }
        values = self.policy.arm_values(LEARNED)
        if self.question == SETTINGS:
            values["sweep"] = {"axes": self._axes(parameters, store)}
        return Experiment.parse(given).with_values(values)

    def study(self, store: Store) -> tuple[Experiment, tuple[tuple[str, object], ...]]:
        """What is run in the end, and the notes that say what its arms stand for; () for a sweep of settings.

        Raises:
            LrerankError: as `experiment`, or it can't be run as it is.
        """
        experiment = self.experiment(store)
        if self.question == ABLATION:
            study, groups = ablated(experiment, LEARNED, store)
            return study, ((STUDY, {"kind": ABLATION, "groups": groups}),)
        if self.question == COLD_START:
            return cold_started(experiment, LEARNED), ((STUDY, {"kind": COLD_START}),)
        plan(experiment)
        return experiment, ()

    def begin(self, jobs: Jobs, store: Store) -> Job:
        """Starts it.

        Raises:
            LrerankError: it can't be run.
        """
        experiment, notes = self.study(store)
        return jobs.study(store, experiment, notes) if notes else jobs.sweep(store, experiment)

    def command(self, file: str = "tune.toml") -> str:
        """The same from the command line, given the experiment as a file."""
        option = {ABLATION: f" --ablate {LEARNED}", COLD_START: f" --cold-start {LEARNED}"}.get(self.question, "")
        return f"lrerank sweep {file}{option}"

    def _axes(self, parameters: Mapping[str, Any], store: Store) -> dict[str, list[Any]]:
        axes: dict[str, list[Any]] = {}
        if self.drift:
            over_all = 10_000 * _TURN / (self.logged + self.searches)
            axes[DRIFT] = [parameters.get("drift_per_10000", 0.0), round(over_all, 2)]
        if self.launches:
            axes[LAUNCHES] = [parameters.get("launches", 0.0), _SHARE_OF_LAUNCHES]
        if tuple(self.feature_sets) != (MINE,):
            axes[f"arms.{LEARNED}.features"] = self._features(self.feature_sets, store)
        if self.no_user:
            axes[f"arms.{LEARNED}.user_side"] = [True, False]
        if tuple(self.strategies) != (self.policy.strategy,):
            axes[f"arms.{LEARNED}.strategy"] = list(self.strategies)
        return axes | {f"arms.{LEARNED}.exploration_rate": list(self.rates)}

    def _features(self, names: Sequence[str], store: Store) -> list[Any]:
        known: dict[str, Any] = {MINE: self.policy.features or "auto", ALL: "auto"}
        if not set(names) <= set(known):
            known |= features_of(self.catalog, store)
        lacking = [name for name in names if name not in known]
        if lacking:
            remedy = "Choose another set of features"
            raise SpecError("this catalog has no such features", path="features", value=lacking[0], remedy=remedy)
        found = [known[name] if known[name] == "auto" else list(known[name]) for name in names]
        return [value for place, value in enumerate(found) if value not in found[:place]]

    def _asked(self) -> str:
        who = populations()[self.population].label
        asked = {
            SETTINGS: "which exploration rate pays",
            ABLATION: "which features pay",
            COLD_START: "from how many interactions on does personalization pay",
        }[self.question]
        return f"{who}: {asked} within {self.searches:,} searches?"

    def _measured_from(self) -> int:
        """Where the second half begins, at an edge of a time bin."""
        bins = min(_BINS, self.searches)
        return round(bins // 2 * self.searches / bins)


def read_rates(texts: Sequence[str]) -> tuple[tuple[float, ...], str]:
    """Rates as people write them, `0.05` or `5 %`, in ascending order, and a sentence on what is none ("")."""
    found = set()
    for text in texts:
        plain = text.strip().replace(",", ".")
        try:
            rate = float(plain.removesuffix("%")) / (100 if plain.endswith("%") else 1)
        except ValueError:
            return (), f"“{text[:20]}” is no rate: write a number from 0 to 1, such as 0.05, or 5 %."
        if not 0 <= rate <= 1:  # NaN as well
            return (), f"{text[:20]} is no rate: use numbers from 0 to 1, the share of slots that explore."
        found.add(round(rate, 6))
    return tuple(sorted(found)), ""
