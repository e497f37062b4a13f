"""Who is in the log can't be guessed, can leave, and is then gone from the bytes on the disk."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
from children import Child, in_child, needs_fork
from hypothesis import given
from hypothesis import strategies as st

from lrerank.errors import DataError
from lrerank.files import StorageError
from lrerank.interactions import Impression, InteractionLog
from lrerank.privacy import Key, create_key, read_key
from lrerank.types import Interaction

DAY = 86_400.0


@pytest.fixture
def log(tmp_path: Path) -> InteractionLog:
    return InteractionLog(tmp_path / "interactions.db")


def click(user: str = "u", timestamp: float = 1.0, **other: str) -> Interaction:
    return Interaction("click", user, "d", timestamp, **other)  # type: ignore[arg-type]


def on_disk(log: InteractionLog, *traces: str) -> list[str]:
    """Those of the traces that are in the log's files; another process looks, since closing a file here would drop
    SQLite's locks on it.
    """

    def look() -> list[str]:
        files = sorted(log.path.parent.glob(f"{log.path.name}*"))
        assert len(files) >= 3  # with its write-ahead log and key
        contents = [path.read_bytes() for path in files]
        return [trace for trace in traces if any(trace.encode() in content for content in contents)]

    return in_child(look)


# Pseudonyms


@needs_fork
def test_user_ids_are_not_on_the_disk(log: InteractionLog) -> None:
    log.append([click("erika.mustermann@example.org")])
    (found,) = log.read()
    assert found.user_id == log.pseudonym("erika.mustermann@example.org")
    assert on_disk(log, found.user_id, "mustermann") == [found.user_id]
    assert len(log.user_history("erika.mustermann@example.org", 2.0)) == 1


def test_pseudonyms_depend_on_key_and_organisation(tmp_path: Path) -> None:
    def pseudonym(file: str, organisation: str, user: str) -> str:
        return InteractionLog(tmp_path / file, organisation).pseudonym(user)

    names = {pseudonym(file, org, user) for file in "ab" for org in ("x", "xy") for user in ("u", "yu", "U", "u ")}
    assert len(names) == 16
    assert pseudonym("a", "x", "u") == pseudonym("a", "x", "u")
    # Without the key nothing can be guessed back from what is known.
    assert hashlib.sha256(b"xu").hexdigest()[:32] not in names


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_digests_tell_apart_whatever_differs(left: list[str], right: list[str]) -> None:
    key = Key(b"k" * 32)
    try:
        assert (key.digest(*["p", *left]) == key.digest(*["p", *right])) == (left == right)
    except UnicodeEncodeError:
        assert any("\ud800" <= letter <= "\udfff" for letter in "".join(left + right))


def test_a_digest_is_hmac_sha256() -> None:
    import hmac

    message = b"\x00" * 7 + b"\x04user" + b"\x00" * 7 + b"\x02\xc3\xa9"
    assert Key(b"secret").digest("user", "é") == hmac.new(b"secret", message, hashlib.sha256).hexdigest()[:32]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_only_the_owner_may_read_the_key_and_the_log(log: InteractionLog) -> None:
    log.append([click()])
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in log.path.parent.iterdir()}
    assert set(files) >= {"interactions.db", "interactions.db.key", "interactions.db-wal"}
    assert set(files.values()) == {0o600}


@needs_fork
def test_processes_that_open_a_new_log_at_once_agree_on_one_key(tmp_path: Path) -> None:
    for turn in range(5):
        path = tmp_path / str(turn) / "interactions.db"

        def first_use(path: Path = path) -> str:
            log = InteractionLog(path)
            log.append([click()])
            return log.pseudonym("u")

        children = [Child(first_use) for _ in range(6)]
        assert {child.result() for child in children} == {InteractionLog(path).pseudonym("u")}
        assert InteractionLog(path).count() == 1
        assert sorted(file.name for file in path.parent.iterdir() if "key" in file.name) == ["interactions.db.key"]


def test_a_log_without_its_key_is_refused(log: InteractionLog) -> None:
    log.opt_out("u")
    log.close()
    key = log.path.with_name("interactions.db.key")
    content = key.read_bytes()
    key.unlink()
    with pytest.raises(StorageError, match=r"interactions\.db\.key: the key .* is missing.*Restore it from a backup"):
        log.is_opted_out("u")
    assert not key.exists()
    create_key(key)
    with pytest.raises(StorageError, match="another log's key"):
        log.is_opted_out("u")
    key.write_text("not hexadecimal")
    with pytest.raises(StorageError, match="not a key"):
        log.is_opted_out("u")
    key.write_bytes(content)
    assert log.is_opted_out("u")


def test_a_key_that_was_made_before_a_kill_is_used(tmp_path: Path) -> None:
    path = tmp_path / "interactions.db"
    made = create_key(tmp_path / "interactions.db.key")
    assert InteractionLog(path).pseudonym("u") == made.digest("user", "default", "u")
    assert read_key(tmp_path / "none") is None


def test_an_organisation_may_store_plain_ids(log: InteractionLog) -> None:
    assert not log.plain_ids()
    log.set_plain_ids(True)
    log.append([click("anna"), click("tom")])
    assert {item.user_id for item in log.read()} == {"anna", "tom"}
    assert not InteractionLog(log.path, "other").plain_ids()
    with pytest.raises(DataError, match=r"can't change their form.*Start another organisation"):
        log.set_plain_ids(False)
    log.set_plain_ids(True)  # no change
    log.opt_out("tom")
    assert [item.user_id for item in log.read()] == ["anna"]
    assert log.erase("anna") == 1


def test_opted_out_users_keep_ids_from_changing_their_form(log: InteractionLog) -> None:
    log.opt_out("tom")
    with pytest.raises(DataError, match="can't change"):
        log.set_plain_ids(True)


# Opting out


def test_nothing_of_who_opted_out_is_stored_or_handed_out(log: InteractionLog) -> None:
    log.append([click("tom", 1.0), click("anna", 1.0), Impression("r1", "tom", 1.0, ["d"])])
    log.opt_out("tom")
    log.opt_out("tom")
    assert (log.is_opted_out("tom"), log.is_opted_out("anna")) == (True, False)
    assert log.append([click("tom", 2.0), click("anna", 2.0), Impression("r2", "tom", 2.0, ["d"])]) == (1, 0, 2)
    assert {item.user_id for item in log.read()} == {log.pseudonym("anna")}
    assert log.user_history("tom", 9.0) == []
    assert list(log.read(user_id="tom")) == list(log.impressions()) == []
    assert log.impression("r1") is None
    assert not InteractionLog(log.path, "other").is_opted_out("tom")
    log.opt_in("tom")
    assert not log.is_opted_out("tom")
    assert [item.timestamp for item in log.user_history("tom", 9.0)] == [1.0, 1.0]  # what came meanwhile stays away
    assert log.append([click("tom", 3.0)]).added == 1


@needs_fork
def test_opting_out_reaches_other_processes_at_once(log: InteractionLog) -> None:
    assert not log.is_opted_out("tom")
    in_child(lambda: InteractionLog(log.path).opt_out("tom"))
    assert log.is_opted_out("tom")
    assert log.append([click("tom")]).refused_opted_out == 1


# Erasing


def marked(user: int) -> str:
    """Too long to come about by chance where one of SQLite's pages ends and the next begins."""
    return f"<mark {user:05d}>"


