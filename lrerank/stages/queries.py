"""What the stages that search or compare texts have in common: a usable query, and the right index."""

from __future__ import annotations

from typing import Any

from lrerank.errors import InputError, PipelineError
from lrerank.retrieval.index import TextIndex, text_index
from lrerank.stages.base import Environment
from lrerank.types import Request


def usable_query(query: str, path: str) -> str:
    """The query without spaces around it.

    A query of signs alone ("?!") is usable: nothing matches it, so documents keep the order in which they came.

    Raises:
        InputError: there is nothing in it.
    """
    stripped = query.strip()
    if not stripped:
        raise InputError("the query is empty", path=path, value=query, remedy="Give some words to search for")
    return stripped


def query_of(request: Request, stage_id: str) -> str:
    """The request's own query, for a stage that has no parameter for it.

    Raises:
        InputError: the request has none, or it is no text.
    """
    found: Any = request.inputs.get("query")
    if found is None:
        raise InputError(
            f"{stage_id} needs the input 'query', which the request lacks", path="query", remedy="Give query=…"
        )
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise InputError(
            f"{stage_id} needs text for the input 'query'", path="query", value=found, remedy="Give a string"
        )
    return usable_query(str(found), "query")


def index_of(environment: Environment, vector_index: str = "default") -> TextIndex:
    """The text index that a pipeline calls by this name.

    Raises:
        PipelineError: the catalog has no index of this name; the error lists those it has.
    """
    catalog = environment.catalog
    if vector_index not in catalog.indexes:
        raise PipelineError(
            f"catalog {catalog.name!r} has no such index",
            path="parameters.vector_index",
            value=vector_index,
            remedy=f"Use one of {', '.join(catalog.indexes)}",
        )
    return text_index(catalog, environment.store.indexes, catalog.indexes[vector_index])
