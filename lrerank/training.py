"""Training the learned reranker from a file of interactions, as it would have learned live.

Interactions are replayed in the order of their timestamps. A request's features are what was known when it was
shown (profile, engagement, ages); its outcome is learned when its last interaction has happened. So nothing of the
future reaches a feature, and the loss reported is progressive: every request is predicted before it is learned.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from lrerank.behaviour import Behaviour
from lrerank.calibration import LinkEstimator
from lrerank.data.catalog import Catalog
from lrerank.deployment import publish
from lrerank.errors import DataError
from lrerank.features import CatalogFeatures, fit_schema
from lrerank.files import readable_errors, write_atomically
from lrerank.incoming import Incoming, sample_negatives
from lrerank.interactions import AppendResult
from lrerank.models import ModelVersion
from lrerank.pipeline import Pipeline
from lrerank.reranker import LearnedReranker
from lrerank.shown_lists import ShownList, shown_lists
from lrerank.store import Store
from lrerank.types import FloatArray, IntArray, Interaction
from lrerank.vw import LearnerOptions, VWModel

DEFAULT_PIPELINE: Sequence[Mapping[str, Any]] = (
    {"stage_type": "filter", "stage_id": "hybrid_search", "parameters": {"query": "{{INPUT.query}}", "top_k": 100}},
)
CHECKPOINT_EVERY = 2000
_LOG_BATCH = 5000
# Values keep growing while a model learns: old pairs of value and outcome say little of today's values.
_CALIBRATED_OVER = 10_000


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How to learn.

    Attributes:
        learner: what VW is started with.
        position_feature: learn with the position as a feature and serve with position 1, so that what is shown on top
            is not taken for what is liked.
        rewards: interaction type → reward; the best of a document's interactions counts.
        sampled_negatives: for files with clicks only: how many documents of the query's candidates to take as shown
            and not clicked beside each click. None refuses such files.
        seed: for the sampled negatives.
    """

    learner: LearnerOptions = LearnerOptions()
    position_feature: bool = True
    rewards: Mapping[str, float] = field(default_factory=lambda: {"click": 1.0, "purchase": 1.0, "conversion": 1.0})
    sampled_negatives: int | None = None
    seed: int = 0


@dataclass(slots=True)
class Progress:
    """How far a training run is, and how good it is so far.

    Attributes:
        done, total: requests.
        loss: mean squared error of the predicted reward over shown documents, each predicted before it was learned.
        constant_loss: the same for predicting the mean reward so far: what the loss has to beat.
    """

    done: int = 0
    total: int = 0
    documents: int = 0
    squared_error: float = 0.0
    constant_error: float = 0.0
    reward: float = 0.0

    @property
    def loss(self) -> float:
        return self.squared_error / self.documents if self.documents else float("nan")

    @property
    def constant_loss(self) -> float:
        return self.constant_error / self.documents if self.documents else float("nan")


class _Frozen(NamedTuple):
    """What was known when a list was shown: its lines, its values at position 1 and where it was shown."""

    shared: str
    documents: list[str]
    values: FloatArray
    placed: FloatArray


