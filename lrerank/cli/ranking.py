"""`lrerank rank`."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import typer

from lrerank.cli.common import (
    CardOption,
    CatalogOption,
    InputsOption,
    JsonOption,
    console,
    open_catalog,
    print_json,
    read_inputs,
    say,
    table,
)
from lrerank.pipeline import Pipeline, Ranking
from lrerank.store import Store


def rank(
    pipeline: Annotated[
        str, typer.Option("--pipeline", "-p", help="A JSON file, or the name of a shipped one.", show_default=False)
    ],
    catalog: CatalogOption,
    inputs: InputsOption = None,
    context: Annotated[
        list[str] | None,
        typer.Option(
            "--context", help="What is known of the moment: device=mobile, as often as needed.", metavar="NAME=VALUE"
        ),
    ] = None,
    card: CardOption = None,
    seed: Annotated[int | None, typer.Option(help="Draws the same exploration again.", min=0)] = None,
    log: Annotated[bool, typer.Option("--log", help="Log the result as shown to this user.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what lifts and lowers each document.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Rank documents for one request.

    lrerank rank -p personalized_search -c marketplace -i query="trail shoes" -i user_id=u17 --explain
    """
    store = Store()
    documents = open_catalog(catalog, card, store)
    ranking = Pipeline.find(pipeline, documents.name).run(
        read_inputs(inputs),
        catalog=documents,
        store=store,
        context=read_inputs(context, "--context", "device=mobile"),
        rng=seed,
    )
    logged = False
    if log and (impression := ranking.impression()) is not None:
        logged = store.log.append([impression]).added == 1
    if log and not logged:
        say("not logged: that needs learned_rerank in time, and a user_id that has not opted out")
    if as_json:
        found = ranking.to_json()
        if explain:
            found["explanations"] = _explanations(ranking)
        print_json({**found, "logged": logged} if log else found)
        return
    for note in ranking.notes:
        say(note)
    if not ranking.documents:
        say("no document is left")
    _print(ranking)
    if explain:
        _print_explanations(ranking)
    spent = ", ".join(f"{step.stage_id} {step.documents_out} in {step.milliseconds:.1f} ms" for step in ranking.trace)
    say(f"{spent}; request {ranking.request.request_id}{', logged' if logged else ''}")


def _print(ranking: Ranking) -> None:
    details = ranking.details
    learned = details is not None and details.placed is not None
    columns = ["slot", "document", "content", "score"]
    rows = []
    for slot, document in enumerate(ranking.documents, start=1):
        content = document.content if len(document.content) <= 60 else document.content[:59] + "…"
        row = [str(slot), document.document_id, content, f"{document.score:.3f}"]
        if learned and document.learned is not None:
            boost = document.learned["exploration_boost"]
            row += [
                f"{document.learned['personalization_score']:.3f}",
                f"+{boost:.3f}" if boost else "",
                ", ".join(document.learned["top_features"]),
            ]
        rows.append(row)
    if learned:
        columns += ["engagement", "explored", "because of"]
    table(columns, rows, right=("slot", "score", "engagement", "explored"))
    if details is not None and details.segment:
        console.print(f"segment: {details.segment}", highlight=False)


def _explanations(ranking: Ranking) -> list[dict[str, Any]] | None:
    """Contributions relative to the other candidates; they sum to the value minus the list's mean."""
    details = ranking.details
    if details is None or details.placed is None:
        return None
    contributions = details.placed.contributions
    mean = float(contributions.values.mean()) if len(contributions.values) else 0.0
    return [
        {
            "document_id": document.document_id,
            "value": float(details.placed.values[slot]),
            "mean_value": mean,
            "propensity": float(details.propensities[slot]),
            "explored": bool(details.explored[slot]),
            "contributions": dict(zip(contributions.features, contributions.centred[chosen].tolist(), strict=True)),
        }
        for slot, (document, chosen) in enumerate(zip(ranking.documents, details.chosen, strict=True))
    ]


def _print_explanations(ranking: Ranking) -> None:
    found = _explanations(ranking)
    if found is None:
        say("nothing to explain: no model ranked this request")
        return
    console.print("\nwhat lifts (+) and lowers (−) each value against the candidates' mean", highlight=False)
    rows = []
    for slot, entry in enumerate(found, start=1):
        parts = sorted(entry["contributions"].items(), key=lambda part: -abs(part[1]))[:5]
        told = ", ".join(
            f"{name.rsplit('.', 1)[-1] if not name.startswith('incoming') else name} {amount:+.3f}"
            for name, amount in parts
        )
        total = float(np.sum(list(entry["contributions"].values())))
        explored = "explored" if entry["explored"] else ""
        rows.append([str(slot), entry["document_id"], f"{total:+.3f}", told, f"{entry['propensity']:.4f}", explored])
    table(["slot", "document", "sum", "contributions", "propensity", ""], rows, right=("slot", "sum", "propensity"))