def fill(log: InteractionLog, rng: random.Random) -> None:
    """Interactions of forty users in turn, of all sizes; everything a user left behind has their mark in it."""
    for _ in range(40):
        items: list[Interaction | Impression] = []
        for user in rng.sample(range(40), 20):
            mark, when = marked(user), rng.random() * 1e6
            name = rng.randbytes(rng.choice([2, 8, 60])).hex() + mark
            items.append(
                Interaction(
                    "click",
                    f"user{user}",
                    f"document of {mark}",
                    when,
                    query=f"query of {mark} " + "x" * rng.choice([0, 5, 300, 900]),
                    request_id=f"request {name}",
                    interaction_id=f"id {name}",
                    features={"mark": mark},
                )
            )
            shown = [f"{mark}{rng.random()}" for _ in range(rng.choice([1, 10, 60]))]
            items.append(
                Impression(f"list {name}", f"user{user}", when, shown, {"text": mark * rng.choice([1, 20, 300])})
            )
        log.append(items)


@needs_fork
def test_what_is_erased_is_gone_from_the_bytes(log: InteractionLog) -> None:
    # With this key the layout of the pages is always the same. SQLite's secure_delete alone (seen with 3.40) leaves
    # copies of rows of these users in them, because they were moved to another page before they were deleted.
    log.path.with_name("interactions.db.key").write_text("ab" * 32)
    fill(log, random.Random(4))
    log.opt_out("user6")
    for user in (6, 10, 22, 24, 29):
        before = log.count()
        traces = [marked(user), log.pseudonym(f"user{user}")]
        assert on_disk(log, *traces) == traces
        erased = log.erase(f"user{user}")
        assert 0 < erased == before - log.count()
        assert on_disk(log, *traces) == []
    assert log.erase("user6") == 0
    assert log.is_opted_out("user6")
    assert on_disk(log, marked(8))
    assert len(log.user_history("user8", 1e9)) > 10
    assert all(impression.record["text"].startswith("<mark") for impression in log.impressions())
    connection = sqlite3.connect(log.path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    orphans = "SELECT count(*) FROM records WHERE row NOT IN (SELECT row FROM interactions)"
    assert connection.execute(orphans).fetchone() == (0,)
    connection.close()


@needs_fork
def test_traces_that_another_reader_keeps_are_reported(log: InteractionLog) -> None:
    log = InteractionLog(log.path, wait_seconds=0.1)
    log.append([click("tom", query="a secret wish"), click("anna")])
    reader = sqlite3.connect(log.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM interactions").fetchone()
    with pytest.raises(StorageError, match=r"are removed, but traces .*another process .*Do the same again"):
        log.erase("tom")
    assert log.user_history("tom", 9.0) == []
    reader.execute("COMMIT")
    assert log.erase("tom") == 0
    assert on_disk(log, "a secret wish") == []
    reader.close()


@needs_fork
def test_a_kill_between_removing_and_removing_the_traces_is_made_good(log: InteractionLog) -> None:
    log.append([click("tom", query="a secret wish"), click("anna")])

    def killed_in_between() -> None:
        session = log._session()
        session.remove_traces = lambda: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
        log.erase("tom")

    with pytest.raises(ChildProcessError):
        in_child(killed_in_between)
    assert log.count() == 1
    log.set_retention(1)
    assert log.expire(2.0) == 0
    assert on_disk(log, "a secret wish") == []


@needs_fork
def test_a_slow_reader_neither_blocks_an_erasure_nor_sees_what_it_removed(log: InteractionLog) -> None:
    log = InteractionLog(log.path, wait_seconds=0.5)
    log.append(
        Interaction("click", f"user{number % 2}", "d", float(number), interaction_id=str(number))
        for number in range(4000)
    )
    reading = log.read()
    next(reading)
    assert in_child(lambda: InteractionLog(log.path, wait_seconds=0.5).erase("user1")) == 2000
    assert sum(item.user_id == log.pseudonym("user1") for item in reading) <= 500  # the page that was read before


def test_what_is_erased_may_be_sent_again(log: InteractionLog) -> None:
    log.append([click()])
    log.erase("u")
    assert log.append([click()]) == (1, 0, 0)


# Retention


def test_nothing_expires_by_itself(log: InteractionLog) -> None:
    log.append([click(timestamp=0.0)])
    assert log.retention() is None
    assert log.expire(1e10) == 0
    log.set_retention(30)
    assert log.retention() == 30
    assert log.count() == 1


@needs_fork
def test_what_is_older_than_the_retention_is_gone_from_the_bytes(log: InteractionLog) -> None:
    other = InteractionLog(log.path, "other")
    now = 100 * DAY
    for organisation in (log, other):
        organisation.append(
            click(f"user{age}", now - age * DAY, query=f"{organisation.organisation} age {age};") for age in range(60)
        )
        organisation.append([Impression("old", "u", 0.0, ["d"], {"note": f"{organisation.organisation} record"})])
    log.append([click("u", now + 10 * DAY)])
    log.set_retention(30)
    assert log.expire(now) == 30  # of 31 to 59 days, and the impression; exactly 30 days is not older
    assert log.expire(now) == 0
    assert sorted(round((now - item.timestamp) / DAY) for item in log.read()) == [-10, *range(31)]
    kept = ["default age 30;", "other age 59;", "other record"]
    assert on_disk(log, "default age 31;", "default record", *kept) == kept
    assert (other.count(), other.retention(), other.expire(now)) == (61, None, 0)
    log.set_retention(None)
    assert log.expire(now * 2) == 0


def test_expiring_many_goes_in_parts(log: InteractionLog) -> None:
    log.append(click(timestamp=float(number)) for number in range(20_500))
    log.set_retention(1)
    assert log.expire(DAY + 20_400) == 20_400
    assert log.count() == 100


@pytest.mark.parametrize("days", [0, -1, float("nan"), float("inf"), "30"])
def test_a_retention_that_is_not_a_time_is_refused(log: InteractionLog, days: float) -> None:
    with pytest.raises(DataError, match="retention"):
        log.set_retention(days)
    assert log.retention() is None
