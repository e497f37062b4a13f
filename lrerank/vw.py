"""The one door to Vowpal Wabbit: score, learn, explain, save, load.

A linear VW model's raw score is a sum over single features and `-q` pairs, so it is read off the live weights with
numpy (about 20 times faster than asking VW, equal to 3e-7), and the same terms are the contributions. VW itself
learns. Only this module imports `vowpal_wabbit_next`, whose private calls it uses for speed: the release is pinned
and a test holds them against the public ones.

Every example has one layout:

* `u`: what is known of the user and the moment, shared by all documents of a request,
* `c`: the document's features that are crossed with `u`,
* `d`: its other features,
* `i`: what depends on the request (incoming score and rank, engagement, match with the profile), not crossed.

The value of a document is −(VW's predicted cost).
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import vowpal_wabbit_next
from numpy.typing import NDArray
from vowpal_wabbit_next import CLIError, _core

from lrerank.errors import LrerankError
from lrerank.types import FloatArray, IntArray

SHARED, CROSSED, OWN, PLAIN = "u", "c", "d", "i"

_PAIR_PRIME = np.uint32(16777619)
_CONSTANT_INDEX = 11650396
_UNSAFE = re.compile(r"[%|:\s\x00-\x1f\x7f\ud800-\udfff]")
_WORST_MAGNITUDE = 1e6
_SLOTS_PER_WEIGHT = 4
_SHARED_GROUP, _CROSSED_GROUP, _PLAIN_GROUP = ord(SHARED), ord(CROSSED), ord(PLAIN)
_REMEMBERED_LABELS = 10_000

Indices = NDArray[np.uint32]
Weights32 = NDArray[np.float32]


class ModelDamagedError(LrerankError):
    """Bytes that are not a VW model of ours, or weights that are no longer finite."""


@dataclass(frozen=True, slots=True)
class LearnerOptions:
    """What VW is started with.

    Attributes:
        bits: log2 of the number of weights; shared among the members of a bag.
        learning_rate: VW's `--learning_rate`. Small, because most weights are about few documents: at VW's default of
            0.5 one click moves them all the way (benchmarks/README.md has the table).
        power_t: VW's `--power_t`, how fast a weight's own rate falls; 0 keeps it, also for worlds that change.
        bag: bootstrap members; 1 = no bag.
        seed: for the bootstrap.
    """

    bits: int = 20
    learning_rate: float = 0.01
    power_t: float = 0.0
    bag: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        _require(10 <= self.bits <= 28, "options.bits", self.bits, "Use 10 to 28")
        _require(
            0 < self.learning_rate <= 100,
            "options.learning_rate",
            self.learning_rate,
            "Use a number above 0, at most 100",
        )
        _require(0 <= self.power_t <= 1, "options.power_t", self.power_t, "Use 0 to 1")
        _require(1 <= self.bag <= 32, "options.bag", self.bag, "Use 1 to 32 members")

    def arguments(self) -> list[str]:
        """VW's command line, without input and output."""
        policy = ["--cb_adf"] if self.bag == 1 else ["--cb_explore_adf", "--bag", str(self.bag)]
        return [
            *policy,
            *("--cb_type", "mtr", "-q", SHARED + CROSSED),
            *("-b", str(self.bits), "--learning_rate", repr(self.learning_rate), "--power_t", repr(self.power_t)),
            *("--random_seed", str(self.seed), "--quiet"),
        ]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Scored:
    """A request's values with every term they are made of.

    Attributes:
        values: [members, n] −(VW's predicted cost).
        own: [n, T] contribution of each of the document's terms (its weight and its pairs with the shared terms), mean
            over members.
        plain: [n, P] contribution of each plain term, mean over members.
        base: the constant and the shared terms alone, the same for all documents, mean over members.
    """

    values: FloatArray
    own: Weights32
    plain: Weights32
    base: float


