"""How figures are said: where they come from, in what unit, with how many digits."""

from __future__ import annotations

from lrerank.experiments.spec import Experiment

_WHERE = {
    "built-in world": ("In this built-in world", "In these built-in worlds"),
    "your catalog, assumed users": ("On your catalog with assumed users", "On your catalog with assumed users"),
}


def place(experiment: Experiment) -> str:
    """How a sentence on the experiment begins: whose world it is."""
    return _WHERE[experiment.world.provenance][experiment.world.worlds > 1]


def unit(experiment: Experiment) -> str:
    """What a reward is: clicks, purchases, or reward where both count or a click is not worth 1."""
    worth = experiment.reward.click, experiment.reward.purchase
    return {(1.0, 0.0): "clicks", (0.0, 1.0): "purchases"}.get(worth, "reward")


def amount(value: float, experiment: Experiment, *, signed: bool = False) -> str:
    """Reward per page as `+41 clicks`, per 1,000."""
    said = number(value)
    return f"{said if signed else said.lstrip('+')} {unit(experiment)}"


def number(value: float) -> str:
    """A number per page as one per 1,000, with its sign."""
    per_thousand = 1000.0 * value
    digits = 0 if abs(per_thousand) >= 10 else (1 if abs(per_thousand) >= 1 else 2)
    return rounded(per_thousand, digits, "+")


def measured(value: float, low: float | None, high: float | None, *, sign: bool = True) -> tuple[str, str]:
    """A number and its interval, with as many digits as the interval's width lets them have; "" without an interval."""
    plus = "+" if sign else ""
    if low is None or high is None:
        return rounded(value, 0 if abs(value) >= 100 else 1, plus), ""
    width = high - low
    digits = 0 if width >= 20 else (1 if width >= 2 else 2)
    return rounded(value, digits, plus), " to ".join(rounded(end, digits, plus) for end in (low, high))


def rounded(value: float, digits: int, plus: str = "") -> str:
    """A number with a minus sign instead of a hyphen; what rounds to zero has no sign.

    Args:
        plus: "+" for a sign in any case.
    """
    said = f"{value:{plus},.{digits}f}"
    return said.lstrip("+-") if not said.strip("+-0.") else said.replace("-", "−")
