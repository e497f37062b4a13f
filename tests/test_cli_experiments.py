"""The commands on experiments, on figures made here: what they print, what they refuse, and what they hand to programs."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t
from small_site import experiment as small_experiment
from small_site import shop
from typer.testing import CliRunner

from lrerank.cli.common import console
from lrerank.cli.experiments import _enough, _follow
from lrerank.cli.main import app
from lrerank.errors import LrerankError
from lrerank.experiments.ablation import ablated
from lrerank.experiments.cold_start import cold_started
from lrerank.experiments.early_stop import looked, told
from lrerank.experiments.lifts import explained, lifts
from lrerank.experiments.results import Run, Runs, RunStoppedError, Status
from lrerank.experiments.run import run as simulated
from lrerank.experiments.sequential import confidence_sequence
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep_plan import plan
from lrerank.experiments.tables import COLUMNS, Task, values
from lrerank.pipeline import Pipeline
from lrerank.store import Store

EXPERIMENT = Experiment.shipped("first").with_values(
    {"impressions": 1000, "measure_from": 400, "bins": 5, "replicates": 6}
)
REPLICATES = 5


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))


def run(home: Path, *arguments: object, columns: int = 160) -> Said:
    console.width = columns  # however wide the terminal is that the tests run in
    result = CliRunner(env={"LRERANK_HOME": str(home)}).invoke(app, [str(each) for each in arguments])
    if isinstance(result.exception, LrerankError):
        return Said(2, result.stdout, str(result.exception))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def rewards(lift: float, seed: int = 0) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """arm → [replicates, bins] reward per page; before impression 400 it is another one."""
    rng = np.random.default_rng(seed)
    luck = rng.normal(0, 0.05, (REPLICATES, 1))
    late = np.array([9.0, 9.0, 0.0, 0.0, 0.0])
    return {
        "static": 0.5 + luck + late,
        "learned": 0.5 + lift + luck + rng.normal(0, 0.01, (REPLICATES, 1)) + late,
        "reference": 0.9 + luck + late,
    }


def keep(runs: Runs, experiment: Experiment = EXPERIMENT, lift: float = 0.1) -> Run:
    made = runs.create(experiment)
    with made.working():
        for replicate in range(REPLICATES):
            rows: list[tuple[Any, ...]] = []
            for arm, reward in rewards(lift).items():
                for place in range(5):
                    bounds = (place * 200, place * 200 + 200)
                    where = (0, replicate, arm, *bounds)
                    total = 200 * reward[replicate, place]
                    rows += [(*where, measure, "all", "", total, 200.0) for measure in ("reward", "expected_reward")]
                    rows.append((*where, "reward", "history", "0", 50.0, 100.0))
                    rows.append((*where, "reward", "history", "1", 0.0, 0.0))
                rows.append((0, replicate, arm, 0, 1000, "candidate_coverage", "all", "", 0.25, 1.0))
            made.append(Task(0, replicate), pd.DataFrame(rows, columns=list(COLUMNS)))
    return made


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that differ in an arm, and one in another world; no test may change them."""
    folder = tmp_path_factory.mktemp("home")
    runs = Runs(folder / "runs")
    keep(runs, EXPERIMENT.with_values({"name": "older"}))
    faster = {"name": "newer", "arms.learned.learning_rate": 0.05}
    keep(runs, EXPERIMENT.with_values(faster), lift=0.15)
    keep(runs, EXPERIMENT.with_values({"name": "elsewhere", "world.parameters.taste_strength": 0.0}))
    return folder


def of(home: Path, name: str) -> Run:
    return Runs(home / "runs").open(name)


def test_runs_list_names_every_run_and_what_it_asks(home: Path) -> None:
    said = run(home, "runs", "list")
    for name in ("older", "newer", "elsewhere"):
        assert of(home, name).run_id in said.out
    assert "done" in said.out and "how much of that is personal?" in " ".join(said.out.split())
    found = run(home, "runs", "list", "--json").json
    assert {row["status"] for row in found} == {"done"}
    assert {row["tasks"] for row in found} == {REPLICATES}
    assert {row["provenance"] for row in found} == {"built-in world"}


