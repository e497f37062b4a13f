"""One version of a model on disk: its files, its card, and whether they are still what was published."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from lrerank.errors import DataError
from lrerank.files import StorageError, json_text, readable_errors

ModelKind = Literal["learned", "static"]
CARD = "card.json"
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model.

    Attributes:
        card: what it was trained on, when and how; with `model_id`, `version`, `kind`, `created` (ISO 8601, UTC) and
            `files` (name → `bytes`, `sha256`) from the registry.
    """

    model_id: str
    version: int
    kind: ModelKind
    folder: Path
    card: Mapping[str, Any]

    @property
    def reference(self) -> str:
        """`id@3`."""
        return f"{self.model_id}@{self.version}"

    def read(self, name: str) -> bytes:
        """A file of this version, checked against the card.

        Raises:
            StorageError: the version has no such file, or it is damaged, or was deleted meanwhile.
        """
        files = self.card["files"]
        path = self.folder / name
        if name not in files:
            raise StorageError(f"{self.reference} has no such file", path=str(path), remedy=f"It has {names_of(files)}")
        with readable_errors(path, f"{self.reference}"):
            content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != files[name]["sha256"]:
            raise StorageError(
                f"this file of {self.reference} is damaged: it is not what was published",
                path=str(path),
                value=f"{len(content)} bytes, published {files[name]['bytes']}",
                remedy="Restore it from a backup, or train the model again",
            )
        return content


def described(files: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """What a card says of its files, so that damage is found."""
    return {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()
    }


def is_name(text: Any) -> bool:
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def check_name(name: Any, path: str) -> None:
    """Refuses what could leave its folder, hide in it, or not be a file's name everywhere."""
    if not is_name(name):
        raise DataError(
            "this can't name a model or one of its files",
            path=path,
            value=name,
            remedy="Use 1 to 100 letters (a to z), digits, _, - and ., not beginning with a dot",
        )


def card_bytes(entries: Mapping[str, Any]) -> bytes:
    """The file of a card."""
    try:
        plain = json.loads(json_text(entries))
        return (json.dumps(plain, ensure_ascii=False, indent=1) + "\n").encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"the card can't be stored as JSON: {error}",
            path="card",
            remedy="Use strings, finite numbers, lists and objects",
        ) from None


def read_card(folder: Path) -> dict[str, Any]:
    """The card of the version in this folder.

    Raises:
        StorageError: there is none, or it is damaged.
    """
    path = folder / CARD
    with readable_errors(path, "the card of this model"):
        content = path.read_bytes()
    try:
        card = json.loads(content)
        sizes = [int(file["bytes"]) for file in card["files"].values() if file["sha256"]]
        is_whole = card["kind"] in get_args(ModelKind) and len(sizes) == len(card["files"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_whole = False
    if not is_whole:
        raise StorageError(
            "the card of this model is damaged",
            path=str(path),
            remedy="Restore it from a backup, or delete this version and train the model again",
        )
    return dict(card)


def names_of(names: Iterable[Any], limit: int = 20) -> str:
    """The first of them, as a list for people."""
    known = [str(name) for name in names]
    more = f" and {len(known) - limit} more" if len(known) > limit else ""
    return ", ".join(known[:limit]) + more
