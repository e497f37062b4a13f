from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from simulators.arrivals import DAY, START, Arrivals
from simulators.parameters import CLICK_MODELS, WorldParameters, draw_parameters
from simulators.preferences import shown_factors
from simulators.replicate import Replicate, Response
from simulators.satiation import UserState, rounds
from simulators.taste import CONTEXTS, contexts
from simulators.world import Documents, Queries, World

N, Q, C = 400, 20, 15
TINY = 2e-6  # tastes are kept in single floats


def documents(n: int = N) -> Documents:
    """A category, a class of price, and none to three tags; the topic is the category but for some that have none."""
    rng = np.random.default_rng(11)
    category, price = rng.integers(6, size=n), rng.integers(4, size=n)
    tags = rng.random((n, 8)) < 0.15
    topics = np.where(rng.random(n) < 0.1, -1, category)
    return Documents(np.hstack([np.eye(6)[category], np.eye(4)[price], tags]), topics)


def queries(n: int = N) -> Queries:
    rng = np.random.default_rng(12)
    rows = np.array([rng.choice(n, C, replace=False) for _ in range(Q)])
    rows[3, 9:] = -1
    return Queries(rows, np.where(rows >= 0, rng.random((Q, C)), np.nan))


def world(seed: int = 1, truth_seed: int | None = None, **changes: object) -> World:
    parameters = WorldParameters(users=60).with_parameters(**changes)
    return World(parameters, documents(), queries(), seed, truth_seed=truth_seed)


def visits(users: NDArray[np.int64], impression: int = 0, context: int = 0) -> Arrivals:
    """One arrival of each user, all at once and in one of the contexts."""
    device, daypart, weekpart, location = (int(part) for part in np.unravel_index(context, (3, 4, 2, 4)))
    moment = 3 * DAY * weekpart + 21_600.0 * daypart + 60.0 + 7 * DAY * 3000  # Thursday or Sunday
    full = [np.full(len(users), value) for value in (impression, 0, moment, device, location)]
    arrivals = Arrivals(full[0], users, full[1], full[2], full[3], full[4])
    assert (contexts(arrivals) == context).all()
    return arrivals


def everything(replicate: Replicate, part: str = "all", impression: int = 0, context: int = 0) -> NDArray[np.float64]:
    """[users, documents]"""
    users = np.arange(len(replicate.segments))
    rows = np.tile(np.arange(len(replicate.world.documents)), (len(users), 1))
    return replicate.taste(visits(users, impression, context), rows, part)  # type: ignore[arg-type]


def correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """[users] over the documents, of tastes of mean 0 and variance 1."""
    return np.asarray((one * other).mean(axis=1))


def same_bits(one: Response, other: Response) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in Response.__slots__)


# Taste


