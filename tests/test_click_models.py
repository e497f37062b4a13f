"""PBM, CM and DBN: draws, exact marginals and reference lists, against enumeration of everything that can happen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulators.click_models.base import ClickModel
from simulators.click_models.cascade import CM
from simulators.click_models.dbn import DBN
from simulators.click_models.pbm import PBM
from simulators.impressions import feedback
from simulators.variates import Channel, uniforms

Floats = NDArray[np.float64]

THETA = np.array([0.5, 0.9, 0.3, 0.7])  # not falling
MODELS: dict[str, ClickModel] = {
    "PBM": PBM(THETA),
    "CM": CM(),
    "DBN": DBN(0.8, 0.6),
    "DBN, satisfaction by document": DBN(0.9, np.array([0.1, 0.9, 0.5, 1.0])),
    "DBN that nothing stops": DBN(1.0, 0.0),
    "DBN that is a CM": DBN(1.0, 1.0),
}
MODEL = pytest.mark.parametrize("name", MODELS)


def paths(model: ClickModel, alpha: Floats) -> Iterator[tuple[float, list[bool], list[bool]]]:
    """All that can happen on a list, by the stories the models tell: (probability, slots examined, slots clicked)."""
    k = len(alpha)
    satisfies = np.broadcast_to(model.satisfaction_probability, k) if isinstance(model, DBN) else np.ones(k)
    for attracts in itertools.product((False, True), repeat=k):
        of_documents = float(np.prod([a if yes else 1 - a for a, yes in zip(alpha, attracts, strict=True)]))
        if isinstance(model, PBM):
            for seen in itertools.product((False, True), repeat=k):
                theta = model.examination_probability[:k]
                of_slots = float(np.prod([t if yes else 1 - t for t, yes in zip(theta, seen, strict=True)]))
                yield of_documents * of_slots, list(seen), [a and b for a, b in zip(attracts, seen, strict=True)]
        else:
            going_on = model.continuation_probability if isinstance(model, DBN) else 1.0
            for last in range(k):  # the slot after which the user leaves
                chance = of_documents
                for slot in range(last + 1):
                    stops = satisfies[slot] if attracts[slot] else 0.0
                    onward = (1 - stops) * going_on
                    chance *= onward if slot < last else (1 - onward if slot < k - 1 else 1.0)
                examined = [slot <= last for slot in range(k)]
                yield chance, examined, [a and b for a, b in zip(attracts, examined, strict=True)]


def by_enumeration(model: ClickModel, alpha: Floats) -> tuple[Floats, Floats]:
    """(probability that each slot is examined, that it is clicked)."""
    told = list(paths(model, alpha))
    chance = np.array([one[0] for one in told])
    assert chance.sum() == pytest.approx(1.0, abs=1e-12)
    return chance @ np.array([one[1] for one in told]), chance @ np.array([one[2] for one in told])


@MODEL
@pytest.mark.parametrize("alpha", [[0.2, 0.5, 0.7, 0.4], [0.0, 1.0, 0.3, 0.9], [1.0, 1.0, 0.0, 0.0]])
def test_marginals_are_those_of_enumeration(name: str, alpha: list[float]) -> None:
    model, shown = MODELS[name], np.array(alpha)
    examined, clicked = by_enumeration(model, shown)
    assert np.abs(model.examination(shown) - examined).max() < 1e-12
    assert np.abs(model.click_probabilities(shown) - clicked).max() < 1e-12
    worth = np.array([1.0, 3.0, 0.5, 2.0])
    assert model.expected_reward(shown, worth) == pytest.approx(float(clicked @ worth), abs=1e-12)
    # Many lists at once, whatever the shape before the slots.
    many = np.stack([np.stack([shown, shown[::-1]])] * 3)
    assert model.click_probabilities(many).shape == (3, 2, 4)
    assert (model.click_probabilities(many)[2, 0] == model.click_probabilities(shown)).all()
    assert model.expected_reward(many, np.ones((3, 2, 4))).shape == (3, 2)


@MODEL
def test_draws_match_marginals_and_which_slots_are_clicked_together(name: str) -> None:
    """Each of 16 sets of clicked slots, in 200,000 lists: 4.5 standard errors, which fair draws exceed in 0.01 %."""
    model, alpha, m = MODELS[name], np.array([0.3, 0.5, 0.7, 0.4]), 200_000
    u = np.random.default_rng(5).random((3, m, 4))
    clicks = model.draw(np.tile(alpha, (m, 1)), *u)
    told = np.zeros(16)
    for chance, _, clicked in paths(model, alpha):
        told[np.array(clicked) @ [1, 2, 4, 8]] += chance
    seen = np.bincount(clicks @ [1, 2, 4, 8], minlength=16) / m
    assert (np.abs(seen - told) <= 4.5 * np.sqrt(told * (1 - told) / m) + 1e-9).all()


def test_draws_are_the_definitions() -> None:
    alpha = np.full((1, 3), 0.5)
    yes, no = 0.4, 0.6
    assert CM().draw(alpha, np.ones((1, 3)), np.array([[no, yes, yes]])).tolist() == [[False, True, False]]
    dbn = DBN(0.5, 0.5)

    def draw(examination: list[float], attraction: list[float], satisfaction: list[float]) -> list[bool]:
        found: list[bool] = dbn.draw(alpha[0], *(np.array(u) for u in (examination, attraction, satisfaction))).tolist()
        return found

    assert draw([no, yes, yes], [yes, yes, yes], [no, no, no]) == [True, True, True]  # slot 1 is always examined
    assert draw([yes, yes, yes], [yes, yes, yes], [no, yes, no]) == [True, True, False]  # satisfied
    assert draw([yes, no, yes], [yes, yes, yes], [no, no, no]) == [True, False, False]  # gave up
    assert draw([yes, yes, yes], [no, yes, yes], [yes, no, no]) == [False, True, True]  # nothing satisfies unclicked
    with pytest.raises(ValueError, match="satisfaction"):
        dbn.draw(alpha, alpha, alpha)


def test_models_refuse_what_they_can_not_mean() -> None:
    for gamma, satisfaction in [(1.1, 0.5), (-0.1, 0.5), (0.5, 1.5), (np.nan, 0.5), (0.5, np.nan)]:
        with pytest.raises(ValueError, match=r"0\.\.1"):
            DBN(gamma, satisfaction)
    for model in MODELS.values():
        for alpha, worth, slots in [
            (np.full((1, 4), 1.5), np.ones((1, 4)), 2),
            (np.full((1, 4), 0.5), np.full((1, 4), np.inf), 2),
            (np.full((1, 4), 0.5), np.ones((1, 3)), 2),
            (np.full((1, 4), 0.5), np.ones((1, 4)), 0),
            (np.full(4, 0.5), np.ones(4), 2),
            (np.empty((1, 0)), np.empty((1, 0)), 2),
        ]:
            with pytest.raises(ValueError, match=r"0\.\.1|finite|shapes"):
                model.reference_list(alpha, worth, slots)
    with pytest.raises(ValueError, match="slots"):
        PBM(THETA).reference_list(np.full((1, 6), 0.5), np.ones((1, 6)), 5)


def with_satisfaction_of(model: ClickModel, columns: NDArray[np.int64]) -> ClickModel:
    """The model for lists of these candidates, where it has a number per candidate."""
    if isinstance(model, DBN) and np.ndim(model.satisfaction_probability):
        return DBN(model.continuation_probability, np.asarray(model.satisfaction_probability)[columns])
    return model


def best_by_enumeration(model: ClickModel, alpha: Floats, worth: Floats, slots: int) -> float:
    there = np.flatnonzero(~np.isnan(alpha))
    lists = np.array(list(itertools.permutations(there, min(slots, len(there)))))
    return float(with_satisfaction_of(model, lists).expected_reward(alpha[lists], worth[lists]).max())


def value_of(model: ClickModel, alpha: Floats, worth: Floats, columns: NDArray[np.int64]) -> float:
    kept = columns[columns >= 0]
    assert len(set(kept.tolist())) == len(kept)
    return float(with_satisfaction_of(model, kept).expected_reward(alpha[kept], worth[kept]))


# Few different numbers make ties, and 0 and 1 are where a formula breaks.
PROBABILITY = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]) | st.floats(0, 1)
WORTH = st.sampled_from([0.0, 1.0, 2.0]) | st.floats(-1, 5)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, float, list[float], list[float], list[float], int]:
    c = draw(st.integers(1, 6))
    alpha = draw(st.lists(PROBABILITY | st.just(np.nan), min_size=c, max_size=c))
    worth = draw(st.lists(WORTH, min_size=c, max_size=c))
    satisfaction = draw(st.lists(PROBABILITY, min_size=c, max_size=c))
    return (
        draw(st.sampled_from(["pbm", "cm", "dbn"])),
        draw(PROBABILITY),
        alpha,
        worth,
        satisfaction,
        draw(st.integers(1, 4)),
    )


@given(case=cases())
def test_reference_lists_are_optimal(case: tuple[str, float, list[float], list[float], list[float], int]) -> None:
    which, gamma, alphas, worths, satisfaction, slots = case
    alpha, worth = np.array(alphas), np.array(worths)
    model: ClickModel = {"pbm": PBM(THETA), "cm": CM(), "dbn": DBN(gamma, np.array(satisfaction))}[which]
    found = model.reference_list(alpha[None], worth[None], slots)[0]
    there = int((~np.isnan(alpha)).sum())
    assert found.shape == (slots,)
    assert (found[: min(slots, there)] >= 0).all() and (found[there:] == -1).all()
    if there:
        best = best_by_enumeration(model, alpha, worth, slots)
        assert value_of(model, alpha, worth, found) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("which", ["pbm", "cm", "dbn", "dbn, satisfaction by document"])
def test_reference_lists_of_many_sets_at_once_are_optimal(which: str) -> None:
    rng = np.random.default_rng(11)
    m, c, slots = 150, 7, 4
    alpha, worth = rng.beta(1, 3, (m, c)), rng.uniform(0.2, 3.0, (m, c))
    alpha[rng.random((m, c)) < 0.15] = np.nan
    satisfaction = rng.random((m, c))
    models: dict[str, ClickModel] = {
        "pbm": PBM(THETA),
        "cm": CM(),
        "dbn": DBN(0.8, 0.6),
        "dbn, satisfaction by document": DBN(0.9, satisfaction),
    }
    found = models[which].reference_list(alpha, worth, slots)
    for i in range(m):
        own = DBN(0.9, satisfaction[i]) if which == "dbn, satisfaction by document" else models[which]
        alone = own.reference_list(alpha[i : i + 1], worth[i : i + 1], slots)[0]
        assert (alone == found[i]).all()
        best = best_by_enumeration(own, alpha[i], worth[i], slots)
        assert value_of(own, alpha[i], worth[i], found[i]) == pytest.approx(best, abs=1e-12)


def test_a_list_has_no_gaps_and_the_best_document_the_most_examined_slot_in_use() -> None:
    alpha = np.array([[0.2, np.nan, 0.8, 0.4, 0.6], [0.2, np.nan, 0.8, np.nan, np.nan], [np.nan] * 5])
    found = PBM(THETA).reference_list(alpha, np.ones((3, 5)), 4)
    # Slots by examination: 2, 4, 1, 3; of the first two only: 2, 1.
    assert found.tolist() == [[3, 2, 0, 4], [0, 2, -1, -1], [-1, -1, -1, -1]]
    assert CM().reference_list(alpha[:, :2], np.ones((3, 2)), 4).tolist() == [[0, -1, -1, -1]] * 2 + [[-1] * 4]


def test_cascade_prefers_the_better_click_to_the_likelier_one() -> None:
    """One click at most: the sure click of little worth goes below, and among equals in worth order is nothing."""
    alpha, worth = np.array([[0.9, 0.5, 0.6]]), np.array([[1.0, 3.0, 1.0]])
    assert CM().reference_list(alpha, worth, 2).tolist() == [[1, 0]]
    assert PBM(np.array([1.0, 0.5])).reference_list(alpha, worth, 2).tolist() == [[1, 0]]
    assert CM().reference_list(np.array([[0.9, 0.5, 0.6]]), np.array([[1.0, 1.5, 1.0]]), 1).tolist() == [[0]]


def test_sorting_by_attractiveness_falls_short_under_dbn() -> None:
    """Design notes say 12 % for one population; here clicks differ in worth and in whether they end the search."""
    rng = np.random.default_rng(3)
    m, c, slots = 400, 100, 10
    alpha, worth, satisfaction = rng.beta(1, 4, (m, c)), rng.uniform(0.5, 1.5, (m, c)), rng.random((m, c))

    def reward(columns: NDArray[np.int64]) -> float:
        shown = [np.take_along_axis(one, columns, axis=1) for one in (alpha, worth, satisfaction)]
        return float(DBN(0.9, shown[2]).expected_reward(shown[0], shown[1]).mean())

    best = reward(DBN(0.9, satisfaction).reference_list(alpha, worth, slots))
    by_attractiveness = reward(np.argsort(-alpha, axis=1)[:, :slots])
    by_value = reward(np.argsort(-alpha * worth, axis=1)[:, :slots])
    assert by_attractiveness < 0.88 * best
    assert by_attractiveness < by_value < 0.95 * best


def test_satisfaction_and_delays_have_luck_of_their_own() -> None:
    m, rows = 4000, np.array([7, 3])
    shown, impressions = np.tile(rows, (m, 1)), np.arange(m)
    sure = np.ones((m, 2))
    two = feedback(DBN(1.0, 0.5), shown, sure, impressions, replicate=4)
    satisfied = uniforms(4, impressions, 7, Channel.SATISFACTION) < 0.5
    assert (two.clicks[:, 1] == ~satisfied).all()
    assert np.isinf(two.purchase_delay).all()

    bought = feedback(
        PBM(np.ones(2)), shown, sure, impressions, replicate=4, purchase_probability=0.5, mean_purchase_delay=3600.0
    )
    delays = bought.purchase_delay[bought.purchases]
    assert np.isinf(bought.purchase_delay[~bought.purchases]).all()
    # About 4000 exponential delays: the mean's standard error is 57 seconds, the median's the same.
    assert abs(delays.mean() - 3600) < 4 * 57 and abs(np.median(delays) - 3600 * np.log(2)) < 4 * 57
    # The same purchase elsewhere on the page comes at the same time.
    turned = feedback(
        PBM(np.ones(2)),
        shown[:, ::-1],
        sure,
        impressions,
        replicate=4,
        purchase_probability=0.5,
        mean_purchase_delay=3600.0,
    )
    assert (turned.purchase_delay[:, ::-1] == bought.purchase_delay).all()
    at_once = feedback(PBM(np.ones(2)), shown, sure, impressions, replicate=4, purchase_probability=0.5)
    assert (at_once.purchases == bought.purchases).all() and (at_once.purchase_delay[at_once.purchases] == 0).all()
    with pytest.raises(ValueError, match="delay"):
        feedback(CM(), shown, sure, impressions, replicate=4, mean_purchase_delay=-1.0)
