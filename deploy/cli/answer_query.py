"""Answers the query of a command from a lake."""

from typing import TYPE_CHECKING

import typer

from schemas.query import Query, SearchResult

if TYPE_CHECKING:
    from pipeline.lake.lake import Lake
    from pipeline.search.session import SearchSession


def answer(session: "SearchSession", query: Query, *, lake: "Lake", model: str | None) -> SearchResult:
    """The answer; says on standard error how many keyframes have no vector of the model yet. model: that was named."""
    from operators.encoders.catalogue import model_of_space

    result = session.search(query)
    if session.without_vector:
        name = model or model_of_space(lake.space)
        typer.echo(
            f"not searched: {session.without_vector:,} keyframes without a vector of {name}; "
            f"run: regionlake ingest --reembed --model {name} --lake {lake.uri}",
            err=True,
        )
    return result
