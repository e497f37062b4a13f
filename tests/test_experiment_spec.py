"""Specs: what is read, what is refused and where, and that a spec written out is the same spec."""

from __future__ import annotations

import copy
import json
import pickle
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrerank.errors import LrerankError
from lrerank.experiments.arm_specs import LearnedSpec, PooledSpec, RerankSpec
from lrerank.experiments.spec import Experiment, SpecError, shipped_specs
from lrerank.experiments.spec_text import parse_value, set_value, to_toml
from lrerank.pipeline import Pipeline
from lrerank.vw import LearnerOptions
from simulators.parameters import WorldParameters

SHIPPED_FIRST = Experiment.shipped("first")
# The same in the default world, and longer: what is shipped may change.
FIRST = Experiment.parse(
    SHIPPED_FIRST.to_json() | {"world": {"catalog": "marketplace"}, "impressions": 6000, "bins": 30}
)
SMALLEST: dict[str, Any] = {"question": "Which?", "baseline": "one", "arms": {"one": {"kind": "uniform"}}}


def test_the_shipped_specs_are_a_first_experiment_a_sweep_and_a_drift_study() -> None:
    assert set(shipped_specs()) == {"first", "rivals", "sweep", "drift"}
    for name in shipped_specs():
        experiment = Experiment.shipped(name)
        assert experiment.name == name
        assert experiment.question.endswith("?")
        assert experiment.world.provenance == "built-in world"
    assert Experiment.shipped("sweep").sweep is not None
    drift = Experiment.shipped("drift")
    assert drift.world.parameters["shifts"] and drift.world.parameters["launches"] > 0


@pytest.mark.parametrize("name", sorted(shipped_specs()))
def test_a_spec_written_out_is_the_same_spec(name: str) -> None:
    experiment = Experiment.shipped(name)
    assert Experiment.parse(tomllib.loads(experiment.to_toml())) == experiment
    assert Experiment.parse(json.loads(json.dumps(experiment.to_json()))) == experiment
    assert copy.deepcopy(experiment) == experiment
    assert pickle.loads(pickle.dumps(experiment)) == experiment  # noqa: S301  (our own bytes, as a worker gets them)
    assert "exploration_rate = " in experiment.to_toml(), "defaults are written out"


def test_the_smallest_spec_gets_the_defaults_of_the_contract() -> None:
    experiment = Experiment.parse(copy.deepcopy(SMALLEST) | {"arms": {"one": {"kind": "learned"}}})
    learned = experiment.arms["one"]
    assert isinstance(learned, LearnedSpec)
    assert (learned.strategy, learned.exploration_rate, learned.features) == ("epsilon_greedy", 0.1, "auto")
    assert (learned.cold_start_after, learned.cold_start.fallback) == (2, "rerank")
    assert learned.learner() == LearnerOptions()
    assert (experiment.world.catalog, experiment.world.candidates, experiment.slots) == ("marketplace", 50, 10)
    assert (experiment.reward.click, experiment.reward.purchase, experiment.bins) == (1.0, 0.0, 20)
    assert experiment.window == (0, experiment.impressions)


def test_the_pooled_arm_is_a_learner_without_user_side_and_without_strangers() -> None:
    pooled = FIRST.arms["pooled"]
    assert isinstance(pooled, PooledSpec)
    assert pooled.user_side is False
    assert pooled.cold_start_after == 0, "a fallback for strangers would weaken the strongest baseline"
    blind = FIRST.with_values({"arms.learned.user_side": False}).arms["learned"]
    assert isinstance(blind, LearnedSpec) and blind.cold_start_after == 0


def test_a_bag_has_members() -> None:
    bag = FIRST.with_values({"arms.learned.strategy": "bag"}).arms["learned"]
    assert isinstance(bag, LearnedSpec)
    assert bag.learner().bag == 5
    assert FIRST.arms["learned"].learner(3) == LearnerOptions(seed=3)  # type: ignore[union-attr]


