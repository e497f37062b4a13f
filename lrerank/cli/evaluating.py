"""`lrerank evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lrerank.cli.common import (
    CardOption,
    CatalogOption,
    InputsOption,
    JsonOption,
    console,
    interval,
    open_catalog,
    print_json,
    progress,
    read_inputs,
    say,
    table,
)
from lrerank.data.judgment_files import read_judged
from lrerank.evaluation.judged import DEFAULT_METRICS, Evaluation, JudgedRun
from lrerank.evaluation.ranking import parse_metric
from lrerank.pipeline import Pipeline
from lrerank.store import Store


def evaluate(
    pipeline: Annotated[
        list[str],
        typer.Option(
            "--pipeline", "-p", help="A JSON file or a shipped name; give two to compare them.", show_default=False
        ),
    ],
    catalog: CatalogOption,
    queries: Annotated[
        Path, typer.Option("--queries", help="query_id, query and, best, query_group.", show_default=False)
    ],
    judgments: Annotated[Path, typer.Option("--judgments", help="query_id, doc_id, grade.", show_default=False)],
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="ndcg@10, mrr, map, precision@5, recall@10; as often as needed."),
    ] = None,
    inputs: InputsOption = None,
    card: CardOption = None,
    seed: Annotated[int, typer.Option(help="Of exploration and of the order in which candidates arrive.", min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure how well a pipeline orders judged documents.

    Each query's judged documents are the candidates.

    Intervals are over query groups, since near-duplicate queries are not independent.

    lrerank evaluate -p search -c movies --queries queries.parquet --judgments judgments.parquet
    """
    store = Store()
    documents = open_catalog(catalog, card, store)
    metrics = [parse_metric(text) for text in metric] if metric else list(DEFAULT_METRICS)
    judged = read_judged(queries, judgments, documents)
    for note in judged.notes:
        say(note)
    found: list[Evaluation] = []
    for name in pipeline:
        run = JudgedRun(
            Pipeline.find(name, documents.name),
            documents,
            judged.queries,
            judged.judgments,
            metrics,
            store,
            read_inputs(inputs),
            seed,
        )
        with progress() as bar:
            task = bar.add_task(f"ranking with {name}", total=len(judged.queries), note="")
            for done in run:
                if done % 50 == 0:
                    bar.update(task, completed=done)
        found.append(run.result())
    labels = [each.label for each in metrics]
    if as_json:
        print_json(
            {
                "pipelines": [
                    {
                        "pipeline": name,
                        "queries": result.queries,
                        "excluded": result.excluded,
                        "metrics": {label: _json(result, label) for label in labels},
                        "notes": dict(result.notes),
                    }
                    for name, result in zip(pipeline, found, strict=True)
                ],
                "differences": [
                    {
                        "pipeline": name,
                        "minus": pipeline[0],
                        **{label: _difference(found[0], result, label) for label in labels},
                    }
                    for name, result in zip(pipeline[1:], found[1:], strict=True)
                ],
            }
        )
        return
    for name, result in zip(pipeline, found, strict=True):
        for note, count in result.notes.items():
            say(f"{name}: {note} ({count} queries)")
        rows = [[label, f"{result.metrics[label].value:.4f}", interval(result.metrics[label])] for label in labels]
        table(["metric", "mean", "95 % interval"], rows, right=("mean",), title=name)
        groups = result.metrics[labels[0]].groups
        excluded = f"; {result.excluded} without a relevant document left out" if result.excluded else ""
        console.print(f"{result.queries} queries in {groups} groups{excluded}\n", highlight=False)
    for name, result in zip(pipeline[1:], found[1:], strict=True):
        differences = [result.minus(found[0], label) for label in labels]
        rows = [[label, f"{each.value:+.4f}", interval(each)] for label, each in zip(labels, differences, strict=True)]
        table(
            ["metric", "difference", "95 % interval, paired"],
            rows,
            right=("difference",),
            title=f"{name} minus {pipeline[0]}",
        )


def _json(result: Evaluation, label: str) -> dict[str, object]:
    estimate = result.metrics[label]
    return {
        "mean": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "groups": estimate.groups,
        "note": estimate.note,
    }


def _difference(base: Evaluation, result: Evaluation, label: str) -> dict[str, object]:
    estimate = result.minus(base, label)
    return {"mean": estimate.value, "low": estimate.low, "high": estimate.high, "note": estimate.note}
