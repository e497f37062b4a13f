"""The registry of trained models: `model_id` → versions on disk, each whole or absent, whenever a process is killed.

    models/movies/0001/{card.json, model.vw, …}    a version; its files never change
    models/movies/current                          the number of the version that serves
    models/movies/workspace/                       where a training run keeps its checkpoint
    models/movies/0002.deleted                     a version that was deleted: its number is not used again

A reference such as `movies@2` in the interaction log therefore means one model for ever.
"""

from __future__ import annotations

import errno
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from lrerank.errors import DataError, LrerankError, ModelNotFoundError
from lrerank.files import StorageError, locked, readable_errors, sync_folder, write_atomically, write_new
from lrerank.model_versions import (
    CARD,
    ModelKind,
    ModelVersion,
    card_bytes,
    check_name,
    described,
    is_name,
    names_of,
    read_card,
)

__all__ = ["ModelKind", "ModelRegistry", "ModelRow", "ModelVersion"]

_POINTER = "current"
_WORKSPACE = "workspace"
_VERSION = re.compile(r"[0-9]{4,9}")
_TOMBSTONE = ".deleted"
# Names that start so are not models or versions: being written, or on their way out.
_UNFINISHED, _TRASH = ".unfinished-", ".trash-"
# Nobody writes the files of one model for that long: whoever left these behind was killed.
_ABANDONED_AFTER_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One version in a table of models; one that can't be read is listed with its problem."""

    model_id: str
    version: int
    is_current: bool
    kind: str = ""
    created: str = ""
    size: int = 0  # bytes, of all files
    problem: str = ""


