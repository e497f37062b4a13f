"""One run: how it stands, and how to go on with it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from lrerank.charts.report import made_with
from lrerank.charts.run_view import RunView, run_view
from lrerank.errors import LrerankError
from lrerank.experiments.results import Run
from lrerank.ui.downloads import Download, downloads


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
    found: tuple[Download, ...] = ()
    try:
        spec = run.experiment.to_toml()
        found = downloads(run)
        view = run_view(run)
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
        downloads=found,
        problem=problem,
    )


def state(run: Run) -> str:
    """How a run that is not done stands, and how to go on with it; "" for one that is."""
    status, manifest = run.status, run.manifest
    count = run.count()
    done = f"{count} finished {'task is' if count == 1 else 'tasks are'} kept" if count else "nothing was finished yet"
    resume = f"lrerank {manifest['kind']} --resume {run.run_id}"
    problem = str(manifest["problem"] or "")
    match status:
        case "running":
            return f"This run is under way, finished tasks: {count}. Everything below is provisional."
        case "interrupted":
            return f"This run was interrupted; {done}. Go on with it below, or with {resume}"
        case "cancelled":
            return f"This run was cancelled; {done}. Go on with it below, or with {resume}"
        case "stopped":
            return f"This run was {problem or 'stopped'}. For all replicates go on below, or with {resume}"
        case "failed":
            return f"This run failed: {problem or 'nobody knows why'} What was finished is kept. Try again below, or with {resume}"
    return ""


def facts_html(facts: dict[str, str]) -> str:
    """Names and values, one below the other."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f'<dl class="lr-facts">{rows}</dl>'