@pytest.mark.parametrize("hidden", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("in_context", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("drift", [0.0, 0.7])
def test_shares_of_taste_are_exact_for_every_user_context_and_moment(
    hidden: float, in_context: float, drift: float
) -> None:
    """Within 2e-4: what single floats leave where a context's likings are almost the user's own."""
    replicate = world(hidden_share=hidden, context_share=in_context, drift_per_10000=drift, shifts=(30_000,)).replicate(
        0, 20_000
    )
    for impression, context in ((0, 0), (17_000, 40), (31_000, CONTEXTS - 1)):
        parts = {
            part: everything(replicate, part, impression, context) for part in ("all", "visible", "context", "hidden")
        }
        np.testing.assert_allclose(parts["visible"] + parts["hidden"], parts["all"], atol=TINY)
        np.testing.assert_allclose(parts["all"].mean(axis=1), 0, atol=1e-4)
        for part, share in [
            ("all", 1.0),
            ("hidden", hidden),
            ("visible", 1 - hidden),
            ("context", (1 - hidden) * in_context),
        ]:
            np.testing.assert_allclose(parts[part].var(axis=1), share, atol=2e-4)
        steady = parts["visible"] - parts["context"]
        np.testing.assert_allclose(correlation(steady, parts["context"]), 0, atol=2e-4)


def test_no_linear_function_of_the_values_tells_the_hidden_part_and_one_tells_the_visible() -> None:
    replicate = world().replicate(0, 1000)
    values = documents().values
    inputs = np.column_stack([np.ones(N), values, shown_factors(values)])
    fitted = inputs @ np.linalg.lstsq(inputs, everything(replicate, "all", 500, 7).T, rcond=None)[0]
    np.testing.assert_allclose(fitted.T, everything(replicate, "visible", 500, 7), atol=1e-5)


def test_segments_share_what_is_not_individual() -> None:
    replicate = world(individual_share=0.0, hidden_share=0.0, drift_per_10000=0.5).replicate(0, 1000)
    taste = everything(replicate, impression=9000, context=33)
    for segment in range(5):
        mine = taste[replicate.segments == segment]
        assert len(mine) > 1
        np.testing.assert_allclose(mine, np.broadcast_to(mine[0], mine.shape), atol=TINY)
    first = [int(np.flatnonzero(replicate.segments == segment)[0]) for segment in range(5)]
    between = np.corrcoef(taste[first])[np.triu_indices(5, 1)]
    assert between.max() < 0.9
    # With individual taste only, members of a segment are no closer than others.
    alone = world(individual_share=1.0, hidden_share=0.0, context_share=0.0).replicate(0, 1000)
    table = np.corrcoef(everything(alone))
    together = alone.segments[:, None] == alone.segments[None, :]
    upper = np.triu(np.ones_like(together), 1)
    # 350 pairs within and 1400 across, of correlations with a spread of about 0.25: five standard errors.
    assert table[upper & together].mean() == pytest.approx(table[upper & ~together].mean(), abs=0.08)


def test_context_matters_to_the_whole_population_in_part() -> None:
    """A context's part leans the same way for all, so that a learner without users can find it."""
    shared = world(individual_share=0.0, hidden_share=0.0, context_share=0.5).replicate(0, 1000)
    part = everything(shared, "context", context=50)
    mean = part.mean(axis=0)
    assert np.median(np.corrcoef(part, mean)[-1, :-1]) > 0.7
    other = everything(shared, "context", context=0)
    assert np.median(np.abs(correlation(part, other))) < 0.4  # of 0.5, were the two contexts one


def test_drift_turns_taste_at_the_stated_rate() -> None:
    replicate = world(drift_per_10000=0.4, context_share=0.2, hidden_share=0.5).replicate(0, 1000)
    before = everything(replicate)
    for impression in (5000, 20_000, 39_270):
        angle = 0.4 * impression / 10_000
        steady = 1 - 0.5 * 0.2
        exact = steady * np.cos(angle) + 1 - steady
        np.testing.assert_allclose(correlation(before, everything(replicate, impression=impression)), exact, atol=2e-4)
    still = world(drift_per_10000=0.0).replicate(0, 1000)
    assert (everything(still) == everything(still, impression=90_000)).all()


def test_a_shift_makes_all_tastes_new_ones_at_its_impression() -> None:
    planned = world(shifts=(500, 900)).replicate(0, 1000)
    first, second, third = (everything(planned, impression=at) for at in (0, 500, 900))
    assert (everything(planned, impression=499) == first).all() and (
        everything(planned, impression=899) == second
    ).all()
    assert (everything(planned, impression=10**6) == third).all()
    # Independent draws: correlations of either sign, over some 15 dimensions, half of them hidden.
    for one, other in itertools.combinations((first, second, third), 2):
        assert abs(correlation(one, other).mean()) < 0.25 and np.abs(correlation(one, other)).max() < 0.95
    # Said while the run is going, it is the same as planned; what was before does not change.
    running = world().replicate(0, 1000)
    assert (everything(running, impression=700) == first).all()
    running.shift(500)
    running.shift(500)
    running.shift(900)
    assert (everything(running, impression=700) == second).all()
    assert (everything(running, impression=900) == third).all()
    assert (everything(running, impression=499) == first).all()
    # One call across a shift.
    users = np.array([4, 4, 4])
    across = Arrivals(
        np.array([499, 500, 901]), users, users, *(np.zeros(3),), np.zeros(3, np.int64), np.zeros(3, np.int64)
    )
    at_once = planned.taste(across, np.tile(np.arange(N), (3, 1)))
    for place, one in enumerate((499, 500, 901)):
        alone = planned.taste(across.take(np.array([place])), np.arange(N)[None, :])
        assert (at_once[place] == alone[0]).all(), one


def test_too_few_values_are_refused_only_where_they_are_needed() -> None:
    two = Documents(np.eye(2)[np.arange(N) % 2], np.zeros(N, np.int64))
    alike = Documents(np.ones((N, 1)), np.zeros(N, np.int64))
    for few, changes in [
        (two, {"context_share": 0.1}),
        (two, {"context_share": 0.0, "drift_per_10000": 0.1}),
        (alike, {"context_share": 0.0}),
    ]:
        with pytest.raises(ValueError, match="vary"):
            World(WorldParameters(users=5, **changes), few, queries(), 1).replicate(0, 10)  # type: ignore[arg-type]
    plain = WorldParameters(users=5, context_share=0.0)
    assert World(plain, two, queries(), 1).replicate(0, 10).segments.shape == (5,)
    for changes in ({"hidden_share": 1.0}, {"taste_strength": 0.0}):
        World(plain.with_parameters(**changes), alike, queries(), 1).replicate(0, 10)
    few_rows = Documents(documents(12).values, documents(12).topics)
    with pytest.raises(ValueError, match="too few"):
        World(plain, few_rows, Queries(np.arange(12)[None, :], np.ones((1, 12))), 1)


# Attractiveness


def test_attractiveness_is_its_formula() -> None:
    replicate = world(satiation=0.8).replicate(2, 1000)
    arrivals = replicate.arrivals(0, 200)
    rows = replicate.world.queries.rows[arrivals.query]
    state = replicate.state()
    state.add(arrivals.user[:40], np.full(40, START - 3600.0), np.arange(40) % 6)
    alpha = replicate.attractiveness(arrivals, rows, state)
    taste = replicate.taste(arrivals, rows)
    p, topics = replicate.world.parameters, replicate.world.documents.topics
    tired = 0
    for i, j in itertools.product(range(200), range(C)):
        d, q = int(rows[i, j]), int(arrivals.query[i])
        if d < 0:
            assert alpha[i, j] == 0
            continue
        recent = sum(
            0.5 ** ((arrivals.timestamp[i] - START + 3600.0) / (p.satiation_half_life_days * DAY))
            for click in range(40)
            if arrivals.user[click] == arrivals.user[i] and click % 6 == topics[d]
        )
        tired += recent > 0
        logit = p.base_attractiveness + replicate.world.quality[d] + p.taste_strength * taste[i, j] - 0.8 * recent
        assert alpha[i, j] == pytest.approx(replicate.world.queries.relevance[q, j] / (1 + np.exp(-logit)), rel=1e-9)
    assert tired > 50


@pytest.mark.parametrize("changes", [{}, {"drift_per_10000": 0.9, "shifts": (50,)}])
def test_a_documents_attractiveness_is_the_same_bits_whatever_else_is_asked_for(changes: dict[str, object]) -> None:
    replicate = world(**changes).replicate(0, 1000)
    arrivals = replicate.arrivals(0, 300)
    rows = replicate.world.queries.rows[arrivals.query]
    state = replicate.state()
    state.add(arrivals.user[:100], arrivals.timestamp[:100] - 10 * DAY, np.arange(100) % 6)
    alpha = replicate.attractiveness(arrivals, rows, state)
    assert alpha.dtype == np.float64 and alpha.max() > 0
    rng = np.random.default_rng(3)
    for size in (1, 2, 3, 7, 64):
        some = rng.choice(300, size, replace=False)
        for columns in (1, 2, 5, C):
            order = np.array([rng.permutation(C)[:columns] for _ in range(size)])
            alone = replicate.attractiveness(arrivals.take(some), rows[some[:, None], order], state)
            assert (alone == alpha[some[:, None], order]).all()
    # And the same in a process of its own, as it were.
    again = world(**changes).replicate(0, 1000)
    assert (
        replicate.attractiveness(arrivals, rows, again.state()) == again.attractiveness(arrivals, rows, again.state())
    ).all()


def test_only_candidates_have_a_relevance() -> None:
    replicate = world().replicate(0, 1000)
    arrivals = replicate.arrivals(0, 5)
    rows = replicate.world.queries.rows[arrivals.query][:, ::-1]
    exact = replicate.world.queries.relevance[arrivals.query][:, ::-1]
    np.testing.assert_array_equal(replicate.relevance(arrivals, rows), np.where(rows >= 0, exact, 0.0))
    foreign = np.setdiff1d(np.arange(N), rows.ravel())[:1]
    with pytest.raises(ValueError, match="candidate"):
        replicate.relevance(arrivals, np.tile(foreign, (5, 1)))


def test_quality_and_worth_have_the_stated_spread() -> None:
    drawn = world(quality_spread=0.7, purchase_probability=0.2, purchase_spread=0.5)
    assert drawn.quality.mean() == pytest.approx(0, abs=1e-12) and drawn.quality.std() == pytest.approx(0.7)
    logits = np.log(drawn.purchase / (1 - drawn.purchase))
    assert logits.mean() == pytest.approx(np.log(0.25)) and logits.std() == pytest.approx(0.5)
    for probability in (0.0, 1.0):
        assert (world(purchase_probability=probability).purchase == probability).all()
    replicate = drawn.replicate(0, 100)
    arrivals, rows = replicate.arrivals(0, 2), np.array([[3, -1], [5, 3]])
    worth = replicate.worth(arrivals, rows, click=2.0, purchase=10.0)
    np.testing.assert_allclose(worth, [[2 + 10 * drawn.purchase[3], 2.0], 2 + 10 * drawn.purchase[[5, 3]]])


def test_nulls_can_be_said() -> None:
    alike = World(
        WorldParameters(users=20, quality_spread=0.0, taste_strength=0.0, satiation=0.0, purchase_spread=0.0),
        documents(),
        Queries(queries().rows, np.full((Q, C), 0.6)),
        1,
    ).replicate(0, 1000)
    arrivals = alike.arrivals(0, 100)
    rows = alike.world.queries.rows[arrivals.query]
    alpha = alike.attractiveness(arrivals, rows, alike.state())
    assert len(np.unique(alpha[rows >= 0])) == 1 and len(np.unique(alike.world.purchase)) == 1
    assert alpha.max() == pytest.approx(0.6 / (1 + np.exp(1.2)))
    # Without taste all users are alike, documents are not.
    plain = world(taste_strength=0.0, satiation=0.0).replicate(0, 1000)
    table = plain.attractiveness(visits(np.arange(60)), np.tile(queries().rows[0], (60, 1)), plain.state())
    assert (table == table[0]).all() and len(np.unique(table[0])) == C
    assert plain.state().counts.size == 0


# What is fixed by what


def test_the_seed_fixes_the_world_and_a_replicate_peoples_it_anew() -> None:
    one = world()
    first, second = one.replicate(0, 1000), one.replicate(1, 1000)
    assert (world().replicate(1, 1000).segments == second.segments).all()
    assert (first.segments != second.segments).any() and first.key != second.key
    assert (first.arrivals(0, 200).user != second.arrivals(0, 200).user).any()
    assert (everything(first) != everything(second)).all()
    # What segments like is the world's: the same tastes where nothing is the users' own.
    shared = world(individual_share=0.0, hidden_share=0.0)
    tastes = [everything(shared.replicate(number, 1000)) for number in (0, 1)]
    members = [shared.replicate(number, 1000).segments for number in (0, 1)]
    for segment in range(5):
        np.testing.assert_allclose(tastes[0][members[0] == segment][0], tastes[1][members[1] == segment][0], atol=TINY)
    other = world(seed=2)
    assert (other.quality != one.quality).all() and (other.query_weights != one.query_weights).any()
    assert other.replicate(0, 1000).key != first.key


def test_permuting_the_truth_leaves_all_that_is_public() -> None:
    one, other = world(launches=0.3), world(launches=0.3, truth_seed=99)
    first, second = one.replicate(0, 2000), other.replicate(0, 2000)
    arrivals, again = first.arrivals(0, 500), second.arrivals(0, 500)
    assert all((getattr(arrivals, name) == getattr(again, name)).all() for name in Arrivals.__slots__)
    rows = one.queries.rows[arrivals.query]
    assert (first.available(rows, arrivals.impression) == second.available(rows, arrivals.impression)).all()
    assert first.key == second.key
    assert (one.quality != other.quality).all() and (one.purchase != other.purchase).all()
    assert (first.segments != second.segments).any() and (everything(first) != everything(second)).all()


def test_documents_are_launched_during_the_run() -> None:
    replicate = world(launches=0.5).replicate(0, 1000)
    rows = np.tile(np.arange(N), (1001, 1))
    there = replicate.available(rows, np.arange(1001))
    assert (there[1:] >= there[:-1]).all() and there[1000].all()
    # 400 documents, half of them later: five standard errors.
    assert there[0].mean() == pytest.approx(0.5, abs=0.125)
    assert there[500].mean() == pytest.approx(0.75, abs=0.11)
    assert not replicate.available(np.array([[-1]]), np.array([1000])).any()
    late = int(np.flatnonzero(~there[0])[0])
    query = Queries(np.array([[late]]), np.ones((1, 1)))
    early = World(replicate.world.parameters, documents(), query, 1).replicate(0, 1000)
    with pytest.raises(ValueError, match="before it exists"):
        early.prospects(early.arrivals(0, 1), np.array([[late]]), 1)
    assert world(launches=0.0).replicate(0, 10).available(rows[:1], np.zeros(1, np.int64)).all()


# Responses


def shown(replicate: Replicate, start: int, stop: int, k: int, seed: int) -> tuple[Arrivals, NDArray[np.int64]]:
    """Arrivals, and lists of k columns drawn among the candidates; some end early."""
    arrivals = replicate.arrivals(start, stop)
    rows = replicate.world.queries.rows[arrivals.query]
    columns = np.argsort(np.random.default_rng(seed).random(rows.shape) + (rows < 0), axis=1)[:, :k]
    columns = np.where(np.take_along_axis(rows, columns, axis=1) >= 0, columns, -1)
    columns[::7, k // 2 :] = -1
    return arrivals, columns


@pytest.mark.parametrize("model", CLICK_MODELS)
def test_responses_are_the_feedback_of_one_list_after_the_other(model: str) -> None:
    changes = {"click_model": model, "satiation": 0.7, "purchase_probability": 0.3, "base_attractiveness": 0.5}
    replicate = world(**changes).replicate(0, 1000)
    arrivals, columns = shown(replicate, 0, 150, 8, 1)
    rows = replicate.world.queries.rows[arrivals.query]
    state = replicate.state()
    response = replicate.respond(replicate.prospects(arrivals, rows, 8), columns, state)
    slow = replicate.state()
    for i in range(150):
        one = arrivals.take(slice(i, i + 1))
        alpha = replicate.attractiveness(one, rows[i : i + 1], slow)
        assert (alpha == response.attractiveness[i]).all()
        listed = np.where(columns[i] >= 0, rows[i, columns[i]], -1)[None, :]
        offered = replicate.attractiveness(one, listed, slow)
        did = replicate.feedback(one, listed, offered, replicate.purchase_probability(one, listed))
        assert (did.clicks == response.clicks[i]).all() and (did.purchases == response.purchases[i]).all()
        assert (did.purchase_delay == response.purchase_delay[i]).all()
        replicate.advance(slow, one, listed, did.clicks)
    assert (slow.counts == state.counts).all() and (slow.updated == state.updated).all()
    assert response.clicks.sum() > 30 and response.purchases.sum() > 5
    # Somebody was tired already when the batch went on.
    fresh = replicate.attractiveness(arrivals, rows, replicate.state())
    assert (response.attractiveness < fresh).any() and (response.attractiveness <= fresh).all()


def test_batches_change_nothing_for_users() -> None:
    replicate = world(satiation=0.5, click_model="dbn").replicate(0, 1000)
    arrivals, columns = shown(replicate, 0, 240, 6, 2)
    rows = replicate.world.queries.rows[arrivals.query]
    prospects = replicate.prospects(arrivals, rows, 6)
    whole_state = replicate.state()
    whole = replicate.respond(prospects, columns, whole_state)
    for size in (1, 7, 60):
        state = replicate.state()
        for start in range(0, 240, size):
            stop = min(start + size, 240)
            block = replicate.prospects(arrivals.take(slice(start, stop)), rows[start:stop], 6)
            one = replicate.respond(block, columns[start:stop], state)
            two = replicate.respond(prospects.part(start, stop), columns[start:stop], copy.deepcopy(state))
            some = slice(start, stop)
            assert same_bits(one, Response(*(getattr(whole, name)[some] for name in Response.__slots__)))
            assert two.attractiveness.shape == one.attractiveness.shape
        assert (state.counts == whole_state.counts).all()


def test_documents_keep_their_luck_between_policies() -> None:
    """Two policies, the same documents in other slots, everything examined: the same clicks, purchases and delays."""
    changes = {"examination_severity": 0.0, "satiation": 0.0, "purchase_probability": 0.5}
    replicate = world(**changes).replicate(0, 1000)
    arrivals, columns = shown(replicate, 0, 300, 8, 3)
    columns = np.where(np.arange(8) < 4, columns, -1)
    rows = replicate.world.queries.rows[arrivals.query]
    prospects = replicate.prospects(arrivals, rows, 8)
    one = replicate.respond(prospects, columns[:, :4], replicate.state())
    other = replicate.respond(prospects, columns[:, 3::-1], replicate.state())
    # The other policy may have other candidates, in another order.
    moved = replicate.prospects(arrivals, rows[:, ::-1], 4)
    third = replicate.respond(moved, np.where(columns[:, :4] >= 0, C - 1 - columns[:, :4], -1), replicate.state())
    for name in ("clicks", "purchases", "purchase_delay"):
        assert (getattr(one, name) == getattr(other, name)[:, ::-1]).all()
        assert (getattr(one, name) == getattr(third, name)).all()
    assert 0 < one.purchases.sum() < one.clicks.sum()


@pytest.mark.parametrize("model", CLICK_MODELS)
def test_clicks_and_purchases_come_as_often_as_expected(model: str) -> None:
    """By slot, against the exact marginals of the same impressions: within five standard errors, eight slots."""
    replicate = world(click_model=model, purchase_probability=0.2, purchase_delay_hours=3.0, satiation=0.0).replicate(
        4, 60_000
    )
    clicks, purchases = np.zeros(8), np.zeros(8)
    exact, bought, variance, delays = np.zeros(8), np.zeros(8), np.zeros(8), []
    reward, expected = 0.0, 0.0
    for start in range(0, 30_000, 3000):
        arrivals, columns = shown(replicate, start, start + 3000, 8, start)
        rows = replicate.world.queries.rows[arrivals.query]
        prospects = replicate.prospects(arrivals, rows, 8)
        response = replicate.respond(prospects, columns, replicate.state())
        there, place = columns >= 0, np.maximum(columns, 0)
        alpha = np.where(there, np.take_along_axis(response.attractiveness, place, axis=1), 0.0)
        probability = replicate.click_model(8).click_probabilities(alpha)
        purchase = np.take_along_axis(prospects.purchase, place, axis=1)
        clicks += response.clicks.sum(axis=0)
        purchases += response.purchases.sum(axis=0)
        exact += probability.sum(axis=0)
        bought += (probability * purchase).sum(axis=0)
        variance += (probability * (1 - probability)).sum(axis=0)
        delays.append(response.purchase_delay[response.purchases])
        listed = np.where(there, np.take_along_axis(rows, place, axis=1), -1)
        worth = replicate.worth(arrivals, listed, click=1.0, purchase=5.0)
        expected += replicate.click_model(8).expected_reward(alpha, worth).sum()
        reward += response.clicks.sum() + 5.0 * response.purchases.sum()
    assert (np.abs(clicks - exact) < 5 * np.sqrt(variance)).all() and exact.min() > 20
    assert (np.abs(purchases - bought) < 5 * np.sqrt(bought) + 5).all()
    assert expected == pytest.approx(exact.sum() + 5 * bought.sum())
    # A purchase is worth 5, so the reward's variance is about bought * (25 + 10) + exact.
    assert abs(reward - expected) < 5 * np.sqrt(35 * bought.sum() + exact.sum())
    waited = np.concatenate(delays) / 3600.0
    assert waited.mean() == pytest.approx(3.0, abs=5 * 3.0 / np.sqrt(len(waited)))


def test_lists_that_can_not_be_shown_are_refused() -> None:
    replicate = world().replicate(0, 1000)
    arrivals = replicate.arrivals(0, 30)
    rows = np.where(np.arange(C) < 5, replicate.world.queries.rows[arrivals.query], -1)
    prospects = replicate.prospects(arrivals, rows, 4)
    with pytest.raises(ValueError, match="luck"):
        replicate.respond(prospects, np.zeros((30, 5), np.int64), replicate.state())
    with pytest.raises(ValueError, match="column without"):
        replicate.respond(prospects, np.full((30, 4), 7), replicate.state())
    nothing = replicate.respond(prospects, np.full((30, 4), -1), replicate.state())
    assert not nothing.clicks.any() and (nothing.attractiveness == prospects.fresh).all()


# Satiation


def test_clicks_wear_off_and_count_on_their_topic_only() -> None:
    state = UserState(3, 4, half_life=10.0)
    moments = np.array([0.0, 5.0, 5.0, 20.0])
    state.add(np.array([1, 1, 2, 1]), moments, np.array([2, 2, 2, -1]))
    recent = state.recent(np.array([1, 2, 0]), np.array([15.0, 15.0, 15.0]), np.array([[2, 1, -1]] * 3))
    np.testing.assert_allclose(recent, [[2**-1.5 + 2**-1.0, 0, 0], [2**-1.0, 0, 0], [0, 0, 0]])
    later = state.recent(np.array([1]), np.array([1e9]), np.array([[2]]))
    assert later[0, 0] == 0.0


def test_satiation_acts_between_impressions() -> None:
    """The second list of a session on the clicked topic is less attractive by the formula; other users' are not."""
    replicate = world(satiation=1.0, satiation_half_life_days=2.0, click_model="pbm").replicate(0, 1000)
    moment = START + np.array([0.0, 60.0, 2 * DAY, 2 * DAY])
    users, zero = np.array([5, 5, 5, 6]), np.zeros(4, np.int64)
    arrivals = Arrivals(np.arange(4), users, zero, moment, zero, zero)
    rows = replicate.world.queries.rows[zero]
    state = replicate.state()
    fresh = replicate.attractiveness(arrivals, rows, state)
    clicked = np.array([True] + [False] * (C - 1))
    topic = replicate.world.documents.topics[rows[0]]
    clicked &= topic >= 0
    assert clicked[0]
    replicate.advance(state, arrivals.take(slice(0, 1)), rows[:1], clicked[None, :])
    tired = replicate.attractiveness(arrivals.take(slice(1, 4)), rows[1:], state)
    relevance = replicate.relevance(arrivals, rows)[1:]

    def logit(alpha: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.log(alpha / (relevance - alpha)))

    lost = logit(fresh[1:]) - logit(tired)
    hit = topic == topic[0]
    assert 0 < hit.sum() < C
    decay = 0.5 ** (60.0 / (2 * DAY))
    np.testing.assert_allclose(lost, [hit * decay, hit * 0.5, hit * 0.0], atol=1e-9)


def test_rounds() -> None:
    users = np.array([4, 2, 4, 4, 9, 2])
    assert [part.tolist() for part in rounds(users)] == [[0, 1, 4], [2, 5], [3]]
    assert [part.tolist() for part in rounds(np.array([3, 1]))] == [[0, 1]]
    assert sum(len(part) for part in rounds(np.empty(0, np.int64))) == 0


# Parameters


def test_drawn_worlds_are_valid_and_differ() -> None:
    drawn = [draw_parameters(np.random.default_rng(seed)) for seed in range(300)]
    assert drawn[7] == draw_parameters(np.random.default_rng(7)) and len(set(drawn)) == 300
    assert {one.click_model for one in drawn} == {"pbm", "cascade", "dbn"}
    half = [sum(getattr(one, name) == 0 for one in drawn) for name in ("drift_per_10000", "launches")]
    assert all(110 < count < 190 for count in half)  # within five standard errors of 150
    assert all(one.shifts == () and 500 <= one.users <= 4000 for one in drawn)


def test_a_drawn_world_runs() -> None:
    for seed in range(6):
        parameters = draw_parameters(np.random.default_rng(seed)).with_parameters(users=50)
        replicate = World(parameters, documents(), queries(), seed).replicate(0, 200)
        arrivals = replicate.arrivals(0, 100)
        rows = replicate.world.queries.rows[arrivals.query]
        rows = np.where(replicate.available(rows, arrivals.impression), rows, -1)
        prospects = replicate.prospects(arrivals, rows, 5)
        columns = np.argsort(rows < 0, axis=1, kind="stable")[:, :5]
        columns = np.where(np.take_along_axis(rows, columns, axis=1) >= 0, columns, -1)
        assert np.isfinite(replicate.respond(prospects, columns, replicate.state()).attractiveness).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("users", 0),
        ("users", 2.5),
        ("segments", True),
        ("hidden_share", 1.1),
        ("taste_strength", -1.0),
        ("taste_strength", float("nan")),
        ("satiation_half_life_days", 0.0),
        ("impressions_per_day", 0),
        ("requests_per_session", 0.5),
        ("daily_swing", 0.95),
        ("shifts", (5, 5)),
        ("shifts", (0,)),
        ("click_model", "ubm"),
        ("hidden_dimensions", 1),
        ("purchase_probability", "0.1"),
        ("colour", 1),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field} is "):
        WorldParameters().with_parameters(**{field: value})


def test_worlds_that_can_not_be_are_refused() -> None:
    good = documents()
    with pytest.raises(ValueError, match="shapes"):
        Documents(good.values, good.topics[:-1])
    with pytest.raises(ValueError, match="indicators"):
        Documents(good.values * 2, good.topics)
    with pytest.raises(ValueError, match="topics"):
        Documents(good.values, good.topics - 5)
    ones = np.ones((1, 3))
    for rows, message in [([[0, -1, 2]], "before the -1"), ([[-1, -1, -1]], "before the -1"), ([[1, 2, 1]], "once")]:
        with pytest.raises(ValueError, match=message):
            Queries(np.array(rows), ones)
    with pytest.raises(ValueError, match="relevance"):
        Queries(np.array([[0, 1, 2]]), ones * 1.5)
    with pytest.raises(ValueError, match="shapes"):
        Queries(np.array([[0, 1]]), ones)
    with pytest.raises(ValueError, match="seed"):
        world(seed=-1)
    with pytest.raises(ValueError, match="row 400"):
        World(WorldParameters(), good, Queries(np.array([[400]]), np.ones((1, 1))), 1)
    with pytest.raises(ValueError, match="number"):
        world().replicate(-1, 10)
