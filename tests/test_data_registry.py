"""Fetching: checked bytes or nothing, from a folder and over the wire from a local server."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lrerank.data.cards import Card, parse_card
from lrerank.data.converters import CONVERTERS, linked_groups
from lrerank.data.registry import fetch, fetch_card, list_datasets, show
from lrerank.errors import DataError

_SESSIONS = "Administrative;Revenue\n" + "\n".join(f"{row};{'TRUE' if row % 7 == 0 else 'FALSE'}" for row in range(500))


def _card(content: bytes, kept: bytes = b"kept") -> Card:
    return parse_card(f"""
        name = "shoppers"
        converter = "online_shoppers"
        [[upstream]]
        name = "online_shoppers_intention.csv"
        address = "owner/repository/commit/online_shoppers_intention.csv"
        sha256 = "{hashlib.sha256(content).hexdigest()}"
        size = {len(content)}
        [[files]]
        name = "sessions.parquet"
        [[files.accepted]]
        label = "full"
        sha256 = "{hashlib.sha256(kept).hexdigest()}"
        size = 4
        [[files.accepted]]
        label = "slice"
        sha256 = "{hashlib.sha256(b"slice").hexdigest()}"
        size = 5
        """)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which a real server on this machine gives its files."""
    folder = tmp_path / "www" / "owner" / "repository" / "commit"
    folder.mkdir(parents=True)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with Running(partial(Quiet, directory=str(tmp_path / "www"))) as address:
        yield folder, address


class Running:
    def __init__(self, handler: Any) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def _left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_download_is_checked_and_converted(tmp_path: Path, served: tuple[Path, str]) -> None:
    folder, address = served
    (folder / "online_shoppers_intention.csv").write_text(_SESSIONS)
    fetched = fetch_card(_card(_SESSIONS.encode()), tmp_path / "data", host=address)
    assert _left(tmp_path / "data") == ["shoppers/sessions.parquet"]
    sessions = pd.read_parquet(fetched.folder / "sessions.parquet")
    assert sessions.columns.tolist() == ["session_row", "Administrative", "Revenue"]
    assert sessions["session_row"].tolist() == list(range(500)) and sessions["Revenue"].sum() == 72


@pytest.mark.parametrize("change", ["wrong", "truncated", "longer", "absent"])
def test_a_bad_download_leaves_nothing_and_keeps_what_was_there(
    tmp_path: Path, served: tuple[Path, str], change: str
) -> None:
    folder, address = served
    bad = {
        "wrong": _SESSIONS.replace("7;TRUE", "7;FALS"),
        "truncated": _SESSIONS[:-9],
        "longer": _SESSIONS + "\n1;TRUE",
    }
    if change in bad:
        (folder / "online_shoppers_intention.csv").write_text(bad[change])
    target = tmp_path / "data"
    (target / "shoppers").mkdir(parents=True)
    (target / "shoppers" / "sessions.parquet").write_bytes(b"earlier")
    with pytest.raises(DataError) as caught:
        fetch_card(_card(_SESSIONS.encode()), target, host=address)
    assert address in str(caught.value)
    if change == "wrong":
        good, found = (hashlib.sha256(text.encode()).hexdigest() for text in (_SESSIONS, bad["wrong"]))
        assert good in str(caught.value) and found in str(caught.value)
    assert _left(target) == ["shoppers/sessions.parquet"]
    assert (target / "shoppers" / "sessions.parquet").read_bytes() == b"earlier"


def test_a_connection_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    class Breaking(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(_SESSIONS)))
            self.end_headers()
            self.wfile.write(_SESSIONS[:100].encode())

        def log_message(self, *_: Any) -> None:
            pass

    with Running(Breaking) as address, pytest.raises(DataError, match="broke off"):
        fetch_card(_card(_SESSIONS.encode()), tmp_path / "data", host=address)
    assert _left(tmp_path / "data") == []


def test_no_connection_is_said_plainly(tmp_path: Path) -> None:
    with Running(BaseHTTPRequestHandler) as address:
        pass
    with pytest.raises(DataError, match=r"no connection.*--from FOLDER"):
        fetch_card(_card(b"x"), tmp_path / "data", host=address)


def test_a_local_copy_may_be_any_accepted_version_or_the_publishers_file(tmp_path: Path) -> None:
    source, target = tmp_path / "copy", tmp_path / "data"
    source.mkdir()
    for content, label in ((b"kept", "full"), (b"slice", "slice")):
        (source / "sessions.parquet").write_bytes(content)
        assert fetch_card(_card(b"x"), target, source).files == {"sessions.parquet": label}
        assert (target / "shoppers" / "sessions.parquet").read_bytes() == content
    (source / "sessions.parquet").unlink()
    (source / "online_shoppers_intention.csv").write_text(_SESSIONS)
    fetched = fetch_card(_card(_SESSIONS.encode()), target, source)
    assert fetched.files["sessions.parquet"].startswith("made from")
    assert len(pd.read_parquet(fetched.folder / "sessions.parquet")) == 500


def test_a_wrong_or_incomplete_local_copy_is_refused(tmp_path: Path) -> None:
    source, target = tmp_path / "copy", tmp_path / "data"
    with pytest.raises(DataError, match="no such folder"):
        fetch_card(_card(b"x"), target, source)
    source.mkdir()
    with pytest.raises(DataError, match=r"lacks sessions\.parquet"):
        fetch_card(_card(b"x"), target, source)
    (source / "sessions.parquet").write_bytes(b"tampered")
    with pytest.raises(DataError) as caught:
        fetch_card(_card(b"x"), target, source)
    for content in (b"tampered", b"kept", b"slice"):
        assert hashlib.sha256(content).hexdigest() in str(caught.value)
    assert _left(target) == []


def test_the_registry_knows_six_sets_whose_cards_are_complete() -> None:
    cards = list_datasets()
    assert {card.name for card in cards} == {
        "msrd",
        "online_shoppers",
        "open_bandit",
        "upworthy_exploratory",
        "vw_parity",
        "wikimedia_click_facts",
    }
    for card in cards:
        assert card.title and card.description and card.source and card.licence and card.attribution and card.citation
        assert all(file.accepted for file in card.files)
        # Either the publisher's files and a converter for them, or the reason why there is no download.
        assert bool(card.upstream) == (card.converter in CONVERTERS)
        assert card.upstream or card.download_note


def test_names_that_are_not_there_and_sets_without_an_address_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Known are msrd"):
        show("mnist")
    with pytest.raises(DataError, match=r"transcribed by hand.*--from FOLDER"):
        fetch("wikimedia_click_facts", tmp_path)
    assert show("movies").name == "msrd"


def test_every_shared_set_passes_its_checksums(data_folder: Path, tmp_path: Path) -> None:
    for card in list_datasets():
        if (data_folder / str(card.name)).is_dir():
            fetched = fetch(str(card.name), tmp_path, data_folder / str(card.name))
            assert set(fetched.files) == {file.name for file in card.files}


def test_linked_groups_follow_chains() -> None:
    assert linked_groups(["a", "b", "a", "c", "d"], [1, 2, 3, 3, 4]).tolist() == [0, 1, 0, 0, 4]
