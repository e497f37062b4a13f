"""The page Tune, as far as it needs no browser: what it runs, what it says, what it carries on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_site
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from lrerank.charts.rows import Forest
from lrerank.cli.main import app
from lrerank.data.cards import read_card
from lrerank.data.own import keep
from lrerank.errors import InputError
from lrerank.experiments.ablation import Ablation, ablated
from lrerank.experiments.arm_specs import LearnerSpec
from lrerank.experiments.as_pipeline import MODEL_ID, Exported
from lrerank.experiments.cold_start import ColdStart, cold_started
from lrerank.experiments.compare import compare
from lrerank.experiments.findings import ABLATION, COLD_START, SETTINGS, study_of
from lrerank.experiments.results import Runs
from lrerank.experiments.run import Snapshot, run
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep import conditions_of
from lrerank.experiments.sweep_plan import Variant, plan
from lrerank.experiments.sweep_table import rows_of
from lrerank.experiments.sweep_verdict import SettingsTable, Winner
from lrerank.experiments.tables import COLUMNS
from lrerank.exploration import Strategy
from lrerank.pipeline import Pipeline
from lrerank.store import Store
from lrerank.ui.frame import jobs
from lrerank.ui.jobs import Jobs
from lrerank.ui.policy import Policy
from lrerank.ui.tune.estimate import in_words, of_kind, seconds_per_search, work
from lrerank.ui.tune.feature_sets import ALL, MINE, NO_CONTEXT, NO_RATES, TOPIC, called, called_apart, features_of
from lrerank.ui.tune.labels import Words, condition_label, searches
from lrerank.ui.tune.live import Progress, early, under_way
from lrerank.ui.tune.outcome import Outcome, Panel, gaps, pages_help, pages_told, recommended, so_far, table
from lrerank.ui.tune.pictures import dose_chart, dose_picture, heat_chart
from lrerank.ui.tune.setup import TuneSetup, read_rates
from lrerank.ui.welcome.finished import SWEEPS, finished

PAGE = Path(__file__).parents[1] / "lrerank" / "ui" / "views" / "tune.py"
POLICY = Policy(exploration_rate=0.03, strategy="softmax", features=("metadata.price",), cold_start_after=1)
RATE = "arms.learned.exploration_rate"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("tune"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TuneSetup:
    """Two rates, two replicates, a shop of 300 products."""
    catalog = small_site.shop(tmp_path_factory.mktemp("shop"))
    return TuneSetup(catalog=str(catalog), searches=120, logged=40, batch=20, rates=(0.0, 0.2), replicates=2)


@pytest.fixture(scope="module")
def swept(tiny: TuneSetup, store: Store) -> Outcome:
    job = tiny.begin(Jobs(workers=1), store)
    assert job.wait(180) and not job.problem
    return Outcome(Runs(store.runs).open(job.run.run_id))


# What is run


@pytest.mark.parametrize("question", [SETTINGS, ABLATION, COLD_START])
def test_toml_of_the_page_is_the_same_experiment(question: str, store: Store, tmp_path: Path) -> None:
    sets = (MINE, ALL, NO_RATES, NO_CONTEXT, TOPIC)
    asked = TuneSetup(question, POLICY, feature_sets=sets, no_user=True, drift=True, launches=True, seed=3)
    experiment = asked.experiment(store)
    spec = tmp_path / "tune.toml"
    spec.write_text(experiment.to_toml())
    assert Experiment.read(spec) == experiment
    assert experiment.measure_from in experiment.edges() and experiment.measure_from == 750
    assert (experiment.sweep is None) == (question != SETTINGS)


def test_what_is_not_varied_is_the_policy_that_travels(store: Store) -> None:
    [condition] = plan(TuneSetup(policy=POLICY, strategies=("softmax",)).experiment(store))
    carried = [Policy.of_arm(condition.experiment.arms[each.name], POLICY.origin) for each in condition.variants]  # type: ignore[arg-type]
    assert carried == [replace(POLICY, exploration_rate=rate) for rate in (0.0, 0.02, 0.05, 0.1)]


def test_settings_and_conditions_are_as_many_as_is_said(store: Store) -> None:
    asked = TuneSetup(strategies=("epsilon_greedy", "softmax"), feature_sets=(MINE, TOPIC), no_user=True, drift=True)
    conditions = plan(asked.experiment(store))
    assert len(conditions) == asked.conditions == 2
    assert [len(each.variants) for each in conditions] == [asked.settings] * 2 == [32, 32]
    names = list(map(Words(conditions[0].variants).setting, conditions[0].variants))
    assert len(set(names)) == 32
    assert "exploration rate 0.05, category alone, without the user side, Softmax" in names
    both = TuneSetup(drift=True, launches=True).experiment(store)
    labels = condition_label([each.values for each in plan(both)])
    assert labels == ["Stationary", "New items arrive", "Tastes drift", "Tastes drift and new items arrive"]


def test_the_studies_are_those_of_the_command(store: Store) -> None:
    features = TuneSetup(ABLATION)
    study, [(name, note)] = features.study(store)
    wanted, groups = ablated(features.experiment(store), "learned", store)
    assert study == wanted and (name, note) == ("study", {"kind": ABLATION, "groups": groups})
    assert features.command() == "lrerank sweep tune.toml --ablate learned"
    cold = TuneSetup(COLD_START)
    assert cold.study(store)[0] == cold_started(cold.experiment(store), "learned")
    assert cold.command() == "lrerank sweep tune.toml --cold-start learned"


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"rates": ()}, "rates", "at least one rate"),
        ({"rates": (0.1, 1.5)}, "rates", "1.5 is no rate"),
        ({"rates": (0.1,)}, "rates", "a single setting"),
        ({"strategies": ()}, "strategies", "at least one strategy"),
        ({"feature_sets": ()}, "feature_sets", "at least one feature set"),
        ({"replicates": 1}, "replicates", "One replicate"),
    ],
)
def test_what_can_not_be_run_is_said_at_its_control(values: dict[str, object], field: str, said: str) -> None:
    problems = TuneSetup(**values).problems()  # type: ignore[arg-type]
    assert said in problems[field]
    assert not TuneSetup().problems() and not TuneSetup(ABLATION, rates=()).problems()


def test_rates_are_read_as_people_write_them() -> None:
    assert read_rates(["0.1", "5 %", "0", " 0,2 ", "10%"]) == ((0.0, 0.05, 0.1, 0.2), "")
    for wrong in ("often", "1.5", "-0.1", "nan", "120 %", ""):
        rates, problem = read_rates(["0.1", wrong])
        assert rates == () and problem.endswith(".")


def test_sets_of_features_are_called_what_they_are(store: Store) -> None:
    sets = features_of("marketplace", store)
    assert called("auto") == "All features" and called(sets[TOPIC]) == "Category alone"
    assert called(sets[NO_RATES]) == "Without engagement rates" and called(sets[NO_CONTEXT]) == "Without context"
    assert called(["metadata.price", "metadata.brand"]) == "2 features"
    assert not any(path.startswith("engagement.") for path in sets[NO_RATES])
    assert not any(path.startswith("context.") for path in sets[NO_CONTEXT])


def test_sets_that_would_be_called_alike_are_told_apart(store: Store) -> None:
    pairs = [["metadata.price", "metadata.brand"], ["metadata.price", "metadata.rating"]]
    assert called_apart(["auto", *pairs]) == ["All features", "2 features, with brand", "2 features, with rating"]
    assert called_apart([["metadata.price"], ["engagement.price"]]) == [
        "metadata.price alone",
        "engagement.price alone",
    ]
    fewer = ["metadata.price", "metadata.brand", "context.time", "context.device"]
    [first, second] = called_apart([fewer, features_of("marketplace", store)[NO_RATES]])
    assert first == "Without engagement rates (4 features)" and second.startswith("Without engagement rates (")
    assert first != second
    long = [[f"content.f{place}" for place in range(start, start + 9)] for start in (0, 1)]
    assert called_apart(long) == ["9 features, with f0", "9 features, with f9"]


def test_the_page_says_searches() -> None:
    assert searches("figures begin at impression 3, impressions 4 to 9") == "figures begin at search 3, searches 4 to 9"


def test_different_settings_are_never_called_alike() -> None:
    def named(arm: str, **values: object) -> Variant:
        return Variant(f"{arm}-1", arm, {f"arms.{arm}.{name}": value for name, value in values.items()})

    several = [
        named("learned", exploration_rate=0.1),
        named("pooled", exploration_rate=0.1),
        named("learned"),
        named("pooled"),
        named("learned", learning_rate=0.1234567),
        named("learned", learning_rate=0.12345671),
        named("learned", features=["metadata.price", "metadata.brand"]),
        named("learned", features=["metadata.brand", "metadata.price"]),
        named("learned", features=["metadata.brand", "metadata.rating"]),
        named("learned", strategy="bag"),
    ]
    called = list(map(Words(several).setting, several))
    assert len(set(called)) == len(several)
    assert called[:3] == ["learned: exploration rate 0.1", "pooled: exploration rate 0.1", "learned: as it is"]
    assert called[-1] == "learned: Bag"


# What it says


def test_the_page_has_the_figures_of_the_command(tiny: TuneSetup, store: Store, swept: Outcome, tmp_path: Path) -> None:
    spec = tmp_path / "tune.toml"
    spec.write_text(tiny.experiment(store).to_toml())
    arguments = [*tiny.command(str(spec)).split()[1:], "--workers", "1", "-q", "--json"]
    result = CliRunner(env={"LRERANK_HOME": str(tmp_path)}).invoke(app, arguments)
    assert result.exception is None, result.output
    told, found = json.loads(result.stdout), swept.found
    assert isinstance(found, SettingsTable)
    assert told["verdict"] == found.sentence
    assert told["settings"] == json.loads(json.dumps(found.rows)) and told["stage"] == found.stage
    [panel] = swept.panels
    fresh = panel.winner.fresh if panel.winner is not None else None
    assert fresh is not None and told["winners"][0]["difference"] == fresh.per_thousand.headline.value
    assert recommended(panel, swept.experiment).evidence.startswith("On 8 fresh replicates")


def test_a_setting_travels_with_its_origin_and_its_stage(swept: Outcome) -> None:
    [panel] = swept.panels
    best = panel.rows[0]
    policy, exported = panel.carried(best, swept.origin), panel.exported(best)
    assert policy is not None and exported is not None and exported.stage is not None
    assert policy.exploration_rate == best.variant.values[RATE] == exported.stage["parameters"]["exploration_rate"]
    assert policy.origin.startswith("the sweep of ") and gaps(exported) == []
    assert exported.pipeline[-1] == exported.stage
    assert gaps(None) == ["No stage ranks as this setting does, so there is nothing to export."]
    left_out = gaps(Exported(None, [], {"user_side": False, "learning_rate": 0.5}))
    assert left_out == [
        "Belongs to the model and its training, not to the stage: learning rate = 0.5.",
        "The stage can't do this, so it would rank otherwise: user side = false.",
    ]


@pytest.mark.parametrize("strategy", ["epsilon_greedy", "softmax", "squarecb", "bag", "greedy"])
def test_a_stage_has_the_knobs_of_its_strategy_only_and_is_the_same_policy(strategy: Strategy, store: Store) -> None:
    carried = Policy(strategy=strategy, temperature=0.3, gamma=50.0, bag=7, cold_start_after=4)
    panel = made(TuneSetup(policy=carried, strategies=(strategy,), rates=(0.0, 0.2)), store, [0.1, 0.05], None)
    for row in panel.rows:
        exported, policy = panel.exported(row), panel.carried(row, "here")
        assert exported is not None and exported.stage is not None and policy is not None
        assert exported.pipeline[-1] == exported.stage
        knobs = {"softmax": {"temperature": 0.3}, "squarecb": {"gamma": 50.0}, "bag": {"bag": 7}}.get(strategy)
        given = exported.stage["parameters"]
        assert given.get("exploration_parameters") == knobs and given["model_id"] == MODEL_ID
        assert Policy.from_parameters(given, "here").parameters("m") == policy.parameters("m")
        simulated = panel.condition.experiment.arms[row.variant.name]
        assert isinstance(simulated, LearnerSpec) and Policy.of_arm(simulated, "here") == policy
        assert Pipeline.from_json(exported.pipeline).learned is not None


def made(asked: TuneSetup | Experiment, store: Store, gains: list[float], fresh: list[float] | None) -> Panel:
    """A panel from figures in which the settings gain so much per search over a static order of 0.5."""
    [condition] = plan(asked.experiment(store) if isinstance(asked, TuneSetup) else asked)
    start, end = condition.experiment.window

    def figures(arms: dict[str, float], replicates: int) -> pd.DataFrame:
        rows: list[tuple[object, ...]] = []
        for arm, gain in arms.items():
            # Of mean zero, so that means are the gains.
            noise = np.random.default_rng(len(rows)).normal(0, 0.004, replicates) if gain else np.zeros(replicates)
            for replicate, luck in enumerate((noise - noise.mean()).tolist()):
                value = 0.5 + gain + luck
                for measure, each in (("expected_reward", value), ("price", 0.02), ("explored_pages", 0.3)):
                    rows.append((0, replicate, arm, start, end, measure, "all", "", 1000 * each, 1000.0))
        return pd.DataFrame(rows, columns=list(COLUMNS))

    names = [variant.name for variant in condition.variants]
    rows, note = rows_of(condition, figures({"static": 0.0, **dict(zip(names, gains, strict=True))}, 6))
    winner = None
    if fresh is not None:
        [gain] = fresh
        found = compare(figures({"static": 0.0, "learned": gain}, 8), "learned", "static", "expected_reward")
        winner = Winner(rows[0], found, "fresh", None, alone=False)
    return Panel("", condition, "run", rows, 6, winner, note)


def test_only_fresh_figures_are_concluded(store: Store) -> None:
    asked = TuneSetup(rates=(0.0, 0.05, 0.3))
    experiment = asked.experiment(store)
    panel = made(asked, store, [0.1, 0.0995, 0.01], [0.0801])
    told = recommended(panel, experiment)
    assert told.title == "Use exploration rate 0." and told.sure
    assert "+80 clicks per 1,000 searches" in told.evidence and "+100" not in told.evidence
    assert told.reason.endswith("what can't be told apart from it: 0.05.")
    assert told.price == "Exploring changes 30 % of pages, which costs 20.0 clicks per 1,000 searches at once."
    row = next(row for row in panel.rows if row.variant.values[RATE] == 0.05)
    assert "40 % of the pages that the model ranks contain an explored slot; fewer" in pages_told(panel, row)
    [never] = [row for row in panel.rows if row.variant.values[RATE] == 0]
    assert pages_told(panel, never).endswith("not yet placed, higher. This setting never explores.")
    assert "65 % at a rate of 0.1" in pages_help(10)
    nothing = recommended(made(asked, store, [0.1, 0.09, 0.01], [0.0004]), experiment)
    assert nothing.title == "Nothing is shown to beat static yet." and not nothing.sure
    behind = recommended(made(asked, store, [-0.1, -0.2, -0.3], [-0.1]), experiment)
    assert behind.title.startswith("Keep static") and "is behind static" in behind.evidence
    waiting = recommended(made(asked, store, [0.1, 0.02, 0.01], None), experiment)
    assert waiting.title == "So far the best is exploration rate 0." and "clicks" not in waiting.evidence


def test_charts_and_table_hold_the_settings_in_the_pages_words(store: Store) -> None:
    asked = TuneSetup(rates=(0.0, 0.05), feature_sets=(MINE, TOPIC))
    experiment = asked.experiment(store)
    panel = made(asked, store, [0.1, 0.09, 0.05, 0.02], [0.08])
    dose, heat = dose_chart(panel, experiment), heat_chart(panel, experiment)
    assert dose is not None and set(dose.series) == {"All features", "Category alone"}
    assert dose.x == "Exploration rate" and dose.axis == "Clicks per 1,000 searches minus static"
    assert heat is not None and heat.columns == ("0", "0.05") and set(heat.rows) == {"All features", "Category alone"}
    cells = [point.simulated_as for row in heat.cells for point in row if point is not None]
    assert sorted(cells) == sorted(row.variant.name for row in panel.rows)
    assert all(panel.row(name) is not None for name in cells) and panel.row("else") is None
    rows = table(panel, experiment)
    assert (rows[0]["Exploration rate"], rows[0]["Features"], rows[0]["Verdict"]) == ("0", "All features", "Best")
    assert rows[0]["Pages changed"] == pytest.approx(30) and rows[0]["Against the best"] == ""
    pairs = [["metadata.price", "metadata.brand"], ["metadata.price", "metadata.rating"]]
    axes = {RATE: [0.0, 0.1], "arms.learned.features": pairs}
    spec = {**asked.experiment(store).to_json(), "sweep": {"axes": axes}}
    alike = made(Experiment.parse(spec), store, [0.1, 0.09, 0.05, 0.02], None)
    dose, heat = dose_chart(alike, experiment), heat_chart(alike, experiment)
    assert dose is not None and set(dose.series) == {"2 features, with brand", "2 features, with rating"}
    assert heat is not None and set(heat.rows) == set(dose.series) and len(dose_picture(dose)["traces"]) == 2
    one = made(TuneSetup(rates=(0.0, 0.05, 0.3)), store, [0.1, 0.0995, 0.01], None)
    found = dose_chart(one, experiment)
    assert found is not None and heat_chart(one, experiment) is None
    [band] = dose_picture(found)["layout"]["shapes"]
    assert (band["x0"], band["x1"]) == (0.0, 0.05), "over the settings that can't be told apart"
    [points] = found.series.values()
    parted = replace(found, series={"": tuple(replace(each, kept=each.at != 0.05) for each in points)})
    assert dose_picture(parted)["layout"]["shapes"] == [], "not over one between them that is shown to be worse"


def test_a_study_lets_one_set_what_it_found(tiny: TuneSetup, store: Store) -> None:
    mine = Jobs(workers=1)
    job = replace(tiny, question=COLD_START).begin(mine, store)
    assert job.wait(120) and not job.problem
    outcome = Outcome(job.run)
    assert outcome.kind == COLD_START and outcome.origin.startswith("the cold-start study of ")
    found, kept = outcome.found, outcome.kept
    assert isinstance(found, ColdStart)
    threshold = found.threshold
    assert (kept is None) == (threshold is None)
    if kept is not None:
        assert kept[0].cold_start_after == threshold
    ablation = replace(tiny, question=ABLATION).begin(mine, store)
    assert ablation.wait(120) and not ablation.problem
    kept = Outcome(ablation.run).kept
    assert kept is not None and kept[0].origin.startswith("the ablation of ")


class TestFinished:
    """The sweeps that come with the program."""

    @pytest.mark.parametrize("question", [SETTINGS, ABLATION, COLD_START])
    def test_they_are_what_the_page_asks_and_say_something(self, question: str, store: Store) -> None:
        outcome = Outcome(finished(SWEEPS[question]))
        experiment, notes = TuneSetup.usual(question).study(store)
        assert outcome.experiment == experiment and outcome.status == "done" and outcome.kind == question
        assert all(outcome.run.noted(name) == note for name, note in notes)
        assert outcome.comes_along and outcome.origin.endswith("that comes with lrerank")
        match outcome.found:
            case SettingsTable():
                [panel] = outcome.panels
                told = recommended(panel, experiment)
                assert told.sure and "On 8 fresh replicates" in told.evidence and dose_chart(panel, experiment)
            case Ablation(effects=effects):
                assert effects[0].low is not None and effects[0].low > 0
            case ColdStart(threshold=threshold):
                assert threshold is not None

    def test_they_are_small(self) -> None:
        folders = [path for path in finished().folder.parent.glob("finished-*") if path.is_dir()]
        assert {path.name for path in folders} == {*SWEEPS.values(), "finished-settings-fresh"}
        assert sum(file.stat().st_size for folder in folders for file in folder.rglob("*.*")) < 400_000

    @pytest.mark.parametrize(
        ("run_id", "arms"),
        [
            ("finished-settings", ("static", "learned-3")),
            ("finished-settings-fresh", ("static", "learned")),
            ("finished-features", ("learned",)),
            ("finished-cold-start", ("learned",)),
        ],
    )
    def test_this_program_computes_the_same(self, run_id: str, arms: tuple[str, ...]) -> None:
        """A replicate of some arms; as exactly as the finished comparison is computed again."""
        shipped = finished(run_id)
        experiment = shipped.experiment
        if run_id == "finished-settings":
            [condition] = plan(experiment)
            experiment = condition.experiment
        spec = experiment.to_json()
        given = {**spec, "arms": {name: spec["arms"][name] for name in arms}, "baseline": arms[0], "replicates": 1}
        *_, last = run(Experiment.parse(given), workers=0)
        theirs = shipped.figures()
        theirs = theirs[(theirs["replicate"] == 0) & (theirs["measure"] == "expected_reward")]
        mine = last.figures[
            (last.figures["measure"] == "expected_reward") & (last.figures["by"] == theirs["by"].iloc[0])
        ]
        for arm in arms:
            again, before = (each.loc[each["arm"] == arm, "total"].sum() for each in (mine, theirs))
            assert again == pytest.approx(before, rel=0.005)


# While it runs


def test_what_all_settings_have_behind_them_is_told_before_a_replicate_is_finished(
    tiny: TuneSetup, store: Store
) -> None:
    seen: list[Forest] = []
    job = replace(tiny, searches=4000).begin(Jobs(workers=1), store)
    conditions = conditions_of(job.run)
    while job.active and not seen:
        if job.snapshot is not None:
            found = early(job.experiment, study_of(job.run), conditions, job.snapshot)
            seen += [] if found is None else [found]
    job.cancel()
    assert job.wait(30)
    [told] = seen
    assert [row.label for row in told.rows] == ["exploration rate 0", "exploration rate 0.2"]
    assert told.title.startswith("Searches 1 to ") and "of 4,000, minus static" in told.title
    assert so_far(conditions) == ()


def test_progress_counts_replicates_and_never_goes_back(tiny: TuneSetup, store: Store) -> None:
    asked = tiny.experiment(store)
    rows = [(0, 0, arm, 0, asked.impressions, "reward", "all", "", 1.0, 1.0) for arm in (*asked.arms, "reference")]
    figures = pd.DataFrame(rows, columns=list(COLUMNS))
    # Two tasks each, where there are more processes than replicates.
    snapshot = Snapshot(2, 4, 10, 20, 5.0, 5.0, lambda: figures, (figures,), ())
    progress, part = Progress(began=100.0), ("Stationary", asked)
    assert progress.at(None, 100.0, part) == (0.0, "Setting up the world")
    share, said = progress.at(snapshot, 110.0, part)
    assert share == pytest.approx(2 / 3) and said == "Stationary: 1 of 2 replicates, about 5 s left"
    later, _ = progress.at(replace(snapshot, seconds_left=500.0), 111.0, part)
    assert later == share
    waiting, said = progress.at(replace(snapshot, seconds_left=None), 112.0, ("", asked))
    assert waiting == share and said == "1 of 2 replicates, setting up the world"


def test_progress_is_of_the_part_that_is_computed(tiny: TuneSetup, store: Store) -> None:
    run = Runs(store.runs).create(replace(tiny, drift=True).experiment(store), "sweep")
    parts = [Runs(store.runs).create(condition.experiment) for condition in plan(run.experiment)]
    fresh = Runs(store.runs).create(Experiment.parse({**tiny.experiment(store).to_json(), "replicates": 8}))
    run.note("beside", {"parts": [part.run_id for part in parts], "fresh": {"0": fresh.run_id}})
    conditions = conditions_of(run)
    assert under_way(run, conditions) == ("", run.experiment), "nothing is computed yet"
    with parts[1].working():
        assert under_way(run, conditions) == ("Tastes drift", parts[1].experiment)
    with fresh.working():
        said, asked = under_way(run, conditions)
        assert said == "The best again, on fresh users" and asked.replicates == 8


def test_how_long_it_takes_is_judged_by_runs_of_the_store(swept: Outcome, store: Store, tmp_path: Path) -> None:
    assert seconds_per_search(Runs(tmp_path)) is None and of_kind(Runs(tmp_path), SETTINGS) is None
    each = seconds_per_search(Runs(store.runs))
    assert each is not None and each > 0
    found = of_kind(Runs(store.runs), SETTINGS)
    assert found is not None and study_of(found)["kind"] == SETTINGS
    # Two settings on two replicates and one on eight fresh ones; the static arm beside them takes a tenth.
    assert work(swept.experiment) == pytest.approx(160 * (2 * 2.1 + 8 * 1.1))
    said = [in_words(seconds) for seconds in (3, 38, 70, 130, 7000)]
    assert said == ["about 10 seconds", "about 40 seconds", "about a minute", "about 2 minutes", "about 2 hours"]


# The page


@pytest.mark.parametrize(
    "text",
    [
        '{"features":' + "[" * 100_000,
        '{"origin": "\\ud800"}',
        '{"features": ["\\ud800"]}',
        '{"strategy":"bag","bag":1}',
    ],
    ids=len,
)
def test_a_policy_that_no_address_can_hold_is_none(text: str) -> None:
    with pytest.raises(InputError, match="holds no policy"):
        Policy.from_query(text)


def test_an_address_that_names_no_run_is_told_without_its_markdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRERANK_HOME", str(tmp_path))
    page = AppTest.from_file(str(PAGE), default_timeout=60)
    page.query_params["run"] = "![x](//example.org/x.png)"
    page.query_params["update-every"] = "1e999"
    page.query_params["policy"] = '{"strategy": "bag"}'
    page.run()
    assert page.multiselect(key="strategies").value == ["epsilon_greedy"]
    assert any(each.value == "Your setting's strategy, Bag, is not among these." for each in page.caption)
    assert not page.exception and "!\\[x\\]" in page.error[0].value


def test_the_page_goes_from_nothing_to_a_setting_that_travels(
    tiny: TuneSetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRERANK_HOME", str(tmp_path))
    file = Path(tiny.catalog)
    keep(Store().catalogs, "little", file.read_bytes(), ".csv", read_card(file.with_name("shop.card.toml")))
    page = AppTest.from_file(str(PAGE), default_timeout=120)
    page.query_params["catalog"] = "little"
    page.run()
    assert not page.exception and not page.error
    assert any("A sweep that comes with lrerank." in each.value for each in page.caption)
    assert len(page.dataframe) == 1, "a finished one, without a click"
    assert not any(each.label == "Open the run" for each in page.button), "it is none of the store's"
    [more] = [each for each in page.expander if each.label == "More"]
    assert page.selectbox(key="population").value == "regulars"
    assert "population" not in {box.key for box in more.selectbox}, "in front, as on Simulate"
    start = next(each for each in page.button if each.label == "Compare settings")
    assert not start.disabled
    page.multiselect(key="rates").set_value(["0", "2"]).run()
    assert any("2 is no rate" in each.value for each in page.warning)
    assert next(each for each in page.button if each.label == "Compare settings").disabled
    page.multiselect(key="rates").set_value(["0", "0.1"])
    page.select_slider(key=f"horizon-{SETTINGS}").set_value(500)
    page.number_input(key=f"replicates-{SETTINGS}").set_value(1).run()
    assert any("One replicate" in each.value for each in page.warning)
    page.number_input(key=f"replicates-{SETTINGS}").set_value(2)
    page.number_input(key="log-before").set_value(0).run()
    next(each for each in page.button if each.label == "Compare settings").click().run()
    run_id = page.query_params["run"]
    assert run_id.startswith("tune-rate-") and any(each.label == "Cancel" for each in page.button)
    job = jobs().get(run_id)
    assert job is not None and job.wait(120) and not job.problem
    page.run()
    assert not any(each.label == "Cancel" for each in page.button)
    text = " ".join(block.proto.body for block in page.get("html"))
    assert "On 8 fresh replicates" in text and "assumed users" in text
    next(each for each in page.button if each.label == "Use this setting").click().run()
    assert "The setting goes with you" in page.toast[0].value
    assert page.session_state["chosen-policy"].origin.startswith("the sweep of ")
    assert any(each.label == "Stage JSON" for each in page.get("download_button"))
    # Another question has no run yet; the first one's is found again.
    page.segmented_control(key="question").set_value(ABLATION).run()
    assert "run" not in page.query_params
    assert any("which features pay within 1,000 searches?" in each.value for each in page.caption)
    page.segmented_control(key="question").set_value(SETTINGS).run()
    assert page.query_params["run"] == run_id and not page.exception
