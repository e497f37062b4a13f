"""Cards: the small TOML file that says what a data file holds, how to read it and where it comes from."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from lrerank.errors import DataError
from lrerank.types import FieldKind

DEFAULT_INDEXES = {"default": "lsa", "text_extractor_v1_embedding": "lsa", "product_embedding": "lsa"}
"""Names every catalog accepts as `vector_index`: ours, and those the source document's pipelines use."""

Scalar = str | int | float | bool


def _frozen(value: Any) -> Any:
    """TOML arrays arrive as lists; strict tuples refuse lists, and a card must not change later."""
    return tuple(value) if isinstance(value, list) else value


Strings = Annotated[tuple[str, ...], BeforeValidator(_frozen)]
Scalars = Annotated[tuple[Scalar, ...], BeforeValidator(_frozen)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class FieldCard(_Strict):
    """How one column is read. All of it is optional.

    Attributes:
        kind: inferred from the values where it is not given.
        path: dotted path the field appears under, `metadata.price`; the column's name where it is not given.
        feature: whether `features: "auto"` may use it; by default all but texts and identifiers.
        missing: values that mean "not known", compared before lower-casing and synonyms.
        lowercase: fold case, after `missing`.
        synonyms: spelling → the one to keep, after lower-casing.
        separator: what parts the items of a list in one cell.
        unit: for people, `US dollars`.
        description: for people.
    """

    kind: FieldKind | None = None
    path: str | None = None
    feature: bool | None = None
    missing: Scalars = ()
    lowercase: bool = False
    synonyms: dict[str, str] = Field(default_factory=dict)
    separator: Annotated[str, Field(min_length=1)] | None = None
    unit: str = ""
    description: str = ""

    @field_validator("path")
    @classmethod
    def _has_no_empty_part(cls, path: str | None) -> str | None:
        if path is not None and any(not part.strip() for part in path.split(".")):
            raise ValueError("a dotted path has no empty part")
        return path


class Checksum(_Strict):
    """Bytes that are accepted for a file.

    Attributes:
        label: which version of the file this is: `full`, `development slice`.
        sha256: of the bytes, in lower-case hexadecimal.
        size: in bytes.
    """

    label: str
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


class FileCard(_Strict):
    """One file of a public data set as lrerank keeps it.

    Attributes:
        name: file name in the data set's folder.
        rows: a few words on what a row is.
        columns: column → meaning.
        accepted: the versions of this file that are known; others are refused.
    """

    name: Name
    rows: str = ""
    columns: dict[str, str] = Field(default_factory=dict)
    accepted: Annotated[tuple[Checksum, ...], BeforeValidator(_frozen)] = ()


class UpstreamCard(_Strict):
    """One file as its publisher has it, fixed by its bytes.

    Attributes:
        name: file name under which it is looked for in a local folder and downloaded.
        address: path under the download host, `owner/repository/commit/path`.
        sha256: of the publisher's bytes.
        size: in bytes.
    """

    name: Name
    address: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]*$")]
    sha256: Sha256
    size: Annotated[int, Field(gt=0)]


class Card(_Strict):
    """What is known of a catalog file or a public data set.

    Attributes:
        name: how people refer to it.
        aliases: other names for its catalog.
        title, description, source, licence, attribution, citation: for people.
        files: the files as lrerank keeps them.
        upstream: the publisher's files they are made from; empty where there is no stable address.
        converter: which function makes `files` from `upstream`.
        download_note: why there is no download, where there is none.
        catalog_file: which of the files is a catalog; empty for data sets that hold none.
        id: column with the document ids; inferred where it is not given.
        text: columns that are searched, the title first; inferred where none are given.
        segment: column that names inferred segments, categorical or list.
        only_listed: leave columns out that `fields`, `id`, `text` and `segment` do not name.
        fields: column → how it is read.
        indexes: name usable as `vector_index` → encoder, beside those every catalog has.
    """

    name: Name | None = None
    aliases: Strings = ()
    title: str = ""
    description: str = ""
    source: str = ""
    licence: str = ""
    attribution: str = ""
    citation: str = ""
    files: Annotated[tuple[FileCard, ...], BeforeValidator(_frozen)] = ()
    upstream: Annotated[tuple[UpstreamCard, ...], BeforeValidator(_frozen)] = ()
    converter: str | None = None
    download_note: str = ""
    catalog_file: Name | None = None
    id: Annotated[str, Field(min_length=1)] | None = None
    text: Strings = ()
    segment: Annotated[str, Field(min_length=1)] | None = None
    only_listed: bool = False
    fields: dict[str, FieldCard] = Field(default_factory=dict)
    indexes: dict[str, str] = Field(default_factory=dict)

    @field_validator("indexes")
    @classmethod
    def _default_stays(cls, indexes: dict[str, str]) -> dict[str, str]:
        if indexes.get("default", "lsa") != "lsa":
            raise ValueError("the index 'default' is always 'lsa'; give another encoder another name")
        if any(not name or not encoder for name, encoder in indexes.items()):
            raise ValueError("an index and its encoder have non-empty names")
        return indexes

    @property
    def all_indexes(self) -> dict[str, str]:
        """Every name a pipeline may use as `vector_index`, with its encoder."""
        return {**DEFAULT_INDEXES, **self.indexes}


def read_card(path: Path) -> Card:
    """Read and check a card.

    Raises:
        DataError: the file is missing, is not TOML, or says something a card can't; the error's path is
            `card.toml: fields.price.kind`.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        remedy = "Give the path of a card, a UTF-8 text in TOML"
        raise DataError(f"the card can't be read: {_reason(error)}", path=str(path), remedy=remedy) from None
    return parse_card(text, path.name)


def parse_card(text: str, name: str = "card.toml") -> Card:
    """A card from its TOML text; `name` is how errors call it.

    Raises:
        DataError: as `read_card`.
    """
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        # Beside its own error tomllib lets through ValueError (a date that is none) and RecursionError (nesting).
        raise DataError(f"not TOML: {error}", path=name, remedy="Mend the line it names") from None
    try:
        return Card.model_validate(content)
    except ValidationError as error:
        raise _explained(error, name) from None


def _explained(error: ValidationError, name: str) -> DataError:
    first = error.errors(include_url=False)[0]
    # A union reports each of its members after the field; what the user wrote ends at the last key or index.
    place = ".".join(str(part) for part in first["loc"] if part not in ("str", "int", "float", "bool"))
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if first["type"] == "extra_forbidden":
        message = "a card has no such entry"
    more = error.error_count() - 1
    remedy = f"See the data section of the README for the entries of a card{f'; {more} more like this' if more else ''}"
    if first["type"] == "literal_error":
        remedy = f"Allowed are {first['ctx']['expected']}"
    return DataError(message, path=f"{name}: {place}", value=first["input"], remedy=remedy)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