class VWModel:
    """A VW workspace with a numpy view into its weights."""

    def __init__(self, options: LearnerOptions, *, data: bytes | None = None) -> None:
        """Starts a fresh model, or goes on with a saved one.

        Raises:
            ModelDamagedError: `data` is not a model with these options, or holds weights that are not finite.
        """
        self.options = options
        try:
            arguments = options.arguments() if data is None else ["--quiet"]
            self._public = vowpal_wabbit_next.Workspace(arguments, model_data=data)
        except RuntimeError as error:
            raise ModelDamagedError(f"Vowpal Wabbit can't load the model: {error}", remedy="Train it again") from None
        self._workspace = self._public._workspace
        view = self._public.weights()
        width = view.shape[1]
        # With several interleaved members the view claims `width` times the rows that exist; reading past them crashes.
        rows = view.shape[0] // width
        if rows * width != 1 << options.bits or not self._public.multiline or width < options.bag:
            raise ModelDamagedError("the saved model was made with other options", remedy="Train it again")
        # The memory that exists and no more, so that nobody who follows an array to its base gets beyond it. Flat, it is
        # read twice as fast.
        memory = (ctypes.c_float * (rows * width * view.shape[2])).from_address(view.__array_interface__["data"][0])
        self._flat: Weights32 = np.frombuffer(memory, np.float32)
        self._weights: Weights32 = self._flat.reshape(rows, width, -1)[:, : options.bag, 0]
        self._stride = np.uint32(self._flat.size // rows)
        self._mask = np.uint32(rows - 1)
        self._hashes: dict[str, dict[str, int]] = {SHARED: {}, CROSSED: {}, OWN: {}, PLAIN: {}}
        self._labels: dict[tuple[float, float, float], Any] = {}
        # Filled anew for each page: making them costs as much as learning from them.
        user = _core._parse_line_text(self._workspace, f"shared |{SHARED} ")
        self._user: tuple[Any, Any] = user, user[_SHARED_GROUP]
        self._documents: list[tuple[Any, Any, Any]] = []
        if data is not None:
            self.check_finite()

    def index(self, namespace: str, name: str) -> int:
        """Where VW keeps the weight of a feature (its hash); `name` unescaped."""
        known = self._hashes[namespace].get(name)
        if known is None:
            known = self._public.get_index_for_scalar_feature(escape(name), namespace_name=namespace)
            self._hashes[namespace][name] = known
        return known

    def indices(self, namespace: str, names: Sequence[str]) -> Indices:
        hashes = self._hashes[namespace]
        try:
            found = [hashes[name] for name in names]
        except KeyError:
            found = [self.index(namespace, name) for name in names]
        return np.array(found, np.uint32)

    def score(
        self,
        shared: tuple[Indices, Weights32],
        vocabulary: Indices,
        crossed: IntArray,
        own: tuple[NDArray[np.integer[Any]], Weights32],
        plain: tuple[Indices, Weights32],
    ) -> Scored:
        """Values and contributions of n documents.

        A hundred candidates share most of their terms, so pairs with the shared features are looked up once per
        different term: a tenth of the reads.

        Args:
            shared: ([S] indices, [S] feature values) of namespace `u`.
            vocabulary: [U] indices of the different terms of namespaces `c` and `d`.
            crossed: [X] places in `vocabulary` of those of namespace `c`.
            own: ([n, T] places in `vocabulary`, [n, T] feature values); unused places carry the feature value 0.
            plain: ([P] indices, [n, P] feature values) of namespace `i`.

        Raises:
            ModelDamagedError: a value is not finite.
        """
        (shared_index, shared_value), (places, own_value), (plain_index, plain_value) = shared, own, plain
        mask, flat, stride = self._mask, self._flat, self._stride
        # Places in the flat memory; the index of a pair is that of its parts, xored.
        singles = (vocabulary & mask) * stride
        pairs = ((shared_index * _PAIR_PRIME & mask) * stride)[:, None] ^ singles[crossed]
        constant = (_CONSTANT_INDEX & int(mask)) * int(stride)
        members = self._weights.shape[1]
        values = np.empty((members, len(own_value)))
        terms: list[tuple[Weights32, Weights32]] = []
        base = 0.0
        for member in range(members):
            start = np.uint32(member * _SLOTS_PER_WEIGHT)
            # VW predicts a cost; the value is its negative.
            of_term = -flat.take(singles + start)
            of_term[crossed] -= shared_value @ flat.take(pairs + start, mode="clip")
            of_own = of_term.take(places) * own_value
            of_plain = -flat.take((plain_index & mask) * stride + start)
            of_shared = flat.take((shared_index & mask) * stride + start)
            same = -float(shared_value @ of_shared) - float(flat[constant + int(start)])
            values[member] = of_own @ _ones(of_own.shape[1]) + plain_value @ of_plain + np.float32(same)
            terms.append((of_own, of_plain * plain_value))
            base += same / members
        if not math.isfinite(values.sum()):
            raise ModelDamagedError("the model's weights are no longer finite", remedy="Go back to an earlier version")
        own_terms, plain_terms = terms[0]
        if members > 1:
            own_terms, plain_terms = (np.mean(part, axis=0) for part in zip(*terms, strict=True))
        return Scored(values, own_terms, plain_terms, base)

    def weights_at(self, indices: NDArray[np.integer[Any]]) -> FloatArray:
        """[k] weights (towards the cost) at these indices, mean over members."""
        found: FloatArray = self._weights[indices & int(self._mask)].mean(axis=1, dtype=np.float64)
        return found

    def learn(
        self,
        shared: str,
        documents: Sequence[str],
        rewards: Sequence[float],
        probabilities: Sequence[float] | None = None,
        weights: Sequence[float] | None = None,
    ) -> None:
        """Learns the reward of each shown document, one after the other.

        VW gets `[shared, document]`, not all candidates: with all of them in the example `mtr` scales the update by
        1/candidates and learns slowly.

        Args:
            shared: a line of `render_shared`.
            documents: lines of `render_document`.
            rewards: finite.
            probabilities: in (0, 1], what the update is divided by; 1 where not given.
            weights: ≥ 0, importance of each document; 1 where not given.

        Raises:
            LrerankError: a number outside its range; nothing is learned then.
        """
        probabilities = [1.0] * len(documents) if probabilities is None else probabilities
        weights = [1.0] * len(documents) if weights is None else weights
        _check_labels(rewards, probabilities, weights)
        lines = [self._parse(shared), *(self._parse(line) for line in documents)]
        for document, *label in zip(lines[1:], rewards, probabilities, weights, strict=True):
            self._learn_one(lines[0], document, *label)

    def learn_arrays(
        self,
        shared: tuple[Indices, Weights32],
        crossed: tuple[Indices, Weights32],
        others: tuple[Indices, Weights32],
        rewards: Sequence[float],
        probabilities: Sequence[float] | None = None,
        weights: Sequence[float] | None = None,
    ) -> None:
        """`learn` without the text, which need not be made then.

        VW's text parser may miss a number's last bit, so weights agree with those of `learn` to some 1e-7, and bit for
        bit where it reads the feature values exactly.

        Args:
            shared: ([S] indices, [S] feature values, none of them 0) of namespace `u`.
            crossed: ([k, C], [k, C]) of namespace `c`; what is 0 is left out.
            others: ([k, O], [k, O]) of namespaces `d` and `i`, one after the other; what is 0 is left out.
            rewards, probabilities, weights: as for `learn`.

        Raises:
            LrerankError: a number outside its range, feature values included; nothing is learned then.
        """
        probabilities = [1.0] * len(rewards) if probabilities is None else probabilities
        weights = [1.0] * len(rewards) if weights is None else weights
        _check_labels(rewards, probabilities, weights)
        # A sum is finite only if all its terms are (and, of feature values, only then too).
        if not math.isfinite(sum(float(values.sum(dtype=np.float64)) for _, values in (shared, crossed, others))):
            raise LrerankError("a feature value is not finite", remedy="Leave the feature out")
        user, of_user = self._user
        of_user.truncate_to(0)
        of_user.push_many_features(shared[0].astype(np.uint64), shared[1])
        parts = _rows(*crossed), _rows(*others)
        while len(self._documents) < len(rewards):
            document: Any = _core.Example()
            self._documents.append((document, document[_CROSSED_GROUP], document[_PLAIN_GROUP]))
        for row, label in enumerate(zip(rewards, probabilities, weights, strict=True)):
            document, *groups = self._documents[row]
            for group, rows in zip(groups, parts, strict=True):
                group.truncate_to(0)
                if rows[row][0].size:
                    group.push_many_features(*rows[row])
            self._learn_one(user, document, *label)

    def _learn_one(self, shared: Any, document: Any, reward: float, probability: float, weight: float) -> None:
        if weight == 0.0:
            return
        key = (reward, probability, weight)
        label = self._labels.get(key)
        if label is None:
            label = _core.CBLabel(label=(0, -float(reward), float(probability)), weight=float(weight))
            if len(self._labels) < _REMEMBERED_LABELS:
                self._labels[key] = label
        document._set_label(label)
        self._workspace.learn_multi_ex_one([shared, document])

    def predict(self, shared: str, documents: Sequence[str]) -> FloatArray:
        """[n] values as VW itself predicts them: slow, the oracle of `score`. Not for a bag."""
        examples = [self._parse(shared), *(self._parse(line) for line in documents)]
        scores: Any = self._workspace.predict_multi_ex_one(examples)
        predicted = dict(scores)
        return -np.array([predicted[position] for position in range(len(documents))])

    def check_finite(self) -> None:
        """Raises ModelDamagedError if any weight is NaN or infinite."""
        if not np.isfinite(self._weights).all():
            raise ModelDamagedError(
                "the model holds weights that are not finite", remedy="Go back to an earlier version"
            )

    def save(self) -> bytes:
        """A model file that VW's own command line loads (`-i FILE`)."""
        return self._public.serialize()

    def _parse(self, line: str) -> Any:
        if "\n" in line:
            raise LrerankError("an example is one line", value=line, remedy="Escape names with vw.escape")
        return _core._parse_line_text(self._workspace, line)


def escape(name: str) -> str:
    """A feature name that VW reads as one name, reversibly: percent-encodes `%`, `|`, `:`, blanks, control characters."""
    return _UNSAFE.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass")), name
    )


