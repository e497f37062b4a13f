"""Propensities are exact: against brute force, against frequencies, against Vowpal Wabbit."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import vowpal_wabbit_next as vw
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from lrerank.errors import PipelineError
from lrerank.exploration import (
    STRATEGIES,
    TIE_TOLERANCE,
    Exploration,
    Strategy,
    canonical,
    draw_slate,
    slate_propensities,
    slot_distribution,
)
from lrerank.types import FloatArray

GUARDS = {"none": {}, "from_slot": {"from_slot": 2}, "pool": {"pool": 2}, "both": {"from_slot": 2, "pool": 3}}

DISTINCT = np.array([0.3, -0.1, 0.5, 0.2])
TIED = np.array([0.4, 0.1, 0.4, 0.1])
MEMBERS = np.array(
    [
        [0.3, 0.1, 0.5, 0.2],
        [0.6, 0.1, 0.2, 0.3],
        [0.1, 0.1, 0.7, 0.7],
        [0.2, 0.9, 0.4, 0.1],
        [0.5, 0.2, 0.5, 0.4],
    ]
)
INCOMING = np.array([0.2, 0.9, 0.2, 0.4])


def parameters(**given_: Any) -> Exploration:
    return Exploration(**{"rate": 0.2, "temperature": 0.3, "gamma": 15.0, **given_})


# --- an independent implementation, written as the definitions read --------------------------------------------------


def plain_member_slot(own: FloatArray, mean: FloatArray, pool: list[int], left: list[int], e: Exploration) -> Any:
    """One member's distribution of a slot that may be explored, as {document: probability}."""
    pool_left = [i for i in left if i in pool]
    best = max(mean[i] for i in left)
    support = [i for i in left if i in pool or mean[i] == best]
    rate = {"greedy": 0.0, "uniform": 1.0}.get(e.strategy, e.rate)
    if e.strategy == "softmax":
        total = sum(np.exp(own[i] / e.temperature) for i in support)
        q = {i: np.exp(own[i] / e.temperature) / total for i in support}
    elif e.strategy == "squarecb":
        q = {i: 1 / (len(support) + e.gamma * (best - own[i])) for i in support if own[i] < best}
        rest = 1 - sum(q.values())
        q |= {i: rest / sum(own[j] == best for j in support) for i in support if own[i] == best}
    else:
        among = support if e.strategy == "bag" else left
        top = max(own[i] for i in among)
        q = {i: 1 / sum(own[j] == top for j in among) for i in among if own[i] == top}
    return {i: (1 - rate) * q.get(i, 0.0) + rate * (i in pool_left) / len(pool_left) for i in left}


def plain_list_probability(rows: FloatArray, incoming: FloatArray, order: tuple[int, ...], e: Exploration) -> float:
    """The probability of a list: the mean over members of the product of the member's own slots."""
    n = rows.shape[1]
    mean = rows.mean(axis=0).round(12)
    pool = sorted(range(n), key=lambda i: (-incoming[i], i))[: e.pool or n]
    if e.strategy != "bag":
        rows = mean[None]
    products = []
    for own in rows:
        product = 1.0
        left = list(range(n))
        for slot, document in enumerate(order, start=1):
            if slot < e.from_slot or not set(pool) & set(left):
                best = [i for i in left if mean[i] == max(mean[j] for j in left)]
                product *= (document in best) / len(best)
            else:
                product *= plain_member_slot(own, mean, pool, left, e)[document]
            left.remove(document)
        products.append(product)
    return float(np.mean(products))


