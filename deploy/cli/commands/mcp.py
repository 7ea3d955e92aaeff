"""`regionlake mcp`: a lake for agents, over the Model Context Protocol."""

import asyncio
import os
from importlib.metadata import version
from importlib.util import find_spec
from typing import Annotated

import typer

from deploy.cli.search_options import ServerOption
from schemas.errors import ServiceError


def mcp(
    lake: Annotated[
        str | None,
        typer.Option(metavar="DIR|s3://…", help="The lake to serve, for this agent alone.", show_default=False),
    ] = None,
    server: ServerOption = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Listen for HTTP here, on this machine alone, instead of on standard input."
        ),
    ] = None,
) -> None:
    """Let agents ask a lake, over the Model Context Protocol."""
    if find_spec("mcp") is None:
        raise ServiceError("the protocol's package is not installed; run: pip install 'regionlake[mcp]'")
    url = server if server is not None or lake is not None else os.environ.get("REGIONLAKE_SERVER") or None
    if (lake is None) == (url is None):
        raise typer.BadParameter("give one of the two", param_hint="--lake or --server")
    if lake is None:
        assert url is not None
        asyncio.run(_serve(url, os.environ.get("REGIONLAKE_TOKEN") or None, port))
        return
    from deploy.mcp.own_service import own_service

    with own_service(lake) as service:
        asyncio.run(_serve(service.url, service.token, port))


async def _serve(url: str, token: str | None, port: int | None) -> None:
    from deploy.client import calls
    from deploy.client.connection import AsyncConnection
    from deploy.mcp.lake_tools import lake_server

    async with AsyncConnection(url, token=token) as connection:
        await connection(calls.status())  # an error now is seen by whoever starts this, and not by an agent
        made = lake_server(connection, version=version("regionlake"))
        if port is None:
            await made.run_stdio_async()
        else:
            await made.run_streamable_http_async(port=port)
