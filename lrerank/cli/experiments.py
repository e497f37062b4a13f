"""`lrerank simulate` and `lrerank sweep`."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from lrerank.cli.common import JsonOption, aside, check_folder, console, print_json, read_inputs, say
from lrerank.cli.lift_tables import TrafficOption, print_lifts
from lrerank.cli.run_tables import print_values, values_json
from lrerank.errors import InputError, LrerankError
from lrerank.experiments.early_stop import arm_to_watch, looked, stopped_after
from lrerank.experiments.findings import (
    ABLATION,
    COLD_START,
    SETTINGS,
    STUDY,
    WATCHED,
    about,
    found_by,
    sentence_of,
    study_of,
)
from lrerank.experiments.results import Kind, Run, Runs, RunStoppedError
from lrerank.experiments.spec import Experiment
from lrerank.experiments.spec_text import parse_value
from lrerank.files import readable_errors, write_atomically
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

_PIPELINE = "pipeline"


def simulate(
    spec: Annotated[
        str | None,
        typer.Argument(metavar="SPEC", help="A TOML file, or the name of a shipped spec: first by default."),
    ] = None,
    impressions: ImpressionsOption = None,
    replicates: ReplicatesOption = None,
    seed: SeedOption = None,
    workers: WorkersOption = None,
    until_clear: Annotated[
        bool,
        typer.Option(
            "--until-clear", help="Look after every replicate (or world), stop when one arm's answer is clear."
        ),
    ] = False,
    arm: Annotated[
        str | None, typer.Option(help="Which arm's, against the baseline; learned by default.", metavar="ARM")
    ] = None,
    traffic: TrafficOption = None,
    values: SetOption = None,
    resume: ResumeOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment on simulated users: who leads, by how much, and how sure that is.

    Stopped with Ctrl-C, it goes on where it was with --resume.

    lrerank simulate first --set arms.learned.exploration_rate=0.05

    lrerank simulate --replicates 20 --until-clear
    """
    if arm is not None and not until_clear:
        raise InputError("this is for --until-clear", path="--arm", value=arm, remedy="Add it, or leave --arm out")
    run = _simulation_of(spec, _changes(impressions, replicates, seed, values), resume, arm, until_clear=until_clear)
    from lrerank.experiments.lifts import lifts
    from lrerank.experiments.run import run as simulated

    experiment = run.experiment
    enough = _enough(experiment, str(run.noted(WATCHED))) if until_clear else None
    try:
        _follow(
            run, lambda: simulated(experiment, results=run, workers=workers, by_world=until_clear), enough, quiet=quiet
        )
    except RunStoppedError:
        pass
    except LrerankError:
        if resume is None and not run.count():  # nothing is lost: what was wrong is told
            Runs(run.folder.parent).delete(run.run_id)
        raise
    figures = run.figures()
    sentence = sentence_of(run, figures)
    if as_json:
        window = experiment.window
        found = {"verdict": sentence, **lifts(figures, experiment).to_json(), "values": values_json(figures, window)}
        print_json({**about(run), **found})
        return
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    console.print()
    print_lifts(figures, experiment, traffic)
    print_values(figures, experiment.window)
    if run.status == "stopped":
        say("Only the first sentence allows for the early stop; the other intervals do not.")
        say(f"for all replicates: lrerank simulate --resume {run.run_id}")
    say(f"{run.manifest['provenance']}; kept as {run.run_id}: lrerank runs show {run.run_id}")