@pytest.mark.parametrize("guards", GUARDS.values(), ids=GUARDS.keys())
@pytest.mark.parametrize("values", [DISTINCT, TIED, MEMBERS, np.zeros(4)], ids=["distinct", "tied", "bag", "fresh"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_list_has_the_probability_of_the_definitions(
    strategy: Strategy, values: FloatArray, guards: dict[str, int]
) -> None:
    e = parameters(strategy=strategy, **guards)
    for slots in (1, 2, 3, 4):
        lists = list(permutations(range(4), slots))
        ours = [slate_propensities(values, INCOMING, order, e).prod() for order in lists]
        expected = [plain_list_probability(np.atleast_2d(values), INCOMING, order, e) for order in lists]
        np.testing.assert_allclose(ours, expected, atol=1e-12)
        assert sum(ours) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_five_documents_with_random_members(strategy: Strategy) -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        rows, incoming = rng.normal(size=(3, 5)).round(1), rng.normal(size=5)
        e = parameters(strategy=strategy, pool=3, rate=0.3)
        probabilities = [slate_propensities(rows, incoming, order, e).prod() for order in permutations(range(5), 3)]
        expected = [plain_list_probability(rows, incoming, order, e) for order in permutations(range(5), 3)]
        np.testing.assert_allclose(probabilities, expected, atol=1e-12)


# --- frequencies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guards", GUARDS.values(), ids=GUARDS.keys())
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_lists_are_drawn_as_often_as_they_say(strategy: Strategy, guards: dict[str, int]) -> None:
    """Chi-square over all lists of 4 out of 4; 1e-4 keeps 24 seeded cases free of false alarms (0.2 % in all)."""
    e = parameters(strategy=strategy, **guards)
    rng = np.random.default_rng(11)
    lists = list(permutations(range(4)))
    counts = dict.fromkeys(lists, 0)
    draws = 1500
    for _ in range(draws):
        slate = draw_slate(MEMBERS, INCOMING, 4, e, rng)
        counts[tuple(slate.order.tolist())] += 1
    expected = draws * np.array([slate_propensities(MEMBERS, INCOMING, order, e).prod() for order in lists])
    found = np.array(list(counts.values()))
    assert found[expected == 0].sum() == 0
    # Cells too small for the chi-square approximation are pooled into one.
    small = expected < 5
    expected = np.append(expected[~small], expected[small].sum())
    found = np.append(found[~small], found[small].sum())
    filled = expected > 0
    statistic = ((found - expected)[filled] ** 2 / expected[filled]).sum()
    assert statistic <= chi2.isf(1e-4, max(filled.sum() - 1, 1))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_slots_of_a_long_list_follow_their_distribution(strategy: Strategy) -> None:
    """Given what stands above, 1{i drawn} - q(i) has mean 0 and variance q (1 - q): 30 sums within 5 deviations."""
    rng = np.random.default_rng(5)
    rows = rng.normal(0.2, 0.2, size=(5, 30)).round(1)  # rounded: many ties
    incoming = rng.normal(size=30)
    e = parameters(strategy=strategy, pool=20, from_slot=2)
    surplus, variance = np.zeros(30), np.zeros(30)
    for _ in range(150):
        slate = draw_slate(rows, incoming, 6, e, rng)
        np.testing.assert_array_equal(slate.propensities, slate_propensities(rows, incoming, slate.order, e))
        for slot, document in enumerate(slate.order):
            q = slot_distribution(rows, incoming, slate.order[:slot], e)
            assert q.sum() == pytest.approx(1.0, abs=1e-12)
            assert q[document] == slate.propensities[slot]
            surplus -= q
            surplus[document] += 1
            variance += q * (1 - q)
    assert (np.abs(surplus) <= 5 * np.sqrt(variance) + 1e-9).all()


def test_share_of_pages_with_an_explored_slot() -> None:
    """Epsilon 0.1 in ten slots of 100 distinct documents; the share of 2,000 pages within 5 binomial deviations."""
    rng = np.random.default_rng(2)
    values, e = rng.normal(size=100), Exploration(rate=0.1)
    explored = [draw_slate(values, np.zeros(100), 10, e, rng).explored.any() for _ in range(2000)]
    # A uniform draw may hit the best one; then nothing was explored.
    share = 1 - np.prod([1 - 0.1 * (1 - 1 / left) for left in range(100, 90, -1)])
    assert share == pytest.approx(0.65, abs=0.01)
    assert np.mean(explored) == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 2000))


def test_averaging_the_members_anew_in_each_slot_is_wrong() -> None:
    """Five members: one orders 0, 1, 2, 3, the others 2, 3, 1, 0. Who placed 0 first goes on with 1."""
    rows = np.array([[0.9, 0.8, 0.7, 0.1]] + [[0.1, 0.5, 0.9, 0.7]] * 4)
    e, order = Exploration(strategy="bag", rate=0.1), (0, 1, 2)
    ours = slate_propensities(rows, np.zeros(4), order, e).prod()
    members = [slate_propensities(row[None], np.zeros(4), order, e) for row in rows]
    averaged = np.mean(members, axis=0).prod()
    rng = np.random.default_rng(0)
    draws = 5000
    hits = sum(tuple(draw_slate(rows, np.zeros(4), 3, e, rng).order) == order for _ in range(draws))
    deviation = np.sqrt(ours * (1 - ours) / draws)
    # Per slot a member's best has 0.9 + 0.1 / left, another document 0.1 / left; the last slot suits both kinds.
    alone, others = (0.9 + 0.1 / 4) * (0.9 + 0.1 / 3) * 0.95, 0.1 / 4 * 0.1 / 3 * 0.95
    assert ours == pytest.approx(alone / 5 + others * 4 / 5, abs=1e-12)
    assert averaged == pytest.approx((0.9 / 5 + 0.1 / 4) * (0.9 / 5 + 0.1 / 3) * 0.95, abs=1e-12)
    assert averaged < 0.3 * ours
    assert hits / draws == pytest.approx(ours, abs=5 * deviation)
    assert abs(hits / draws - averaged) > 20 * deviation


