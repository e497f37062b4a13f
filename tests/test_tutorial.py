"""Vowpal Wabbit's personalization tutorial through our own loop, held against what is published of it.

All ten seeds of it are in benchmarks/tutorial.py, within 0.01 of every published mean; they take minutes.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from conftest import ROOT

from lrerank.experiments.arms.base import Requests


@pytest.fixture(scope="module")
def tutorial() -> ModuleType:
    """benchmarks/tutorial.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("tutorial_benchmark", ROOT / "benchmarks" / "tutorial.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its records look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["with interactions", "without interactions"])
def test_learning_reaches_what_is_published(tutorial: ModuleType, name: str) -> None:
    """One seed of ours differs from the mean of ten others by chance: three standard errors of the difference.

    The published standard deviation is that of single seeds. The ceilings are 0.8286 with interactions and 0.4286
    without, so a learner that sees the wrong features, or draws with the wrong probabilities, is far off.
    """
    case = tutorial.CASES[name]
    (found,) = tutorial.rates(case, 1)
    assert abs(found - case.published) < 3 * case.spread * np.sqrt(1 + 1 / 10)


def test_nothing_is_learned_where_nothing_is_told(tutorial: ModuleType) -> None:
    """A fresh model shows each of seven articles equally often: 4 standard errors of a share of 1/7 in 3,000."""
    case = replace(tutorial.CASES["without learning"], rounds=3000)
    (found,) = tutorial.rates(case, 1)
    assert abs(found - 1 / 7) < 4 * np.sqrt(1 / 7 * 6 / 7 / 3000)


def test_an_article_that_is_liked_is_clicked_and_no_other(tutorial: ModuleType) -> None:
    """The truth side: every article to both users at both times, before and after the switch, as in the tutorial."""
    case = replace(tutorial.CASES["with interactions"], rounds=400, switch=200)
    visitors = tutorial.Visitors(tutorial.world(tutorial.search()), 0, case)
    arrivals = visitors.arrivals(0, case.rounds)
    prospects = visitors.prospects(arrivals, np.tile(np.arange(7), (case.rounds, 1)), 1)
    wanted = {
        ("Tom", 9): ("politics", "politics"),
        ("Tom", 15): ("music", "sports"),
        ("Anna", 9): ("sports", "sports"),
        ("Anna", 15): ("politics", "sports"),
    }
    seen = set()
    for article in range(7):
        columns = np.full((case.rounds, 1), article)
        clicks = visitors.respond(prospects, columns, visitors.state()).clicks[:, 0]
        for number in range(case.rounds):
            who = tutorial.USERS[arrivals.user[number]], round(arrivals.timestamp[number] % 86_400 / 3600)
            seen.add((*who, number >= 200))
            assert clicks[number] == (tutorial.ARTICLES[article] == wanted[who][number >= 200])
    assert len(seen) == 8


def test_the_model_sees_user_time_and_article_alone(tutorial: ModuleType) -> None:
    """As the tutorial's `|User` and `|Action`; propensities are the exact ones of epsilon-greedy among seven."""
    public = tutorial.search()
    arm = tutorial.OneSlot(public, tutorial.spec(tutorial.CASES["with interactions"]), np.random.SeedSequence(0))
    visitors = tutorial.Visitors(tutorial.world(public), 0, tutorial.CASES["with interactions"])
    arrivals = visitors.arrivals(0, 1)
    facts = {name: getattr(arrivals, name) for name in arrivals.__slots__}
    requests = Requests(**facts, rows=public.rows, scores=public.scores)
    served = arm.rank(requests)
    assert served.columns.shape == (1, 1) and served.propensities[0, 0] == pytest.approx(1 / 7)
    block = arm._block(requests, 0, arm._shelved(requests, 0, public.scores[0]))
    assert [name.partition("=")[0] for name in block.shared_names] == ["context.time_of_day", "context.device"]
    assert block.terms.shape == (7, 1) and block.plain.shape == (7, 0)
    assert arm.reranker.model.options.arguments()[:5] == ["--cb_adf", "--cb_type", "mtr", "-q", "uc"]
