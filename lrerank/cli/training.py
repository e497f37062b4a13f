"""`lrerank train` and `lrerank train-static`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import TaskID

from lrerank.cli.common import (
    CardOption,
    CatalogOption,
    JsonOption,
    console,
    open_catalog,
    print_json,
    progress,
    say,
    table,
)
from lrerank.data.interaction_files import read_interactions
from lrerank.data.judgment_files import read_judged
from lrerank.pipeline import Pipeline
from lrerank.store import Store
from lrerank.training import TrainingOptions, TrainingRun, log_interactions
from lrerank.vw import LearnerOptions

ModelOption = Annotated[
    str, typer.Option("--model-id", "-m", help="The model to train; a new version is published.", show_default=False)
]


def train(
    model_id: ModelOption,
    catalog: CatalogOption,
    interactions: Annotated[
        Path, typer.Option("--interactions", help="JSON lines, CSV or Parquet.", show_default=False)
    ],
    pipeline: Annotated[
        str | None,
        typer.Option("--pipeline", "-p", help="Where the model will work: its features, and the stages before it."),
    ] = None,
    card: CardOption = None,
    sampled_negatives: Annotated[
        int | None,
        typer.Option(
            help="For files with clicks only: take so many candidates beside each click as not clicked.", min=1
        ),
    ] = None,
    position_feature: Annotated[
        bool, typer.Option(help="Learn with the position as a feature, so that what is on top is not taken for liked.")
    ] = True,
    learning_rate: Annotated[
        float, typer.Option(help="Vowpal Wabbit's learning rate.")
    ] = LearnerOptions().learning_rate,
    log: Annotated[bool, typer.Option(help="Also log the interactions, so that profiles know these users.")] = True,
    seed: Annotated[int, typer.Option(help="Of sampled negatives and bootstraps.", min=0, max=2**32 - 1)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a personalized reranker from interactions.

    Stopped in the middle, the same command goes on where it was.

    lrerank train -m my_model -c marketplace --interactions interactions.jsonl
    """
    store = Store()
    documents = open_catalog(catalog, card, store)
    found = list(read_interactions(interactions))
    options = TrainingOptions(
        learner=LearnerOptions(learning_rate=learning_rate, seed=seed),
        position_feature=position_feature,
        sampled_negatives=sampled_negatives,
        seed=seed,
    )
    run = TrainingRun(
        model_id,
        documents,
        found,
        pipeline=Pipeline.find(pipeline, documents.name) if pipeline else None,
        store=store,
        options=options,
        source=interactions.name,
    )
    if run.ignored:
        say(f"features that catalog {documents.name} lacks, ignored: {', '.join(run.ignored)}")
    for reason, count in run.left_out.items():
        say(f"left out: {count} {reason}")
    if sampled_negatives is not None and not run.clicks_only:
        say("--sampled-negatives is not needed: the file says what was shown")
    if not any(one.outcomes for one in run.lists):
        say("nothing that was shown was clicked or bought: the model can't learn what is liked")
    if run.resumed_at:
        say(f"going on after {run.resumed_at} of {len(run.lists)} requests")
    with progress() as bar:
        task = bar.add_task("learning", total=len(run.lists), completed=run.resumed_at, note="")
        for state in run:
            if state.done % 100 == 0 or state.done == state.total:
                bar.update(task, completed=state.done, note=f"loss {state.loss:.4f}")
    logged = log_interactions(store, documents, found) if log else None
    version = run.publish()
    if as_json:
        print_json(
            {"model": version.reference, "card": dict(version.card), "logged": logged._asdict() if logged else None}
        )
        return
    state = run.progress
    better = 1 - state.loss / state.constant_loss if state.constant_loss else 0.0
    console.print(
        f"{version.reference}: learned {state.done} requests, progressive loss {state.loss:.4f}, "
        f"{abs(better):.1%} {'below' if better >= 0 else 'above'} always predicting the mean ({state.constant_loss:.4f})",
        highlight=False,
    )
    if logged is not None:
        console.print(f"logged {logged.added} interactions, {logged.repeated} were there already", highlight=False)
    if run.clicks_only:
        say("trained with sampled negatives: the order means something, the rates do not")


def train_static_model(
    model_id: ModelOption,
    catalog: CatalogOption,
    queries: Annotated[
        Path, typer.Option("--queries", help="query_id, query and, best, query_group.", show_default=False)
    ],
    judgments: Annotated[Path, typer.Option("--judgments", help="query_id, doc_id, grade.", show_default=False)],
    card: CardOption = None,
    seed: Annotated[
        int, typer.Option(help="Of the model and of the split that measures it.", min=0, max=2**32 - 1)
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a learning-to-rank model for rerank from relevance judgments.

    lrerank train-static -m movie_ltr -c movies --queries queries.parquet --judgments judgments.parquet
    """
    from lrerank.retrieval.index import text_index
    from lrerank.training_static import train_static

    store = Store()
    documents = open_catalog(catalog, card, store)
    judged = read_judged(queries, judgments, documents)
    for note in judged.notes:
        say(note)
    index = text_index(documents, store.indexes, documents.indexes["default"])
    with progress() as bar:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total, note="")
            bar.update(tasks[what], completed=done)

        trained = train_static(documents, index, judged.queries, judged.judgments, seed, tell)
    card_of_model = {
        "catalog": documents.name,
        "trained_on": {"source": f"{queries.name}, {judgments.name}"},
        **trained.report,
    }
    version = store.models.publish(model_id, "static", trained.files, card_of_model)
    if as_json:
        print_json({"model": version.reference, "card": dict(version.card)})
        return
    validation = trained.report.get("validation")
    console.print(
        f"{version.reference}: learned {trained.report['judgments']} judgments of {trained.report['queries']} queries",
        highlight=False,
    )
    if validation:
        rows = [
            [name, f"{validation[name]:.4f}"] for name in ("ltr", "lexical", "bm25") if validation[name] is not None
        ]
        title = f"{validation['metric']} on {validation['queries']} queries of groups that a first fit had not seen"
        table(["ranked by", "mean"], rows, right=("mean",), title=title)
