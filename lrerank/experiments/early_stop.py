"""Stop a run when the answer is clear: one arm against the baseline, looked at after every replicate, or every world.

The arm is chosen before the run begins, so there is no choice among arms to allow for. What allows for looking is the
interval: see `sequential`. Ordinary intervals of a run that was stopped so say too much.
"""

from __future__ import annotations

from math import isfinite

import pandas as pd

from lrerank.errors import LrerankError
from lrerank.experiments.results import Status
from lrerank.experiments.sequential import Look, look
from lrerank.experiments.spec import Experiment, SpecError
from lrerank.experiments.spec_text import nearest
from lrerank.experiments.wording import amount, number, place

MEASURE = "expected_reward"
_PREFERRED = "learned"


def arm_to_watch(experiment: Experiment, asked: str | None = None) -> str:
    """The arm whose difference from the baseline is to become clear: the one asked for, `learned`, or the only one.

    Raises:
        SpecError: there is no such arm, it is the baseline, or several may be meant.
    """
    others = [name for name in experiment.arms if name != experiment.baseline]
    if asked == experiment.baseline:
        remedy = f"Use another arm: {', '.join(others) or 'the spec has none'}"
        raise SpecError("the baseline can't be compared with itself", path="--arm", value=asked, remedy=remedy)
    if asked is not None and asked not in others:
        raise SpecError("no arm has this name", path="--arm", value=asked, remedy=nearest(asked, others))
    if asked is not None:
        return asked
    if _PREFERRED in others:
        return _PREFERRED
    if len(others) == 1:
        return others[0]
    if not others:
        remedy = "Add an arm beside the baseline"
        raise SpecError("there is nothing to compare", path="--until-clear", value=experiment.baseline, remedy=remedy)
    raise SpecError(
        "several arms may be meant", path="--until-clear", value=others, remedy=f"Say it with --arm {others[0]}"
    )


def looked(figures: pd.DataFrame, experiment: Experiment, arm: str) -> Look | None:
    """What may be said of the arm now, or None before a replicate of both is done.

    Args:
        figures: of finished tasks; those of tasks under way do not count.
    """
    start, end = experiment.window
    worlds, replicates = range(experiment.world.worlds), experiment.replicates
    try:
        return look(
            figures, arm, experiment.baseline, MEASURE, start=start, end=end, worlds=worlds, replicates=replicates
        )
    except LrerankError:
        # Arms of a replicate may be computed apart: so far no replicate has both.
        return None


def stopped_after(found: Look, experiment: Experiment) -> str:
    """`stopped after 5 of 20 replicates, when the answer was clear`."""
    units, total = _units(experiment)
    return f"stopped after {found.decided_at} of {total} {units}, when the answer was clear"


def told(found: Look | None, experiment: Experiment, arm: str, status: Status) -> str:
    """The verdict on a run that was looked at, in sentences: what holds however often one looked.

    Of a run that was stopped when the answer was clear, what had been seen by then: what else was finished by the time
    that somebody looked hangs on the machine, and the answer must not. Of others all that is finished, and where their
    interval holds zero again, no lead.

    Args:
        status: of the run; "stopped" is one that its clear answer ended.
    """
    baseline, where = experiment.baseline, place(experiment)
    if found is None or not found.estimate.groups:
        return f"Nothing can be said yet of {arm} against {baseline}: no {_units(experiment)[0][:-1]} is finished."
    units, total = _units(experiment)
    done = found.estimate.groups
    ended_early = status == "stopped" and found.decided_at is not None and done < total
    if found.decided_at is not None and ended_early:
        done = found.decided_at
    value, low, high = found.value[done - 1], found.low[done - 1], found.high[done - 1]
    start, end = experiment.window
    lead = f"{amount(value, experiment, signed=True)} per 1,000 searches"
    unit = units.removesuffix("s")
    counted = f"{done} {unit if done == 1 else units}"
    noise = "simulation noise only" if unit == "replicate" else "world uncertainty"
    sure = f"no interval: {found.estimate.note}"
    if isfinite(low):
        between = f"{number(low)} to {number(high)}"
        sure = f"{100 * found.estimate.level:g} % interval that allows looking after every {unit} {between}"
    about = f"({sure}, over {counted}, {noise}; searches {start:,} to {end:,})"
    clear = f" It was clear after {found.decided_at} of {total} {units}"
    if not (low > 0 or high < 0):
        ending = f"after all {units}" if done >= total else f"after {counted}"
        so_far = "so far" if status == "running" else ending
        was = "" if found.decided_at is None else f"{clear}, and no longer is."
        return f"{where} {arm} and {baseline} can't be told apart {so_far}: {lead} {about}.{was}"
    verb = "leads" if low > 0 else "is behind"
    if ended_early:
        clear = f" {stopped_after(found, experiment).capitalize()}"
    return f"{where} {arm} {verb} {baseline}: {lead} {about}.{clear}."


def _units(experiment: Experiment) -> tuple[str, int]:
    """What is counted, and how many there will be."""
    several = experiment.world.worlds > 1
    return ("worlds", experiment.world.worlds) if several else ("replicates", experiment.replicates)
