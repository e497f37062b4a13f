"""A trained model on disk and at work: what is saved with a version, and how it is brought back to life."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lrerank.behaviour import Behaviour
from lrerank.calibration import LinkEstimator
from lrerank.data.catalog import Catalog
from lrerank.errors import DataError
from lrerank.features import CONTEXT, CatalogFeatures, FeatureSchema
from lrerank.interactions import InteractionLog, LogState
from lrerank.models import ModelRegistry, ModelVersion
from lrerank.reranker import RATES, Block, LearnedReranker
from lrerank.vw import LearnerOptions, VWModel


def publish(registry: ModelRegistry, model_id: str, reranker: LearnedReranker, card: Mapping[str, Any]) -> ModelVersion:
    """Saves a reranker as the model's next version. Its behaviour is not saved: the log holds it."""
    reranker.model.check_finite()
    settings = {
        "catalog": reranker.features.catalog.name,
        "learner": reranker.model.options.to_json(),
        "position_feature": reranker.position_feature,
        "schema": reranker.features.schema.to_json(),
    }
    files = {
        "model.vw": reranker.model.save(),
        "settings.json": json.dumps(settings, indent=1).encode(),
        "link.json": json.dumps(reranker.links.to_json()).encode(),
    }
    return registry.publish(model_id, "learned", files, card)


def revive(version: ModelVersion, catalog: Catalog) -> LearnedReranker:
    """A saved version on a catalog, knowing nobody yet.

    Raises:
        DataError: the catalog lacks a field the model looks at, or the id names a static model.
    """
    if version.kind != "learned":
        raise DataError(
            f"{version.reference} is a static model",
            path="model_id",
            value=version.model_id,
            remedy="Use it as the `model` of rerank",
        )
    settings = json.loads(version.read("settings.json"))
    schema = FeatureSchema.from_json(settings["schema"])
    for spec in schema.specs:
        found = catalog.resolve(spec.path)
        if found is None or found.path != spec.path or found.kind != spec.kind:
            raise DataError(
                f"{version.reference} was trained on catalog {settings['catalog']!r}; {catalog.name!r} has no {spec.kind} field",
                path=spec.path,
                remedy=f"Train a model for {catalog.name!r}",
            )
    model = VWModel(LearnerOptions(**settings["learner"]), data=version.read("model.vw"))
    links = LinkEstimator.from_json(json.loads(version.read("link.json")))
    features = CatalogFeatures(catalog, schema)
    return LearnedReranker(features, model, links, Behaviour(features), position_feature=settings["position_feature"])


@dataclass(frozen=True, slots=True)
class _Allowed:
    """What a pipeline's feature list leaves of a model's features."""

    values: NDArray[np.float32]  # [T] 1 or 0
    plain: NDArray[np.float32]  # [P] 1 or 0
    context: frozenset[str] | None  # None = all
    ignored: tuple[str, ...]


@dataclass
class Deployment:
    """A version at work on a catalog, in step with the interaction log."""

    reranker: LearnedReranker
    reference: str
    _state: LogState = LogState(0, 0)
    _allowed: dict[tuple[str, ...], _Allowed] = field(default_factory=dict, repr=False)

    def catch_up(self, log: InteractionLog) -> None:
        """Takes in what was logged since the last request, by other processes too; forgets what was erased."""
        state = log.state()
        if state == self._state:
            return
        if state.privacy_changes != self._state.privacy_changes:
            self.reranker.behaviour = Behaviour(self.reranker.features)
            self._state = LogState(0, state.privacy_changes)
        for interaction in log.read(after_row=self._state.last_row, up_to_row=state.last_row):
            self.reranker.behaviour.observe(interaction)
        self._state = state

    def restrict(self, block: Block, features: Sequence[str] | Literal["auto"]) -> Block:
        """The block with what the pipeline does not list set to nothing."""
        if features == "auto":
            return block
        allowed = self._allowance(tuple(features))
        kept = [
            place
            for place, name in enumerate(block.shared_names)
            if allowed.context is None or not name.startswith(CONTEXT) or _context_name(name) in allowed.context
        ]
        return replace(
            block,
            shared_names=[block.shared_names[place] for place in kept],
            shared_values=block.shared_values[kept],
            values=block.values * allowed.values,
            plain=block.plain * allowed.plain,
        )

    def notes(self, features: Sequence[str] | Literal["auto"]) -> tuple[str, ...]:
        """What the list names and the model does not know: said once, not an error."""
        if features == "auto":
            return ()
        ignored = self._allowance(tuple(features)).ignored
        return (f"{self.reference} does not know {', '.join(ignored)}: ignored",) if ignored else ()

    def _allowance(self, features: tuple[str, ...]) -> _Allowed:
        known = self._allowed.get(features)
        if known is None:
            known = self._allowed[features] = self._work_out(features)
        return known

    def _work_out(self, features: tuple[str, ...]) -> _Allowed:
        reranker, catalog = self.reranker, self.reranker.features.catalog
        schema = reranker.features.schema
        listed, ignored = set(), []
        context = frozenset(path.removeprefix(CONTEXT) for path in features if path.startswith(CONTEXT))
        for path in features:
            resolved = catalog.resolve(path)
            exact = path if path in schema.engagement or resolved is None else resolved.path
            if exact in schema.engagement or any(spec.path == exact for spec in schema.specs):
                listed.add(exact)
            elif not path.startswith(CONTEXT):
                ignored.append(path)
        used = np.array([spec.path in listed for spec in schema.specs], np.float32)
        plain = np.ones(len(reranker.plain_names), np.float32)
        rates = [name in listed for name in schema.engagement]
        plain[: len(rates)] = rates
        end = len(rates) + len(used) * len(reranker.matches)
        plain[len(rates) : end] = np.tile(used, len(reranker.matches))
        plain[end : end + len(reranker.worths)] = listed >= RATES
        return _Allowed(np.repeat(used, [spec.width for spec in schema.specs]), plain, context, tuple(ignored))


def deploy(version: ModelVersion, catalog: Catalog) -> Deployment:
    """A version ready to work, knowing nobody until it has caught up with a log."""
    return Deployment(revive(version, catalog), version.reference)


def _context_name(term: str) -> str:
    return term.removeprefix(CONTEXT).partition("=")[0]
