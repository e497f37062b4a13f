"""What the model believes: which features move its order, for whom, what each is worth to a document, and positions.

All of it is the model's own arithmetic on requests of the demo's users; nothing here is a measurement of an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrerank.charts.contributions import readable
from lrerank.features import CONTEXT
from lrerank.stages.learned_rerank import LearnedDetails
from lrerank.synthetic import assumed_examination
from lrerank.types import FloatArray, IntArray
from lrerank.ui.playground.asked import Asked
from lrerank.ui.playground.session import Person, Session

_QUERIES = 24
_PEOPLE = 12


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What moves the order, over many requests.

    Attributes:
        features: [F] for people, the strongest first.
        overall: [F] mean absolute contribution to a candidate's value relative to the other candidates.
        segments: [S] inferred segments of the users who asked, for people.
        by_segment: [S, F] the same for each.
        requests: how many.
        believed: [slots] predicted reward of the documents that users are shown, by slot, relative to slot 1; None
            where the model does not learn positions.
        true: [slots] how likely a made-up user examines a slot.
    """

    features: Sequence[str]
    overall: FloatArray
    segments: Sequence[str]
    by_segment: FloatArray
    requests: int
    believed: FloatArray | None
    true: FloatArray


@dataclass(frozen=True, slots=True)
class Dropped:
    """One feature of one document, and what the document would be without it.

    Attributes:
        feature: for people.
        contribution: to the document's value, relative to the other candidates.
        loss: by how much its value relative to the others falls when the model may not look at the feature.
        place: 1-based place in the model's order then.
    """

    feature: str
    contribution: float
    loss: float
    place: int


def beliefs(session: Session, asked: Asked) -> Beliefs:
    """What moves the order under a policy, over the demo's queries and one user of each segment.

    Args:
        asked: whose policy and stages; who asks what does not matter.
    """
    deployment = session.deployment()
    reranker = deployment.reranker
    people = one_of_each(session.people)
    step = max(len(session.queries) // _QUERIES, 1)
    texts = session.queries[::step][:_QUERIES]
    moment, slots = session.now(), asked.stages.slots
    sums: list[FloatArray] = [np.zeros(0)] * len(people)
    names: Sequence[str] = ()
    requests, shown = 0, list[float]()
    for text in texts:
        found = session.incoming(asked, text)
        if len(found) < 2:
            continue
        shelf = reranker.shelve(found.rows, found.scores, moment)
        for place, person in enumerate(people):
            block = reranker.stock(shelf, session.pseudonym(person.user_id), {}, moment, text)
            judged = reranker.judge(deployment.restrict(block, asked.policy.features or "auto"))
            contributions = reranker.explain(judged)
            names = contributions.features
            sums[place] = np.abs(contributions.centred).mean(axis=0) + (sums[place] if len(sums[place]) else 0.0)
            shown.append(float(judged.values[:slots].mean()))
            requests += 1
    by_segment = np.array(sums) * len(people) / requests if requests else np.zeros((len(people), 0))
    overall = by_segment.mean(axis=0)
    order = np.argsort(-overall, kind="stable")
    order = order[overall[order] > 0]
    return Beliefs(
        features=[readable(names[place]) for place in order],
        overall=overall[order],
        segments=[person.segment for person in people],
        by_segment=by_segment[:, order],
        requests=requests,
        believed=_positions(reranker.position_effects(np.arange(1, slots + 1)), shown),
        true=assumed_examination(slots),
    )


def dropped(session: Session, details: LearnedDetails, candidate: int) -> list[Dropped]:
    """What one document would be without each of its features in turn, largest contribution first.

    Args:
        details: of a request that the model ranked.
        candidate: the document's place among the candidates.
    """
    if details.placed is None or details.block is None or details.reranker is None:
        return []
    contributions, values = details.placed.contributions, details.placed.judged.values
    own = contributions.centred[candidate]
    paths = list(contributions.features[: contributions.documents_own])
    facts = [name.partition("=")[0] for name in details.block.shared_names if name.startswith(CONTEXT)]
    deployment, lift = session.deployment(), _lift(values, candidate)
    found = []
    for place in np.argsort(-np.abs(own[: len(paths)]), kind="stable").tolist():
        if own[place] == 0.0:
            continue
        others = [*paths[:place], *paths[place + 1 :], *facts]
        without = details.reranker.judge(deployment.restrict(details.block, others)).values
        found.append(
            Dropped(
                feature=readable(paths[place]),
                contribution=float(own[place]),
                loss=lift - _lift(without, candidate),
                place=int(_places(without)[candidate]),
            )
        )
    return found


def one_of_each(people: Sequence[Person]) -> list[Person]:
    """The first person of each inferred segment."""
    found: dict[str, Person] = {}
    for person in people:
        if person.segment:
            found.setdefault(person.segment, person)
    return list(found.values())[:_PEOPLE]


def _positions(effects: FloatArray, shown: Sequence[float]) -> FloatArray | None:
    mean = float(np.mean(shown)) if shown else 0.0
    if mean <= 0 or not effects.any():
        return None
    believed: FloatArray = np.maximum((mean + effects) / mean, 0.0)
    return believed


def _lift(values: FloatArray, candidate: int) -> float:
    return float(values[candidate] - values.mean())


def _places(values: FloatArray) -> IntArray:
    """[n] 1-based places by value."""
    places = np.empty(len(values), np.int64)
    places[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    return places
