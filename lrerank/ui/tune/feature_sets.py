"""Which features a setting may look at: the sets that are offered, what they are in a catalog, and how one calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lrerank.data.load import load_catalog
from lrerank.experiments.ablation import ENGAGEMENT, ablated
from lrerank.experiments.spec import Experiment
from lrerank.features import CONTEXT
from lrerank.features import ENGAGEMENT as RATES
from lrerank.store import Store

MINE, ALL, NO_RATES, NO_CONTEXT, TOPIC = "mine", "all", "no-rates", "no-context", "topic"

LABELS: Mapping[str, str] = MappingProxyType(
    {
        MINE: "Mine",
        ALL: "All features",
        NO_RATES: "Without engagement rates",
        NO_CONTEXT: "Without context",
        TOPIC: "Topic alone",
    }
)
"""Name → how people read it; `mine` is what the policy that travels looks at."""

_MOST_NAMED = 3


def features_of(catalog: str, store: Store) -> Mapping[str, Sequence[str]]:
    """Name → field paths, for the sets that are lists in this catalog.

    Raises:
        LrerankError: the catalog can't be used.
    """
    own = store.catalogs / catalog
    # One of the user's own may be deleted and come again as another.
    return _features_of(catalog, store.home, own.stat().st_mtime_ns if own.is_dir() else 0)


def called(features: Any) -> str:
    """What people call the features of an arm, whichever run it comes from."""
    if not isinstance(features, list | tuple):
        return LABELS[ALL]
    rates = [path for path in features if path in RATES]
    context = [path for path in features if path.startswith(CONTEXT)]
    fields = [path for path in features if path not in rates and path not in context]
    if len(features) == 1:
        return f"{_name(features[0])} alone"
    if len(fields) > 1 and len(context) > 1 and not rates:
        return LABELS[NO_RATES]
    if len(fields) > 1 and len(rates) == len(RATES) and not context:
        return LABELS[NO_CONTEXT]
    return f"{len(features)} features"


def called_apart(sets: Sequence[Any]) -> list[str]:
    """What people call sets beside each other: where two would be called alike, what tells them apart is added."""
    labels = [called(features) for features in sets]
    return [
        label if labels.count(label) == 1 else _apart(each, label, [other for other in sets if called(other) == label])
        for each, label in zip(sets, labels, strict=True)
    ]


@lru_cache(maxsize=16)
def _features_of(catalog: str, home: Path, changed: int) -> Mapping[str, Sequence[str]]:  # noqa: ARG001 (tells versions apart)
    store = Store(home)
    given = {"question": "?", "world": {"catalog": catalog}, "arms": {"learned": {"kind": "learned"}}}
    study, groups = ablated(Experiment.parse({**given, "baseline": "learned"}), "learned", store)
    found: dict[str, Sequence[str]] = {}
    for name, group in groups.items():
        spec = study.arms[name]
        if group == ENGAGEMENT and spec.kind == "learned":
            fields = [path for path in spec.features if not path.startswith(CONTEXT)]
            found = {NO_RATES: tuple(spec.features), NO_CONTEXT: (*fields, *RATES)}
    topic = load_catalog(catalog, data_folders=[store.data], catalogs=store.catalogs).segment_path
    return MappingProxyType(found | ({TOPIC: (topic,)} if topic else {}))


def _apart(features: Sequence[str], label: str, alike: Sequence[Sequence[str]]) -> str:
    if len({len(each) for each in alike}) == len(alike):
        return f"{label} ({len(features)} feature{'s' * (len(features) > 1)})"
    shared = set[str].intersection(*map(set, alike))
    own = [path for path in features if path not in shared]
    if len(features) == 1:
        return f"{own[0]} alone"
    if not own:
        return label
    more = f" and {len(own) - _MOST_NAMED} more" if len(own) > _MOST_NAMED else ""
    return f"{label}, with {', '.join(_name(path).lower() for path in own[:_MOST_NAMED])}{more}"


def _name(path: str) -> str:
    """`metadata.review_count` → `Review count`."""
    last = path.rsplit(".", 1)[-1].replace("_", " ")
    return last[0].upper() + last[1:]
