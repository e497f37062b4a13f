"""The page "Data" in a real Chromium: a catalog comes in and goes, what is none is refused, users opt out."""

from __future__ import annotations

from browsing import Window
from playwright.sync_api import Browser, expect

SHOP = b"sku,title,category,price,note\n" + b"".join(
    b"p%d,Shoe %d for all,cat %d,%d.5,<b>bold</b> ![x](http://example.org/x.png)\n" % (row, row, row % 3, row)
    for row in range(40)
)
LIST, UPLOAD = ".st-key-data-catalog", "[data-testid=stFileUploader]"


def give(window: Window, name: str, data: bytes) -> None:
    window.page.set_input_files("input[type=file]", {"name": name, "mimeType": "text/csv", "buffer": data})
    window.settle()


def test_a_catalog_comes_in_and_goes(browser: Browser, server: str) -> None:
    window = Window(browser, server, "data?section=Add+a+catalog", UPLOAD)
    page = window.page
    give(window, "My shop.csv", SHOP)
    expect(page.get_by_text("40 records")).to_be_visible()
    expect(page.get_by_text("What simulated users search for")).to_be_visible()
    assert window.fits()
    window.shoot("data-add")
    window.shows = LIST
    page.get_by_role("button", name="Keep this catalog").click()
    window.settle()
    expect(page).to_have_url(f"{server}/data?catalog=my-shop")
    window.reload()
    expect(page.get_by_role("heading", name="My shop")).to_be_visible()
    expect(page.get_by_role("radio", name="my-shop")).to_be_checked()
    window.shoot("data-light-1280")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete this catalog").click()
    window.settle()
    expect(page.get_by_text("my-shop is deleted.")).to_be_visible()
    expect(page).to_have_url(f"{server}/data")
    window.close()


def test_an_address_leads_to_a_catalog(browser: Browser, server: str) -> None:
    window = Window(browser, server, "data?catalog=news", LIST, 1920, "dark")
    expect(window.page.get_by_role("radio", name="news")).to_be_checked()
    expect(window.page.locator(".js-plotly-plot")).to_be_visible()
    assert window.fits()
    window.shoot("data-dark-1920")
    window.close()


def test_what_is_no_table_is_refused_and_users_opt_out(browser: Browser, server: str) -> None:
    window = Window(browser, server, "data?section=Users", UPLOAD)
    page = window.page
    give(window, "users.csv", b"\x80\x04\x95pickled")
    expect(page.get_by_text("a Python pickle, which can run code and is never opened")).to_be_visible()
    give(window, "users.csv", b"user_id,segment,opt_out\ngone-1,members,yes\ngone-2,guests,yes\nstays,guests,no\n")
    window.shoot("data-users")
    page.get_by_role("button", name="Opt 2 users out").click()
    window.settle()
    expect(page.get_by_text("2 users opted out, from this moment on.")).to_be_visible()
    expect(page.get_by_role("button", name="Opt 2 users out")).to_have_count(0)
    window.close()