def test_without_runs_the_list_says_how_to_begin(tmp_path: Path) -> None:
    assert "lrerank simulate" in run(tmp_path, "runs", "list").out
    assert run(tmp_path, "runs", "list", "--json").json == []
    assert "lrerank simulate" in run(tmp_path, "runs", "show").err


def test_a_damaged_run_does_not_hide_the_others(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    whole, broken = runs.create(EXPERIMENT), runs.create(EXPERIMENT.with_values({"name": "broken"}))
    (broken.folder / "manifest.json").write_text("{")
    said = run(tmp_path, "runs", "list")
    assert whole.run_id in said.out and "damaged" in said.out
    assert "manifest" in said.err
    assert run(tmp_path, "runs", "delete", "broken", "--yes").out.strip() == f"Deleted {broken.run_id}."


def test_show_pairs_arms_with_the_baseline_over_the_measured_window(home: Path) -> None:
    found = run(home, "runs", "show", "older", "--json").json
    assert found["question"] == EXPERIMENT.question and found["status"] == "done"
    [learned] = [row for row in found["comparisons"] if row["arm"] == "learned"]
    # The oracle: a paired t interval over the replicates' means, impressions 400 to 1000 only.
    made = rewards(0.1)
    differences = (made["learned"] - made["static"])[:, 2:].mean(axis=1)
    half = t.ppf(0.975, REPLICATES - 1) * differences.std(ddof=1) / np.sqrt(REPLICATES)
    assert (learned["start"], learned["end"]) == (400, 1000)
    assert learned["difference"]["value"] == pytest.approx(differences.mean(), rel=1e-9)
    assert learned["difference"]["low"] == pytest.approx(differences.mean() - half, rel=1e-9)
    assert learned["interval_is"] == "simulation noise"
    assert found["values"]["static"]["reward"] == pytest.approx(made["static"][:, 2:].mean(), rel=1e-9)
    assert found["values"]["static"]["candidate_coverage"] == 0.25, "what is not additive is the mean over replicates"

    said = run(home, "runs", "show", "older")
    assert f"{differences.mean():+.4f}" in said.out
    assert f"{differences.mean() - half:.4f} to {differences.mean() + half:.4f}" in said.out
    assert "impressions 400 to 1,000, 5 replicates" in said.out and "built-in world" in said.out


def test_show_takes_the_last_run_a_beginning_other_measures_and_breakdowns(home: Path) -> None:
    assert run(home, "runs", "show", "--json").json["run"] in {
        of(home, name).run_id for name in ("elsewhere", "newer")
    } | {of(home, "older").run_id}
    said = run(home, "runs", "show", "new", "--measure", "reward", "--measure", "candidate_coverage", "--by", "history")
    assert said.code == 2 and "--by" in said.err, "coverage has no groups"
    said = run(home, "runs", "show", "new", "--measure", "reward", "--by", "history")
    assert "Reward (reward per page) by history" in said.out and "0.5000" in said.out
    said = run(home, "runs", "show", "new", "--measure", "candidate_coverage")
    assert "Candidate coverage" in said.out and " 0.0000" in said.out
    said = run(home, "runs", "show", "new", "--measure", "rewrd")
    assert said.code == 2 and "Did you mean reward?" in said.err
    assert run(home, "runs", "show", "nothing").code == 2


def test_a_run_without_figures_says_how_to_go_on(tmp_path: Path) -> None:
    made = Runs(tmp_path / "runs").create(EXPERIMENT)
    said = run(tmp_path, "runs", "show")
    assert f"lrerank simulate --resume {made.run_id}" in said.out and "interrupted" in said.out
    assert run(tmp_path, "runs", "show", "--json").json["values"] == {}


def test_values_are_sums_of_totals_over_sums_of_weights(home: Path) -> None:
    figures = of(home, "older").figures()
    whole = values(figures, (0, 1000)).set_index(["arm", "measure"])["value"]
    assert whole["static", "reward"] == pytest.approx(rewards(0.1)["static"].mean())
    groups = values(figures, (400, 1000), "history").set_index(["arm", "group"])
    assert groups.loc[("learned", "0"), "value"] == 0.5
    assert np.isnan(groups.loc[("learned", "1"), "value"]), "nobody was in this group"


def test_compare_pairs_arms_of_two_runs(home: Path) -> None:
    found = run(home, "runs", "compare", "older", "newer", "--json").json
    rows = {row["arm"]: row for row in found["comparisons"]}
    assert {row["baseline"] for row in rows.values()} == {"older:static"}
    assert rows["newer:static"]["difference"]["value"] == 0.0, "the same arm in the same world with the same luck"
    found = run(home, "runs", "compare", "older", "newer", "--baseline", "older:learned", "--json").json
    [row] = [row for row in found["comparisons"] if row["arm"] == "newer:learned"]
    assert row["difference"]["value"] == pytest.approx(0.05, rel=1e-9)
    said = run(home, "runs", "compare", "older", "newer", columns=80)
    assert "newer:learned" in said.out and "+0.1513" in said.out


def test_runs_in_different_worlds_are_not_compared(home: Path) -> None:
    said = run(home, "runs", "compare", "older", "elsewhere")
    assert said.code == 2
    assert said.err.startswith("world.parameters.taste_strength: these runs differ in more than their arms")
    said = run(home, "runs", "compare", "older", "older")
    assert said.code == 2 and "named twice" in said.err
    assert run(home, "runs", "compare", "older").code == 2
    said = run(home, "runs", "compare", "older", "newer", "--baseline", "older:lerned")
    assert said.code == 2 and "--baseline" in said.err


def test_runs_that_share_no_finished_replicate_are_not_compared(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    keep(runs, EXPERIMENT.with_values({"name": "full"}))
    runs.create(EXPERIMENT.with_values({"name": "empty"}))
    said = run(tmp_path, "runs", "compare", "full", "empty")
    assert said.code == 2 and "share no replicate" in said.err


def test_delete_asks_and_takes_one_run_only(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    first, second = keep(runs), keep(runs)
    variables = {"LRERANK_HOME": str(tmp_path)}
    refused = CliRunner(env=variables).invoke(app, ["runs", "delete", second.run_id], input="n\n")
    assert refused.exit_code == 1 and len(runs.ids()) == 2
    said = run(tmp_path, "runs", "delete", "first", "--yes")
    assert said.code == 2 and "several runs begin so" in said.err
    assert run(tmp_path, "runs", "delete", second.run_id, "--yes").code == 0
    assert runs.ids() == [first.run_id]


def test_export_writes_the_spec_the_figures_and_an_arm_as_a_stage(home: Path, tmp_path: Path) -> None:
    older = of(home, "older")
    assert run(home, "runs", "export", "older", tmp_path / "spec.toml").code == 0
    assert Experiment.parse(tomllib.loads((tmp_path / "spec.toml").read_text())) == older.experiment
    for name, read in (("figures.parquet", pd.read_parquet), ("figures.csv", pd.read_csv)):
        assert run(home, "runs", "export", "older", tmp_path / name).code == 0
        found = read(tmp_path / name)
        assert list(found.columns) == list(COLUMNS) and len(found) == len(older.figures())
        assert found["total"].tolist() == older.figures()["total"].tolist()
    out = tmp_path / "stage.json"
    assert run(home, "runs", "export", "newer", out, "--arm", "learned", "--model-id", "mine").code == 0
    Pipeline.from_json(out)
    assert json.loads(out.read_text())[-1]["parameters"]["model_id"] == "mine"
    for arguments, place in (([tmp_path / "x.xml"], "OUT"), ([out], "--arm"), ([out, "--arm", "static"], "--arm")):
        said = run(home, "runs", "export", "older", *arguments)
        assert said.code == 2 and said.err.startswith(place)
    assert run(home, "runs", "export", "older", tmp_path / "no" / "x.csv").code == 2


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["simulate", "frst"], "no spec of this name"),
        (["simulate", "--set", "arms.learned.exploration_rate=2"], "arms.learned.exploration_rate"),
        (["simulate", "--set", "arms.learned"], "--set"),
        (["simulate", "--set", "seed=1", "--seed", "2"], "--set seed"),
        (["simulate", "--impressions", "500"], "measure_from"),
        (["simulate", "--resume", "older", "--seed", "3"], "--resume"),
        (["simulate", "first", "--resume", "older"], "--resume"),
        (["simulate", "--resume", "nobody"], "run"),
        (["simulate", "--resume", "older", "--replicates", "2"], "replicates"),
        (["sweep", "first"], "sweep"),
        (["sweep", "--resume", "older"], "--resume"),
    ],
)
def test_what_cannot_be_simulated_is_refused_and_leaves_no_run(home: Path, arguments: list[str], place: str) -> None:
    before = Runs(home / "runs").ids()
    said = run(home, *arguments)
    assert said.code == 2 and said.err.startswith(place), said.err
    assert Runs(home / "runs").ids() == before


