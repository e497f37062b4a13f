"""The registry of models: versions that are whole or absent, and errors that say what there is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from children import Child, in_child, killed_at_every_step, needs_fork, without_rights
from hypothesis import given
from hypothesis import strategies as st

from lrerank.errors import DataError, ModelNotFoundError
from lrerank.files import StorageError
from lrerank.models import ModelRegistry

FILES = {"model.vw": b"\x00weights\xff", "schema.json": b"{}"}


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


def test_a_published_version_comes_back(registry: ModelRegistry) -> None:
    made = registry.publish("movies", "learned", FILES, {"metrics": {"loss": np.float64(0.25)}, "features": ["genre"]})
    found = registry.current("movies")
    assert made == found == registry.version("movies", 1)
    assert found.reference == "movies@1"
    assert {name: found.read(name) for name in found.card["files"]} == FILES
    assert found.card["metrics"] == {"loss": 0.25}
    assert (found.card["model_id"], found.card["version"], found.card["kind"]) == ("movies", 1, "learned")
    assert found.card["created"].endswith("+00:00")
    assert found.card["files"]["model.vw"]["bytes"] == len(FILES["model.vw"])
    with pytest.raises(TypeError):
        found.card["kind"] = "static"  # type: ignore[index]


def test_versions_count_up_and_the_last_published_serves(registry: ModelRegistry) -> None:
    for number in range(1, 4):
        assert registry.publish("m", "static", {"f": bytes([number])}, {}).version == number
    assert registry.current("m").read("f") == b"\x03"
    assert registry.version("m", 1).read("f") == b"\x01"
    assert registry.set_current("m", 2).version == 2
    assert registry.current("m").version == 2
    assert registry.publish("m", "static", {}, {}).version == 4


def test_the_registry_has_the_last_word_on_its_own_entries(registry: ModelRegistry) -> None:
    card = registry.publish("m", "static", FILES, {"version": 9, "model_id": "x", "files": {}, "kind": "learned"}).card
    assert (card["version"], card["model_id"], card["kind"], set(card["files"])) == (1, "m", "static", set(FILES))


def test_a_missing_model_is_named_with_those_that_exist(registry: ModelRegistry) -> None:
    with pytest.raises(ModelNotFoundError, match=r"'movies'.*None has been trained"):
        registry.current("movies")
    assert not registry.folder.exists()  # looking leaves no trace
    for model_id in ("shop", "news"):
        registry.publish(model_id, "learned", FILES, {})
    registry.workspace("started")
    with pytest.raises(ModelNotFoundError, match=r"'started'.*There is news, shop"):
        registry.current("started")
    with pytest.raises(ModelNotFoundError, match=r"'news' has no version 7.*It has 1"):
        registry.version("news", 7)
    assert registry.ids() == ["news", "shop"]


@pytest.mark.parametrize(
    "model_id", ["", ".", "..", ".hidden", "a/b", "../up", "a\\b", "a\n", "é", "x" * 101, "a b", "a\x00", "C:", None, 3]
)
def test_ids_that_could_leave_the_folder_are_refused(registry: ModelRegistry, model_id: Any) -> None:
    uses: list[Callable[[], object]] = [
        lambda: registry.publish(model_id, "learned", FILES, {}),
        lambda: registry.current(model_id),
        lambda: registry.version(model_id, 1),
        lambda: registry.delete(model_id),
        lambda: registry.workspace(model_id),
    ]
    for use in uses:
        with pytest.raises(DataError, match=r"model_id.*Use 1 to 100 letters"):
            use()
    with pytest.raises(DataError, match="files"):
        registry.publish("m", "learned", {model_id: b""}, {})
    assert not registry.ids()


@given(st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}", fullmatch=True))
def test_every_allowed_id_works(tmp_path_factory: pytest.TempPathFactory, model_id: str) -> None:
    registry = ModelRegistry(tmp_path_factory.mktemp("models"))
    assert registry.publish(model_id, "static", FILES, {}) == registry.current(model_id)
    assert registry.ids() == [model_id]
    registry.delete(model_id)
    assert registry.ids() == []


def test_ids_that_differ_in_case_only_are_refused(registry: ModelRegistry) -> None:
    registry.publish("Movies", "learned", FILES, {})
    with pytest.raises(DataError, match=r"'Movies' in upper and lower case"):
        registry.publish("movies", "learned", FILES, {})
    with pytest.raises(ModelNotFoundError, match="There is Movies"):
        registry.current("movies")


@pytest.mark.parametrize("card", [{"loss": float("nan")}, {"when": object()}, {"set": {1}}])
def test_a_card_that_json_does_not_know_is_refused_before_anything_is_written(
    registry: ModelRegistry, card: Any
) -> None:
    with pytest.raises(DataError, match="card"):
        registry.publish("m", "learned", FILES, card)
    with pytest.raises(DataError, match="kind"):
        registry.publish("m", "magic", FILES, {})  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"card\.json"):
        registry.publish("m", "learned", {"card.json": b""}, {})
    assert not registry.folder.exists()


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:1], lambda _: b"", lambda b: bytes([b[0] ^ 1]) + b[1:]]
)
def test_a_damaged_file_is_refused(registry: ModelRegistry, damage: Callable[[bytes], bytes]) -> None:
    version = registry.publish("m", "learned", FILES, {})
    path = version.folder / "model.vw"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StorageError, match=r"model\.vw.*damaged.*train the model again"):
        registry.current("m").read("model.vw")
    assert registry.current("m").read("schema.json") == b"{}"
    with pytest.raises(StorageError, match=r"has no such file.*It has model\.vw, schema\.json"):
        version.read("other")


@pytest.mark.parametrize("card", [b"", b"{", b"[]", b"{}", b'{"kind": "learned", "files": {"f": {}}}', b"\xff"])
def test_a_damaged_card_is_refused_and_still_listed(registry: ModelRegistry, card: bytes) -> None:
    registry.publish("m", "learned", FILES, {})
    (registry.publish("m", "learned", FILES, {}).folder / "card.json").write_bytes(card)
    with pytest.raises(StorageError, match=r"card\.json.*damaged"):
        registry.current("m")
    first, second = registry.list()
    assert (first.version, first.is_current, first.size, first.problem) == (1, False, 11, "")
    assert (second.version, second.is_current) == (2, True)
    assert "damaged" in second.problem
    registry.set_current("m", 1)
    registry.delete("m", 2)
    assert registry.current("m").version == 1


def test_a_version_under_another_name_is_refused(registry: ModelRegistry) -> None:
    version = registry.publish("m", "learned", FILES, {})
    shutil.copytree(version.folder, registry.folder / "copy" / "0001")
    with pytest.raises(StorageError, match=r"published under another name.*m@1"):
        registry.current("copy")


def test_a_damaged_pointer_says_what_it_may_be(registry: ModelRegistry) -> None:
    registry.publish("m", "learned", FILES, {})
    pointer = registry.folder / "m" / "current"
    for text in ("", "latest", "0002"):
        pointer.write_text(text)
        with pytest.raises(StorageError, match=r"current: .*Write one of 0001"):
            registry.current("m")
        assert [(row.version, row.is_current) for row in registry.list()] == [(1, False)]
    registry.set_current("m", 1)
    assert registry.current("m").version == 1


def test_deleting(registry: ModelRegistry) -> None:
    for _ in range(3):
        registry.publish("m", "learned", FILES, {})
    with pytest.raises(DataError, match="m@3 is the current version"):
        registry.delete("m", 3)
    with pytest.raises(ModelNotFoundError, match="no version 4"):
        registry.delete("m", 4)
    registry.delete("m", 2)
    assert [row.version for row in registry.list()] == [1, 3]
    gone = registry.version("m", 1)
    registry.delete("m")
    assert registry.list() == ()
    with pytest.raises(ModelNotFoundError):
        registry.delete("m")
    with pytest.raises(StorageError, match=r"m@1.*Another process may have removed it"):
        gone.read("model.vw")


def test_the_number_of_a_deleted_version_is_not_used_again(registry: ModelRegistry) -> None:
    registry.publish("m", "learned", FILES, {})
    registry.publish("m", "learned", FILES, {})
    registry.delete("m")
    assert registry.publish("m", "learned", FILES, {}).version == 3
    registry.delete("m", 3)  # the only one: the model goes
    assert registry.ids() == []
    assert registry.publish("m", "learned", FILES, {}).version == 4


def test_a_workspace_lasts_until_the_model_is_published(registry: ModelRegistry) -> None:
    workspace = registry.workspace("m")
    (workspace / "checkpoint").write_bytes(b"half way")
    assert registry.workspace("m") == workspace
    assert registry.workspace("other") != workspace
    assert (workspace / "checkpoint").read_bytes() == b"half way"
    registry.publish("m", "learned", FILES, {})
    assert list(registry.workspace("m").iterdir()) == []


@needs_fork
def test_a_kill_at_any_step_of_publishing_leaves_a_whole_version_current(registry: ModelRegistry) -> None:
    def prepare() -> None:
        shutil.rmtree(registry.folder, ignore_errors=True)
        registry.publish("m", "learned", {"f": b"old"}, {})
        (registry.workspace("m") / "checkpoint").write_bytes(b"")

    def publish() -> None:
        registry.publish("m", "learned", {"f": b"new", "g": b"more"}, {})

    served = []
    for _ in killed_at_every_step(registry.folder, prepare, publish):
        version = registry.current("m")
        served.append(version.version)
        assert version.read("f") == (b"old" if version.version == 1 else b"new")
        assert not any(row.problem for row in registry.list())
        newest = registry.list()[-1].version
        assert registry.publish("m", "learned", {"f": b"next"}, {}).version == newest + 1
        assert registry.current("m").read("f") == b"next"
    assert set(served) == {1, 2}  # killed before the step that counts, and after it
    assert len(served) > 10


@needs_fork
def test_a_kill_at_any_step_of_a_first_publishing_leaves_nothing_or_the_whole(registry: ModelRegistry) -> None:
    def prepare() -> None:
        shutil.rmtree(registry.folder, ignore_errors=True)

    for _ in killed_at_every_step(
        registry.folder, prepare, lambda: registry.publish("m", "learned", FILES, {}) and None
    ):
        if registry.ids():
            assert registry.current("m").read("model.vw") == FILES["model.vw"]
        else:
            with pytest.raises(ModelNotFoundError):
                registry.current("m")


@needs_fork
@pytest.mark.parametrize("version", [None, 1])
def test_a_kill_at_any_step_of_deleting_leaves_whole_versions(registry: ModelRegistry, version: int | None) -> None:
    def prepare() -> None:
        shutil.rmtree(registry.folder, ignore_errors=True)
        for _ in range(3):
            registry.publish("m", "learned", FILES, {})

    for _ in killed_at_every_step(registry.folder, prepare, lambda: registry.delete("m", version)):
        for row in registry.list():
            assert not row.problem
            assert registry.version("m", row.version).read("model.vw") == FILES["model.vw"]
        if registry.ids():
            assert registry.current("m").version == 3
        assert registry.publish("m", "learned", FILES, {}).version == 4


@needs_fork
def test_what_killed_processes_left_is_swept(registry: ModelRegistry) -> None:
    def prepare() -> None:
        pass

    for _ in killed_at_every_step(
        registry.folder, prepare, lambda: registry.publish("m", "learned", FILES, {}) and None
    ):
        if len(list(registry.folder.glob("m/.unfinished-*"))) > 2:
            break
    for left in registry.folder.glob("m/.unfinished-*"):
        os.utime(left, (0, 0))
    (registry.folder / "m" / ".trash-1").mkdir()
    registry.publish("m", "learned", FILES, {})
    assert not [
        path.name for path in (registry.folder / "m").iterdir() if path.name.startswith((".unfinished", ".trash"))
    ]


@needs_fork
def test_publishers_at_the_same_time_get_versions_of_their_own(registry: ModelRegistry) -> None:
    def publish(writer: int) -> list[int]:
        contents = [f"{writer} {turn}".encode() for turn in range(8)]
        return [registry.publish("m", "learned", {"f": content}, {}).version for content in contents]

    children = [Child(lambda writer=writer: publish(writer)) for writer in range(4)]
    numbers = [child.result() for child in children]
    assert sorted(number for own in numbers for number in own) == list(range(1, 33))
    for writer, own in enumerate(numbers):
        assert [registry.version("m", number).read("f") for number in own] == [
            f"{writer} {turn}".encode() for turn in range(8)
        ]
    assert registry.current("m").version == 32


@needs_fork
def test_a_full_disk_leaves_the_old_version(registry: ModelRegistry) -> None:
    registry.publish("m", "learned", FILES, {})

    def publish_too_much() -> str:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))  # what a full disk is for one process
        with pytest.raises(StorageError) as caught:
            registry.publish("m", "learned", {"f": bytes(20_000)}, {})
        return str(caught.value)

    assert "can't be read or written" in in_child(publish_too_much)
    assert registry.current("m").version == 1
    assert not list(registry.folder.glob("m/.unfinished-*"))


@needs_fork
def test_a_folder_that_may_not_be_written_is_a_readable_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    def publish() -> str:
        with pytest.raises(StorageError) as caught:
            ModelRegistry(tmp_path / "models").publish("m", "learned", FILES, {})
        return str(caught.value)

    assert "Set LRERANK_HOME" in without_rights(publish)