def unescape(name: str) -> str:
    return unquote(name, errors="surrogatepass")


def render(namespace: str, names: Sequence[str], values: Sequence[float]) -> str:
    """One namespace as VW's text: names already escaped, values finite; what is 0 is left out."""
    # Nine digits bring a float32 back exactly.
    return f"|{namespace} " + " ".join(
        f"{name}:{value:.9g}" if value != 1.0 else name
        for name, value in zip(names, values, strict=True)
        if value != 0.0
    )


def run_command_line(arguments: Sequence[str], folder: Path | None = None) -> str:
    """VW's own command line, in this process; its report.

    Raises:
        LrerankError: VW refused.
    """
    try:
        report, _ = vowpal_wabbit_next.run_cli_driver(list(arguments), cwd=folder)
    except CLIError as error:
        raise LrerankError(f"Vowpal Wabbit refused: {error}", value=" ".join(arguments)) from None
    return report


@cache
def _ones(count: int) -> Weights32:
    return np.ones(count, np.float32)


def _check_labels(rewards: Sequence[float], probabilities: Sequence[float], weights: Sequence[float]) -> None:
    for name, numbers, low, high in (
        ("reward", rewards, -_WORST_MAGNITUDE, _WORST_MAGNITUDE),
        ("probability", probabilities, 1e-6, 1.0),
        ("weight", weights, 0.0, _WORST_MAGNITUDE),
    ):
        for number in numbers:
            # Written so that NaN fails: VW would silently turn its weights non-finite.
            if not low <= number <= high:
                _require(False, name, number, f"Use {low:g} to {high:g}")


def _rows(indices: Indices, values: Weights32) -> list[tuple[NDArray[np.uint64], Weights32]]:
    """Row by row what is not 0: indices and values."""
    used = values != 0.0
    index, value = indices[used].astype(np.uint64), values[used]
    ends = [0, *used.sum(axis=1).cumsum().tolist()]
    return [(index[start:end], value[start:end]) for start, end in pairwise(ends)]


def _require(holds: bool, name: str, value: float, remedy: str) -> None:
    if not holds:
        raise LrerankError("out of range", path=name, value=value, remedy=remedy)
