"""Sweeps and ablations: what is run, what is compared with what, and which figures are concluded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_site
from scipy.stats import t
from typer.testing import CliRunner

from lrerank.cli.main import app
from lrerank.data.load import load_catalog
from lrerank.errors import LrerankError
from lrerank.experiments.ablation import ablated, ablation_table
from lrerank.experiments.arm_specs import LearnerSpec
from lrerank.experiments.as_pipeline import as_pipeline
from lrerank.experiments.results import Run, Runs
from lrerank.experiments.run import run
from lrerank.experiments.simultaneous import simultaneous
from lrerank.experiments.spec import Experiment, SpecError
from lrerank.experiments.sweep import settings_table, sweep
from lrerank.experiments.sweep_plan import plan
from lrerank.experiments.sweep_table import rows_of
from lrerank.experiments.tables import COLUMNS, Task
from lrerank.experiments.wording import number
from lrerank.features import FeatureSchema, fit_schema
from lrerank.pipeline import Pipeline

RATE, STRATEGY = "arms.learned.exploration_rate", "arms.learned.strategy"
IMPRESSIONS, FROM, BINS = 120, 60, 4


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A static and a learned arm, 120 impressions after a log of 40; a replicate takes a fraction of a second."""
    catalog = small_site.shop(tmp_path_factory.mktemp("shop"))
    return Experiment(
        name="small",
        question="Which setting?",
        world={"catalog": str(catalog), "candidates": 15, "queries": 20, "parameters": {"users": 60}},
        log={"impressions": 40},
        arms={"static": {"kind": "rerank"}, "learned": {"kind": "learned"}, "pooled": {"kind": "pooled"}},
        baseline="static",
        impressions=IMPRESSIONS,
        measure_from=FROM,
        bins=BINS,
        batch=20,
        replicates=2,
        slots=5,
    )


def with_axes(small: Experiment, axes: dict[str, list[Any]]) -> Experiment:
    return small.with_values({"sweep": {"axes": axes}})


def made(values: dict[str, np.ndarray[Any, Any]], experiment: Experiment, others: dict[str, float]) -> pd.DataFrame:
    """Figures in which arm → [replicates] is the expected reward per impression of the window, and 7 before it."""
    rows: list[tuple[Any, ...]] = []
    for arm, rewards in values.items():
        for replicate, reward in enumerate(rewards.tolist()):
            for start in range(0, IMPRESSIONS, 30):
                where = (0, replicate, arm, start, start + 30)
                value = reward if start >= FROM else 7.0
                rows.append((*where, "expected_reward", "all", "", 30 * value, 30.0))
                rows += [(*where, name, "all", "", 30 * other, 30.0) for name, other in others.items()]
    assert experiment.window == (FROM, IMPRESSIONS)
    return pd.DataFrame(rows, columns=list(COLUMNS))


# What is run


def test_axes_of_arms_make_arms_and_what_nothing_changes_is_there_once(small: Experiment) -> None:
    asked = with_axes(small, {RATE: [0.0, 0.1], STRATEGY: ["softmax", "squarecb", "greedy"]})
    [condition] = plan(asked)
    assert condition.values == {} and condition.experiment.sweep is None
    names = [variant.name for variant in condition.variants]
    assert list(condition.experiment.arms) == ["static", "pooled", *names], "six settings, no plain learned arm"
    for variant, setting in zip(condition.variants, asked.settings(), strict=True):
        assert variant.values == setting.values
        assert condition.experiment.arms[variant.name] == setting.experiment.arms["learned"]
    assert condition.experiment.baseline == "static"


def test_axes_of_different_arms_are_not_crossed(small: Experiment) -> None:
    """Arms do not meet, so a pooled arm at one rate is the same whatever the rate of the learned arm."""
    [condition] = plan(with_axes(small, {RATE: [0.0, 0.1, 0.2], "arms.pooled.exploration_rate": [0.0, 0.3]}))
    assert [variant.arm for variant in condition.variants].count("learned") == 3
    assert [variant.arm for variant in condition.variants].count("pooled") == 2
    assert len(condition.experiment.arms) == 1 + 3 + 2


