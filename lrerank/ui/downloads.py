"""The files that a run can be taken along as: a report, figures, the experiment, and stages to ship."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from lrerank.charts.report import report
from lrerank.errors import LrerankError
from lrerank.experiments.arm_specs import LearnerSpec
from lrerank.experiments.as_pipeline import as_pipeline
from lrerank.experiments.findings import SETTINGS, found_by, study_of
from lrerank.experiments.results import Run
from lrerank.experiments.sweep_verdict import SettingsTable, named_values

PIPELINE = "application/json"


@dataclass(frozen=True, slots=True)
class Download:
    """A file that a run can be taken along as.

    Attributes:
        label: on its button.
        content: makes it, when it is asked for.
        told: what it is, in a sentence.
    """

    label: str
    file_name: str
    mime: str
    content: Callable[[], bytes]
    told: str


def downloads(run: Run, traffic: float | None = None) -> tuple[Download, ...]:
    """What there is; the report only where no replicate is finished.

    Args:
        traffic: searches a day, to tell break-even in days as well.

    Raises:
        SpecError: this version can't run the experiment any more.
    """
    spec = run.experiment.to_toml().encode()
    toml = Download(
        "Spec, TOML",
        f"{run.run_id}.toml",
        "application/toml",
        lambda: spec,
        "For `lrerank simulate` or `sweep`: the same figures.",
    )
    return (*_files(run, traffic, has_figures=run.count() > 0), toml, *_stages(run))


def _files(run: Run, traffic: float | None, *, has_figures: bool) -> tuple[Download, ...]:
    page = Download(
        "Report, HTML",
        f"{run.run_id}.html",
        "text/html",
        lambda: report(run, traffic).encode(),
        "One page for a meeting or a mail, with all charts in it.",
    )
    if not has_figures:
        return (page,)
    return (
        page,
        Download(
            "Figures, Parquet",
            f"{run.run_id}.parquet",
            "application/vnd.apache.parquet",
            lambda: bytes(run.figures().to_parquet(index=False)),
            "Every measure of every arm, replicate and time bin.",
        ),
        Download(
            "Figures, CSV",
            f"{run.run_id}.csv",
            "text/csv",
            lambda: run.figures().to_csv(index=False, lineterminator="\n").encode(),
            "The same as text.",
        ),
    )


def _stages(run: Run) -> tuple[Download, ...]:
    """The pipelines of arms that learn; of a sweep that of its winner."""
    if run.manifest["kind"] == "sweep":
        return _winner(run)
    experiment, found = run.experiment, []
    for arm, spec in experiment.arms.items():
        if isinstance(spec, LearnerSpec):
            try:
                exported = as_pipeline(experiment, arm)
            except LrerankError:  # no stage ranks as this arm does
                continue
            found.append(_pipeline(run, arm, exported.pipeline, named_values(exported.impossible)))
    return tuple(found)


def _winner(run: Run) -> tuple[Download, ...]:
    if study_of(run)["kind"] != SETTINGS:
        return ()
    try:
        found = found_by(run)
    except LrerankError:  # nothing yet
        return ()
    if not isinstance(found, SettingsTable) or found.exported is None:
        return ()
    return (_pipeline(run, "winner", found.exported.pipeline, named_values(found.exported.impossible)),)


def _pipeline(run: Run, name: str, pipeline: list[dict[str, object]], impossible: str) -> Download:
    told = "The pipeline to ship, its last stage this arm."
    if impossible:
        told = f"The stage can't do this, so it ranks otherwise than the arm: {impossible}."
    text = json.dumps(pipeline, ensure_ascii=False, indent=2) + "\n"
    return Download(f"Pipeline of {name}, JSON", f"{run.run_id}-{name}.json", PIPELINE, text.encode, told)
