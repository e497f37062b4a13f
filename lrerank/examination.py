"""Logged slates -> the examination curve: how likely each slot is to be examined, relative to slot 1.

Under the position-based model a click in slot k on document d has probability theta_k * alpha_d. Slots can be compared
where the documents in them are alike. In explored slots they are not: a draw from what remains gets worse from slot to
slot, since the best documents stand above it. Click rates of explored slots fall faster than examination does.

What makes them comparable is that chance moves *the same* document. Let M_k(d) be the probability, before anything of
the page is drawn, that document d stands in slot k (the marginal, not the logged propensity, which is given what stands
above). For two slots k and l, a click in slot k on d counts

    a = M_l(d) / (M_k(d) + M_l(d))

towards A[k, l]. Then E A[k, l] = theta_k * H and E A[l, k] = theta_l * H, with the same H = the sum over pages and
documents of alpha_d * M_k(d) * M_l(d) / (M_k(d) + M_l(d)), whoever the users are and however good the policy is. No
click counts more than once, so nothing needs clipping; these are the overlap weights of Li, Morgan and Zaslavsky
("Balancing covariates via propensity score weighting", JASA 2018) on the pairs of Agarwal, Zaitsev, Wang, Li, Najork
and Joachims ("Estimating position bias without intrusive interventions", WSDM 2019). With eta = log theta, the curve
solves, for every slot k,

    U_k = sum over l of (A[k, l] - (A[k, l] + A[l, k]) * theta_k / (theta_k + theta_l)) = 0,

the score of the Bradley-Terry model with A[k, l] as the wins of k over l. Its expectation at the true curve is 0, for
each page, also given all pages before it: so a policy that learns from the same clicks does no harm, and pages of one
user count as separate pages. The interval is the sandwich H^-1 (sum of U U') H^-1 on the log scale, where U is summed
over each of 32 sets of pages in turn, with the t quantile on 31 degrees of freedom.

M is exact for `epsilon_greedy` and `uniform` without a pool. With eps the rate from `from_slot` on (0 above it), n
candidates and L = n - k + 1 of them left at slot k: a document among the best `slots` by value, with r - 1 better
ones, is described by how many of those are placed, a; slot k shows it with eps / L, plus 1 - eps once a = r - 1; one
more of the better ones is placed with 1 - eps (while a < r - 1) plus eps * (r - 1 - a) / L. A document further down is
never exploited, as at most `slots` - 1 stand above any slot, so

    M_k = eps / L_k * product over the explored slots j above k of (1 - eps / L_j),

the same for all of them: where an explored draw lands outside the greedy list, each such document is equally likely.
Tied documents have the mean M of the ranks that they share.

Other strategies and pools have no closed M. For a document outside the greedy list, with hazards
q_j(d | placed above), `survival_weights` gives

    w = q_s(d) / (q_k(d | above) * product over s <= j < k of (1 - q_j(d | above))),   s = `from_slot`,

of which the expectation over the draws is q_s(d) for every slot k: iterate over "not drawn in slot j" from the last
slot to the first.

Where examination depends on what stands above (cascade, DBN) there is no one curve. The documents from outside the
list then measure the average examination of the slot below what this policy shows, as which of them is drawn changes
nothing above them; each page counts as much as such documents are attractive on it, so the curve is below the plain
average where users who click much are satisfied sooner. Documents of the greedy list measure something else: they
stand lower where a worse document was drawn above them, and below that users read on more often. So "outside" is the
default. "all" is for when the position-based model holds: its intervals are then two to four times narrower.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np

from lrerank.errors import DataError
from lrerank.exploration import Exploration, canonical, slot_distribution
from lrerank.types import BoolArray, FloatArray, IntArray

Documents: TypeAlias = Literal["outside", "all"]

PRIOR_SEVERITY = 0.5
"""Without evidence theta_k = k^-0.5 is assumed: between no position bias and the 1/k of the literature."""

_SETS = 32
_FEWEST_CLICKS = 10.0
_BUFFERED_PAGES = 512


@dataclass(frozen=True, slots=True, eq=False)
class ExaminationCurve:
    """Examination by slot, with what it rests on.

    Attributes:
        theta: [slots] to be used: estimate and prior together, slot 1 is 1; always finite and above 0.
        estimate: [slots] from the clicks alone, relative to slot `reference`; NaN where there are too few.
        low, high: [slots] 95 % interval of `estimate`, slot by slot; both 1 at `reference`; NaN where there is none.
        reference: first slot, 1-based, with enough clicks; 1 unless exploration starts further down.
        pages: pages added, those without an explored slot included.
        note: what the reader must know; "" for nothing.
    """

    theta: FloatArray
    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    reference: int
    pages: int
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class _Ranked:
    """The arguments of `ExaminationEstimator.add`, kept until many pages can be added at once."""

    first_page: int
    spans: IntArray
    candidates: int | IntArray
    clicks: BoolArray
    rate: float
    from_slot: int


class ExaminationEstimator:
    """Adds up clicks page by page and gives the curve when asked; memory and work do not grow with pages.

    Args:
        slots: length of the lists, at least 2; every page must have this many slots (the last may be empty).
        half_life: pages after which a page counts half; None to weigh all alike.
        documents: which clicks count: those on documents from outside the greedy list, or all. See the module.
        prior: [slots] curve assumed until there is evidence, positive; None for `k ** -PRIOR_SEVERITY`.
        prior_clicks: the prior counts as much as this many clicks in every slot; above 0.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(
        self,
        slots: int,
        half_life: float | None = None,
        documents: Documents = "outside",
        prior: FloatArray | None = None,
        prior_clicks: float = 10.0,
    ) -> None:
        prior = np.arange(1.0, slots + 1.0) ** -PRIOR_SEVERITY if prior is None else np.array(prior, dtype=np.float64)
        if slots < 2 or prior.shape != (slots,) or not ((prior > 0) & np.isfinite(prior)).all():
            raise ValueError(f"a curve needs two slots or more and a positive prior for each: {slots}, {prior}")
        if half_life is not None and not half_life > 0:
            raise ValueError(f"half_life must be above 0, not {half_life}")
        if documents not in ("outside", "all"):
            raise ValueError(f"documents must be 'outside' or 'all', not {documents!r}")
        if not 0 < prior_clicks < np.inf:
            raise ValueError(f"prior_clicks must be above 0 and finite, not {prior_clicks}")
        self.slots = int(slots)
        self.half_life = half_life
        self.documents: Documents = documents
        self.prior = prior / prior[0]
        self.prior_clicks = float(prior_clicks)
        self.pages = 0
        # [set of pages, k, l]; the diagonal means nothing.
        self._sums = np.zeros((_SETS, slots, slots))
        self._summed_pages = 0
        # What is not yet in the sums: whole pages, and finished rows as (page, slot, row of a).
        self._waiting: list[_Ranked] = []
        self._rows: list[tuple[IntArray, IntArray, FloatArray]] = []
        self._waiting_pages = 0

    def add(self, spans: IntArray, candidates: int | IntArray, clicks: BoolArray, exploration: Exploration) -> None:
        """Add pages drawn by `draw_slate` with `epsilon_greedy`, `uniform` or `greedy` (which tells nothing).

        Args:
            spans: [m, slots, 2] from `rank_spans`; anything where a list has ended.
            candidates: [m] number of candidates of each page, or one number for all.
            clicks: [m, slots].
            exploration: what the pages were drawn with.

        Raises:
            ValueError: shapes that differ, a strategy that needs `survival_weights`, or a pool smaller than the
                candidates. Pages wait until there are some hundred: a click on a document that this exploration could
                not have placed there is found then, by a later call, and all that waited are left out.
        """
        if spans.shape != (*clicks.shape, 2):
            raise ValueError(f"spans {spans.shape} do not go with clicks {clicks.shape}")
        rate = _closed_rate(exploration, candidates)
        self._count(clicks)
        if rate > 0.0:
            # Copies: a caller may fill the same arrays again.
            first_page = self.pages - len(clicks)
            self._waiting.append(
                _Ranked(first_page, spans.copy(), candidates, clicks.copy(), rate, exploration.from_slot)
            )
        self._flush_if_many(len(clicks))

    def add_marginals(self, marginals: FloatArray, clicks: BoolArray) -> None:
        """Add pages under any randomisation of which the marginals are known: swaps, rankers drawn by lot.

        Args:
            marginals: [m, slots, slots] probability, before the draw, that the document shown in slot k (second axis)
                stands in slot l (third axis). Only those at clicks are read. Two rankers drawn by lot give 1/2 at
                each of the document's two slots.
            clicks: [m, slots].

        Raises:
            ValueError: shapes that differ, or a clicked document that could not stand where it stood.
        """
        if marginals.shape != (*clicks.shape, self.slots):
            raise ValueError(f"marginals {marginals.shape} do not go with clicks {clicks.shape}")
        page, slot = clicks.nonzero()
        rows = _overlap(marginals[page, slot], slot)
        self._count(clicks)
        self._rows.append((self.pages - len(clicks) + page, slot, rows))
        self._flush_if_many(len(clicks))

    def add_weighted(self, weights: FloatArray, clicks: BoolArray, from_slot: int = 1) -> None:
        """Add pages of any strategy with weights from `survival_weights`.

        Args:
            weights: [m, slots] only those at clicks are read.
            clicks: [m, slots].
            from_slot: of the exploration: slots above it can't be compared.

        Raises:
            ValueError: shapes that differ, or a weight that is negative or not finite.
        """
        if weights.shape != clicks.shape:
            raise ValueError(f"weights {weights.shape} do not go with clicks {clicks.shape}")
        page, slot = clicks.nonzero()
        weight = weights[page, slot]
        if not ((weight >= 0) & np.isfinite(weight)).all():
            raise ValueError("weights must be finite and not negative")
        # Half a click towards each pair, as between two equally likely slots.
        rows = np.where(np.arange(1, clicks.shape[1] + 1) < from_slot, 0.0, weight[:, None] / 2)
        self._count(clicks)
        self._rows.append((self.pages - len(clicks) + page, slot, rows))
        self._flush_if_many(len(clicks))

    def curve(self, monotone: bool = False) -> ExaminationCurve:
        """The curve from all pages so far; some milliseconds, so not for every page.

        Args:
            monotone: make `theta` (not the estimate) non-increasing, by isotonic regression of log theta with the
                information on each slot as weight. Right where users read from the top.
        """
        self._flush()
        sums = self._sums.sum(axis=0)
        prior = self.prior_clicks * self.prior[:, None] / (self.prior[:, None] + self.prior[None, :])
        log_theta, information = _bradley_terry(sums + prior)
        if monotone:
            log_theta = _decreasing(log_theta, information.diagonal())
        theta = np.exp(log_theta - log_theta[0])
        estimate, low, high = np.full((3, self.slots), np.nan)
        known = self._known(sums)
        reference = 1
        if len(known) > 1:
            reference = int(known[0]) + 1
            found, half = _estimated(self._sums[:, known[:, None], known])
            estimate[known], low[known], high[known] = np.exp([found, found - half, found + half])
        return ExaminationCurve(theta, estimate, low, high, reference, self.pages, self._note(known))

    def to_json(self) -> dict[str, Any]:
        """Numbers, lists and strings; `from_json` gives back the same bits."""
        self._flush()
        return {
            "slots": self.slots,
            "half_life": self.half_life,
            "documents": self.documents,
            "prior": self.prior.tolist(),
            "prior_clicks": self.prior_clicks,
            "pages": self.pages,
            "sums": self._sums.tolist(),
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> ExaminationEstimator:
        """The inverse of `to_json`.

        Raises:
            DataError: not what `to_json` writes.
        """
        try:
            estimator = cls(
                saved["slots"], saved["half_life"], saved["documents"], saved["prior"], saved["prior_clicks"]
            )
            estimator.pages = estimator._summed_pages = int(saved["pages"])
            sums = np.array(saved["sums"], dtype=np.float64)
            if sums.shape != estimator._sums.shape or not ((sums >= 0) & np.isfinite(sums)).all():
                raise ValueError("sums are damaged")
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"the saved state can't be read ({error})", path="examination", remedy="Train the model again"
            ) from error
        estimator._sums = sums
        return estimator

    def _count(self, clicks: BoolArray) -> None:
        if clicks.ndim != 2 or clicks.shape[1] != self.slots:
            raise ValueError(f"clicks must be [pages, {self.slots}], not {clicks.shape}")
        self.pages += len(clicks)

    def _flush_if_many(self, pages: int) -> None:
        self._waiting_pages += pages
        if self._waiting_pages >= _BUFFERED_PAGES:
            self._flush()

    def _flush(self) -> None:
        rows, waiting = self._rows, self._waiting
        # Emptied first: pages that turn out to be impossible are refused once, not again with every later call.
        self._rows, self._waiting, self._waiting_pages = [], [], 0
        if waiting:
            rows.append(_rank_rows(waiting, self.documents))
        if self.half_life is not None:
            self._sums *= 0.5 ** ((self.pages - self._summed_pages) / self.half_life)
        self._summed_pages = self.pages
        for page, slot, row in rows:
            if self.half_life is not None:
                row = row * 0.5 ** ((self.pages - 1 - page[:, None]) / self.half_life)
            np.add.at(self._sums, (page % _SETS, slot), row)

    def _known(self, sums: FloatArray) -> IntArray:
        """Slots, from 0, that have enough clicks and can be compared with the first of them, if need be by others."""
        from scipy.sparse.csgraph import connected_components

        wins = np.where(np.eye(self.slots, dtype=np.bool_), 0.0, sums)
        known = np.arange(self.slots)
        while len(known) > 1:
            part = wins[np.ix_(known, known)]
            # Between two equally likely slots a click counts half.
            enough = 2 * part.max(axis=1) >= _FEWEST_CLICKS
            if enough.all():
                component = connected_components(part > 0, connection="strong")[1]
                enough = component == component[0]
            if enough.all():
                return known
            known = known[enough]
        return known[:0]

    def _note(self, known: IntArray) -> str:
        notes = []
        if len(known) == 0:
            notes.append(f"fewer than {_FEWEST_CLICKS:g} comparable clicks in each slot: the curve is the prior's")
        elif len(known) < self.slots:
            missing = ", ".join(str(slot + 1) for slot in range(self.slots) if slot not in known)
            notes.append(
                f"fewer than {_FEWEST_CLICKS:g} comparable clicks in slots {missing}: the prior's part is large"
            )
        if len(known) and known[0] > 0:
            notes.append(f"the estimate is relative to slot {known[0] + 1}, the prior ties it to slot 1")
        return "; ".join(notes)


