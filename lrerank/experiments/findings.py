"""What a run on disk has found so far, whatever kind of run it is: for the commands and for the pages alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from lrerank.experiments.early_stop import looked, told
from lrerank.experiments.measures_table import MEASURES
from lrerank.experiments.results import Run

if TYPE_CHECKING:
    from lrerank.experiments.ablation import Ablation
    from lrerank.experiments.cold_start import ColdStart
    from lrerank.experiments.compare import Comparison
    from lrerank.experiments.sweep_verdict import SettingsTable

WATCHED = "until_clear"
"""The note of a run that may end early: which arm is looked at after every replicate."""

STUDY, SETTINGS, ABLATION, COLD_START = "study", "settings", "ablation", "cold_start"
"""The note that says what kind of sweep a run is, and the kinds."""


def about(run: Run) -> dict[str, Any]:
    """What is worth knowing of a run beside its figures."""
    manifest = run.manifest
    names = (
        "name",
        "question",
        "kind",
        "started",
        "finished",
        "problem",
        "provenance",
        "seed",
        "spec",
        "versions",
        "git",
    )
    return {"run": run.run_id, "status": run.status, "tasks": run.count(), **{name: manifest[name] for name in names}}


def sentence_of(run: Run, figures: pd.DataFrame) -> str:
    """What a simulation has found so far, in sentences; of one that was looked at, what holds however often."""
    watched = run.noted(WATCHED)
    if watched is None:
        from lrerank.experiments.verdict import verdict

        return verdict(figures, run.experiment).sentence
    return told(looked(figures, run.experiment, str(watched)), run.experiment, str(watched), run.status)


def comparisons(figures: pd.DataFrame, baseline: str, measure: str, window: tuple[int, int]) -> list[Comparison]:
    """Every other arm that has figures of the measure against the baseline, in the order in which arms come.

    None where the baseline has no figures of it: only arms that predict have a calibration.
    """
    from lrerank.experiments.compare import compare

    # What is not additive was computed for a window of its own.
    start, end = window if MEASURES[measure].additive else (None, None)
    arms = figures["arm"][(figures["measure"] == measure) & (figures["by"] == "all")].unique()
    others = [arm for arm in arms if arm != baseline] if baseline in arms else []
    return [compare(figures, arm, baseline, measure, start=start, end=end) for arm in others]


def study_of(run: Run) -> dict[str, Any]:
    """What kind of sweep a run is, and what its arms stand for."""
    return run.noted(STUDY) or {"kind": SETTINGS}


def found_by(run: Run) -> SettingsTable | Ablation | ColdStart:
    """What a sweep has found so far.

    Raises:
        LrerankError: nothing yet.
    """
    study = study_of(run)
    if study["kind"] == ABLATION:
        from lrerank.experiments.ablation import ablation_table

        return ablation_table(run.figures(), run.experiment, study["groups"])
    if study["kind"] == COLD_START:
        from lrerank.experiments.cold_start import cold_start_table

        return cold_start_table(run.figures(), run.experiment)
    from lrerank.experiments.sweep import settings_table

    return settings_table(run)