def test_what_is_not_an_arms_makes_experiments_of_their_own(small: Experiment) -> None:
    conditions = plan(with_axes(small, {"batch": [1, 20], RATE: [0.0, 0.1]}))
    assert [condition.values for condition in conditions] == [{"batch": 1}, {"batch": 20}]
    assert [condition.experiment.batch for condition in conditions] == [1, 20]
    assert [len(condition.variants) for condition in conditions] == [2, 2]
    assert len({condition.experiment.name for condition in conditions}) == 2
    [one, _] = plan(with_axes(small, {"batch": [1, 20]}))
    assert [variant.name for variant in one.variants] == ["learned", "pooled"], "all that can be compared with static"


def test_names_of_settings_are_free_and_short(small: Experiment) -> None:
    long = "a" * 40
    arms = {"static": {"kind": "rerank"}, long: {"kind": "learned"}, "a" * 38 + "-1": {"kind": "uniform"}}
    asked = small.with_values({"arms": arms, "sweep": {"axes": {f"arms.{long}.exploration_rate": [0.0, 0.1]}}})
    [condition] = plan(asked)
    assert len(condition.experiment.arms) == 4
    assert all(len(name) <= 40 for name in condition.experiment.arms)


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"arms.static.method": ["lexical"]}, "baseline"),
        ({"arms.static": [{"kind": "mmr"}]}, "baseline"),
        ({"arms": [{"static": {"kind": "mmr"}}]}, "all arms"),
    ],
)
def test_the_baseline_cannot_be_an_axis(small: Experiment, axes: dict[str, list[Any]], said: str) -> None:
    with pytest.raises(SpecError, match=said) as refused:
        plan(with_axes(small, axes))
    assert refused.value.path == f'sweep.axes."{next(iter(axes))}"'
    with pytest.raises(SpecError, match="nothing to sweep"):
        plan(small)


# What is compared


def test_the_table_pairs_settings_with_the_baseline_and_with_the_best(small: Experiment) -> None:
    """Against a paired t interval over the replicates, worked out here."""
    [condition] = plan(with_axes(small, {RATE: [0.0, 0.1, 0.2]}))
    rng, n = np.random.default_rng(3), 6
    luck = rng.normal(0, 0.2, n)
    names = [variant.name for variant in condition.variants]
    rewards = {
        "static": 0.5 + luck,
        names[0]: 0.6 + luck + rng.normal(0, 0.01, n),
        names[1]: 0.7 + luck + rng.normal(0, 0.01, n),
        names[2]: 0.7005 + luck + rng.normal(0, 0.01, n),
    }
    rows, note = rows_of(condition, made(rewards, condition.experiment, {"price": 0.02, "explored_pages": 0.3}))
    assert note == ""
    by_name = {row.variant.name: row for row in rows}
    means = [row.value.value for row in rows]
    assert means == sorted(means, reverse=True)
    best = rows[0].variant.name
    assert [row.best for row in rows] == [True, False, False]
    for name, row in by_name.items():
        assert row.value.value == pytest.approx(1000 * rewards[name].mean())
        assert (row.price, row.explored_pages) == pytest.approx((20.0, 0.3))
        for found, against in ((row.against_baseline, "static"), (row.to_best, best)):
            if found is None:
                continue
            differences = 1000 * (rewards[name] - rewards[against])
            half = t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)
            assert found.value == pytest.approx(differences.mean())
            assert found.noise.low == pytest.approx(differences.mean() - half)
            assert found.noise.high == pytest.approx(differences.mean() + half)
    # A tenth of reward apart with a noise of a hundredth, and a half of a thousandth apart.
    assert [by_name[name].kept for name in names] == [False, True, True]


def test_only_replicates_that_all_settings_have_count(small: Experiment) -> None:
    [condition] = plan(with_axes(small, {RATE: [0.0, 0.1]}))
    names = [variant.name for variant in condition.variants]
    rng = np.random.default_rng(0)
    rewards = {name: rng.random(4) for name in ("static", *names)}
    figures = made(rewards, condition.experiment, {"price": 0.0, "explored_pages": 0.0})
    figures = figures[(figures["arm"] != names[0]) | (figures["replicate"] != 3)]
    rows, note = rows_of(condition, figures)
    assert "1 of 4 replicates" in note
    for row in rows:
        assert row.value.value == pytest.approx(1000 * rewards[row.variant.name][:3].mean())
        assert row.against_baseline.noise.n == 3