def test_a_learned_arm_is_exported_as_a_stage_that_the_pipeline_reads() -> None:
    changes = {
        "strategy": "softmax",
        "exploration_rate": 0.03,
        "features": ["price", "brand"],
        "exploration_parameters.temperature": 0.2,
        "cold_start.threshold": 1,
    }
    experiment = FIRST.with_values({f"arms.learned.{path}": value for path, value in changes.items()})
    learned = experiment.arms["learned"]
    assert isinstance(learned, LearnedSpec)
    stage = learned.stage("mine", 7)
    Pipeline.from_json([*experiment.world.stages(), stage])
    found = stage["parameters"]
    assert (found["model_id"], found["top_n"], found["exploration"]) == ("mine", 7, "softmax")
    assert (found["exploration_rate"], found["features"]) == (0.03, ["price", "brand"])
    assert (found["exploration_parameters"], found["cold_start_after"]) == ({"temperature": 0.2}, 1)
    assert "exploration_parameters" not in FIRST.arms["learned"].stage("mine", 7)["parameters"]
    assert (learned.explorer().strategy, learned.explorer().rate, learned.explorer().temperature) == (
        "softmax",
        0.03,
        0.2,
    )


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    # what is set → where the refusal is → what its remedy says
    ({"arms.learned.exploration_rate": 2}, "arms.learned.exploration_rate", "1 or less"),
    ({"arms.learned.exploration_rate": "high"}, "arms.learned.exploration_rate", "number"),
    ({"arms.learned.exploration_rate": float("nan")}, "arms.learned.exploration_rate", "finite"),
    ({"arms.learned.exploraton_rate": 0.2}, "arms.learned.exploraton_rate", "Did you mean exploration_rate?"),
    ({"arms.lerned.exploration_rate": 0.2}, "arms.lerned.exploration_rate", "Did you mean learned?"),
    ({"arms.learned.strategy": "softmx"}, "arms.learned.strategy", "Did you mean softmax?"),
    ({"arms.learned.features": []}, "arms.learned.features", '"auto"'),
    ({"arms.learned.features": "all"}, "arms.learned.features", '"auto"'),
    ({"arms.learned.features": ["a", "a"]}, "arms.learned.features", "once"),
    ({"arms.learned.bag": 1, "arms.learned.strategy": "bag"}, "arms.learned.bag", "2 or more"),
    ({"arms.learned.learning_rate": 0}, "arms.learned.learning_rate", "more than 0"),
    ({"arms.learned.bits": 18.5}, "arms.learned.bits", "whole number"),
    ({"arms.learned.incoming": 1}, "arms.learned.incoming", "true or false"),
    ({"arms.learned.cold_start.threshold": -1}, "arms.learned.cold_start.threshold", "0 or more"),
    ({"arms.learned.cold_start": 3}, "arms.learned.cold_start", "[arms.learned.cold_start]"),
    ({"arms.learned.clip": 0}, "arms.learned.clip", "more than 0"),
    ({"arms.pooled.user_side": True}, "arms.pooled.user_side", "false"),
    ({"arms.new": {"kind": "lerned"}}, "arms.new.kind", "Did you mean learned?"),
    ({"arms.new": {}}, "arms.new.kind", "Add it"),
    ({"arms.new": 3}, "arms.new", "[arms.new]"),
    ({"arms.new": {"kind": "mmr", "lambda": 2}}, "arms.new.lambda", "1 or less"),
    ({"arms.new": {"kind": "mmr", "weight": 0.5}}, "arms.new.weight", "lambda"),
    ({"arms.new": {"kind": "uniform", "rate": 1}}, "arms.new.rate", "kind"),
    ({"arms.a b": {"kind": "uniform"}}, "arms.a b", "letters"),
    ({"arms.reference": {"kind": "uniform"}}, "arms.reference", "another name"),
    ({"arms": {}}, "arms", "at least one"),
    ({"arms.static.retrain": "nightly"}, "arms.static.retrain", "ltr"),
    ({"arms.static.method": "ltr", "log.impressions": 0}, "arms.static.method", "log.impressions"),
    ({"baseline": "statc"}, "baseline", "Did you mean static?"),
    ({"world.catalog": "marketplce"}, "world.catalog", "Did you mean marketplace?"),
    ({"world.parameters.taste_strengh": 1}, "world.parameters.taste_strengh", "Did you mean taste_strength?"),
    ({"world.parameters.taste_strength": "x"}, "world.parameters.taste_strength", "0..100"),
    ({"world.parameters.hidden_share": 1.5}, "world.parameters.hidden_share", "0..1"),
    ({"world.parameters.users": 0}, "world.parameters.users", "1, 2, 3"),
    ({"world.parameters.click_model": "dcm"}, "world.parameters.click_model", "cascade"),
    ({"world.parameters.shifts": 3}, "world.parameters.shifts", "list"),
    ({"world.parameters.shifts": [3, 2]}, "world.parameters.shifts", "increasing"),
    ({"world.parameters.shifts": [7000]}, "world.parameters.shifts", "below 7000"),
    ({"world.parameters.weekly_swing": 0.5}, "world.parameters", "Change one"),
    ({"world.filter": 3}, "world.filter", "list"),
    ({"world.accuracy": -0.1}, "world.accuracy", "0 or more"),
    ({"worl.seed": 3}, "worl", "Did you mean world?"),
    ({"world": 3}, "world", "[world]"),
    ({"seed": -1}, "seed", "0 or more"),
    ({"seed": True}, "seed", "whole number"),
    ({"impressions": 0, "measure_from": 0}, "impressions", "1 or more"),
    ({"measure_from": 6000}, "measure_from", "less than impressions, 6000"),
    ({"measure_from": 2050}, "measure_from", "2000 or 2200"),
    ({"bins": 7000}, "bins", "at most impressions"),
    ({"slots": 51}, "slots", "at most world.candidates, 50"),
    ({"replicates": 0}, "replicates", "1 or more"),
    ({"question": ""}, "question", "Write something"),
    ({"name": "../x"}, "name", "letters"),
    ({"reward.click": 0}, "reward.click", "weight"),
    ({"reward.purchase": -1}, "reward.purchase", "0 or more"),
    ({"log.arm": "learned"}, "log.arm", "static"),
    (
        {"sweep.axes": {"arms.learned.exploration_rate": [0.1, 3]}},
        'sweep.axes."arms.learned.exploration_rate"',
        "1 or less",
    ),
    ({"sweep.axes": {"arms.lernd.exploration_rate": [0.1]}}, 'sweep.axes."arms.lernd.exploration_rate"', "learned"),
    ({"sweep.axes": {"arms.learned.bag": 5}}, 'sweep.axes."arms.learned.bag"', "[a, b"),
    ({"sweep.axes": {"batch": []}}, 'sweep.axes."batch"', "[a, b"),
    ({"sweep.axes": {"batch": [1, 1]}}, 'sweep.axes."batch"', "once"),
    ({"sweep.axes": {"name": ["a"]}}, 'sweep.axes."name"', "Vary arms"),
    ({"sweep.axes": {"seed": list(range(1001))}}, "sweep.axes", "at most 1000"),
    ({"sweep.axes": {}}, "sweep.axes", "at least one"),
    ({"sweep.axs": {}}, "sweep.axs", "axes"),
    ({"": 1}, "", "dots"),
    ({"world..seed": 1}, "", "dots"),
    ({"world.filter[0].stage_id": "x"}, "world.filter[0].stage_id", "world.filter"),
]


