"""What an experiment says, in sentences for people: who leads, by how much, how sure that is and in what world.

The leader is picked by the same figures that say by how much it leads. Of several arms the luckiest looks better than it
is, so the interval in the sentence allows for the choice: it holds for the differences of all arms from the baseline at
once (Bonferroni), hence for the one that is picked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lrerank.experiments.bands import difference_band, indistinguishable
from lrerank.experiments.compare import Comparison, compare, paired
from lrerank.experiments.precision import BothIntervals, Needed, mean_over_worlds, replicates_needed, worlds_needed
from lrerank.experiments.spec import REFERENCE, Experiment
from lrerank.experiments.wording import amount, number, place

LEVEL = 0.95
# What the lists that were shown bring on average over the luck of clicks: the same mean as of the clicks themselves, and
# much surer.
_MEASURE = "expected_reward"
_IN_TABLE = ("expected_reward", "ctr_at_1", "ndcg", "regret", "explored_pages")


@dataclass(frozen=True, slots=True)
class Row:
    """One arm in a table.

    Attributes:
        values: measure → value, each with its own interval.
        differences: measure → paired difference from the baseline; empty for the baseline itself. Each interval holds
            by itself.
    """

    arm: str
    values: Mapping[str, BothIntervals]
    differences: Mapping[str, BothIntervals]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be said.

    Attributes:
        sentence: everything that follows, for people.
        provisional: whether replicates are missing.
        provenance: whose world it is.
        leader: the arm with the highest reward per page, the reference list left out; None without figures.
        difference: the leader against the baseline, or the baseline's closest rival against it where it leads itself;
            reward per page. Its interval allows for the choice among the arms.
        clear: whether that interval excludes zero.
        rivals: arms that can't be told from the leader.
        clear_from: impressions after which the lead, over all impressions so far, stays above zero: with confidence for
            the whole curve, but not for the choice of the arm. None where it never does or the leader is the baseline.
        needed: replicates (or worlds, where these differ more) until a difference of this size would be clear; None
            where one is.
        rows: a table, best arm first, the reference last.
    """

    sentence: str
    provisional: bool
    provenance: str
    leader: str | None = None
    difference: Comparison | None = None
    clear: bool = False
    rivals: tuple[str, ...] = ()
    clear_from: int | None = None
    needed: Needed | None = None
    rows: tuple[Row, ...] = ()


def verdict(figures: pd.DataFrame, experiment: Experiment, *, level: float = LEVEL) -> Verdict:
    """Sums up what has been measured so far.

    Only replicates that all arms have finished count.

    Args:
        figures: of finished tasks, possibly with those under way.
        level: probability of an interval to contain the truth.
    """
    provenance = experiment.world.provenance
    found = _complete(figures, experiment)
    places = len(found[["world", "replicate"]].drop_duplicates())
    planned = experiment.replicates * experiment.world.worlds
    provisional = places < planned
    if not places:
        return Verdict("Nothing can be said yet: no replicate is finished.", provisional, provenance)
    start, end = experiment.window
    arms, baseline = list(experiment.arms), experiment.baseline
    rows = _rows(found, experiment, level)
    leader = rows[0].arm
    others = [arm for arm in arms if arm != baseline]
    if not others:
        value = rows[0].values[_MEASURE].value
        sentence = f"There is nothing to compare: {leader} has {amount(value, experiment)} per 1,000 searches."
        return Verdict(sentence, provisional, provenance, leader, rows=rows)
    best = leader if leader != baseline else next(row.arm for row in rows if row.arm in others)
    allowing = 1.0 - (1.0 - level) / len(others)
    difference = compare(found, best, baseline, _MEASURE, start=start, end=end, level=allowing)
    headline = difference.headline
    clear = headline.low is not None and headline.high is not None and not headline.low <= 0 <= headline.high
    contenders = indistinguishable(found, arms, _MEASURE, start=start, end=end, level=level)
    rivals = tuple(arm for arm in contenders.kept if arm != leader)
    since = None
    if leader != baseline:
        since = _clear_from(found, leader, baseline, level)
    by_worlds = difference.source == "world uncertainty"
    needed = None
    if not clear and headline.value != 0 and headline.low is not None:
        needed = (worlds_needed if by_worlds else replicates_needed)(difference, abs(headline.value))
    sentences = [
        _lead(experiment, difference, clear=clear, choice=len(others), level=level),
        _others(leader, rivals, arms, baseline, clear=clear),
        "" if since is None or not clear else f"Over all searches so far, that lead is clear from {since:,} on.",
        _learned(found, experiment, leader, allowing),
        _need(needed, "worlds" if by_worlds else "replicates", experiment),
    ]
    beginning = f"Provisional, {places} of {planned} replicates: " if provisional else ""
    sentence = beginning + " ".join(each for each in sentences if each)
    return Verdict(sentence, provisional, provenance, leader, difference, clear, rivals, since, needed, rows)