def rank_spans(values: FloatArray, order: IntArray) -> IntArray:
    """First and last rank by value that each shown document may have: they differ where documents tie.

    Args:
        values: [m, n] values that ranked (`canonical`); -inf where a page has fewer candidates.
        order: [m, k] positions into the candidates, as in `Slate.order`; negative where a list has ended.

    Returns:
        [m, k, 2] ranks from 1; without meaning where a list has ended.
    """
    shown = values[np.arange(len(values))[:, None], np.maximum(order, 0)][:, :, None]
    spans = np.empty((*order.shape, 2), dtype=np.int64)
    if len(values) == 1:
        # Three times faster for a single page, slower for many.
        ascending, wanted, n = np.sort(values[0]), shown[0, :, 0], values.shape[1]
        spans[0, :, 0] = n + 1 - ascending.searchsorted(wanted, side="right")
        spans[0, :, 1] = n - ascending.searchsorted(wanted, side="left")
        return spans
    ranked = values[:, None, :]
    spans[:, :, 0] = np.count_nonzero(ranked > shown, axis=2) + 1
    spans[:, :, 1] = np.count_nonzero(ranked >= shown, axis=2)
    return spans


@lru_cache(maxsize=4096)
def slot_marginals(candidates: int, slots: int, rate: float, from_slot: int = 1) -> FloatArray:
    """M of the module's text: [slots + 1, slots], probability of a document in each slot before anything is drawn.

    Row r - 1 is the document of rank r by value, without ties; the last row is each document ranked below `slots`.
    Rows of ranks and slots that the candidates don't fill are 0.
    """
    marginals = np.zeros((slots + 1, slots))
    rank = np.arange(min(slots, candidates))
    ahead = rank[:, None] - np.arange(len(rank))  # [rank, a] better ones not yet placed, once a of them are
    state = np.zeros((len(rank), len(rank)))
    state[:, 0] = 1.0
    outside = float(candidates > slots)
    for slot in range(len(rank)):
        left = candidates - slot
        eps = rate if slot + 1 >= from_slot else 0.0
        shown = np.where(ahead == 0, 1.0 - eps, 0.0) + eps / left
        better = np.where(ahead > 0, 1.0 - eps + eps * ahead / left, 0.0)
        marginals[rank, slot] = (state * shown).sum(axis=1)
        marginals[slots, slot] = outside * eps / left
        outside *= 1.0 - eps / left
        moved = state * better
        state = state * np.maximum(1.0 - shown - better, 0.0)
        state[:, 1:] += moved[:, :-1]
    marginals.flags.writeable = False
    return marginals