@pytest.mark.parametrize(("changes", "path", "remedy"), REFUSED, ids=[json.dumps(row[0])[:60] for row in REFUSED])
def test_what_cannot_be_run_is_refused_with_the_place_and_a_remedy(
    changes: dict[str, Any], path: str, remedy: str
) -> None:
    with pytest.raises(SpecError) as refusal:
        FIRST.with_values(changes)
    assert refusal.value.path == path
    assert remedy in refusal.value.remedy, str(refusal.value)
    assert "{" not in refusal.value.message + refusal.value.remedy


@pytest.mark.parametrize(
    ("stage", "path"),
    [
        ({"stage_type": "filter", "stage_id": "nope"}, "world.filter[0].stage_id"),
        ({"stage_type": "sort", "stage_id": "rerank"}, "world.filter[0]"),
        (
            {"stage_type": "filter", "stage_id": "hybrid_search", "parameters": {"top_k": 0}},
            "world.filter[0].parameters.top_k",
        ),
        (
            {"stage_type": "filter", "stage_id": "hybrid_search", "parameters": {"query": "{{INPUT.user_id}}"}},
            "world.filter[0].parameters.query",
        ),
    ],
)
def test_candidates_come_from_filter_stages_that_know_the_query_only(stage: dict[str, Any], path: str) -> None:
    with pytest.raises(LrerankError) as refusal:
        FIRST.with_values({"world.filter": [stage]})
    assert refusal.value.path == path


