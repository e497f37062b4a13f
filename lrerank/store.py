"""One folder with everything that persists: models, the interaction log, cached indexes."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from lrerank.files import home_folder
from lrerank.interactions import InteractionLog
from lrerank.models import ModelRegistry


class Store:
    """The folder `home`; by default `$LRERANK_HOME`, else `.lrerank` in the user's home directory.

    Args:
        home: the folder; made when something is first written.
        organisation: whose interactions are seen and logged; `$LRERANK_ORGANISATION` by default, else "default".
    """

    def __init__(self, home: Path | str | None = None, organisation: str | None = None) -> None:
        self.home = Path(home) if home else home_folder()
        self.organisation = organisation or os.environ.get("LRERANK_ORGANISATION") or "default"

    @cached_property
    def models(self) -> ModelRegistry:
        return ModelRegistry(self.home / "models")

    @cached_property
    def log(self) -> InteractionLog:
        return InteractionLog(self.home / "interactions.db", self.organisation)

    @property
    def indexes(self) -> Path:
        """Where text indexes are cached; may be deleted at any time."""
        return self.home / "indexes"

    @property
    def data(self) -> Path:
        """Where `lrerank data fetch` puts public data sets."""
        return self.home / "data"

    @property
    def catalogs(self) -> Path:
        """Where the user's own catalogs are kept."""
        return self.home / "catalogs"

    @property
    def runs(self) -> Path:
        """Where the results of experiments are."""
        return self.home / "runs"
