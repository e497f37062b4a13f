"""The page Simulate and the first page, as far as they need no browser."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from lrerank.charts.run_view import STOPPED
from lrerank.experiments.arm_specs import LearnedSpec
from lrerank.experiments.lifts import personal
from lrerank.experiments.results import Runs
from lrerank.experiments.run import Snapshot, run
from lrerank.experiments.spec import Experiment
from lrerank.experiments.twins import twins
from lrerank.store import Store
from lrerank.ui.jobs import Jobs
from lrerank.ui.policy import Policy
from lrerank.ui.simulate.live import progress, tastes_may_change, time_left
from lrerank.ui.simulate.outcome import Outcome, no_steps, untold
from lrerank.ui.simulate.setup import ARMS, BASELINES, GREEDY, LEARNED, Carried, Setup, carried, populations, watched
from lrerank.ui.welcome.finished import asked, finished

PAGE = Path(__file__).parents[1] / "lrerank" / "ui" / "views" / "simulate.py"
SMALL = Setup(Policy(), arms=("static", "uniform"), impressions=400, replicates=2, logged=0).experiment()
POLICY = Policy(exploration_rate=0.03, strategy="softmax", features=("metadata.price",), cold_start_after=1)


@pytest.mark.parametrize("name", sorted(populations()))
def test_every_population_makes_an_experiment(name: str) -> None:
    experiment = Setup(POLICY, population=name, arms=tuple(ARMS), baseline="popularity").experiment()
    assert set(experiment.arms) == set(ARMS) and experiment.baseline == "popularity"
    assert experiment.measure_from in experiment.edges()
    assert Experiment.parse(json.loads(json.dumps(experiment.to_json()))) == experiment


def test_the_policy_travels_into_the_experiment_and_out_of_it() -> None:
    experiment = Setup(POLICY).experiment()
    assert carried(experiment, POLICY.origin) == Carried(LEARNED, POLICY, "")
    assert twins(experiment) == {LEARNED: GREEDY}
    never = replace(POLICY, exploration_rate=0.0, strategy="greedy")
    assert carried(experiment, POLICY.origin, GREEDY) == Carried(GREEDY, never, "")
    assert carried(experiment, "", "static") is None


def test_the_pooled_learner_differs_in_the_user_side_alone() -> None:
    arms = Setup(POLICY).experiment().arms
    pooled, learned = (
        arms[name].model_dump(exclude={"kind", "user_side", "cold_start"}) for name in ("pooled", LEARNED)
    )
    assert pooled == learned


def test_a_placebo_that_is_chosen_is_a_step_and_the_same_learner() -> None:
    experiment = Setup(POLICY, arms=("learned", "placebo", "pooled")).experiment()
    assert experiment.waterfall == ("static", "pooled", "placebo", "learned")
    assert personal(experiment).startswith("What learned has above placebo is personal")
    assert "placebo" not in Setup(POLICY).experiment().arms, "it takes its time, so it is nobody's by default"
    assert carried(experiment, "", "placebo") is None


@pytest.mark.parametrize("members", [5, 8])
def test_a_bag_travels_and_its_twin_has_the_same_members(members: int) -> None:
    policy = Policy(strategy="bag", bag=members)
    experiment = Setup(policy).experiment()
    assert carried(experiment, policy.origin) == Carried(LEARNED, policy, "")
    assert Policy.from_query(policy.to_query()) == policy
    assert Policy.from_parameters(policy.parameters("any"), policy.origin) == policy
    assert twins(experiment) == {LEARNED: GREEDY}, "net return is against the same learner that never explores"
    spec = experiment.arms[GREEDY]
    assert isinstance(spec, LearnedSpec) and spec.learner().bag == members
    assert replace(policy, strategy="epsilon_greedy").arm_values() == Policy().arm_values(), "a knob of the bag alone"


def test_why_nothing_is_said_of_exploration() -> None:
    assert untold(Setup(Policy()).experiment()) == ""
    assert untold(Setup(Policy(exploration_rate=0.0)).experiment()).startswith("No learned reranker")
    assert ARMS[GREEDY].label in untold(Setup(Policy(strategy="bag"), arms=(LEARNED,)).experiment())


def test_why_there_are_no_steps() -> None:
    assert "static (lexical) over pooled" in no_steps(Setup(Policy(), arms=("static", "mmr")).experiment())
    assert no_steps(Setup(Policy()).experiment()).startswith("Lift by step is told of searches 1,500 to 3,000, and not")


def test_what_no_page_can_set_is_said_where_a_setting_is_taken() -> None:
    arm = {"kind": "learned", "strategy": "bag", "bag": 3, "learning_rate": 2.0, "user_side": False}
    given = Setup(Policy(), arms=("static", "mmr")).experiment().to_json()
    experiment = Experiment.parse({**given, "arms": {**given["arms"], "mine": arm}})
    found = carried(experiment, "the command line")
    assert found is not None and (found.arm, found.policy.strategy, found.policy.bag) == ("mine", "bag", 3)
    assert "user_side = false, learning_rate = 2. The usual" in found.lost and "bag" not in found.lost
    # Of another strategy a page has no members.
    found = carried(experiment.with_values({"arms.mine.strategy": "softmax"}), "the command line")
    assert found is not None and "bag = 3" in found.lost


def page(home: Path, monkeypatch: pytest.MonkeyPatch, policy: Policy, **address: str) -> AppTest:
    monkeypatch.setenv("LRERANK_HOME", str(home))
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params.update({"policy": policy.to_query(), **address})
    return app.run()


@pytest.mark.parametrize("policy", [Policy(strategy="bag", bag=8), Policy(exploration_rate=0.013, strategy="squarecb")])
def test_a_policy_is_what_it_was_after_a_visit(policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(tmp_path, monkeypatch, policy)
    assert not app.exception and app.session_state["chosen-policy"] == policy
    app.slider(key="simulate-rate").set_value(0.2).run()
    assert app.session_state["chosen-policy"] == replace(policy, exploration_rate=0.2, origin="the page Simulate")


@pytest.mark.parametrize(
    "address", [{"replicates": "1e999"}, {"seed-of-run": "-inf"}, {"taste": "inf", "batch": "nan"}]
)
def test_what_is_no_number_in_an_address_gives_way_to_the_usual_one(
    address: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page(tmp_path, monkeypatch, Policy(), **address)
    assert not app.exception and not app.error
    assert [app.number_input(key=key).value for key in ("replicates", "seed-of-run", "taste", "batch")] == [
        *(12, 0, None, 25),
    ]


@pytest.mark.parametrize("stops", [True, False])
def test_a_run_that_may_end_by_itself_says_what_that_means(
    stops: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished()
    going = {"run": run, "experiment": run.experiment, "active": True, "snapshot": None, "look": None, "problem": ""}
    job = SimpleNamespace(**going, watched=LEARNED, stops_when_clear=stops)
    monkeypatch.setattr(Jobs, "get", lambda *_: job)
    app = page(tmp_path, monkeypatch, Policy(), run="finished")
    assert not app.exception and (STOPPED in [each.value for each in app.caption]) == stops


def test_a_setting_taken_from_a_run_is_not_undone_by_the_controls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page(tmp_path, monkeypatch, Policy(exploration_rate=0.5, strategy="softmax"), run="finished")
    next(each for each in app.button if each.label == "Use this setting").click().run()
    assert not app.exception and app.slider(key="simulate-rate").value == 0.1
    assert app.session_state["chosen-policy"] == Policy(origin="the run finished")


def test_toml_of_the_page_is_the_same_experiment(tmp_path: Path) -> None:
    experiment = Setup(POLICY, shift=700, changes={"taste_strength": 1.0}, seed=3).experiment()
    spec = tmp_path / "spec.toml"
    spec.write_text(experiment.to_toml())
    assert Experiment.read(spec) == experiment
    # A world counts from the log on.
    assert experiment.world.parameters["shifts"] == [1200]

    assert watched(Setup(POLICY).experiment()) == watched(Setup(POLICY, worlds=5).experiment()) == LEARNED
    assert watched(Setup(POLICY, arms=("static", "mmr")).experiment()) == "mmr"
    assert watched(Setup(POLICY, arms=("static", "mmr", "uniform")).experiment()) is None
    assert set(BASELINES).isdisjoint({LEARNED, GREEDY})


@pytest.fixture(scope="module")
def snapshots() -> list[Snapshot]:
    return list(run(SMALL.with_values({"world.queries": 12}), workers=0))


def test_progress_in_words(snapshots: list[Snapshot]) -> None:
    whole = snapshots[-1]
    assert progress(None, SMALL) == (0.0, "Building the world: documents, users and their tastes")
    share, said = progress(whole, SMALL)
    assert share == 1.0 and said.startswith("2 of 2 replicates, 800 of 800 searches")
    # With more processes than replicates, or many arms, a replicate is computed in parts.
    parts = whole.overall[(whole.overall["replicate"] == 0) | (whole.overall["arm"] == "static")]
    assert progress(replace(whole, done_tasks=3, tasks=4, _curves=(parts,)), SMALL)[1].startswith("1 of 2 replicates, ")
    assert [time_left(seconds) for seconds in (2, 12, 58, 90, 7200)] == [
        *("a few seconds left", "about 10 s left", "about 60 s left", "about 2 min left", "about 2.0 h left"),
    ]


def test_tastes_change_now_is_the_next_bin_of_what_is_under_way(snapshots: list[Snapshot]) -> None:
    experiment, whole = SMALL, snapshots[-1]
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
        assert outcome.exploration().startswith("Exploration of learned: net return")
        assert "impression" not in outcome.sentence + outcome.exploration(), "pages say searches"

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