def test_a_filter_of_ones_own_takes_the_place_of_hybrid_search() -> None:
    stage = {"stage_type": "filter", "stage_id": "semantic_search", "parameters": {"query": "{{INPUT.query}}"}}
    experiment = FIRST.with_values({"world.filter": [stage]})
    assert experiment.world.stages() == [stage]
    assert FIRST.world.stages()[0]["parameters"]["top_k"] == 50
    deeper = experiment.with_values({"world.filter[0].parameters.top_k": 30})
    assert deeper.world.stages()[0]["parameters"]["top_k"] == 30
    assert experiment.world.stages() == [stage], "the experiment that it came from is as it was"
    assert Experiment.parse(tomllib.loads(deeper.to_toml())) == deeper


def test_python_gets_the_same_refusals() -> None:
    with pytest.raises(SpecError) as refusal:
        Experiment(question="Which?", arms={"one": {"kind": "learned", "bits": 9}}, baseline="one")
    assert refusal.value.path == "arms.one.bits"
    with pytest.raises(SpecError) as refusal:
        Experiment(question="Which?", baseline="one")
    assert (refusal.value.path, refusal.value.message) == ("arms", "this is required")
    made = Experiment(question="Which\n  one?", arms={"one": RerankSpec(kind="rerank")}, baseline="one")
    assert made.question == "Which one?"


@pytest.mark.parametrize("field", list(WorldParameters.__dataclass_fields__))
def test_every_parameter_of_a_world_can_be_set(field: str) -> None:
    default = getattr(WorldParameters(), field)
    value = list(default) if isinstance(default, tuple) else default
    assert FIRST.with_values({f"world.parameters.{field}": value}).world.parameters == {field: value}


def test_a_file_is_named_in_its_refusals_and_gives_the_name(tmp_path: Path) -> None:
    path = tmp_path / "my study.toml"
    path.write_text(to_toml(SMALLEST))
    assert Experiment.read(path).name == "my-study"
    path.write_text(to_toml(SMALLEST | {"slots": 0}))
    with pytest.raises(SpecError) as refusal:
        Experiment.read(path)
    assert refusal.value.path == "my study.toml: slots"
    for content in (b"slots = ", b"\xff\xfe", b"slots = 1\nslots = 2", b"a = " + b"[" * 5000):
        path.write_bytes(content)
        with pytest.raises(SpecError, match=r"my study\.toml"):
            Experiment.read(path)


