"""One run: how it stands, how to go on with it, and what of it can be taken along."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from lrerank.charts.report import made_with, report
from lrerank.charts.run_view import RunView, run_view
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


@dataclass(frozen=True)
class Shown:
    """Everything that the page says of a run.

    Attributes:
        view: sentence, charts and tables; empty where it can't be read.
        spec: as TOML; "" where this version can't run it any more.
        made: name → seed, versions, sources, machine.
        downloads: files.
        problem: why something is missing, for people; "" for nothing.
    """

    run: Run
    question: str
    provenance: str
    status: str
    kind: str
    view: RunView
    spec: str
    made: dict[str, str]
    downloads: tuple[Download, ...]
    problem: str


def shown(run: Run) -> Shown:
    """What there is of a run.

    Raises:
        LrerankError: its manifest is damaged or gone.
    """
    manifest = run.manifest
    problem, spec = "", ""
    view = RunView("", (), (), ())
    downloads: tuple[Download, ...] = ()
    try:
        spec = run.experiment.to_toml()
        downloads = (Download("Spec, TOML", f"{run.run_id}.toml", "application/toml", spec.encode, "To run it again."),)
        view = run_view(run)
        downloads = (*_files(run, has_figures=run.count() > 0), *downloads, *_stages(run))
    except LrerankError as error:
        problem = str(error)
    return Shown(
        run=run,
        question=str(manifest["question"]),
        provenance=str(manifest["provenance"]),
        status=run.status,
        kind=str(manifest["kind"]),
        view=view,
        spec=spec,
        made=made_with(run),
        downloads=downloads,
        problem=problem,
    )


def state(run: Run) -> str:
    """How a run that is not done stands, and how to go on with it; "" for one that is."""
    status, manifest = run.status, run.manifest
    count = run.count()
    done = f"{count} finished {'task is' if count == 1 else 'tasks are'} kept"
    resume = f"lrerank {manifest['kind']} --resume {run.run_id}"
    problem = str(manifest["problem"] or "")
    match status:
        case "running":
            return f"This run is under way, finished tasks: {count}. Everything below is provisional."
        case "interrupted":
            return f"This run was interrupted; {done}. Go on with it: {resume}"
        case "cancelled":
            return f"This run was cancelled; {done}. Go on with it: {resume}"
        case "stopped":
            return f"This run was {problem or 'stopped'}. For all replicates: {resume}"
        case "failed":
            return f"This run failed: {problem or 'nobody knows why'} What was finished is kept. Try again: {resume}"
    return ""


def facts_html(facts: dict[str, str]) -> str:
    """Names and values, one below the other."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f'<dl class="lr-facts">{rows}</dl>'


def _files(run: Run, *, has_figures: bool) -> tuple[Download, ...]:
    page = Download(
        "Report, HTML",
        f"{run.run_id}.html",
        "text/html",
        lambda: report(run).encode(),
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
