"""`lrerank`: the commands, and what happens when one of them fails."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import NoReturn

import typer
from rich.markup import escape

from lrerank.cli import data, evaluating, experiments, models, privacy, ranking, runs, training
from lrerank.cli.common import aside, printable
from lrerank.errors import LrerankError

app = typer.Typer(
    help="Rank documents for a person, see why they stand where they stand, and learn from what is clicked.",
    epilog='Start with: lrerank rank -p search -c marketplace -i query="trail running shoes"',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("rank")(ranking.rank)
app.command("train")(training.train)
app.command("train-static")(training.train_static_model)
app.command("evaluate")(evaluating.evaluate)
app.command("simulate")(experiments.simulate)
app.command("sweep")(experiments.sweep)
app.add_typer(runs.app, name="runs")
app.add_typer(models.app, name="models")
app.add_typer(data.app, name="data")
app.add_typer(privacy.app, name="privacy")


@app.command("app", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def open_app(context: typer.Context) -> None:
    """Open the workbench in a browser. Streamlit's own options are passed on.

    lrerank app --server.port=8600
    """
    from lrerank.ui.serve import start

    start(context.args)


def main() -> NoReturn:
    """Runs a command. Exit codes: 0 done, 1 interrupted, 2 something the user can mend."""
    _open_streams()
    try:
        app()
    except LrerankError as error:
        # Not wrapped: paths and commands in it can be copied, and programs find a line per error.
        aside.print(f"[bold red]Error:[/] {escape(printable(str(error)))}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of a pipe has gone (`| head`): nothing is wrong. Keep Python from flushing into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        aside.print("[bold red]Error:[/] the output does not fit where it is written to. Free some space.")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)
    except KeyboardInterrupt:
        aside.print("Interrupted.")
        sys.exit(1)
    sys.exit(0)


def _open_streams() -> None:
    """A terminal or pipe that can't show a character gets its code, and one that was closed gets nothing."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  (open until the process ends)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
