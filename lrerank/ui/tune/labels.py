"""What axes, settings and conditions of a sweep are called on the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lrerank.experiments.sweep_plan import Variant
from lrerank.experiments.sweep_verdict import named_values, short_path
from lrerank.ui.playground.asked import strategy_label
from lrerank.ui.tune.feature_sets import called_apart
from lrerank.ui.tune.setup import DRIFT, LAUNCHES

RATE = "exploration_rate"


def searches(text: str) -> str:
    """A sentence of an experiment in the page's words: what it calls impressions is called searches here."""
    return re.sub(r"\bimpression(s?)\b", lambda found: "searches" if found[1] else "search", text)


def axis_label(path: str) -> str:
    """`arms.learned.exploration_rate` → `exploration rate`."""
    return short_path(path).replace("_", " ")


class Words:
    """What the settings of a sweep are called: different ones never alike.

    Args:
        variants: all settings that are compared.
    """

    def __init__(self, variants: Sequence[Variant]) -> None:
        self._arms = {variant.arm for variant in variants}
        values: dict[str, dict[str, Any]] = {}
        for variant in variants:
            for path, value in variant.values.items():
                values.setdefault(path, {})[_key(value)] = value
        self._labels = {
            path: dict(zip(found, _labels(path, list(found.values())), strict=True)) for path, found in values.items()
        }

    def value(self, path: str, value: Any) -> str:
        """One value of an axis."""
        return self._labels[path][_key(value)]

    def setting(self, variant: Variant, without: str = "") -> str:
        """`exploration rate 0.05, Softmax, all features`; "the arm as it is" where nothing is varied.

        Args:
            without: a path that is not told.
        """
        told = {path: self.value(path, value) for path, value in variant.values.items() if path != without}
        parts = [_part(path, told[path]) for path in rate_first(told)]
        if len(self._arms) > 1:
            return f"{variant.arm}: {', '.join(parts) or 'as it is'}"
        return ", ".join(parts) or "the arm as it is"


def rate_first(paths: Iterable[str]) -> list[str]:
    """Axes in the order in which they are told."""
    return sorted(paths, key=lambda path: short_path(path) != RATE)


def condition_label(conditions: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each condition of a sweep is called; "" where there is one only."""
    if len(conditions) < 2:
        return [""] * len(conditions)
    labels = [_condition(values) for values in conditions]
    # Two strengths of drift, say, need their numbers.
    return labels if len(set(labels)) == len(labels) else [named_values(values) for values in conditions]


def _condition(values: Mapping[str, Any]) -> str:
    known = {DRIFT: "tastes drift", LAUNCHES: "new items arrive"}
    if not set(values) <= set(known):
        return named_values(values)
    found = " and ".join(word for path, word in known.items() if values.get(path))
    return found[0].upper() + found[1:] if found else "Stationary"


def _labels(path: str, values: Sequence[Any]) -> list[str]:
    """What each value of an axis is called; what would be called alike is numbered."""
    match short_path(path):
        case "features":
            labels = called_apart(values)
        case "strategy":
            labels = [strategy_label(value) for value in values]
        case "user_side":
            labels = ["with" if value else "without" for value in values]
        case _:
            labels = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    repeated = [labels[:place].count(label) for place, label in enumerate(labels)]
    return [f"{label} ({count + 1})" if count else label for label, count in zip(labels, repeated, strict=True)]


def _part(path: str, label: str) -> str:
    match short_path(path):
        case "features":
            return label[0].lower() + label[1:]
        case "strategy":
            return label
        case "user_side":
            return f"{label} the user side"
    return f"{axis_label(path)} {label}"


def _key(value: Any) -> str:
    return json.dumps(value, default=list)
