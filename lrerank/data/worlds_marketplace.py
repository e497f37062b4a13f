"""The marketplace: products of invented brands with prices, stock, reviews, and queries of shoppers."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lrerank.data.worlds_queries import Intent, World, ask, pick, unrepeated
from lrerank.types import BoolArray

_PRODUCTS = 4000
_TODAY = datetime(2026, 1, 15, tzinfo=UTC)
_TIERS = ("budget", "mid", "premium")
_TIER_SHARE = (0.28, 0.5, 0.22)
_TIER_PRICE = {"budget": -0.4, "mid": 0.0, "premium": 0.5}
_NUMBERED = {"outdoor", "running", "cycling", "electronics", "computing", "tools"}
_MATERIAL_FIRST = {"kitchen", "home", "garden", "fashion"}
_MATERIAL_LAST = {"perfume", "pet food"}
_SILENT = ("mixed", "cardboard and wood")


@dataclass(frozen=True, slots=True)
class Product:
    """What the generator knows of a product; the traits and noun grade queries and are no fields."""

    shelf: dict[str, Any]
    brand: str
    tier: str
    noun: str
    traits: tuple[str, ...]
    material: str
    colour: str
    who: str
    size: str
    title: str
    description: str
    price: float
    discount: int
    rating: float
    reviews: int
    in_stock: bool
    shipping_days: int
    free_shipping: bool
    added: datetime


def generate(rng: np.random.Generator, folder: Path, products: int = _PRODUCTS) -> World:
    """A shop of about that many products, and its shoppers' queries with their judgments."""
    shelves: list[dict[str, Any]] = _toml(folder / "subcategories.toml")["subcategory"]
    brands, words = _toml(folder / "brands.toml"), _toml(folder / "words.toml")
    share = rng.dirichlet(np.full(len(shelves), 25.0))
    made: list[Product] = []
    titles: set[str] = set()
    for shelf, portion in zip(shelves, share, strict=True):
        wanted = len(made) + max(10, round(portion * products))
        while len(made) < wanted:
            for product in _model(rng, shelf, brands, words):
                # A shop lists a title once.
                if product.title not in titles and len(made) < wanted:
                    titles.add(product.title)
                    made.append(product)
    order = rng.permutation(len(made))
    made = [made[place] for place in order]
    ids = [f"p{number:05d}" for number in 10_001 + rng.permutation(len(made))]
    (asking,) = rng.spawn(1)
    return World(_frame(made, ids), lambda: ask(asking, _intents(asking, shelves, made), ids))


def _frame(made: Sequence[Product], ids: Sequence[str]) -> pd.DataFrame:
    rows = [
        {
            "product_id": product_id,
            "title": product.title,
            "description": product.description,
            "category": product.shelf["category"],
            "subcategory": product.shelf["name"],
            "brand": product.brand,
            "price": product.price,
            "discount": product.discount,
            "in_stock": product.in_stock,
            "rating": product.rating if product.reviews else None,
            "review_count": product.reviews,
            "shipping_days": product.shipping_days,
            "free_shipping": product.free_shipping,
            "added": product.added.date().isoformat(),
            "colour": product.colour or None,
            "material": product.material if product.material not in _SILENT else None,
            "tags": _tags(product),
        }
        for product_id, product in zip(ids, made, strict=True)
    ]
    return pd.DataFrame(rows)


def _tags(product: Product) -> list[str]:
    traits = [trait.removeprefix("with ").removeprefix("for ") for trait in product.traits]
    return [*traits, *([product.who] if product.who else [])]


