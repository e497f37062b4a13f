"""Which features a model may look at, and a catalog's documents as the model's terms.

A *feature* is a field of the documents (`metadata.price`), an engagement rate (`engagement.purchase_rate`) or a part
of the context (`context.device`). A document field becomes one or more *terms*, named numbers that VW weighs:

* categorical, boolean: `category=shoes` with value 1,
* list: one term per value, each 1/√(number of values), so that long lists don't shout,
* numeric: a scaled number and a quintile (`price=20..35`), so that taste may bend,
* date: the logarithm of the age at the request and an age class,
* text: its most telling words, like a list.

A missing value has no term. The schema is fitted once, kept with the model, and gives the same terms for ever.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import copysign, log, log1p, sqrt
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lrerank.data.catalog import BooleanColumn, Catalog, CategoricalColumn, ListColumn, NumericColumn, TextColumn
from lrerank.errors import DataError
from lrerank.types import BoolArray, FieldKind, FloatArray, IntArray

Interactions: TypeAlias = Literal["topic", "all", "none"]

ENGAGEMENT = (
    *("engagement.click_through_rate", "engagement.query_click_through_rate"),
    *("engagement.purchase_rate", "engagement.conversion_rate"),
)
CONTEXT = "context."
MOST_LIST_VALUES = 12
MOST_WORDS = 8

_LARGEST = sys.float_info.max
_DAY = 86400.0
_AGES = (
    ("1h", _DAY / 24),
    ("1d", _DAY),
    ("3d", 3 * _DAY),
    ("1w", 7 * _DAY),
    ("1m", 30 * _DAY),
    ("3m", 91 * _DAY),
    ("1y", 365 * _DAY),
    ("5y", 5 * 365 * _DAY),
)
_AGE_EDGES = np.array([edge for _, edge in _AGES])
_AGE_NAMES = [f"<{name}" for name, _ in _AGES] + [">=5y"]
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """How one document field becomes terms.

    Attributes:
        path: exact path in the catalog.
        kind: as in the catalog when the schema was fitted.
        width: places a document has for this field's terms.
        logarithmic, centre, scale: numeric: the linear term is (x − centre)/scale, of log(1+x) where logarithmic.
        edges: numeric: inner edges of the classes.
    """

    path: str
    kind: FieldKind
    width: int = 1
    logarithmic: bool = False
    centre: float = 0.0
    scale: float = 1.0
    edges: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        return self.path.rsplit(".", 1)[-1]

    @property
    def key(self) -> str:
        """What its terms' names begin with; free of "=", which parts field and value."""
        return self.path.replace("%", "%25").replace("=", "%3D")


@dataclass(frozen=True, slots=True)
class FeatureSchema:
    """Everything a model looks at; kept with it as JSON.

    Attributes:
        specs: document fields, in order.
        engagement: the engagement rates among `ENGAGEMENT` in use.
        context: names of the context's parts in use (`device`), or None for all of them.
        incoming: whether the incoming score and rank are looked at; off only in ablations.
        user_side: whether the user's profile is; off for the pooled learner.
        crossed: paths of the document fields that are crossed with what is known of user and moment.
    """

    specs: tuple[FeatureSpec, ...]
    engagement: tuple[str, ...] = ()
    context: tuple[str, ...] | None = None
    incoming: bool = True
    user_side: bool = True
    crossed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> FeatureSchema:
        specs = tuple(FeatureSpec(**{**spec, "edges": tuple(spec["edges"])}) for spec in saved["specs"])
        context = saved["context"] if saved["context"] is None else tuple(saved["context"])
        crossed = tuple(saved["crossed"])
        return cls(specs, tuple(saved["engagement"]), context, saved["incoming"], saved["user_side"], crossed)