def _complete(figures: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Figures of everybody, of the replicates that all arms have finished."""
    found = figures[(figures["by"] == "all") & figures["measure"].isin(_IN_TABLE)]
    # A finished course, and no partial one, has a figure of the last bin.
    last = found[(found["measure"] == _MEASURE) & (found["end"] == experiment.impressions)]
    wanted = {*experiment.arms, *({REFERENCE} if (found["arm"] == REFERENCE).any() else ())}
    arms = last[last["arm"].isin(wanted)].groupby(["world", "replicate"])["arm"].nunique()
    places = arms.index[arms == len(wanted)]
    return found[pd.MultiIndex.from_frame(found[["world", "replicate"]]).isin(places)]


def _rows(figures: pd.DataFrame, experiment: Experiment, level: float) -> tuple[Row, ...]:
    start, end = experiment.window
    baseline = experiment.baseline
    measures = [name for name in _IN_TABLE if (figures["measure"] == name).any()]
    arms = [arm for arm in (*experiment.arms, REFERENCE) if (figures["arm"] == arm).any()]
    values: dict[str, dict[str, BothIntervals]] = {arm: {} for arm in arms}
    differences: dict[str, dict[str, BothIntervals]] = {arm: {} for arm in arms}
    for name in measures:
        part = figures[figures["measure"] == name]
        for arm in arms:
            own = paired(part, (arm,), name, start=start, end=end)
            values[arm][name] = mean_over_worlds(own.values()[:, 0], own.worlds, level)
            if arm != baseline:
                differences[arm][name] = compare(
                    part, arm, baseline, name, start=start, end=end, level=level
                ).difference
    order = sorted(arms, key=lambda arm: (arm == REFERENCE, -values[arm][_MEASURE].value))
    return tuple(Row(arm, values[arm], differences[arm]) for arm in order)


def _clear_from(figures: pd.DataFrame, arm: str, baseline: str, level: float) -> int | None:
    """End of the bin from which on the lead over all impressions up to there stays clear."""
    band = difference_band(figures, arm, baseline, _MEASURE, kind="running", level=level)
    above = np.asarray(band.low > 0)
    if not above.any() or not above[-1]:
        return None
    below = np.flatnonzero(~above)
    return int(band.end[below[-1] + 1 if len(below) else 0])


def _lead(experiment: Experiment, found: Comparison, *, clear: bool, choice: int, level: float) -> str:
    headline = found.headline
    where = place(experiment)
    start, end = experiment.window
    about = f"{_sure(found, choice, level)}; searches {start:,} to {end:,}"
    lead = f"{amount(headline.value, experiment, signed=True)} per 1,000 searches"
    if headline.low is None:
        return f"{where} {found.arm} has {lead} against {found.baseline} ({about}): how sure that is can't be said."
    if not clear:
        return f"{where} {found.arm} and {found.baseline} can't be told apart: {lead} ({about})."
    if headline.value > 0:
        return f"{where} {found.arm} leads {found.baseline} by {lead} ({about})."
    return f"{where} {found.baseline} leads: the closest arm, {found.arm}, has {lead} against it ({about})."


def _sure(found: Comparison, choice: int, level: float) -> str:
    """The interval, what it is over and what it allows for."""
    headline, worlds = found.headline, len(np.unique(found.worlds))
    over = f"{len(found.worlds)} replicates" + (f" in {worlds} worlds" if worlds > 1 else "")
    noise = found.source if worlds > 1 and found.source != "simulation noise" else "simulation noise only"
    if headline.low is None or headline.high is None:
        return f"no interval: {headline.note}, {over}"
    low, high = (number(value) for value in (headline.low, headline.high))
    allowing = f" allowing for the choice among {choice} arms" if choice > 1 else ""
    return f"{level:.0%} interval {low} to {high}{allowing}, over {over}, {noise}".replace("%", " %")


def _others(leader: str, rivals: Sequence[str], arms: Sequence[str], baseline: str, *, clear: bool) -> str:
    named = [arm for arm in rivals if arm != baseline or clear]
    if named:
        return f"It can't be told apart from {_listed(named)}." if clear and leader != baseline else ""
    if clear and leader != baseline and len(arms) > 2:
        return "It leads all other arms."
    return ""


def _learned(figures: pd.DataFrame, experiment: Experiment, leader: str, level: float) -> str:
    """How the first learned arm does, which most questions are about, where it does not lead."""
    names = [arm for arm, spec in experiment.arms.items() if spec.kind == "learned" and arm != experiment.baseline]
    if not names or names[0] == leader or leader == experiment.baseline:
        return ""
    start, end = experiment.window
    found = compare(figures, names[0], experiment.baseline, _MEASURE, start=start, end=end, level=level)
    low, value, high = found.headline.low, found.headline.value, found.headline.high
    if low is None or high is None:
        return f"{found.arm} has {number(value)} against {found.baseline}."
    between = f"{number(value)} ({number(low)} to {number(high)})"
    if low <= 0 <= high:
        return f"{found.arm} and {found.baseline} can't be told apart: {between}."
    verb = "leads" if value > 0 else "is behind"
    return f"{found.arm} {verb} {found.baseline} by {between}."


def _need(needed: Needed | None, units: str, experiment: Experiment) -> str:
    if needed is None or needed.expected is None or needed.cautious is None:
        return ""
    now = experiment.replicates if units == "replicates" else experiment.world.worlds
    if needed.cautious <= now:
        return ""
    return f"A difference of that size would be clear after about {needed.expected:,} to {needed.cautious:,} {units}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
