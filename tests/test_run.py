"""Runs: the same figures however they are computed, stopped and looked at, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_site

from lrerank.errors import LrerankError
from lrerank.experiments.arms.base import Requests
from lrerank.experiments.arms.explored import Explored
from lrerank.experiments.arms.fixed import RetrievalOrder, Uniform
from lrerank.experiments.building import arms_of, course_of, parameters_of, scene_of, world_of
from lrerank.experiments.executor import Event, InThisProcess
from lrerank.experiments.grouping import groups, named_arms
from lrerank.experiments.jobs import Built, CourseJob, Finished, SceneJob, TaskFailedError
from lrerank.experiments.processes import Processes, WorkerDiedError
from lrerank.experiments.results import Run, RunCancelledError, Runs
from lrerank.experiments.run import Snapshot, run
from lrerank.experiments.scene import Scene
from lrerank.experiments.spec import REFERENCE, Experiment
from lrerank.experiments.tables import Task, together
from lrerank.files import StorageError
from lrerank.store import Store

KEYS = ["world", "replicate", "arm", "measure", "by", "group", "start"]
linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return small_site.experiment(small_site.shop(tmp_path_factory.mktemp("shop")))


@pytest.fixture(scope="module")
def scene(small: Experiment) -> Scene:
    return scene_of(small, Store())


@pytest.fixture(scope="module")
def here(small: Experiment) -> Snapshot:
    """The last snapshot of a run in this process, all arms in lockstep: what all others must agree with."""
    return list(run(small, workers=0))[-1]


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Equal to the last bit, but for the clock."""
    one, other = (
        table[~table["measure"].str.startswith("latency")].sort_values(KEYS, ignore_index=True)
        for table in (found, expected)
    )
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_a_run_measures_all_arms_and_the_ceiling(small: Experiment, here: Snapshot) -> None:
    figures = here.figures
    assert set(figures["arm"]) == {*small.arms, REFERENCE}
    assert (here.done_tasks, here.tasks, here.seconds_left, here.provisional) == (2, 2, 0.0, False)
    assert here.impressions == here.total_impressions == 2 * 600
    pages = figures[(figures["measure"] == "reward") & (figures["by"] == "all")]
    assert (pages.groupby(["replicate", "arm"])["weight"].sum() == 400).all(), "the log is not measured"
    expected = figures[(figures["measure"] == "expected_reward") & (figures["by"] == "all")]
    totals = expected.groupby("arm")["total"].sum()
    assert totals.idxmax() == REFERENCE and totals["static"] > totals["chance"]
    explored = (
        figures[(figures["measure"] == "explored_slots") & (figures["by"] == "all")].groupby("arm")["total"].sum()
    )
    assert explored["learned"] > 0, "the model has learned of users and ranks for them: what is equal below means that"
    curves = here.overall
    same(curves, figures[(figures["by"] == "all") & figures["measure"].isin(curves["measure"].unique())])


@pytest.mark.parametrize("batch", [1, 40])
def test_a_run_without_a_log_comes_to_its_end(small: Experiment, batch: int) -> None:
    shorter = {"log.impressions": 0, "impressions": 80, "bins": 4, "measure_from": 0, "replicates": 1, "batch": batch}
    arms = {"static": small.arms["static"].model_dump(by_alias=True)}
    alone = Experiment.parse(small.to_json() | {"arms": arms, "waterfall": []}).with_values(shorter)
    *_, last = run(alone, workers=0)
    assert not last.provisional
    found = last.figures
    pages = found[(found["measure"] == "reward") & (found["by"] == "all") & (found["arm"] == "static")]
    assert pages["weight"].sum() == 80


@pytest.mark.parametrize("position", ["feature", "examination", "none"])
def test_lists_of_one_are_learned_from(small: Experiment, position: str) -> None:
    """There is no second slot whose examination could be estimated."""
    values = {"slots": 1, "replicates": 1, "waterfall": [], "arms.learned.position": position}
    *_, last = run(small.with_values(values), workers=0)
    found = last.figures
    mine = found[(found["arm"] == "learned") & (found["by"] == "all")].groupby("measure")[["total", "weight"]].sum()
    assert mine.loc["clicks", "total"] == mine.loc["ctr_at_1", "total"] > 0
    assert mine.loc["explored_slots", "total"] > 0


