"""Runs under way, as pages see them: begun, looked at, cancelled, stopped when clear, failed, and gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from lrerank.experiments.executor import usable_cores
from lrerank.experiments.processes import Processes
from lrerank.experiments.results import Runs
from lrerank.experiments.run import run
from lrerank.experiments.spec import Experiment
from lrerank.store import Store
from lrerank.ui import frame
from lrerank.ui.jobs import Job, Jobs

T = TypeVar("T")


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    made = Jobs(workers=1)
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def small(**values: object) -> Experiment:
    usual = {"impressions": 60, "measure_from": 0, "bins": 3, "replicates": 3, "log.impressions": 20, "waterfall": []}
    return Experiment.shipped("first").with_values({**usual, "world.queries": 12, **values})


def until(job: Job, what: str) -> None:
    end = time.monotonic() + 60
    while not getattr(job, what) and job.active and time.monotonic() < end:
        time.sleep(0.02)


@pytest.mark.parametrize("prepared", [{}, {"seed": 4}, {"world.seed": 5}, {"world.parameters.hidden_share": 0.1}])
def test_a_job_gives_the_figures_of_the_same_run_elsewhere(
    jobs: Jobs, store: Store, prepared: dict[str, object]
) -> None:
    """Whatever its processes were prepared for."""
    jobs.prepare(store, small(**prepared))
    job = jobs.simulate(store, small())
    assert job.wait(120) and not job.problem and job.run.status == "done"
    *_, last = run(small(), workers=0, store=store)
    mine = Runs(store.runs).open(job.run.run_id).figures()
    timed = ("latency_ms", "latency_p50_ms", "latency_p99_ms")
    wanted, found = (each[~each["measure"].isin(timed)].reset_index(drop=True) for each in (last.figures, mine))
    keys = ["world", "replicate", "arm", "measure", "by", "group", "start"]
    pd.testing.assert_frame_equal(
        found.sort_values(keys, ignore_index=True), wanted.sort_values(keys, ignore_index=True)
    )


def test_prepared_processes_are_used_once_and_end(store: Store) -> None:
    jobs = Jobs(workers=2)
    before = set(_children(os.getpid()))
    jobs.prepare(store, small())
    jobs.prepare(store, small())
    first = jobs.simulate(store, small(seed=3))
    assert first.wait(120) and first.run.status == "done"
    assert set(_children(os.getpid())) <= before, "they end with the run"
    jobs.prepare(store, small())
    jobs.close()
    assert set(_children(os.getpid())) <= before, "nobody is left behind"


def test_nothing_is_prepared_where_it_can_not_be(jobs: Jobs, store: Store, tmp_path: Path) -> None:
    """The run itself tells why."""
    gone = tmp_path / "gone.csv"
    gone.write_text("id,title,topic\na,red shoe,shoes\nb,blue hat,hats\n")
    experiment = small(**{"world.catalog": str(gone), "world.queries": 1})
    gone.unlink()
    jobs.prepare(store, experiment)
    job = jobs.simulate(store, experiment)
    assert job.wait(60) and "gone.csv" in job.problem


def test_cancelled_within_a_second_and_gone_on_with(jobs: Jobs, store: Store) -> None:
    job = jobs.simulate(store, small(impressions=2000, measure_from=0, bins=4))
    until(job, "snapshot")
    began = time.monotonic()
    job.cancel()
    # A second is what people are promised; twice that on a machine that runs other tests beside this one.
    assert job.wait(10) and time.monotonic() - began < 2
    assert job.run.status == "cancelled" and not job.problem
    again = jobs.resume(store, job.run.run_id)
    assert again is not job and again.active
    assert jobs.resume(store, job.run.run_id) is again, "it is under way already"


def test_it_stops_by_itself_when_the_answer_is_clear(jobs: Jobs, store: Store) -> None:
    # Uniform lists are far worse than relevance.
    experiment = small(replicates=12, impressions=150, **{"arms.learned": {"kind": "uniform"}})
    job = jobs.simulate(store, experiment, watched="learned", stops_when_clear=True)
    assert job.wait(120) and job.run.status == "stopped"
    assert job.look is not None and job.look.answer == "below" and job.run.count() < 12


def test_with_several_worlds_it_stops_after_some_of_them(jobs: Jobs, store: Store) -> None:
    """A world counts when all its replicates are finished, so they are gone through one after the other."""
    uniform = {"arms.learned": {"kind": "uniform"}, "world.parameters": {}}
    experiment = small(replicates=2, impressions=150, **{"world.worlds": 12, **uniform})
    job = jobs.simulate(store, experiment, watched="learned", stops_when_clear=True)
    assert job.wait(120) and job.run.status == "stopped" and not job.problem
    assert job.look is not None and job.look.answer == "below" and job.look.decided_at is not None
    assert {task.world for task in job.run.done()} <= set(range(job.look.decided_at + 1))


def test_one_is_asked_to_stop_only_when_it_is_clear(jobs: Jobs, store: Store) -> None:
    job = jobs.simulate(store, small(), watched="learned")
    job.stop()
    assert job.wait(120)
    assert (job.run.status == "stopped") == (job.look is not None and job.look.answer is not None)


def test_a_failure_is_told_in_a_sentence(jobs: Jobs, store: Store, tmp_path: Path) -> None:
    gone = tmp_path / "gone.csv"
    gone.write_text("id,title,topic\na,red shoe,shoes\nb,blue hat,hats\n")
    experiment = small(**{"world.catalog": str(gone), "world.queries": 1})
    gone.unlink()
    job = jobs.simulate(store, experiment)
    assert job.wait(60) and job.run.status == "failed"
    assert "gone.csv" in job.problem and "Traceback" not in job.problem


def test_two_jobs_run_beside_each_other(jobs: Jobs, store: Store) -> None:
    one, other = jobs.simulate(store, small()), jobs.simulate(store, small(seed=5))
    assert one.run.run_id != other.run.run_id and len(jobs.active()) == 2
    assert one.wait(120) and other.wait(120)
    assert {one.run.status, other.run.status} == {"done"}
    assert jobs.get(one.run.run_id) is one and jobs.get("none") is None


def test_who_asks_for_the_same_twice_gets_one_run(jobs: Jobs, store: Store) -> None:
    long = small(impressions=100_000, bins=4)
    one, same = jobs.simulate(store, long, "learned"), jobs.simulate(store, long, "learned")
    assert same is one and len(jobs.active()) == 1
    one.cancel()
    again = jobs.simulate(store, long, "learned")
    assert again is not one and again.run.run_id != one.run.run_id


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="who is whose child is read from /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_the_server_ends_its_workers_end(how: signal.Signals, tmp_path: Path) -> None:
    begins = (
        # Who runs the tests in the background ignores Ctrl-C, and every process under them with it.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "import sys, time; from pathlib import Path; sys.path.insert(0, sys.argv[2]); from test_jobs import small; "
        "from lrerank.store import Store; from lrerank.ui.jobs import Jobs; "
        "Jobs(workers=2).simulate(Store(Path(sys.argv[1])), small(impressions=100_000, measure_from=0, bins=4)); "
        "time.sleep(60)"
    )
    arguments = [sys.executable, "-c", begins, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as server:
        try:
            mine = _until(lambda: found if len(found := _children(server.pid)) == 2 else [])
            server.send_signal(how)
            server.wait(20)
            assert _until(lambda: not any(_is_running(each) for each in mine))
        finally:
            server.kill()
    (run_id,) = Runs(Store(tmp_path).runs).ids()
    assert Runs(Store(tmp_path).runs).open(run_id).status == "interrupted"


def test_who_begins_a_run_does_not_wait_for_what_was_to_be_prepared_later(jobs: Jobs, store: Store) -> None:
    jobs.prepare(store, small(), after=600)
    assert jobs.simulate(store, small()).wait(60)


def test_a_run_starts_its_own_processes_where_none_could_be_prepared(
    jobs: Jobs, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Processes) -> Processes:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(Processes, "__enter__", refused)
        jobs.prepare(store, small())
        time.sleep(0.2)
    assert jobs.simulate(store, small()).wait(60)


def test_what_has_not_begun_is_not_begun_to_be_ended(store: Store) -> None:
    waiting = Jobs(workers=1)
    waiting.prepare(store, small(), after=600)
    waiting.close()
    assert not list(store.home.glob("indexes/*"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="who is whose child is read from /proc")
def test_the_first_page_has_processes_ready_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRERANK_HOME", str(tmp_path))
    frame.jobs.cache_clear()
    before = set(_children(os.getpid()))
    try:
        page = AppTest.from_file(str(Path(frame.__file__).parent / "entry" / "app.py"), default_timeout=60).run()
        assert not page.exception
        assert _until(lambda: len(set(_children(os.getpid())) - before) == usable_cores())
        assert _until(lambda: list((tmp_path / "indexes").glob("*.npz"))), "the built-in world's"
    finally:
        frame.jobs().close()
        frame.jobs.cache_clear()
    assert set(_children(os.getpid())) <= before


def _children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            if f"\nPPid:\t{pid}\n" in path.read_text():
                found.append(int(path.parent.name))
    return found


def _is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _until(is_so: Callable[[], T]) -> T:
    end = time.monotonic() + 30
    while not (found := is_so()) and time.monotonic() < end:
        time.sleep(0.05)
    assert found
    return found