def test_a_run_that_is_stopped_closes_its_workers_and_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Runs(tmp_path / "runs").create(EXPERIMENT)
    seen: list[str] = []

    def stopped() -> Iterator[Any]:
        try:
            yield SimpleNamespace(done_tasks=1, tasks=5, impressions=1000, seconds_left=None)
            seen.append(made.status)
            yield SimpleNamespace(done_tasks=2, tasks=5, impressions=2000, seconds_left=61.0)
            raise KeyboardInterrupt
        finally:
            seen.append(made.status)

    with pytest.raises(KeyboardInterrupt):
        _follow(made, stopped, quiet=False)
    assert seen == ["running", "running"], "the run is given back when its computation has ended, not before"
    assert made.status == "cancelled"
    assert f"lrerank simulate --resume {made.run_id}" in capsys.readouterr().err
    _follow(made, lambda: iter_of(SimpleNamespace(done_tasks=5, tasks=5, impressions=1, seconds_left=0.0)), quiet=True)
    assert made.status == "done"


def iter_of(*snapshots: Any) -> Iterator[Any]:
    yield from snapshots


def table(made: dict[str, np.ndarray[Any, np.dtype[np.float64]]], measure: str = "expected_reward") -> pd.DataFrame:
    """arm → [replicates, bins] per page, as figures of bins of 200 impressions."""
    rows = [
        (0, replicate, arm, 200 * place, 200 * place + 200, measure, "all", "", 200 * value, 200.0)
        for arm, each in made.items()
        for replicate, bins in enumerate(each)
        for place, value in enumerate(bins)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def t_interval(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float]:
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean() - half, values.mean() + half


def test_the_waterfall_takes_each_step_from_the_one_before(home: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    luck = rng.normal(0, 0.05, (REPLICATES, 1))
    heights = {"static": 0.5, "pooled": 0.6, "context": 0.61, "learned": 0.7, "reference": 1.0, "popularity": 0.4}
    made = {arm: height + luck + rng.normal(0, 0.004, (REPLICATES, 5)) for arm, height in heights.items()}
    run_ = Runs(tmp_path / "runs").create(EXPERIMENT)
    reward = table(made, "reward")
    figures = pd.concat([table(made), reward], ignore_index=True)
    for replicate in range(REPLICATES):
        run_.append(Task(0, replicate), figures[figures["replicate"] == replicate])
    found = run(tmp_path, "runs", "show", "--json").json
    means = {arm: each[:, 2:].mean(axis=1) for arm, each in made.items()}
    steps = found["waterfall"]
    assert [step["arm"] for step in steps] == ["static", "pooled", "context", "learned", "reference"]
    for before, step in pairwise(steps):
        difference = 1000 * (means[step["arm"]] - means[before["arm"]])
        assert step["difference"]["value"] == pytest.approx(difference.mean())
        assert (step["difference"]["low"], step["difference"]["high"]) == pytest.approx(t_interval(difference))
    closed = (means["learned"] - means["static"]).mean() / (means["reference"] - means["static"]).mean()
    assert steps[3]["share_of_gap"]["value"] == pytest.approx(closed)
    assert found["verdict"].startswith("Provisional, 5 of 6 replicates: In this built-in world learned leads static")
    said = run(tmp_path, "runs", "show").out
    assert "Lift step by step: expected clicks per 1,000 searches, impressions 400 to 1,000, 5 replicates" in said
    assert f" {100 * closed:.2f} %" in said
    assert run(home, "runs", "show", "older", "--json").json["waterfall"] == [], "not all of its arms have figures"


def test_exploration_is_told_by_its_net_return_its_price_and_when_it_breaks_even() -> None:
    arms = {"arms.learned.exploration_rate": 0.1}
    given = EXPERIMENT.with_values(arms).to_json()
    given["arms"]["greedy"] = {**given["arms"]["learned"], "strategy": "greedy"}
    experiment = Experiment.parse(given)
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 0.0005, (REPLICATES, 5))
    greedy = 0.5 + rng.normal(0, 0.05, (REPLICATES, 1)) + np.zeros((REPLICATES, 5))
    made = {"greedy": greedy, "learned": greedy + np.array([-0.1, 0.06, 0.06, 0.05, 0.05]) + noise}
    price = table({"learned": np.full((REPLICATES, 5), 0.02)}, "price")
    [found] = lifts(pd.concat([table(made), price]), experiment).exploration
    gained = 1000 * (made["learned"] - greedy).mean(axis=1)
    assert (found.comparison.arm, found.comparison.baseline) == ("learned", "greedy")
    assert found.comparison.per_thousand.value == pytest.approx(gained.mean()), "from the first impression on"
    # 200 times -0.1, -0.04, +0.02, ... accumulated: it is paid back within the third bin of 200.
    assert found.returns.break_even == 600
    said = explained(found, experiment)
    low, high = t_interval(gained)
    assert f"net return +{gained.mean():.2f} clicks per 1,000 searches against greedy" in said
    assert f"95 % interval +{low:.2f} to +{high:.2f}, simulation noise, over all 1,000 searches" in said
    assert "Price: 20.0 per 1,000" in said and "from 600 searches on, and with confidence from 600 on." in said
    in_days = explained(found, experiment, traffic=200)
    assert "600 searches (3.0 days)" in in_days and "The world had 1,000 searches a day" in in_days
    assert "days are converted" not in explained(found, experiment, traffic=1000)
    made["learned"] = greedy - 0.01 + noise
    [worse] = lifts(pd.concat([table(made), price]), experiment).exploration
    assert "Within these 1,000 searches it does not break even." in explained(worse, experiment)


def test_a_run_stops_when_its_answer_is_clear_and_goes_on_when_asked(tmp_path: Path) -> None:
    changes = {"replicates": 8, "world.accuracy": 1.0, "reward.purchase": 0.0}
    given = small_experiment(shop(tmp_path), **changes).to_json()
    alone = Experiment.parse({**given, "arms": {"static": {"kind": "rerank"}, "learned": {"kind": "uniform"}}})
    made = Runs(tmp_path / "runs").create(alone)

    def begin() -> Iterator[Any]:
        return simulated(alone, results=made, store=Store(tmp_path), workers=0)

    with pytest.raises(RunStoppedError):
        _follow(made, begin, _enough(alone, "learned"), quiet=True)
    manifest = made.manifest
    count = made.count()
    assert manifest["status"] == made.status == "stopped"
    assert 3 <= count < 8, "no interval that allows looking is bounded before the third"
    # The oracle: the sequence of intervals over the replicates' differences, in their order.
    figures = made.figures()
    rows = figures[(figures["measure"] == "expected_reward") & (figures["by"] == "all") & (figures["start"] >= 100)]
    sums = rows.groupby(["arm", "replicate"])[["total", "weight"]].sum()
    means = (sums["total"] / sums["weight"]).unstack("arm")
    low, high = confidence_sequence((means["learned"] - means["static"]).to_numpy())
    clear = (low > 0) | (high < 0)
    assert clear.any()
    seen = int(clear.argmax()) + 1
    # A snapshot may come after several replicates; what is said hangs on the replicates alone.
    assert seen <= count and manifest["problem"] == f"stopped after {seen} of 8 replicates, when the answer was clear"
    first = looked(figures[figures["replicate"] < seen], alone, "learned")
    assert told(looked(figures, alone, "learned"), alone, "learned", "stopped") == told(
        first, alone, "learned", "stopped"
    )
    made.note("until_clear", "learned")
    said = run(tmp_path, "runs", "show")
    assert f"{seen} replicates, simulation noise only" in said.out
    assert f"Stopped after {seen} of 8 replicates, when the answer was clear." in said.out
    assert "95 % interval that allows looking after every replicate" in said.out
    assert "the other intervals do not" in said.err
    with pytest.raises(RunStoppedError):
        _follow(made, begin, _enough(alone, "learned"), quiet=True)
    assert made.count() == count, "what is clear already is not computed on"
    _follow(made, begin, quiet=True)
    assert (made.status, made.count(), made.manifest["problem"]) == ("done", 8, None)
    assert "of 8 replicates" in told(looked(made.figures(), alone, "learned"), alone, "learned", made.status)


def test_what_can_not_be_told_apart_is_not_stopped_and_not_called_clear() -> None:
    rng = np.random.default_rng(6)
    made = {arm: rng.normal(0.5, 0.05, (REPLICATES, 5)) for arm in ("static", "learned")}
    experiment = EXPERIMENT.with_values({"replicates": REPLICATES})
    found = looked(table(made, "expected_reward"), experiment, "learned")
    assert found is not None and found.answer is None
    assert "learned and static can't be told apart after all replicates: " in told(found, experiment, "learned", "done")
    assert looked(table({"static": made["static"]}, "expected_reward"), experiment, "learned") is None
    one = looked(table({arm: each[:1] for arm, each in made.items()}, "expected_reward"), experiment, "learned")
    said = told(one, experiment, "learned", "running")
    assert "can't be told apart so far" in said and "no interval" in said and "over 1 replicate," in said


def test_what_was_clear_once_is_not_called_a_lead_where_the_interval_holds_zero_again() -> None:
    lifts = np.array([0.30, 0.29, 0.31, 0.30, -0.9, -0.8])
    static = np.full((len(lifts), 5), 0.5)
    figures = table({"static": static, "learned": static + lifts[:, None]}, "expected_reward")
    experiment = EXPERIMENT.with_values({"replicates": 8})
    found = looked(figures, experiment, "learned")
    assert found is not None and found.decided_at == 3
    stopped = told(found, experiment, "learned", "stopped")
    assert "learned leads static: +300" in stopped and "Stopped after 3 of 8 replicates" in stopped
    cancelled = told(found, experiment, "learned", "cancelled")
    assert "can't be told apart after 6 replicates: −83" in cancelled and "leads" not in cancelled
    assert cancelled.endswith("It was clear after 3 of 8 replicates, and no longer is.") and "Stopped" not in cancelled
    before = looked(figures[figures["replicate"] < 4], experiment, "learned")
    statuses: tuple[Status, ...] = ("running", "cancelled", "interrupted", "failed")
    for status in statuses:
        said = told(before, experiment, "learned", status)
        assert "over 4 replicates" in said and said.endswith(" It was clear after 3 of 8 replicates.")


def test_with_several_worlds_it_is_clear_when_it_holds_for_others_as_well() -> None:
    """In each world the replicates agree on their own answer; over worlds nothing is sure."""
    lifts = (0.3, -0.28, 0.31, -0.3, 0.29)
    experiment = EXPERIMENT.with_values({"replicates": 4, "world.worlds": len(lifts)})
    rng = np.random.default_rng(8)
    figures = pd.concat(
        table({"static": luck, "learned": luck + lift + rng.normal(0, 0.01, (4, 5))}).assign(world=world)
        for world, lift in enumerate(lifts)
        for luck in [rng.normal(0.5, 0.01, (4, 5))]
    )
    found = looked(figures, experiment, "learned")
    assert found is not None and found.answer is None and found.estimate.groups == len(lifts)
    said = told(found, experiment, "learned", "done")
    assert "can't be told apart after all worlds" in said and "over 5 worlds, world uncertainty" in said
    first = looked(figures[figures["world"] < 2], experiment, "learned")
    assert first is not None and "after 2 worlds" in told(first, experiment, "learned", "done")


def test_groups_that_an_arm_makes_itself_have_no_differences(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    made = Runs(tmp_path / "runs").create(EXPERIMENT)
    values_of = {
        (arm, by, group): 0.5 + rng.normal(0, 0.01, REPLICATES)
        for arm in ("learned", "static")
        for by, group in (("segment", "one"), ("segment", "two"), ("history", "0"))
    }
    for replicate in range(REPLICATES):
        rows = [
            (0, replicate, arm, 200 * place, 200 * place + 200, "reward", by, group, 100 * each[replicate], 100.0)
            for (arm, by, group), each in values_of.items()
            for place in range(5)
        ]
        whole = [
            (0, replicate, arm, 200 * place, 200 * place + 200, "reward", "all", "", 100.0, 200.0)
            for arm in ("learned", "static", "reference")
            for place in range(5)
        ]
        made.append(Task(0, replicate), pd.DataFrame([*rows, *whole], columns=list(COLUMNS)))
    [groups] = run(tmp_path, "runs", "show", "--measure", "reward", "--by", "segment", "--json").json["groups"]
    cells = {(cell["group"], cell["arm"]): cell for cell in groups["cells"]}
    difference = values_of["learned", "segment", "two"] - values_of["static", "segment", "two"]
    cell = cells["two", "learned"]
    assert cell["difference"] == pytest.approx(difference.mean()) and cell["share"] == 0.5
    assert (cell["difference_low"], cell["difference_high"]) == pytest.approx(t_interval(difference))
    assert (cell["low"], cell["high"]) == pytest.approx(t_interval(values_of["learned", "segment", "two"]))
    assert cells["two", "static"]["difference"] is None
    said = run(tmp_path, "runs", "show", "--measure", "reward", "--by", "segment", columns=40)
    ends = " to ".join(f"{end:+.3f}".replace("-", "−") for end in t_interval(difference))
    assert ends in said.out, "a narrow terminal cuts no number"
    [groups] = run(tmp_path, "runs", "show", "--measure", "reward", "--by", "history", "--json").json["groups"]
    assert all(cell["difference"] is None for cell in groups["cells"]) and "--cold-start" in groups["note"]


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["simulate", "--arm", "learned"], "--arm"),
        (["simulate", "--until-clear", "--arm", "lerned"], "--arm"),
        (["simulate", "--until-clear", "--arm", "static"], "--arm"),
        (["simulate", "drift", "--until-clear"], "--until-clear"),
        (["simulate", "--set", 'waterfall=["static", "poled"]'], "waterfall[1]"),
        (["simulate", "--set", 'waterfall=["static", "reference"]'], "waterfall[1]"),
        (["simulate", "--set", "waterfall=static"], "waterfall"),
        (["runs", "show", "older", "--by", "device"], "--by"),
        (["runs", "show", "older", "--by", "segment"], "--by"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(home: Path, arguments: list[str], place: str) -> None:
    before = Runs(home / "runs").ids()
    said = run(home, *arguments)
    assert said.code == 2 and said.err.startswith(f"{place}: "), said.err
    assert Runs(home / "runs").ids() == before


def test_studies_that_replace_arms_of_a_waterfall_have_none(tmp_path: Path) -> None:
    here = EXPERIMENT.with_values({"world.catalog": str(shop(tmp_path))})
    swept = here.with_values({"sweep": {"axes": {"arms.learned.exploration_rate": [0.0, 0.1]}}})
    assert swept.waterfall[-1] == "learned"
    for made in (plan(swept)[0].experiment, cold_started(here, "learned"), ablated(here, "learned")[0]):
        assert made.waterfall == ()


def test_the_spec_in_the_readme_is_one() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    [block] = re.findall(r"```toml\n(question = .*?)```", text, flags=re.DOTALL)
    experiment = Experiment.parse(tomllib.loads(block))
    assert experiment.sweep is not None and experiment.waterfall == ("trees", "pooled", "learned")
