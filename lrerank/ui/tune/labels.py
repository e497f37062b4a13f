"""What axes, settings and conditions of a sweep are called on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lrerank.experiments.sweep_verdict import named_values, short_path
from lrerank.ui.playground.asked import STRATEGIES
from lrerank.ui.tune.feature_sets import called
from lrerank.ui.tune.setup import DRIFT, LAUNCHES

RATE, STRATEGY, FEATURES, USER_SIDE = "exploration_rate", "strategy", "features", "user_side"

_AXES = {
    RATE: "exploration rate",
    STRATEGY: "strategy",
    FEATURES: "features",
    USER_SIDE: "user side",
}


def axis_label(path: str) -> str:
    """`arms.learned.exploration_rate` → `exploration rate`."""
    return _AXES.get(short_path(path), short_path(path).replace("_", " "))


def value_label(path: str, value: Any) -> str:
    """One value of an axis."""
    match short_path(path):
        case "features":
            return value if isinstance(value, str) and value != "auto" else called(value)
        case "strategy":
            return next((label for name, label in STRATEGIES.items() if name == value), str(value))
        case "user_side":
            return value if isinstance(value, str) else ("with" if value else "without")
    return f"{value:g}" if isinstance(value, float) else str(value)


def setting_label(values: Mapping[str, Any]) -> str:
    """`exploration rate 0.05, Softmax, all features`; "the arm as it is" where nothing is varied."""
    ordered = sorted(values, key=lambda path: short_path(path) != RATE)
    parts = []
    for path in ordered:
        label = value_label(path, values[path])
        match short_path(path):
            case "features":
                parts.append(label[0].lower() + label[1:])
            case "strategy":
                parts.append(label)
            case "user_side":
                parts.append(f"{label} the user side")
            case _:
                parts.append(f"{axis_label(path)} {label}")
    return ", ".join(parts) or "the arm as it is"


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