# --- Vowpal Wabbit ----------------------------------------------------------------------------------------------------

ACTIONS = 6


def vw_examples(workspace: vw.Workspace[Any], chosen: int | None = None, cost: float = 0.0) -> list[vw.Example]:
    parser = vw.TextFormatParser(workspace)
    lines = ["shared |s user"]
    lines += [f"{f'{a}:{cost}:1 ' if a == chosen else ''}|d a{a} x:{0.1 * a}" for a in range(ACTIONS)]
    return [parser.parse_line(line) for line in lines]


def trained(*options: str, rounds: int = 60) -> vw.Workspace[Any]:
    workspace = vw.Workspace(["--quiet", "--noconstant", *options])
    rng = np.random.default_rng(1)
    for _ in range(rounds):
        action = int(rng.integers(ACTIONS))
        workspace.learn_one(vw_examples(workspace, action, -float(rng.random() < (action + 1) / 8)))
    return workspace


def predicted(workspace: vw.Workspace[Any]) -> FloatArray:
    result = np.empty(ACTIONS)
    pairs: Any = workspace.predict_one(vw_examples(workspace))
    for action, number in pairs:
        result[action] = number
    return result


def first_slot(values: FloatArray, e: Exploration) -> FloatArray:
    return slot_distribution(values, np.zeros(ACTIONS), [], e)


@pytest.mark.parametrize("rounds", [0, 60])
@pytest.mark.parametrize(
    ("options", "exploration"),
    [
        (["--epsilon", "0.2"], Exploration(rate=0.2)),
        (["--softmax", "--lambda", "7"], Exploration("softmax", rate=0, temperature=1 / 7)),
        (["--softmax", "--lambda", "40"], Exploration("softmax", rate=0, temperature=1 / 40)),
        (["--squarecb", "--gamma_exponent", "0"], Exploration("squarecb", rate=0, gamma=10)),
        (
            ["--squarecb", "--gamma_scale", "3", "--gamma_exponent", "0.5"],
            Exploration("squarecb", rate=0, gamma=3 * 60**0.5),
        ),
    ],
)
def test_first_slot_is_vws_pmf(options: list[str], exploration: Exploration, rounds: int) -> None:
    """The values come from a twin without an explorer that learned the same."""
    values = -predicted(trained("--cb_adf", rounds=rounds)).astype(np.float64)
    pmf = predicted(trained("--cb_explore_adf", *options, rounds=rounds))
    np.testing.assert_allclose(first_slot(values, exploration), pmf, atol=1e-6)


def member_values(workspace: vw.Workspace[Any], members: int) -> FloatArray:
    """[members, ACTIONS] minus the costs, read off the weights."""

    def weight(name: str, namespace: str) -> Any:
        return workspace.weights()[workspace.get_index_for_scalar_feature(name, namespace_name=namespace), :members, 0]

    user, x = weight("user", "s"), weight("x", "d")
    costs = np.stack([user + weight(f"a{a}", "d") + np.float32(0.1 * a) * x for a in range(ACTIONS)], axis=1)
    return -costs.astype(np.float64)


def test_first_slot_is_vws_bag() -> None:
    """While it learns: at first all tie, then within some members, then the members differ. VW splits ties too."""
    seen = set()
    for rounds in range(0, 40, 2):
        workspace = trained("--cb_explore_adf", "--bag", "5", rounds=rounds)
        values, pmf = member_values(workspace, 5), predicted(workspace)
        np.testing.assert_allclose(first_slot(values, Exploration("bag", rate=0)), pmf, atol=1e-6)
        seen.add(tuple(np.sort(pmf).round(3)))
    assert len(seen) >= 4


