"""`lrerank simulate` and `lrerank sweep`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from lrerank.cli.common import JsonOption, aside, console, print_json, read_inputs, say, table
from lrerank.cli.run_tables import print_values, values_json
from lrerank.cli.runs import about
from lrerank.errors import InputError
from lrerank.experiments.results import Kind, Run, Runs
from lrerank.experiments.spec import Experiment, SpecError
from lrerank.experiments.spec_text import parse_value
from lrerank.store import Store

if TYPE_CHECKING:
    from lrerank.experiments.run import Snapshot

ImpressionsOption = Annotated[int | None, typer.Option(help="Per replicate and arm.", min=1)]
ReplicatesOption = Annotated[int | None, typer.Option(help="Of each world.", min=1)]
SeedOption = Annotated[int | None, typer.Option(help="Of the replicates.", min=0)]
WorkersOption = Annotated[int | None, typer.Option(help="Processes; as many as there are cores by default.", min=1)]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Another value in the spec, as often as needed.", metavar="PATH=VALUE"),
]
ResumeOption = Annotated[
    str | None, typer.Option(help="Go on with a run that did not end, or with more --replicates.", metavar="RUN")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def simulate(
    spec: Annotated[
        str | None,
        typer.Argument(metavar="SPEC", help="A TOML file, or the name of a shipped spec: first by default."),
    ] = None,
    impressions: ImpressionsOption = None,
    replicates: ReplicatesOption = None,
    seed: SeedOption = None,
    workers: WorkersOption = None,
    values: SetOption = None,
    resume: ResumeOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment on simulated users: who leads, by how much, and how sure that is.

    Stopped with Ctrl-C, it goes on where it was with --resume.

    lrerank simulate first --set arms.learned.exploration_rate=0.05
    """
    run = _run_of("simulate", spec, "first", _changes(impressions, replicates, seed, values), resume)
    from lrerank.experiments.run import run as simulated
    from lrerank.experiments.verdict import verdict

    experiment = run.experiment
    _follow(run, lambda: simulated(experiment, results=run, workers=workers), quiet=quiet)
    figures = run.figures()
    found = verdict(figures, experiment)
    if as_json:
        print_json({**about(run), "verdict": found.sentence, "values": values_json(figures, experiment.window)})
        return
    console.print(found.sentence, highlight=False, markup=False, soft_wrap=True)
    console.print()
    print_values(figures, experiment.window)
    say(f"{run.manifest['provenance']}; kept as {run.run_id}: lrerank runs show {run.run_id}")


def sweep(
    spec: Annotated[
        str | None,
        typer.Argument(metavar="SPEC", help="A TOML file with [sweep.axes], or the name of a shipped spec."),
    ] = None,
    impressions: ImpressionsOption = None,
    replicates: ReplicatesOption = None,
    seed: SeedOption = None,
    workers: WorkersOption = None,
    values: SetOption = None,
    resume: ResumeOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment for every setting of its axes: which are best, and which can't be told apart.

    lrerank sweep sweep --replicates 8
    """
    run = _run_of("sweep", spec, "sweep", _changes(impressions, replicates, seed, values), resume)
    from lrerank.experiments.sweep import settings_table
    from lrerank.experiments.sweep import sweep as swept

    experiment = run.experiment
    _follow(run, lambda: swept(experiment, results=run, workers=workers), quiet=quiet)
    found = settings_table(run)
    if as_json:
        print_json({**about(run), "verdict": found.sentence, "settings": found.rows, "stage": found.stage})
        return
    console.print(found.sentence, highlight=False, markup=False, soft_wrap=True)
    console.print()
    columns = list(found.rows[0])
    table(columns, [[_cell(row[name]) for name in columns] for row in found.rows])
    say(f"{run.manifest['provenance']}; kept as {run.run_id}: lrerank runs show {run.run_id}")


def _changes(
    impressions: int | None, replicates: int | None, seed: int | None, values: list[str] | None
) -> dict[str, Any]:
    """Dotted path → value, as the options give them."""
    pairs = read_inputs(values, "--set", "arms.learned.exploration_rate=0.05")
    changes = {path: parse_value(text) for path, text in pairs.items()}
    for path, value in (("impressions", impressions), ("replicates", replicates), ("seed", seed)):
        if value is not None and path in changes:
            raise InputError("this is given twice", path=f"--set {path}", value=changes[path], remedy="Give it once")
        if value is not None:
            changes[path] = value
    return changes


def _run_of(kind: Kind, spec: str | None, default: str, changes: dict[str, Any], resume: str | None) -> Run:
    """A new run, or the one to go on with."""
    if resume is not None:
        return _resumed(resume, spec, changes, kind)
    spec = spec or default
    experiment = Experiment.find(spec).with_values(changes)
    if kind == "simulate" and experiment.sweep is not None:
        say(f"{spec} has a sweep, which is left out here: see lrerank sweep")
        experiment = experiment.without_sweep()
    if kind == "sweep" and experiment.sweep is None:
        remedy = "Add [sweep.axes], as in the shipped spec sweep"
        raise SpecError("there is nothing to sweep", path="sweep", remedy=remedy)
    return Runs(Store().runs).create(experiment, kind)


def _resumed(run_id: str, spec: str | None, changes: dict[str, Any], kind: Kind) -> Run:
    others = [*([spec] if spec else []), *(path for path in changes if path != "replicates")]
    if others:
        remedy = "Leave it out, or begin a new run"
        raise InputError("a run goes on as it was begun", path="--resume", value=others[0], remedy=remedy)
    run = Runs(Store().runs).open(run_id)
    if run.manifest["kind"] != kind:
        remedy = f"Use lrerank {run.manifest['kind']} --resume {run.run_id}"
        raise InputError("this run is of another kind", path="--resume", value=run.manifest["kind"], remedy=remedy)
    if "replicates" in changes:
        run.extend(changes["replicates"])
    return run


def _follow(run: Run, begin: Callable[[], Iterator[Snapshot]], *, quiet: bool) -> None:
    """Lets a run go to its end, showing how far it is and how long it will take."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    try:
        with (
            run.working(),
            Progress(*columns, console=aside, transient=True, disable=quiet) as bar,
            # Closed, it stops its workers before the run is given back.
            closing(cast("Generator[Snapshot]", begin())) as snapshots,
        ):
            task = bar.add_task(run.run_id, total=None, note="")
            for each in snapshots:
                bar.update(task, completed=each.done_tasks, total=each.tasks, note=_note(each))
    except KeyboardInterrupt:
        say(f"stopped; go on with: lrerank {run.manifest['kind']} --resume {run.run_id}")
        raise


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _note(snapshot: Snapshot) -> str:
    left = snapshot.seconds_left
    time_left = "" if left is None else f", {int(left) // 60}:{int(left) % 60:02d} left"
    return f"replicates; {snapshot.impressions:,} impressions{time_left}"
