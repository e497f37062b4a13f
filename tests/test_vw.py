"""The door to Vowpal Wabbit, held against VW itself."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import vowpal_wabbit_next
from hypothesis import given
from hypothesis import strategies as st

from lrerank.errors import LrerankError
from lrerank.vw import (
    CROSSED,
    OWN,
    PLAIN,
    SHARED,
    LearnerOptions,
    ModelDamagedError,
    VWModel,
    escape,
    render,
    run_command_line,
    unescape,
)

USER = [f"likes.genre={name}" for name in ("drama", "war film", "sci:fi", "a|b")] + ["age"]
CROSSED_ONES = [f"genre={name}" for name in ("drama", "war film", "sci:fi", "a|b")]
OTHERS = ["price", "price=10..20", "50 %", "é=ß"]
DOCUMENT = CROSSED_ONES + OTHERS
REQUEST = ["incoming.score", "incoming.rank", "match.genre"]


def _draw(rng: np.random.Generator, documents: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Feature values with gaps: most places of a bag are empty."""
    user = (rng.random(len(USER)) * (rng.random(len(USER)) < 0.7)).astype(np.float32)
    own = (rng.normal(size=(documents, len(DOCUMENT))) * (rng.random((documents, len(DOCUMENT))) < 0.5)).astype(
        np.float32
    )
    return user, own, rng.random((documents, len(REQUEST))).astype(np.float32)


def _lines(user: np.ndarray, own: np.ndarray, request: np.ndarray) -> tuple[str, list[str]]:
    names = [[escape(name) for name in names] for names in (USER, CROSSED_ONES, OTHERS, REQUEST)]
    documents = [
        " ".join(
            [
                render(CROSSED, names[1], values[: len(CROSSED_ONES)].tolist()),
                render(OWN, names[2], values[len(CROSSED_ONES) :].tolist()),
                render(PLAIN, names[3], plain.tolist()),
            ]
        )
        for values, plain in zip(own, request, strict=True)
    ]
    return "shared " + render(SHARED, names[0], user.tolist()), documents


def _trained(options: LearnerOptions, requests: int = 400, seed: int = 3) -> VWModel:
    model, rng = VWModel(options), np.random.default_rng(seed)
    for _ in range(requests):
        user, own, request = _draw(rng, 4)
        rewards = (rng.random(4) < 0.2 + 0.5 * (own[:, 0] > 0) * user[0]).astype(float)
        model.learn(*_lines(user, own, request), rewards.tolist())
    return model


def _score(model: VWModel, user: np.ndarray, own: np.ndarray, request: np.ndarray):  # type: ignore[no-untyped-def]
    places = np.broadcast_to(np.arange(len(DOCUMENT)), own.shape)
    shared, plain = (model.indices(SHARED, USER), user), (model.indices(PLAIN, REQUEST), request)
    return model.score(shared, _vocabulary(model), np.arange(len(CROSSED_ONES)), (places, own), plain)


def _vocabulary(model: VWModel) -> np.ndarray:
    return np.concatenate([model.indices(CROSSED, CROSSED_ONES), model.indices(OWN, OTHERS)])


def test_learning_from_arrays_is_learning_from_text_bit_for_bit() -> None:
    """With feature values that VW reads exactly: of most others (0.625 is one) its text parser misses the last bit."""
    from_text, from_arrays = VWModel(LearnerOptions()), VWModel(LearnerOptions())
    rng = np.random.default_rng(2)
    for _ in range(300):
        user, own, request = (np.clip(np.round(part * 2) / 2, -1, 1).astype(np.float32) for part in _draw(rng, 4))
        rewards, weights = rng.integers(0, 3, 4).tolist(), rng.choice([0.25, 1.0], 4).tolist()
        from_text.learn(*_lines(user, own, request), rewards, [0.5] * 4, weights)
        used = user != 0
        from_arrays.learn_arrays(
            (from_arrays.indices(SHARED, USER)[used], user[used]),
            *(
                (np.broadcast_to(indices, values.shape), values)
                for indices, values in (
                    (from_arrays.indices(CROSSED, CROSSED_ONES), own[:, : len(CROSSED_ONES)]),
                    (
                        np.append(from_arrays.indices(OWN, OTHERS), from_arrays.indices(PLAIN, REQUEST)),
                        np.hstack([own[:, len(CROSSED_ONES) :], request]),
                    ),
                )
            ),
            rewards,
            [0.5] * 4,
            weights,
        )
    assert from_text.save() == from_arrays.save()


