"""The public data sets lrerank knows by card: list them, show them, fetch them. Wrong bytes never stay."""

from __future__ import annotations

import hashlib
import http.client
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lrerank.data.cards import Card, Checksum, UpstreamCard, read_card
from lrerank.data.converters import CONVERTERS
from lrerank.data.locate import datasets_folder
from lrerank.errors import DataError

DOWNLOAD_HOST = "https://raw.githubusercontent.com"
"""Where the publishers' files are; the addresses in the cards name a commit, so their bytes can't change."""

_CHUNK = 1 << 20
_TIMEOUT = 60.0  # seconds without a byte


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch has put in place.

    Attributes:
        folder: the data set's folder.
        files: its files, each with where it came from: `full`, `development slice`, `made from …`.
    """

    folder: Path
    files: dict[str, str]


_WRITABLE = "Set LRERANK_HOME to a folder that you can write to, with enough free space"


def list_datasets() -> list[Card]:
    """The cards of all public data sets, by name. Built-in worlds are not among them: nothing is fetched for those."""
    return list(_cards(datasets_folder()))


@cache
def _cards(folder: Path) -> tuple[Card, ...]:
    """They come with the program and do not change while it runs."""
    cards = [read_card(path) for path in sorted(folder.glob("*/card.toml"))]
    return tuple(card for card in cards if card.files)


def show(name: str) -> Card:
    """The card of a public data set, by its name or an alias.

    Raises:
        DataError: no data set has this name; the error lists those there are.
    """
    cards = list_datasets()
    for card in cards:
        if name == card.name or name in card.aliases:
            return card
    known = ", ".join(str(card.name) for card in cards)
    raise DataError("there is no public data set of this name", value=name, remedy=f"Known are {known}")


def fetch(name: str, into: Path, from_folder: Path | None = None, host: str = DOWNLOAD_HOST) -> Fetched:
    """Put a public data set into `into / <its name>`, all of its files or none.

    Every file is checked against the card while it is copied to a temporary folder on the same disk; only when all are
    right do they replace what was there. What does not match is refused and removed.

    Args:
        name: the data set's name or alias.
        into: the store's data folder.
        from_folder: a local copy: either the files lrerank keeps or the publisher's; None downloads the publisher's.
        host: where addresses are looked up; tests serve their own.

    Raises:
        DataError: unknown name, missing files, wrong bytes (with both checksums), no connection, no stable address.
    """
    return fetch_card(show(name), into, from_folder, host)


def fetch_card(card: Card, into: Path, from_folder: Path | None = None, host: str = DOWNLOAD_HOST) -> Fetched:
    """As `fetch`, for a card at hand."""
    name = str(card.name)
    if from_folder is not None and not from_folder.is_dir():
        raise DataError("there is no such folder", path=str(from_folder), remedy="Give the folder with the files")
    if from_folder is None and not card.upstream:
        remedy = f"Get the files and run lrerank data fetch {name} --from FOLDER"
        raise DataError(f"it can't be downloaded: {card.download_note}", path=name, remedy=remedy)
    try:
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=into) as folder:
            ready, raw = Path(folder) / "ready", Path(folder) / "raw"
            ready.mkdir()
            raw.mkdir()
            files = _gather(card, ready, raw, from_folder, host)
            target = into / name
            target.mkdir(exist_ok=True)
            for file in files:
                (ready / file).replace(target / file)
    except OSError as error:
        raise DataError(f"can't be written: {error.strerror or error}", path=str(into), remedy=_WRITABLE) from None
    return Fetched(target, files)


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in lower-case hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _gather(card: Card, ready: Path, raw: Path, folder: Path | None, host: str) -> dict[str, str]:
    if folder is None:
        for part in card.upstream:
            _download(part, raw / part.name, host)
        return _converted(card, raw, ready)
    kept = [file for file in card.files if (folder / file.name).is_file()]
    if len(kept) == len(card.files):
        return {file.name: _copy_checked(folder / file.name, ready / file.name, file.accepted) for file in kept}
    if card.upstream and all((folder / part.name).is_file() for part in card.upstream):
        for part in card.upstream:
            accepted = (Checksum(label="publisher's", sha256=part.sha256, size=part.size),)
            _copy_checked(folder / part.name, raw / part.name, accepted)
        return _converted(card, raw, ready)
    wanted = ", ".join(file.name for file in card.files)
    if card.upstream:
        wanted += "; or, as published, " + ", ".join(part.name for part in card.upstream)
    missing = ", ".join(file.name for file in card.files if file not in kept)
    raise DataError(f"the folder lacks {missing}", path=str(folder), remedy=f"It must hold {wanted}")


def _converted(card: Card, raw: Path, ready: Path) -> dict[str, str]:
    CONVERTERS[card.converter or ""](raw, ready)
    sources = ", ".join(part.name for part in card.upstream)
    return {file.name: f"made from {sources}" for file in card.files}


def _copy_checked(source: Path, target: Path, accepted: Sequence[Checksum]) -> str:
    """Copy while hashing; gives the label of the version the bytes are."""
    try:
        with source.open("rb") as stream:
            digest = _copy(iter(lambda: stream.read(_CHUNK), b""), target)
    except OSError as error:
        raise DataError(
            f"can't be read: {error.strerror or error}", path=str(source), remedy="Make it readable for you"
        ) from None
    for version in accepted:
        if version.sha256 == digest:
            return version.label
    target.unlink()
    expected = " or ".join(f"{version.sha256} ({version.label})" for version in accepted)
    message = f"the bytes are not those of the card: SHA-256 is {digest}, expected {expected}"
    raise DataError(message, path=str(source), remedy="The copy was refused and removed. Get the file again")


def _download(part: UpstreamCard, target: Path, host: str) -> None:
    address = f"{host.rstrip('/')}/{part.address}"
    received = 0

    def chunks(stream: http.client.HTTPResponse) -> Iterator[bytes]:
        nonlocal received
        while chunk := stream.read(_CHUNK):
            received += len(chunk)
            if received > part.size:
                # A server that sends something else may never stop.
                message = f"more bytes came than the {part.size:,} the card gives"
                raise DataError(message, path=address, remedy="The download was refused and removed")
            yield chunk

    try:
        # The host is ours or a test's, the address is checked by the card's schema.
        with urllib.request.urlopen(address, timeout=_TIMEOUT) as response:  # noqa: S310
            digest = _copy(chunks(response), target)
    except urllib.error.HTTPError as error:
        raise _unreachable(address, f"the server answers {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _unreachable(address, f"no connection: {error.reason}") from None
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _unreachable(address, f"the download broke off: {error or type(error).__name__}") from None
    if received < part.size:
        raise _unreachable(address, f"the download broke off after {received:,} of {part.size:,} bytes")
    if digest != part.sha256:
        message = f"the bytes are not those of the card: SHA-256 is {digest}, expected {part.sha256}"
        raise DataError(message, path=address, remedy="The download was refused and removed")


def _unreachable(address: str, message: str) -> DataError:
    remedy = "Nothing was kept. Try again, or use --from FOLDER with a local copy"
    return DataError(message, path=address, remedy=remedy)


def _copy(chunks: Iterator[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("wb") as stream:
        for chunk in chunks:
            digest.update(chunk)
            stream.write(chunk)
    return digest.hexdigest()