def test_a_catalog_file_is_found_beside_the_spec(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("id,title\n1,shoe\n")
    (tmp_path / "mine.toml").write_text(to_toml(SMALLEST | {"world": {"catalog": "shop.csv"}}))
    world = Experiment.read(tmp_path / "mine.toml").world
    assert world.catalog == str(tmp_path / "shop.csv")
    assert world.provenance == "your catalog, assumed users"
    assert FIRST.with_values({"world.catalog": "movies"}).world.provenance == "your catalog, assumed users"


def test_find_takes_names_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Experiment.find("first") == SHIPPED_FIRST
    (tmp_path / "first").write_text(to_toml(SMALLEST))
    assert Experiment.find("first") == SHIPPED_FIRST
    assert Experiment.find("./first").question == "Which?"
    with pytest.raises(SpecError, match="Did you mean first"):
        Experiment.find("frst")
    with pytest.raises(SpecError, match=r"none\.toml: the spec can't be read"):
        Experiment.find("none.toml")
    with pytest.raises(SpecError):
        Experiment.find("x" * 5000)


def test_a_sweep_is_the_cross_product_of_its_axes_the_last_running_fastest() -> None:
    axes = {"arms.learned.exploration_rate": [0.0, 0.1], "arms.learned.features": ["auto", ["price"]], "batch": [1, 25]}
    swept = FIRST.with_values({"sweep": {"axes": axes}})
    settings_ = swept.settings()
    assert len(settings_) == 8
    assert [tuple(each.values.values()) for each in settings_[:3]] == [
        (0.0, "auto", 1),
        (0.0, "auto", 25),
        (0.0, ["price"], 1),
    ]
    for each in settings_:
        assert each.experiment.sweep is None
        assert each.experiment == FIRST.with_values(each.values)
    assert FIRST.settings()[0].experiment == FIRST


def test_axes_may_be_written_without_quotes() -> None:
    text = FIRST.to_toml() + "\n[sweep.axes]\narms.learned.exploration_rate = [0.0, 0.1]\nbatch = [1, 2]\n"
    sweep = Experiment.parse(tomllib.loads(text)).sweep
    assert sweep is not None
    assert dict(sweep.axes) == {"arms.learned.exploration_rate": (0.0, 0.1), "batch": (1, 2)}


def test_settings_that_only_together_make_no_sense_are_refused() -> None:
    axes = {"arms.learned.strategy": ["softmax", "bag"], "arms.learned.bag": [1, 4]}
    with pytest.raises(SpecError, match="needs members"):
        FIRST.with_values({"sweep": {"axes": axes}})


def test_edges_part_the_impressions_as_the_loop_does() -> None:
    edges = Experiment.parse(SMALLEST | {"impressions": 1001, "bins": 7}).edges()
    assert (edges[0], edges[-1], len(edges)) == (0, 1001, 8)
    assert all(142 <= b - a <= 144 for a, b in pairwise(edges))


SCALARS = st.one_of(
    st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
TREES = st.dictionaries(
    st.text(min_size=1),
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(tree=TREES)
@settings(max_examples=150, deadline=None)
def test_toml_reads_back_what_was_written(tree: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(tree)) == tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1),
        ("3", 3),
        ("true", True),
        ('["a", 1]', ["a", 1]),
        ("news", "news"),
        ('"3"', "3"),
        ("", ""),
        ("a=b", "a=b"),
        ("1\nx = 2", "1\nx = 2"),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_values_on_the_command_line_are_those_of_toml_or_text(text: str, value: Any) -> None:
    assert parse_value(text) == value


def test_set_value_reaches_into_tables_and_lists() -> None:
    table: dict[str, Any] = {"a": [{"b": 1}, {"b": 2}]}
    set_value(table, "a[1].b", 3)
    set_value(table, "c.d.e", 4)
    assert table == {"a": [{"b": 1}, {"b": 3}], "c": {"d": {"e": 4}}}
    for path in ("a[2].b", "a.b", "c[0]", "c.d.e.f"):
        with pytest.raises(SpecError, match="nothing of this name"):
            set_value(table, path, 5)
