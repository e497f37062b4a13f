"""`lrerank privacy`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from lrerank.cli.common import JsonOption, YesOption, console, print_json
from lrerank.errors import InputError
from lrerank.store import Store

app = typer.Typer(
    help="What users may ask for, and how long interactions are kept. LRERANK_ORGANISATION says whose log it is.",
    no_args_is_help=True,
)
UserArgument = Annotated[str, typer.Argument(help="The user's id as requests carry it.", show_default=False)]


@app.command("opt-out")
def opt_out(user_id: UserArgument) -> None:
    """Stop logging and personalizing for a user; what is logged already is no longer looked at."""
    Store().log.opt_out(user_id)
    console.print(
        f"{user_id} is opted out. Their logged interactions stay unseen; erase removes them.",
        highlight=False,
        markup=False,
    )


@app.command("opt-in")
def opt_in(user_id: UserArgument) -> None:
    """Take an opting out back."""
    Store().log.opt_in(user_id)
    console.print(f"{user_id} is opted in.", highlight=False, markup=False)


@app.command()
def erase(user_id: UserArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Delete all interactions of a user, for good. Models trained before keep what they learned."""
    if not yes:
        typer.confirm(f"Delete all interactions of {user_id} for good?", abort=True)
    erased = Store().log.erase(user_id)
    if as_json:
        print_json({"erased": erased})
    else:
        console.print(f"Deleted {erased} interactions.", highlight=False)


@app.command()
def retention(
    days: Annotated[
        float | None, typer.Argument(help="Days to keep interactions; leave out to see the setting.")
    ] = None,
    forever: Annotated[bool, typer.Option("--forever", help="Keep them without limit.")] = False,
) -> None:
    """See or set how long interactions are kept."""
    log = Store().log
    if forever and days is not None:
        raise InputError("give days or --forever, not both", path="days", value=days, remedy="Leave one of them out")
    if forever or days is not None:
        log.set_retention(None if forever else days)
    kept = log.retention()
    console.print(
        "Interactions are kept " + ("forever." if kept is None else f"for {kept:g} days; run expire regularly."),
        highlight=False,
    )


@app.command()
def expire(as_json: JsonOption = False) -> None:
    """Delete what is older than the retention."""
    log = Store().log
    expired = log.expire(time.time())
    if as_json:
        print_json({"expired": expired})
    elif log.retention() is None:
        console.print("Nothing expires: set a retention first (lrerank privacy retention 90).", highlight=False)
    else:
        console.print(f"Deleted {expired} interactions.", highlight=False)