def fit_schema(
    catalog: Catalog,
    features: Sequence[str] | Literal["auto"] = "auto",
    *,
    incoming: bool = True,
    user_side: bool = True,
    interactions: Interactions = "topic",
) -> tuple[FeatureSchema, tuple[str, ...]]:
    """The schema for these features, and the paths that mean nothing here (reported once, not an error).

    "auto" takes every document field marked as a feature except free text, all engagement rates and all context.
    `interactions` says which document fields are crossed with user and moment: the one that names segments (all of them
    where that is not among the features), all, or none. Crossing all makes some hundred weights per document; until they
    are learned they are noise (benchmarks/README.md has the table).

    Raises:
        DataError: none of the features named exists.
    """
    if features == "auto":
        fields = [field for field in catalog.fields if field.feature and field.kind != "text"]
        specs = tuple(_fit(catalog, field.path, field.kind) for field in fields)
        crossed = _crossed(catalog, specs, interactions)
        return FeatureSchema(specs, ENGAGEMENT, None, incoming, user_side, crossed), ()
    specs_by_path: dict[str, FeatureSpec] = {}
    engagement, context, ignored = [], [], []
    for path in features:
        field = catalog.resolve(path)
        if path in ENGAGEMENT and (field is None or field.path != path):
            engagement.append(path)
        elif path.startswith(CONTEXT):
            context.append(path.removeprefix(CONTEXT))
        elif field is None:
            ignored.append(path)
        else:
            specs_by_path[field.path] = _fit(catalog, field.path, field.kind)
    if ignored and len(ignored) == len(features):
        known = ", ".join([field.path for field in catalog.fields] + list(ENGAGEMENT))
        raise DataError(
            f"catalog {catalog.name!r} has none of these features",
            path="features",
            value=list(features),
            remedy=f"It has {known}",
        )
    specs = tuple(specs_by_path.values())
    crossed = _crossed(catalog, specs, interactions)
    schema = FeatureSchema(specs, tuple(engagement), tuple(context), incoming, user_side, crossed)
    return schema, tuple(ignored)


def _crossed(catalog: Catalog, specs: Sequence[FeatureSpec], interactions: Interactions) -> tuple[str, ...]:
    paths = tuple(spec.path for spec in specs)
    if interactions == "topic" and catalog.segment_path in paths:
        return (catalog.segment_path,)
    return () if interactions == "none" else paths