def test_with_an_epsilon_vws_softmax_lifts_where_ours_mixes() -> None:
    """The documented difference: VW raises what is below epsilon / n and scales the rest."""
    values = -predicted(trained("--cb_adf")).astype(np.float64)
    pure = first_slot(values, Exploration("softmax", rate=0, temperature=1 / 7))
    low = pure < 0.5 / ACTIONS
    lifted = np.where(low, 0.5 / ACTIONS, pure * (1 - low.sum() * 0.5 / ACTIONS) / pure[~low].sum())
    vws = predicted(trained("--cb_explore_adf", "--softmax", "--lambda", "7", "--epsilon", "0.5"))
    np.testing.assert_allclose(vws, lifted, atol=1e-6)
    ours = first_slot(values, Exploration("softmax", rate=0.5, temperature=1 / 7))
    np.testing.assert_allclose(ours, 0.5 * pure + 0.5 / ACTIONS, atol=1e-12)


# --- guards, ties, sharp numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_slots_above_from_slot_are_the_best_documents(strategy: Strategy) -> None:
    rng = np.random.default_rng(7)
    e = parameters(strategy=strategy, from_slot=4, rate=0.9)
    rows = rng.normal(size=(3, 20))
    best = np.argsort(-rows.mean(axis=0))[:3]
    for _ in range(20):
        slate = draw_slate(rows, np.zeros(20), 8, e, rng)
        np.testing.assert_array_equal(slate.order[:3], best)
        np.testing.assert_array_equal(slate.propensities[:3], 1.0)
        assert not slate.explored[:3].any()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_outside_the_pool_is_ever_explored(strategy: Strategy) -> None:
    rng = np.random.default_rng(8)
    e = parameters(strategy=strategy, pool=4, rate=0.5)
    rows, incoming = rng.normal(size=(5, 12)), rng.normal(size=12)
    pool = set(np.argsort(-incoming)[:4].tolist())
    for _ in range(50):
        slate = draw_slate(rows, incoming, 12, e, rng)
        left = set(pool)
        for document, explored, propensity in zip(slate.order, slate.explored, slate.propensities, strict=True):
            assert document in pool or not explored
            if not left:
                assert (explored, propensity) == (False, 1.0)
            left.discard(int(document))


def test_pool_ties_go_to_the_earlier_position() -> None:
    q = slot_distribution(np.array([0.0, 1.0, 2.0]), np.zeros(3), [], Exploration("uniform", pool=2))
    np.testing.assert_array_equal(q, [0.5, 0.5, 0.0])


def test_a_bag_of_one_is_epsilon_greedy_draw_for_draw() -> None:
    values = np.random.default_rng(1).normal(size=20).round(1)
    for guards in GUARDS.values():
        bag, greedy = (
            draw_slate(values, -values, 10, parameters(strategy=s, **guards), np.random.default_rng(4))
            for s in ("bag", "epsilon_greedy")
        )
        np.testing.assert_array_equal(bag.order, greedy.order)
        np.testing.assert_allclose(bag.propensities, greedy.propensities, rtol=1e-12)


def test_every_strategy_takes_the_same_number_of_variates() -> None:
    after = set()
    for strategy in STRATEGIES:
        rng = np.random.default_rng(9)
        draw_slate(MEMBERS, INCOMING, 3, parameters(strategy=strategy), rng)
        after.add(rng.random())
    assert len(after) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1.0, 1e6, 1e300])
@pytest.mark.parametrize("knob", [1e-300, 1.0, 1e300])
def test_extreme_numbers_stay_probabilities(strategy: Strategy, scale: float, knob: float) -> None:
    rng = np.random.default_rng(6)
    values = scale * rng.normal(size=12)
    e = Exploration(strategy, temperature=knob, gamma=knob, rate=0.0, pool=6)
    placed: list[int] = []
    for document in draw_slate(values, rng.normal(size=12), 12, e, rng).order:
        q = slot_distribution(values, np.zeros(12), placed, e)
        assert (q >= 0).all()
        assert q.sum() == pytest.approx(1.0, abs=1e-12)
        placed.append(int(document))


def test_an_impossible_prefix_leaves_the_members_as_they_were() -> None:
    rows = np.array([[3.0, 2.0, 1.0, 0.0], [3.0, 1.0, 2.0, 0.0]])
    e = Exploration("bag", rate=0.0)
    np.testing.assert_allclose(slate_propensities(rows, np.zeros(4), [3, 0, 1, 2], e), [0.0, 1.0, 0.5, 1.0])


