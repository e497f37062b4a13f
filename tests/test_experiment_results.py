"""Runs on disk: whole or absent whoever is killed when, found by their beginnings, and never averaged over damage."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrerank.errors import LrerankError
from lrerank.experiments.environment import git_state
from lrerank.experiments.results import Run, RunBusyError, RunNotFoundError, Runs
from lrerank.experiments.spec import Experiment, SpecError
from lrerank.experiments.tables import COLUMNS, Task, no_figures
from lrerank.files import StorageError

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENT = Experiment.shipped("first")


def figures(task: Task, arms: tuple[str, ...] = ("static", "learned"), seed: int = 0) -> pd.DataFrame:
    """Clicks and reward of two bins per arm, different in every task."""
    rng = np.random.default_rng([seed, task.world, task.replicate])
    rows = [
        (task.world, task.replicate, arm, start, start + 50, measure, "all", "", float(rng.normal()), 50.0)
        for arm in arms
        for start in (0, 50)
        for measure in ("clicks", "reward")
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs")


def files_of(run: Run) -> list[Path]:
    return sorted((run.folder / "tasks").iterdir())


def test_a_run_keeps_what_was_asked_and_with_what_it_was_computed(runs: Runs) -> None:
    run = runs.create(EXPERIMENT)
    manifest = run.manifest
    assert run.experiment == EXPERIMENT
    assert manifest["question"] == EXPERIMENT.question
    assert manifest["seed"] == EXPERIMENT.seed
    assert manifest["provenance"] == "built-in world"
    assert {"python", "lrerank", "numpy", "vowpal-wabbit-next"} <= set(manifest["versions"])
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["machine"]["cores"] == os.cpu_count()
    assert manifest["started"].endswith("+00:00")
    assert manifest["finished"] is None


def test_the_git_state_is_that_of_the_checkout(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    found = git_state()
    assert found is not None
    assert found["commit"] == commit.strip()
    assert git_state(tmp_path) is None

    def git(*arguments: str) -> None:
        names = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", tmp_path, *names, *arguments], check=True, capture_output=True)

    git("init")
    assert git_state(tmp_path) is None, "an installation inside somebody's repository says nothing about us"
    (tmp_path / "pyproject.toml").write_text("")
    git("add", "pyproject.toml")
    git("commit", "-m", "one")
    state = git_state(tmp_path)
    assert state is not None and state["dirty"] is False
    (tmp_path / "pyproject.toml").write_text("# changed")
    state = git_state(tmp_path)
    assert state is not None and state["dirty"] is True


def test_figures_come_back_as_they_were_in_the_order_of_tasks(runs: Runs) -> None:
    run = runs.create(EXPERIMENT)
    tasks = [Task(world, replicate) for world in (0, 1) for replicate in (2, 10, 1)]
    for task in tasks:
        run.append(task, figures(task))
    found = run.figures()
    expected = pd.concat([figures(task) for task in sorted(tasks)], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert found.dtypes.astype(str).to_dict() == no_figures().dtypes.astype(str).to_dict()
    assert run.done() == set(tasks)
    assert run.count() == 6


def test_a_run_without_figures_has_an_empty_table(runs: Runs) -> None:
    found = runs.create(EXPERIMENT).figures()
    assert list(found.columns) == list(COLUMNS) and len(found) == 0
    assert found["total"].sum() == 0.0


@given(groups=st.lists(st.text(max_size=80), min_size=2, max_size=2, unique=True))
@settings(max_examples=200, deadline=None)
def test_files_of_different_groups_have_different_names_on_any_disk(groups: list[str]) -> None:
    one, other = (Task(0, 0, group).file_name for group in groups)
    assert one.casefold() != other.casefold()
    assert set(one) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.")
    assert len(one) < 100


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.drop(columns="by"),
        lambda frame: frame.assign(extra=1),
        lambda frame: frame.assign(world=1),
        lambda frame: frame.assign(replicate=4),
        lambda frame: frame.assign(total=np.nan),
        lambda frame: frame.assign(total=np.inf),
        lambda frame: frame.assign(weight=-1.0),
        lambda frame: frame.assign(arm=None),
        lambda frame: frame.assign(end=frame["start"]),
        lambda frame: pd.concat([frame, frame]),
    ],
)
def test_what_is_no_figure_of_the_task_is_not_kept(runs: Runs, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    run, task = runs.create(EXPERIMENT), Task(0, 3)
    with pytest.raises(ValueError, match=r"figure|finite|bin"):
        run.append(task, change(figures(task)))
    assert run.count() == 0


def test_a_task_computed_again_replaces_itself(runs: Runs) -> None:
    run, task = runs.create(EXPERIMENT), Task(0, 0, "learned+static")
    run.append(task, figures(task, seed=1))
    run.append(task, figures(task, seed=2))
    assert run.count() == 1
    assert run.figures()["total"].tolist() == figures(task, seed=2)["total"].tolist()


def test_an_arm_that_two_groups_computed_is_refused(runs: Runs) -> None:
    """Summed, it would count twice."""
    run = runs.create(EXPERIMENT)
    run.append(Task(0, 0, "a"), figures(Task(0, 0), ("static", "learned")))
    run.append(Task(0, 0, "b"), figures(Task(0, 0), ("pooled", "static")))
    with pytest.raises(StorageError, match=r"has the arm 'static' in two files"):
        run.figures()


@pytest.mark.parametrize("damage", ["half", "empty", "flipped", "foreign", "text"])
def test_a_damaged_file_is_refused_with_its_path_and_computed_again(runs: Runs, damage: str) -> None:
    run = runs.create(EXPERIMENT)
    for replicate in range(3):
        run.append(Task(0, replicate), figures(Task(0, replicate)))
    path = files_of(run)[1]
    content = path.read_bytes()
    if damage == "half":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "flipped":
        # Inside the last column chunk's values, where only the checksum can tell.
        place = content.index(np.float64(50.0).tobytes())
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    elif damage == "foreign":
        figures(Task(0, 1)).to_parquet(path)
    else:
        path.write_text("this is no Parquet")
    with pytest.raises(StorageError) as refusal:
        run.figures()
    assert refusal.value.path == str(path)
    assert "--resume" in refusal.value.remedy
    assert run.done() == {Task(0, 0), Task(0, 2)}
    run.append(Task(0, 1), figures(Task(0, 1)))
    assert len(run.done()) == 3 and len(run.figures()) == 24


def test_what_a_killed_writer_leaves_is_not_read(runs: Runs) -> None:
    run = runs.create(EXPERIMENT)
    run.append(Task(0, 0), figures(Task(0, 0)))
    (run.folder / "tasks" / ".w0-r1-all.parquet.0123").write_bytes(b"PAR1 half")
    (runs.folder / ".unfinished-0123" / "tasks").mkdir(parents=True)
    assert run.done() == {Task(0, 0)}
    assert len(run.figures()) == 8
    assert runs.ids() == [run.run_id]


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format": 1}',
        "null",
        '{"format": 2, "status": "done"}',
    ],
)
def test_a_damaged_manifest_is_refused_listed_and_can_be_deleted(runs: Runs, manifest: str) -> None:
    whole, broken = runs.create(EXPERIMENT), runs.create(EXPERIMENT)
    (broken.folder / "manifest.json").write_text(manifest)
    with pytest.raises(StorageError, match="damaged") as refusal:
        runs.open(broken.run_id)
    assert refusal.value.path == str(broken.folder / "manifest.json")
    assert [(row.run_id, row.status) for row in runs.list()] == [
        (whole.run_id, "interrupted"),
        (broken.run_id, "damaged"),
    ]
    assert runs.open("").run_id == whole.run_id
    assert runs.delete(broken.run_id) == broken.run_id
    assert runs.ids() == [whole.run_id]


def test_a_run_is_found_by_a_beginning_that_only_it_has(runs: Runs) -> None:
    first = runs.create(EXPERIMENT)
    drift = runs.create(Experiment.shipped("drift"))
    again = runs.create(EXPERIMENT)
    assert runs.open("dri").run_id == drift.run_id
    assert runs.open(first.run_id).run_id == first.run_id
    with pytest.raises(RunNotFoundError, match="several runs begin so") as refusal:
        runs.open("first")
    assert first.run_id in refusal.value.remedy and again.run_id in refusal.value.remedy
    with pytest.raises(RunNotFoundError, match="there is no such run"):
        runs.open("../runs")
    with pytest.raises(RunNotFoundError):
        runs.delete("")


def test_without_any_run_the_refusal_says_how_to_begin(runs: Runs) -> None:
    with pytest.raises(RunNotFoundError, match="lrerank simulate"):
        runs.open("")
    assert runs.list() == [] and runs.ids() == []


def test_the_run_begun_last_is_the_first_of_the_list(runs: Runs) -> None:
    older, newer = runs.create(EXPERIMENT), runs.create(Experiment.shipped("drift"))
    for run, started in ((older, "2026-01-01T00:00:00+00:00"), (newer, "2026-01-02T00:00:00+00:00")):
        path = run.folder / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "started": started}))
    assert [row.run_id for row in runs.list()] == [newer.run_id, older.run_id]
    assert runs.open("").run_id == newer.run_id


def test_status_says_how_a_run_ended(runs: Runs) -> None:
    run = runs.create(EXPERIMENT)
    assert run.status == "interrupted", "nobody is at work on it"
    with run.working():
        assert run.status == "running" and run.manifest["finished"] is None
    assert run.status == "done" and run.manifest["finished"]
    with pytest.raises(KeyboardInterrupt), run.working():
        raise KeyboardInterrupt
    assert run.status == "cancelled"
    with pytest.raises(ZeroDivisionError), run.working():
        raise ZeroDivisionError("no")
    assert (run.status, run.manifest["problem"]) == ("failed", "ZeroDivisionError: no")
    with run.working():
        pass
    assert (run.status, run.manifest["problem"]) == ("done", None)


def test_an_error_of_the_computation_is_not_called_one_of_the_disk(runs: Runs) -> None:
    with pytest.raises(FileNotFoundError), runs.create(EXPERIMENT).working():
        raise FileNotFoundError("the computation's own")


def test_two_cannot_work_on_one_run_or_delete_it_from_under_one(runs: Runs) -> None:
    run = runs.create(EXPERIMENT)
    with run.working():
        with pytest.raises(RunBusyError), Run(run.folder).working():
            pass
        with pytest.raises(RunBusyError):
            runs.delete(run.run_id)
        assert run.status == "running"
    runs.delete(run.run_id)
    assert runs.ids() == [] and list(runs.folder.iterdir()) == []


def test_a_killed_process_leaves_its_run_to_others(runs: Runs) -> None:
    run = runs.create(EXPERIMENT)
    program = (
        "import sys, time; from pathlib import Path; from lrerank.experiments.results import Run\n"
        "with Run(Path(sys.argv[1])).working():\n    print('at work', flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", program, run.folder], stdout=subprocess.PIPE, env=environment)
    try:
        assert child.stdout is not None and child.stdout.readline() == b"at work\n"
        assert run.status == "running"
        os.kill(child.pid, signal.SIGKILL)
        child.wait(timeout=10)
        assert run.status == "interrupted"
        with run.working():
            pass
        assert run.status == "done"
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


@pytest.mark.parametrize(
    "change",
    [
        {"versions": {"lrerank": "0.0.1"}},
        {"git": {"commit": "0" * 40, "dirty": False}},
    ],
)
def test_replicates_of_different_programs_are_not_put_together(runs: Runs, change: dict[str, Any]) -> None:
    if "git" in change and git_state() is None:
        pytest.skip("this is no checkout")
    run = runs.create(EXPERIMENT)
    path = run.folder / "manifest.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, **change}))
    with run.working():
        pass  # nothing was computed yet: it is begun anew
    assert run.manifest["versions"] == whole["versions"]
    run.append(Task(0, 0), figures(Task(0, 0)))
    path.write_text(json.dumps({**whole, **change}))
    with pytest.raises(StorageError, match="another version"), run.working():
        pass
    assert run.count() == 1


def test_a_run_grows_and_never_shrinks(runs: Runs) -> None:
    run = runs.create(EXPERIMENT)
    run.extend(40)
    assert run.experiment == EXPERIMENT.with_values({"replicates": 40})
    with pytest.raises(SpecError, match="a run can grow only"):
        run.extend(39)


def test_notes_are_kept_beside_the_figures(runs: Runs) -> None:
    run = runs.create(EXPERIMENT, "sweep")
    assert run.noted("settings") is None
    run.note("settings", [{"rate": 0.1, "value": np.float64(0.5)}])
    assert run.noted("settings") == [{"rate": 0.1, "value": 0.5}]
    for name in ("manifest", "../x", ""):
        with pytest.raises(ValueError, match="can't name a note"):
            run.note(name, {})
    (run.folder / "settings.json").write_text("{")
    with pytest.raises(StorageError, match=r"settings\.json"):
        run.noted("settings")


def _create(folder: Path, count: int) -> None:
    for _ in range(count):
        Runs(folder).create(EXPERIMENT)


def _append(folder: Path, world: int) -> None:
    for replicate in range(10):
        Run(folder).append(Task(world, replicate), figures(Task(world, replicate)))


def test_processes_that_create_and_append_at_once_do_not_disturb_each_other(runs: Runs) -> None:
    workers = [multiprocessing.Process(target=_create, args=(runs.folder, 5)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    ids = runs.ids()
    assert len(ids) == 15
    assert all(row.status == "interrupted" for row in runs.list())
    run = Run(runs.folder / ids[0])
    workers = [multiprocessing.Process(target=_append, args=(run.folder, world)) for world in range(3)]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + 60
    while any(worker.is_alive() for worker in workers) and time.monotonic() < deadline:
        assert len(run.figures()) % 8 == 0, "a reader sees whole tasks only"
    for worker in workers:
        worker.join(10)
        assert worker.exitcode == 0
    assert len(run.figures()) == 3 * 10 * 8


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(LrerankError, match="LRERANK_HOME"):
        Runs(tmp_path / "runs").create(EXPERIMENT)
    assert Runs(tmp_path / "runs").ids() == []
