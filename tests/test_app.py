"""The page "Playground": what it computes, without Streamlit, and the page through Streamlit's own harness."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from children import Child, needs_fork
from small_catalogs import catalog as small_catalog
from streamlit.testing.v1 import AppTest

from lrerank.charts.beliefs import feature_figure, position_figure, segment_figure
from lrerank.charts.contributions import contribution_bars, contribution_figure
from lrerank.data.cards import Card
from lrerank.data.catalog import Catalog
from lrerank.data.own import delete, keep
from lrerank.errors import InputError, LrerankError
from lrerank.pipeline import Pipeline
from lrerank.store import Store
from lrerank.ui.demo import MODEL_ID, forget, queries, ready, users
from lrerank.ui.playground.asked import (
    STRATEGIES,
    Asked,
    clicks_until_the_model,
    fallback_told,
    pages_explored,
    percent,
    share_of_pages,
)
from lrerank.ui.playground.beliefs import beliefs, dropped
from lrerank.ui.playground.cards import STYLE, learned_card, who
from lrerank.ui.playground.json_lines import line_of
from lrerank.ui.playground.names import first_names
from lrerank.ui.playground.results import LEARNED, MMR, OTHERS, RERANK, RETRIEVAL, Document, Row, model_order, tastes
from lrerank.ui.playground.session import Comparison, Session
from lrerank.ui.playground.stages import Stages, line_told, read
from lrerank.ui.policy import Policy

PAGE = Path(__file__).parents[1] / "lrerank" / "ui" / "views" / "playground.py"
QUERY = "noise cancelling headphones"


@pytest.fixture(scope="module")
def demo(lrerank_home: Path) -> Store:
    """Where the app makes it too, so that it is made once."""
    return ready("marketplace", lrerank_home / "demo")


@pytest.fixture
def session(demo: Store) -> Session:
    return Session("marketplace", demo)


VISITOR, KNOWN = 0, 1
NO_EXPLORATION = Policy(exploration_rate=0.0)


def asked_by(session: Session, place: int = KNOWN, **settings: object) -> Asked:
    return replace(Asked("marketplace", session.people[place].user_id, QUERY), **settings)


def shown_as(shown: Comparison) -> object:
    """All that a page shows of the learned list."""
    return [*shown.learned], shown.segment, shown.profile, shown.pages, shown.engagements, shown.badge


def test_the_rate_is_told_as_a_share_of_pages() -> None:
    told = Policy(exploration_rate=0.1)
    assert pages_explored(told) == "65 % of result pages contain an explored slot"
    assert share_of_pages(0.1) == pytest.approx(0.6513215599)
    assert share_of_pages(0.0) == 0.0 and share_of_pages(1.0) == 1.0
    assert pages_explored(NO_EXPLORATION) == "No result page contains an explored slot"
    assert pages_explored(replace(told, strategy="greedy")) == "No result page contains an explored slot"
    assert pages_explored(replace(NO_EXPLORATION, strategy="uniform")) == "Every slot is drawn at random"
    assert pages_explored(replace(told, strategy="softmax")).startswith("At least 65 %")


def test_whose_list_it_is_and_until_when_is_said() -> None:
    assert fallback_told("mmr ranked: cold start, 3 of 5 engagements", 3, 5).endswith("clicked 5 times: 3 of 5 so far")
    assert fallback_told("mmr ranked: the user opted out", 9, 2).endswith("because the user opted out")
    assert (
        fallback_told("mmr ranked: the user is unknown", 0, 0)
        == "mmr ranks a visitor's first page, the same for everybody"
    )
    assert "first click is on" in clicks_until_the_model(1) and "first 2 clicks are on" in clicks_until_the_model(2)
    assert "second page" in clicks_until_the_model(0)


def test_a_share_never_rounds_to_all_or_nothing() -> None:
    assert [percent(share) for share in (0.0, 0.0001, 0.5, 0.9999, 1.0)] == [
        *("0 %", "less than 1 %", "50 %", "more than 99 %", "100 %"),
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_setting_is_a_pipeline_that_can_be_read(strategy: str) -> None:
    policy = Policy(0.2, strategy, ("metadata.price",), "mmr", 5)  # type: ignore[arg-type]
    told = Asked("marketplace", "u", "q", policy)
    assert json.loads(told.pipeline_text()) == told.pipeline()
    assert Pipeline.from_json(told.pipeline_text()).learned is not None
    back, stages = read(told.pipeline_text())
    assert replace(back, origin=policy.origin) == policy and stages == Stages()


def test_what_no_control_sets_is_kept_as_it_was_written() -> None:
    condition = {"field": "metadata.in_stock", "operator": "eq", "value": True}
    before = ({"stage_type": "filter", "stage_id": "structured_filter", "parameters": {"conditions": condition}},)
    more = {"top_n": 5, "explore_pool": 20, "fallback": {"stage_id": "rerank", "parameters": {"model": "lexical"}}}
    policy, stages = read(Stages(before, more).text(Policy(exploration_rate=0.3)))
    assert stages == Stages(before, more) and stages.slots == 5
    assert policy.exploration_rate == 0.3 and policy.fallback == "rerank"
    assert stages.pipeline(replace(policy, fallback="mmr"))[-1]["parameters"]["fallback"] == "mmr"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('"exploration_rate": 0.1', '"exploration_rate": 3', "Line 27: [2].parameters.exploration_rate: not allowed (found 3)"),
        ('"exploration_rate": 0.1', '"explore": 3', "Line 27: [2].parameters.explore: unknown parameter"),
        ('"top_k": 50', '"top_k": "many"', "Line 8: [0].parameters.top_k: not allowed"),
        ('"top_k": 50', '"top_k": 50,', "Line 9: this is not JSON"),
        ('"stage_id": "rerank"', '"stage_id": "rank"', "Line 13: [1].stage_id: unknown stage"),
        ('"stage_type": "sort",', '"stage_type": "sort", "id": 1,', "Line 12: [1]: unknown key"),
        ('"model_id": "demo"', '"model_id": "mine"', "Line 23: [2].parameters.model_id: the playground can't take another"),
        ('"fallback": "rerank"', '"exploration": "bag"', "Line 28: [2].parameters.exploration: the playground's model"),
        ('"user_id": "{{INPUT.user_id}}"', '"user_id": "{{USER}}"', "Line 24: [2].parameters.user_id: this is not a template"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_an_edited_pipeline_is_told_with_its_line(before: str, after: str, told: str) -> None:
    text = Stages().text(Policy())
    assert before in text
    with pytest.raises(LrerankError) as refused:
        read(text.replace(before, after, 1))
    assert str(refused.value).startswith(told)
    number = int(told.partition(":")[0].removeprefix("Line "))
    changed = text.replace(before, after, 1)
    assert line_told(changed, refused.value) == f"{number}  {changed.splitlines()[number - 1].strip()}"


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "[1]", "[{}]", '"/etc/passwd"', "/etc/passwd", "[" * 100_000])
def test_what_is_no_pipeline_is_refused(text: str) -> None:
    with pytest.raises(LrerankError):
        read(text)


@pytest.mark.parametrize("stages", [[0, 1], [2], [1, 2]])
def test_a_pipeline_that_leaves_nothing_to_compare_is_refused(stages: list[int]) -> None:
    all_stages = Stages().pipeline(Policy())
    with pytest.raises(LrerankError, match="Line"):
        read(json.dumps([all_stages[place] for place in stages]))


def test_a_path_is_found_on_its_line() -> None:
    text = '[\n {"a": {"b": [1,\n 2]},\n  "c,]}": "]"\n }\n]'
    assert [line_of(text, path) for path in ("[0]", "[0].a.b", "[0].a.b[1]", "[0].c,]}", "[0].missing", "")] == [
        *(2, 2, 3, 4, 2, None),
    ]
    assert line_of("[", "[0].a") is None


def test_made_up_users_have_names_of_their_own(session: Session) -> None:
    names = first_names(users(Store(session.original_home, "demo")))
    assert len(set(names.values())) == 40 and first_names(names) == names
    assert len(set(first_names(map(str, range(500))))) == 500
    labels = [person.label for person in session.people]
    assert len(labels) == len(set(labels)) == 41 and labels[VISITOR] == "New visitor"
    assert session.people[KNOWN].segment in labels[KNOWN]


def test_tastes_are_said_in_words(session: Session) -> None:
    reranker = session.deployment().reranker
    profiles = [reranker.behaviour.profiles[session.pseudonym(one.user_id)] for one in session.people[KNOWN:]]
    labels = [taste.label for profile in profiles for taste in tastes(reranker, profile)]
    assert any(label.startswith("review count: ") and label.endswith(" and more") for label in labels)
    assert not [label for label in labels if ".." in label or "<" in label or ">" in label]


def test_the_demo_is_made_once_and_apart(demo: Store, lrerank_home: Path) -> None:
    assert demo.home.is_relative_to(lrerank_home / "demo")
    assert MODEL_ID not in Store().models.ids()
    assert demo.indexes == Store().indexes and not (demo.home / "indexes").exists()
    version = demo.models.current(MODEL_ID)
    assert ready("marketplace", lrerank_home / "demo").models.current(MODEL_ID).reference == version.reference
    assert len(users(demo)) == 40


@needs_fork
def test_two_servers_at_once_make_one_demo(demo: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert demo, "made, so that both find the text index in memory"
    few = tuple(queries(demo)[:3])
    monkeypatch.setattr("lrerank.ui.demo._REQUESTS", 100)
    monkeypatch.setattr("lrerank.ui.demo_queries._plain", lambda _, asked: asked[asked["query"].isin(few)])
    both = [Child(lambda: ready("marketplace", tmp_path).models.current(MODEL_ID).reference) for _ in range(2)]
    assert [one.result() for one in both] == [f"{MODEL_ID}@1"] * 2


@pytest.fixture
def shop() -> Catalog:
    """A catalog of one's own, without queries and without a field that names segments."""
    things, colours = ("running shoe", "trail shoe", "rain jacket", "wool sock"), ("red", "blue", "green")
    every = [(thing, colour, number) for thing in things for colour in colours for number in range(5)]
    titles = [f"{colour} {thing} no {number}" for thing, colour, number in every]
    columns = {
        "title": ("text", titles),
        "colour": ("categorical", [colour for _, colour, _ in every]),
        "price": ("numeric", [float(20 * number + 5) for _, _, number in every]),
    }
    return small_catalog(columns, ["title"])  # type: ignore[arg-type]