def sweep(
    spec: Annotated[
        str | None,
        typer.Argument(metavar="SPEC", help="A TOML file, with [sweep.axes] for settings, or a shipped spec's name."),
    ] = None,
    ablate: Annotated[
        str | None, typer.Option(help="Leave out one group of this arm's features at a time.", metavar="ARM")
    ] = None,
    cold_start: Annotated[
        str | None, typer.Option(help="Compare this arm with its fallback by past interactions.", metavar="ARM")
    ] = None,
    fresh: Annotated[
        int | None, typer.Option(help="Replicates of the winner that had no part in choosing it; 0 = none.", min=0)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the winner goes as a pipeline, beside the run.")] = None,
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

    The winner is run once more on users that had no part in choosing it; only that figure is concluded.

    lrerank sweep sweep --replicates 8

    lrerank sweep first --ablate learned

    lrerank sweep first --cold-start learned
    """
    from lrerank.cli.sweep_tables import print_sweep, sweep_json
    from lrerank.experiments.sweep_verdict import SettingsTable

    _check_studies({"--ablate": ablate, "--cold-start": cold_start}, {"--fresh": fresh, "--out": out})
    changes = _changes(impressions, replicates, seed, values)
    if resume is not None or not (ablate or cold_start):
        if ablate or cold_start:
            raise InputError("a run goes on as it was begun", path="--resume", value=resume, remedy="Leave it out")
        run = _sweep_of(spec, changes, resume, out, fresh)
    else:
        run = _study_of(Experiment.find(spec or "first").with_values(changes), ablate, cold_start)
    experiment, study = run.experiment, study_of(run)
    if study["kind"] == SETTINGS:
        from lrerank.experiments.sweep import sweep as swept

        _follow(run, lambda: swept(experiment, results=run, workers=workers, fresh=fresh), quiet=quiet)
    else:
        from lrerank.experiments.run import run as simulated

        _follow(run, lambda: simulated(experiment, results=run, workers=workers), quiet=quiet)
    found = found_by(run)
    if isinstance(found, SettingsTable) and found.exported is not None:
        _keep_pipeline(run, found.exported.pipeline, out)
    if as_json:
        print_json({**about(run), **sweep_json(found)})
        return
    print_sweep(found, experiment.baseline)
    say(f"{run.manifest['provenance']}; kept as {run.run_id}: lrerank runs show {run.run_id}")


def _check_studies(studies: dict[str, str | None], of_settings: dict[str, Any]) -> None:
    chosen = [option for option, arm in studies.items() if arm is not None]
    given = [option for option, value in of_settings.items() if value is not None]
    if len(chosen) > 1 or (chosen and given):
        remedy = f"Leave {given[0] if given else chosen[1]} out"
        raise InputError("these don't go together", path=chosen[0], value=(given or chosen[1:])[0], remedy=remedy)


def _check_sweep(experiment: Experiment, out: Path | None) -> None:
    """Refuses before anything is run what can't be run, and a file that nothing could be written to."""
    from lrerank.experiments.as_pipeline import as_pipeline
    from lrerank.experiments.sweep_plan import plan

    conditions = plan(experiment)
    if out is None:
        return
    if len(conditions) > 1:
        remedy = "Leave it out, or sweep arms only"
        raise InputError("every condition has a winner of its own", path="--out", value=str(out), remedy=remedy)
    for variant in conditions[0].variants:
        as_pipeline(conditions[0].experiment, variant.name)


def _study_of(experiment: Experiment, ablate: str | None, cold_start: str | None) -> Run:
    """A new run that compares an arm with itself: without groups of features, or with its fallback."""
    runs = Runs(Store().runs)
    if ablate is not None:
        from lrerank.experiments.ablation import ablated

        study, groups = ablated(experiment, ablate)
        run = runs.create(study, "sweep")
        run.note(STUDY, {"kind": ABLATION, "groups": groups})
        return run
    from lrerank.experiments.cold_start import cold_started

    run = runs.create(cold_started(experiment, cold_start or ""), "sweep")
    run.note(STUDY, {"kind": COLD_START})
    return run


def _keep_pipeline(run: Run, pipeline: list[dict[str, Any]], out: Path | None) -> None:
    """Writes the winner's pipeline beside the run's figures, and where it is wanted."""
    run.note(_PIPELINE, pipeline)
    if out is not None:
        with readable_errors(out, "the file"):
            write_atomically(out, (json.dumps(pipeline, ensure_ascii=False, indent=2) + "\n").encode())
    say(f"the winner as a pipeline: {out or run.folder / f'{_PIPELINE}.json'}")


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


def _sweep_of(
    spec: str | None, changes: dict[str, Any], resume: str | None, out: Path | None, fresh: int | None
) -> Run:
    """A new sweep, or the one to go on with."""
    if fresh == 1:
        remedy = "Use 2 or more, or 0 for none"
        raise InputError("one replicate can't tell how sure a figure is", path="--fresh", value=fresh, remedy=remedy)
    if out is not None:
        check_folder(out)
    if resume is not None:
        return _resumed(resume, spec, changes, "sweep")
    experiment = Experiment.find(spec or "sweep").with_values(changes)
    _check_sweep(experiment, out)
    return Runs(Store().runs).create(experiment, "sweep")


def _resumed(run_id: str, spec: str | None, changes: dict[str, Any], kind: Kind) -> Run:
    if not run_id:
        raise InputError("no run is named", path="--resume", value=run_id, remedy="See lrerank runs list")
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


def _simulation_of(
    spec: str | None, changes: dict[str, Any], resume: str | None, arm: str | None, *, until_clear: bool
) -> Run:
    """A new simulation, or the one to go on with; which arm is looked at is kept beside it."""
    if resume is not None:
        run = _resumed(resume, spec, changes, "simulate")
        watched = run.noted(WATCHED)
        if until_clear and watched is not None and arm not in (None, watched):
            remedy = f"Leave it out: {watched} was looked at before"
            raise InputError("a run goes on as it was begun", path="--arm", value=arm, remedy=remedy)
        if until_clear and watched is None:
            run.note(WATCHED, arm_to_watch(run.experiment, arm))
        return run
    spec = spec or "first"
    experiment = Experiment.find(spec).with_values(changes)
    if experiment.sweep is not None:
        say(f"{spec} has a sweep, which is left out here: see lrerank sweep")
        experiment = experiment.without_sweep()
    watched = arm_to_watch(experiment, arm) if until_clear else None
    run = Runs(Store().runs).create(experiment)
    if watched is not None:
        run.note(WATCHED, watched)
    return run


def _enough(experiment: Experiment, arm: str) -> Callable[[Snapshot], str]:
    """Says why a run may stop, or "" while it may not; looks when a task was finished, and only then."""
    seen = 0

    def enough(snapshot: Snapshot) -> str:
        nonlocal seen
        if snapshot.done_tasks == seen or not snapshot.provisional:
            return ""
        seen = snapshot.done_tasks
        found = looked(snapshot.overall, experiment, arm)
        return "" if found is None or found.answer is None else stopped_after(found, experiment)

    return enough


def _follow(
    run: Run,
    begin: Callable[[], Iterator[Snapshot]],
    enough: Callable[[Snapshot], str] | None = None,
    *,
    quiet: bool,
) -> None:
    """Lets a run go to its end, or until there is enough of it, showing how far it is and how long it will take.

    Raises:
        RunStoppedError: there is enough.
    """
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
                if enough is not None and (reason := enough(each)):
                    raise RunStoppedError(reason)
    except KeyboardInterrupt:
        say(f"stopped; go on with: lrerank {run.manifest['kind']} --resume {run.run_id}")
        raise


def _note(snapshot: Snapshot) -> str:
    left = snapshot.seconds_left
    time_left = "" if left is None else f", {int(left) // 60}:{int(left) % 60:02d} left"
    return f"replicates; {snapshot.impressions:,} impressions{time_left}"
