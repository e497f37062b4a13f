"""The page "Playground": what it computes, without Streamlit, and the whole app through Streamlit's own harness."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from children import Child, needs_fork
from streamlit.testing.v1 import AppTest

from lrerank.charts.contributions import contribution_bars, contribution_figure
from lrerank.errors import InputError
from lrerank.pipeline import Pipeline
from lrerank.store import Store
from lrerank.ui.demo import MODEL_ID, queries, ready, users
from lrerank.ui.playground.asked import STRATEGIES, Asked, percent, share_of_pages
from lrerank.ui.playground.cards import learned_card
from lrerank.ui.playground.results import Document, Row
from lrerank.ui.playground.session import Session

ENTRY = Path(__file__).parents[1] / "lrerank" / "ui" / "entry" / "app.py"
QUERY = "noise cancelling headphones"


@pytest.fixture(scope="module")
def demo(lrerank_home: Path) -> Store:
    """Where the app makes it too, so that it is made once."""
    return ready("marketplace", lrerank_home / "demo")


@pytest.fixture
def session(demo: Store) -> Session:
    return Session("marketplace", demo)


def asked_by(session: Session, place: int = 0, **settings: object) -> Asked:
    return replace(Asked("marketplace", session.people[place].user_id, QUERY), **settings)


def test_the_rate_is_told_as_a_share_of_pages() -> None:
    told = Asked("marketplace", "u", "q", 0.1)
    assert told.pages_explored() == "65 % of result pages contain an explored slot"
    assert share_of_pages(0.1) == pytest.approx(0.6513215599)
    assert share_of_pages(0.0) == 0.0 and share_of_pages(1.0) == 1.0
    assert replace(told, exploration_rate=0.0).pages_explored() == "No result page contains an explored slot"
    assert replace(told, strategy="greedy").pages_explored() == "No result page contains an explored slot"
    assert replace(told, strategy="uniform", exploration_rate=0.0).pages_explored() == "Every slot is drawn at random"
    assert replace(told, strategy="softmax").pages_explored().startswith("At least 65 %")


def test_a_share_never_rounds_to_all_or_nothing() -> None:
    assert [percent(share) for share in (0.0, 0.0001, 0.5, 0.9999, 1.0)] == [
        *("0 %", "less than 1 %", "50 %", "more than 99 %", "100 %"),
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_setting_is_a_pipeline_that_can_be_read(strategy: str) -> None:
    told = Asked("marketplace", "u", "q", 0.2, strategy, ["metadata.price"])  # type: ignore[arg-type]
    assert json.loads(told.pipeline_text()) == told.pipeline()
    assert Pipeline.from_json(told.pipeline_text()).learned is not None


def test_the_demo_is_made_once_and_apart(demo: Store, lrerank_home: Path) -> None:
    assert demo.home.is_relative_to(lrerank_home / "demo")
    assert MODEL_ID not in Store().models.ids()
    version = demo.models.current(MODEL_ID)
    assert ready("marketplace", lrerank_home / "demo").models.current(MODEL_ID).reference == version.reference
    assert len(users(demo)) == 40


@needs_fork
def test_two_servers_at_once_make_one_demo(demo: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert demo, "made, so that both find the text index in memory"
    few = tuple(queries("marketplace")[:3])
    monkeypatch.setattr("lrerank.ui.demo._REQUESTS", 100)
    monkeypatch.setattr("lrerank.ui.demo._queries", lambda world: few if world == "marketplace" else ())
    both = [Child(lambda: ready("marketplace", tmp_path).models.current(MODEL_ID).reference) for _ in range(2)]
    assert [one.result() for one in both] == [f"{MODEL_ID}@1"] * 2


def test_queries_are_the_worlds_own_and_find_something(session: Session) -> None:
    assert QUERY in queries("marketplace")
    assert len(session.rank(asked_by(session)).learned) == 10


def test_places_and_arrows_agree_with_the_static_order(session: Session) -> None:
    shown = session.rank(asked_by(session))
    order = [session.catalog.ids[row] for row in shown.candidates.tolist()]
    assert [row.document.document_id for row in shown.static] == order[:10]
    for row in shown.learned:
        assert order.index(row.document.document_id) + 1 == row.came_from == row.slot + row.move
    for row in shown.static:
        slots = [other.slot for other in shown.learned if other.document.document_id == row.document.document_id]
        assert row.elsewhere == (slots[0] if slots else None)


def test_bars_sum_to_the_value_minus_the_candidates_mean(session: Session) -> None:
    shown = session.rank(asked_by(session, exploration_rate=0.0))
    details = shown.ranking.details
    assert details is not None and details.placed is not None
    for slot, candidate in enumerate(details.chosen):
        bars = contribution_bars(details.placed.contributions, candidate)
        values = details.placed.judged.values
        # Single precision: VW's sums and numpy's differ in the seventh digit.
        assert (
            sum(bars.amounts) == pytest.approx(bars.total) == pytest.approx(values[candidate] - values.mean(), abs=1e-5)
        )
        assert list(contribution_figure(bars).data[0].x) == list(bars.amounts), slot
    sizes = np.abs(bars.amounts[:-1])
    assert (np.diff(sizes) <= 0).all()


def test_a_click_is_learned_and_its_effect_named(session: Session) -> None:
    shown = session.rank(asked_by(session, exploration_rate=0.0))
    clicked = shown.learned[6].document
    changed = session.click(shown, clicked.document_id)
    assert changed.sentence.startswith(f"You clicked “{clicked.title[:20]}")
    after = session.rank(shown.asked)
    places = {row.document.document_id: row.slot for row in after.learned}
    moved = sum(
        row.document.document_id != now.document.document_id
        for row, now in zip(shown.learned, after.learned, strict=True)
    )
    assert changed.moved == moved > 0
    assert places[clicked.document_id] < 7
    assert after.engagements == shown.engagements + 1 and after.pages == shown.pages + 1
    assert "counted already" in session.click(shown, clicked.document_id).sentence


def test_a_new_visitor_gets_the_fallback_until_two_clicks(session: Session) -> None:
    new = asked_by(session, -1)
    shown = session.rank(new)
    assert shown.badge == "rerank ranked: the user is unknown"
    assert shown.segment == "Newcomer" and not shown.profile
    assert [row.move for row in shown.learned] == [0] * 10 and all(row.score is None for row in shown.learned)
    assert "1 of 2 engagements" in session.click(shown, shown.learned[2].document.document_id).sentence
    shown = session.rank(new)
    assert "That ends the cold start" in session.click(shown, shown.learned[2].document.document_id).sentence
    shown = session.rank(new)
    assert not shown.badge and shown.profile and shown.learned[0].score is not None


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
    told = asked_by(session, exploration_rate=0.0)
    first = session.rank(told)
    session.click(first, first.learned[-1].document.document_id)
    session.rank(replace(told, exploration_rate=0.5))
    assert [row.score for row in session.rank(told).learned] != [row.score for row in first.learned]


def test_the_command_ranks_the_same(session: Session, tmp_path: Path) -> None:
    told = asked_by(session, exploration_rate=0.3)
    (tmp_path / "pipeline.json").write_text(told.pipeline_text(), encoding="utf-8")
    command = told.command(session.original_home).replace(
        "lrerank rank", f"{sys.executable} -c 'from lrerank.cli import main; main()' rank", 1
    )
    environment = {**os.environ, "PYTHONPATH": str(ENTRY.parents[3])}
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
    card = learned_card(Row(document, 1, 4, 0.2, True, 0.0033, 0.04, ["brand:<i>"]), 0.4)
    assert "<script>" not in card and "<i>" not in card.replace('<i style="width:50%">', "") and "a &amp; b" in card
    assert "↑ 3" in card and "propensity 0.0033" in card and "boost +0.040" in card


def test_the_app_opens_on_a_finished_comparison_and_follows_its_controls(demo: Store) -> None:
    assert demo, "made before, so that the app need not"
    app = AppTest.from_file(str(ENTRY), default_timeout=60).run()
    assert not app.exception and not app.error
    text = " ".join(block.proto.body for block in app.get("html"))
    assert "built-in world, made-up users" in text and "Segment, inferred from behaviour" in text
    assert any("65 % of result pages contain an explored slot" in one.value for one in app.caption)
    app.slider(key="rate").set_value(0.0).run()
    assert any("No result page contains" in one.value for one in app.caption)
    app.button(key="click-5").click().run()
    assert len(app.success) == 1 and app.success[0].value.startswith("You clicked")
    visitor = app.selectbox(key="user-marketplace").options.index("New visitor")
    app.selectbox(key="user-marketplace").select_index(visitor).run()
    assert not app.exception
    assert any("Fallback · rerank ranked: the user is unknown" in block.proto.body for block in app.get("html"))
    assert any("No model ranked" in one.value for one in app.info)