def _model(
    rng: np.random.Generator, shelf: dict[str, Any], brands: dict[str, Any], words: dict[str, Any]
) -> list[Product]:
    """One model of one brand in one to three variants of colour, size or cut."""
    category = shelf["category"]
    tier = _TIERS[int(rng.choice(3, p=_TIER_SHARE))]
    brand = pick(rng, brands[tier][category])
    noun = pick(rng, shelf["nouns"])
    material = pick(rng, shelf.get("noun_materials", {}).get(noun, shelf["materials"]))
    traits = _traits(rng, shelf, noun, material)
    # House brands of the cheap sort often have no model name.
    name = "" if tier == "budget" and rng.random() < 0.4 else _model_name(rng, category, words["models"][category])
    use = pick(rng, shelf["uses"])
    openings = words["openings"]["any"] + words["openings"].get(tier, [])
    opening = pick(rng, openings).replace("{use}", use).replace("{Noun}", noun[0].upper() + noun[1:])
    sentences = [opening, *(shelf["traits"][trait] for trait in traits)]
    if rng.random() < 0.7:
        sentences.append(pick(rng, words["closings"][category]))
    appeal = rng.normal()
    sizes = shelf.get("noun_sizes", {}).get(noun, shelf.get("sizes", [""]))
    palette = [""] if shelf["colours"] == "none" else words["colours"][shelf["colours"]]
    log_price = np.log(shelf["price"] * shelf.get("noun_price", {}).get(noun, 1.0)) + _TIER_PRICE[tier]
    log_price += rng.normal(scale=0.22)
    shows, style = bool(rng.random() < 0.55), int(rng.integers(4))
    variants = []
    for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.28, 0.12]))):
        size, colour, who = pick(rng, sizes), pick(rng, palette), pick(rng, shelf.get("who", [""]))
        step = shelf.get("sizes", [""]).index(size) - (len(shelf.get("sizes", [""])) - 1) / 2
        discount = int(rng.choice([0, 10, 15, 20, 25, 30, 40, 50], p=[0.66, 0.08, 0.07, 0.07, 0.04, 0.04, 0.03, 0.01]))
        price = _shop_price(float(np.exp(log_price + 0.18 * step)) * (1 - discount / 100))
        reviews = int(rng.negative_binomial(0.6, 0.6 / (0.6 + 60 * np.exp(0.5 * appeal)))) if rng.random() < 0.94 else 0
        rating = float(np.clip(4.15 + 0.28 * appeal + rng.normal(scale=0.6) / np.sqrt(1 + reviews), 1, 5))
        variants.append(
            Product(
                shelf=shelf,
                brand=brand,
                tier=tier,
                noun=noun,
                traits=traits,
                material=material,
                colour=colour,
                who=who,
                size=size,
                title=_title(brand, name, noun, traits[0] if shows else "", material, size, colour, who, shelf, style),
                description=" ".join(sentences),
                price=price,
                discount=discount,
                rating=round(rating, 1),
                reviews=reviews,
                in_stock=bool(rng.random() < 0.86),
                shipping_days=int(rng.choice([1, 2, 3, 5, 8, 14], p=[0.2, 0.33, 0.22, 0.14, 0.08, 0.03])),
                free_shipping=bool(price >= 59 or rng.random() < 0.15),
                added=_TODAY - timedelta(days=float(min(rng.exponential(260), 1500))),
            )
        )
    return variants


def _traits(rng: np.random.Generator, shelf: dict[str, Any], noun: str, material: str) -> tuple[str, ...]:
    """One to three traits that this noun and material can have and that do not contradict each other."""
    only_nouns, only_materials = shelf.get("only_nouns", {}), shelf.get("only_materials", {})
    possible = [
        trait
        for trait in shelf["traits"]
        if noun in only_nouns.get(trait, [noun]) and material in only_materials.get(trait, [material])
    ]
    chosen: list[str] = []
    wanted = int(rng.integers(1, 4))
    for place in rng.permutation(len(possible)):
        trait = possible[place]
        if not any(trait in clash and set(clash) & set(chosen) for clash in shelf.get("clash", [])):
            chosen.append(trait)
    return tuple(chosen[:wanted])


def _model_name(rng: np.random.Generator, category: str, names: Sequence[str]) -> str:
    name = pick(rng, names)
    if category not in _NUMBERED or rng.random() < 0.35:
        return name
    if category in ("electronics", "computing"):
        return f"{name} {pick(rng, ['2', '3', 'Pro', 'Mini', 'S', 'X2', 'Lite', 'One', 'II', 'Max', '500', '700'])}"
    return f"{name} {int(rng.integers(2, 7))}"


def _title(
    brand: str,
    name: str,
    noun: str,
    trait: str,
    material: str,
    size: str,
    colour: str,
    who: str,
    shelf: dict[str, Any],
    style: int,
) -> str:
    said = f"{noun} {trait}".lower().split()
    shown = material not in _SILENT and not any(word in said for word in material.lower().split())
    kind = f"{material} {noun}" if shown and shelf["category"] in _MATERIAL_FIRST else noun
    if trait:
        # A trait the noun already says ("cooperative game") is not said twice.
        after = trait.startswith(("with ", "for "))
        kind = kind if trait in kind else f"{kind} {trait}" if after else f"{trait} {kind}"
    notes = material if shown and shelf["name"] in _MATERIAL_LAST else ""
    details = [detail for detail in (who, notes, size, colour) if detail]
    start = " ".join(part for part in (brand, name) if part)
    if style == 0 or not details:
        return ", ".join([f"{start} {kind}", *details])
    if style == 1:
        return f"{start} {kind} ({', '.join(details)})"
    if style == 2:
        return f"{start} {kind} - {', '.join(details)}"
    return ", ".join([f"{brand} {kind}{f' {name}' if name else ''}", *details])


