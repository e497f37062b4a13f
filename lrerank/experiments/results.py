"""Runs on disk: what was asked, with what it was computed, and the figures of every finished task.

    runs/first-20260301-120000/manifest.json     spec, seed, catalog, versions, git state, provenance, status, times, machine
    runs/first-20260301-120000/tasks/*.parquet   the figures of one replicate of one world with a group of arms

Every file is whole or absent, whenever a process is killed, so a run goes on where it was: what is missing is computed.
Somebody is at work on a run exactly while they hold its lock; a run that says "running" without one was interrupted.
"""

from __future__ import annotations

import builtins
import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from lrerank.errors import LrerankError
from lrerank.experiments.environment import git_state, machine, versions
from lrerank.experiments.run_lock import claimed, is_claimed
from lrerank.experiments.spec import Experiment
from lrerank.experiments.spec_text import SpecError, nearest
from lrerank.experiments.tables import Task, read_figures, read_task, to_parquet, together
from lrerank.files import StorageError, json_text, readable_errors, sync_folder, write_atomically, write_new

Status = Literal["running", "done", "stopped", "cancelled", "failed", "interrupted"]
Kind = Literal["simulate", "sweep"]

_MANIFEST, _TASKS = "manifest.json", "tasks"
_UNFINISHED, _TRASH = ".unfinished-", ".trash-"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,120}")
_NOTE = re.compile(r"[a-z][a-z_]{0,40}")
_FORMAT = 1
_NUMERIC = ("lrerank", "numpy", "vowpal-wabbit-next")


class RunNotFoundError(LrerankError):
    """A run id that names no run, or several."""


class RunBusyError(LrerankError):
    """Somebody is at work on the run."""


class RunCancelledError(LrerankError):
    """Whoever asked for the figures wants no more of them; those of finished tasks are kept."""


class RunStoppedError(RunCancelledError):
    """The answer is clear before all replicates are done; the message says after how many."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in a table; one that can't be read is listed with its problem."""

    run_id: str
    name: str = ""
    question: str = ""
    kind: str = ""
    status: str = ""
    started: str = ""
    finished: str = ""
    tasks: int = 0
    provenance: str = ""
    problem: str = ""