def test_arrays_that_are_not_finite_are_refused_and_nothing_is_learned() -> None:
    model = VWModel(LearnerOptions())
    before = model.save()
    one, bad = np.ones((1, 1), np.float32), np.full((1, 1), np.nan, np.float32)
    index = np.array([[5]], np.uint32)
    with pytest.raises(LrerankError, match="not finite"):
        model.learn_arrays((index[0], one[0]), (index, one), (index, bad), [1.0])
    with pytest.raises(LrerankError, match="reward"):
        model.learn_arrays((index[0], one[0]), (index, one), (index, one), [float("nan")])
    assert model.save() == before


@pytest.mark.parametrize("power_t", [0.0, 0.5])
def test_scores_and_contributions_are_vws_own_prediction(power_t: float) -> None:
    model = _trained(LearnerOptions(bits=18, power_t=power_t))
    rng = np.random.default_rng(9)
    for _ in range(20):
        drawn = _draw(rng, 100)
        scored = _score(model, *drawn)
        told = model.predict(*_lines(*drawn))
        assert np.abs(told).max() > 0.05
        np.testing.assert_allclose(scored.values[0], told, atol=1e-5)
        np.testing.assert_allclose(scored.own.sum(1) + scored.plain.sum(1) + scored.base, told, atol=1e-5)


def test_each_member_of_a_bag_is_scored_as_vw_scores_it() -> None:
    """VW's pmf of a bag counts, for each document, the members that prefer it."""
    members = 5
    model = _trained(LearnerOptions(bits=18, bag=members))
    explorer = vowpal_wabbit_next.Workspace(["--quiet"], model_data=model.save())
    parser = vowpal_wabbit_next.TextFormatParser(explorer)
    rng = np.random.default_rng(1)
    disagreements = 0
    for _ in range(60):
        drawn = _draw(rng, 6)
        scored = _score(model, *drawn)
        votes = np.bincount(scored.values.argmax(axis=1), minlength=6) / members
        shared, documents = _lines(*drawn)
        pmf = dict(explorer.predict_one([parser.parse_line(line) for line in (shared, *documents)]))
        np.testing.assert_allclose([pmf[place] for place in range(6)], votes, atol=1e-6)
        disagreements += len(np.unique(scored.values.argmax(axis=1))) > 1
    assert disagreements > 5, "members that always agree would not tell them apart"


def test_the_fast_calls_give_the_same_bits_as_the_public_ones() -> None:
    options = LearnerOptions(bits=14)
    fast = VWModel(options)
    public = vowpal_wabbit_next.Workspace(options.arguments())
    parser = vowpal_wabbit_next.TextFormatParser(public)
    rng = np.random.default_rng(4)
    for _ in range(200):
        shared, documents = _lines(*_draw(rng, 3))
        rewards = rng.integers(0, 2, 3).astype(float).tolist()
        fast.learn(shared, documents, rewards)
        for document, reward in zip(documents, rewards, strict=True):
            public.learn_one([parser.parse_line(shared), parser.parse_line(f"0:{-reward}:1 {document}")])
    assert fast.save() == public.serialize()


def test_learning_goes_on_from_a_saved_model_bit_for_bit() -> None:
    options = LearnerOptions(bits=16)
    whole, first = VWModel(options), VWModel(options)
    rng = np.random.default_rng(5)
    work = [(*_lines(*_draw(rng, 3)), rng.integers(0, 2, 3).astype(float).tolist()) for _ in range(200)]
    for item in work:
        whole.learn(*item)
    for item in work[:100]:
        first.learn(*item)
    second = VWModel(options, data=first.save())
    for item in work[100:]:
        second.learn(*item)
    drawn = _draw(rng, 50)
    assert np.array_equal(_score(second, *drawn).values, _score(whole, *drawn).values)


def test_vws_command_line_loads_the_file_and_predicts_the_same(tmp_path: Path) -> None:
    model = _trained(LearnerOptions(bits=18))
    (tmp_path / "model.vw").write_bytes(model.save())
    drawn = _draw(np.random.default_rng(6), 20)
    shared, documents = _lines(*drawn)
    (tmp_path / "request.txt").write_text("\n".join([shared, *documents]) + "\n\n", encoding="utf-8")
    run_command_line(["-i", "model.vw", "-t", "-d", "request.txt", "--rank_all", "-p", "out.txt", "--quiet"], tmp_path)
    told = dict(re.findall(r"(\d+):(-?[\d.e-]+)", (tmp_path / "out.txt").read_text()))
    np.testing.assert_allclose(
        [-float(told[str(place)]) for place in range(20)], _score(model, *drawn).values[0], atol=1e-5
    )


