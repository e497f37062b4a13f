"""The interaction log: what is acknowledged stays, what is read is in order, and counts are of the past only."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import sqlite3
import string
import threading
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from children import Child, in_child, needs_fork, without_rights
from hypothesis import given
from hypothesis import strategies as st

from lrerank.errors import DataError
from lrerank.files import StorageError
from lrerank.interactions import AppendResult, Impression, InteractionLog, LogState
from lrerank.types import Interaction


@pytest.fixture
def log(tmp_path: Path) -> InteractionLog:
    return InteractionLog(tmp_path / "home" / "interactions.db")


def click(user: str = "u", document: str = "d", timestamp: float = 1.0, **other: Any) -> Interaction:
    return Interaction("click", user, document, timestamp, **other)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = TEXTS.filter(bool)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CHANCES = st.floats(0, 1, exclude_min=True)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
MAPPINGS = st.dictionaries(TEXTS, VALUES, max_size=4)
TIMES = st.floats(-9e10, 9e10)
SHOWN = st.lists(st.tuples(NAMES, CHANCES), max_size=6)


@st.composite
def interactions(draw: st.DrawFn) -> Interaction:
    kind = draw(st.sampled_from(["click", "purchase", "impression", "add_to_cart"]))
    shown = draw(SHOWN) if kind == "impression" else []
    return Interaction(
        kind,
        draw(NAMES),
        None if kind == "impression" and draw(st.booleans()) else draw(NAMES),
        draw(TIMES),
        query=draw(TEXTS),
        position=draw(st.none() | st.integers(1, 1000)),
        request_id=draw(st.none() | NAMES),
        interaction_id=draw(st.none() | NAMES),
        features=draw(MAPPINGS),
        context=draw(MAPPINGS),
        shown=tuple(document for document, _ in shown),
        propensity=draw(st.none() | CHANCES),
        propensities=tuple(chance for _, chance in shown) if draw(st.booleans()) else (),
        model_version=draw(st.none() | NAMES),
        experiment_arm=draw(st.none() | NAMES),
    )


@pytest.fixture(scope="module")
def shared_log(tmp_path_factory: pytest.TempPathFactory) -> InteractionLog:
    return InteractionLog(tmp_path_factory.mktemp("log") / "interactions.db")


@given(item=interactions())
def test_every_interaction_comes_back_as_it_was(shared_log: InteractionLog, item: Interaction) -> None:
    before = shared_log.last_row()
    added = shared_log.append([item]).added
    stored = item.interaction_id or shared_log.content_id(item)
    if added:
        (found,) = shared_log.read(after_row=before)
        assert found == replace(item, user_id=shared_log.pseudonym(item.user_id), interaction_id=stored)
    assert shared_log.append([item]) == AppendResult(0, 1, 0)


@given(record=MAPPINGS, context=MAPPINGS, shown=SHOWN, timestamp=TIMES, number=st.integers(0, 10**9))
def test_every_impression_comes_back_as_it_was(
    shared_log: InteractionLog,
    record: dict[str, Any],
    context: dict[str, Any],
    shown: list[tuple[str, float]],
    timestamp: float,
    number: int,
) -> None:
    documents, chances = tuple(name for name, _ in shown), tuple(chance for _, chance in shown)
    one = Impression(f"r{number}", "u", timestamp, documents, record, "q", context, chances, "m@1", "arm")
    before = shared_log.last_row()
    if shared_log.append([one]).added:
        stored = replace(one, user_id=shared_log.pseudonym("u"))
        assert shared_log.impression(one.request_id) == stored
        assert list(shared_log.impressions(after_row=before)) == [stored]
        (listed,) = shared_log.read(after_row=before)
        assert (listed.interaction_type, listed.document_id, listed.shown) == ("impression", None, documents)
    assert shared_log.append([replace(one, shown=("other",), propensities=())]) == AppendResult(0, 1, 0)


def test_records_may_hold_arrays(log: InteractionLog) -> None:
    log.append([Impression("r", "u", np.float32(1.5), ["a", "b"], {"values": np.array([0.5, 1.5]), "n": np.int64(3)})])
    found = log.impression("r")
    assert found is not None
    assert (found.record, found.timestamp) == ({"values": [0.5, 1.5], "n": 3}, 1.5)
    assert log.impression("other") is None
    log.append([click(position=np.int64(4), interaction_id="c")])
    assert [item.position for item in log.read(types=["click"])] == [4]


def test_an_id_counts_once_per_organisation(log: InteractionLog) -> None:
    assert log.append([click(interaction_id="1"), click(interaction_id="1"), click(interaction_id="2")]) == (2, 1, 0)
    assert log.append([click("v", "e", 9.0, interaction_id="1")]) == (0, 1, 0)
    other = InteractionLog(log.path, "other")
    assert other.append([click(interaction_id="1")]) == (1, 0, 0)
    assert (log.count(), other.count()) == (2, 1)
    assert other.pseudonym("u") != log.pseudonym("u")
    assert [item.user_id for item in other.read()] == [other.pseudonym("u")]


def test_without_an_id_equal_content_is_the_same_interaction(log: InteractionLog) -> None:
    one = click(features={"a": 1, "b": 2}, query="q")
    assert log.append([one, replace(one, features={"b": 2, "a": 1})]) == (1, 1, 0)
    different = [
        replace(one, **change) for change in ({"user_id": "v"}, {"timestamp": 2.0}, {"query": ""}, {"position": 1})
    ]
    assert log.append(different) == (4, 0, 0)
    # Rows of a file that are equal and still separate events.
    numbered = [replace(one, interaction_id=log.content_id(one, occurrence)) for occurrence in range(3)]
    assert log.append(numbered) == (2, 1, 0)
    assert log.append(numbered) == (0, 3, 0)


BAD: list[tuple[Any, str]] = [
    (click(timestamp=float("nan")), r"interactions\[1\]\.timestamp: .*finite"),
    (click(timestamp=float("inf")), r"\.timestamp"),
    (click(timestamp=1.7e12), r"\.timestamp: .*1700000000000.*Divide milliseconds by 1000"),
    (click(timestamp="soon"), r"\.timestamp: this must be a number \(found 'soon'"),  # type: ignore[arg-type]
    (click(timestamp=True), r"\.timestamp"),
    (click(position=0), r"\.position: positions are whole numbers, the first is 1 \(found 0"),
    (click(position=1.5), r"\.position"),
    (click(position=2**40), r"\.position"),
    (click(propensity=0.0), r"\.propensity: .*above 0.*Leave it out"),
    (click(propensity=1.1), r"\.propensity"),
    (click(propensity=float("nan")), r"\.propensity"),
    (click(user=""), r"\.user_id"),
    (click(user=None), r"\.user_id"),  # type: ignore[arg-type]
    (click(user="half \ud800"), r"\.user_id: .*surrogate"),
    (click(query="half \ud800"), r"\.query: .*surrogate"),
    (click(features={"a": "half \ud800"}), r"\.features: .*surrogate"),
    (click(features={"a": float("nan")}), r"\.features: .*JSON"),
    (click(features={"a": object()}), r"\.features"),
    (click(document=None), r"\.document_id: a 'click' needs a document"),  # type: ignore[arg-type]
    (Interaction("", "u", "d", 1.0), r"\.interaction_type"),
    (Interaction("impression", "u", None, 1.0, shown=["a", ""]), r"\.shown\[1\]"),
    (Interaction("impression", "u", None, 1.0, shown=["a", "b"], propensities=[0.5]), r"\.propensities: 2 documents"),
    (Interaction("impression", "u", None, 1.0, shown=["a"], propensities=[-1.0]), r"\.propensities\[0\]"),
    (Impression("", "u", 1.0, ["a"]), r"\.request_id"),
    (Impression("r", "u", 1.0, ["a"], {"value": float("inf")}), r"\.record"),
]


@pytest.mark.parametrize(("item", "message"), BAD)
def test_what_cannot_be_stored_is_refused_with_its_place(log: InteractionLog, item: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        log.append([click(), item])
    assert log.count() == 0  # nor is anything beside it stored


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> tuple[InteractionLog, list[tuple[int, Interaction]]]:
    """3,500 interactions, more than three pages, out of order and with many equal times; with their rows."""
    log = InteractionLog(tmp_path_factory.mktemp("log") / "interactions.db")
    rng = random.Random(5)
    items = [
        Interaction(
            rng.choice(["click", "purchase", "view"]),
            f"user{rng.randrange(3)}",
            f"d{rng.randrange(50)}",
            float(rng.choice([0, 7, 7, 7, rng.randrange(1000)])),
            interaction_id=f"i{number}",
        )
        for number in range(3500)
    ]
    for start in range(0, len(items), 500):
        log.append(items[start : start + 500])
    return log, list(enumerate(items, start=1))


@pytest.mark.parametrize("since", [None, 7.0, 500.5])
@pytest.mark.parametrize("until", [None, 7.0, 800.0])
@pytest.mark.parametrize("user", [None, "user1"])
@pytest.mark.parametrize("types", [None, ["click"], ["click", "view"], []])
@pytest.mark.parametrize("rows", [(None, None), (500, None), (500, 3000), (3000, 3400), (3500, None)])
def test_reading_is_in_order_of_time_and_arrival(
    long_log: tuple[InteractionLog, list[tuple[int, Interaction]]],
    since: float | None,
    until: float | None,
    user: str | None,
    types: list[str] | None,
    rows: tuple[int | None, int | None],
) -> None:
    log, items = long_log
    after, up_to = rows
    expected = [
        item.interaction_id
        for row, item in sorted(items, key=lambda pair: (pair[1].timestamp, pair[0]))
        if (since is None or item.timestamp >= since)
        and (until is None or item.timestamp < until)
        and (user is None or item.user_id == user)
        and (types is None or item.interaction_type in types)
        and (after or 0) < row <= (up_to or len(items))
    ]
    found = log.read(since, until, user_id=user, types=types, after_row=after, up_to_row=up_to)
    assert [item.interaction_id for item in found] == expected


def test_a_users_history_ends_before_the_moment(
    long_log: tuple[InteractionLog, list[tuple[int, Interaction]]],
) -> None:
    log, items = long_log
    past = [
        item.interaction_id
        for _, item in sorted(items, key=lambda pair: (pair[1].timestamp, pair[0]))
        if item.user_id == "user2" and item.timestamp < 400.0
    ]
    assert [item.interaction_id for item in log.user_history("user2", 400.0)] == past
    assert [item.interaction_id for item in log.user_history("user2", 400.0, limit=10)] == past[-10:]
    bought = log.user_history("user2", 400.0, limit=5, types=["purchase"])
    assert len(bought) == 5
    assert {item.interaction_type for item in bought} == {"purchase"}
    assert log.user_history("stranger", 400.0) == []
    assert log.user_history("user2", 0.0) == []


def test_counts_of_types(long_log: tuple[InteractionLog, list[tuple[int, Interaction]]]) -> None:
    log, items = long_log
    assert log.count() == len(items)
    assert log.count("view") == sum(item.interaction_type == "view" for _, item in items)
    assert log.count("never") == 0


def test_questions_that_would_silently_find_nothing_are_refused(log: InteractionLog) -> None:
    for ask in (
        lambda: log.read(types="click"),
        lambda: log.read(since=float("nan")),
        lambda: log.read(until=1.7e12),
        lambda: log.user_history("u", float("inf")),
        lambda: log.user_history("", 1.0),
        lambda: log.expire(float("nan")),
        lambda: InteractionLog(log.path, ""),
    ):
        with pytest.raises(DataError):
            ask()


def test_reading_keeps_its_memory_flat(tmp_path: Path) -> None:
    log = InteractionLog(tmp_path / "interactions.db")
    log.append(click(timestamp=float(number), query="q" * 200, interaction_id=str(number)) for number in range(12_000))
    tracemalloc.start()
    try:
        assert sum(1 for _ in log.read()) == 12_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4e6  # two pages of a thousand rows of about 700 bytes in Python; all rows would take 10 MB


def test_the_state_changes_with_the_log(log: InteractionLog) -> None:
    seen = [log.state()]
    changes: list[Callable[[], object]] = [
        lambda: log.append([click()]),
        lambda: log.opt_out("u"),
        lambda: log.opt_in("u"),
        lambda: log.erase("u"),
        lambda: log.append([click()]),
    ]
    for change in changes:
        change()
        assert log.state() != seen[-1]
        assert log.state() == log.state()
        seen.append(log.state())
    assert seen[0] == LogState(0, 0)
    assert [state.last_row for state in seen] == sorted(state.last_row for state in seen)
    assert log.last_row() == seen[-1].last_row


def test_what_arrives_while_reading_waits_for_the_next_time(log: InteractionLog) -> None:
    log.append(click(timestamp=float(number), interaction_id=str(number)) for number in range(1500))
    reading, state = log.read(), log.state()
    first = next(reading)
    log.append([click(timestamp=2000.0, interaction_id="new")])
    assert len([first, *reading]) == 1500
    assert [item.interaction_id for item in log.read(after_row=state.last_row)] == ["new"]


# Several processes


@needs_fork
def test_another_process_sees_what_was_appended_at_once(log: InteractionLog) -> None:
    state = log.state()
    for number in range(3):
        in_child(lambda number=number: InteractionLog(log.path).append([click(timestamp=float(number))]))
        assert len(log.user_history("u", 10.0)) == number + 1
        assert log.state() != state
        state = log.state()


@needs_fork
def test_the_same_log_may_be_used_after_a_fork(log: InteractionLog) -> None:
    log.append([click()])
    children = [Child(lambda writer=writer: log.append([click(f"user{writer}")])) for writer in range(3)]
    log.append([click("parent")])
    assert [child.result() for child in children] == [AppendResult(1, 0, 0)] * 3
    log.append([click("late")])
    assert log.count() == 6


def test_a_log_may_be_shared_by_threads_and_pickled(log: InteractionLog) -> None:
    def write(writer: int) -> None:
        for turn in range(20):
            log.append([click(f"user{writer}", interaction_id=f"{writer} {turn}")])

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.count() == 80
    copy = pickle.loads(pickle.dumps(InteractionLog(log.path, "default", wait_seconds=3)))  # noqa: S301
    assert copy.count() == 80
    copy.close()
    copy.close()
    assert copy.count() == 80


def write_until_killed(path: Path, writer: str, acknowledged: Path) -> None:
    """Appends batches of several interactions and one impression; notes each after it was acknowledged."""
    log, rng = InteractionLog(path), random.Random(writer)
    with acknowledged.open("a") as notes:
        for batch in range(10**6):
            size = rng.randrange(1, 30)
            name = f"{writer}-{batch}-{size}"
            items: list[Interaction | Impression] = [
                click(f"user{place}", "d" * rng.randrange(1, 300), interaction_id=f"{name}-{place}")
                for place in range(size)
            ]
            log.append([*items, Impression(name, "u", 1.0, ["a", "b"], {"name": name, "text": "x" * 3000})])
            notes.write(f"{name}\n")
            notes.flush()


@needs_fork
def test_a_kill_in_mid_write_loses_nothing_that_was_acknowledged(log: InteractionLog, tmp_path: Path) -> None:
    rng = random.Random(1)
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()
    for turn in range(4):
        writers = [f"{turn}{letter}" for letter in "abc"]
        children = [Child(lambda name=name: write_until_killed(log.path, name, acknowledged)) for name in writers]
        target = acknowledged.stat().st_size + 500
        while acknowledged.stat().st_size < target:  # all have started to write
            time.sleep(0.01)
        for child in rng.sample(children, 3):
            time.sleep(rng.random() * 0.1)
            os.kill(child.pid, signal.SIGKILL)
        for child in children:
            with pytest.raises(ChildProcessError):
                child.result()
    names = acknowledged.read_text().splitlines()
    assert len(names) > 20

    log.append([click(interaction_id="after the kills")])
    stored = {item.interaction_id for item in log.read()}
    batches = {item.request_id for item in log.read(types=["impression"])}
    assert set(names) <= batches
    for name in batches:  # each batch is there as a whole, its record too, or not at all
        size = int(str(name).rsplit("-", 1)[1])
        assert {f"{name}-{place}" for place in range(size)} <= stored
        impression = log.impression(str(name))
        assert impression is not None
        assert impression.record == {"name": name, "text": "x" * 3000}
    assert len(stored) == 1 + sum(1 + int(str(name).rsplit("-", 1)[1]) for name in batches)
    log.close()
    connection = sqlite3.connect(log.path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


# Errors


def message_of(use: Callable[[], object]) -> str:
    with pytest.raises(StorageError) as caught:
        use()
    return str(caught.value)


def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "interactions.db"
    path.write_bytes(content := b"interaction_type,user_id\n" * 100)
    assert "is not an SQLite database" in message_of(InteractionLog(path).count)
    assert path.read_bytes() == content
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (name)")
    connection.close()
    assert "another program's database" in message_of(InteractionLog(path).count)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]
    connection.close()


def test_a_log_of_a_newer_program_is_refused(log: InteractionLog) -> None:
    log.append([click()])
    log.close()
    connection = sqlite3.connect(log.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    message = message_of(log.count)
    assert "a newer lrerank wrote this log" in message
    assert "99" in message
    assert "Upgrade lrerank" in message
    assert str(log.path) in message


def test_a_damaged_log_is_a_readable_error(log: InteractionLog) -> None:
    log.append(click(timestamp=float(number)) for number in range(500))
    log.close()
    content = bytearray(log.path.read_bytes())
    content[8192:] = random.Random(2).randbytes(len(content) - 8192)
    log.path.write_bytes(content)
    assert "is damaged" in message_of(lambda: list(log.read()))


def test_a_lock_held_too_long_is_a_readable_error(log: InteractionLog) -> None:
    log.append([click()])
    holder = sqlite3.connect(log.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    impatient = InteractionLog(log.path, wait_seconds=0.05)
    message = message_of(lambda: impatient.append([click(timestamp=2.0)]))
    assert "held by another process for more than 0.05 seconds" in message
    assert impatient.count() == 1  # reading goes on
    holder.execute("ROLLBACK")
    assert impatient.append([click(timestamp=2.0)]).added == 1
    holder.close()


def test_a_full_database_keeps_what_was_acknowledged(log: InteractionLog) -> None:
    log.append([click()])
    connection = log._session().connection
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0] + 2}")
    message = message_of(
        lambda: log.append(click(timestamp=float(number), query="q" * 500) for number in range(2, 500))
    )
    assert "does not fit on the disk" in message
    assert log.count() == 1
    connection.execute("PRAGMA max_page_count = 1000000")
    assert log.append([click(timestamp=2.0)]).added == 1


@needs_fork
def test_a_full_disk_is_a_readable_error_and_keeps_what_was_acknowledged(log: InteractionLog) -> None:
    log.append([click()])

    def fill() -> str:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # what a full disk is for one process
        batches = ([click(timestamp=float(turn), query=string.ascii_letters * 500)] for turn in range(2, 1000))
        return message_of(lambda: [log.append(batch) for batch in batches])

    assert "Free some space" in in_child(fill) or "free space" in in_child(fill)
    assert log.append([click(timestamp=5000.0)]).added == 1
    assert log.count() > 2


@needs_fork
def test_a_folder_that_may_not_be_written_is_a_readable_error(log: InteractionLog, tmp_path: Path) -> None:
    log.append([click()])
    log.close()
    for path in (log.path, log.path.parent, tmp_path):
        path.chmod(0o555)
    message = without_rights(lambda: message_of(InteractionLog(tmp_path / "new" / "interactions.db").count))
    assert "LRERANK_HOME" in message
    message = without_rights(lambda: message_of(InteractionLog(log.path).count))
    assert str(log.path.parent) in message
    tmp_path.chmod(0o755)


def test_the_log_is_readable_by_other_programs(log: InteractionLog) -> None:
    log.append([click(features={"category": "news"}, query="größe")])
    connection = sqlite3.connect(log.path)
    query, features = connection.execute("SELECT query, features FROM interactions").fetchone()
    connection.close()
    assert (query, json.loads(features)) == ("größe", {"category": "news"})