def _shop_price(price: float) -> float:
    """Prices as shops write them: .49 and .99 when small, whole and ending in 5 or 9 when large."""
    if price < 20:
        return max(round(price * 2) / 2 - 0.01, 1.99)
    if price < 100:
        return round(price) - 0.05
    if price < 400:
        return float(round(price / 5) * 5 - (1 if round(price / 5) % 2 == 0 else 0))
    return float(round(price / 10) * 10 - 1)


def _intents(rng: np.random.Generator, shelves: Sequence[dict[str, Any]], made: Sequence[Product]) -> list[Intent]:
    """Three per shelf: the thing itself, with a trait, and with a brand, colour, material or cut."""
    intents: list[Intent] = []
    columns = _Columns(made)
    for shelf in shelves:
        also = pick(rng, shelf["also"])
        means = tuple(shelf.get("also_means", {}).get(also, shelf["nouns"]))
        intents.append(_intent(columns, shelf, means, {}, (also, f"best {also}", f"{also} sale")))
        noun = pick(rng, [noun for noun in shelf["nouns"] if any(product.noun == noun for product in made)])
        own = [product for product in made if product.shelf is shelf and product.noun == noun]
        trait = pick(rng, list(dict.fromkeys(trait for product in own for trait in product.traits)))
        asked = trait.removeprefix("with ").removeprefix("for ")
        phrasings = [
            f"{asked} {noun}",
            f"{noun} {trait}",
            f"looking for {noun} {trait}",
            f"best {asked} {noun} reviews",
        ]
        if not shelf.get("distinct"):
            phrasings.append(f"{asked} {also}")
        intents.append(_intent(columns, shelf, (noun,), {"trait": trait}, phrasings))
        product = own[int(rng.integers(len(own)))]
        kind = int(rng.integers(4))
        if kind == 0 and product.colour:
            wanted = {"colour": product.colour, "trait": trait}
            phrasings = [f"{product.colour} {asked} {noun}", f"{asked} {noun} in {product.colour}"]
        elif kind == 1 and product.material not in _SILENT:
            wanted = {"material": product.material}
            phrasings = [f"{product.material} {noun}", f"{noun} {product.material}"]
        elif kind == 2 and product.who:
            wanted = {"who": product.who, "trait": trait}
            phrasings = [
                f"{product.who} {asked} {noun}",
                f"{asked} {noun} for {product.who.removesuffix(chr(39) + 's')}",
            ]
        else:
            wanted = {"brand": product.brand}
            phrasings = [f"{product.brand.lower()} {noun}", f"{product.brand} {noun}", f"{noun} by {product.brand}"]
        intents.append(_intent(columns, shelf, (noun,), wanted, phrasings))
    return intents


class _Columns:
    """What intents ask of products, one array per property."""

    def __init__(self, made: Sequence[Product]) -> None:
        self._made = made
        self._found: dict[tuple[str, str], BoolArray] = {}
        self.noun, self.category = (
            np.array(values) for values in ([p.noun for p in made], [p.shelf["category"] for p in made])
        )

    def having(self, name: str, value: str) -> BoolArray:
        """[products] whether a property has a value, or a value is among the traits."""
        if (name, value) not in self._found:
            having = [
                value in product.traits if name == "trait" else getattr(product, name) == value
                for product in self._made
            ]
            self._found[name, value] = np.array(having, np.bool_)
        return self._found[name, value]

    def on(self, shelf: dict[str, Any]) -> BoolArray:
        """[products] whether a product is of this shelf."""
        return np.array([product.shelf is shelf for product in self._made], np.bool_)


def _intent(
    made: _Columns,
    shelf: dict[str, Any],
    nouns: tuple[str, ...],
    wanted: dict[str, str],
    phrasings: Sequence[str],
) -> Intent:
    """Grades: 3 all that is asked for, 2 at least half of it, 1 the right shelf, 0 another shelf.

    A noun counts as asked for only where the shelf's nouns are different things.
    """
    met = [made.having(name, value) for name, value in wanted.items()]
    if shelf.get("distinct"):
        met.append(np.isin(made.noun, nouns))
    count = np.sum(met, axis=0, dtype=np.int64) if met else np.zeros(len(made.noun), np.int64)
    graded = np.where(count == len(met), 3, np.where(2 * count >= len(met), 2, 1))
    tempting = (made.category == shelf["category"]) | (count > 0)
    return Intent(tuple(unrepeated(text) for text in phrasings), np.where(made.on(shelf), graded, 0), tempting)


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