def test_processes_give_the_same_figures(small: Experiment, here: Snapshot, tmp_path: Path) -> None:
    results = Runs(tmp_path).create(small)
    with results.working():
        snapshots = list(run(small, results=results, workers=2))
    same(results.figures(), here.figures)
    same(snapshots[-1].figures, here.figures)
    assert results.status == "done"
    shown = [each.impressions for each in snapshots]
    assert shown == sorted(shown) and shown[-1] == snapshots[-1].total_impressions
    assert list(run(small, results=results, workers=2))[-1].done_tasks == 2, "nothing is left to do"


def test_which_arms_run_together_changes_nothing(
    small: Experiment, scene: Scene, here: Snapshot, tmp_path: Path
) -> None:
    tasks = groups(small, {}, workers=6)
    assert len(tasks) == 6
    with InThisProcess() as executor:
        told, ended = executor.events([SceneJob(small, Store().home, tmp_path)])
        built = told.step if told is not None else None
        assert isinstance(built, Built) and ended == Event(0, None)
        assert built.fingerprint == scene.fingerprint
        jobs = [CourseJob(small, built.scene, task, arms) for task, arms in tasks.items()]
        events = [event for event in executor.events(jobs) if event is not None]
        found = [event.step.figures for event in events if isinstance(event.step, Finished)]
    same(together(found), here.figures)


def test_only_what_can_not_have_changed_is_built_once(tmp_path: Path) -> None:
    shop = small_site.experiment(small_site.shop(tmp_path))
    built_in = Experiment.shipped("first").with_values({"world.queries": 12})
    with InThisProcess() as executor:
        for experiment, files in ((built_in, 1), (shop, 2), (built_in, 1)):
            jobs = [SceneJob(experiment, Store().home, tmp_path)] * 2
            built = {event.step for event in executor.events(jobs) if event is not None and event.step is not None}
            assert len(built) == files


def test_looking_changes_nothing(small: Experiment, scene: Scene, here: Snapshot) -> None:
    course = course_of(small, scene, world_of(small, scene, 0), (0, 0), [*small.arms, REFERENCE])
    for _ in course.advance():
        course.figures(0, 0)
    same(course.figures(0, 0), here.figures.query("replicate == 0"))


def test_a_run_goes_on_where_it_was_stopped(small: Experiment, here: Snapshot, tmp_path: Path) -> None:
    results = Runs(tmp_path).create(small)
    with pytest.raises(RunCancelledError, match="resume"), results.working():
        for _ in run(small, results=results, workers=0, cancel=lambda: results.count() > 0):
            pass
    assert results.status == "cancelled" and results.done() == {Task(0, 0)}
    before = {path: path.stat().st_mtime_ns for path in (results.folder / "tasks").iterdir()}
    with results.working():
        snapshots = list(run(small, results=results, workers=0))
    assert (snapshots[0].done_tasks, snapshots[-1].done_tasks, snapshots[-1].tasks) == (1, 2, 2)
    same(results.figures(), here.figures)
    same(snapshots[-1].overall, here.overall)
    assert all(path.stat().st_mtime_ns == time_ for path, time_ in before.items()), "what was done is not done again"


def test_a_run_does_not_go_on_with_another_catalog_of_the_same_name(tmp_path: Path) -> None:
    shop = small_site.shop(tmp_path)
    first = shop.read_bytes()
    results = Runs(tmp_path / "runs").create(small_site.experiment(shop).with_values({"replicates": 1}))
    with results.working():
        list(run(results.experiment, results=results, workers=0))
    results.extend(2)
    shop.write_bytes(first.replace(b"light", b"heavy"))
    said = "world.catalog: this catalog holds other documents.*Put back"
    with pytest.raises(StorageError, match=said) as refused, results.working():
        list(run(results.experiment, results=results, workers=0))
    assert refused.value.value == str(shop)
    assert results.count() == 1
    shop.write_bytes(first)
    with results.working():
        list(run(results.experiment, results=results, workers=0))
    assert results.count() == 2


def test_a_damaged_file_is_computed_again(small: Experiment, here: Snapshot, tmp_path: Path) -> None:
    results = Runs(tmp_path).create(small)
    with results.working():
        list(run(small, results=results, workers=0))
    damaged = min((results.folder / "tasks").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:100])
    with results.working():
        list(run(small, results=results, workers=0))
    same(results.figures(), here.figures)


def test_what_began_with_nothing_takes_the_catalog_of_today(small: Experiment, tmp_path: Path) -> None:
    results = Runs(tmp_path).create(small)
    results.made_with("of yesterday")
    results.made_with("of today")
    assert results.manifest["catalog_fingerprint"] == "of today"