def context_terms(schema: FeatureSchema, context: Mapping[str, Any], timestamp: float) -> dict[str, float]:
    """The moment as terms: what the request says of it, the part of the day and the kind of day (UTC)."""
    moment = datetime.fromtimestamp(timestamp, UTC)
    facts: dict[str, Any] = {
        "time_of_day": ("night", "morning", "afternoon", "evening")[moment.hour // 6],
        "weekend": moment.weekday() >= 5,
        **context,
    }
    terms: dict[str, float] = {}
    for name, fact in facts.items():
        if schema.context is not None and name not in schema.context:
            continue
        if isinstance(fact, bool):
            terms[f"{CONTEXT}{name}={str(fact).lower()}"] = 1.0
        elif isinstance(fact, int | float):
            if abs(fact) <= _LARGEST:  # neither NaN nor beyond what a float holds
                terms[f"{CONTEXT}{name}"] = copysign(log1p(abs(float(fact))), fact)
        elif fact is not None:
            terms[f"{CONTEXT}{name}={fact}"] = 1.0
    return terms


class CatalogFeatures:
    """A catalog's documents as terms under a schema.

    Attributes:
        names: [vocabulary] name of each term; term 0 is "", the empty place.
        terms: [documents, T] term of each place; places of one field are adjacent.
        values: [documents, T] feature value at each place; 0 where empty. Date places are filled per request.
        starts: [fields] first place of each field.
        class_shares: [vocabulary] what a document has of each term on average.
        crossed_places: [T] whether each place belongs to a crossed field.
        crossed: [vocabulary] whether each term does.
        is_class: [vocabulary] whether a term stands for a class or value (not a scaled number): what taste is about.
    """

    def __init__(self, catalog: Catalog, schema: FeatureSchema) -> None:
        self.catalog = catalog
        self.schema = schema
        self.names: list[str] = [""]
        self._term_of: dict[str, int] = {"": 0}
        self._labels: dict[tuple[int, int], str] = {}
        blocks = [self._encode(spec) for spec in schema.specs]
        widths = [terms.shape[1] for terms, _ in blocks]
        self.starts: IntArray = (
            np.concatenate(([0], np.cumsum(widths)[:-1])).astype(np.int64) if widths else np.zeros(0, np.int64)
        )
        empty = np.zeros((len(catalog), 0))
        self.terms: NDArray[np.int32] = np.hstack([empty.astype(np.int32), *(terms for terms, _ in blocks)])
        self.values: NDArray[np.float32] = np.hstack([empty.astype(np.float32), *(values for _, values in blocks)])
        crossed = [spec.path in schema.crossed for spec in schema.specs]
        self.crossed_places = np.repeat(np.array(crossed, np.bool_), widths)
        keys = {spec.key for spec in schema.specs if spec.path in schema.crossed}
        self.crossed = np.array([name.partition("=")[0] in keys for name in self.names])
        linear = {spec.key for spec in schema.specs}
        self.is_class = np.array([name not in linear and name != "" for name in self.names])
        mass = np.bincount(self.terms.ravel(), self.values.ravel(), len(self.names)) / max(len(catalog), 1)
        # Classes of age are filled per request: they count as equally common.
        self.class_shares: FloatArray = np.where(self.is_class & (mass == 0), 1 / len(_AGE_NAMES), mass)
        self._dates = [
            (int(start), self._term_of[f"{spec.key}={_AGE_NAMES[0]}"], column.values)
            for start, spec in zip(self.starts, schema.specs, strict=True)
            if spec.kind == "date" and isinstance(column := catalog.column(spec.path), NumericColumn)
        ]

    def at(self, rows: IntArray, timestamp: float) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """([n, T], [n, T]) terms and values of these documents at a moment: ages move, all else stands."""
        terms, values = self.terms[rows], self.values[rows]
        self.age(terms, values, rows, timestamp)
        return terms, values

    def age(self, terms: NDArray[np.int32], values: NDArray[np.float32], rows: IntArray, timestamp: float) -> None:
        """Sets what depends on the moment in [n, T] terms and values of these documents."""
        for start, first, dates in self._dates:
            values[:, start], known, age_class = _age(dates[rows], timestamp)
            terms[:, start + 1] = np.where(known, first + age_class, 0)
            values[:, start + 1] = known

    @property
    def dated(self) -> bool:
        """Whether any document's terms depend on the moment."""
        return bool(self._dates)

    def label(self, field: int, row: int, term: int) -> str:
        """How people read a feature of a document: `category:shoes`, `price:24.99`, `genres:drama`, `added:<1w`.

        Args:
            field: which of the schema's fields.
            row: the document.
            term: for lists, text and dates, the term that speaks for the field.
        """
        spec = self.schema.specs[field]
        key = (field, term) if spec.kind in ("list", "text", "date") else (field, -row - 1)
        known = self._labels.get(key)
        if known is None:
            known = self._labels[key] = f"{spec.name}:{self._shown(spec, row, term)}"
        return known

    def _shown(self, spec: FeatureSpec, row: int, term: int) -> str:
        if spec.kind in ("list", "text", "date"):
            return self.names[term].partition("=")[2] or "none"
        match self.catalog.value(spec.path, row):
            case bool(flag):
                return str(flag).lower()
            case float(number):
                return f"{number:.6g}"
            case other:
                return str(other or "none")

    def _term(self, name: str) -> int:
        known = self._term_of.get(name)
        if known is None:
            known = self._term_of[name] = len(self.names)
            self.names.append(name)
        return known

    def _encode(self, spec: FeatureSpec) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        column, count = self.catalog.column(spec.path), len(self.catalog)
        terms = np.zeros((count, spec.width), np.int32)
        values = np.zeros((count, spec.width), np.float32)
        match column:
            case CategoricalColumn(codes=codes, vocabulary=vocabulary):
                term_of_code = np.array([self._term(f"{spec.key}={value}") for value in vocabulary] + [0], np.int32)
                terms[:, 0] = term_of_code[codes]
                values[:, 0] = codes >= 0
            case BooleanColumn(values=flags):
                term_of_flag = np.array(
                    [self._term(f"{spec.key}={flag}") for flag in ("false", "true")] + [0], np.int32
                )
                terms[:, 0] = term_of_flag[flags]
                values[:, 0] = flags >= 0
            case ListColumn(offsets=offsets, codes=codes, vocabulary=vocabulary):
                frequency = np.bincount(codes, minlength=len(vocabulary))
                for row in range(count):
                    own = codes[offsets[row] : offsets[row + 1]]
                    own = own[np.argsort(-frequency[own], kind="stable")][: spec.width]
                    terms[row, : len(own)] = [self._term(f"{spec.key}={vocabulary[code]}") for code in own]
                    values[row, : len(own)] = 1 / sqrt(max(len(own), 1))
            case NumericColumn() if spec.kind == "date":
                terms[:, 0] = self._term(spec.key)
                for name in _AGE_NAMES:
                    self._term(f"{spec.key}={name}")
            case NumericColumn(values=numbers):
                known = np.isfinite(numbers)
                terms[:, 0] = self._term(spec.key)
                values[:, 0] = np.where(known, _scaled(spec, numbers), 0.0)
                if spec.edges:
                    first = self._term(f"{spec.key}={_class_name(spec.edges, 0)}")
                    for position in range(1, len(spec.edges) + 1):
                        self._term(f"{spec.key}={_class_name(spec.edges, position)}")
                    position_of = np.searchsorted(spec.edges, np.where(known, numbers, 0.0), side="right")
                    terms[:, 1] = np.where(known, first + position_of, 0)
                    values[:, 1] = known
            case TextColumn(values=texts):
                for row, words in enumerate(_telling_words(texts, spec.width)):
                    terms[row, : len(words)] = [self._term(f"{spec.key}={word}") for word in words]
                    values[row, : len(words)] = 1 / sqrt(max(len(words), 1))
        return terms, values


def _age(dates: FloatArray, timestamp: float) -> tuple[FloatArray, BoolArray, IntArray]:
    """[n] age on a logarithmic scale, whether it is known, and its class."""
    age = np.maximum(timestamp - dates, 0.0)
    known = np.isfinite(age)
    age = np.where(known, age, 0.0)
    return np.log1p(age / _DAY) / log(1000.0), known, np.searchsorted(_AGE_EDGES, age, side="right")


def _fit(catalog: Catalog, path: str, kind: FieldKind) -> FeatureSpec:
    match catalog.column(path):
        case NumericColumn() if kind == "date":
            return FeatureSpec(path, kind, width=2)
        case NumericColumn(values=values):
            return _fit_numeric(path, values[np.isfinite(values)])
        case ListColumn(offsets=offsets):
            longest = int(np.diff(offsets).max(initial=1))
            return FeatureSpec(path, kind, width=min(max(longest, 1), MOST_LIST_VALUES))
        case TextColumn():
            return FeatureSpec(path, kind, width=MOST_WORDS)
        case _:
            return FeatureSpec(path, kind)


def _fit_numeric(path: str, known: FloatArray) -> FeatureSpec:
    if len(known) == 0:
        return FeatureSpec(path, "numeric")
    # Four digits: what the class's name shows is what divides. An edge at the minimum would make an empty first class.
    quintiles = {float(f"{quintile:.4g}") for quintile in np.quantile(known, (0.2, 0.4, 0.6, 0.8))}
    edges = tuple(sorted(edge for edge in quintiles if edge > known.min()))
    logarithmic = bool(known.min() >= 0 and known.mean() > 1.5 * np.median(known))
    used = np.log1p(known) if logarithmic else known
    low, centre, high = np.quantile(used, (0.1, 0.5, 0.9))
    scale = float(high - low) or float(used.std()) or 1.0
    return FeatureSpec(path, "numeric", 2 if edges else 1, logarithmic, float(centre), scale, edges)


def _scaled(spec: FeatureSpec, numbers: FloatArray) -> FloatArray:
    used = np.log1p(np.maximum(numbers, 0.0)) if spec.logarithmic else numbers
    return np.clip((used - spec.centre) / spec.scale, -2.0, 2.0)


def _class_name(edges: Sequence[float], position: int) -> str:
    if position == 0:
        return f"<{edges[0]:.4g}"
    if position == len(edges):
        return f">={edges[-1]:.4g}"
    return f"{edges[position - 1]:.4g}..{edges[position]:.4g}"


def _telling_words(texts: Sequence[str], most: int) -> list[list[str]]:
    """Each text's words of the highest tf-idf, among words that at least two and at most half of the texts use."""
    counted = [Counter(word.lower() for word in _WORD.findall(text)) for text in texts]
    documents = Counter(word for words in counted for word in words)
    idf = {word: log(len(texts) / n) for word, n in documents.items() if 2 <= n <= max(2, len(texts) // 2)}
    return [
        sorted((word for word in words if word in idf), key=lambda word: (-words[word] * idf[word], word))[:most]
        for words in counted
    ]
