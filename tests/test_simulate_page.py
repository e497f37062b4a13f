"""The page Simulate and the first page, as far as they need no browser."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lrerank.experiments.results import Runs
from lrerank.experiments.run import Snapshot, run
from lrerank.experiments.spec import Experiment
from lrerank.experiments.twins import twins
from lrerank.store import Store
from lrerank.ui.policy import Policy
from lrerank.ui.simulate.live import progress, tastes_may_change, time_left
from lrerank.ui.simulate.outcome import Outcome
from lrerank.ui.simulate.setup import ARMS, BASELINES, GREEDY, LEARNED, Setup, carried, populations, watched
from lrerank.ui.welcome.finished import asked, finished

POLICY = Policy(exploration_rate=0.03, strategy="softmax", features=("metadata.price",), cold_start_after=1)


@pytest.mark.parametrize("name", sorted(populations()))
def test_every_population_makes_an_experiment(name: str) -> None:
    experiment = Setup(POLICY, population=name, arms=tuple(ARMS), baseline="popularity").experiment()
    assert set(experiment.arms) == set(ARMS) and experiment.baseline == "popularity"
    assert experiment.measure_from in experiment.edges()
    assert Experiment.parse(json.loads(json.dumps(experiment.to_json()))) == experiment


def test_the_policy_travels_into_the_experiment_and_out_of_it() -> None:
    experiment = Setup(POLICY).experiment()
    found = carried(experiment, LEARNED, POLICY.origin)
    assert found == POLICY
    assert twins(experiment) == {LEARNED: GREEDY}
    assert carried(experiment, GREEDY, POLICY.origin) == replace(POLICY, exploration_rate=0.0, strategy="greedy")
    assert carried(experiment, "static", "") is None


def test_toml_of_the_page_is_the_same_experiment(tmp_path: Path) -> None:
    experiment = Setup(POLICY, shift=700, changes={"taste_strength": 1.0}, seed=3).experiment()
    spec = tmp_path / "spec.toml"
    spec.write_text(experiment.to_toml())
    assert Experiment.read(spec) == experiment
    # A world counts from the log on.
    assert experiment.world.parameters["shifts"] == [1200]


def test_what_is_watched() -> None:
    assert watched(Setup(POLICY).experiment()) == LEARNED
    assert watched(Setup(POLICY, arms=("static", "mmr")).experiment()) == "mmr"
    assert watched(Setup(POLICY, arms=("static", "mmr", "uniform")).experiment()) is None
    assert set(BASELINES).isdisjoint({LEARNED, GREEDY})
    # The interval that allows for looking knows nothing of other worlds.
    assert watched(Setup(POLICY, worlds=5).experiment()) is None


@pytest.fixture(scope="module")
def snapshots() -> list[Snapshot]:
    small = Setup(Policy(), arms=("static", "uniform"), impressions=400, replicates=2, logged=0).experiment()
    return list(run(small.with_values({"world.queries": 12}), workers=0))


def test_progress_in_words(snapshots: list[Snapshot]) -> None:
    assert progress(None) == (0.0, "Building the world: documents, users and their tastes")
    share, said = progress(snapshots[-1])
    assert share == 1.0 and said.startswith("2 of 2 replicates, 800 of 800 searches")
    assert [time_left(seconds) for seconds in (2, 12, 58, 90, 7200)] == [
        *("a few seconds left", "about 10 s left", "about 60 s left", "about 2 min left", "about 2.0 h left"),
    ]


def test_tastes_change_now_is_the_next_bin_of_what_is_under_way(snapshots: list[Snapshot]) -> None:
    experiment = Setup(Policy(), arms=("static", "uniform"), impressions=400, replicates=2, logged=0).experiment()
    whole = snapshots[-1]
    assert tastes_may_change(None, experiment) is None
    assert tastes_may_change(whole, experiment) is None, "nothing is under way"
    under_way = whole.overall[(whole.overall["replicate"] == 0) | (whole.overall["end"] <= 160)]
    now = replace(whole, _curves=(under_way,), _partial=())
    assert tastes_may_change(now, experiment) == 180
    late = whole.overall[(whole.overall["replicate"] == 0) | (whole.overall["end"] <= 380)]
    assert tastes_may_change(replace(whole, _curves=(late,), _partial=()), experiment) is None, (
        "nothing would come after"
    )
    changing = experiment.with_values({"world.parameters": {"shifts": [100]}})
    assert tastes_may_change(now, changing) is None


def test_up_to_the_change_of_tastes_nothing_is_different() -> None:
    """That is why the run may begin anew when somebody says "now"."""
    setup = Setup(Policy(), arms=("static", LEARNED), impressions=400, replicates=1, logged=50, batch=5)
    found = []
    for each in (setup, replace(setup, shift=200)):
        *_, last = run(each.experiment().with_values({"world.queries": 12}), workers=0)
        rows = last.overall[last.overall["measure"] == "expected_reward"]
        found.append(rows.pivot_table(index="end", columns="arm", values="total"))
    before, after = (found[0].index <= 200, found[0].index > 200)
    np.testing.assert_array_equal(found[0][before], found[1][before])
    assert (found[0][after] != found[1][after]).all().all()


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return Outcome(finished())


class TestFinished:
    """The run that comes with the program."""

    def test_it_is_what_the_page_asks(self, outcome: Outcome) -> None:
        assert outcome.experiment == asked() and outcome.status == "done"
        assert (
            outcome.experiment.with_values({"replicates": Setup(Policy()).replicates}) == Setup(Policy()).experiment()
        )
        assert outcome.sentence.startswith("In this built-in world learned leads static: +")
        assert outcome.exploration.startswith("Exploration of learned: net return")

    def test_this_program_computes_the_same(self, outcome: Outcome) -> None:
        """Within what another processor's rounding may turn over: a model that learns amplifies it, page by page. Half
        a percent of the reward is a tenth of what a change of the learner made in our history."""
        arms = {
            name: spec for name, spec in outcome.experiment.to_json()["arms"].items() if name in ("static", LEARNED)
        }
        given = {**outcome.experiment.to_json(), "arms": arms, "waterfall": [], "replicates": 1}
        *_, last = run(Experiment.parse(given), workers=0)
        for arm in arms:
            mine, theirs = (
                each[(each["arm"] == arm) & (each["measure"] == "expected_reward") & (each["replicate"] == 0)]
                for each in (last.overall, outcome.figures[outcome.figures["by"] == "all"])
            )
            assert mine["total"].sum() == pytest.approx(theirs["total"].sum(), rel=0.005)

    def test_the_table_of_measures(self, outcome: Outcome) -> None:
        table = outcome.measures
        assert list(table.index)[-1] == "reference"
        assert table.loc["static", "price"] == 0.0 and table.loc[LEARNED, "explored_pages"] > 0.4

    def test_groups(self, outcome: Outcome) -> None:
        found = outcome.groups("segment", difference=True)
        assert found is not None and found.is_difference and found.cells
        assert outcome.groups("nonsense", difference=True) is None


def test_two_runs_beside_each_other(tmp_path: Path) -> None:
    store, made = Store(tmp_path), []
    for rate in (0.0, 0.5):
        setup = Setup(Policy(exploration_rate=rate), arms=("static", LEARNED), impressions=200, replicates=2, logged=20)
        each = Runs(store.runs).create(setup.experiment().with_values({"world.queries": 12}))
        with each.working():
            list(run(each.experiment, results=each, workers=0))
        made.append(each)
    forest = Outcome(made[0]).beside(made[1])
    assert len(forest.rows) == 3 and all(pd.notna(row.value) for row in forest.rows)
