"""First names for users who do not exist, so that people can talk about them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

_IN_ORDER = (
    "Ada Aiko Alba Amir Anouk Anton Aya Bashir Bela Bianca Bo Carla Chen Cleo Dalia Dario Deniz Edda Efe Elif Emil Enzo "
    "Esra Ezra Farah Felix Finn Freya Gaia Goran Greta Hana Hugo Ida Ilse Imani Ines Ivo Jana Joao Jonas Juno Kai Kamala "
    "Karim Kira Lale Lars Leila Leon Lila Lotte Luca Maja Malik Mara Mateo Mei Mila Mina Nadia Naoki Nils Noor Nuri Ola "
    "Omar Oskar Paola Pavel Petra Priya Rafa Rana Remy Rosa Ruben Saba Samir Selma Senna Stina Sven Taro Tess Tilda Timo "
    "Uma Vera Viktor Wanda Yara Yusuf Zara Zeno Zoe"
)
_NAMES = _IN_ORDER.split()


def first_names(user_ids: Iterable[str]) -> dict[str, str]:
    """User id → first name, the same ones in every process; different as long as there are names left."""
    found: dict[str, str] = {}
    taken: set[int] = set()
    for user_id in user_ids:
        place = int.from_bytes(hashlib.sha256(user_id.encode()).digest()[:4], "big") % len(_NAMES)
        while place in taken and len(taken) < len(_NAMES):
            place = (place + 1) % len(_NAMES)
        taken.add(place)
        found[user_id] = _NAMES[place]
    return found