def survival_weights(
    values: FloatArray,
    incoming: FloatArray,
    order: IntArray,
    exploration: Exploration,
    wanted: BoolArray | None = None,
) -> FloatArray:
    """[k] weight of each shown document from outside the greedy list, for any strategy; 0 for the others.

    It walks through the page once for every wanted slot, half a millisecond for ten slots of 100 candidates; asking
    for clicked slots alone saves most of it. All weights are 0 where the page can't tell without bias: no support
    (`greedy`, or a rate of 0 with `epsilon_greedy` or `bag`), no document outside the list, or a pool smaller than it.

    Args:
        values, incoming, exploration: as `draw_slate` had them.
        order: [k] the whole list, as in `Slate.order`.
        wanted: [k] the slots to compute; all where not given.

    Raises:
        ValueError: as `slate_propensities`.
    """
    ranked = canonical(values)
    n, k = len(ranked), len(order)
    weights = np.zeros(k)
    smallest = n if exploration.pool is None else min(n, exploration.pool)
    unsupported = exploration.rate == 0.0 and exploration.strategy in ("epsilon_greedy", "bag")
    start = exploration.from_slot - 1
    if unsupported or exploration.strategy == "greedy" or n <= k or smallest < k or start >= k:
        return weights
    outside = ranked[order] < np.sort(ranked)[n - k]
    slots = np.arange(k)
    asked = (outside & (slots >= start) & (True if wanted is None else wanted)).nonzero()[0]
    if len(asked) == 0:
        return weights
    hazards = [
        slot_distribution(values, incoming, order[:slot], exploration)[order[asked]]
        for slot in range(start, int(asked[-1]) + 1)
    ]
    for place, slot in enumerate(asked.tolist()):
        hazard = np.array([row[place] for row in hazards[: slot - start + 1]])
        weights[slot] = hazard[0] / (hazard[-1] * (1.0 - hazard[:-1]).prod()) if hazard[0] > 0 else 0.0
    return weights