def test_the_weight_of_a_document_scales_its_update() -> None:
    """A document of weight 0 leaves no trace, a heavier one moves the model further."""
    drawn = _draw(np.random.default_rng(2), 1)
    values = []
    for weight in (0.0, 0.2, 1.0, 4.0):
        model = VWModel(LearnerOptions(bits=14))
        model.learn(*_lines(*drawn), [1.0], weights=[weight])
        values.append(float(_score(model, *drawn).values[0, 0]))
    assert values[0] == 0.0
    assert values == sorted(values) and len(set(values)) == 4


@pytest.mark.parametrize(
    ("rewards", "probabilities", "weights"),
    [
        ([float("nan")], None, None),
        ([float("inf")], None, None),
        ([1.0], [0.0], None),
        ([1.0], [-0.5], None),
        ([1.0], [1.5], None),
        ([1.0], [float("nan")], None),
        ([1.0], None, [float("inf")]),
        ([1.0], None, [-1.0]),
    ],
)
def test_numbers_that_would_ruin_the_weights_are_refused_before_vw_sees_them(
    rewards: list[float], probabilities: list[float] | None, weights: list[float] | None
) -> None:
    model = _trained(LearnerOptions(bits=14), 20)
    before = model.save()
    with pytest.raises(LrerankError, match="out of range"):
        model.learn(*_lines(*_draw(np.random.default_rng(0), 1)), rewards, probabilities, weights)
    assert model.save() == before


def test_weights_that_are_not_finite_are_found_out() -> None:
    model = _trained(LearnerOptions(bits=14), 20)
    model._weights[:] = np.nan
    with pytest.raises(ModelDamagedError, match="finite"):
        _score(model, *_draw(np.random.default_rng(0), 2))
    with pytest.raises(ModelDamagedError, match="finite"):
        model.check_finite()


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x00" * 200])
def test_bytes_that_are_no_model_are_refused(data: bytes) -> None:
    with pytest.raises(ModelDamagedError):
        VWModel(LearnerOptions(), data=data)


def test_a_model_of_other_options_is_refused() -> None:
    saved = VWModel(LearnerOptions(bits=14)).save()
    with pytest.raises(ModelDamagedError, match="other options"):
        VWModel(LearnerOptions(bits=16), data=saved)


@given(st.text(st.characters(exclude_categories=())))
def test_any_name_survives_escaping_and_is_one_feature_to_vw(name: str) -> None:
    written = escape(name)
    assert unescape(written) == name
    assert not re.search(r"[\s|:]", written)
    model = _NAMES
    example = model._parse(f"|{CROSSED} {escape('x' + name)}:2")
    ((group, indices, values),) = [(g.feat_group_index, list(g.indices), list(g.values)) for g in example]
    assert (group, values) == (ord(CROSSED), [2.0])
    assert indices == [model.index(CROSSED, "x" + name)]


_NAMES = VWModel(LearnerOptions(bits=18))


def _parity_cases() -> tuple[list[dict[str, object]], dict[str, str]]:
    import os

    folder = Path(os.environ.get("LRERANK_DATA", Path(__file__).parents[2] / "shared" / "data")) / "vw_parity"
    if not folder.exists():
        return [], {}
    saved = json.loads(gzip.decompress((folder / "vw_cb_cases.json.gz").read_bytes()))
    return saved["tests"], saved["files"]


_CASES, _FILES = _parity_cases()


@pytest.mark.skipif(not _CASES, reason="the folder vw_parity is not there (LRERANK_DATA)")
def test_vws_own_cases_give_their_published_losses(tmp_path: Path) -> None:
    """All 59 cases with a loss, through the same door that reads our models: 1e-4, as their source states them."""
    for path, text in _FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    wrong, seen = [], 0
    for case in _CASES:
        if case["expected_average_loss"] is None:
            continue
        report = run_command_line(shlex.split(str(case["args"])), tmp_path)
        found = re.search(r"average loss = (-?[\d.]+)", report)
        seen += 1
        if found is None or abs(float(found[1]) - float(str(case["expected_average_loss"]))) > 1e-4:
            wrong.append((case["id"], case["args"], found and found[1], case["expected_average_loss"]))
    assert not wrong
    assert seen == 59
