"""Everything learned from the stream of interactions beside the model: profiles and engagement, in step with time.

One object is fed interactions in the order they happened, from a file, from the log or live, and so always knows
exactly what was known at that moment. It lives in memory; the log is what persists.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lrerank.engagement import QUERY_RATE, Engagement
from lrerank.features import CatalogFeatures
from lrerank.profiles import Profile
from lrerank.types import IntArray, Interaction

PURCHASES = ("purchase", "conversion")
_REMEMBERED_CLICKS = 100_000
_PRIOR_CLICKS = 50.0
_REMEMBERED_PAGES = 50_000
_REMEMBERED_QUERIES = 10_000


@dataclass(slots=True)
class _Page:
    """A page that was shown, for as long as clicks on it are to be expected.

    Attributes:
        user_id: to whom.
        query: for what.
        mean: the mean click rate when it was shown.
        positions: row → 1-based position, None where it is not known.
    """

    user_id: str
    query: str
    mean: float
    positions: dict[int, int | None] = field(default_factory=dict)


def page_of(interaction: Interaction) -> str:
    """What the interactions of one page share: user and request, where a request is named, else user, query and moment.

    The user is part of it because request ids are not always unique: two users never share a page.
    """
    if interaction.request_id is not None:
        return repr(("request", interaction.user_id, interaction.request_id))
    return repr(("moment", interaction.user_id, interaction.query, interaction.timestamp))


@lru_cache(_REMEMBERED_QUERIES)
def question(query: str) -> str:
    """A query as its rates are kept: case and blanks apart, who asks the same asks for the same."""
    return " ".join(query.casefold().split())


class Behaviour:
    """Profiles of users and engagement of documents, over one catalog under one schema.

    Attributes:
        engagement: counts of documents and positions.
        profiles: user id → aggregates.
        segment_terms: the terms of the field that names segments.
    """

    def __init__(self, features: CatalogFeatures) -> None:
        self._features = features
        self._by_query = QUERY_RATE in features.schema.engagement
        self.engagement = Engagement(len(features.catalog))
        self.profiles: dict[str, Profile] = {}
        self.segment_terms = _segment_terms(features)
        self._class_clicks = np.zeros(len(features.names))
        self._all_clicks = 0.0
        # A second click on the same document of the same page is the same engagement.
        self._clicked: OrderedDict[tuple[str, str, int, str], None] = OrderedDict()
        self._pages: OrderedDict[str, _Page] = OrderedDict()
        # (user, row) → the latest page that showed it: whose a click is that names no request.
        self._latest: dict[tuple[str, int], str] = {}

    def show(
        self, user_id: str, rows: IntArray, positions: IntArray | None, mean: float | None = None, query: str = ""
    ) -> None:
        """Documents were shown at 1-based positions (None = unknown, then no click is expected of them).

        Args:
            mean: `Engagement.mean_rate` when their page began, where they are more of a page that is known already.
            query: what they were shown for.
        """
        if positions is None:
            return
        self.engagement.show(rows, positions, mean, question(query) if self._by_query else "")
        profile = self.profiles.get(user_id)
        if profile is None:
            profile = self.profiles[user_id] = Profile()
        profile.impressions += mean is None

    def engage(
        self,
        kind: str,
        user_id: str,
        row: int,
        position: int | None,
        timestamp: float,
        request_id: str = "",
        query: str = "",
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
            self.engagement.click(row, position, question(query) if self._by_query else "")
            terms, values = self._classes(row, timestamp)
            profile.click(terms, values)
            self._class_clicks[terms] += values
            self._all_clicks += 1.0

    def observe(self, interaction: Interaction) -> None:
        """Takes in one interaction; those of other catalogs, and documents that this one lacks, are passed over.

        An engagement counts at the position where its page showed the document: the page of its request, else the
        latest one that showed this user the document. Training attributes in the same way, so a profile is the same
        from the log. What no page showed says something of the user and the document, but nothing of a position.
        """
        catalog = self._features.catalog
        if interaction.catalog not in (None, catalog.name):
            return
        if interaction.interaction_type == "impression":
            self._observe_page(interaction)
        elif (row := catalog.row_of.get(interaction.document_id or "")) is not None:
            user_id, position, query = interaction.user_id, None, ""
            named = interaction.request_id is not None
            page_id = page_of(interaction) if named else self._latest.get((user_id, row), "")
            if (page := self._pages.get(page_id)) is not None:
                position, query = page.positions.get(row), page.query
            self.engage(interaction.interaction_type, user_id, row, position, interaction.timestamp, page_id, query)

    def _observe_page(self, impression: Interaction) -> None:
        """Documents of a page, all of them or one after the other."""
        row_of, user_id = self._features.catalog.row_of, impression.user_id
        page_id = page_of(impression)
        page, mean = self._pages.get(page_id), None
        if page is None:
            page = self._pages[page_id] = _Page(user_id, impression.query, self.engagement.mean_rate())
            if len(self._pages) > _REMEMBERED_PAGES:
                self._forget_page()
        else:
            mean = page.mean
        shown = list(impression.shown) or [impression.document_id or ""]
        first = 1 if impression.shown else impression.position
        new: dict[int, int | None] = {}
        for place, item in enumerate(shown):
            row = row_of.get(item)
            if row is not None and row not in page.positions:
                new.setdefault(row, None if first is None else first + place)
        page.positions.update(new)
        self._latest.update(dict.fromkeys(((user_id, row) for row in new), page_id))
        if new:
            positions = None if first is None else np.array(list(new.values()), np.int64)
            self.show(user_id, np.array(list(new), np.int64), positions, mean, page.query)

    def _forget_page(self) -> None:
        page_id, page = self._pages.popitem(last=False)
        for row in page.positions:
            if self._latest.get((page.user_id, row)) == page_id:
                del self._latest[page.user_id, row]

    def segment(self, user_id: str) -> str:
        """What the user's behaviour so far suggests; see `Profile.segment`."""
        profile = self.profiles.get(user_id, Profile())
        return profile.segment(self.segment_terms, self._features.names, self.tastes(profile))

    def tastes(self, profile: Profile) -> NDArray[np.float32]:
        """[m] taste for each of the profile's terms, against what everybody clicked so far.

        The catalog's own mix of classes counts as much as a few dozen clicks, so that the first user is not the average.
        """
        mix, terms = self._features.class_shares, profile.terms
        return profile.tastes(
            (self._class_clicks[terms] + _PRIOR_CLICKS * mix[terms]) / (self._all_clicks + _PRIOR_CLICKS)
        )

    def _classes(self, row: int, timestamp: float) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """([m], [m]) different terms of a document that stand for a class, which is what taste is about, and values."""
        terms, values = (part[0] for part in self._features.at(np.array([row]), timestamp))
        classes = self._features.is_class[terms].nonzero()[0]
        return terms[classes], values[classes]


def _segment_terms(features: CatalogFeatures) -> range:
    """The terms of the field that names segments; a field's terms stand side by side."""
    path = features.catalog.segment_path
    key = next((spec.key for spec in features.schema.specs if spec.path == path), None)
    if key is None:
        return range(0)
    terms = [term for term, name in enumerate(features.names) if name.startswith(f"{key}=")]
    return range(terms[0], terms[-1] + 1) if terms else range(0)