def examination_weights(
    theta: FloatArray, positions: IntArray, floor: float = 0.05, power: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """How to learn a value from rewards that were seen with probability theta: (factor of the reward, importance).

    A document in slot k brings the reward c with E c = theta_k * v. Learning the target c / theta_k with importance
    theta_k^power, in the squared loss

        sum of theta_k^power * (c / theta_k - f)^2,

    has its minimum at f = v for every power, as E(c / theta_k) = v. The powers differ in variance:

    - 2 is ordinary least squares of the click: theta^2 * (c / theta - f)^2 = (c - theta * f)^2.
    - 1 divides that by theta, in proportion to the variance theta * v * (1 - theta * v) of a rare click: the best
      weights, and for one document f = sum of c / sum of theta, the Poisson likelihood's answer. The gradient,
      theta * f - c, stays within -1 and 1 for clicks and f in 0..1, however small theta is.
    - 0 is inverse propensity weighting; one click at theta = 0.1 pulls as hard as ten in slot 1.

    Args:
        theta: [slots] the curve, `ExaminationCurve.theta`.
        positions: [...] slots from 1; those beyond the curve count as its last.
        floor: theta below it counts as the floor. That underestimates what was clicked there, by theta / floor.
        power: of the importance.

    Returns:
        [...], [...]: pass `rewards * factor` and `weights=importance` to `VWModel.learn`.

    Raises:
        ValueError: a position below 1, or a floor that is not in (0, 1].
    """
    if not 0 < floor <= 1:
        raise ValueError(f"floor must be above 0 and at most 1, not {floor}")
    if (positions < 1).any():
        raise ValueError("positions count from 1")
    examined = np.maximum(theta[np.minimum(positions, len(theta)) - 1], floor)
    return 1.0 / examined, examined**power


def _closed_rate(exploration: Exploration, candidates: int | IntArray) -> float:
    rates = {"greedy": 0.0, "uniform": 1.0, "epsilon_greedy": exploration.rate}
    if exploration.strategy not in rates:
        raise ValueError(f"{exploration.strategy} has no closed marginals: use survival_weights and add_weighted")
    if exploration.pool is not None and np.any(np.asarray(candidates) > exploration.pool):
        raise ValueError("with a pool there are no closed marginals: use survival_weights and add_weighted")
    return rates[exploration.strategy]


def _rank_rows(waiting: list[_Ranked], documents: Documents) -> tuple[IntArray, IntArray, FloatArray]:
    """The clicks of pages as rows: pages [c], slots [c], what each counts towards its pair with each slot [c, slots]."""
    lengths = np.array([len(part.clicks) for part in waiting])
    setting = np.array([(part.rate, part.from_slot, part.first_page) for part in waiting])
    # What to add to a page's place among those waiting to get its number.
    setting[:, 2] -= lengths.cumsum() - lengths
    rate, from_slot, shift = np.repeat(setting, lengths, axis=0).T
    if all(isinstance(part.candidates, int) for part in waiting):
        counts = np.repeat([part.candidates for part in waiting], lengths)
    else:
        counts = np.concatenate([np.broadcast_to(part.candidates, len(part.clicks)) for part in waiting])
    page, slot = np.concatenate([part.clicks for part in waiting]).nonzero()
    span = np.concatenate([part.spans for part in waiting])[page, slot]
    slots = waiting[0].clicks.shape[1]
    if documents == "outside":
        # Where everything is drawn uniformly nothing is in the greedy list.
        kept = (span[:, 0] > slots) | (rate[page] == 1.0)
        page, slot, span = page[kept], slot[kept], span[kept]
    marginals = np.empty((len(page), slots))
    settings, which = np.unique(np.column_stack([counts, rate, from_slot])[page], axis=0, return_inverse=True)
    for number, (count, eps, start) in enumerate(settings.tolist()):
        chosen = which == number
        marginals[chosen] = _span_marginals(slot_marginals(int(count), slots, eps, int(start)), span[chosen])
    return page + shift[page].astype(np.int64), slot, _overlap(marginals, slot)


def _span_marginals(table: FloatArray, span: IntArray) -> FloatArray:
    """[clicks, slots] mean marginal over the ranks of each span."""
    slots = len(table) - 1
    summed = np.vstack([np.zeros(slots), table[:-1].cumsum(axis=0)])
    before, last = span[:, 0] - 1, span[:, 1]
    inside = summed[np.minimum(last, slots)] - summed[np.minimum(before, slots)]
    below = np.maximum(last - np.maximum(before, slots), 0)
    return np.asarray((inside + below[:, None] * table[-1]) / (last - before)[:, None])


def _overlap(marginals: FloatArray, slot: IntArray) -> FloatArray:
    """[clicks, slots] what each click counts towards the pair of its slot with each other one."""
    own = marginals[np.arange(len(slot)), slot][:, None]
    if not (own > 0).all():
        raise ValueError("a document was clicked in a slot where its probability is 0")
    return marginals / (own + marginals)


def _estimated(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log theta relative to the first slot, and the half-width of its interval: [slots], [slots].

    Args:
        sums: [sets, slots, slots].
    """
    from scipy.special import stdtrit

    log_theta, information = _bradley_terry(sums.sum(axis=0))
    score = np.array([_score(part, log_theta) for part in sums])[:, 1:]
    meat = score.T @ score * (_SETS / (_SETS - 1))
    inverse = np.linalg.inv(information[1:, 1:])
    variance = np.maximum((inverse @ meat @ inverse).diagonal(), 0.0)
    half = float(stdtrit(_SETS - 1, 0.975)) * np.sqrt(variance)
    return log_theta, np.append(0.0, half)


def _score(wins: FloatArray, log_theta: FloatArray) -> FloatArray:
    share = 1.0 / (1.0 + np.exp(log_theta[None, :] - log_theta[:, None]))
    return np.asarray((wins - (wins + wins.T) * share).sum(axis=1))


def _bradley_terry(wins: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log strengths with the first at 0, and the information matrix: [k], [k, k].

    Newton's method on a concave log-likelihood, with halved steps; needs a win of each over each, or chains of them.
    """
    wins = np.where(np.eye(len(wins), dtype=np.bool_), 0.0, wins)
    log_theta = np.zeros(len(wins))
    likelihood = _likelihood(wins, log_theta)
    for _ in range(100):
        information = _information(wins, log_theta)
        step = np.append(0.0, np.linalg.solve(information[1:, 1:], _score(wins, log_theta)[1:]))
        size = 1.0
        while size > 1e-6 and _likelihood(wins, log_theta + size * step) < likelihood:
            size /= 2
        log_theta = log_theta + size * step
        likelihood = _likelihood(wins, log_theta)
        if np.abs(step).max() < 1e-9:
            break
    return log_theta, _information(wins, log_theta)


def _likelihood(wins: FloatArray, log_theta: FloatArray) -> float:
    return -float((wins * np.logaddexp(0.0, log_theta[None, :] - log_theta[:, None])).sum())


def _information(wins: FloatArray, log_theta: FloatArray) -> FloatArray:
    share = 1.0 / (1.0 + np.exp(log_theta[None, :] - log_theta[:, None]))
    pairs = (wins + wins.T) * share * (1.0 - share)
    return np.asarray(np.diag(pairs.sum(axis=1)) - pairs)


def _decreasing(log_theta: FloatArray, weights: FloatArray) -> FloatArray:
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(log_theta, weights=weights, increasing=False).x)
