"""Everything learned from the stream of interactions beside the model: profiles and engagement, in step with time.

One object is fed interactions in the order they happened, from a file, from the log or live, and so always knows
exactly what was known at that moment. It lives in memory; the log is what persists.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from lrerank.engagement import Engagement
from lrerank.features import CatalogFeatures
from lrerank.profiles import Profile
from lrerank.types import Interaction, IntArray

PURCHASES = ("purchase", "conversion")
_REMEMBERED_CLICKS = 100_000


class Behaviour:
    """Profiles of users and engagement of documents, over one catalog under one schema.

    Attributes:
        engagement: counts of documents and positions.
        profiles: user id → aggregates.
        segment_terms: the terms of the field that names segments.
    """

    def __init__(self, features: CatalogFeatures) -> None:
        self._features = features
        self.engagement = Engagement(len(features.catalog))
        self.profiles: dict[str, Profile] = {}
        self.segment_terms = _segment_terms(features)
        # A second click on the same document of the same page is the same engagement.
        self._clicked: OrderedDict[tuple[str, str, int, str], None] = OrderedDict()

    def show(self, user_id: str, rows: IntArray, positions: IntArray | None, timestamp: float) -> None:
        """Documents were shown at 1-based positions (None = unknown, then no click is expected of them)."""
        if positions is None:
            return
        expected = self.engagement.show(rows, positions)
        terms, values = self._classes(rows, timestamp)
        self.profiles.setdefault(user_id, Profile()).show(terms, values, expected)

    def engage(
        self, kind: str, user_id: str, row: int, position: int | None, timestamp: float, request_id: str = ""
    ) -> None:
        """A user clicked or bought a document; other kinds of interaction leave no trace here."""
        bought = kind in PURCHASES
        if not bought and kind != "click":
            return
        if request_id:
            key = (request_id, user_id, row, "purchase" if bought else kind)
            if key in self._clicked:
                return
            self._clicked[key] = None
            if len(self._clicked) > _REMEMBERED_CLICKS:
                self._clicked.popitem(last=False)
        profile = self.profiles.setdefault(user_id, Profile())
        if bought:
            self.engagement.purchase(row)
            profile.purchase()
        else:
            self.engagement.click(row, position)
            terms, values = self._classes(np.array([row]), timestamp)
            profile.click(terms[0], values[0])

    def observe(self, interaction: Interaction) -> None:
        """Takes in one interaction; those of other catalogs, and documents that this one lacks, are passed over."""
        catalog = self._features.catalog
        if interaction.catalog not in (None, catalog.name):
            return
        row_of = catalog.row_of
        request_id = interaction.request_id or ""
        if interaction.interaction_type == "impression":
            shown = list(interaction.shown) or [interaction.document_id or ""]
            first = 1 if interaction.shown else interaction.position
            known = [(row_of[item], place) for place, item in enumerate(shown) if item in row_of]
            rows = np.array([row for row, _ in known], np.int64)
            positions = None if first is None else np.array([first + place for _, place in known], np.int64)
            self.show(interaction.user_id, rows, positions, interaction.timestamp)
        elif (row := row_of.get(interaction.document_id or "")) is not None:
            kind, position = interaction.interaction_type, interaction.position
            self.engage(kind, interaction.user_id, row, position, interaction.timestamp, request_id)

    def segment(self, user_id: str) -> str:
        """What the user's behaviour so far suggests; see `Profile.segment`."""
        profile = self.profiles.get(user_id, Profile())
        return profile.segment(self.segment_terms, self._features.names, profile.tastes()[1])

    def _classes(self, rows: IntArray, timestamp: float) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """([k, T], [k, T]) terms, and values that are 0 where a term stands for no class: what taste is about."""
        terms, values = self._features.at(rows, timestamp)
        return terms, values * self._features.is_class[terms]


def _segment_terms(features: CatalogFeatures) -> range:
    """The terms of the field that names segments; a field's terms stand side by side."""
    path = features.catalog.segment_path
    key = next((spec.key for spec in features.schema.specs if spec.path == path), None)
    if key is None:
        return range(0)
    terms = [term for term, name in enumerate(features.names) if name.startswith(f"{key}=")]
    return range(terms[0], terms[-1] + 1) if terms else range(0)
