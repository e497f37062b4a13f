"""The commands, end to end: what they print, what they refuse and how, and that pipes get the result alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from lrerank.cli.main import app
from lrerank.errors import LrerankError
from lrerank.store import Store

ROOT = Path(__file__).resolve().parents[1]
QUERY = ("-i", "query=trail shoes")


@dataclass(frozen=True)
class Said:
    """What a command said; `code` as `main` would end the process."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))


def run(*arguments: object, home: Path | None = None, **environment: str) -> Said:
    """A command in this process; an error's text becomes `err`, as `main` prints it."""
    variables = {**environment, **({"LRERANK_HOME": str(home)} if home else {})}
    result = CliRunner(env=variables).invoke(app, [str(each) for each in arguments])
    if isinstance(result.exception, LrerankError):
        return Said(2, result.stdout, str(result.exception))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def process(*arguments: object, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as a process of its own, for what only that shows: exit codes, streams, encodings."""
    command = [sys.executable, "-c", "from lrerank.cli import main; main()", *map(str, arguments)]
    variables = {**os.environ, "LRERANK_HOME": str(home), "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)


def lines(path: Path, rows: list[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of forty documents, queries, judgments, interactions and pipelines."""
    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    lines(
        folder / "shop.jsonl",
        [
            {
                "id": f"d{number}",
                "title": f"{('trail', 'road')[number % 2]} shoes number {number}",
                "category": "abc"[number % 3],
                "price": number * 1.5,
            }
            for number in range(40)
        ],
    )
    lines(
        folder / "queries.jsonl",
        [
            {"query_id": f"q{n}", "query": f"{('trail', 'road')[n % 2]} shoes {n}", "query_group": f"g{n // 2}"}
            for n in range(24)
        ],
    )
    lines(
        folder / "judgments.jsonl",
        [
            {"query_id": f"q{query}", "doc_id": f"d{item}", "grade": int(item % 2 == query % 2 and item % 3 == 0)}
            for query in range(24)
            for item in rng.permutation(40)[:10].tolist()
        ],
    )
    history: list[Mapping[str, Any]] = []
    for number in range(60):
        shown = [f"d{item}" for item in rng.permutation(40)[:6]]
        seen = {"user_id": f"u{number % 4}", "query": "trail shoes", "request_id": f"r{number}"}
        history.append({"interaction_type": "impression", **seen, "shown": shown, "timestamp": 1.767e9 + number * 60})
        for position, item in enumerate(shown, start=1):
            if rng.random() < 0.3:
                clicked = {"interaction_type": "click", "document_id": item, "position": position}
                history.append({**clicked, **seen, "timestamp": 1.767e9 + number * 60 + 5})
    lines(folder / "history.jsonl", history)
    search = {"stage_type": "filter", "stage_id": "hybrid_search", "parameters": {"query": "{{INPUT.query}}"}}
    stages: dict[str, list[Any]] = {"search": [search]}
    for name, learned in (("learned", {"model_id": "shop"}), ("nobody", {"model_id": "nope"})):
        stages[name] = [search, {"stage_type": "sort", "stage_id": "learned_rerank", "parameters": learned}]
    stages["static"] = [search, {"stage_type": "sort", "stage_id": "rerank", "parameters": {"model": "ltr"}}]
    for name, pipeline in stages.items():
        (folder / f"{name}.json").write_text(json.dumps(pipeline), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def home(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the model `shop`, trained and logged from the files; no test may change it."""
    folder = tmp_path_factory.mktemp("trained")
    trained = run(
        "train", "-m", "shop", "-c", files / "shop.jsonl", "--interactions", files / "history.jsonl", home=folder
    )
    assert trained.code == 0
    assert "shop@1: learned 60 requests" in trained.out
    return folder


def test_the_built_in_marketplace_goes_all_the_way(tmp_path: Path) -> None:
    """Made-up interactions → train → rank as a user of them, with reasons; the model's card; and the user's rights."""
    history = tmp_path / "history.jsonl"
    shop = ("-c", "marketplace")
    made = run("data", "interactions", *shop, "--out", history, "--users", 5, "--requests", 60, home=tmp_path)
    assert made.code == 0
    rows = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    assert sum(row["interaction_type"] == "impression" for row in rows) == 60
    user = rows[0]["user_id"]

    model = "search_personalization_v1"  # what the shipped pipelines name
    trained = run("train", "-m", model, *shop, "--interactions", history, "--json", home=tmp_path).json
    assert trained["model"] == f"{model}@1"
    assert trained["logged"] == {"added": len(rows), "repeated": 0, "refused_opted_out": 0}

    ask = ("rank", "-p", "personalized_search", *shop, *QUERY, "--seed", 1)
    ranked = run(*ask, "-i", f"user_id={user}", "--explain", "--log", "--json", home=tmp_path).json
    learned = [document["learned_rerank"] for document in ranked["documents"]]
    assert all(0 <= each["personalization_score"] <= 1 and each["exploration_boost"] >= 0 for each in learned)
    assert ranked["logged"] is True
    for entry in ranked["explanations"]:
        assert entry["value"] - entry["mean_value"] == pytest.approx(sum(entry["contributions"].values()), abs=1e-5)
        assert 0 < entry["propensity"] <= 1
    told = run(*ask, "-i", f"user_id={user}", "--explain", home=tmp_path)
    assert "because of" in told.out
    assert "what lifts" in told.out
    stranger = run(*ask, "-i", "user_id=stranger", "--json", home=tmp_path).json
    assert stranger["documents"][0]["learned_rerank"]["personalization_score"] is None
    assert any("the user is unknown" in note for note in stranger["notes"])

    assert run("privacy", "opt-out", user, home=tmp_path).code == 0
    silent = run(*ask, "-i", f"user_id={user}", "--log", "--json", home=tmp_path)
    assert silent.json["logged"] is False
    assert "not logged" in silent.err
    assert any("opted out" in note for note in silent.json["notes"])
    own = sum(row["user_id"] == user for row in rows) + 1
    assert run("privacy", "erase", user, "--yes", "--json", home=tmp_path).json == {"erased": own}
    assert run("privacy", "erase", user, "--yes", "--json", home=tmp_path).json == {"erased": 0}
    assert run("privacy", "opt-in", user, home=tmp_path).code == 0


def test_models_are_listed_shown_and_deleted(files: Path, tmp_path: Path) -> None:
    assert "No models yet" in run("models", "list", home=tmp_path).out
    train = (
        *("train", "-m", "shop", "-c", files / "shop.jsonl"),
        *("--interactions", files / "history.jsonl", "--no-log"),
    )
    for _ in range(2):
        assert run(*train, home=tmp_path).code == 0
    assert Store(tmp_path).log.count() == 0
    assert [row["model"] for row in run("models", "list", "--json", home=tmp_path).json] == ["shop@2"]
    assert "shop@2" in run("models", "list", home=tmp_path).out
    card = run("models", "show", "shop", "--json", home=tmp_path).json
    assert card["trained_on"]["requests"] == 60
    assert card["trained_on"]["clicks_only"] is False
    assert "trained_on" in run("models", "show", "shop", home=tmp_path).out
    assert "current" in run("models", "delete", "shop", "--version", 2, "--yes", home=tmp_path).err
    assert run("models", "delete", "shop", "--version", 1, "--yes", home=tmp_path).out == "Deleted shop@1.\n"
    assert run("models", "delete", "shop", home=tmp_path).code == 1  # nobody to confirm
    assert run("models", "delete", "shop", "--yes", home=tmp_path).code == 0
    assert run("models", "show", "shop", home=tmp_path).code == 2


def test_a_damaged_model_neither_hides_the_others_nor_stays(files: Path, tmp_path: Path) -> None:
    for name in ("good", "bad"):
        train = ("train", "-m", name, "-c", files / "shop.jsonl", "--interactions", files / "history.jsonl", "--no-log")
        assert run(*train, home=tmp_path).code == 0
    (tmp_path / "models" / "bad" / "0001" / "card.json").write_text("x")
    listed = run("models", "list", "--json", home=tmp_path)
    assert [row["model"] for row in listed.json] == ["good@1", "bad"]
    assert "card.json" in listed.json[1]["problem"]
    assert run("models", "delete", "bad", "--yes", home=tmp_path).code == 0
    assert [row["model"] for row in run("models", "list", "--json", home=tmp_path).json] == ["good@1"]


def test_retention_is_set_and_what_is_older_is_deleted(files: Path, tmp_path: Path) -> None:
    assert run("privacy", "retention", home=tmp_path).out == "Interactions are kept forever.\n"
    assert "Nothing expires" in run("privacy", "expire", home=tmp_path).out
    assert run("privacy", "retention", 30, home=tmp_path).out.startswith("Interactions are kept for 30 days")
    shop = ("-c", files / "shop.jsonl", "--interactions", files / "history.jsonl")
    run("train", "-m", "shop", *shop, home=tmp_path, LRERANK_ORGANISATION="other")
    run("train", "-m", "shop", *shop, home=tmp_path)
    count = len((files / "history.jsonl").read_text(encoding="utf-8").splitlines())
    assert run("privacy", "expire", "--json", home=tmp_path).json == {"expired": count}
    assert run("privacy", "expire", "--json", home=tmp_path, LRERANK_ORGANISATION="other").json == {"expired": 0}
    assert run("privacy", "retention", "--forever", home=tmp_path).out == "Interactions are kept forever.\n"


def test_a_static_model_is_trained_used_and_measured(files: Path, tmp_path: Path) -> None:
    judged = (
        *("-c", files / "shop.jsonl", "--queries", files / "queries.jsonl"),
        *("--judgments", files / "judgments.jsonl"),
    )
    trained = run("train-static", "-m", "ltr", *judged, "--json", home=tmp_path).json
    assert trained["model"] == "ltr@1"
    measured = run(
        "evaluate", "-p", files / "search.json", "-p", files / "static.json", *judged, "--json", home=tmp_path
    ).json
    search, static = measured["pipelines"]
    assert static["metrics"]["ndcg@10"]["mean"] > search["metrics"]["ndcg@10"]["mean"]  # it has seen these judgments
    difference = measured["differences"][0]["ndcg@10"]
    assert difference["low"] <= difference["mean"] <= difference["high"]
    told = run("evaluate", "-p", files / "search.json", *judged, "--metric", "mrr", home=tmp_path)
    assert "mrr" in told.out
    assert "12 groups" in told.out
    ranked = run("rank", "-p", files / "static.json", "-c", files / "shop.jsonl", *QUERY, "--json", home=tmp_path).json
    assert ranked["documents"]


def test_data_is_listed_shown_and_fetched_from_a_folder(data_folder: Path, tmp_path: Path) -> None:
    elsewhere = {"LRERANK_DATA": str(tmp_path / "none")}
    states = {row["name"]: row["state"] for row in run("data", "list", "--json", home=tmp_path, **elsewhere).json}
    assert states["marketplace"] == "built in"
    assert states["wikimedia_click_facts"] == "not fetched"
    fetch = ("data", "fetch", "wikimedia_click_facts", "--from", data_folder / "wikimedia_click_facts")
    assert run(*fetch, home=tmp_path, **elsewhere).code == 0
    states = {row["name"]: row["state"] for row in run("data", "list", "--json", home=tmp_path, **elsewhere).json}
    assert states["wikimedia_click_facts"] == "fetched"
    assert run("data", "show", "wikimedia_click_facts", "--json", home=tmp_path).json["licence"]
    assert "wikimedia_click_facts" in run("data", "list", home=tmp_path).out


def test_a_catalog_is_shown_with_its_fields(files: Path, tmp_path: Path) -> None:
    shown = run("data", "show", files / "shop.jsonl", "--json", home=tmp_path).json
    kinds = {field["path"]: field["kind"] for field in shown["fields"]}
    assert (shown["documents"], kinds) == (40, {"title": "text", "category": "categorical", "price": "numeric"})
    assert "categorical" in run("data", "show", files / "shop.jsonl", home=tmp_path).out


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("what", [("list",), ("show", "marketplace")], ids=" ".join)
def test_tables_fit_the_screen_without_breaking_words(what: tuple[str, ...], width: int, tmp_path: Path) -> None:
    told = process("data", *what, home=tmp_path, COLUMNS=str(width)).stdout.splitlines()
    assert max(map(len, told)) <= width
    names = {line.split(" ")[0] for line in told}
    assert names >= ({"wikimedia_click_facts"} if what == ("list",) else {"metadata.shipping_days"})


def of_files(*names: str) -> Callable[[Path], list[object]]:
    return lambda files: [files / name[1:] if name.startswith("@") else name for name in names]


CATALOG = ("-c", "@shop.jsonl")
REFUSED: list[tuple[tuple[str, ...], str]] = [
    (("rank", "-p", "@learned.json", *CATALOG, "-i", "user_id=u"), r"\[0\].parameters.query.*'query'.*Give query=…"),
    (("rank", "-p", "nope", *CATALOG), "no such pipeline .found 'nope'.. Give a file"),
    (("rank", "-p", "x" * 5000, *CATALOG), "no such pipeline"),
    (("rank", "-p", "@nobody.json", *CATALOG, *QUERY, "-i", "user_id=u"), "no model 'nope'. There is shop"),
    (("rank", "-p", "@search.json", "-c", "nope", *QUERY), "no catalog has this name.*marketplace, news"),
    (("rank", "-p", "@search.json", "-c", "@nope.csv", *QUERY), "nope.csv: there is no such file"),
    (("rank", "-p", "@search.json", *CATALOG, "-i", "query"), "--input: this is written NAME=VALUE .found 'query'."),
    (("rank", "-p", "@search.json", *CATALOG, "--context", "=x"), "--context: this is written NAME=VALUE"),
    (("rank", "-p", "@search.json", *CATALOG, *QUERY, *QUERY), "given twice .found 'query'."),
    (("rank", "-p", "@search.json", *CATALOG, *QUERY, "--seed", "-1"), "--seed"),
    (("train", "-m", "../up", *CATALOG, "--interactions", "@history.jsonl"), r"model_id.*'\.\./up'"),
    (("train", "-m", "m", *CATALOG, "--interactions", "@shop.jsonl"), "shop.jsonl:1: interaction_type: missing"),
    (
        ("train", "-m", "m", *CATALOG, "--interactions", "@history.jsonl", "--learning-rate", "nan"),
        "learning_rate.*nan",
    ),
    (("evaluate", "-p", "@search.json", *CATALOG, "--queries", "@queries.jsonl"), "--judgments"),
    (("models", "show", "nope"), "no model 'nope'. There is shop"),
    (("models", "delete", "shop", "--version", "7", "--yes"), "no version 7.*It has 1"),
    (("data", "fetch", "nope"), "no public data set.*msrd"),
    (("data", "interactions", *CATALOG, "--out", "x"), "queries with judgments.*--queries and --judgments"),
    (("data", "interactions", "-c", "marketplace", "--queries", "@queries.jsonl", "--out", "x"), "--judgments"),
    (("privacy", "opt-out", ""), "user_id.*''"),
    (("privacy", "retention", "--", "-3"), "retention.*-3"),
    (("privacy", "retention", "3", "--forever"), "not both"),
    (("nope",), "nope"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED, ids=[" ".join(case[0])[:50] for case in REFUSED])
def test_what_is_wrong_is_refused_in_a_sentence(
    arguments: tuple[str, ...], sentence: str, files: Path, home: Path
) -> None:
    refused = run(*of_files(*arguments)(files), home=home)
    assert refused.code == 2
    assert not refused.out
    assert re.search(sentence, refused.err, re.DOTALL), refused.err


def test_interactions_are_written_to_files_only(files: Path, tmp_path: Path) -> None:
    judged = ("--queries", files / "queries.jsonl", "--judgments", files / "judgments.jsonl")
    make = ("data", "interactions", "-c", files / "shop.jsonl", *judged, "--requests", 3, "--users", 2, "--out")
    pipe = tmp_path / "pipe"
    if hasattr(os, "mkfifo"):
        os.mkfifo(pipe)
        assert "this is no file to write" in run(*make, pipe, home=tmp_path).err
        assert pipe.is_fifo()
    assert "this is no file to write" in run(*make, tmp_path, home=tmp_path).err
    assert "can't be written" in run(*make, files / "shop.jsonl" / "x", home=tmp_path).err
    assert run(*make, tmp_path / "new" / "out.jsonl", home=tmp_path).code == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.jsonl"]


def test_every_command_says_what_it_does() -> None:
    for path in commands():
        told = run(*path, "--help")
        assert told.code == 0
        assert len(told.out.splitlines()) > 5, path


def commands() -> Iterator[tuple[str, ...]]:
    yield from [("rank",), ("train",), ("train-static",), ("evaluate",), ("app",)]
    for group, names in {
        "models": ("list", "show", "delete"),
        "data": ("list", "show", "fetch", "interactions"),
        "privacy": ("opt-out", "opt-in", "erase", "retention", "expire"),
    }.items():
        yield from ((group, name) for name in names)


def test_a_process_speaks_through_its_streams_and_exit_code(files: Path, home: Path) -> None:
    ask = ("rank", "-p", files / "learned.json", "-c", files / "shop.jsonl", *QUERY, "-i", "user_id=u1")
    done = process(*ask, "--json", "--explain", home=home)
    assert done.returncode == 0
    assert json.loads(done.stdout)["documents"]
    refused = process("rank", "-p", "nope", "-c", files / "shop.jsonl", home=home, COLUMNS="40")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "Error: no such pipeline (found 'nope'). Give a file; shipped for 'shop': none.\n"
    plain = process(*ask, "--explain", home=home, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert (plain.returncode, "Traceback" in plain.stderr) == (0, False)


def test_a_reader_that_leaves_is_no_trouble(files: Path, home: Path) -> None:
    command = [sys.executable, "-c", "from lrerank.cli import main; main()", "data", "show", str(files / "shop.jsonl")]
    variables = {**os.environ, "LRERANK_HOME": str(home), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stderr is not None
        reader.stdout.close()
        assert b"Traceback" not in reader.stderr.read()


def test_what_a_catalog_holds_does_not_steer_the_terminal(files: Path, tmp_path: Path) -> None:
    lines(tmp_path / "bad.jsonl", [{"id": "x\x1b[2J", "title": "red \x1b]0;owned\x07 [bold]shoes[/bold]\nhere"}])
    told = run("rank", "-p", files / "search.json", "-c", tmp_path / "bad.jsonl", "-i", "query=shoes", home=tmp_path)
    assert told.code == 0
    assert "\x1b" not in told.out
    assert "\x07" not in told.out
    assert "[bold]shoes[/bold]" in told.out


SEARCHING = '[{"stage_type": "filter", "stage_id": "hybrid_search", "parameters": {%s}}]'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SEARCHING % '"query": "a", "query": "b"', "an object names 'query' twice"),
        (SEARCHING % '"query": "{{query}}"', r"\[0\].parameters.query: this is not a template.*Write {{INPUT.name}}"),
        (SEARCHING % ('"query": "a", "top_k": 1' + "0" * 5000), "this is not JSON"),
        (SEARCHING % '"query": "a", "top_k": NaN', r"\[0\].parameters.top_k.*nan"),
    ],
)
def test_a_pipeline_that_would_mean_something_else_is_refused(
    text: str, sentence: str, files: Path, tmp_path: Path
) -> None:
    (tmp_path / "p.json").write_text(text)
    refused = run("rank", "-p", tmp_path / "p.json", "-c", files / "shop.jsonl", *QUERY, home=tmp_path)
    assert refused.code == 2
    assert re.search(sentence, refused.err), refused.err


@pytest.mark.parametrize(
    ("cell", "place"),
    [
        ({"timestamp": 1e300}, "timestamp"),
        ({"timestamp": "9999-12-31"}, "timestamp"),
        ({"position": 10**12}, "position"),
        ({"context": {"age": 10**400}}, "context.age"),
        ({"context": {"a": "\ud800", "\ud800": 1}}, "context"),
    ],
)
def test_what_could_not_be_logged_is_refused_with_its_line(
    cell: Mapping[str, Any], place: str, files: Path, tmp_path: Path
) -> None:
    good = {"interaction_type": "click", "user_id": "u", "document_id": "d1", "query": "trail", "timestamp": 1e9}
    history = lines(tmp_path / "h.jsonl", [good, {**good, **cell}])
    clicks = ("--interactions", history, "--sampled-negatives", 2)
    refused = run("train", "-m", "m", "-c", files / "shop.jsonl", *clicks, home=tmp_path)
    assert refused.code == 2
    assert refused.err.startswith(f"{history}:2: {place}"), refused.err


def test_an_index_that_was_saved_along_teaches_nothing(files: Path, tmp_path: Path) -> None:
    """A CSV as pandas writes it by default: its first column has no name."""
    row = "click,u,d1,trail,1e9\n"
    (tmp_path / "with.csv").write_text(
        ",interaction_type,user_id,document_id,query,timestamp\n" + "".join(f"{n},{row}" for n in range(9))
    )
    (tmp_path / "without.csv").write_text("interaction_type,user_id,document_id,query,timestamp\n" + row * 9)
    models = []
    for name in ("with", "without"):
        clicks = ("--interactions", tmp_path / f"{name}.csv", "--sampled-negatives", 2)
        trained = run("train", "-m", name, "-c", files / "shop.jsonl", *clicks, "--json", home=tmp_path).json
        models.append(trained["card"]["files"]["model.vw"])
    assert models[0] == models[1]


def test_a_list_that_is_filtered_empty_is_an_empty_ranking(files: Path, home: Path, tmp_path: Path) -> None:
    stages = json.loads((files / "learned.json").read_text())
    condition = {"field": "price", "operator": "gt", "value": 1e9}
    stages.insert(1, {"stage_type": "filter", "stage_id": "structured_filter", "parameters": {"conditions": condition}})
    (tmp_path / "p.json").write_text(json.dumps(stages))
    ask = ("rank", "-p", tmp_path / "p.json", "-c", files / "shop.jsonl", *QUERY, "-i", "user_id=u1")
    assert run(*ask, "--json", "--explain", home=home).json["documents"] == []
    assert run(*ask, "--explain", home=home).code == 0


def test_an_organisation_that_is_no_text_is_refused(home: Path) -> None:
    assert "organisation" in run("privacy", "retention", home=home, LRERANK_ORGANISATION="\udc80").err