@pytest.fixture
def shop_file(shop: Catalog) -> bytes:
    """The same as CSV."""
    rows = [",".join(shop.text(path, row) for path in ("title", "colour", "price")) for row in range(len(shop))]
    return "\n".join(["id,title,colour,price", *(f"d{row},{line}" for row, line in enumerate(rows))]).encode()


def test_a_catalog_of_ones_own_gets_made_up_users_and_queries(
    shop: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrerank.ui.demo._REQUESTS", 150)
    session = Session(shop, ready(shop, tmp_path))
    assert {"running shoe", "rain jacket", "red"} <= set(session.queries)
    shown = session.rank(Asked(shop.name, session.people[KNOWN].user_id, "running shoe"))
    assert len(shown.learned) == 10 and "price" in shown.learned[0].document.facts
    assert shown.learned[0].document.group in ("red", "blue", "green")
    session.click(shown, shown.learned[4].document.document_id)
    assert beliefs(session, shown.asked).requests > 0


def test_a_catalog_without_anything_to_search_for_is_refused_with_a_sentence(tmp_path: Path) -> None:
    alone = small_catalog({"title": ("text", [f"word{row}" for row in range(40)])}, ["title"])
    with pytest.raises(LrerankError, match="nothing that people could search for"):
        ready(alone, tmp_path)


def test_queries_are_the_worlds_own_and_find_something(session: Session) -> None:
    assert QUERY in session.queries
    assert len(session.rank(asked_by(session)).learned) == 10


def test_places_and_arrows_agree_with_the_lists(session: Session) -> None:
    shown = session.rank(asked_by(session))
    order = [session.catalog.ids[row] for row in shown.candidates.tolist()]
    assert [row.document.document_id for row in shown.lists[RERANK]] == order[:10]
    assert (
        set(shown.lists) == {*OTHERS, LEARNED}
        and len({tuple(row.document for row in rows) for rows in shown.lists.values()}) == 4
    )
    for row in shown.learned:
        assert order.index(row.document.document_id) + 1 == row.places[RERANK] == row.slot + (row.move(RERANK) or 0)
        assert row.places[RETRIEVAL] <= 50 and row.places[MMR] <= 30
    for name in OTHERS:
        for row in shown.lists[name]:
            slots = [other.slot for other in shown.learned if other.document.document_id == row.document.document_id]
            assert row.places.get(LEARNED) == (slots[0] if slots else None)
            assert row.move(name) == (row.slot - slots[0] if slots else None)


def test_mmr_reorders_what_the_model_receives(session: Session) -> None:
    asked = asked_by(session)
    stages = [*asked.stages.before, {"stage_type": "sort", "stage_id": "mmr", "parameters": {}}]
    found = Pipeline.from_json(stages).run(
        {"query": QUERY}, catalog=session.catalog, store=Store(session.original_home)
    )
    rows = session.rank(asked).lists[MMR]
    assert [row.document.document_id for row in rows] == [one.document_id for one in found.documents]


def test_an_edited_pipeline_is_what_is_ranked(session: Session) -> None:
    only = {
        "stage_type": "filter",
        "stage_id": "hybrid_search",
        "parameters": {"query": "{{INPUT.query}}", "top_k": 12},
    }
    shown = session.rank(asked_by(session, stages=Stages((only,), {"top_n": 4})))
    assert len(shown.learned) == len(shown.lists[RETRIEVAL]) == 4 and len(shown.candidates) == 12
    order = [session.catalog.ids[row] for row in shown.candidates.tolist()]
    assert [row.document.document_id for row in shown.lists[RETRIEVAL]] == order[:4]


def test_bars_sum_to_the_value_minus_the_candidates_mean(session: Session) -> None:
    shown = session.rank(asked_by(session, policy=NO_EXPLORATION))
    details = shown.ranking.details
    assert details is not None and details.placed is not None
    for slot, candidate in enumerate(details.chosen):
        bars = contribution_bars(details.placed.contributions, candidate)
        values = details.placed.judged.values
        # Single precision: VW's sums and numpy's differ in the seventh digit.
        assert (
            sum(bars.amounts) == pytest.approx(bars.total) == pytest.approx(values[candidate] - values.mean(), abs=1e-5)
        )
        trace = contribution_figure(bars)["traces"][0]
        assert trace["x"] == [*bars.amounts, bars.total], slot
        assert (
            np.allclose(trace["base"][1:-1], np.cumsum(bars.amounts)[:-1])
            and trace["base"][0] == trace["base"][-1] == 0
        )
    sizes = np.abs(bars.amounts[:-1])
    assert (np.diff(sizes) <= 0).all()


def test_ablated_values_agree_with_contributions_where_the_model_is_a_sum(session: Session) -> None:
    shown = session.rank(asked_by(session, policy=NO_EXPLORATION))
    details = shown.ranking.details
    assert details is not None and details.placed is not None
    candidate = details.chosen[2]
    found = dropped(session, details, candidate)
    assert {one.feature for one in found} >= {"price", "brand", "click through rate"}
    for one in found:
        # Click-through rates also weigh the incoming score, so the model is no sum in them.
        if "click through rate" not in one.feature:
            assert one.loss == pytest.approx(one.contribution, abs=1e-5)
    price = next(one for one in found if one.feature == "price")
    others = tuple(path for path in session.features() if path != "metadata.price")
    again = session.rank(replace(shown.asked, policy=replace(NO_EXPLORATION, features=others)))
    place_of = {row.document.document_id: row.slot for row in again.learned}
    document_id = shown.learned[2].document.document_id
    assert place_of.get(document_id, price.place) == price.place
    assert session.dropped(others) == ["metadata.price"]


def test_what_the_model_believes_adds_up(session: Session) -> None:
    found = beliefs(session, asked_by(session))
    assert found.requests == 24 * 12 and len(found.segments) == 12
    assert (np.diff(found.overall) <= 0).all() and found.by_segment.shape == (12, len(found.features))
    assert found.by_segment.mean(axis=0) == pytest.approx(found.overall)
    assert found.believed is not None and found.believed[0] == found.true[0] == 1
    assert (found.believed[1:] < 1).all()
    without = asked_by(session, policy=Policy(features=("metadata.price",)))
    assert set(beliefs(session, without).features) == {"price", "incoming score", "incoming rank"}
    cells = segment_figure(found.features, found.segments, found.by_segment)["layout"]["annotations"]
    assert len(cells) == 12 * 12
    assert len(feature_figure(found.features, found.overall)["traces"][0]["x"]) == 12
    assert [len(trace["x"]) for trace in position_figure(found.believed, found.true)["traces"]] == [10, 10]


def test_a_click_is_learned_and_its_effect_named(session: Session) -> None:
    shown = session.rank(asked_by(session, policy=NO_EXPLORATION))
    clicked = shown.learned[6].document
    before = model_order(shown.ranking)
    assert before is not None
    changed = session.click(shown, clicked.document_id)
    assert changed.sentence.startswith(f"You clicked “{clicked.title[:20]}")
    after = session.rank(shown.asked)
    places = {row.document.document_id: row.slot for row in after.learned}
    moved = sum(
        row.document.document_id != now.document.document_id
        for row, now in zip(shown.learned, after.learned, strict=True)
    )
    assert len(changed.moves) == moved > 0
    assert changed.liking is not None and f"Profile: {changed.liking}." in changed.sentence
    order = {session.catalog.ids[int(shown.candidates[place])]: rank for rank, place in enumerate(before, start=1)}
    for move in changed.moves:
        document_id = after.learned[move.after - 1].document.document_id
        assert session.title(document_id) == move.title and order[document_id] == move.before != move.after
        assert move.cause
    assert places[clicked.document_id] < 7
    assert after.engagements == shown.engagements + 1 and after.pages == shown.pages + 1
    assert "counted already" in session.click(shown, clicked.document_id).sentence


def test_a_new_visitor_gets_the_fallback_until_two_clicks(session: Session) -> None:
    new = asked_by(session, VISITOR)
    shown = session.rank(new)
    assert shown.badge == "rerank ranks, the same for everybody, until this person has clicked twice: 0 of 2 so far"
    assert shown.segment == "Newcomer" and not shown.profile
    assert [row.move(RERANK) for row in shown.learned] == [0] * 10 and all(row.score is None for row in shown.learned)
    assert (
        "until this person has clicked twice: 1 of 2 so far"
        in session.click(shown, shown.learned[2].document.document_id).sentence
    )
    shown = session.rank(new)
    assert "That ends the cold start" in session.click(shown, shown.learned[2].document.document_id).sentence
    shown = session.rank(new)
    assert not shown.badge and shown.profile and shown.learned[0].score is not None


def test_the_fallback_is_the_policys(session: Session) -> None:
    shown = session.rank(asked_by(session, VISITOR, policy=Policy(fallback="mmr", cold_start_after=3)))
    assert shown.badge.startswith("mmr ranks, the same for everybody")
    assert [row.move(MMR) for row in shown.learned] == [0] * 10


def test_what_ends_a_cold_start_is_told_against_what_the_fallback_showed(session: Session) -> None:
    asked = asked_by(session, VISITOR, policy=Policy(exploration_rate=0.0, fallback="mmr", cold_start_after=1))
    before = session.rank(asked)
    assert before.badge
    changed = session.click(before, before.learned[2].document.document_id)
    after = session.rank(asked)
    places = {row.document.title: row.slot for row in before.learned}
    moved = [row for row in after.learned if places.get(row.document.title) != row.slot]
    assert "against the fallback's order" in changed.sentence
    assert [move.after for move in changed.moves] == [row.slot for row in moved]
    assert all(move.before == places.get(move.title, move.before) for move in changed.moves)
    assert any(move.title in places for move in changed.moves)


def test_undo_restores_everything(demo: Store) -> None:
    session = Session("marketplace", demo, clock=lambda: 1_790_000_000.0)
    both = [asked_by(session), asked_by(session, VISITOR)]
    states = []
    for place in (6, 2, 4):
        states.append([shown_as(session.rank(asked)) for asked in both])
        session.click(
            session.rank(both[len(states) % 2]), session.rank(both[len(states) % 2]).learned[place].document.document_id
        )
    assert session.undo() is not None
    assert [shown_as(session.rank(asked)) for asked in both] == states[2] != states[1]
    # What is clicked afterwards is learned as if nothing had been taken back.
    session.undo()
    session.click(session.rank(both[0]), session.rank(both[0]).learned[2].document.document_id)
    assert [shown_as(session.rank(asked)) for asked in both] == states[2]
    session.start_over()
    assert [shown_as(session.rank(asked)) for asked in both] == states[0] and not session.clicks
    assert session.undo() is None


def test_three_clicks_in_a_class_raise_it(session: Session) -> None:
    """By the clicks alone; benchmarks/README.md has more cases, the other world, and what does not rise as far."""
    benchmark, path = three_clicks(), "metadata.subcategory"
    found = list(benchmark.rises(session, path, benchmark.cases(session, path, 40), apart=False))
    assert len(found) >= 30
    assert np.median([one.all for one in found]) >= 2
    assert all(one.causes == 1 for one in found)


def three_clicks() -> ModuleType:
    """benchmarks/three_clicks.py, which is no part of a package."""
    place = Path(__file__).parents[1] / "benchmarks" / "three_clicks.py"
    spec = importlib.util.spec_from_file_location("three_clicks_benchmark", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_windows_do_not_disturb_each_other_nor_the_demo(session: Session, demo: Store) -> None:
    other = Session("marketplace", demo)
    told, rows = asked_by(session), demo.log.state()
    before = [row.document.document_id for row in other.rank(told).learned]
    for _ in range(3):
        shown = session.rank(told)
        session.click(shown, shown.learned[-1].document.document_id)
    assert [row.document.document_id for row in other.rank(told).learned] == before
    assert demo.log.state() == rows


def test_what_was_learned_survives_a_change_of_settings(session: Session) -> None:
    told = asked_by(session, policy=NO_EXPLORATION)
    first = session.rank(told)
    session.click(first, first.learned[-1].document.document_id)
    session.rank(replace(told, policy=Policy(exploration_rate=0.5)))
    assert [row.score for row in session.rank(told).learned] != [row.score for row in first.learned]


def test_the_command_ranks_the_same(session: Session, tmp_path: Path) -> None:
    told = asked_by(session, policy=Policy(exploration_rate=0.3))
    (tmp_path / "pipeline.json").write_text(told.pipeline_text(), encoding="utf-8")
    command = told.command(session.original_home).replace(
        "lrerank rank", f"{sys.executable} -c 'from lrerank.cli import main; main()' rank", 1
    )
    environment = {**os.environ, "PYTHONPATH": str(PAGE.parents[3])}
    done = subprocess.run(
        ["sh", "-c", f"{command} --json"], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["documents"]
    shown = session.rank(told)
    assert [one["document_id"] for one in found] == [row.document.document_id for row in shown.learned]
    scores = [one["learned_rerank"]["personalization_score"] for one in found]
    # Dates age between the two.
    assert scores == pytest.approx([row.score for row in shown.learned], abs=1e-4)


def test_wrong_input_is_a_sentence(session: Session) -> None:
    with pytest.raises(InputError, match="the query is empty"):
        session.rank(asked_by(session, query="   "))


def test_cards_carry_text_and_never_markup() -> None:
    document = Document("d", "<script>alert(1)</script>", "a & b", "<b>", 3)
    row = Row(document, 1, {RERANK: 4, LEARNED: 1}, 0.2, True, 0.0033, 0.04, ["brand:<i>"])
    card = learned_card(row, 0.4)
    assert "<script>" not in card and "<i>" not in card.replace('<i style="width:50%">', "") and "a &amp; b" in card
    assert "↑3" in card and "new to" in card and "propensity 0.0033" in card and "boost +0.040" in card


def test_what_a_profile_rests_on_is_counted_as_people_do() -> None:
    assert "1 click or purchase on 1 page<" in who("Ann", "Newcomer", (), 1, 1)
    assert "2 clicks and purchases on 1,200 pages<" in who("Ann", "Newcomer", (), 1200, 2)
    assert "nothing known yet" in who("Ann", "Newcomer", (), 0, 0)


@pytest.mark.parametrize(("theme", "background"), [(0, "#ffffff"), (1, "#182738")])
def test_arrows_and_buttons_can_be_read_on_both_themes(theme: int, background: str) -> None:
    def light(colour: str) -> float:
        parts = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    colours = [pair[theme] for pair in re.findall(r"color:light-dark\((#\w{6}),(#\w{6})\)", STYLE)]
    assert len(colours) == 3
    for colour in colours:
        darker, lighter = sorted((light(colour), light(background)))
        assert (lighter + 0.05) / (darker + 0.05) > 4.5


def test_the_app_opens_on_a_finished_comparison_and_follows_its_controls(demo: Store) -> None:
    assert demo, "made before, so that the app need not"
    app = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not app.exception and not app.error
    text = " ".join(block.proto.body for block in app.get("html"))
    assert "built-in world, made-up users" in text and "segment inferred from behaviour" in text
    assert any("65 % of result pages contain an explored slot" in one.value for one in app.caption)
    app.slider(key="rate").set_value(0.0).run()
    assert any("No result page contains" in one.value for one in app.caption)
    app.button(key="click-5").click().run()
    assert any("You clicked" in one.value for one in app.markdown)
    app.multiselect(key="dropped-marketplace").select("metadata.brand").run()
    assert json.loads(app.query_params["policy"])["exploration_rate"] == 0.0
    app.selectbox(key="user-marketplace").select_index(VISITOR).run()
    assert not app.exception
    assert any(
        "Fallback · rerank ranks, the same for everybody, until" in block.proto.body for block in app.get("html")
    )
    assert any("No model ranked" in one.value for one in app.info)


def test_another_page_hands_a_catalog_over(shop_file: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrerank.ui.demo._REQUESTS", 120)
    catalogs = Store().catalogs
    keep(catalogs, "corner-shop", shop_file, ".csv", Card(name="corner-shop"))
    try:
        app = AppTest.from_file(str(PAGE), default_timeout=60)
        app.session_state["playground-catalog"] = "corner-shop"
        app.run()
        assert not app.exception and not app.error
        text = " ".join(block.proto.body for block in app.get("html"))
        assert "your catalog, made-up users" in text and "no 4" in text
        assert app.query_params["catalog"] == "corner-shop"
        app.button(key="click-3").click().run()
        delete(catalogs, "corner-shop")
        forget("corner-shop")
        assert not list((Store().home / "demo").glob("corner-shop-*"))
        keep(catalogs, "corner-shop", shop_file.replace(b"red", b"violet"), ".csv", Card(name="corner-shop"))
        # What it takes back is of a demo that is gone.
        app.button(key="undo").click().run()
        text = " ".join(block.proto.body for block in app.get("html"))
        assert not app.exception and "violet" in text and "You clicked" not in text
    finally:
        delete(catalogs, "corner-shop")


def test_a_demo_goes_with_its_catalog_and_no_other_does(tmp_path: Path) -> None:
    for name in ("shop-01234567", "shop-89abcdef", "shop-2-01234567", "shop-01234567-89abcdef", "shops-01234567"):
        (tmp_path / name / "models").mkdir(parents=True)
    forget("shop", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "shop-01234567-89abcdef", "shop-2-01234567", "shops-01234567"
    ]  # fmt: skip
    forget("shop", tmp_path / "nothing")


def test_what_an_address_can_not_say_is_passed_over_or_told(demo: Store) -> None:
    assert demo, "made before, so that the app need not"
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params["catalog"], app.query_params["user"] = "atlantis", "nobody"
    app.query_params["policy"] = '{"exploration_rate": 7}'
    app.query_params["query"] = "wool rug"
    app.run()
    assert not app.exception and not app.error
    assert (
        app.selectbox(key="world").value == "marketplace" and app.selectbox(key="query-marketplace").value == "wool rug"
    )
    assert len(app.warning) == 1 and app.warning[0].value.startswith("policy")


def test_a_setting_that_the_model_cannot_follow_has_a_way_out(demo: Store) -> None:
    assert demo, "made before, so that the app need not"
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params["policy"] = '{"strategy": "bag", "exploration_rate": 0.2}'
    app.run()
    assert not app.exception and not app.error and app.warning[0].value.startswith("The strategy Bag")
    next(each for each in app.button if each.label == "Use epsilon-greedy instead").click().run()
    assert not app.exception and not app.warning and app.button(key="click-1")
    assert json.loads(app.query_params["policy"])["exploration_rate"] == 0.2
    assert app.selectbox(key="strategy").value == "epsilon_greedy"