class Run:
    """One run. What it says is read from the disk each time, so several processes may look at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def run_id(self) -> str:
        return self.folder.name

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What was asked and with what it is computed.

        Raises:
            StorageError: it is missing or damaged.
        """
        return _read_manifest(self.folder)

    @property
    def experiment(self) -> Experiment:
        """The spec as it was run, defaults written out.

        Raises:
            StorageError: the manifest is damaged.
            SpecError: this version of lrerank can't run it any more.
        """
        return Experiment.parse(self.manifest["spec"])

    @property
    def status(self) -> Status:
        said: Status = self.manifest["status"]
        return "interrupted" if said == "running" and not is_claimed(_lock(self.folder)) else said

    def done(self) -> set[Task]:
        """Tasks with whole files. A damaged file counts for nothing: its task is computed again and replaces it."""
        found = set()
        for path in self._files():
            with suppress(StorageError):
                read_figures(path)
                found.add(read_task(path))
        return found

    def count(self) -> int:
        """How many tasks have a file."""
        return len(self._files())

    def append(self, task: Task, figures: pd.DataFrame) -> None:
        """Keeps the figures of a finished task; those of the same task from before are replaced as one step.

        Raises:
            ValueError: these are no figures of this task.
            StorageError: the disk is full or may not be written, or the run was deleted.
        """
        content = to_parquet(task, figures)
        with readable_errors(self.folder, "this run"):
            write_atomically(self.folder / _TASKS / task.file_name, content)

    def figures(self) -> pd.DataFrame:
        """All figures so far, in the order of world, replicate and group, whichever task finished first.

        Raises:
            StorageError: a file is damaged; without it the figures would be those of fewer replicates.
        """
        found = sorted((read_task(path), path) for path in self._files())
        parts, owners = [], dict[tuple[int, int, str], Path]()
        for task, path in found:
            part = read_figures(path)
            for arm in part["arm"].unique():
                other = owners.setdefault((task.world, task.replicate, arm), path)
                if other != path:
                    raise StorageError(
                        f"world {task.world}, replicate {task.replicate} has the arm {arm!r} in two files",
                        path=str(path),
                        value=other.name,
                        remedy="Delete both and go on with the run (lrerank simulate --resume RUN)",
                    )
            parts.append(part)
        return together(parts)

    def note(self, name: str, content: Any) -> None:
        """Keeps something else of the run as JSON, such as the table of a sweep; replaces what was there."""
        if not _NOTE.fullmatch(name) or f"{name}.json" == _MANIFEST:
            raise ValueError(f"{name!r} can't name a note")
        with readable_errors(self.folder, "this run"):
            write_atomically(self.folder / f"{name}.json", json_text(content).encode())

    def noted(self, name: str) -> Any:
        """What `note` kept under this name, or None."""
        path = self.folder / f"{name}.json"
        with readable_errors(path, "this run"):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            remedy = "Delete this file, and go on with the run (lrerank simulate --resume RUN)"
            raise StorageError(f"this is damaged: {error}", path=str(path), remedy=remedy) from None

    def made_with(self, fingerprint: str) -> None:
        """Keeps which documents, queries and judgments the figures are about.

        Raises:
            StorageError: there are figures already, and they are about others.
        """
        manifest = self.manifest
        before = manifest.get("catalog_fingerprint")
        if before == fingerprint:
            return
        if before is not None and self._files():
            raise StorageError(
                "this catalog holds other documents, queries or judgments than when the run began",
                path="world.catalog",
                value=manifest["spec"]["world"]["catalog"],
                remedy="Put back what it held then, or begin anew: lrerank runs export RUN spec.toml, "
                "then lrerank simulate spec.toml",
            )
        self._write(catalog_fingerprint=fingerprint)

    def extend(self, replicates: int) -> None:
        """Asks for more replicates; those that are done stay, since a replicate's luck hangs on its number alone.

        Raises:
            SpecError: fewer than were asked for before.
        """
        experiment = self.experiment
        if replicates < experiment.replicates:
            remedy = f"Use {experiment.replicates} or more"
            raise SpecError("a run can grow only", path="replicates", value=replicates, remedy=remedy)
        self._write(spec=experiment.with_values({"replicates": replicates}).to_json())

    @contextmanager
    def working(self) -> Iterator[None]:
        """Claims the run while its tasks are computed, and keeps its status: running, then how it ended.

        Left without an error it is done; by a `RunStoppedError` it is stopped, with the message as its problem; by
        Ctrl-C, a generator that is closed or another `RunCancelledError` it is cancelled; else it failed.

        Raises:
            RunBusyError: another process is at work on it.
            StorageError: it was begun by other versions, whose numbers may differ.
        """
        with ExitStack() as stack:
            with readable_errors(self.folder, "this run"):
                mine = stack.enter_context(claimed(_lock(self.folder)))
            if not mine:
                raise RunBusyError("another process is at work on this run", value=self.run_id, remedy="Wait for it")
            self._same_versions()
            self._write(status="running", finished=None, problem=None)
            try:
                yield
            except RunStoppedError as enough:
                self.finish("stopped", enough.message)
                raise
            except (KeyboardInterrupt, GeneratorExit, RunCancelledError):
                self.finish("cancelled")
                raise
            except BaseException as error:
                self.finish("failed", f"{type(error).__name__}: {error}")
                raise
            self.finish("done")

    def finish(self, status: Status, problem: str | None = None) -> None:
        """Writes how the run ended, and when."""
        self._write(status=status, finished=_now(), problem=problem)

    def _same_versions(self) -> None:
        """Replicates of different programs must not be averaged."""
        manifest, now = self.manifest, versions()
        before = {name: manifest["versions"].get(name) for name in _NUMERIC}
        state, was = git_state(), manifest["git"]
        if before != {name: now.get(name) for name in _NUMERIC}:
            found = ", ".join(f"{name} {number}" for name, number in before.items())
        elif was and state and was["commit"] != state["commit"]:
            found = f"commit {was['commit'][:12]}"
        else:
            return
        if self._files():
            raise StorageError(
                "this run was begun by another version, whose numbers may differ",
                path=str(self.folder),
                value=found,
                remedy="Begin anew: lrerank runs export RUN spec.toml, then lrerank simulate spec.toml",
            )
        self._write(versions=now, git=state)

    def _write(self, **changes: Any) -> None:
        manifest = {**self.manifest, **changes}
        with readable_errors(self.folder, "this run"):
            write_atomically(self.folder / _MANIFEST, _manifest_bytes(manifest))

    def _files(self) -> builtins.list[Path]:
        with readable_errors(self.folder, "this run"):
            return sorted(path for path in (self.folder / _TASKS).iterdir() if not path.name.startswith("."))


