"""Trains the static relevance model of `rerank`: LambdaMART on relevance judgments or clicks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lrerank.data.catalog import Catalog
from lrerank.errors import DataError
from lrerank.evaluation.ranking import Metric, evaluate
from lrerank.retrieval.index import TextIndex
from lrerank.retrieval.ltr import LtrModel
from lrerank.retrieval.ltr_features import FeatureMaker, FeatureSpec
from lrerank.types import BoolArray, FloatArray, IntArray

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

_ROUNDS = 400
# Found on one split of the movie judgments by query group; NDCG@10 moves by less than 0.002 around them.
_PARAMETERS: Mapping[str, Any] = {
    "objective": "rank:ndcg",
    "eta": 0.05,
    "max_depth": 5,
    "min_child_weight": 10,
    "subsample": 0.8,
    "colsample_bytree": 0.4,
    "max_bin": 64,
    "tree_method": "hist",
    # On a machine with other work, two threads wait for each other at every node: measured 57 s against 2.4 s.
    "nthread": 1,
}
_LARGEST_EXPONENTIAL_GRADE = 31
_VALIDATED_SHARE = 0.2


@dataclass(frozen=True)
class TrainedStatic:
    """A model for the registry.

    Attributes:
        files: name → content, for `ModelRegistry.publish` as kind "static".
        report: for the card: what it was trained on, and NDCG@10 on query groups that a first fit had not seen,
            beside BM25 and the lexical default on the same queries. The published model is fitted on everything.
    """

    files: Mapping[str, bytes]
    report: Mapping[str, Any]


@dataclass(frozen=True)
class _Examples:
    """Judged documents, one query after another.

    Attributes:
        features: [n, features].
        grades: [n].
        queries: [n] number of the query, ascending.
        groups: [n] number of the query's group.
    """

    features: NDArray[np.float32]
    grades: FloatArray
    queries: IntArray
    groups: IntArray

    def where(self, kept: BoolArray) -> _Examples:
        return _Examples(self.features[kept], self.grades[kept], self.queries[kept], self.groups[kept])


def train_static(
    catalog: Catalog,
    index: TextIndex,
    queries: pd.DataFrame,
    judgments: pd.DataFrame,
    seed: int = 0,
    progress: Progress | None = None,
) -> TrainedStatic:
    """Fits LambdaMART (XGBoost's `rank:ndcg`); the order of the rows in either table changes nothing.

    Args:
        catalog: the documents.
        index: its text index.
        queries: query_id, query, query_group. Queries of one group are never on both sides of the validation.
        judgments: query_id, doc_id, grade ≥ 0; a click is grade 1. A column `position` (1-based, where the document
            was shown) becomes a feature that serving holds at 1, so that position explains its share of the clicks.
        seed: of the validation split and of the trees' sampling.
        progress: told how far it is.

    Raises:
        DataError: no query with a judged document, nothing with a grade above 0, or a document not in the catalog.
    """
    tell = progress or _silent
    spec = FeatureSpec.of(catalog, index.encoder_name, position="position" in judgments.columns)
    maker = FeatureMaker(spec, catalog, index)
    examples = _examples(maker, queries, judgments, tell)
    if not (examples.grades > 0).any():
        raise DataError(
            "no judgment has a grade above 0", path="grade", remedy="There is nothing to learn an order from"
        )
    report: dict[str, Any] = {
        "objective": "rank:ndcg",
        "rounds": _ROUNDS,
        "features": len(maker.names()),
        "queries": len(np.unique(examples.queries)),
        "query_groups": len(np.unique(examples.groups)),
        "judgments": len(examples.grades),
        "positive_share": float((examples.grades > 0).mean()),
        "seed": seed,
    }
    chosen = np.random.default_rng(seed).random(examples.groups.max() + 1) < _VALIDATED_SHARE
    held_out = chosen[examples.groups]
    if held_out.any() and (examples.grades[~held_out] > 0).any():
        fitted = _fit(examples.where(~held_out), seed, tell, "validating")
        report["validation"] = _validate(fitted, examples.where(held_out), maker)
    final = LtrModel(spec, _fit(examples, seed, tell, "training"))
    return TrainedStatic(final.files(), report)


def _silent(_what: str, _done: int, _total: int) -> None:
    """Nobody wants to know."""


def _examples(maker: FeatureMaker, queries: pd.DataFrame, judgments: pd.DataFrame, tell: Progress) -> _Examples:
    known = queries.drop_duplicates("query_id").set_index("query_id").sort_index()
    group_of = dict(zip(known.index, pd.factorize(known["query_group"])[0].tolist(), strict=True))
    text_of = dict(zip(known.index, known["query"], strict=True))
    row_of = maker.catalog.row_of
    strangers = [each for each in judgments["doc_id"].astype(str).unique() if each not in row_of]
    if strangers:
        raise DataError(
            f"catalog {maker.catalog.name!r} lacks judged documents",
            path="doc_id",
            value=strangers[0],
            remedy="Leave them out",
        )
    ordered = judgments[judgments["query_id"].isin(known.index)].copy()
    ordered["row"] = [row_of[each] for each in ordered["doc_id"].astype(str)]
    ordered = ordered.sort_values(["query_id", "row"], kind="stable")
    if not len(ordered):
        raise DataError("no query has a judged document", path="query_id", remedy="Do both files name queries alike?")
    lists = ordered.groupby("query_id", sort=True)
    features, groups = [], []
    for number, (query_id, judged) in enumerate(lists):
        positions = judged["position"].to_numpy(np.float64) if maker.spec.position else None
        features.append(maker.matrix(text_of[query_id], judged["row"].to_numpy(np.int64), positions))
        groups.append(group_of[query_id])
        if number % 100 == 0:
            tell("reading judgments", number, len(lists))
    sizes = [len(each) for each in features]
    return _Examples(
        features=np.concatenate(features),
        grades=ordered["grade"].to_numpy(np.float64),
        queries=np.repeat(np.arange(len(sizes)), sizes),
        groups=np.repeat(np.array(groups, dtype=np.int64), sizes),
    )


def _fit(examples: _Examples, seed: int, tell: Progress, what: str) -> Any:
    import xgboost

    class Report(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
            tell(what, epoch + 1, _ROUNDS)
            return False

    data = xgboost.QuantileDMatrix(
        examples.features,
        examples.grades,
        qid=examples.queries,
        max_bin=_PARAMETERS["max_bin"],
        nthread=_PARAMETERS["nthread"],
    )
    grades = examples.grades
    # The gain 2^grade - 1 is NDCG's own; it takes whole grades only.
    exponential = bool((grades == np.round(grades)).all() and grades.max() <= _LARGEST_EXPONENTIAL_GRADE)
    parameters = {**_PARAMETERS, "ndcg_exp_gain": exponential, "seed": seed}
    return xgboost.train(parameters, data, num_boost_round=_ROUNDS, callbacks=[Report()], verbose_eval=False)


def _validate(booster: Any, examples: _Examples, maker: FeatureMaker) -> dict[str, Any]:
    """NDCG@10, ties averaged, over the queries that have something relevant."""
    metric, names = Metric("ndcg", 10), maker.names()
    features = examples.features.copy()
    if maker.spec.position:
        features[:, names.index("position")] = 1.0
    scores = {
        "ltr": booster.inplace_predict(features).astype(np.float64),
        "lexical": features[:, names.index("relevance")].astype(np.float64),
        "bm25": features[:, names.index("bm25")].astype(np.float64),
    }
    measured: dict[str, Any] = {"metric": metric.label}
    for name, found in scores.items():
        result = evaluate([metric], examples.queries, examples.grades, found)
        measured[name] = float(np.nanmean(result.values[metric.label])) if result.counted.any() else None
        measured["queries"] = int(result.counted.sum())
    return measured
