"""Where the shipped cards and vocabularies are: one function finds them, from a wheel or from a checkout."""

from __future__ import annotations

from pathlib import Path

from lrerank.errors import DataError

_PACKAGE = Path(__file__).resolve().parent.parent


def datasets_folder(package: Path = _PACKAGE) -> Path:
    """The folder with one sub-folder per data set or built-in world.

    A wheel carries it inside the package as `_datasets`; a checkout and an editable install have it as `datasets`
    beside the package. It is never an importable package.

    Args:
        package: the folder of the package `lrerank`; only tests pass another.

    Raises:
        DataError: neither place has it, so the installation is incomplete.
    """
    for folder in (package / "_datasets", package.parent / "datasets"):
        # A user's own folder `datasets` beside an installed package has no marketplace card.
        if (folder / "marketplace" / "card.toml").is_file():
            return folder
    raise DataError(
        "the data set cards that ship with lrerank are not there",
        path=str(package / "_datasets"),
        remedy="Install lrerank again, from the wheel or from a full checkout",
    )
