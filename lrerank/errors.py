"""What a user can get wrong: every error says where, what was found and what to do.

`LrerankError` is the only exception that crosses into the command line or a page; both print `str(error)` and nothing else.
"""

from __future__ import annotations

from typing import Any, Self


class LrerankError(Exception):
    """Something the user can mend.

    Args:
        message: what is wrong, as a sentence without a final stop.
        path: where: a path into a JSON document (`[2].parameters.top_n`), a file or a parameter; "" where there is none.
        value: what was found there; left out of the text when it is not given.
        remedy: what to do about it, as a sentence without a final stop.
    """

    _ABSENT: Any = object()

    def __init__(self, message: str, *, path: str = "", value: Any = _ABSENT, remedy: str = "") -> None:
        self.message = message
        self.path = path
        self.value = None if value is self._ABSENT else value
        self.remedy = remedy
        text = f"{path}: {message}" if path else message
        if value is not self._ABSENT:
            text += f" (found {_shortened(value)})"
        if remedy:
            text += f". {remedy}"
        super().__init__(text + ".")

    def within(self, stage: str) -> Self:
        """The same error seen from the pipeline: a stage knows its parameters' paths but not its own place."""
        if not self.path.startswith("parameters"):
            return self
        self.path = f"{stage}.{self.path}"
        self.args = (f"{stage}.{self.args[0]}",)
        return self


class PipelineError(LrerankError):
    """A pipeline that can't be run as it is written."""


class InputError(LrerankError):
    """A request that lacks an input or has one of the wrong type."""


class DataError(LrerankError):
    """A catalog, card, interaction or judgment file that can't be used as it is."""


class ModelNotFoundError(LrerankError):
    """A `model_id` that is not in the registry."""


class MissingExtraError(LrerankError):
    """A part of the program that needs an optional library or file which is not there."""


def _shortened(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
