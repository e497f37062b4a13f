"""The five stages that do not learn, against plain oracles and against what every stage promises."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from small_catalogs import catalog, texts

from lrerank.data.catalog import Catalog
from lrerank.errors import InputError, LrerankError, MissingExtraError, ModelNotFoundError, PipelineError
from lrerank.stages.base import Environment, Outcome, Stage
from lrerank.stages.hybrid_search import HybridSearch
from lrerank.stages.mmr import MMR, relevance, select
from lrerank.stages.rerank import Rerank
from lrerank.stages.semantic_search import SemanticSearch
from lrerank.stages.structured_filter import StructuredFilter
from lrerank.store import Store
from lrerank.types import Candidates, FloatArray, Request

DAY = 86_400.0
MAY_FIRST = datetime(2024, 5, 1, tzinfo=UTC).timestamp()
PRODUCTS = catalog(
    {
        "title": ("text", ["Red fox lamp", "Green owl lamp", "Red owl rug", "Blue fox mug", "", "Red fox lamp shade"]),
        "metadata.price": ("numeric", [10, 25.5, None, 7, 99, 10]),
        "metadata.in_stock": ("boolean", [True, False, True, None, True, False]),
        "brand": ("categorical", ["Acme", "Bolt", None, "Acme", "Cole", "Bolt"]),
        "tags": ("list", [["new", "sale"], ["sale"], [], ["eco"], None, ["new"]]),
        "added": ("date", [MAY_FIRST, MAY_FIRST + 3_600, MAY_FIRST + DAY, MAY_FIRST - 1, None, 0]),
    },
    text=["title", "brand"],
    indexes={"default": "lsa", "product_embedding": "hash"},
)
STAGES: list[tuple[type[Stage[Any]], dict[str, Any]]] = [
    (SemanticSearch, {"query": "red fox"}),
    (SemanticSearch, {"query": "?!", "vector_index": "product_embedding", "top_k": 3}),
    (HybridSearch, {"query": "red fox", "top_k": 4}),
    (HybridSearch, {"query": "nothing of this"}),
    (StructuredFilter, {"conditions": {"field": "price", "operator": "lte", "value": 30}}),
    (Rerank, {}),
    (Rerank, {"top_n": 2}),
    (MMR, {}),
    (MMR, {"lambda": 0.0, "top_n": 3}),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


def run(
    store: Store,
    stage: type[Stage[Any]],
    parameters: Mapping[str, Any],
    candidates: Candidates | None = None,
    documents: Catalog = PRODUCTS,
    inputs: Mapping[str, Any] | None = None,
) -> Outcome:
    checked = stage.parameters_type.model_validate(dict(parameters))
    # A pipeline keeps parameters as plain values and checks them again when templates are filled.
    checked = stage.parameters_type.model_validate(checked.model_dump(by_alias=True))
    request = Request(inputs={"query": "red fox"} if inputs is None else inputs, timestamp=0.0, request_id="r")
    candidates = everything(documents) if candidates is None else candidates
    return stage().run(checked, request, candidates, Environment(documents, store, np.random.default_rng(0)))


def everything(documents: Catalog) -> Candidates:
    return Candidates(np.arange(len(documents)), np.zeros(len(documents)))


@pytest.mark.parametrize(("stage", "parameters"), STAGES)
@given(data=st.data())
def test_no_stage_invents_repeats_or_leaves_the_candidates(
    stage: type[Stage[Any]], parameters: dict[str, Any], store: Store, data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.integers(0, len(PRODUCTS) - 1), unique=True))
    scores = data.draw(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=len(rows), max_size=len(rows))
    )
    came = Candidates(np.array(rows, dtype=np.int64), np.array(scores, dtype=np.float64))
    went = run(store, stage, parameters, came).candidates
    assert set(went.rows.tolist()) <= set(rows)
    assert len(set(went.rows.tolist())) == len(went) == len(went.scores)
    assert np.isfinite(went.scores).all()
    again = run(store, stage, parameters, came).candidates
    assert again.rows.tolist() == went.rows.tolist() and again.scores.tolist() == went.scores.tolist()


def test_searches_respect_the_filter_before_them(store: Store) -> None:
    cheap = run(store, StructuredFilter, {"conditions": {"field": "price", "operator": "lt", "value": 20}}).candidates
    assert cheap.rows.tolist() == [0, 3, 5]
    for stage in (SemanticSearch, HybridSearch):
        assert set(run(store, stage, {"query": "owl", "top_k": 2}, cheap).candidates.rows.tolist()) <= {0, 3, 5}


def test_semantic_search_orders_by_cosine_and_breaks_ties_by_place(store: Store) -> None:
    found = run(store, SemanticSearch, {"query": "owl rug"}).candidates
    assert found.rows[0] == 2
    assert (np.diff(found.scores) <= 0).all()
    turned = Candidates(np.array([4, 2, 0]), np.zeros(3))
    assert run(store, SemanticSearch, {"query": "?!"}, turned).candidates.rows.tolist() == [4, 2, 0]


def test_hybrid_search_is_reciprocal_rank_fusion(store: Store) -> None:
    documents = texts("fox", "fox fox owl", "owl", "rug")
    from lrerank.stages.queries import index_of

    index = index_of(Environment(documents, store, np.random.default_rng(0)))
    lexical = index.lexical_scores("fox rug")
    semantic = index.document_embeddings @ index.embed_query("fox rug")

    def part(scores: FloatArray, row: int) -> float:
        return 1 / (60 + 1 + sum(scores > scores[row])) if scores[row] > 0 else 0.0

    expected = np.array([part(lexical, row) + part(semantic, row) for row in range(4)])
    found = run(store, HybridSearch, {"query": "fox rug"}, documents=documents).candidates
    np.testing.assert_allclose(found.scores, expected[found.rows])
    assert found.rows.tolist() == sorted(range(4), key=lambda row: (-expected[row], row))


@pytest.mark.parametrize("query", ["", "   ", "\n\t"])
def test_an_empty_query_is_refused(query: str, store: Store) -> None:
    for stage in (SemanticSearch, HybridSearch):
        with pytest.raises(InputError, match=r"parameters.query: the query is empty"):
            run(store, stage, {"query": query})
    with pytest.raises(InputError, match=r"query: the query is empty"):
        run(store, Rerank, {}, inputs={"query": query})
    with pytest.raises(InputError, match="lacks"):
        run(store, Rerank, {}, inputs={})
    with pytest.raises(InputError, match="needs text"):
        run(store, Rerank, {}, inputs={"query": ["red"]})


def test_an_unknown_index_is_refused_with_the_known_ones(store: Store) -> None:
    with pytest.raises(PipelineError, match=r"parameters.vector_index: .*'nope'.*default, product_embedding"):
        run(store, HybridSearch, {"query": "fox", "vector_index": "nope"})


FILTERS = [
    ({"field": "metadata.price", "operator": "eq", "value": 10}, [0, 5]),
    ({"field": "price", "operator": "ne", "value": 10}, [1, 3, 4]),
    ({"field": "price", "operator": "gt", "value": 10}, [1, 4]),
    ({"field": "price", "operator": "gte", "value": 10}, [0, 1, 4, 5]),
    ({"field": "price", "operator": "in", "value": [7, 99.0, -1]}, [3, 4]),
    ({"field": "price", "operator": "nin", "value": [7, 99]}, [0, 1, 5]),
    ({"field": "price", "operator": "exists", "value": False}, [2]),
    ({"field": "price", "operator": "exists"}, [0, 1, 3, 4, 5]),
    ({"field": "metadata.in_stock", "operator": "eq", "value": True}, [0, 2, 4]),
    ({"field": "in_stock", "operator": "ne", "value": True}, [1, 5]),
    ({"field": "in_stock", "operator": "nin", "value": []}, [0, 1, 2, 4, 5]),
    ({"field": "brand", "operator": "eq", "value": "Acme"}, [0, 3]),
    ({"field": "brand", "operator": "eq", "value": "unheard of"}, []),
    ({"field": "brand", "operator": "ne", "value": "Acme"}, [1, 4, 5]),
    ({"field": "brand", "operator": "contains", "value": "OL"}, [1, 4, 5]),
    ({"field": "tags", "operator": "contains", "value": "sale"}, [0, 1]),
    ({"field": "tags", "operator": "contains", "value": "sal"}, []),
    ({"field": "tags", "operator": "in", "value": ["eco", "new"]}, [0, 3, 5]),
    ({"field": "tags", "operator": "ne", "value": "sale"}, [3, 5]),
    ({"field": "tags", "operator": "exists", "value": False}, [2, 4]),
    ({"field": "title", "operator": "eq", "value": "Red fox lamp"}, [0]),
    ({"field": "title", "operator": "contains", "value": "OWL"}, [1, 2]),
    ({"field": "title", "operator": "exists", "value": False}, [4]),
    ({"field": "added", "operator": "eq", "value": "2024-05-01"}, [0, 1]),
    ({"field": "added", "operator": "ne", "value": "2024-05-01"}, [2, 3, 5]),
    ({"field": "added", "operator": "gt", "value": "2024-05-01"}, [2]),
    ({"field": "added", "operator": "gte", "value": "2024-05-01"}, [0, 1, 2]),
    ({"field": "added", "operator": "lte", "value": "2024-05-01"}, [0, 1, 3, 5]),
    ({"field": "added", "operator": "lt", "value": "2024-05-01T02:00:00+02:00"}, [3, 5]),
    ({"field": "added", "operator": "eq", "value": 0}, [5]),
    ({"and": []}, [0, 1, 2, 3, 4, 5]),
    ({"or": []}, []),
    ({"not": {"field": "price", "operator": "eq", "value": 10}}, [1, 2, 3, 4]),
    (
        {"or": [{"field": "brand", "operator": "eq", "value": "Cole"}, {"and": [{"field": "price", "operator": "lt", "value": 11}, {"not": {"field": "in_stock", "operator": "eq", "value": True}}]}]},
        [3, 4, 5],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("conditions", "expected"), FILTERS)
def test_filters_keep_what_matches(conditions: dict[str, Any], expected: list[int], store: Store) -> None:
    assert run(store, StructuredFilter, {"conditions": conditions}).candidates.rows.tolist() == expected
    # Order and scores are those that came in.
    turned = Candidates(np.arange(6)[::-1].copy(), np.arange(6.0))
    kept = run(store, StructuredFilter, {"conditions": conditions}, turned).candidates
    assert kept.rows.tolist() == expected[::-1]
    assert kept.scores.tolist() == [5.0 - row for row in kept.rows]


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"field": "colour", "operator": "eq", "value": 1}, r"conditions.field: .*'colour'.*title, metadata.price"),
        ({"field": "price", "operator": "eq", "value": "10"}, r"conditions.value: .*numeric.*'10'.*Give a number"),
        ({"field": "price", "operator": "eq", "value": True}, r"conditions.value: .*Give a number"),
        ({"field": "price", "operator": "contains", "value": 1}, r"conditions.operator: .*'contains'.*eq, ne"),
        ({"field": "in_stock", "operator": "eq", "value": "yes"}, r"conditions.value: .*true or false"),
        ({"field": "brand", "operator": "in", "value": ["Acme", 3]}, r"conditions.value: .*Give text"),
        ({"field": "added", "operator": "gt", "value": "yesterday"}, r"conditions.value: .*2024-05-01"),
        ({"field": "added", "operator": "gt", "value": "2024-02-31"}, r"conditions.value: .*2024-05-01"),
        ({"and": [{"and": []}, {"not": {"field": "x", "operator": "exists"}}]}, r"conditions.and\[1\].not.field: "),
    ],
)
def test_filters_that_do_not_fit_the_catalog_are_refused(
    conditions: dict[str, Any], message: str, store: Store
) -> None:
    with pytest.raises(PipelineError, match=r"parameters\." + message):
        run(store, StructuredFilter, {"conditions": conditions})


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        [],
        "price > 3",
        None,
        {"field": "price"},
        {"field": "price", "operator": "between", "value": 1},
        {"field": "price", "operator": "in", "value": 1},
        {"field": "price", "operator": "eq", "value": [1]},
        {"field": "price", "operator": "eq"},
        {"field": "price", "operator": "eq", "value": float("nan")},
        {"field": "price", "operator": "eq", "value": 10**400},
        {"field": "price", "operator": "exists", "value": "no"},
        {"field": "price", "operator": "eq", "value": 1, "and": []},
        {"and": {"field": "price", "operator": "eq", "value": 1}},
        {"not": []},
    ],
)
def test_malformed_conditions_are_refused_when_read(conditions: Any) -> None:
    with pytest.raises(ValidationError):
        StructuredFilter.parameters_type.model_validate({"conditions": conditions})


def test_conditions_nested_without_end_are_refused() -> None:
    conditions: dict[str, Any] = {"and": []}
    for _ in range(600):
        conditions = {"not": conditions}
    with pytest.raises(ValidationError):
        StructuredFilter.parameters_type.model_validate({"conditions": conditions})


def test_an_unfilled_template_is_a_value_of_any_operator() -> None:
    condition = {"field": "brand", "operator": "in", "value": "{{INPUT.brands}}"}
    StructuredFilter.parameters_type.model_validate({"conditions": condition})


leaves = st.sampled_from([conditions for conditions, _ in FILTERS if "field" in conditions])
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: {"and": parts}),
        st.lists(inner, max_size=3).map(lambda parts: {"or": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=6,
)


def holds(conditions: Any, row: int) -> bool:
    if "and" in conditions:
        return all(holds(part, row) for part in conditions["and"])
    if "or" in conditions:
        return any(holds(part, row) for part in conditions["or"])
    if "not" in conditions:
        return not holds(conditions["not"], row)
    return row in next(expected for known, expected in FILTERS if known == conditions)


@given(conditions=trees)
def test_nested_conditions_combine_as_logic_says(conditions: Any, store: Store) -> None:
    kept = run(store, StructuredFilter, {"conditions": conditions}).candidates.rows.tolist()
    assert kept == [row for row in range(6) if holds(conditions, row)]


def test_rerank_is_lexical_by_default_and_cuts(store: Store) -> None:
    found = run(store, Rerank, {}, inputs={"query": "owl rug"}).candidates
    assert found.rows[0] == 2 and len(found) == 6
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert run(store, Rerank, {"top_n": 1}, inputs={"query": "owl rug"}).candidates.rows.tolist() == [2]


def test_rerank_says_which_models_there_are(store: Store) -> None:
    with pytest.raises(ModelNotFoundError, match=r"parameters.model: .*'movie'.*lexical, .*bge-reranker-v2-m3"):
        run(store, Rerank, {"model": "movie"})
    # Without the extra the library is missing, with it these weights.
    with pytest.raises(MissingExtraError, match=r"parameters.model: .*(pip install|fetch them once)"):
        run(store, Rerank, {"model": "bge-reranker-v2-m3"})
    assert (
        len(run(store, Rerank, {"model": "no-such-owner/none"}, Candidates(np.arange(0), np.zeros(0))).candidates) == 0
    )


def test_a_cross_encoder_in_a_folder_ranks(store: Store, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs the extra `neural`")
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    torch.manual_seed(0)
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "red",
        "fox",
        "owl",
        "lamp",
        "rug",
        "green",
        "mug",
        "blue",
    ]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(vocab_file=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertForSequenceClassification(BertConfig(vocab_size=len(vocabulary), num_labels=1, **size)).save_pretrained(
        tmp_path
    )
    found = run(store, Rerank, {"model": str(tmp_path), "top_n": 4}).candidates
    pairs = [("red fox", PRODUCTS.content(row)) for row in range(len(PRODUCTS))]
    expected = CrossEncoder(str(tmp_path)).predict(pairs)
    # Batches are padded by length, so sums are taken in another order.
    np.testing.assert_allclose(found.scores, np.sort(expected)[::-1][:4], atol=1e-5)
    np.testing.assert_allclose(expected[found.rows], found.scores, atol=1e-5)


def plain_mmr(scores: list[float], embeddings: np.ndarray, weight: float, count: int) -> list[int]:
    """O(n² k): every value anew from the definition."""
    picked: list[int] = []
    while len(picked) < min(count, len(scores)):
        best, best_value = -1, -np.inf
        for row in range(len(scores)):
            if row in picked:
                continue
            likest = max((float(embeddings[row] @ embeddings[other]) for other in picked), default=0.0)
            value = weight * scores[row] - (1 - weight) * likest
            if value > best_value + 1e-12:
                best, best_value = row, value
        picked.append(best)
    return picked


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_mmr_is_its_definition(weight: float) -> None:
    rng = np.random.default_rng(7)
    for size in (1, 2, 15, 40):
        embeddings = rng.normal(size=(size, 5)).astype(np.float32)
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        scores = relevance(np.sort(rng.random(size))[::-1])
        assert select(scores, embeddings, weight, 20).tolist() == plain_mmr(scores.tolist(), embeddings, weight, 20)


@given(st.lists(st.floats(-1e308, 1e308), min_size=1, max_size=8))
def test_mmr_with_relevance_only_keeps_the_incoming_order(scores: list[float]) -> None:
    embeddings = np.ones((len(scores), 1), dtype=np.float32)
    scaled = relevance(np.array(scores))
    assert ((scaled >= 0) & (scaled <= 1)).all()
    falling = sorted(scores, reverse=True)
    for each in (scores, falling):
        assert select(relevance(np.array(each)), embeddings, 1.0, 8).tolist() == list(range(len(scores)))


def test_mmr_puts_the_unlike_before_the_alike(store: Store) -> None:
    documents = texts("red fox lamp", "red fox lamp", "red fox lamp", "green owl rug")
    came = Candidates(np.arange(4), np.array([4.0, 3.0, 2.0, 1.0]))
    found = run(store, MMR, {"lambda": 0.3}, came, documents).candidates
    assert found.rows.tolist() == [0, 3, 1, 2]
    assert found.scores.tolist() == [4.0, 1.0, 3.0, 2.0]
    assert run(store, MMR, {"lambda": 1}, came, documents).candidates.rows.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("stage", "parameters"),
    [
        (SemanticSearch, {"query": 3}),
        (SemanticSearch, {"query": "x", "top_k": 0}),
        (HybridSearch, {"query": "x", "top_k": "10"}),
        (HybridSearch, {"query": "x", "k": 10}),
        (Rerank, {"top_n": 0}),
        (Rerank, {"model": ""}),
        (MMR, {"lambda": 1.1}),
        (MMR, {"lambda": float("nan")}),
        (MMR, {"weight": 0.5}),
        (MMR, {"top_n": 2.5}),
    ],
)
def test_bad_parameters_are_refused(stage: type[Stage[Any]], parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        stage.parameters_type.model_validate(parameters)


def test_every_error_is_one_that_pages_can_show(store: Store) -> None:
    for kind, value in itertools.product(("price", "in_stock", "brand", "tags", "added", "title"), (1, "a", True, 2.5)):
        for operator in ("eq", "gt", "contains"):
            try:
                run(store, StructuredFilter, {"conditions": {"field": kind, "operator": operator, "value": value}})
            except LrerankError as error:
                assert error.path and error.remedy  # noqa: PT017
