"""A shop of 300 products in a file, and a small experiment in it that takes a second per replicate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lrerank.experiments.spec import Experiment

_CARD = """
name = "shop"
id = "id"
text = ["title", "category", "brand"]
segment = "category"
[fields.title]
kind = "text"
path = "title"
[fields.category]
kind = "categorical"
path = "category"
[fields.brand]
kind = "categorical"
path = "brand"
[fields.price]
kind = "numeric"
path = "price"
"""


def shop(folder: Path) -> Path:
    """Writes the catalog and its card; gives the catalog's file."""
    rng = np.random.default_rng(5)
    category = rng.choice(["shoes", "tents", "lamps", "bags"], 300)
    brand = rng.choice(["Alder", "Birch", "Cedar"], 300)
    frame = pd.DataFrame(
        {
            "id": [f"p{number}" for number in range(300)],
            "title": [
                f"{one} {other} {word}"
                for one, other, word in zip(brand, category, rng.choice(["light", "warm", "dry"], 300), strict=True)
            ],
            "category": category,
            "brand": brand,
            "price": np.round(rng.lognormal(3, 1, 300), 2),
        }
    )
    path = folder / "shop.csv"
    frame.to_csv(path, index=False)
    (folder / "shop.card.toml").write_text(_CARD)
    return path


def experiment(catalog: Path, **values: object) -> Experiment:
    """Six kinds of arms, 600 impressions."""
    base = Experiment(
        name="small",
        question="Does anything differ?",
        world={
            "catalog": str(catalog),
            "candidates": 20,
            "parameters": {"users": 100, "satiation": 0.5, "purchase_probability": 0.3},
        },
        log={"impressions": 200, "exploration_rate": 0.2},
        arms={
            "static": {"kind": "rerank"},
            "chance": {"kind": "uniform"},
            "popular": {"kind": "popularity"},
            "varied": {"kind": "mmr"},
            "trees": {"kind": "rerank", "method": "ltr"},
            "learned": {"kind": "learned"},
        },
        baseline="static",
        impressions=400,
        measure_from=100,
        bins=8,
        batch=20,
        replicates=2,
        slots=5,
        reward={"click": 1.0, "purchase": 2.0},
        # An hour is 40 impressions. By default it would be a day, and in 600 impressions nobody would learn anything.
        reward_wait_time=3600.0,
    )
    return base.with_values(values)
