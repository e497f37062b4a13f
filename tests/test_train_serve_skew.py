"""The same request is encoded to the same bits in training and in serving, from a log that has been caught up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import NOW, small_catalog

from lrerank import Pipeline, Store
from lrerank.deployment import deploy
from lrerank.shown_lists import ShownList
from lrerank.training import TrainingRun, log_interactions
from lrerank.types import Interaction

PIPELINE = [
    {"stage_type": "filter", "stage_id": "hybrid_search", "parameters": {"query": "{{INPUT.query}}", "top_k": 30}},
    {"stage_type": "sort", "stage_id": "learned_rerank", "parameters": {"model_id": "m"}},
]
FILES = (
    *("lists", "lists without request", "single documents", "single documents without request", "no positions"),
    *("clicks without position", "clicks without request", "double clicks", "clicks on what was not shown"),
)


def history(kind: str, requests: int = 50) -> list[Interaction]:
    """Pages a minute apart, clicks 5 and purchases 7 seconds after: no moment falls on another's."""
    catalog, rng, found = small_catalog(), np.random.default_rng(0), []
    for number in range(requests):
        user, moment = f"u{rng.integers(4)}", NOW + 60.0 * number
        ids = [catalog.ids[row] for row in rng.permutation(len(catalog))[:6]]
        page = None if kind.endswith("without request") and not kind.startswith("clicks") else f"r{number}"
        shown = {"query": "fast tents", "request_id": page, "context": {"device": ("phone", "desk")[number % 2]}}
        if kind.startswith("single") or kind == "no positions":
            for slot, item in enumerate(ids, start=1):
                position = None if kind == "no positions" else slot
                found.append(Interaction("impression", user, item, moment, position=position, **shown))
        else:
            found.append(Interaction("impression", user, None, moment, shown=ids, **shown))
        for slot in np.flatnonzero(rng.random(6) < 0.3).tolist():
            of = None if kind in ("clicks without request", "double clicks") else page
            where = None if kind == "clicks without position" else slot + 1
            delays = (5.0, 6.0) if kind == "double clicks" else (5.0,)
            found += [
                Interaction("click", user, ids[slot], moment + delay, position=where, request_id=of) for delay in delays
            ]
            if rng.random() < 0.3:
                found.append(Interaction("purchase", user, ids[slot], moment + 7, position=where, request_id=of))
        if kind == "clicks on what was not shown":
            for of in (page, "of another page", None):
                other = catalog.ids[int(rng.integers(len(catalog)))]
                found.append(Interaction("click", user, other, moment + 8, position=1, request_id=of))
    return found


@pytest.mark.parametrize("kind", FILES)
def test_a_request_is_encoded_alike_in_training_and_in_serving(kind: str, tmp_path: Path) -> None:
    catalog, interactions, store = small_catalog(), history(kind), Store(tmp_path)
    run = TrainingRun("m", catalog, interactions, pipeline=Pipeline.from_json(PIPELINE), store=store)
    frozen: list[tuple[ShownList, str, list[str]]] = []
    freeze = run._freeze

    def keep(one: ShownList):  # type: ignore[no-untyped-def]
        found = freeze(one)
        frozen.append((one, found.shared, found.documents))
        return found

    run._freeze = keep  # type: ignore[method-assign]
    for _ in run:
        pass
    deployment, place = deploy(run.publish(), catalog), 0
    for one, shared, documents in frozen:
        start = place
        while place < len(interactions) and interactions[place].timestamp < one.timestamp:
            place += 1
        log_interactions(store, catalog, interactions[start:place])
        deployment.catch_up(store.log)
        rows, scores, kept = run._incoming.with_shown(one.query, one.rows)
        who = store.log.pseudonym(one.user_id)
        block = deployment.reranker.assemble(rows, scores, who, one.context, one.timestamp, kept, one.query)
        positions = [None] * len(one.rows) if one.positions is None else one.positions.tolist()
        assert deployment.reranker.lines(block, range(len(one.rows)), positions) == (shared, documents)
    assert len(frozen) == 50
    tastes = [
        deployment.reranker.behaviour.tastes(profile) for profile in deployment.reranker.behaviour.profiles.values()
    ]
    assert any(np.abs(taste).max(initial=0) > 0.3 for taste in tastes), "there was something to agree about"


def test_neither_another_catalogs_interactions_nor_opted_out_users_are_learned_from(tmp_path: Path) -> None:
    """Ids of two catalogs may be alike: what was clicked in one says nothing of the other."""
    catalog, store = small_catalog(), Store(tmp_path)
    own = history("lists")
    elsewhere = [
        replace(each, catalog="elsewhere", user_id="x", request_id=f"elsewhere-{each.request_id}") for each in own
    ]
    store.log.opt_out("u1")
    run = TrainingRun("m", catalog, own + elsewhere, pipeline=Pipeline.from_json(PIPELINE), store=store)
    assert {one.user_id for one in run.lists} == {"u0", "u2", "u3"}
    assert run.left_out == {
        "interactions with another catalog": len(elsewhere),
        "interactions of users who opted out": sum(each.user_id == "u1" for each in own),
    }
    log_interactions(store, catalog, elsewhere)
    assert {each.catalog for each in store.log.read()} == {"elsewhere"}
