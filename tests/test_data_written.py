"""Numbers as people write them: read where a whole column leaves no doubt, and else told why not."""

from __future__ import annotations

import math
import re
from typing import Any

import pandas as pd
import pytest

from lrerank.data.cards import Card, FieldCard
from lrerank.data.frames import load_frame
from lrerank.data.written import Written, how_written
from lrerank.errors import DataError


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["€ 12,30", "1.234,50 €", "€ 1.000.000,00", None], [12.3, 1234.5, 1e6, None]),
        (["$1,299.00", "$5.99", "n/a"], [1299, 5.99, None]),
        (["12,5 %", "7 %", "-0,5 %"], [12.5, 7, -0.5]),
        (["EUR 5", "EUR 6"], [5, 6]),
        (["1,234", "12.5"], [1234, 12.5]),
        (["1.234", "12,5"], [1234, 12.5]),
        (["1\u00a0234,50", "CHF 1’234", "7"], [1234.5, 1234, 7]),
        (["12,5", 3, 4.25], [12.5, 3, 4.25]),
        (["1.234.567"], [1234567]),
        (["10.123.123.123", "1.500.000.000"], [10123123123, 1500000000]),
        (["€ 10.123.123.123"], [10123123123]),
        (["$5", "7.", "1e3"], [5, 7, 1000]),
    ],
)
def test_a_column_tells_what_parts_its_decimals(cells: list[Any], numbers: list[float | None]) -> None:
    way = how_written(cells)
    assert "is read as" in way.note
    assert [way.read(cell) for cell in cells] == numbers


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        (["1,234", "2,500"], "'1,234' may be 1.234 or 1234"),
        (["$1,299", "$2,000"], r"'\$1,299' may be 1.299 or 1299"),
        (["1.234", "€ 5"], "'1.234' may be 1.234 or 1234"),
        (["12.30", "12,30"], "decimals are parted in more than one way"),
        (["€ 5,10", "$ 6,50"], r"several units \(\$, €\)"),
        (["1,50"] * 9 + ["ask us"], "'ask us' is no number, though most values are"),
        (["1,50"] * 3 + ["ask us"], "^$"),
        (["1 234", "5 678"], "^$"),
        (["12.03.2024", "01.02.2025"], "^$"),
        (["192.168.1.1", "10.0.0.1"], "^$"),
        (["10.123.123.123", "192.168.123.001"], "^$"),
        (["007,5", "1,5"], "^$"),
        (["٣,٥", "1,5"], "^$"),
        ([True, "1,5"], "^$"),
        ([["1,5"], "1,5"], "^$"),
        (["1.5", 2, "n/a"], "^$"),
    ],
)
def test_what_is_in_doubt_is_not_read_and_told(cells: list[Any], note: str) -> None:
    way = how_written(cells)
    assert way.decimal == "" and re.search(note, way.note)


def test_plain_numbers_and_what_fits_no_way_are_as_before() -> None:
    assert Written().read("1.5") == 1.5 and Written().read("1,5") is None
    assert Written(",").read("1.5") is None and Written(",").read("many") is None
    assert Written(",").read("1,5") == 1.5 and math.isinf(Written(",").read("9" * 400) or 0)


def test_the_cell_that_is_no_number_is_named_not_those_that_are() -> None:
    prices = ["€ 1.299,00", "€ 5,50", "ask us", "€ 7,25"]
    frame = pd.DataFrame({"id": list("abcd"), "price": prices})
    card = Card(fields={"price": FieldCard(kind="numeric")})
    with pytest.raises(DataError, match=r"price: 1 of 4 values are not numbers \(found 'ask us'\)"):
        load_frame(frame, card, "t")
    card = Card(fields={"price": FieldCard(kind="numeric", missing=("ask us",))})
    loaded = load_frame(frame, card, "t")
    assert [loaded.catalog.value("price", row) for row in (0, 2)] == [1299, None]


def test_a_catalog_has_them_as_numbers_and_says_so() -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "price": ["€ 1.299,00", "€ 5,50"], "sold": ["1,234", "2,345"]})
    loaded = load_frame(frame, None, "t")
    kinds = {known.path: known.kind for known in loaded.catalog.fields}
    assert kinds == {"price": "numeric", "sold": "categorical"}
    assert [loaded.catalog.value("price", row) for row in (0, 1)] == [1299, 5.5]
    assert loaded.hints["price"] == "'€ 1.299,00' is read as 1299"
    assert loaded.hints["sold"].startswith("read as categorical, since '1,234' may be")
    assert loaded.notes[:2] == tuple(f"{column}: {hint}" for column, hint in loaded.hints.items())
