"""Training from interactions: what is learned when, what is left out, and that a kill changes nothing."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from children import in_child, needs_fork
from small import NOW, small_catalog

from lrerank import training
from lrerank.errors import DataError
from lrerank.pipeline import Pipeline
from lrerank.shown_lists import shown_lists
from lrerank.store import Store
from lrerank.training import TrainingOptions, TrainingRun, log_interactions
from lrerank.types import Interaction

CATALOG = small_catalog()
SEARCH = {"stage_type": "filter", "stage_id": "hybrid_search", "parameters": {"query": "{{INPUT.query}}", "top_k": 30}}
BAG = {
    "stage_type": "sort",
    "stage_id": "learned_rerank",
    "parameters": {"model_id": "m", "exploration": "bag", "exploration_parameters": {"bag": 3}},
}


def page(number: int, shown: Sequence[str], user: str = "u", **other: object) -> Interaction:
    entries = {"query": "warm tents", "request_id": f"r{number}", "shown": list(shown), **other}
    return Interaction("impression", user, None, NOW + 60.0 * number, **entries)  # type: ignore[arg-type]


def click(number: int, document: str, after: float = 5.0, user: str = "u", **other: object) -> Interaction:
    entries = {"query": "warm tents", "request_id": f"r{number}", **other}
    return Interaction("click", user, document, NOW + 60.0 * number + after, **entries)  # type: ignore[arg-type]


def history(requests: int) -> list[Interaction]:
    rng, found = np.random.default_rng(0), []
    for number in range(requests):
        user = f"u{rng.integers(4)}"
        ids = [CATALOG.ids[row] for row in rng.permutation(len(CATALOG))[:5]]
        found.append(page(number, ids, user))
        found += [click(number, item, float(rng.choice([5.0, 400.0])), user) for item in ids if rng.random() < 0.3]
    return found


def trained(interactions: Sequence[Interaction], home: Path, options: TrainingOptions | None = None) -> TrainingRun:
    run = TrainingRun("m", CATALOG, interactions, store=Store(home), options=options, source="file.jsonl")
    for _ in run:
        pass
    return run


def published(home: Path, stages: Sequence[object], kill_at: int | None = None, every: int = 40) -> dict[str, bytes]:
    """The files of a model trained on 150 requests with a checkpoint every 40; or death at a request."""
    training.CHECKPOINT_EVERY = every
    run = TrainingRun("m", CATALOG, history(150), pipeline=Pipeline.from_json(stages), store=Store(home))
    for state in run:
        if state.done == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
    version = run.publish()
    return {name: version.read(name) for name in version.card["files"]} | {
        "metrics": json.dumps([version.card["metrics"], version.card["trained_on"], run.resumed_at > 0]).encode()
    }


@needs_fork
@pytest.mark.parametrize("stages", [[SEARCH], [SEARCH, BAG]], ids=["alone", "bag"])
def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(stages: list[object], tmp_path: Path) -> None:
    whole = in_child(partial(published, tmp_path / "whole", stages))
    for moment in (30, 55, 149):  # before the first checkpoint, after it, and shortly before the end
        with pytest.raises(ChildProcessError):
            in_child(partial(published, tmp_path / "killed", stages, moment))
    resumed = in_child(partial(published, tmp_path / "killed", stages))
    assert json.loads(resumed.pop("metrics")) == [*json.loads(whole.pop("metrics"))[:2], True]
    assert resumed == whole


@needs_fork
@pytest.mark.parametrize("damage", [b"", b"[]", b"hello", None], ids=["empty", "other", "text", "flipped"])
def test_a_damaged_checkpoint_is_not_gone_on_from(damage: bytes | None, tmp_path: Path) -> None:
    with pytest.raises(ChildProcessError):
        in_child(partial(published, tmp_path, [SEARCH], 100))
    checkpoint = Store(tmp_path).models.workspace("m") / "checkpoint.json"
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(content if damage is None else damage)
    assert TrainingRun("m", CATALOG, history(150), store=Store(tmp_path)).resumed_at == 0


@needs_fork
def test_a_checkpoint_of_another_training_is_not_gone_on_from(tmp_path: Path) -> None:
    with pytest.raises(ChildProcessError):
        in_child(partial(published, tmp_path, [SEARCH], 100))
    pipeline, store = Pipeline.from_json([SEARCH]), Store(tmp_path)
    assert TrainingRun("m", CATALOG, history(150), pipeline=pipeline, store=store).resumed_at == 80
    assert TrainingRun("m", CATALOG, history(149), pipeline=pipeline, store=store).resumed_at == 0
    other = TrainingOptions(position_feature=False)
    assert TrainingRun("m", CATALOG, history(150), pipeline=pipeline, store=store, options=other).resumed_at == 0


def test_clicks_alone_are_refused_unless_negatives_may_be_sampled(tmp_path: Path) -> None:
    clicks = [click(number, "d1") for number in range(3)] + [click(9, "not there")]
    with pytest.raises(DataError, match=r"file.jsonl: these interactions are clicks only.*--sampled-negatives"):
        trained(clicks, tmp_path)
    run = trained(clicks, tmp_path, TrainingOptions(sampled_negatives=4))
    card = run.publish().card
    assert card["trained_on"]["clicks_only"] is True
    assert card["trained_on"]["left_out"] == {"engagements with documents the catalog lacks": 1}
    assert [len(one.rows) for one in run.lists] == [5, 5, 5]
    assert all(one.rows[0] == CATALOG.row_of["d1"] and one.positions is None for one in run.lists)
    assert trained([page(0, ["d1", "d2"]), *clicks], tmp_path).publish().card["trained_on"]["clicks_only"] is False


def test_sampled_negatives_follow_the_seed(tmp_path: Path) -> None:
    clicks = [click(number, f"d{number}") for number in range(10)]
    rows = [
        [one.rows.tolist() for one in trained(clicks, tmp_path, TrainingOptions(sampled_negatives=5, seed=seed)).lists]
        for seed in (1, 1, 2)
    ]
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]


def test_a_click_is_learned_when_it_has_happened(tmp_path: Path) -> None:
    """Two pages, a minute apart; the first is clicked after the second was shown: so the second is learned first."""
    late = [page(0, ["d1", "d2"]), page(1, ["d1", "d3"]), click(0, "d1", after=300.0)]
    run = trained(late, tmp_path / "late")
    assert {one.request_id: one.learn_order for one in run.lists} == {"r0": 1, "r1": 0}
    # Before the click nothing tells documents apart, whatever the file says of later.
    without = TrainingRun("m", CATALOG, late[:2], store=Store(tmp_path / "without"))
    first, again = next(iter(run_of(late, tmp_path / "again"))), next(iter(without))
    assert first.squared_error == again.squared_error == 0.0
    assert run.reranker.behaviour.profiles["u"].engaged == 1


def run_of(interactions: Sequence[Interaction], home: Path) -> TrainingRun:
    return TrainingRun("m", CATALOG, interactions, store=Store(home))


def test_the_order_of_the_file_does_not_matter(tmp_path: Path) -> None:
    found = history(40)
    shuffled = [found[place] for place in np.random.default_rng(3).permutation(len(found))]
    versions = [trained(each, tmp_path / name).publish() for name, each in (("as", found), ("shuffled", shuffled))]
    assert versions[0].read("model.vw") == versions[1].read("model.vw")


def test_impressions_of_a_request_are_one_list() -> None:
    single = [
        Interaction("impression", "u", item, NOW + slot, position=slot, request_id="r", query="q")
        for slot, item in ((2, "d2"), (1, "d1"), (3, "d3"))
    ]
    (one,), _, left_out = shown_lists([*single, click(0, "d3", request_id="r")], CATALOG)
    assert [CATALOG.ids[row] for row in one.rows] == ["d1", "d2", "d3"]
    assert one.positions is not None
    assert one.positions.tolist() == [1, 2, 3]
    assert one.rewards({"click": 1.0}).tolist() == [0.0, 0.0, 1.0]
    assert not left_out


def test_without_request_ids_user_query_and_moment_make_a_list_and_a_click_finds_the_latest() -> None:
    pages = [page(number, ["d1", "d2"], request_id=None) for number in (0, 1)] + [page(1, ["d1"], "v", request_id=None)]
    clicks = [click(1, "d1", 70.0, request_id=None), click(0, "d2", 5.0, request_id=None)]
    lists, _, left_out = shown_lists([*pages, *clicks], CATALOG)
    rewards = {(one.user_id, one.timestamp - NOW): one.rewards({"click": 1.0}).tolist() for one in lists}
    assert rewards == {("u", 0.0): [0.0, 1.0], ("u", 60.0): [1.0, 0.0], ("v", 60.0): [0.0]}
    assert not left_out


def test_what_is_left_out_is_counted_and_on_the_card(tmp_path: Path) -> None:
    found = [page(0, ["d1", "gone", "d2"]), click(0, "gone"), click(0, "d7"), click(5, "d1"), click(0, "d2")]
    run = trained(found, tmp_path)
    expected = {
        "shown documents the catalog lacks": 1,
        "engagements with documents the catalog lacks": 1,
        "engagements with documents that were not shown": 2,
    }
    assert run.left_out == expected
    assert run.publish().card["trained_on"]["left_out"] == expected
    assert run.lists[0].positions is not None
    assert run.lists[0].positions.tolist() == [1, 3]  # what the catalog lacks leaves its position empty
    with pytest.raises(DataError, match="nothing to learn from: 1 shown documents the catalog lacks"):
        trained([page(0, ["gone"])], tmp_path)


def test_a_pipeline_that_needs_other_inputs_is_refused(tmp_path: Path) -> None:
    condition = {"field": "category", "operator": "eq", "value": "{{INPUT.shelf}}"}
    stages = [
        SEARCH,
        {"stage_type": "filter", "stage_id": "structured_filter", "parameters": {"conditions": condition}},
    ]
    run = TrainingRun("m", CATALOG, [page(0, ["d1"])], pipeline=Pipeline.from_json(stages), store=Store(tmp_path))
    with pytest.raises(DataError, match=r"INPUT.shelf.*filters use the query only"):
        list(run)


def test_logging_a_file_again_adds_nothing_and_equal_rows_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    row = click(0, "d1", request_id=None)
    found = [page(0, ["d1"]), row, row, replace(row, interaction_id="named"), replace(row, interaction_id="named")]
    assert tuple(log_interactions(store, CATALOG, found)) == (4, 1, 0)
    assert tuple(log_interactions(store, CATALOG, found)) == (0, 5, 0)
    assert store.log.count("click") == 3
    assert {each.catalog for each in store.log.read()} == {"small"}
    store.log.opt_out("u")
    assert tuple(log_interactions(store, CATALOG, [click(3, "d2")])) == (0, 0, 1)


@needs_fork
def test_logging_that_was_killed_half_way_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = history(60)
    monkeypatch.setattr(training, "_LOG_BATCH", 20)

    def half() -> None:
        store, batches = Store(tmp_path), 0
        append = store.log.append

        def killed(batch: list[Interaction]) -> object:
            nonlocal batches
            batches += 1
            if batches == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return append(batch)

        store.log.append = killed  # type: ignore[assignment, method-assign]
        log_interactions(store, CATALOG, found)

    with pytest.raises(ChildProcessError):
        in_child(half)
    store = Store(tmp_path)
    assert store.log.count() == 40
    assert tuple(log_interactions(store, CATALOG, found)) == (len(found) - 40, 40, 0)


def test_two_users_never_share_a_page_even_if_their_requests_share_an_id() -> None:
    catalog = small_catalog()
    pages = [
        Interaction("impression", user, None, NOW + number, request_id="same", shown=[f"d{number}", f"d{number + 1}"])
        for number, user in enumerate(("ann", "bob"))
    ]
    click = Interaction("click", "bob", "d1", NOW + 9, request_id="same")
    lists, strays, _ = shown_lists([*pages, click], catalog)
    assert [(one.user_id, len(one.rows), len(one.outcomes)) for one in lists] == [("ann", 2, 0), ("bob", 2, 1)]
    assert not strays
