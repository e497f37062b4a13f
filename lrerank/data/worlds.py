"""The built-in worlds by name: catalogs, queries and judgments, generated from a seed and the shipped vocabularies.

The judgments are the generator's, not people's: they grade how many of the things a query asks for a document has.
What the generator knows beyond the catalog's fields (which of its traits a product has, which event an article is
about) is used for judgments only and is not a field of any document.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from lrerank.data import worlds_marketplace, worlds_news
from lrerank.data.cards import Card, read_card
from lrerank.data.catalog import Catalog
from lrerank.data.frames import catalog_from_frame
from lrerank.data.locate import datasets_folder
from lrerank.data.worlds_queries import World
from lrerank.errors import DataError

NAMES = ("marketplace", "news")
_SEEDS = {"marketplace": 20_260_101, "news": 20_260_102}
_GENERATORS = {"marketplace": worlds_marketplace.generate, "news": worlds_news.generate}


def card(name: str) -> Card:
    """The card of a built-in world.

    Raises:
        DataError: no built-in world has this name.
    """
    if name not in NAMES:
        known = " and ".join(NAMES)
        raise DataError("there is no built-in world of this name", value=name, remedy=f"There are {known}")
    return read_card(datasets_folder() / name / "card.toml")


@lru_cache(maxsize=len(NAMES))
def catalog(name: str) -> Catalog:
    """The documents of a built-in world: the same ones in every process."""
    return catalog_from_frame(_world(name).documents, card(name), name)


def queries(name: str) -> pd.DataFrame:
    """Queries as columns query_id, query, query_group (str); what asks for the same thing shares a group."""
    return _asked(name)[0].copy()


def judgments(name: str) -> pd.DataFrame:
    """Generated judgments as columns query_id, doc_id (str), grade (float64: 0, 1, 2 or 3)."""
    return _asked(name)[1].copy()


@lru_cache(maxsize=len(NAMES))
def _world(name: str) -> World:
    card(name)
    return _GENERATORS[name](np.random.default_rng(_SEEDS[name]), datasets_folder() / name)


@lru_cache(maxsize=len(NAMES))
def _asked(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    return _world(name).ask()
