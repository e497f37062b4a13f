"""Uniform variates that are looked up, not drawn: the same keys give the same number, whatever else is asked for.

That is what makes worlds comparable. If every variate is keyed by what it decides (the replicate, the impression, the
document or the slot, the channel), then two policies in the same world meet the same luck, and what one of them
shows can't shift the luck of anything else.

The hash is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): the
keys before the last seed a stream, the last key says which number of that stream.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Key: TypeAlias = int | NDArray[np.int64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class Channel(IntEnum):
    """What a variate decides. Numbers are never given anew: recorded runs depend on them."""

    EXAMINATION = 1  # keyed by slot
    ATTRACTION = 2  # keyed by document
    PURCHASE = 3  # keyed by document
    SATISFACTION = 4  # keyed by document
    PURCHASE_DELAY = 5  # keyed by document


def uniforms(*keys: Key) -> NDArray[np.float64]:
    """Uniform variates strictly between 0 and 1, multiples of 2^-53.

    Args:
        keys: integers, arrays that broadcast against one another; by convention the replicate, the impression, the
            document or slot, the channel. Their order matters.

    Returns:
        [broadcast shape of the keys].
    """
    return np.asarray(((hashes(*keys) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)


def hashes(*keys: Key) -> NDArray[np.uint64]:
    """64 bits for each combination of keys: [broadcast shape of the keys]."""
    # Arrays, since numpy warns of the wrap-around that is meant here when it happens to a scalar.
    state = _words(keys[0])
    for key in keys[1:]:
        state = _mixed(state + _GAMMA * (_words(key) + np.uint64(1)))
    return state.reshape(np.broadcast_shapes(*(np.shape(key) for key in keys)))


def _words(key: Key) -> NDArray[np.uint64]:
    if isinstance(key, int):
        return np.array([key % 2**64], dtype=np.uint64)
    return np.atleast_1d(np.asarray(key)).astype(np.uint64)


def _mixed(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return np.asarray(word ^ (word >> np.uint64(31)))