def test_nothing_to_rank_and_fewer_documents_than_slots() -> None:
    rng = np.random.default_rng(0)
    for strategy in STRATEGIES:
        e = parameters(strategy=strategy)
        assert len(draw_slate(np.zeros(0), np.zeros(0), 5, e, rng).order) == 0
        assert sorted(draw_slate(np.zeros(3), np.zeros(3), 5, e, rng).order) == [0, 1, 2]


def test_misuse_is_refused() -> None:
    e = Exploration()
    with pytest.raises(ValueError, match="finite"):
        draw_slate(np.array([0.0, np.nan]), np.zeros(2), 1, e, np.random.default_rng())
    with pytest.raises(ValueError, match="finite"):
        draw_slate(np.array([[0.0, np.inf], [0.0, 1.0]]), np.zeros(2), 1, e, np.random.default_rng())
    with pytest.raises(ValueError, match="incoming"):
        draw_slate(np.zeros(3), np.zeros(2), 1, e, np.random.default_rng())
    for order in ([0, 0], [2], [-1]):
        with pytest.raises(ValueError, match="different positions"):
            slate_propensities(np.zeros(2), np.zeros(2), order, e)


@pytest.mark.parametrize(
    ("given_", "path"),
    [
        ({"strategy": "thompson"}, "exploration"),
        ({"rate": 1.2}, "exploration_rate"),
        ({"rate": float("nan")}, "exploration_rate"),
        ({"temperature": 0.0}, "exploration_parameters.temperature"),
        ({"gamma": float("inf")}, "exploration_parameters.gamma"),
        ({"from_slot": 0}, "explore_from_slot"),
        ({"pool": 0}, "explore_pool"),
    ],
)
def test_parameters_out_of_range_are_refused(given_: dict[str, Any], path: str) -> None:
    with pytest.raises(PipelineError) as refused:
        Exploration(**given_)
    assert str(refused.value).startswith(f"{path}: ")


# --- properties -------------------------------------------------------------------------------------------------------

numbers = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 0.1, 0.1 + 5e-7, 0.1 + 1e-6, 0.3])


@given(st.lists(numbers, min_size=1, max_size=30))
def test_canonical_values_are_tied_exactly_or_apart(raw: list[float]) -> None:
    values = np.array(raw)
    tied = canonical(values)
    assert (tied >= values).all()
    assert (np.diff(np.unique(tied)) > TIE_TOLERANCE).all()
    ascending = np.argsort(values)
    assert (np.diff(tied[ascending]) >= 0).all()
    near = np.diff(values[ascending]) <= TIE_TOLERANCE
    np.testing.assert_array_equal(tied[ascending][1:] == tied[ascending][:-1], near)
    np.testing.assert_array_equal(canonical(tied), tied)


def test_chains_of_near_ties_become_their_maximum() -> None:
    values = np.array([0.5, 1e-6 * 0.9, 0.0, 1e-6 * 1.8, 0.1])
    np.testing.assert_array_equal(canonical(values), [0.5, 1.8e-6, 1.8e-6, 1.8e-6, 0.1])


@settings(max_examples=200)
@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=1, max_size=4),
            st.lists(numbers, min_size=n, max_size=n),
        )
    ),
    st.sampled_from(STRATEGIES),
    st.floats(0, 1),
    st.floats(1e-3, 1e3),
    st.integers(1, 6),
    st.none() | st.integers(1, 14),
    st.integers(0, 15),
    st.integers(0, 2**32 - 1),
)
def test_every_slate_is_a_list_with_its_propensities(
    scores: tuple[list[list[float]], list[float]],
    strategy: Strategy,
    rate: float,
    knob: float,
    from_slot: int,
    pool: int | None,
    slots: int,
    seed: int,
) -> None:
    values, incoming = np.array(scores[0]), np.array(scores[1])
    e = Exploration(strategy, rate=rate, temperature=knob, gamma=knob, from_slot=from_slot, pool=pool)
    slate = draw_slate(values, incoming, slots, e, np.random.default_rng(seed))
    assert len(set(slate.order.tolist())) == len(slate.order) == min(slots, len(incoming))
    assert ((slate.propensities > 0) & (slate.propensities <= 1 + 1e-12)).all()
    ranking = canonical(values)
    for slot, document in enumerate(slate.order):
        left = np.delete(ranking, slate.order[:slot])
        assert slate.explored[slot] == (ranking[document] < left.max())
    np.testing.assert_array_equal(slate_propensities(values, incoming, slate.order, e), slate.propensities)
