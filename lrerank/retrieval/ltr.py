"""A trained learning-to-rank model: gradient boosted trees over the features of `ltr_features`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrerank.data.catalog import Catalog
from lrerank.retrieval.index import TextIndex
from lrerank.retrieval.ltr_features import FeatureMaker, FeatureSpec
from lrerank.types import FloatArray, IntArray

MODEL_FILE = "model.json"
"""The trees, in XGBoost's own JSON."""
FEATURES_FILE = "features.json"
"""What the features are made from."""


@dataclass(frozen=True)
class LtrModel:
    """The trees and what they look at."""

    spec: FeatureSpec
    booster: Any

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> LtrModel:
        """Reads what `files` gave."""
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(bytearray(files[MODEL_FILE]))
        # A list of documents is too small to be worth waking a second thread.
        booster.set_param({"nthread": 1})
        return cls(FeatureSpec.from_json(json.loads(files[FEATURES_FILE])), booster)

    def files(self) -> dict[str, bytes]:
        """The model as files for the registry."""
        return {
            MODEL_FILE: bytes(self.booster.save_raw("json")),
            FEATURES_FILE: json.dumps(self.spec.to_json(), indent=1).encode(),
        }

    def scores(self, catalog: Catalog, index: TextIndex, query: str, rows: IntArray) -> FloatArray:
        """[n] relevance of the documents in `rows`; comparable within one list, not between queries.

        Raises:
            DataError: the catalog lacks what the model was trained on.
        """
        self.spec.check(catalog)
        if not len(rows):
            return np.zeros(0)
        features = FeatureMaker(self.spec, catalog, index).matrix(query, rows)
        found: FloatArray = self.booster.inplace_predict(features).astype(np.float64)
        return found
