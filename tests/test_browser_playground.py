"""The playground in a real Chromium: the main path, one wrong input, two windows, both themes."""

from __future__ import annotations

import re

import pytest
from browsing import Window
from playwright.sync_api import Browser, expect


def playground(browser: Browser, server: str, width: int = 1280, scheme: str = "light") -> Window:
    return Window(browser, server, "playground", ".st-key-learned-10", width, scheme)


def titles(window: Window) -> list[str]:
    return window.page.locator("[class*=st-key-learned-] .lr-title").all_inner_texts()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1920, "dark")])
def test_it_opens_on_a_finished_comparison(browser: Browser, server: str, width: int, scheme: str) -> None:
    window = playground(browser, server, width, scheme)
    expect(window.page.get_by_text("built-in world, made-up users")).to_be_visible()
    expect(window.page.get_by_text("65 % of result pages contain an explored slot")).to_be_visible()
    expect(window.page.locator(".lr-cell")).to_have_count(30)
    for slot, title in enumerate(titles(window)):
        clicked = window.page.get_by_role("button", name=f"I would click this {title}", exact=True)
        expect(clicked.and_(window.page.locator(f".st-key-click-{slot + 1} button"))).to_have_count(1)
    expect(window.page.locator(".js-plotly-plot")).to_be_visible()
    assert window.fits()
    window.shoot(f"playground-{scheme}-{width}")
    window.page.get_by_role("tab", name="What the model believes").click()
    window.settle()
    expect(window.page.locator(".js-plotly-plot")).to_have_count(3, timeout=20_000)
    window.shoot(f"playground-beliefs-{scheme}-{width}")
    window.close()


def test_clicks_of_a_new_visitor_end_the_cold_start(browser: Browser, server: str) -> None:
    window = playground(browser, server)
    page = window.page
    window.choose("Person", "New visitor")
    expect(
        page.get_by_text(
            "Fallback · rerank ranks, the same for everybody, until this person has clicked twice: 0 of 2 so far"
        )
    ).to_be_visible()
    before = titles(window)
    for told in ("The order stays for now", "That ends the cold start"):
        page.get_by_role("button", name="I would click this").nth(4).click()
        window.settle()
        expect(page.get_by_text(told).first).to_be_visible()
    assert titles(window) != before
    expect(page.get_by_text("Fallback ·")).to_have_count(0)
    expect(page.get_by_text("2 of 2.").first).to_be_visible()
    page.get_by_text("Each move with its reason").click()
    expect(page.get_by_role("columnheader", name="Because of")).to_be_visible()
    window.shoot("playground-after-two-clicks")
    page.get_by_role("button", name="Undo").click()
    window.settle()
    expect(page.get_by_text("Taken back")).to_be_visible()
    assert titles(window) == before
    window.close()


def test_controls_and_json_are_one_policy_which_the_address_keeps(browser: Browser, server: str) -> None:
    window = playground(browser, server)
    page = window.page
    page.get_by_role("tab", name="Pipeline JSON").click()
    window.settle()
    text = page.get_by_role("textbox", name="The pipeline")
    expect(page.get_by_text("lrerank rank").first).to_be_visible()
    text.fill(text.input_value().replace('"exploration_rate": 0.1', '"exploration_rate": 3'))
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Line 27: [2].parameters.exploration_rate: not allowed (found 3)")).to_be_visible()
    text.fill(text.input_value().replace('"exploration_rate": 3', '"exploration_rate": 0.0'))
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("No result page contains an explored slot")).to_be_visible()
    window.settle()
    page.locator(".st-key-fallback").get_by_text("mmr").click()
    expect(text).to_have_value(re.compile('"fallback": "mmr"'))
    window.settle()
    window.shoot("playground-json")
    window.reload()
    expect(page.get_by_text("No result page contains an explored slot")).to_be_visible()
    window.close()


def test_a_typed_query_and_one_without_words(browser: Browser, server: str) -> None:
    window = playground(browser, server)
    before = titles(window)
    window.choose("Query", "wool rug for a bright room")
    assert titles(window) != before and len(titles(window)) == 10
    window.choose("Query", "!!!")
    assert len(titles(window)) in (0, 10)
    window.close()


def test_two_windows_do_not_disturb_each_other(browser: Browser, server: str) -> None:
    one, other = playground(browser, server), playground(browser, server)
    before = titles(other)
    assert titles(one) == before
    one.page.get_by_role("button", name="I would click this").nth(8).click()
    one.settle()
    expect(one.page.get_by_text("You clicked").first).to_be_visible()
    assert titles(one) != before
    other.reload()
    assert titles(other) == before
    one.close()
    other.close()
