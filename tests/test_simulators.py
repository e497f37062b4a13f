from __future__ import annotations

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import simulators
from simulators.click_models.pbm import PBM, power_law_examination
from simulators.impressions import feedback
from simulators.preferences import Preferences, category_indicators, draw_preferences, list_indicators
from simulators.sessions import DAY, sessions
from simulators.variates import Channel, hashes, uniforms


def test_simulators_import_nothing_of_the_library() -> None:
    for file in Path(simulators.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "lrerank" for name in names), file


# Variates


def test_hash_is_the_published_stream() -> None:
    """The first outputs of SplitMix64 for the seed 1234567, as its reference implementation gives them."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert hashes(1234567, np.arange(5)).tolist() == published
    assert [int(hashes(1234567, number)) for number in range(5)] == published


def test_a_variate_depends_on_its_keys_only() -> None:
    rows = np.array([[4, 9, 2], [7, 4, 1]])
    impression = np.array([[10], [11]])
    together = uniforms(3, impression, rows, Channel.ATTRACTION)
    assert together.shape == (2, 3)
    for i, k in itertools.product(range(2), range(3)):
        assert together[i, k] == uniforms(3, int(impression[i, 0]), int(rows[i, k]), Channel.ATTRACTION)
    others = [
        uniforms(4, impression, rows, Channel.ATTRACTION),
        uniforms(3, impression + 1, rows, Channel.ATTRACTION),
        uniforms(3, impression, rows + 1, Channel.ATTRACTION),
        uniforms(3, impression, rows, Channel.PURCHASE),
    ]
    assert not any((together == other).any() for other in others)


def test_variates_are_uniform_and_independent_along_every_key() -> None:
    """2^18 variates on a grid of keys. At 0.001 each, 13 tests of fair variates would fail for 1.3 % of seeds."""
    grid = np.arange(64)
    u = uniforms(5, grid[:, None, None], grid[None, :, None], grid[None, None, :])
    assert u.min() > 0 and u.max() < 1
    assert stats.kstest(u.ravel(), "uniform").pvalue > 0.001
    # The low bits are as even as the high ones.
    low = np.bincount((hashes(5, np.arange(2**18)) & np.uint64(255)).astype(np.int64), minlength=256)
    assert stats.chisquare(low).pvalue > 0.001
    # Neighbours along each key, and along diagonals, fall into an 8 x 8 table evenly.
    moves = [move for move in itertools.product((0, 1), repeat=3) if any(move)]
    for move in moves:
        here = u[tuple(slice(None, 64 - step) for step in move)].ravel()
        there = u[tuple(slice(step, None) for step in move)].ravel()
        table = np.bincount((here * 8).astype(int) * 8 + (there * 8).astype(int), minlength=64)
        assert stats.chisquare(table).pvalue > 0.001
    replicates = uniforms(np.arange(2**16), 0, 0, Channel.EXAMINATION)
    assert stats.kstest(replicates, "uniform").pvalue > 0.001
    channels = [uniforms(1, np.arange(2**16), 0, channel) for channel in Channel]
    for one, other in itertools.combinations(channels, 2):
        assert stats.pearsonr(one, other).pvalue > 0.001


def test_negative_and_large_keys_do_not_warn_or_collide() -> None:
    keys = np.array([-1, 0, 2**62, -(2**63)])
    assert len(set(hashes(7, keys).tolist()) | {int(hashes(7, -5)), int(hashes(2**64 - 1, 3))}) == 6


# The position-based model


def test_default_examination_curve() -> None:
    np.testing.assert_allclose(power_law_examination(4), [1, 1 / 2, 1 / 3, 1 / 4])
    np.testing.assert_allclose(power_law_examination(3, severity=0), 1.0)
    with pytest.raises(ValueError, match="severity"):
        power_law_examination(3, severity=-1)


def test_pbm_clicks_match_their_exact_marginals_and_joints() -> None:
    """Clicks of a slot and of pairs of slots, within five standard errors: 15 checks at 3e-7 each."""
    model = PBM(np.array([0.9, 0.5, 0.3, 0.2, 0.1]))
    alpha = np.array([0.2, 1.0, 0.6, 0.0, 0.5])
    rows = np.array([8, 3, 5, 2, 7])
    n = 200_000
    result = feedback(model, np.tile(rows, (n, 1)), np.tile(alpha, (n, 1)), np.arange(n), replicate=1)
    exact = model.click_probabilities(alpha)
    np.testing.assert_allclose(exact, [0.18, 0.5, 0.18, 0.0, 0.05])
    joint = result.clicks.T.astype(float) @ result.clicks / n
    expected = np.where(np.eye(5, dtype=bool), exact[:, None], np.outer(exact, exact))
    assert (np.abs(joint - expected) <= 5 * np.sqrt(expected * (1 - expected) / n)).all()


def test_pbm_draw_is_the_definition() -> None:
    model = PBM(np.array([0.5, 0.5]))
    alpha = np.array([[0.3, 0.3], [0.3, 0.3]])
    clicks = model.draw(alpha, np.array([[0.4, 0.6], [0.4, 0.4]]), np.array([[0.2, 0.2], [0.2, 0.4]]))
    assert clicks.tolist() == [[True, False], [True, False]]
    # A shorter list uses the first slots.
    np.testing.assert_allclose(model.click_probabilities(np.array([0.5])), [0.25])


def test_pbm_refuses_what_it_can_not_mean() -> None:
    for theta in ([1.2], [-0.1], [], [np.nan]):
        with pytest.raises(ValueError, match="examination"):
            PBM(np.array(theta))
    with pytest.raises(ValueError, match="slots"):
        PBM(np.array([1.0])).click_probabilities(np.zeros((2, 3)))


# Impressions


def test_luck_follows_the_document_and_the_slot_not_the_rest_of_the_list() -> None:
    m = 500
    model = PBM(np.ones(4))  # everything is examined, so only the documents' luck is left
    alpha = np.full((m, 4), 0.5)
    impressions = np.arange(m)
    one = feedback(model, np.tile([1, 2, 3, 4], (m, 1)), alpha, impressions, replicate=9, purchase_probability=0.5)
    other = feedback(model, np.tile([8, 3, 1, 9], (m, 1)), alpha, impressions, replicate=9, purchase_probability=0.5)
    assert (one.clicks[:, 0] == other.clicks[:, 2]).all() and (one.clicks[:, 2] == other.clicks[:, 1]).all()
    assert (one.purchases[:, 0] == other.purchases[:, 2]).all()
    # And with sure attraction only the slots' luck is left.
    model, sure = PBM(np.full(4, 0.5)), np.ones((m, 4))
    one = feedback(model, np.tile([1, 2, 3, 4], (m, 1)), sure, impressions, replicate=9)
    other = feedback(model, np.tile([8, 3, 1, 9], (m, 1)), sure, impressions, replicate=9)
    assert (one.clicks == other.clicks).all()
    # An impression's luck does not depend on the batch it comes in; another replicate's is different.
    part = feedback(model, np.array([[1, 2, 3, 4]]), sure[:1], np.array([77]), replicate=9)
    assert (part.clicks[0] == one.clicks[77]).all()
    assert (feedback(model, np.tile([1, 2, 3, 4], (m, 1)), sure, impressions, replicate=8).clicks != one.clicks).any()


def test_purchases_follow_clicks_at_their_rate() -> None:
    """Within five standard errors of the exact probability."""
    n, rows = 100_000, np.array([3, 6])
    model = PBM(np.array([1.0, 0.5]))
    result = feedback(
        model,
        np.tile(rows, (n, 1)),
        np.full((n, 2), 0.4),
        np.arange(n),
        replicate=2,
        purchase_probability=np.tile([0.5, 0.25], (n, 1)),
    )
    assert not (result.purchases & ~result.clicks).any()
    exact = np.array([0.4 * 0.5, 0.2 * 0.25])
    assert (np.abs(result.purchases.mean(axis=0) - exact) < 5 * np.sqrt(exact * (1 - exact) / n)).all()
    assert not feedback(model, rows[None], np.ones((1, 2)), np.array([0]), replicate=0).purchases.any()


def test_short_lists_and_refusals() -> None:
    model = PBM(np.ones(2))
    shown = feedback(model, np.array([[4, -1]]), np.array([[1.0, np.nan]]), np.array([0]), replicate=0)
    assert shown.clicks.tolist() == [[True, False]]
    with pytest.raises(ValueError, match="probability"):
        feedback(model, np.array([[4, 5]]), np.array([[1.0, np.nan]]), np.array([0]), replicate=0)
    with pytest.raises(ValueError, match="shapes"):
        feedback(model, np.array([[4, 5]]), np.array([[1.0, 0.5]]), np.array([0, 1]), replicate=0)


# Taste


def genres(rng: np.random.Generator, documents: int = 400, size: int = 12) -> NDArray[np.float64]:
    """Lists of none to four values, some values much more frequent than others."""
    counts = rng.integers(0, 5, size=documents)
    frequency = 1 / np.arange(1, size + 1)
    lists = [rng.choice(size, size=count, replace=False, p=frequency / frequency.sum()) for count in counts]
    return list_indicators(np.concatenate([[0], np.cumsum(counts)]), np.concatenate(lists).astype(np.int32), size)


def whole_table(world: Preferences) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    users, documents = len(world.segments), len(world.document_factors)
    return np.arange(users), np.tile(np.arange(documents), (users, 1))


def test_indicators() -> None:
    assert list_indicators(np.array([0, 2, 2, 3]), np.array([1, 0, 2], dtype=np.int32), 3).tolist() == [
        [1, 1, 0],
        [0, 0, 0],
        [0, 0, 1],
    ]
    assert category_indicators(np.array([1, -1, 0], dtype=np.int32), 2).tolist() == [[0, 1], [0, 0], [1, 0]]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_the_hidden_share_is_exact_for_every_user(share: float) -> None:
    rng = np.random.default_rng(1)
    values = genres(rng)
    world = draw_preferences(rng, values, users=60, hidden_share=share)
    users, rows = whole_table(world)
    taste = world.taste(users, rows)
    seen, hidden = world.taste(users, rows, "visible"), world.taste(users, rows, "hidden")
    np.testing.assert_allclose(taste, seen + hidden, atol=1e-12)
    np.testing.assert_allclose(taste.mean(axis=1), 0, atol=1e-10)
    np.testing.assert_allclose(taste.var(axis=1), 1, rtol=1e-10)
    np.testing.assert_allclose(hidden.var(axis=1), share, atol=1e-10)
    # The best linear function of the indicators explains the visible part and nothing else.
    inputs = np.column_stack([np.ones(len(values)), values, values / np.maximum(values.sum(axis=1), 1)[:, None] ** 0.5])
    fitted = (inputs @ np.linalg.lstsq(inputs, taste.T, rcond=None)[0]).T
    np.testing.assert_allclose(fitted, seen, atol=1e-8)


def test_taste_is_shared_within_segments_as_far_as_stated() -> None:
    rng = np.random.default_rng(2)
    values = genres(rng)
    same = draw_preferences(rng, values, users=40, segments=3, hidden_share=0.0, individual_share=0.0)
    users, rows = whole_table(same)
    taste = same.taste(users, rows)
    for segment in range(3):
        mine = taste[same.segments == segment]
        np.testing.assert_allclose(mine, np.broadcast_to(mine[0], mine.shape), atol=1e-10)
    own = draw_preferences(rng, values, users=40, segments=1, hidden_share=0.0, individual_share=1.0)
    correlation = np.atleast_2d(np.corrcoef(own.taste(users, rows)))
    # Twelve values of unequal frequency leave few dimensions, so single pairs correlate; their mean does not.
    assert abs(correlation[np.triu_indices(40, 1)].mean()) < 0.1


def test_who_clicks_on_what() -> None:
    rng = np.random.default_rng(3)
    world = draw_preferences(rng, genres(rng), users=30)
    users, rows = rng.integers(30, size=50), rng.integers(400, size=(50, 8))
    rows[:, 7] = -1
    grades = rng.integers(0, 2, size=(50, 8))
    taste, meets = world.taste(users, rows), world.meets_taste(users, rows)
    assert (meets[:, :7] == (taste[:, :7] > 0)).all() and not meets[:, 7].any()
    truth = world.true_relevance(users, rows, grades)
    assert (truth == (meets & (grades == 1))).all()
    alpha = world.attractiveness(users, rows, grades.astype(float))
    np.testing.assert_allclose(alpha[:, :7], (grades / (1 + np.exp(-2 * taste)))[:, :7])
    assert (alpha[:, 7] == 0).all()
    # Without a role for taste only relevance is left; with a strong one, the ground truth.
    np.testing.assert_allclose(world.attractiveness(users, rows, np.ones((50, 8)), strength=0)[:, :7], 0.5)
    np.testing.assert_allclose(world.attractiveness(users, rows, grades.astype(float), strength=1e9), truth)
    # About half of a catalog meets each user's taste: within 15 points here, the distribution being skewed.
    share = world.meets_taste(*whole_table(world)).mean(axis=1)
    assert (np.abs(share - 0.5) < 0.15).all()


def test_taste_does_not_depend_on_the_batch_and_follows_the_seed() -> None:
    values = genres(np.random.default_rng(4))
    world = draw_preferences(np.random.default_rng(5), values, users=20)
    again = draw_preferences(np.random.default_rng(5), values, users=20)
    users, rows = whole_table(world)
    assert (world.taste(users, rows) == again.taste(users, rows)).all()
    np.testing.assert_allclose(world.taste(users[3:4], rows[3:4, 10:12]), world.taste(users, rows)[3:4, 10:12])


def test_impossible_worlds_are_refused() -> None:
    rng = np.random.default_rng(6)
    with pytest.raises(ValueError, match="do not vary"):
        draw_preferences(rng, np.ones((50, 1)), users=3)
    with pytest.raises(ValueError, match="too few"):
        draw_preferences(rng, np.eye(10), users=3)
    with pytest.raises(ValueError, match="shares"):
        draw_preferences(rng, genres(rng), users=3, hidden_share=1.5)
    with pytest.raises(ValueError, match="users"):
        draw_preferences(rng, genres(rng), users=0)
    # Nothing visible is asked for, so values that do not vary are no obstacle.
    draw_preferences(rng, np.ones((50, 1)), users=3, hidden_share=1.0)


# Sessions


def test_sessions_are_ordered_and_complete() -> None:
    drawn = sessions(np.random.default_rng(1), 1000, users=50, queries=30, start=1.7e9, days=3)
    assert drawn.request.tolist() == list(range(1000))
    assert (np.diff(drawn.timestamp) >= 0).all()
    assert drawn.timestamp[0] >= 1.7e9
    assert drawn.user.min() >= 0 and drawn.user.max() < 50
    assert drawn.query.min() >= 0 and drawn.query.max() < 30
    again = sessions(np.random.default_rng(1), 1000, users=50, queries=30, start=1.7e9, days=3)
    assert (again.timestamp == drawn.timestamp).all() and (again.user == drawn.user).all()
    assert len(sessions(np.random.default_rng(1), 1, users=1, queries=1, start=0.0).user) == 1


def test_activity_and_queries_follow_their_power_laws() -> None:
    """Sorted counts against the exact probabilities, within five standard errors; one request per session."""
    n = 200_000
    drawn = sessions(np.random.default_rng(2), n, users=20, queries=10, start=0.0, requests_per_session=1.0)
    for numbers, size, exponent in [(drawn.user, 20, 1.0), (drawn.query, 10, 0.7)]:
        exact = np.arange(1, size + 1) ** -exponent
        exact /= exact.sum()
        share = np.sort(np.bincount(numbers, minlength=size))[::-1] / n
        assert (np.abs(share - exact) < 5 * np.sqrt(exact * (1 - exact) / n)).all()


def test_daily_rhythm_and_sessions() -> None:
    """Hours of the day against the integral of the rate, within five standard errors."""
    n = 100_000
    drawn = sessions(np.random.default_rng(3), n, users=5, queries=5, start=0.0, days=2, requests_per_session=1.0)
    edges = 2 * np.pi * (np.arange(25) - 20) / 24
    exact = 1 / 24 + 0.8 * np.diff(np.sin(edges)) / (2 * np.pi)
    share = np.bincount((drawn.timestamp % DAY // 3600).astype(int), minlength=24) / n
    assert (np.abs(share - exact) < 5 * np.sqrt(exact * (1 - exact) / n)).all()
    # With many users, requests of one user within ten minutes are one session: mean length 3, standard error 0.02.
    drawn = sessions(
        np.random.default_rng(4),
        30_000,
        users=100_000,
        queries=5,
        start=0.0,
        activity_exponent=0.0,
        requests_per_session=3.0,
    )
    order = np.lexsort((drawn.timestamp, drawn.user))
    gap = np.diff(drawn.timestamp[order])
    within = (np.diff(drawn.user[order]) == 0) & (gap < 600)
    assert 30_000 / (30_000 - within.sum()) == pytest.approx(3.0, abs=0.1)
    assert gap[within].mean() == pytest.approx(60, abs=3)


def test_sessions_refuse_what_can_not_be() -> None:
    rng = np.random.default_rng(5)
    with pytest.raises(ValueError, match="requests"):
        sessions(rng, 0, users=1, queries=1, start=0.0)
    with pytest.raises(ValueError, match="swing"):
        sessions(rng, 1, users=1, queries=1, start=0.0, daily_swing=1.5)
    with pytest.raises(ValueError, match="exponents"):
        sessions(rng, 1, users=1, queries=1, start=0.0, activity_exponent=-1.0)
