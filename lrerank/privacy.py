"""Keyed hashes of user ids, so that who reads the log can't guess the ids back by hashing candidates."""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from lrerank.files import StorageError, readable_errors, write_atomically

_KEY_BYTES = 32


class Key:
    """A secret with which ids are hashed; without it two hashes of one user can't be told to belong together."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def digest(self, purpose: str, *parts: str) -> str:
        """HMAC-SHA256 of the parts, cut to 128 bits, as 32 hexadecimal digits.

        Digests for different purposes can't be matched with each other. Lengths are part of what is hashed, so that
        ("ab", "c") and ("a", "bc") differ.

        Raises:
            UnicodeEncodeError: a part holds half of a surrogate pair.
        """
        pieces = [part.encode() for part in (purpose, *parts)]
        message = b"".join(len(piece).to_bytes(8, "big") + piece for piece in pieces)
        return hmac.digest(self._secret, message, "sha256")[:16].hex()

    @property
    def fingerprint(self) -> str:
        """Tells keys apart without giving them away."""
        return self.digest("fingerprint")


def create_key(path: Path) -> Key:
    """Makes a key that only this user of the machine may read. The caller sees to it that nobody else makes one."""
    secret = secrets.token_bytes(_KEY_BYTES)
    with readable_errors(path, "the key of the user ids"):
        write_atomically(path, secret.hex().encode() + b"\n", mode=0o600)
    return Key(secret)


def read_key(path: Path) -> Key | None:
    """The key in this file; None where there is no file.

    Raises:
        StorageError: the file holds something else, or may not be read.
    """
    with readable_errors(path, "the key of the user ids"):
        try:
            text = path.read_text("ascii", errors="replace")
        except FileNotFoundError:
            return None
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        secret = b""
    if len(secret) != _KEY_BYTES:
        raise StorageError(
            "this is not a key for user ids", path=str(path), remedy="Restore it from a backup of the same log"
        )
    return Key(secret)