class Runs:
    """The runs in a folder, which several processes may share; `Runs(store.runs)`."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def create(self, experiment: Experiment, kind: Kind = "simulate") -> Run:
        """A new run, with a name of its own: `first-20260301-120000`.

        Raises:
            StorageError: the disk is full or may not be written.
        """
        started = datetime.now(UTC)
        manifest = {
            "format": _FORMAT,
            "kind": kind,
            "name": experiment.name,
            "question": experiment.question,
            "status": "running",
            "started": started.isoformat(timespec="milliseconds"),
            "finished": None,
            "problem": None,
            "provenance": experiment.world.provenance,
            "catalog_fingerprint": None,
            "seed": experiment.seed,
            "spec": experiment.to_json(),
            "versions": versions(),
            "git": git_state(),
            "machine": machine(),
        }
        unfinished = self.folder / f"{_UNFINISHED}{secrets.token_hex(8)}"
        with readable_errors(self.folder, "the runs"):
            try:
                (unfinished / _TASKS).mkdir(parents=True)
                write_new(unfinished / _MANIFEST, _manifest_bytes(manifest))
                sync_folder(unfinished)
                folder = self._named(unfinished, f"{experiment.name}-{started:%Y%m%d-%H%M%S}")
                sync_folder(self.folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        return Run(folder)

    def open(self, run_id: str = "") -> Run:
        """A run by its id, or by a beginning that no other run has; the one begun last where nothing is given.

        Raises:
            RunNotFoundError: there is none, or there are several.
            StorageError: its manifest is damaged.
        """
        ids = self.ids()
        if not run_id:
            rows = [row for row in self.list() if row.status != "damaged"]
            if not rows:
                remedy = "Begin one with lrerank simulate"
                raise RunNotFoundError("there is no run yet", path=str(self.folder), remedy=remedy)
            run_id = rows[0].run_id
        matching = [run_id] if run_id in ids else [each for each in ids if each.startswith(run_id)]
        if not matching:
            raise RunNotFoundError("there is no such run", path="run", value=run_id, remedy=nearest(run_id, ids))
        if len(matching) > 1:
            remedy = f"Say which: {', '.join(matching)}"
            raise RunNotFoundError("several runs begin so", path="run", value=run_id, remedy=remedy)
        run = Run(self.folder / matching[0])
        _ = run.manifest
        return run

    def ids(self) -> builtins.list[str]:
        """All runs, in alphabetical order."""
        with readable_errors(self.folder, "the runs"):
            try:
                found = [path.name for path in self.folder.iterdir() if path.is_dir()]
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted(name for name in found if _RUN_ID.fullmatch(name))

    def list(self) -> builtins.list[RunRow]:
        """All runs for a table, the one begun last first, damaged ones at the end."""
        rows = [_row(Run(self.folder / run_id)) for run_id in self.ids()]
        return sorted(rows, key=lambda row: (row.started, row.run_id), reverse=True)

    def delete(self, run_id: str) -> str:
        """Removes a run for good, damaged ones as well; gives its full id.

        Raises:
            RunNotFoundError: there is none, or there are several.
            RunBusyError: somebody is at work on it.
        """
        if not run_id:
            raise RunNotFoundError("no run is named", path="run", value=run_id, remedy="Say which")
        try:
            folder = self.open(run_id).folder
        except StorageError:
            folder = self.folder / next(each for each in self.ids() if each.startswith(run_id))
        with readable_errors(folder, "this run"), claimed(_lock(folder)) as mine:
            if not mine:
                remedy = "Wait for it, or stop it"
                raise RunBusyError("another process is at work on this run", value=folder.name, remedy=remedy)
            # Out of sight as one step, then removed.
            trash = folder.with_name(f"{_TRASH}{secrets.token_hex(8)}")
            folder.rename(trash)
            sync_folder(self.folder)
            with suppress(PermissionError):  # where an open file can't be removed
                _lock(folder).unlink(missing_ok=True)
        # With what killed processes have left.
        for path in self.folder.glob(f"{_TRASH}*"):
            shutil.rmtree(path, ignore_errors=True)
        return folder.name

    def _named(self, unfinished: Path, wanted: str) -> Path:
        """Gives the folder the wanted name, or the first free one like it, whoever else wants it now."""
        number = 1
        while True:
            target = self.folder / (wanted if number == 1 else f"{wanted}-{number}")
            try:
                # A folder takes no name of one that holds something, and every run holds something.
                if not target.exists():
                    unfinished.rename(target)
                    return target
            except OSError:
                if not target.exists():
                    raise
            number += 1


def _lock(folder: Path) -> Path:
    """Beside the run, so that its folder can be renamed while the lock is held, on Windows too."""
    return folder.with_name(f".{folder.name}.lock")


def _row(run: Run) -> RunRow:
    try:
        manifest, status = run.manifest, run.status
        return RunRow(
            run_id=run.run_id,
            name=manifest["name"],
            question=manifest["question"],
            kind=manifest["kind"],
            status=status,
            started=manifest["started"],
            finished=manifest["finished"] or "",
            tasks=run.count(),
            provenance=manifest["provenance"],
            problem=manifest["problem"] or "",
        )
    except LrerankError as error:
        return RunRow(run.run_id, status="damaged", problem=str(error))


_REQUIRED = {
    "kind": str,
    "name": str,
    "question": str,
    "status": str,
    "started": str,
    "provenance": str,
    "seed": int,
    "spec": dict,
    "versions": dict,
}
_OPTIONAL = {"finished": str, "problem": str, "git": dict}


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    with readable_errors(path, "this run"):
        content = path.read_bytes()
    try:
        found = json.loads(content)
        whole = found["format"] == _FORMAT and found["status"] in get_args(Status)
        whole &= all(isinstance(found[name], kind) for name, kind in _REQUIRED.items())
        whole &= all(found[name] is None or isinstance(found[name], kind) for name, kind in _OPTIONAL.items())
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        remedy = "Restore it from a backup, or delete the run: lrerank runs delete RUN"
        raise StorageError("the manifest of this run is damaged", path=str(path), remedy=remedy)
    manifest: dict[str, Any] = found
    return manifest


def _manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
