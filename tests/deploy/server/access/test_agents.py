"""Agents with the token of a user. Catches a tool that answers about a source which that user may not see."""

import asyncio
from typing import Any

from mcp import Client
from mcp.types import TextContent

from deploy.client.connection import AsyncConnection
from deploy.mcp.lake_tools import lake_server


def said(url: str, token: str, tool: str, **arguments: object) -> tuple[bool, str]:
    """Whether a tool failed, and its words."""

    async def run() -> tuple[bool, str]:
        async with (
            AsyncConnection(url, token=token) as connection,
            Client(lake_server(connection, version="test"), read_timeout_seconds=60) as client,
        ):
            result = await client.call_tool(tool, arguments)
            return bool(result.is_error), "".join(each.text for each in result.content if isinstance(each, TextContent))

    return asyncio.run(run())


def test_an_agent_sees_what_its_user_sees(guarded: str, users: dict[str, str], hidden: dict[str, Any]) -> None:
    for _ in range(10):  # the first search loads the model, on a busy machine for longer than a request may take
        failed, found = said(guarded, users["viewer"], "search", text="noise")
        if not failed:
            break
    for name, sees in (("viewer", True), ("guest", False)):
        _, listed = said(guarded, users[name], "list_sources")
        failed, found = said(guarded, users[name], "search", text="noise")
        assert not failed, found
        failed, shown = said(guarded, users[name], "show_frame", frame_id=hidden["frame"])
        assert "bikes.mp4" in listed
        assert ("street.png" in listed, "street.png" in found, not failed) == (sees, sees, sees)
        assert "street.png" in shown or not sees
    failed, sentence = said(guarded, "rl_wrong", "list_sources")
    assert failed
    assert "bikes" not in sentence
