"""The arms that are not Vowpal Wabbit: each order by hand or by an oracle, and what learning ones learn."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import small_catalog

from lrerank.data import worlds
from lrerank.data.catalog import Catalog
from lrerank.experiments.arms.base import Arm, Outcomes, Requests, Served
from lrerank.experiments.arms.fixed import MMR, LexicalRerank, RetrievalOrder, Uniform
from lrerank.experiments.arms.lists import by_value, incoming_order
from lrerank.experiments.arms.popularity import Popularity
from lrerank.experiments.arms.rates import trust
from lrerank.experiments.arms.segment_popularity import SegmentPopularity
from lrerank.experiments.arms.trees import Trees
from lrerank.experiments.scene import Scene, build_scene
from lrerank.experiments.search import Search
from lrerank.pipeline import Pipeline
from lrerank.types import Candidates, FloatArray, IntArray
from simulators.click_models.pbm import PBM, power_law_examination
from simulators.variates import uniforms

_SLOTS = 5
_START = 1_767_225_600.0  # a midnight, UTC
_DAY = 86_400.0
SEED = np.random.SeedSequence(11)


def small_search(rows: Any, lexical: Any = None, topics: Any = None, catalog: Catalog | None = None) -> Search:
    rows = np.array(rows)
    catalog = catalog or small_catalog(60)
    return Search(
        catalog=catalog,
        indexes=Path("unused"),
        query_ids=[str(number) for number in range(len(rows))],
        texts=["tents"] * len(rows),
        rows=rows,
        scores=np.where(rows >= 0, 1.0 / (1 + np.arange(rows.shape[1])), 0.0),
        lexical=np.zeros(rows.shape) if lexical is None else np.array(lexical),
        topics=np.full(len(catalog), -1) if topics is None else np.array(topics),
        topic_names=() if topics is None else ("hot", "cold"),
    )


def requests(
    search: Search, query: Any, start: int = 0, user: Any = None, rows: Any = None, day: float = 0
) -> Requests:
    query = np.array(query)
    zeros = np.zeros(len(query), np.int64)
    return Requests(
        impression=np.arange(start, start + len(query)),
        user=zeros if user is None else np.array(user),
        query=query,
        timestamp=_START + day * _DAY + np.arange(len(query)),
        device=zeros,
        location=zeros,
        rows=search.rows[query] if rows is None else np.array(rows),
        scores=search.scores[query] if rows is None else np.zeros(np.shape(rows)),
    )


def shown(arm: Arm, asked: Requests) -> list[list[int]]:
    """Rows of the lists, after checking what holds for every arm without chance."""
    served = arm.rank(asked)
    assert (served.greedy == served.columns).all() and not served.explored.any() and (served.propensities == 1).all()
    return [
        [int(asked.rows[page, column]) for column in columns if column >= 0]
        for page, columns in enumerate(served.columns)
    ]


def outcomes(asked: Requests, served: Served, attraction: FloatArray, severity: float = 1.0) -> Outcomes:
    """What users do under a position-based model with the attractiveness [m, c] of each candidate."""
    there = served.columns >= 0
    alpha = np.where(there, np.take_along_axis(attraction, np.maximum(served.columns, 0), axis=1), 0.0)
    slots = alpha.shape[1]
    examination = uniforms(5, asked.impression[:, None], np.arange(slots)[None, :], 1)
    luck = uniforms(5, asked.impression[:, None], served.columns, 2)
    clicks = examination < power_law_examination(slots, severity)
    clicks &= luck < alpha
    return Outcomes(clicks, np.zeros_like(clicks), clicks.astype(np.float64))


def live(
    arm: Arm, search: Search, truth: FloatArray, query: IntArray, user: IntArray | None = None, batch: int = 50
) -> FloatArray:
    """[m] expected clicks of the lists that an arm shows while it learns from its own, by a truth [users or 1, Q, c]."""
    earned = []
    for start in range(0, len(query), batch):
        some = slice(start, start + batch)
        asked = requests(search, query[some], start, None if user is None else user[some], day=start / 1000)
        served = arm.rank(asked)
        attraction = truth[asked.user % len(truth), asked.query]
        model = PBM(power_law_examination(served.columns.shape[1]))
        alpha = np.take_along_axis(attraction, served.columns, axis=1)
        earned.append(model.click_probabilities(alpha).sum(axis=1))
        arm.learn(asked, served, outcomes(asked, served, attraction))
    return np.concatenate(earned)


def test_ties_keep_the_incoming_order_and_what_is_absent_is_not_shown() -> None:
    search = small_search([[5, 6, 7, 8]])
    asked = requests(search, [0, 0, 0], rows=[[5, 6, 7, 8], [5, -1, 7, -1], [-1, -1, -1, -1]])
    served = by_value(asked, np.array([[1.0, 2.0, 2.0, 1.0]] * 3), 3)
    assert served.columns.tolist() == [[1, 2, 0], [2, 0, -1], [-1, -1, -1]]
    assert by_value(asked, np.zeros((3, 4)), 6).columns.tolist()[0] == [0, 1, 2, 3, -1, -1]
    assert incoming_order(asked, 2).columns.tolist() == [[0, 1], [0, 2], [-1, -1]]


def test_fixed_orders() -> None:
    search = small_search([[5, 6, 7, -1], [9, 8, 3, 1]], lexical=[[0.1, 0.5, 0.5, 0], [0.2, 0.1, 0.9, 0.3]])
    asked = requests(search, [0, 1, 1])
    assert shown(RetrievalOrder(3), asked) == [[5, 6, 7], [9, 8, 3], [9, 8, 3]]
    assert shown(LexicalRerank(search, 3), asked) == [[6, 7, 5], [3, 1, 9], [3, 1, 9]]
    # Documents that are not there yet are no candidates, wherever the others then stand.
    asked = requests(search, [1, 1], rows=[[9, 8, 1, -1], [8, 3, -1, -1]])
    assert shown(LexicalRerank(search, 3), asked) == [[1, 9, 8], [3, 8]]


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene(worlds.catalog("marketplace"), most_queries=60)


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_mmr_is_the_stage(scene: Scene, weight: float) -> None:
    search = scene.search
    stage = {"stage_type": "sort", "stage_id": "mmr", "parameters": {"lambda": weight, "top_n": 8}}
    arm, rng = MMR(search, 8, weight), np.random.default_rng(2)
    query = rng.integers(len(search.rows), size=12)
    there = (search.rows[query] >= 0) & (rng.random(search.rows[query].shape) < 0.8)
    for kept in (search.rows[query] >= 0, there):
        order = np.argsort(~kept, axis=1, kind="stable")
        rows = np.where(np.take_along_axis(kept, order, axis=1), np.take_along_axis(search.rows[query], order, 1), -1)
        scores = np.take_along_axis(search.scores[query], order, axis=1)
        asked = requests(search, query)
        asked = Requests(*(getattr(asked, name) for name in Requests.__slots__[:-2]), rows, scores)
        expected = []
        for page in range(len(query)):
            count = int((rows[page] >= 0).sum())
            start = Candidates(rows[page, :count], scores[page, :count])
            ranking = Pipeline.from_json([stage]).run({}, catalog=search.catalog, candidates=start)
            expected.append(ranking.candidates.rows.tolist())
        assert shown(arm, asked) == expected == shown(arm, asked)


def test_uniform_draws_every_list_with_the_propensities_it_names() -> None:
    search = small_search([[5, 6, 7, 8, -1]])
    pages = 24_000
    asked = requests(search, np.zeros(pages, np.int64))
    served = Uniform(2, SEED).rank(asked)
    assert (served.propensities == [1 / 4, 1 / 3]).all() and (served.greedy == [0, 1]).all()
    counts = dict.fromkeys(permutations(range(4), 2), 0)
    for first, second in served.columns.tolist():
        counts[first, second] += 1
    # Each of 12 lists is expected 2,000 times with a standard deviation of 43: four of them bound the largest of 12.
    assert all(abs(count - pages / 12) < 4 * 43 for count in counts.values())
    first, second = served.columns.T
    assert (served.explored[:, 0] == (first != 0)).all()
    assert (served.explored[:, 1] == (second != np.where(first == 0, 1, 0))).all()


def test_uniform_draws_the_same_whatever_the_batch_and_ends_with_the_candidates() -> None:
    search = small_search([[5, 6, 7, 8, -1]])
    asked, arm = requests(search, np.zeros(40, np.int64)), Uniform(4, SEED)
    parts = [arm.rank(asked.part(start, start + 8)).columns for start in range(0, 40, 8)]
    assert (np.concatenate(parts) == arm.rank(asked).columns).all()
    assert (arm.rank(asked).columns != Uniform(4, np.random.SeedSequence(12)).rank(asked).columns).any()
    longer = Uniform(6, SEED).rank(asked)
    assert (longer.columns[:, 4:] == -1).all() and (np.sort(longer.columns[:, :4]) == np.arange(4)).all()
    assert (longer.propensities == [1 / 4, 1 / 3, 1 / 2, 1, 1, 1]).all() and not longer.explored[:, 3:].any()


def test_popularity_starts_from_the_static_order_and_moves_what_is_clicked() -> None:
    search = small_search([[5, 6, 7, 8], [9, 5, 3, 1]])
    arm = Popularity(search, 3)
    asked = requests(search, [0, 1])
    assert shown(arm, asked) == [[5, 6, 7], [9, 5, 3]]
    before = requests(search, np.zeros(200, np.int64))
    clicks = np.tile([False, False, True], (200, 1))
    served = incoming_order(before, 3)
    arm.learn(before, served, Outcomes(clicks, np.zeros_like(clicks), clicks.astype(np.float64)))
    # For its own query the clicked one leads, and 5, never clicked there, falls in the other query too.
    own, other = shown(arm, asked)
    assert own[0] == 7 and 8 in own
    assert other[0] == 9 and 5 not in other[:2]


def test_popularity_finds_true_quality_and_the_examination_curve_behind_position() -> None:
    rng = np.random.default_rng(3)
    search = small_search([rng.permutation(60)[:12] for _ in range(4)])
    truth = rng.permuted(np.tile(np.linspace(0.05, 0.9, 12), (4, 1)), axis=1)
    logging, arm = Uniform(_SLOTS, SEED), Popularity(search, _SLOTS)
    for start in range(0, 20_000, 500):
        asked = requests(search, rng.integers(4, size=500), start)
        served = logging.rank(asked)
        arm.learn(asked, served, outcomes(asked, served, truth[asked.query]))
    # Some 2,100 shows of each pair, 950 of them examined: a rate's standard error is at most 0.017, of 48 rates.
    estimated = arm.rates.values(np.arange(4), np.tile(np.arange(12), (4, 1)))
    assert np.abs(estimated - truth).max() < 0.08
    assert np.diag(np.corrcoef(estimated, truth)[:4, 4:]).min() > 0.99
    assert arm.rates.examination == pytest.approx(power_law_examination(_SLOTS), abs=0.02)


def test_popularity_learns_from_its_own_lists_and_stays_where_static_is_right() -> None:
    rng = np.random.default_rng(4)
    search = small_search([rng.permutation(60)[:12] for _ in range(4)])
    query = rng.integers(4, size=6000)
    unknown = rng.permuted(np.tile(np.linspace(0.05, 0.9, 12), (4, 1)), axis=1)[None]
    known = -np.sort(-unknown, axis=2)
    best = known[0, 0, :_SLOTS] @ power_law_examination(_SLOTS)
    static = (unknown[0, query, :_SLOTS] @ power_law_examination(_SLOTS)).mean()
    earned = live(Popularity(search, _SLOTS), search, unknown, query)
    # It never explores, so it settles before everything is known.
    assert earned[-1000:].mean() > static + 0.7 * (best - static)
    assert live(Popularity(search, _SLOTS), search, known, query)[-1000:].mean() > 0.99 * best


def test_trust_is_the_spread_beyond_chance() -> None:
    rng = np.random.default_rng(6)
    expected = rng.uniform(5, 50, 20_000)
    # A gamma of shape 8 has variance 1/8; over 20,000 ratios the estimate is good to about 2 %.
    observed = rng.poisson(expected * rng.gamma(8.0, 1 / 8, 20_000)).astype(float)
    assert trust(observed, expected, 1.0) == pytest.approx(8.0, rel=0.1)
    # Rewards of 3 a click have three times a click's variance.
    assert trust(3 * observed, 3 * expected, 3.0) == pytest.approx(24.0, rel=0.1)
    assert trust(rng.poisson(expected).astype(float), expected, 1.0) > 200


def test_segments_follow_from_clicks_beyond_expectation() -> None:
    rng = np.random.default_rng(7)
    topics = rng.integers(2, size=60)
    search = small_search([rng.permutation(60)[:12] for _ in range(6)], topics=topics)
    # Even users like one topic, odd ones the other; users 0 and 1 never come.
    likes = topics[search.rows][None] == np.arange(2)[:, None, None]
    truth = np.where(likes, 0.7, 0.1)
    query, user = rng.integers(6, size=5000), rng.integers(2, 42, size=5000)
    personal, overall = SegmentPopularity(search, _SLOTS), Popularity(search, _SLOTS)
    asked = requests(search, [0, 0], user=[0, 2])
    assert personal.rank(asked).segments == ["newcomer", "newcomer"]
    by_segment = live(personal, search, truth, query, user)[-1000:].mean()
    by_all = live(overall, search, truth, query, user)[-1000:].mean()
    found = personal.segments(np.arange(42))
    assert found[:2].tolist() == [3, 3]
    assert (found[2:] == np.arange(2, 42) % 2).mean() >= 0.95
    assert personal.rank(asked).segments == ["newcomer", "hot_enthusiast"]
    best = np.sort(truth, axis=2)[:, :, ::-1][user[-1000:] % 2, query[-1000:], :_SLOTS]
    ceiling = (best @ power_law_examination(_SLOTS)).mean()
    assert by_segment > by_all + 0.6 * (ceiling - by_all)


def test_segments_are_no_topics_that_one_merely_searches_for() -> None:
    topics = np.array([0] * 30 + [1] * 30)
    # Query 0 has documents of one topic only; users who ask nothing else show no liking by it.
    search = small_search([np.arange(12), np.arange(24, 36)], topics=topics)
    rng = np.random.default_rng(8)
    user = rng.integers(40, size=4000)
    arm = SegmentPopularity(search, _SLOTS)
    live(arm, search, np.full((1, 2, 12), 0.4), np.where(user < 20, 0, 1), user)
    assert (arm.segments(np.arange(20)) == 2).mean() >= 0.9


def test_without_topics_popularity_by_segment_is_popularity() -> None:
    rng = np.random.default_rng(9)
    search = small_search([rng.permutation(60)[:12] for _ in range(4)])
    truth = rng.uniform(0.05, 0.9, (1, 4, 12))
    query = rng.integers(4, size=1500)
    arms = SegmentPopularity(search, _SLOTS), Popularity(search, _SLOTS)
    one, other = (live(arm, search, truth, query, query % 3) for arm in arms)
    assert abs(one[-500:].mean() - other[-500:].mean()) < 0.02


def quality_world(scene: Scene) -> tuple[FloatArray, IntArray]:
    """([1, Q, c] attractiveness, [m] queries): relevance times a quality that no text shows, the same for every query."""
    rng = np.random.default_rng(10)
    quality = rng.uniform(0.1, 1.0, len(scene.catalog))
    return (scene.relevance * quality[scene.rows])[None], rng.integers(len(scene.rows), size=4000)


def test_trees_trained_on_the_log_rank_above_the_static_orders_and_never_change(scene: Scene) -> None:
    truth, query = quality_world(scene)
    search = scene.search
    arm, twin = (Trees(search, _SLOTS, retrain="never", seed=SEED) for _ in range(2))
    for each in (arm, twin):
        asked = requests(search, query[:3000])
        served = Uniform(_SLOTS, SEED).rank(asked)
        each.learn(asked, served, outcomes(asked, served, truth[0, asked.query]))
    asked = requests(search, np.arange(len(search.rows)), 4000)

    def worth(served: Served) -> float:
        alpha = np.take_along_axis(truth[0, asked.query], served.columns, axis=1)
        return float((alpha @ power_law_examination(_SLOTS)).mean())

    trained = arm.rank(asked)
    assert worth(trained) > 1.15 * max(
        worth(LexicalRerank(search, _SLOTS).rank(asked)), worth(incoming_order(asked, 5))
    )
    assert (twin.rank(asked).columns == trained.columns).all()
    arm.learn(asked, trained, Outcomes(*(np.ones((len(asked), _SLOTS), kind) for kind in (bool, bool, float))))
    later = requests(search, np.arange(len(search.rows)), 5000, day=3)
    assert (arm.rank(later).columns == trained.columns).all()
    # A document that is not there leaves the order of the others as it is.
    hidden = np.where(np.arange(search.rows.shape[1]) == 0, -1, search.rows)
    there = arm.rank(requests(search, np.arange(len(search.rows)), 5000, rows=hidden)).columns
    kept = [[column for column in row if column not in (0, -1)] for row in trained.columns.tolist()]
    assert all(row[: len(before)] == before for row, before in zip(there.tolist(), kept, strict=True))


def test_trees_are_retrained_after_midnight_only(scene: Scene) -> None:
    truth, query = quality_world(scene)
    search = scene.search
    arm = Trees(search, _SLOTS, retrain="nightly", seed=SEED)
    asked = requests(search, query[:900], day=0.2)
    first = arm.rank(asked)
    assert (first.columns == incoming_order(asked, _SLOTS).columns).all()
    arm.learn(asked, first, outcomes(asked, first, truth[0, asked.query]))
    evening = requests(search, query[:50], 900, day=0.9)
    assert (arm.rank(evening).columns == incoming_order(evening, _SLOTS).columns).all()
    morning = requests(search, query[:50], 900, day=1.1)
    assert (arm.rank(morning).columns != incoming_order(morning, _SLOTS).columns).any()


def test_nothing_clicked_leaves_the_incoming_order(scene: Scene) -> None:
    search = scene.search
    asked = requests(search, np.arange(20).repeat(10))
    nothing = np.zeros((200, _SLOTS))
    for arm in (Popularity(search, _SLOTS), Trees(search, _SLOTS, retrain="never", seed=SEED)):
        arm.learn(asked, incoming_order(asked, _SLOTS), Outcomes(nothing > 0, nothing > 0, nothing))
        assert len(arm.rank(asked).columns) == 200
    assert (arm.rank(asked).columns == incoming_order(asked, _SLOTS).columns).all()
