"""`lrerank runs`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import typer

from lrerank.cli.common import JsonOption, YesOption, check_folder, console, print_json, say, table
from lrerank.cli.group_tables import print_groups
from lrerank.cli.lift_tables import TrafficOption, print_lifts
from lrerank.cli.run_tables import (
    DEFAULT_MEASURE,
    check_measures,
    comparison_json,
    print_comparisons,
    print_heading,
    print_values,
    values_json,
)
from lrerank.errors import InputError, LrerankError
from lrerank.experiments.arm_specs import LearnerSpec, PlaceboSpec
from lrerank.experiments.as_pipeline import as_pipeline
from lrerank.experiments.findings import WATCHED, about, comparisons, found_by, sentence_of
from lrerank.experiments.groups_table import groups_table
from lrerank.experiments.lifts import lifts
from lrerank.experiments.results import Run, Runs
from lrerank.experiments.side_by_side import differences, labels, side_by_side
from lrerank.experiments.spec_text import nearest
from lrerank.experiments.sweep_verdict import named_values
from lrerank.files import readable_errors, write_atomically
from lrerank.store import Store

if TYPE_CHECKING:
    from lrerank.experiments.compare import Comparison

app = typer.Typer(help="Results of experiments: list, show, compare, delete, export.", no_args_is_help=True)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Its id, or a beginning that no other run has.")]
MeasureOption = Annotated[
    list[str] | None, typer.Option("--measure", help="expected_reward, clicks, regret, ndcg, …; as often as needed.")
]

_STAGE, _SPEC, _FIGURES, _CSV, _REPORT = ".json", ".toml", ".parquet", ".csv", ".html"


@app.command("list")
def list_runs(as_json: JsonOption = False) -> None:
    """List the runs, the one begun last first."""
    rows = Runs(Store().runs).list()
    for row in rows:
        if row.problem:
            say(f"{row.run_id}: {row.problem}")
    if as_json:
        names = (
            "run_id",
            "name",
            "question",
            "kind",
            "status",
            "started",
            "finished",
            "tasks",
            "provenance",
            "problem",
        )
        print_json([{name: getattr(row, name) for name in names} for row in rows])
        return
    if not rows:
        console.print("No runs yet: begin one with lrerank simulate.", highlight=False)
        return
    table(
        ["run", "status", "tasks", "question"],
        [[row.run_id, row.status, str(row.tasks), row.question] for row in rows],
        right=("tasks",),
        whole=("run", "status"),
    )


@app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id or a beginning; the last one by default.")] = "",
    measure: MeasureOption = None,
    by: Annotated[str | None, typer.Option(help="Values per group: segment, inferred, history or position.")] = None,
    traffic: TrafficOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a run found: every arm against the baseline, and all measures.

    lrerank runs show first --measure regret --by history
    """
    # What a position is expected to bring is not told apart from the list.
    measures = measure or ["reward" if by == "position" else DEFAULT_MEASURE]
    check_measures(measures, by)
    chosen = Runs(Store().runs).open(run)
    experiment, figures, header = chosen.experiment, chosen.figures(), about(chosen)
    found = (
        []
        if figures.empty
        else [comparisons(figures, experiment.baseline, each, experiment.window) for each in measures]
    )
    groups = [] if figures.empty or by is None else [groups_table(figures, experiment, by, each) for each in measures]
    if as_json:
        print_json({**header, **_found_json(chosen, figures, found), "groups": [each.to_json() for each in groups]})
        return
    print_heading(header)
    is_told = header["kind"] == "sweep" and _print_sweep(chosen)
    if figures.empty:
        if not is_told:
            console.print(f"No figures yet: lrerank {header['kind']} --resume {chosen.run_id}", highlight=False)
        return
    if header["kind"] == "simulate":
        console.print(sentence_of(chosen, figures), highlight=False, markup=False, soft_wrap=True)
        console.print()
        if chosen.noted(WATCHED) is not None:
            say("Only this sentence allows for looking after every replicate; the other intervals do not.")
    for place, (name, compared) in enumerate(zip(measures, found, strict=True)):
        if compared:
            print_comparisons(compared, name)
            console.print()
        else:
            say(f"{experiment.baseline} has no figures of {name}, so nothing is compared with it")
        if groups:
            print_groups(groups[place])
            console.print()
    print_lifts(figures, experiment, traffic)
    print_values(figures, experiment.window)


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN…", help="Two or more runs.")],
    measure: MeasureOption = None,
    baseline: Annotated[
        str | None, typer.Option(help="RUN:ARM; the first run's baseline by default.", metavar="RUN:ARM")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the arms of several runs, replicate by replicate.

    The runs must have the same world, seeds and impressions: then the same users came with the same luck.
    """
    measures = measure or [DEFAULT_MEASURE]
    check_measures(measures)
    store = Runs(Store().runs)
    chosen = [store.open(run) for run in runs]
    if len(chosen) < 2:
        raise InputError(
            "this compares two or more runs", path="RUN", value=runs, remedy="See lrerank runs show for one"
        )
    figures = side_by_side(chosen)
    experiment = chosen[0].experiment
    against = _baseline(baseline, chosen, figures["arm"].unique().tolist())
    for sentence in differences(chosen):
        say(sentence)
    found = [comparisons(figures, against, each, experiment.window) for each in measures]
    if as_json:
        compared = [comparison_json(each) for one in found for each in one]
        print_json({"runs": [about(run) for run in chosen], "comparisons": compared})
        return
    for name, one in zip(measures, found, strict=True):
        print_comparisons(one, name)
        console.print()


@app.command()
def delete(run: RunArgument, yes: YesOption = False) -> None:
    """Delete a run."""
    runs = Runs(Store().runs)
    if not yes:
        typer.confirm(f"Delete {run} for good?", abort=True)
    console.print(f"Deleted {runs.delete(run)}.", highlight=False)


@app.command()
def export(
    run: RunArgument,
    out: Annotated[
        Path,
        typer.Argument(
            help=f"{_REPORT}: a report; {_SPEC}: the spec; {_FIGURES} or {_CSV}: all figures; {_STAGE}: an arm as a stage."
        ),
    ],
    arm: Annotated[str | None, typer.Option(help=f"Which arm, for {_STAGE}.")] = None,
    model_id: Annotated[str, typer.Option(help="The model that the stage names.")] = "search_personalization_v1",
    traffic: TrafficOption = None,
) -> None:
    """Write a run as a report, its spec, its figures, or the stage of one of its arms to a file.

    lrerank runs export first report.html

    lrerank runs export first stage.json --arm learned
    """
    chosen = Runs(Store().runs).open(run)
    content = _exported(chosen, out, arm, model_id, traffic)
    check_folder(out)
    with readable_errors(out, "the file"):
        write_atomically(out, content)
    say(f"wrote {out}")


def _found_json(run: Run, figures: pd.DataFrame, found: Sequence[Sequence[Comparison]]) -> dict[str, Any]:
    if figures.empty:
        return {"verdict": None, "values": {}, "comparisons": []}
    said: dict[str, Any] = {"verdict": sentence_of(run, figures) if run.manifest["kind"] == "simulate" else None}
    said |= lifts(figures, run.experiment).to_json() | {"values": values_json(figures, run.experiment.window)}
    return said | {"comparisons": [comparison_json(each) for one in found for each in one]}


def _print_sweep(run: Run) -> bool:
    """Whether there is something to print."""
    from lrerank.cli.sweep_tables import print_sweep

    try:
        found = found_by(run)
    except LrerankError as error:
        say(f"the sweep has no table yet: {error}")
        return False
    print_sweep(found, run.experiment.baseline)
    console.print()
    return True


def _baseline(asked: str | None, runs: Sequence[Run], arms: Sequence[str]) -> str:
    names = labels(runs)
    if asked is None:
        return f"{names[0]}:{runs[0].experiment.baseline}"
    run, _, arm = asked.rpartition(":")
    for one, name in zip(runs, names, strict=True):
        if run and (name == run or one.run_id.startswith(run)) and f"{name}:{arm}" in arms:
            return f"{name}:{arm}"
    raise InputError("no run has such an arm", path="--baseline", value=asked, remedy=nearest(asked, arms))


def _exported(run: Run, out: Path, arm: str | None, model_id: str, traffic: float | None) -> bytes:
    kind = out.suffix.lower()
    if kind == _SPEC:
        return run.experiment.to_toml().encode()
    if kind == _FIGURES:
        whole: bytes = run.figures().to_parquet(index=False)
        return whole
    if kind == _CSV:
        return run.figures().to_csv(index=False, lineterminator="\n").encode()
    if kind == _REPORT:
        from lrerank.charts.report import report

        return report(run, traffic).encode()
    if kind != _STAGE:
        kinds = f"{_REPORT}, {_SPEC}, {_FIGURES}, {_CSV} or {_STAGE}"
        raise InputError(
            "what to write is said by the file's ending", path="OUT", value=str(out), remedy=f"Use {kinds}"
        )
    experiment = run.experiment
    learners = {name: spec for name, spec in experiment.arms.items() if isinstance(spec, LearnerSpec)}
    if arm not in learners:
        raise InputError(
            "only arms that learn are stages of their own",
            path="--arm",
            value=arm,
            remedy=nearest(arm or "", (name for name, spec in learners.items() if not isinstance(spec, PlaceboSpec))),
        )
    found = as_pipeline(experiment, arm, model_id)
    if found.impossible:
        say(f"the stage can't do this, so it ranks otherwise than the arm: {named_values(found.impossible)}")
    return (json.dumps(found.pipeline, ensure_ascii=False, indent=2) + "\n").encode()