class ModelRegistry:
    """The models in a folder, which several processes may share. The folder is made by the first to publish.

    Upper and lower case are told apart, but two ids that differ in nothing else are refused: some file systems would
    keep both in one folder.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def publish(
        self, model_id: str, kind: ModelKind, files: Mapping[str, bytes], card: Mapping[str, Any]
    ) -> ModelVersion:
        """Stores a new version and makes it the current one; a kill leaves the old one or the new one current.

        Whoever publishes at the same time gets another number. The workspace of the model is emptied.

        Args:
            model_id: 1 to 100 letters, digits, `_`, `-`, `.`, not beginning with a dot.
            kind: what can be done with it.
            files: name → content; names as for models.
            card: what is worth knowing, for JSON; the registry's own entries win over entries of the same name.

        Raises:
            DataError: an id, a name, the kind or the card can't be used.
            StorageError: the disk is full or may not be written.
        """
        if kind not in get_args(ModelKind):
            raise DataError("there is no such kind of model", path="kind", value=kind, remedy="Use learned or static")
        for name in files:
            check_name(name, "files")
        if CARD in files:
            raise DataError("the card is given apart", path="files", value=CARD, remedy="Use another name")
        entries = dict(card) | {
            "model_id": model_id,
            "kind": kind,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "files": described(files),
        }
        card_bytes(entries)  # refused before anything is written
        home = self._make_home(model_id)
        unfinished = home / f"{_UNFINISHED}{secrets.token_hex(8)}"
        with readable_errors(home, "the models"):
            try:
                unfinished.mkdir()
                for name, content in files.items():
                    write_new(unfinished / name, content)
                with locked(home / ".lock"):
                    version = 1 + max(_numbers_used(home), default=0)
                    write_new(unfinished / CARD, card_bytes(entries | {"version": version}))
                    sync_folder(unfinished)
                    unfinished.rename(home / f"{version:04d}")
                    sync_folder(home)
                    self._point_at(model_id, version)
                    _discard(home / _WORKSPACE)
                    _sweep(home)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        return self.version(model_id, version)

    def current(self, model_id: str) -> ModelVersion:
        """The version that serves.

        Raises:
            ModelNotFoundError: there is no such model; it names those that exist.
            StorageError: what is on the disk can't be read.
        """
        return self.version(model_id, self._current_number(model_id))

    def stamp(self, model_id: str) -> tuple[int, int] | None:
        """Changes when another version begins to serve, at the price of one look at a file; None where there is none.

        Publishing and `set_current` replace the pointer, so its inode and time change; deleting the model removes it.
        """
        try:
            found = (self.folder / model_id / _POINTER).stat()
        except (OSError, ValueError):
            return None
        return found.st_ino, found.st_mtime_ns

    def version(self, model_id: str, version: int) -> ModelVersion:
        """One version of a model; raises as `current` does."""
        numbers = self._numbers(model_id)
        if version not in numbers:
            raise ModelNotFoundError(
                f"the model {model_id!r} has no version {version}",
                path="model_id",
                value=f"{model_id}@{version}",
                remedy=f"It has {names_of(str(number) for number in numbers)}",
            )
        folder = self.folder / model_id / f"{version:04d}"
        card = read_card(folder)
        if (card.get("model_id"), card.get("version")) != (model_id, version):
            raise StorageError(
                "this version was published under another name",
                path=str(folder),
                value=f"{card.get('model_id')}@{card.get('version')}",
                remedy="Give the folder that name again",
            )
        return ModelVersion(model_id, version, card["kind"], folder, MappingProxyType(card))

    def ids(self) -> Sequence[str]:
        """The models that have a version, in alphabetical order."""
        with readable_errors(self.folder, "the models"):
            names = [path.name for path in _children(self.folder) if is_name(path.name)]
            return sorted(name for name in names if _numbers_in(self.folder / name))

    def list(self) -> tuple[ModelRow, ...]:
        """All versions of all models, for a table."""
        return tuple(row for model_id in self.ids() for row in self._rows(model_id))

    def set_current(self, model_id: str, version: int) -> ModelVersion:
        """Makes an older version serve again, or a newer one."""
        with self._changing(model_id):
            chosen = self.version(model_id, version)
            self._point_at(model_id, version)
        return chosen

    def delete(self, model_id: str, version: int | None = None) -> None:
        """Removes one version, or the model with all of them and its workspace. Its numbers are not used again.

        A kill leaves each version whole or absent.

        Raises:
            ModelNotFoundError: there is no such model or version.
            DataError: the version is the current one and there are others: which shall serve is not ours to guess.
        """
        with self._changing(model_id):
            home, numbers = self.folder / model_id, self._numbers(model_id)
            if version is not None and version not in numbers:
                self.version(model_id, version)  # says what there is
            current, _ = self._current_number_or_problem(model_id)
            if version is None or numbers == [version]:
                # The current one last: until then the model serves.
                for number in sorted(numbers, key=lambda number: number == current):
                    _delete_version(home, number)
                (home / _POINTER).unlink(missing_ok=True)
                _discard(home / _WORKSPACE)
                sync_folder(home)
            elif version == current:
                raise DataError(
                    f"{model_id}@{version} is the current version",
                    path="version",
                    value=version,
                    remedy="Make another version current first, or delete the whole model",
                )
            else:
                _delete_version(home, version)
            _sweep(home)

    def workspace(self, model_id: str) -> Path:
        """A folder for the checkpoints of a training run; it survives a kill, and publishing the model empties it.

        Two runs that train one model at once share it: keep what belongs together in one file, written atomically.
        """
        workspace = self._make_home(model_id) / _WORKSPACE
        with readable_errors(workspace, "the models"):
            workspace.mkdir(exist_ok=True)
        return workspace

    def _rows(self, model_id: str) -> Iterator[ModelRow]:
        current, problem = self._current_number_or_problem(model_id)
        for number in sorted(_numbers_in(self.folder / model_id)):
            try:
                found = self.version(model_id, number)
            except LrerankError as error:
                yield ModelRow(model_id, number, number == current, problem=str(error))
            else:
                created = str(found.card.get("created", ""))
                size = sum(file["bytes"] for file in found.card["files"].values())
                yield ModelRow(model_id, number, number == current, found.kind, created, size, problem)

    def _make_home(self, model_id: str) -> Path:
        check_name(model_id, "model_id")
        with readable_errors(self.folder, "the models"):
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in _children(self.folder):
                if path.name != model_id and path.name.casefold() == model_id.casefold():
                    raise DataError(
                        f"this differs from {path.name!r} in upper and lower case only",
                        path="model_id",
                        value=model_id,
                        remedy="Use that id, or another one",
                    )
            home = self.folder / model_id
            if not home.is_dir():
                home.mkdir(exist_ok=True)
                sync_folder(self.folder)
        return home

    @contextmanager
    def _changing(self, model_id: str) -> Iterator[None]:
        self._numbers(model_id)  # there is such a model
        home = self.folder / model_id
        with readable_errors(home, "the models"), locked(home / ".lock"):
            yield

    def _point_at(self, model_id: str, version: int) -> None:
        write_atomically(self.folder / model_id / _POINTER, f"{version:04d}\n".encode())

    def _numbers(self, model_id: str) -> Sequence[int]:
        """The versions there are, oldest first; never none."""
        check_name(model_id, "model_id")
        with readable_errors(self.folder, "the models"):
            # Looked up by listing, because some file systems take "Movies" for "movies".
            is_there = any(path.name == model_id for path in _children(self.folder))
            numbers = sorted(_numbers_in(self.folder / model_id)) if is_there else []
        if not numbers:
            known = names_of(self.ids())
            raise ModelNotFoundError(
                f"there is no model {model_id!r}",
                path="model_id",
                remedy=f"There is {known}" if known else "None has been trained yet: see lrerank train --help",
            )
        return numbers

    def _current_number(self, model_id: str) -> int:
        numbers, path = self._numbers(model_id), self.folder / model_id / _POINTER
        with readable_errors(path, "the models"):
            try:
                text = path.read_text("ascii", errors="replace").strip()
            except FileNotFoundError:
                return numbers[-1]  # killed after the first version was complete, before it was pointed at
        if not _VERSION.fullmatch(text) or int(text) not in numbers:
            raise StorageError(
                f"this must name a version of {model_id!r}",
                path=str(path),
                value=text,
                remedy=f"Write one of {names_of(f'{number:04d}' for number in numbers)} into it",
            )
        return int(text)

    def _current_number_or_problem(self, model_id: str) -> tuple[int | None, str]:
        """For who lists or deletes: a damaged pointer must not keep them from it."""
        try:
            return self._current_number(model_id), ""
        except LrerankError as error:
            return None, str(error)


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _numbers_in(home: Path) -> set[int]:
    return {int(path.name) for path in _children(home) if _VERSION.fullmatch(path.name)}


def _numbers_used(home: Path) -> set[int]:
    names = (path.name.removesuffix(_TOMBSTONE) for path in _children(home))
    return {int(name) for name in names if _VERSION.fullmatch(name)}


def _delete_version(home: Path, number: int) -> None:
    (home / f"{number:04d}{_TOMBSTONE}").touch()
    _discard(home / f"{number:04d}")


def _discard(folder: Path) -> None:
    """Takes a folder out of sight as one step, then removes it."""
    trash = folder.with_name(f"{_TRASH}{secrets.token_hex(8)}")
    try:
        folder.rename(trash)
    except FileNotFoundError:
        return
    sync_folder(folder.parent)
    shutil.rmtree(trash, ignore_errors=True)


def _sweep(home: Path) -> None:
    """Removes what killed processes have left."""
    abandoned = time.time() - _ABANDONED_AFTER_SECONDS
    for path in _children(home):
        if path.name.startswith(_TRASH) or (path.name.startswith(_UNFINISHED) and _modified(path) < abandoned):
            shutil.rmtree(path, ignore_errors=True)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return time.time()