def test_more_replicates_later_are_those_of_a_longer_run(small: Experiment, here: Snapshot, tmp_path: Path) -> None:
    results = Runs(tmp_path).create(small.with_values({"replicates": 1}))
    with results.working():
        list(run(results.experiment, results=results, workers=0))
    results.extend(2)
    with results.working():
        list(run(results.experiment, results=results, workers=0))
    same(results.figures(), here.figures)


def test_a_failing_arm_is_named_and_what_is_finished_is_kept(
    small: Experiment, scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlucky = arms_of(small, scene.search, 0, 1)["chance"]
    assert isinstance(unlucky, Uniform)
    seed, rank = unlucky.seed, Uniform.rank

    def broken(self: Uniform, requests: Requests) -> Any:
        if self.seed == seed:
            raise ZeroDivisionError("no luck")
        return rank(self, requests)

    monkeypatch.setattr(Uniform, "rank", broken)
    results = Runs(tmp_path).create(small)
    with pytest.raises(TaskFailedError) as failed, results.working():
        list(run(small, results=results, workers=0))
    assert "arm 'chance' failed in replicate 1 of world 0: ZeroDivisionError: no luck" in str(failed.value)
    assert failed.value.path == "arms.chance"
    assert results.status == "failed" and results.done() == {Task(0, 0)}


def test_what_a_catalog_lacks_is_said_with_the_path(small: Experiment) -> None:
    wrong = small.with_values({"arms.learned.features": ["metadata.colour"]})
    with pytest.raises(LrerankError) as refused:
        list(run(wrong, workers=0))
    assert refused.value.path.startswith("arms.learned") and "colour" in str(refused.value)


def test_worlds_and_replicates_differ_and_hang_on_the_seeds_alone(small: Experiment, scene: Scene) -> None:
    several = small.with_values({"world.worlds": 3, "world.parameters": {"users": 50}})
    drawn = [parameters_of(several, number) for number in range(3)]
    assert drawn == [parameters_of(several, number) for number in range(3)]
    assert len({each.taste_strength for each in drawn}) == 3 and {each.users for each in drawn} == {50}
    assert parameters_of(small, 0).taste_strength == 1.5, "one world has the default parameters"
    worlds = [world_of(several, scene, number) for number in range(2)]
    assert worlds[0].seed != worlds[1].seed and world_of(several, scene, 1).seed == worlds[1].seed
    users = []
    for seed, replicate in ((0, 0), (0, 1), (1, 0)):
        experiment = small.with_values({"seed": seed})
        course = course_of(experiment, scene, world_of(experiment, scene, 0), (0, replicate), ["static"])
        list(course.advance())
        users.append(course.figures(0, replicate)["total"].sum())
    assert len(set(users)) == 3


def test_every_arm_of_every_replicate_is_in_one_task(small: Experiment) -> None:
    every = (*small.arms, REFERENCE)
    assert groups(small, {}, 2) == {Task(0, 0): every, Task(0, 1): every}
    for workers in (3, 5, 40):
        found = groups(small, {}, workers)
        assert len(found) >= min(workers, 2 * len(every))
        for replicate in (0, 1):
            arms = [arm for task, group in found.items() if task.replicate == replicate for arm in group]
            assert sorted(arms) == sorted(every)
        assert all(named_arms(small, task.group) == group for task, group in found.items())
    several = small.with_values({"world.worlds": 2, "world.parameters": {}})
    assert list(groups(several, {}, 2)) == [Task(0, 0), Task(1, 0), Task(0, 1), Task(1, 1)]
    assert list(groups(several, {}, 2, by_world=True)) == [Task(0, 0), Task(0, 1), Task(1, 0), Task(1, 1)]
    left = groups(small, {(0, 0): {*every[:3]}, (0, 1): set(every)}, 1)
    assert left == {Task(0, 0, "+".join(every[3:])): every[3:]}
    assert named_arms(small, "all") == every


@dataclass(frozen=True)
class TellsItsNumber:
    def steps(self, memory: dict[str, Any]) -> Iterator[object]:  # noqa: ARG002
        print("this is no reply")
        yield os.getpid()
        time.sleep(600)


@dataclass(frozen=True)
class Dies:
    def steps(self, memory: dict[str, Any]) -> Iterator[object]:  # noqa: ARG002
        os.kill(os.getpid(), signal.SIGKILL)
        yield None


@dataclass(frozen=True)
class Fails:
    def steps(self, memory: dict[str, Any]) -> Iterator[object]:  # noqa: ARG002
        yield os.environ["OPENBLAS_NUM_THREADS"]
        raise LrerankError("too much", path="here", value=7, remedy="Take less")


def gone(pid: int, seconds: float) -> bool:
    """Whether a process ends within so many seconds; a zombie has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


@linux
def test_closing_stops_processes_in_the_middle_of_their_work() -> None:
    with Processes(1) as processes:
        scratch = processes.scratch
        pid = next(event.step for event in processes.events([TellsItsNumber()]) if event is not None)
        assert isinstance(pid, int) and not gone(pid, 0.1) and scratch.is_dir()
        started = time.monotonic()
    assert time.monotonic() - started < 1.0
    assert gone(pid, 0.1) and not scratch.exists()


def test_processes_that_are_handed_over_end_with_a_run_that_is_refused(small: Experiment) -> None:
    processes = Processes(1).__enter__()
    with pytest.raises(LrerankError, match="too few"):
        next(run(small, processes=processes, workers=-1))
    assert not processes.scratch.exists()


def test_errors_cross_over_and_a_dead_process_is_noticed() -> None:
    with Processes(1) as processes:
        events = (event for event in processes.events([Fails()]) if event is not None)
        assert next(events).step == "1", "arithmetic has one thread"
        with pytest.raises(LrerankError) as failed:
            next(events)
        assert str(failed.value) == "here: too much (found 7). Take less."
        assert "test_run.py" in failed.value.__notes__[0], "where it came from"
        with pytest.raises(WorkerDiedError, match="signal 9"):
            list(processes.events([Dies()]))


_PARENT = """
import sys
sys.path[:] = {path!r}
from test_run import TellsItsNumber
from lrerank.experiments.processes import Processes
with Processes(2) as processes:
    print(processes.scratch, flush=True)
    for event in processes.events([TellsItsNumber(), TellsItsNumber()]):
        if event is not None:
            print(event.step, flush=True)
"""


@linux
def test_no_process_outlives_a_killed_parent() -> None:
    """The script has no guard against being imported: processes must not run it again."""
    script = _PARENT.format(path=sys.path)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    scratch = Path(parent.stdout.readline().strip())
    pids = [int(parent.stdout.readline()) for _ in range(2)]
    assert scratch.is_dir() and not any(gone(pid, 0.1) for pid in pids)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert all(gone(pid, 2.0) for pid in pids)
    assert not scratch.exists()


def test_cancelling_takes_less_than_a_second(small: Experiment, tmp_path: Path) -> None:
    endless = small.with_values({"impressions": 1_000_000, "measure_from": 0})
    results: Run = Runs(tmp_path).create(endless)
    cancel = threading.Event()
    with results.working():
        snapshots = run(endless, results=results, workers=1, cancel=cancel)
        under_way = next(snapshot for snapshot in snapshots if snapshot.impressions)
        assert under_way.seconds_left is not None and under_way.seconds_left > 0
        cancel.set()
        set_at = time.monotonic()
        with pytest.raises(RunCancelledError):
            list(snapshots)
        assert time.monotonic() - set_at < 1.0
    assert not results.done()


def test_explored_slots_have_exact_propensities() -> None:
    m, c, k, rate = 3000, 7, 5, 0.4
    rows = np.arange(m * c).reshape(m, c)
    rows[: m // 2, 4:] = -1  # fewer candidates than slots
    every = np.arange(m)
    requests = Requests(every, every, every, every.astype(float), every, every, rows, np.zeros((m, c)))
    arm = Explored(RetrievalOrder(k), rate, np.random.SeedSequence(3))
    served = arm.rank(requests)
    assert (served.columns == np.concatenate([arm.rank(requests.part(a, a + 7)).columns for a in range(0, m, 7)])).all()
    expected = 0.0
    for page in range(m):
        left = [column for column in range(c) if rows[page, column] >= 0]
        for slot, column in enumerate(served.columns[page].tolist()):
            if not left:
                assert column == -1
                continue
            share = rate / len(left)
            assert served.propensities[page, slot] == pytest.approx(share + (1 - rate) * (column == left[0]))
            assert served.explored[page, slot] == (column != left[0])
            expected += rate * (len(left) - 1) / len(left)
            left.remove(column)
    # A sum of independent yes and no, of which at most a quarter each is variance: four standard errors.
    assert abs(served.explored.sum() - expected) < 4 * np.sqrt(expected)