def test_simultaneous_intervals_hold_all_together() -> None:
    """150 experiments of five normal differences from six replicates each; the standard error of 95 % is 1.8 %."""
    rng, held = np.random.default_rng(1), 0
    truth = np.array([0.0, 1.0, -1.0, 0.5, 3.0])
    for _ in range(150):
        shared = rng.normal(0, 1, (6, 1))
        values = truth + 0.7 * shared + rng.normal(0, [0.1, 1.0, 1.0, 2.0, 0.5], (6, 5))
        found = simultaneous(values, np.zeros(6, np.int64), 0.95, 1.0)
        assert found.value == pytest.approx(values.mean(axis=0))
        held += bool(((found.low <= truth) & (truth <= found.high)).all())
    assert 0.91 <= held / 150 <= 1.0


def test_simultaneous_intervals_of_one_are_students_and_know_worlds() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, (8, 1))
    found = simultaneous(values, np.zeros(8, np.int64), 0.95, 1.0)
    # The factor is the 95 % quantile of 4,000 draws or more: within 5 %.
    assert found.critical == pytest.approx(t.ppf(0.975, 7), rel=0.05)
    worlds = np.repeat(np.arange(4), 2)
    spread = values + 10.0 * worlds[:, None]
    assert simultaneous(spread, worlds, 0.95, 1.0).source == "world uncertainty"
    alone = simultaneous(values[:1], worlds[:1], 0.95, 1.0)
    assert np.isnan(alone.low[0]) and "no intervals" in alone.note


# A sweep from end to end


