"""What is measured: every measure's name, unit, direction and definition, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Measure:
    """How a measure is called and read.

    Attributes:
        label: for a heading.
        unit: of the value, which is total / weight.
        better: which direction is good; None where neither is, or where it depends.
        description: its definition, in a sentence or two.
        additive: whether totals and weights of time bins and groups may be summed. Where not, there is one figure for
            the whole measured window, with weight 1, and a window can't be chosen afterwards.
        by: breakdowns it comes in; what each one's weight counts is in `description` where it is not pages.
    """

    label: str
    unit: str
    better: Literal["more", "less"] | None
    description: str
    additive: bool = True
    by: tuple[str, ...] = ("all", "segment", "inferred", "history")


_PAGES = ("all", "segment", "inferred", "history")
_SLOTS = (*_PAGES, "position")

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "clicks": Measure(
            "Clicks",
            "clicks per page",
            "more",
            "Clicks on the list. By position: clicks there per page that shows a document there.",
            by=_SLOTS,
        ),
        "reward": Measure(
            "Reward",
            "reward per page",
            "more",
            "Weighted interactions that really came. By position: per page that shows a document there.",
            by=_SLOTS,
        ),
        "ctr_at_1": Measure("CTR at 1", "share of pages", "more", "Pages with a click on the first document."),
        "conversion": Measure(
            "Conversion",
            "purchases per page",
            "more",
            "Purchases from the list. By position: purchases there per page that shows a document there.",
            by=_SLOTS,
        ),
        "purchases_per_click": Measure(
            "Purchases per click", "purchases per click", "more", "Purchases divided by clicks.", by=_SLOTS
        ),
        "abandonment": Measure("Abandonment", "share of pages", "less", "Pages without any click."),
        "ndcg": Measure(
            "NDCG",
            "0 to 1",
            "more",
            "Discounted gain of the list over that of the best order of all candidates; the gain is the document's true "
            "attractiveness for this user now, the discount 1 / log2(1 + position). Pages without an attractive "
            "candidate have none and are left out.",
        ),
        "expected_reward": Measure(
            "Expected reward",
            "reward per page",
            "more",
            "Exact expectation of the reward of the list shown, given the user's state: `reward` without the luck.",
        ),
        "reference_reward": Measure(
            "Reference reward",
            "reward per page",
            None,
            "Exact expected reward of the reference list, in this arm's own user state.",
        ),
        "fallback_reward": Measure(
            "Fallback reward",
            "reward per page",
            None,
            "Exact expected reward of the list that the arm's fallback would have shown to the same user for the same "
            "request, whoever ranked it. Arms without a fallback have none.",
        ),
        "regret": Measure(
            "Regret",
            "reward per page",
            "less",
            "Expected reward of the reference list minus that of the list shown, one step ahead. Totals accumulate.",
        ),
        "price": Measure(
            "Price of exploration",
            "reward per page",
            "less",
            "Expected reward of the list that the same model state would show without exploration, minus that of the "
            "list shown. It is no net return: exploration made the state it is measured in.",
        ),
        "explored_slots": Measure(
            "Explored slots",
            "share of slots shown",
            None,
            "Slots that hold a document of lower value than the best remaining one.",
            by=_SLOTS,
        ),
        "explored_pages": Measure("Explored pages", "share of pages", None, "Pages with an explored slot."),
        "attractiveness": Measure(
            "Attractiveness shown",
            "mean over slots shown",
            "more",
            "True attractiveness of the documents shown, for this user now.",
            by=_SLOTS,
        ),
        "propensity": Measure(
            "Propensity",
            "mean over slots shown",
            None,
            "Probability of the drawn document given those placed above it; 1 where there is no chance.",
            by=_SLOTS,
        ),
        "diversity": Measure(
            "Diversity within lists",
            "0 to 1",
            None,
            "Intra-list distance: the share of pairs of documents on a page that differ in category. Documents without "
            "one are left out, and pages without a pair.",
        ),
        "categories": Measure(
            "Categories per list",
            "categories per page",
            None,
            "Distinct categories on a page. Pages without any known category are left out.",
        ),
        "novelty": Measure(
            "Novelty",
            "bits",
            None,
            "Mean self-information −log2 p(document) of the documents on a page, p their share of what this arm has "
            "shown on its pages before (the unmeasured ones too), one exposure added to each document of the catalog "
            "(free discovery of Vargas and Castells, RecSys 2011). Pages without documents are left out.",
        ),
        "calibration_bias": Measure(
            "Calibration bias",
            "predicted minus observed click share, per prediction",
            None,
            "Predicted probability of engagement minus clicks, over slots with a prediction; 0 is best. Biases of two "
            "groups can cancel: `calibration_error` doesn't let them.",
            by=_SLOTS,
        ),
        "latency_ms": Measure("Latency", "ms per page", "less", "Time to rank a page, mean.", by=("all",)),
        "latency_p50_ms": Measure(
            "Median latency",
            "ms",
            "less",
            "Median time to rank a page, from cells 2 % wide, hence within 1 %, between 0.001 and 100,000 ms. Not "
            "additive: one figure for the window.",
            additive=False,
            by=("all",),
        ),
        "latency_p99_ms": Measure(
            "Latency, slowest 1 %",
            "ms",
            "less",
            "99th percentile of the time to rank a page, made like the median. Not additive: one figure for the window.",
            additive=False,
            by=("all",),
        ),
        "calibration_error": Measure(
            "Calibration error",
            "mean |predicted − observed|",
            "less",
            "Expected calibration error of the predicted probabilities against clicks, in ten bins of about equal size, "
            "as `lrerank.calibration` has it, but with bin edges on a grid of 0.05 in log-odds. Perfect predictions "
            "give about 0.8 sqrt(10 p (1 − p) / n), not 0. Not additive: one figure for the window.",
            additive=False,
            by=("all", "position"),
        ),
        "coverage": Measure(
            "Catalog coverage",
            "share of the catalog",
            None,
            "Documents shown at least once in the window. It grows with the window. Not additive.",
            additive=False,
            by=("all",),
        ),
        "candidate_coverage": Measure(
            "Candidate coverage",
            "share of the candidates",
            None,
            "Documents shown at least once, of those that were a candidate at least once, both in the window. Arms with "
            "other candidates have another denominator. Not additive.",
            additive=False,
            by=("all",),
        ),
        "concentration": Measure(
            "Exposure concentration",
            "Gini, 0 to 1",
            None,
            "Gini coefficient of how often each document of the catalog was shown in the window, those never shown "
            "included: 0 when all were shown alike, 1 − 1/n when one document took it all. Not additive.",
            additive=False,
            by=("all",),
        ),
    }
)