class TrainingRun:
    """One training of one model; iterate it to make it go, then publish.

    Args:
        model_id: the model to publish.
        catalog: what the interactions are about.
        interactions: in any order.
        pipeline: whose last stage says which features the model may look at, and whose stages before it give the
            incoming score and rank; hybrid search and all features by default.
        store: where checkpoints and versions go.
        options: how to learn.
        source: where the interactions come from, for the card.
        pools: query → rows that retrieval chose from, where that was not the whole catalog.

    Raises:
        DataError: no usable interactions; clicks only, unless `sampled_negatives` is set.
    """

    def __init__(
        self,
        model_id: str,
        catalog: Catalog,
        interactions: Sequence[Interaction],
        *,
        pipeline: Pipeline | None = None,
        store: Store | None = None,
        options: TrainingOptions | None = None,
        source: str = "",
        pools: Mapping[str, IntArray] | None = None,
    ) -> None:
        self.model_id = model_id
        self.store = store or Store()
        self.options = options or TrainingOptions()
        self.source = source
        self.catalog = catalog
        self._checkpoint = self.store.models.workspace(model_id) / "checkpoint.json"
        pipeline = pipeline or Pipeline.from_json(DEFAULT_PIPELINE)
        features, learner = "auto", self.options.learner
        if pipeline.learned is not None:
            parameters = pipeline.to_json()[-1]["parameters"]
            features = parameters["features"]
            if parameters["exploration"] == "bag":
                learner = replace(learner, bag=parameters["exploration_parameters"]["bag"])
        schema, self.ignored = fit_schema(catalog, features)
        self._incoming = Incoming(pipeline, catalog, self.store, pools)
        interactions, self.left_out = _usable(interactions, catalog, self.store)
        self.clicks_only = not any(each.interaction_type == "impression" for each in interactions)
        self._strays: list[Interaction] = []
        if self.clicks_only and interactions and self.options.sampled_negatives is not None:
            rng = np.random.default_rng(self.options.seed)
            count = self.options.sampled_negatives
            self.lists = sample_negatives(interactions, catalog, self._incoming, count, rng)
            strange = sum((each.document_id or "") not in catalog.row_of for each in interactions)
            self.left_out.update({"engagements with documents the catalog lacks": strange} if strange else {})
        elif self.clicks_only and interactions:
            raise DataError(
                "these interactions are clicks only: they teach taste and popularity, not rates",
                path=source,
                remedy="Log impressions too, or accept sampled negatives (--sampled-negatives 4); the card will say so",
            )
        else:
            self.lists, self._strays, left_out = shown_lists(interactions, catalog)
            self.left_out += left_out
        if not self.lists:
            reasons = "; ".join(f"{count} {reason}" for reason, count in self.left_out.items()) or "the file is empty"
            raise DataError(
                f"nothing to learn from: {reasons}", path=source, remedy=f"Check that it is about {catalog.name!r}"
            )
        self.progress = Progress(total=len(self.lists))
        self._features = CatalogFeatures(catalog, schema)
        position_feature = self.options.position_feature and any(one.positions is not None for one in self.lists)
        settings = [schema.to_json(), asdict(self.options), pipeline.to_json(), catalog.fingerprint, learner.to_json()]
        self._identity = _digest(settings, self.lists, self._strays)
        saved = self._read_checkpoint()
        self.resumed_at = 0
        self._frozen: dict[int, _Frozen] = {}
        model, links = VWModel(learner), LinkEstimator(half_life=_CALIBRATED_OVER)
        if saved is not None:
            model = VWModel(learner, data=base64.b64decode(saved["model"]))
            links = LinkEstimator.from_json(saved["links"])
            self.progress = Progress(**saved["progress"])
            self.resumed_at = self.progress.done
            self._frozen = {number: _thawed(frozen) for number, frozen in saved["frozen"]}
        behaviour = Behaviour(self._features)
        self.reranker = LearnedReranker(self._features, model, links, behaviour, position_feature=position_feature)

    def __iter__(self) -> Iterator[Progress]:
        """Replays the interactions; yields after every request that was learned.

        What a checkpoint has learned already is replayed for profiles and engagement only.
        """
        learned = 0
        for step, number, place in _steps(self.lists, self._strays):
            if step == _STRAY:
                self.reranker.behaviour.observe(self._strays[number])
                continue
            one = self.lists[number]
            if step == _SHOW:
                # What was under way at a checkpoint keeps what the model of that moment said.
                if one.learn_order >= self.resumed_at and number not in self._frozen:
                    self._frozen[number] = self._freeze(one)
                self.reranker.behaviour.show(one.user_id, one.rows, one.positions, query=one.query)
            elif step == _ENGAGE:
                moment, kind, slot = one.outcomes[place]
                position = None if one.positions is None else int(one.positions[slot])
                row, page = int(one.rows[slot]), one.request_id
                self.reranker.behaviour.engage(kind, one.user_id, row, position, moment, page, one.query)
            else:
                learned += 1
                if learned <= self.resumed_at:
                    continue
                self._learn(one, self._frozen.pop(number))
                if learned % CHECKPOINT_EVERY == 0 and learned < len(self.lists):
                    self._write_checkpoint()
                yield self.progress

    def publish(self) -> ModelVersion:
        """Saves the model as the next version; call it when the iteration is over."""
        lists, progress = self.lists, self.progress
        kinds = Counter(kind for one in lists for _, kind, _ in one.outcomes)
        card = {
            "catalog": self.catalog.name,
            "features": {
                "documents": [spec.path for spec in self._features.schema.specs],
                "engagement": list(self._features.schema.engagement),
                "context": "all" if self._features.schema.context is None else list(self._features.schema.context),
                "ignored": list(self.ignored),
            },
            "trained_on": {
                "source": self.source,
                "requests": len(lists),
                "users": len({one.user_id for one in lists}),
                "documents_shown": sum(len(one.rows) for one in lists),
                "engagements": dict(kinds),
                "from": _iso(lists[0].timestamp),
                "until": _iso(max([lists[-1].timestamp, *(moment for one in lists for moment, _, _ in one.outcomes)])),
                "clicks_only": self.clicks_only,
                "left_out": dict(self.left_out),
            },
            "metrics": {"progressive_loss": progress.loss, "constant_loss": progress.constant_loss},
            "options": asdict(self.options),
        }
        return publish(self.store.models, self.model_id, self.reranker, card)

    def _freeze(self, one: ShownList) -> _Frozen:
        rows, scores, keep = self._incoming.with_shown(one.query, one.rows)
        block = self.reranker.assemble(rows, scores, one.user_id, one.context, one.timestamp, keep, one.query)
        values = self.reranker.judge(block).values
        positions = [None] * len(one.rows) if one.positions is None else one.positions.tolist()
        shared, documents = self.reranker.lines(block, range(len(one.rows)), positions)
        placed = values if one.positions is None else values + self.reranker.position_effects(one.positions)
        return _Frozen(shared, documents, values, placed)

    def _learn(self, one: ShownList, frozen: _Frozen) -> None:
        rewards, progress = one.rewards(self.options.rewards), self.progress
        mean = progress.reward / progress.documents if progress.documents else 0.0
        progress.done += 1
        progress.documents += len(rewards)
        progress.squared_error += float(((rewards - frozen.placed) ** 2).sum())
        progress.constant_error += float(((rewards - mean) ** 2).sum())
        progress.reward += float(rewards.sum())
        self.reranker.learn(frozen.shared, frozen.documents, rewards.tolist(), frozen.values)

    def _read_checkpoint(self) -> dict[str, Any] | None:
        """What was written last; None where there is nothing, something damaged, or another training's."""
        try:
            digest, _, content = self._checkpoint.read_bytes().partition(b"\n")
        except OSError:
            return None
        if digest.decode("ascii", "replace") != hashlib.sha256(content).hexdigest():
            return None
        saved: dict[str, Any] = json.loads(content)
        return saved if saved["identity"] == self._identity else None

    def _write_checkpoint(self) -> None:
        model = self.reranker.model.save()
        saved = {
            "identity": self._identity,
            "progress": asdict(self.progress),
            "links": self.reranker.links.to_json(),
            "frozen": [
                [number, [one.shared, one.documents, one.values.tolist(), one.placed.tolist()]]
                for number, one in self._frozen.items()
            ],
            "model": base64.b64encode(model).decode(),
        }
        content = json.dumps(saved).encode()
        # Who trains the same model elsewhere and was quicker has emptied its workspace.
        self.store.models.workspace(self.model_id)
        with readable_errors(self._checkpoint, "the checkpoint of this training"):
            write_atomically(self._checkpoint, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        # VW keeps counters and the state of its bootstraps that it does not save: go on as who resumes here would, so
        # that both end with the same bytes.
        self.reranker.model = VWModel(self.reranker.model.options, data=model)


_SHOW, _ENGAGE, _LEARN, _STRAY = range(4)


def _usable(
    interactions: Sequence[Interaction], catalog: Catalog, store: Store
) -> tuple[list[Interaction], Counter[str]]:
    """Those that are about this catalog and of users who let us learn from them; how many are not, by reason."""
    left_out: Counter[str] = Counter()
    silent = {user for user in {each.user_id for each in interactions} if store.log.is_opted_out(user)}
    kept = []
    for each in interactions:
        if each.catalog not in (None, catalog.name):
            left_out["interactions with another catalog"] += 1
        elif each.user_id in silent:
            left_out["interactions of users who opted out"] += 1
        else:
            kept.append(each)
    return kept, left_out


def _thawed(saved: Sequence[Any]) -> _Frozen:
    shared, documents, values, placed = saved
    return _Frozen(shared, documents, np.array(values), np.array(placed))


def _steps(lists: Sequence[ShownList], strays: Sequence[Interaction]) -> list[tuple[int, int, int]]:
    """(what, list or stray, outcome) in the order of time: a list is shown, engaged with, and then learned at once."""
    timed = [(each.timestamp, number, _STRAY, 0) for number, each in enumerate(strays)]
    for number, one in enumerate(lists):
        one.outcomes.sort(key=lambda outcome: outcome[0])
        timed.append((one.timestamp, number, _SHOW, 0))
        timed += [(moment, number, _ENGAGE, place) for place, (moment, _, _) in enumerate(one.outcomes)]
        timed.append((one.outcomes[-1][0] if one.outcomes else one.timestamp, number, _LEARN, len(one.outcomes)))
    timed.sort()
    learned = 0
    steps = []
    for _, number, step, place in timed:
        if step == _LEARN:
            lists[number].learn_order = learned
            learned += 1
        steps.append((step, number, place))
    return steps


def _digest(settings: Sequence[Any], lists: Sequence[ShownList], strays: Sequence[Interaction]) -> str:
    """What a checkpoint must agree with to be gone on from."""
    digest = hashlib.sha256(json.dumps(settings, default=str, sort_keys=True).encode())
    for one in lists:
        digest.update(
            repr((one.request_id, one.user_id, one.query, one.timestamp, one.context, one.outcomes)).encode(
                "utf-8", "replace"
            )
        )
        digest.update(one.rows.tobytes())
        digest.update(b"" if one.positions is None else one.positions.tobytes())
    digest.update(repr(strays).encode("utf-8", "replace"))
    return digest.hexdigest()


def _iso(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="seconds")


def log_interactions(store: Store, catalog: Catalog, interactions: Sequence[Interaction]) -> AppendResult:
    """Puts a file's interactions into the log, where profiles come from; doing it again adds nothing.

    Equal rows of a file are separate events: each gets an id from its content and its occurrence.
    """
    seen: Counter[str] = Counter()
    total = AppendResult(0, 0, 0)
    for start in range(0, len(interactions), _LOG_BATCH):
        batch = []
        for found in interactions[start : start + _LOG_BATCH]:
            each = replace(found, catalog=found.catalog or catalog.name)
            if each.interaction_id is None:
                first = store.log.content_id(each)
                each = replace(each, interaction_id=store.log.content_id(each, seen[first]))
                seen[first] += 1
            batch.append(each)
        added = store.log.append(batch)
        total = AppendResult(*(one + other for one, other in zip(total, added, strict=True)))
    return total