@pytest.fixture(scope="module")
def done(small: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Run:
    asked = with_axes(small, {RATE: [0.0, 1.0], "arms.learned.learning_rate": [0.01]})
    made_run = Runs(tmp_path_factory.mktemp("runs")).create(asked, "sweep")
    with made_run.working():
        snapshots = list(sweep(asked, results=made_run, workers=0, fresh=2))
    counts = [(each.done_tasks, each.tasks) for each in snapshots]
    assert counts[-1] == (4, 4), "two replicates of the settings, two fresh ones"
    assert all(total == 4 for _, total in counts) and counts == sorted(counts)
    return made_run


def test_settings_meet_the_same_luck_as_arms_of_a_plain_experiment(done: Run, small: Experiment) -> None:
    figures = done.figures()
    plain = list(run(small.with_values({"replicates": 1}), workers=0))[-1].figures
    for arm in ("static", "pooled", "reference"):
        keys = ["arm", "measure", "by", "group", "start"]
        one, other = (
            table[(table["arm"] == arm) & (table["replicate"] == 0) & ~table["measure"].str.startswith("latency")]
            .sort_values(keys)
            .reset_index(drop=True)
            for table in (figures, plain)
        )
        pd.testing.assert_frame_equal(one, other)


def test_only_the_fresh_figure_is_concluded(done: Run, small: Experiment) -> None:
    found = settings_table(done)
    [winner] = found.winners
    assert winner.fresh is not None and winner.exported is not None
    fresh = Runs(done.folder.parent).open(winner.run_id)
    assert fresh.run_id != done.run_id
    asked = fresh.experiment
    assert asked.seed not in {small.seed + near for near in range(-1000, 1000)}, "other users, arrivals and luck"
    assert asked.world == done.experiment.world, "in the same world"
    assert set(asked.arms) == {"static", "learned"} and asked.replicates == 2
    assert asked.arms["learned"] == plan(done.experiment)[0].experiment.arms[found.settings[0].variant.name]
    figures = fresh.figures()
    window = figures[(figures["measure"] == "expected_reward") & (figures["by"] == "all") & (figures["start"] >= FROM)]
    totals = window.groupby("arm")[["total", "weight"]].sum()
    value = 1000 * (totals["total"] / totals["weight"])
    gain = value["learned"] - value["static"]
    assert winner.to_json()["difference"] == pytest.approx(gain)
    assert f": {number(gain / 1000)} clicks per 1,000" in found.sentence and "2 fresh replicates" in found.sentence
    for row in found.settings:
        assert number(row.against_baseline.value / 1000) not in found.sentence
    # A list without chance beats one by chance alone: 1.0 explores every slot.
    assert found.settings[0].variant.values[RATE] == 0.0
    assert "learning_rate = 0.01" in found.sentence, "what was swept and is no parameter of the stage"


def test_a_finished_sweep_goes_on_with_nothing_and_grows_by_replicates(done: Run) -> None:
    before = settings_table(done)
    with done.working():
        snapshots = list(sweep(done.experiment, results=done, workers=0, fresh=2))
    assert len(snapshots) == 2 and snapshots[-1].impressions == 0, "a last snapshot of each part"
    assert settings_table(done) == before or settings_table(done).rows == before.rows
    assert len(Runs(done.folder.parent).ids()) == 2


def test_fresh_worlds_are_drawn_where_worlds_are(small: Experiment, tmp_path: Path) -> None:
    asked = with_axes(small, {RATE: [0.0, 0.5]}).with_values({"world.worlds": 2, "replicates": 1})
    made_run = Runs(tmp_path).create(asked, "sweep")
    with made_run.working():
        for _ in sweep(asked, results=made_run, workers=0, fresh=2):
            pass
    [winner] = settings_table(made_run).winners
    fresh = Runs(tmp_path).open(winner.run_id).experiment
    assert fresh.world.worlds == 2 and fresh.world.seed != asked.world.seed
    assert winner.fresh is not None and winner.fresh.difference.worlds.low is not None


def test_conditions_are_concluded_one_by_one(small: Experiment, tmp_path: Path) -> None:
    asked = with_axes(small, {"batch": [10, 50], RATE: [0.0, 1.0]})
    made_run = Runs(tmp_path).create(asked, "sweep")
    with made_run.working():
        *_, last = sweep(asked, results=made_run, workers=0, fresh=2)
    assert (last.done_tasks, last.tasks) == (8, 8)
    found = settings_table(made_run)
    assert [row.condition["batch"] for row in found.settings] == [10, 10, 50, 50]
    assert len(found.winners) == 2 and len({winner.run_id for winner in found.winners}) == 2
    assert found.stage is None, "no single winner"
    paragraphs = found.sentence.split("\n")
    assert [part.split(":")[0] for part in paragraphs] == ["Where batch = 10", "Where batch = 50"]
    assert {"batch", RATE, "reward", "difference", "to_best"} <= set(found.rows[0])


def test_without_fresh_replicates_nothing_is_concluded(small: Experiment, tmp_path: Path) -> None:
    asked = with_axes(small, {RATE: [0.0, 1.0]})
    made_run = Runs(tmp_path).create(asked, "sweep")
    with made_run.working():
        for _ in sweep(asked, results=made_run, workers=0, fresh=0):
            pass
    found = settings_table(made_run)
    assert found.winners[0].fresh is None and found.winners[0].to_json()["difference"] is None
    assert "not said" in found.sentence and "per 1,000" not in found.sentence
    with pytest.raises(SpecError, match="one replicate"):
        list(sweep(asked, results=made_run, workers=0, fresh=1))


def test_a_winner_of_fewer_replicates_lends_its_figure_to_no_other(done: Run, tmp_path: Path) -> None:
    """The fresh run in the note is of another setting than the one that leads now."""
    runs = Runs(tmp_path)
    asked = done.experiment
    other = runs.create(asked, "sweep")
    [condition] = plan(asked)
    names = [variant.name for variant in condition.variants]
    rewards = {"static": np.array([0.4, 0.5]), names[0]: np.array([0.1, 0.2]), names[1]: np.array([0.8, 0.8])}
    figures = made(rewards, asked, {"price": 0.0, "explored_pages": 0.0})
    for replicate in (0, 1):
        other.append(Task(0, replicate, "+".join(rewards)), figures[figures["replicate"] == replicate])
    fresh = Runs(done.folder.parent).open(settings_table(done).winners[0].run_id)
    copy = runs.create(fresh.experiment)
    other.note("beside", {"parts": [], "fresh": {"0": copy.run_id}})
    [winner] = settings_table(other).winners
    assert winner.row.variant.name == names[1] and winner.fresh is None


# As a pipeline


def test_the_winner_is_a_pipeline_that_runs(small: Experiment) -> None:
    values = {RATE: 0.03, STRATEGY: "softmax", "arms.learned.cold_start.threshold": 5, "arms.learned.power_t": 0.25}
    exported = as_pipeline(small.with_values(values), "learned", "mine", asked=["learning_rate", "strategy"])
    pipeline = Pipeline.from_json(exported.pipeline)
    assert [stage["stage_id"] for stage in exported.pipeline] == ["hybrid_search", "rerank", "learned_rerank"]
    assert pipeline.learned is not None and exported.stage == exported.pipeline[-1]
    parameters = exported.stage["parameters"]
    assert (parameters["model_id"], parameters["exploration"]) == ("mine", "softmax")
    assert (parameters["exploration_rate"], parameters["top_n"], parameters["cold_start_after"]) == (0.03, 5, 5)
    assert exported.of_model.keys() == {"power_t", "learning_rate"}, "changed, and asked for"
    assert exported.impossible == {}


def test_what_the_stages_before_and_the_stage_cannot_do_is_said(small: Experiment) -> None:
    after = small.with_values({"arms.learned.after": "retrieval", "arms.learned.context": False})
    exported = as_pipeline(after, "learned")
    assert [stage["stage_id"] for stage in exported.pipeline] == ["hybrid_search", "learned_rerank"]
    assert exported.impossible == {"context": False} and exported.of_model == {}
    assert as_pipeline(small, "pooled").impossible == {"user_side": False}
    popular = as_pipeline(small.with_values({"arms.learned.after": "popularity"}), "learned")
    assert popular.impossible == {"after": "popularity"}


@pytest.mark.parametrize(
    ("arm", "stages"),
    [
        ({"kind": "rerank"}, ["hybrid_search", "rerank"]),
        ({"kind": "mmr", "lambda": 0.3}, ["hybrid_search", "mmr"]),
        ({"kind": "retrieval"}, ["hybrid_search"]),
        ({"kind": "popularity"}, None),
        ({"kind": "uniform"}, None),
        ({"kind": "rerank", "method": "ltr"}, None),
    ],
)
def test_every_arm_is_a_pipeline_or_refused(small: Experiment, arm: dict[str, Any], stages: list[str] | None) -> None:
    asked = small.with_values({"arms.other": arm})
    if stages is None:
        with pytest.raises(LrerankError, match="no stage") as refused:
            as_pipeline(asked, "other")
        assert refused.value.path == "arms.other"
        return
    exported = as_pipeline(asked, "other")
    assert [stage["stage_id"] for stage in exported.pipeline] == stages
    Pipeline.from_json(exported.pipeline)


# Feature ablation


def test_an_ablation_leaves_out_one_group_each_and_nothing_else(small: Experiment) -> None:
    study, groups = ablated(small, "learned")
    assert study.baseline == "learned" and list(study.arms) == ["learned", *groups]
    expected = {"category", "brand", "price", "engagement", "context", "user side", "incoming score and rank"}
    assert set(groups.values()) == expected
    catalog = load_catalog(small.world.catalog)

    def schema(arm: str) -> FeatureSchema:
        """As `Learned` makes it; contexts by name."""
        spec = study.arms[arm]
        assert isinstance(spec, LearnerSpec)
        sides = {"incoming": spec.incoming, "user_side": spec.user_side}
        found, _ = fit_schema(catalog, spec.features, **sides, interactions=spec.interactions)
        facts = found.context if found.context is not None else ("device", "location", "time_of_day", "weekend")
        return replace(found, context=tuple(sorted(facts)) if spec.context else ())

    whole = schema("learned")
    for arm, group in groups.items():
        specs = tuple(spec for spec in whole.specs if spec.path != group)
        crossed = tuple(path for path in whole.crossed if path != group)
        without = {
            "engagement": replace(whole, engagement=()),
            "context": replace(whole, context=()),
            "user side": replace(whole, user_side=False),
            "incoming score and rank": replace(whole, incoming=False),
        }.get(group, replace(whole, specs=specs, crossed=crossed))
        assert schema(arm) == without, group
        one, other = study.arms[arm], study.arms["learned"]
        assert isinstance(one, LearnerSpec) and isinstance(other, LearnerSpec)
        assert one.cold_start_after == other.cold_start_after == 2, "who ranks for strangers stays"


def test_an_ablation_passes_over_what_is_off_already(small: Experiment) -> None:
    listed = small.with_values({"arms.pooled.features": ["category", "context.device"], "arms.pooled.incoming": False})
    study, groups = ablated(listed, "pooled")
    assert set(groups.values()) == {"category", "context"}
    for refused in ("static", "nobody"):
        with pytest.raises(SpecError, match="no arm that learns"):
            ablated(small, refused)
    assert study.sweep is None


def test_effects_are_with_minus_without_and_hold_at_once(small: Experiment) -> None:
    study, groups = ablated(small, "learned")
    rng, n = np.random.default_rng(4), 8
    luck = rng.normal(0, 0.3, n)
    effects = {name: 0.1 * place - 0.1 for place, name in enumerate(groups)}
    rewards = {"learned": 1.0 + luck}
    rewards |= {name: 1.0 - effect + luck + rng.normal(0, 0.005, n) for name, effect in effects.items()}
    found = ablation_table(made(rewards, study, {}), study, groups)
    assert found.reward == pytest.approx(1000 * rewards["learned"].mean())
    assert [each.value for each in found.effects] == sorted((each.value for each in found.effects), reverse=True)
    single = t.ppf(0.975, n - 1)
    for each in found.effects:
        differences = 1000 * (rewards["learned"] - rewards[each.simulated_as])
        assert each.value == pytest.approx(differences.mean())
        assert each.low is not None and each.high is not None
        half = differences.std(ddof=1) / np.sqrt(n)
        assert each.high - each.value == pytest.approx(each.value - each.low)
        factor = (each.high - each.value) / half
        # Wider than one by one, at most Bonferroni's.
        assert single < factor <= t.ppf(1 - 0.025 / len(groups), n - 1) * (1 + 1e-9)
        assert each.low <= 1000 * effects[each.simulated_as] <= each.high
    harmful, nothing = list(groups.values())[:2]
    assert f"without {harmful} it does better" in found.sentence
    assert "the other group shows no clear effect" in found.sentence and nothing not in found.sentence.replace(
        "incoming", ""
    )


# The command


def said(home: Path, *arguments: object) -> tuple[int, str, str]:
    environment = {"LRERANK_HOME": str(home), "COLUMNS": "200"}
    result = CliRunner(env=environment).invoke(app, [str(each) for each in arguments])
    if isinstance(result.exception, LrerankError):
        return 2, result.stdout, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_command_prints_the_table_and_writes_the_pipeline(small: Experiment, tmp_path: Path) -> None:
    spec, out = tmp_path / "asked.toml", tmp_path / "pipeline.json"
    spec.write_text(with_axes(small, {RATE: [0.0, 0.5]}).to_toml())
    code, printed, aside = said(tmp_path, "sweep", spec, "--workers", 1, "--fresh", 2, "--out", out, "-q")
    assert code == 0 and "exploration_rate" in printed and "minus static" in printed and "best" in printed
    assert str(out) in aside
    Pipeline.from_json(out)
    [main] = [each for each in Runs(tmp_path / "runs").ids() if "fresh" not in each]
    _, shown, _ = said(tmp_path, "runs", "show", main)
    assert printed.split("\n")[0] in shown, "what a sweep said can be looked at later"
    stage = tmp_path / "stage.json"
    assert said(tmp_path, "runs", "export", main, stage, "--arm", "learned")[0] == 0
    assert [each["stage_id"] for each in json.loads(stage.read_text())] == ["hybrid_search", "rerank", "learned_rerank"]
    code, printed, aside = said(tmp_path, "sweep", "--resume", main, "--fresh", 2, "--json", "-q", "--workers", 1)
    assert code == 0, aside
    found = json.loads(printed)
    assert found["pipeline"] == json.loads(out.read_text()) and found["winners"][0]["replicates"] == 2
    assert len(found["settings"]) == 2


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["sweep", "sweep", "--ablate", "learned", "--cold-start", "learned"], "--ablate"),
        (["sweep", "sweep", "--ablate", "learned", "--fresh", "3"], "--ablate"),
        (["sweep", "sweep", "--cold-start", "static"], ""),
        (["sweep", "sweep", "--cold-start", "learned", "--resume", "any"], "--resume"),
        (["sweep", "sweep", "--set", "baseline=learned"], "sweep.axes"),
        (["sweep", "sweep", "--set", 'sweep.axes={"batch"=[1,2]}', "--out", "x.json"], "--out"),
    ],
)
def test_what_cannot_be_swept_is_refused_and_leaves_no_run(tmp_path: Path, arguments: list[str], place: str) -> None:
    code, _, error = said(tmp_path, *arguments)
    assert code == 2 and error.startswith(place), error
    assert Runs(tmp_path / "runs").ids() == []
