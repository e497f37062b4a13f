"""`lrerank models`."""

from __future__ import annotations

from typing import Annotated

import typer

from lrerank.cli.common import JsonOption, YesOption, console, key_values, print_json, say, table
from lrerank.errors import LrerankError
from lrerank.store import Store

app = typer.Typer(help="Trained models: list, show, delete.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the models and their current versions."""
    registry = Store().models
    current, problems = [], {}
    for model_id in registry.ids():
        try:
            current.append(registry.current(model_id))
        except LrerankError as error:  # the others are listed all the same
            problems[model_id] = str(error)
    for problem in problems.values():
        say(problem)
    if as_json:
        print_json(
            [
                {
                    "model": one.reference,
                    "kind": one.kind,
                    "created": one.card["created"],
                    "catalog": one.card.get("catalog"),
                }
                for one in current
            ]
            + [{"model": model_id, "problem": problem} for model_id, problem in problems.items()]
        )
        return
    if not current and not problems:
        console.print("No models yet: train one with lrerank train or lrerank train-static.", highlight=False)
        return
    rows = [[one.reference, one.kind, str(one.card.get("catalog", "")), str(one.card["created"])] for one in current]
    rows += [[model_id, "damaged", "", ""] for model_id in problems]
    table(["model", "kind", "catalog", "created"], rows)


@app.command()
def show(model_id: Annotated[str, typer.Argument(help="The model.")], as_json: JsonOption = False) -> None:
    """Show a model's card: what it was trained on, when, and how good it was."""
    card = dict(Store().models.current(model_id).card)
    if as_json:
        print_json(card)
    else:
        table(["card", ""], key_values(card))


@app.command()
def delete(
    model_id: Annotated[str, typer.Argument(help="The model.")],
    version: Annotated[int | None, typer.Option(help="Only this version.")] = None,
    yes: YesOption = False,
) -> None:
    """Delete a model, or one version of it."""
    registry = Store().models
    # A damaged model can be deleted as well, so its card is not read.
    versions = [row.version for row in registry.list() if row.model_id == model_id]
    if not versions:
        registry.current(model_id)  # says what there is
    if version is not None and version not in versions:
        registry.version(model_id, version)
    what = model_id if version is None else f"{model_id}@{version}"
    if not yes:
        typer.confirm(f"Delete {what} for good?", abort=True)
    registry.delete(model_id, version)
    console.print(f"Deleted {what}.", highlight=False)
