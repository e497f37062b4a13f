"""What comes with the program, so that there is something to see: the finished comparison that the workbench opens on, and
a finished sweep for each question of the page Tune. All are made by

    python -m lrerank.ui.welcome.finished

They are what the pages Simulate and Tune ask by themselves, the comparison with more replicates. Of the sweeps, the
figures are kept that Tune reads. A test computes a replicate of each again.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from lrerank.experiments.findings import ABLATION, COLD_START, SETTINGS, WATCHED
from lrerank.experiments.results import Run, Runs
from lrerank.experiments.run import run
from lrerank.experiments.spec import REFERENCE, Experiment
from lrerank.experiments.tables import read_figures
from lrerank.store import Store
from lrerank.ui.jobs import Jobs
from lrerank.ui.policy import Policy
from lrerank.ui.simulate.outcome import Outcome
from lrerank.ui.simulate.setup import LEARNED, Setup
from lrerank.ui.tune.setup import TuneSetup

RUN_ID = "finished"
"""By this name it is shown on the page Simulate; runs of one's own have longer ones."""

SWEEPS: Mapping[str, str] = MappingProxyType(
    {SETTINGS: "finished-settings", ABLATION: "finished-features", COLD_START: "finished-cold-start"}
)
"""Question of the page Tune → the run that answers it."""

_ASSETS = Path(str(files("lrerank.ui") / "assets"))
_REPLICATES = 6
_READ_BY_TUNE = ("expected_reward", "price", "explored_pages", "fallback_reward")


def asked() -> Experiment:
    """What was asked."""
    return Setup(Policy(), replicates=_REPLICATES).experiment()


def finished(run_id: str = RUN_ID) -> Run:
    """The run, or one of `SWEEPS`."""
    return Run(_ASSETS / run_id)


@cache
def outcome() -> Outcome:
    """What it says, read once."""
    found = Outcome(finished())
    # Worked out when it is first asked for.
    _ = found.sentence, found.exploration()
    return found


def make() -> None:
    """Computes it anew, and puts it where the old one was."""
    with tempfile.TemporaryDirectory(prefix="lrerank-") as folder:
        made = Runs(folder).create(asked())
        made.note(WATCHED, LEARNED)
        with made.working():
            for snapshot in run(made.experiment, results=made):
                print(f"{snapshot.done_tasks} of {snapshot.tasks} replicates", end="\r", flush=True)
        target = finished().folder
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(made.folder, target)


def make_sweep(question: str) -> None:
    """Computes one of `SWEEPS` anew, and puts what Tune reads of it where the old one was."""
    with tempfile.TemporaryDirectory(prefix="lrerank-") as folder:
        every = Jobs()
        job = TuneSetup.usual(question).begin(every, Store(folder))
        while not job.wait(5):
            print(job.snapshot and f"{job.snapshot.done_tasks} of {job.snapshot.tasks} tasks", end="\r", flush=True)
        if job.problem:
            raise RuntimeError(job.problem)
        name, by = SWEEPS[question], "history" if question == COLD_START else "all"
        target = _put(job.run, name, by)
        beside = job.run.noted("beside")
        if beside is not None:
            _put(Runs(job.run.folder.parent).open(beside["fresh"]["0"]), f"{name}-fresh", by)
            target.note("beside", {**beside, "fresh": {"0": f"{name}-fresh"}})


def _put(made: Run, name: str, by: str) -> Run:
    target = finished(name)
    shutil.rmtree(target.folder, ignore_errors=True)
    shutil.copytree(made.folder, target.folder, ignore=shutil.ignore_patterns("*.parquet"))
    for task in made.done():
        figures = read_figures(made.folder / "tasks" / task.file_name)
        read = (figures["by"] == by) & figures["measure"].isin(_READ_BY_TUNE) & (figures["arm"] != REFERENCE)
        target.append(task, figures[read])
    return target


if __name__ == "__main__":
    make()
    for question in SWEEPS:
        make_sweep(question)
