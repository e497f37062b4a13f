"""What a world is like, in plain numbers, and the distribution that worlds are drawn from.

The distribution was committed before any learned run, and its ranges are not tuned to what learners achieve in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

CLICK_MODELS = ("pbm", "cascade", "dbn", "search_page", "product_grid")


@dataclass(frozen=True)
class WorldParameters:
    """The plain numbers of a world. "Logit" marks terms of the sigmoid that makes a document attractive.

    Attributes:
        users: most users that there will ever be.
        new_user_share: share of them who first come during the run, evenly over it; the others are there before.
        activity_exponent: the user of activity rank r starts sessions in proportion to r^-this.
        requests_per_session: mean of a geometric distribution, 1 or more.
        session_gap_seconds: mean time between two requests of a session.
        impressions_per_day: traffic.
        daily_swing: at 20:00 the traffic is 1 + this times the mean, at 8:00 it is 1 - this.
        weekly_swing: the same over the week, busiest at Sunday noon; both swings together are below 1.
        query_exponent: the query of popularity rank r is asked in proportion to r^-this.
        base_attractiveness: logit of a document of mean quality for a user who neither likes nor dislikes it.
        quality_spread: standard deviation over the documents of their quality, in logits; no feature shows it.
        taste_strength: logits per standard deviation of a user's taste; 0 = taste does not matter.
        segments: groups of users whose visible taste varies around a common one.
        individual_share: share of the variance of a visible liking that is the user's own, not the segment's.
        hidden_share: share of the variance of every taste that no feature shows.
        hidden_dimensions: length of the vectors whose inner product is the hidden part.
        context_share: share of the variance of the visible part that depends on device, time and location.
        satiation: logits lost per recent click of the user on a document of the same topic.
        satiation_half_life_days: after which a click counts half.
        drift_per_10000: radians by which every taste turns in 10,000 impressions, but for its context's share.
        shifts: impressions from which all tastes are new ones.
        launches: share of the documents that appear only during the run.
        click_model: "pbm", "cascade" or "dbn" with the three parameters below, or a preset's name, which has its own.
        examination_severity: PBM: slot k is examined with probability k^-this.
        continuation: DBN: probability to go on below a slot that did not satisfy.
        satisfaction: DBN: probability that a clicked document satisfies, so that the user leaves.
        purchase_probability: of a clicked document of median worth.
        purchase_spread: standard deviation over the documents of the logit of that probability.
        purchase_delay_hours: mean of the exponential time from click to purchase.

    Raises:
        ValueError: a field out of its range; the message begins with its name.
    """

    users: int = 2000
    new_user_share: float = 0.3
    activity_exponent: float = 0.8
    requests_per_session: float = 2.0
    session_gap_seconds: float = 60.0
    impressions_per_day: float = 1000.0
    daily_swing: float = 0.6
    weekly_swing: float = 0.1
    query_exponent: float = 0.7
    base_attractiveness: float = -1.2
    quality_spread: float = 0.7
    taste_strength: float = 1.5
    segments: int = 5
    individual_share: float = 0.3
    hidden_share: float = 0.5
    hidden_dimensions: int = 8
    context_share: float = 0.15
    satiation: float = 0.3
    satiation_half_life_days: float = 1.0
    drift_per_10000: float = 0.0
    shifts: tuple[int, ...] = ()
    launches: float = 0.0
    click_model: str = "pbm"
    examination_severity: float = 1.0
    continuation: float = 0.9
    satisfaction: float = 0.5
    purchase_probability: float = 0.05
    purchase_spread: float = 0.5
    purchase_delay_hours: float = 12.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shifts", tuple(self.shifts))
        for name in ("users", "segments", "hidden_dimensions"):
            value = getattr(self, name)
            _require(isinstance(value, int) and not isinstance(value, bool) and value >= 1, name, value, "1, 2, 3, ...")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            numeric = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            _require(numeric and low <= value <= high, name, value, f"{low:g}..{high:g}")
        for name in _POSITIVE:
            _require(getattr(self, name) > 0, name, getattr(self, name), "above 0")
        swings = self.daily_swing + self.weekly_swing
        _require(swings < 1, "daily_swing", self.daily_swing, "below 1 - weekly_swing")
        _require(self.hidden_dimensions >= 2, "hidden_dimensions", self.hidden_dimensions, "2 or more")
        ordered = all(isinstance(shift, int) and shift > 0 for shift in self.shifts)
        ordered &= all(one < other for one, other in zip(self.shifts, self.shifts[1:], strict=False))
        _require(ordered, "shifts", self.shifts, "increasing numbers of impressions, from 1")
        _require(self.click_model in CLICK_MODELS, "click_model", self.click_model, " or ".join(CLICK_MODELS))

    def with_parameters(self, **changes: Any) -> WorldParameters:
        """The same world but for these fields.

        Raises:
            ValueError: there is no such field, or a value is out of its range.
        """
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise ValueError(f"{name} is not a parameter of a world; there are {', '.join(known)}")
        return replace(self, **changes)


_RANGES: dict[str, tuple[float, float]] = {
    "new_user_share": (0, 1),
    "activity_exponent": (0, 5),
    "requests_per_session": (1, 100),
    "session_gap_seconds": (0, 86_400),
    "impressions_per_day": (0, 1e9),
    "daily_swing": (0, 1),
    "weekly_swing": (0, 1),
    "query_exponent": (0, 5),
    "base_attractiveness": (-20, 20),
    "quality_spread": (0, 10),
    "taste_strength": (0, 100),
    "individual_share": (0, 1),
    "hidden_share": (0, 1),
    "context_share": (0, 1),
    "satiation": (0, 100),
    "satiation_half_life_days": (0, 1e6),
    "drift_per_10000": (0, 1000),
    "launches": (0, 1),
    "examination_severity": (0, 100),
    "continuation": (0, 1),
    "satisfaction": (0, 1),
    "purchase_probability": (0, 1),
    "purchase_spread": (0, 10),
    "purchase_delay_hours": (0, 1e6),
}
_POSITIVE = ("impressions_per_day", "satiation_half_life_days")


def _require(fine: bool, name: str, value: object, allowed: str) -> None:
    if not fine:
        raise ValueError(f"{name} is {value!r}, not {allowed}")


def draw_parameters(rng: np.random.Generator) -> WorldParameters:
    """A world of the published distribution: independent draws, uniform or log-uniform ("about" the ends of a range).

    The ranges are meant to hold most sites that would consider a learned reranker, hard ones among them. They are
    judgments, argued here before any learner ran in them, not measurements of sites:

    - users, about 500 to 4000: over the 20,000 impressions of a standard run that is 40 to 5 impressions per user.
      With fewer no method could know anybody; with more each user could be studied alone.
    - new_user_share 0.1 to 0.6: from a site of regulars to one where most users are new within the run.
    - activity_exponent 0.5 to 1.1: from mild inequality to slightly beyond Zipf's law.
    - requests_per_session 1.2 to 3: from lookups, one query and gone, to people who reword and browse.
    - impressions_per_day, about 500 to 5000: a standard run lasts from four days to six weeks.
    - daily_swing 0.3 to 0.8, weekly_swing 0 to 0.15: evenings are 2 to 9 times as busy as mornings.
    - query_exponent 0.4 to 1: query frequencies are about Zipf's; a head cut off by caching flattens them.
    - base_attractiveness -2.2 to -0.7: with candidates of mean relevance 0.7 and slots examined by 1/k, a page of ten
      in random order gets 0.23 to 0.85 clicks, 0.37 to 0.79 at the default taste and quality. For comparison,
      Wikimedia's search page gets a click in 38 % of the searches.
    - quality_spread 0.3 to 1: a document one standard deviation up has 1.3 to 2.7 times the odds. Less would leave
      popularity nothing to learn, and then the strongest rival of personalization would be missing.
    - taste_strength 0.5 to 2.5: odds per standard deviation of taste from 1.6, hardly worth learning, to 12, where
      a user ignores most of what they do not like. It straddles quality_spread, so popularity can beat taste.
    - segments 3 to 10, individual_share 0.1 to 0.6: from clear types to users who mostly are themselves.
    - hidden_share 0.2 to 0.8, around the one half of our definitions: at best a fifth of taste is out of sight.
    - context_share 0 to 0.3: taste is a person's first of all; the hour and the device colour it.
    - satiation 0 to 0.6, half-life about 6 hours to 7 days: five recent clicks on a topic cost up to 3 logits.
    - drift_per_10000: 0 in half of the worlds, else up to 0.5: over 20,000 impressions a taste keeps at least
      cos(1) = 0.54 of its correlation with what it was. No shifts: a sudden change is a study of its own.
    - launches: 0 in half of the worlds, else up to 0.2 of the documents.
    - click_model: PBM, cascade and DBN alike often. examination_severity 0.5 to 1.5 around the usual 1; continuation
      0.75 to 0.95, satisfaction 0.3 to 0.8: from a user who wants one answer to one who reads on.
    - purchase_probability, about 0.01 to 0.1 per click: the worth of a page from clicks alone to purchases as well;
      purchase_spread 0 to 1, so that what is clicked need not be what is bought; delay about 1 to 72 hours.
    """

    def log_uniform(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    return WorldParameters(
        users=round(log_uniform(500, 4000)),
        new_user_share=float(rng.uniform(0.1, 0.6)),
        activity_exponent=float(rng.uniform(0.5, 1.1)),
        requests_per_session=float(rng.uniform(1.2, 3.0)),
        impressions_per_day=log_uniform(500, 5000),
        daily_swing=float(rng.uniform(0.3, 0.8)),
        weekly_swing=float(rng.uniform(0.0, 0.15)),
        query_exponent=float(rng.uniform(0.4, 1.0)),
        base_attractiveness=float(rng.uniform(-2.2, -0.7)),
        quality_spread=float(rng.uniform(0.3, 1.0)),
        taste_strength=float(rng.uniform(0.5, 2.5)),
        segments=int(rng.integers(3, 11)),
        individual_share=float(rng.uniform(0.1, 0.6)),
        hidden_share=float(rng.uniform(0.2, 0.8)),
        context_share=float(rng.uniform(0.0, 0.3)),
        satiation=float(rng.uniform(0.0, 0.6)),
        satiation_half_life_days=log_uniform(0.25, 7.0),
        drift_per_10000=float(rng.uniform(0.0, 0.5)) if rng.random() < 0.5 else 0.0,
        launches=float(rng.uniform(0.0, 0.2)) if rng.random() < 0.5 else 0.0,
        click_model=("pbm", "cascade", "dbn")[int(rng.integers(3))],
        examination_severity=float(rng.uniform(0.5, 1.5)),
        continuation=float(rng.uniform(0.75, 0.95)),
        satisfaction=float(rng.uniform(0.3, 0.8)),
        purchase_probability=log_uniform(0.01, 0.1),
        purchase_spread=float(rng.uniform(0.0, 1.0)),
        purchase_delay_hours=log_uniform(1.0, 72.0),
    )
