"""A small catalog with every kind of field, gaps and hostile values, and a reranker trained on it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lrerank.behaviour import Behaviour
from lrerank.calibration import LinkEstimator
from lrerank.data.cards import parse_card
from lrerank.data.catalog import Catalog
from lrerank.data.frames import catalog_from_frame
from lrerank.features import CatalogFeatures, fit_schema
from lrerank.reranker import LearnedReranker
from lrerank.vw import LearnerOptions, VWModel

NOW = 1_780_000_000.0
_CARD = """
name = "small"
id = "id"
text = ["title"]
segment = "category"
[fields.title]
kind = "text"
path = "content.title"
[fields.category]
kind = "categorical"
path = "metadata.category"
[fields.tags]
kind = "list"
path = "content.tags"
[fields.price]
kind = "numeric"
path = "metadata.price"
[fields.in_stock]
kind = "boolean"
path = "metadata.in_stock"
[fields.added]
kind = "date"
path = "metadata.added"
"""


def small_catalog(documents: int = 120, seed: int = 0) -> Catalog:
    rng = np.random.default_rng(seed)
    categories = np.array(["trail shoes", "tents", "a|b:c d", "50 % off", "日本"])
    tags = ["red", "light", "water:proof", "new|old"]

    def gappy(values: list[object], share: float = 0.15) -> list[object]:
        return [None if rng.random() < share else value for value in values]

    frame = pd.DataFrame(
        {
            "id": [f"d{number}" for number in range(documents)],
            "title": [
                f"{rng.choice(['fast', 'warm', 'small'])} {rng.choice(categories)} {number}"
                for number in range(documents)
            ],
            "category": gappy(rng.choice(categories, documents).tolist()),
            "tags": [list(rng.choice(tags, rng.integers(0, 4), replace=False)) for _ in range(documents)],
            "price": gappy(np.round(rng.lognormal(3, 1, documents), 2).tolist()),
            "in_stock": gappy((rng.random(documents) < 0.8).tolist()),
            "added": gappy(
                [
                    str(pd.Timestamp(NOW - float(age), unit="s", tz="UTC").isoformat())
                    for age in rng.uniform(0, 4e7, documents)
                ]
            ),
        }
    )
    return catalog_from_frame(frame, parse_card(_CARD), "small")


def trained_reranker(requests: int = 600, seed: int = 1, bag: int = 1, **schema: object) -> LearnedReranker:
    """Users of even number like trail shoes, the others tents; everybody likes what is cheap."""
    catalog = small_catalog()
    fitted, _ = fit_schema(catalog, **schema)  # type: ignore[arg-type]
    features = CatalogFeatures(catalog, fitted)
    behaviour = Behaviour(features)
    reranker = LearnedReranker(features, VWModel(LearnerOptions(bits=18, bag=bag)), LinkEstimator(), behaviour)
    rng = np.random.default_rng(seed)
    for request in range(requests):
        user = int(rng.integers(8))
        rows = rng.permutation(len(catalog))[:20]
        scores = np.sort(rng.random(20))[::-1]
        moment = NOW + 60.0 * request
        shown = np.arange(6)
        block = reranker.assemble(rows, scores, f"u{user}", {"device": "phone" if user < 4 else "desk"}, moment)
        values = reranker.judge(block).values[shown]
        positions = np.arange(1, 7)
        shared, lines = reranker.lines(block, shown.tolist(), positions.tolist())
        liked = np.array(
            [catalog.value("metadata.category", row) == ("tents", "trail shoes")[user % 2 == 0] for row in rows[shown]]
        )
        price = np.array([catalog.value("metadata.price", row) or 50.0 for row in rows[shown]])
        clicked = rng.random(6) < (0.05 + 0.6 * liked + 0.2 * (price < 15)) / positions**0.5
        behaviour.show(f"u{user}", rows[shown], positions)
        for place in np.flatnonzero(clicked):
            behaviour.engage("click", f"u{user}", int(rows[place]), int(positions[place]), moment, str(request))
        reranker.learn(shared, lines, clicked.astype(float).tolist())
        reranker.links.add(values, clicked.astype(float))
    return reranker
