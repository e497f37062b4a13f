"""The finished comparison that the workbench opens on: a run that comes with the program, made by

    python -m lrerank.ui.welcome.finished

It is what the page Simulate asks by itself, with more replicates. A test computes one of them again.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path

from lrerank.experiments.findings import WATCHED
from lrerank.experiments.results import Run, Runs
from lrerank.experiments.run import run
from lrerank.experiments.spec import Experiment
from lrerank.ui.policy import Policy
from lrerank.ui.simulate.outcome import Outcome
from lrerank.ui.simulate.setup import LEARNED, Setup

RUN_ID = "finished"
"""By this name it is shown on the page Simulate; runs of one's own have longer ones."""

_REPLICATES = 6


def asked() -> Experiment:
    """What was asked."""
    return Setup(Policy(), replicates=_REPLICATES).experiment()


def finished() -> Run:
    """The run."""
    return Run(Path(str(files("lrerank.ui") / "assets" / RUN_ID)))


@cache
def outcome() -> Outcome:
    """What it says, read once."""
    found = Outcome(finished())
    # Worked out when it is first asked for.
    _ = found.sentence, found.exploration
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


if __name__ == "__main__":
    make()
