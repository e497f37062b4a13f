"""The page Runs: what it lists, shows, compares and hands out, and the page itself through Streamlit's own harness."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from charting import EXPERIMENT, figures_of, keep
from streamlit.testing.v1 import AppTest

from lrerank.charts.report import report
from lrerank.charts.run_view import STOPPED
from lrerank.experiments.compare import compare
from lrerank.experiments.findings import STUDY, WATCHED, sentence_of
from lrerank.experiments.results import Run, Runs
from lrerank.experiments.side_by_side import NotComparableError
from lrerank.experiments.spec import Experiment
from lrerank.experiments.tables import Task
from lrerank.pipeline import Pipeline
from lrerank.ui.jobs import Jobs
from lrerank.ui.runs.beside import beside
from lrerank.ui.runs.listing import frame, listed, moment
from lrerank.ui.runs.shown import facts_html, shown, state
from lrerank.ui.welcome.finished import outcome as finished_outcome

VIEWS = Path(__file__).parents[1] / "lrerank" / "ui" / "views"
CAREFUL = EXPERIMENT.with_values({"name": "careful", "arms.learned.exploration_rate": 0.01})


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs")


def broken_off(runs: Runs) -> Run:
    made = runs.create(EXPERIMENT)
    made.append(Task(0, 0), figures_of(0))
    made.finish("cancelled")
    return made


def test_every_run_is_a_row(runs: Runs) -> None:
    done, begun = keep(runs), runs.create(CAREFUL)
    (runs.folder / "bad").mkdir()
    rows = {row.run_id: row for row in listed(runs)}
    assert (rows[done.run_id].status, rows[done.run_id].done, rows[done.run_id].seed) == ("done", 4, 0)
    assert rows[begun.run_id].status == "interrupted" and rows["bad"].status == "damaged" and rows["bad"].seed is None
    assert "damaged" in rows["bad"].question or "bad" in rows["bad"].question
    table = frame(listed(runs))
    assert table["Run"].tolist()[-1] == "bad" and table["Seed"].isna().sum() == 1
    assert frame(()).empty and moment("2026-03-01T12:00:00.000+00:00") == "1 Mar 2026, 12:00"


def test_a_run_shows_what_the_command_says(runs: Runs) -> None:
    run = keep(runs, range(2))
    found = shown(run)
    assert found.view.sentence == sentence_of(run, run.figures()) and not found.problem and not state(run)
    assert Experiment.read(_written(run, found.spec)) == run.experiment
    assert found.made["Seed"] == "0" and "numpy" in found.made["Versions"]
    assert "<dt>Seed</dt><dd>0</dd>" in facts_html(found.made)


def test_what_can_be_taken_along_is_what_the_run_holds(runs: Runs, tmp_path: Path) -> None:
    run = keep(runs, range(1))
    files = {each.file_name.removeprefix(run.run_id): each.content() for each in shown(run).downloads}
    assert list(files) == [".html", ".parquet", ".csv", ".toml", "-pooled.json", "-greedy.json", "-learned.json"]
    (tmp_path / "figures.parquet").write_bytes(files[".parquet"])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "figures.parquet"), run.figures())
    assert files[".csv"].count(b"\n") == len(run.figures()) + 1
    learned = json.loads(files["-learned.json"])
    assert Pipeline.from_json(files["-learned.json"].decode()).learned is not None
    assert learned[-1]["parameters"]["exploration_rate"] == EXPERIMENT.to_json()["arms"]["learned"]["exploration_rate"]


def test_a_run_that_did_not_end_says_how_to_go_on(runs: Runs) -> None:
    run = broken_off(runs)
    assert (
        state(run)
        == f"This run was cancelled; 1 finished task is kept. Go on with it below, or with lrerank simulate --resume {run.run_id}"
    )
    begun = runs.create(EXPERIMENT, "sweep")
    assert state(begun).startswith("This run was interrupted; nothing was finished yet.")
    assert state(begun).endswith(f"lrerank sweep --resume {begun.run_id}")
    with begun.working():
        assert state(begun).startswith("This run is under way")
    assert shown(run).view.sentence.startswith("Provisional, 1 of 6 replicates")
    assert [each.label for each in shown(runs.create(EXPERIMENT)).downloads][:2] == ["Report, HTML", "Spec, TOML"]


def test_a_run_that_did_not_end_goes_on_at_a_press(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    run, asked = broken_off(runs), []
    monkeypatch.setattr(Jobs, "resume", lambda _jobs, _store, run_id: asked.append(run_id))
    app = page(runs, monkeypatch, run.run_id)
    app.button(key=f"resume-{run.run_id}").click().run()
    assert not app.exception and asked == [run.run_id]


def test_what_cannot_be_read_is_a_sentence(runs: Runs) -> None:
    run = keep(runs, range(1))
    next((run.folder / "tasks").iterdir()).write_bytes(b"no figures")
    found = shown(run)
    assert "damaged" in found.problem and found.view.panels == () and found.spec
    sweep = keep(runs, (), EXPERIMENT, "sweep")
    sweep.note(STUDY, {"kind": "cold_start"})
    assert shown(sweep).view.sentence.startswith("Nothing can be said yet")


def test_runs_side_by_side_are_compared_replicate_by_replicate(runs: Runs) -> None:
    first, second = keep(runs), keep(runs, range(3), CAREFUL)
    found = beside([first, second])
    assert found.baseline == "made:static" and found.arms[-1] == "careful:learned"
    assert len(found.arms) == 5, "arms that are the same in both are there once"
    forest, curves = found.panels(found.baseline)
    assert forest.title.endswith("minus made:static, searches 400 to 1,000") and curves.figure["traces"]
    row = next(row for row in found.table(found.baseline).rows if row[0] == "made:learned")
    of = compare(found.figures, "made:learned", "made:static", "expected_reward", start=400, end=1000)
    assert len(of.replicates) == 3 and row[1].startswith(f"+{of.per_thousand.value:.0f}")
    with pytest.raises(NotComparableError, match="seed"):
        beside([first, keep(runs, experiment=EXPERIMENT.with_values({"seed": 5}))])


@pytest.mark.parametrize(
    "changed", [{"slots": 5}, {"log.arm": "uniform"}, {"log.exploration_rate": 0.1}, {"world.parameters.users": 40}]
)
def test_runs_that_differ_in_more_than_arms_are_refused(runs: Runs, changed: dict[str, object]) -> None:
    with pytest.raises(NotComparableError, match=next(iter(changed))):
        beside([keep(runs, range(1)), keep(runs, range(1), EXPERIMENT.with_values(changed))])


def test_runs_about_other_documents_are_refused(runs: Runs) -> None:
    both = [keep(runs, ()), keep(runs, ())]
    for run, fingerprint in zip(both, ("one", "another"), strict=True):
        run.made_with(fingerprint)
        run.append(Task(0, 0), figures_of(0))
    with pytest.raises(NotComparableError, match="about other documents"):
        beside(both)


def test_runs_say_what_they_differ_in_beside_their_arms(runs: Runs) -> None:
    first, slow = keep(runs), keep(runs, experiment=EXPERIMENT.with_values({"name": "slow", "batch": 50}))
    slow.finish("stopped", "stopped after 4 of 6 replicates, when the answer was clear")
    found = beside([first, slow])
    assert found.notes[0] == f"Searches between updates: 1 in {first.run_id}, 50 in {slow.run_id}."
    assert found.notes[1].startswith(f"Ended when its answer was clear: {slow.run_id}. Bands and intervals")
    assert "slow:learned" in found.arms, "it learns otherwise, although its spec is the same"


def test_what_another_program_computed_is_not_taken_for_the_same(runs: Runs) -> None:
    first, later = keep(runs), keep(runs, experiment=EXPERIMENT.with_values({"name": "later"}))
    path = later.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"versions": {"lrerank": "9.9"}}))
    found = beside([first, later])
    assert "computed by different programs" in found.notes[0] and "later:learned" in found.arms


def test_a_run_that_ended_when_its_answer_was_clear_says_what_that_means(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = keep(runs)
    assert shown(run).view.caution == "" and STOPPED not in report(run)
    run.note(WATCHED, "learned")
    run.finish("stopped", "stopped after 4 of 6 replicates, when the answer was clear")
    assert shown(run).view.caution == STOPPED and STOPPED in report(run)
    assert STOPPED in [each.value for each in page(runs, monkeypatch, run.run_id).caption]


def page(runs: Runs, monkeypatch: pytest.MonkeyPatch, *chosen: str) -> AppTest:
    monkeypatch.setenv("LRERANK_HOME", str(runs.folder.parent))
    script = (
        "import streamlit as st\n"
        "from pathlib import Path\n"
        f"pages = [st.Page(Path({str(VIEWS)!r}) / f'{{name}}.py') for name in ('runs', 'simulate', 'tune')]\n"
        "st.navigation(pages, position='hidden').run()\n"
    )
    app = AppTest.from_string(script, default_timeout=60)
    app.query_params["run"] = list(chosen)
    return app.run()


def test_without_runs_it_says_what_to_do_first(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(runs, monkeypatch)
    assert not app.exception and app.info[0].value.startswith("No runs yet.") and not app.dataframe
    # What comes with lrerank is shown as an example.
    assert len(app.get("bidi_component")) == 2 and any(
        finished_outcome().sentence in each.proto.body for each in app.get("html")
    )


def test_the_address_says_what_is_shown_and_a_deleted_run_is_gone(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    question = "Does *this* <b>pay</b>?"
    run = keep(runs, range(2), EXPERIMENT.with_values({"question": question}))
    app = page(runs, monkeypatch, run.run_id)
    assert not app.exception and not app.error and len(app.get("bidi_component")) == 9
    (question,) = (each.value for each in app.markdown if each.value.startswith("## "))
    assert "<b>" in question.replace("\\", "") and "\\*this\\*" in question
    assert app.dataframe[0].value["Run"].tolist() == [run.run_id]
    height = app.dataframe[0].proto.row_height
    app.query_params["demo"] = "1"
    # Type is larger by 19 / 16; in lower rows a long question would be cut.
    assert app.run().dataframe[0].proto.row_height >= height * 19 / 16
    app.button(key=f"delete-{run.run_id}").click().run()
    assert not app.exception and runs.ids() == [] and app.info[0].value.startswith("No runs yet.")


def test_wrong_addresses_are_sentences(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    run, other = keep(runs, range(1)), keep(runs, range(1), EXPERIMENT.with_values({"seed": 5}))
    assert "there is no such run" in page(runs, monkeypatch, "nothing").error[0].value
    assert "!\\[x\\]" in page(runs, monkeypatch, "![x](//example.org/x.png)").error[0].value, "no picture is fetched"
    app = page(runs, monkeypatch, run.run_id, other.run_id)
    assert not app.exception and "differ in more than their arms" in app.warning[0].value
    (run.folder / "manifest.json").write_text("{}")
    app = page(runs, monkeypatch, run.run_id)
    assert not app.exception and "manifest of this run is damaged" in app.error[0].value
    assert app.button(key=f"delete-{run.run_id}")


def _written(run: Run, spec: str) -> Path:
    path = run.folder / "again.toml"
    path.write_text(spec, "utf-8")
    return path
