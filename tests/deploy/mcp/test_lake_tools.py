"""Agents: catches tools that a client of the protocol cannot call, that answer otherwise than the service, or write."""

import asyncio
import base64
import io
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2 as httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, ImageContent, TextContent
from PIL import Image

from deploy.client.connection import AsyncConnection
from deploy.mcp.lake_tools import lake_server
from tests.deploy.server.conftest import World


def asked(ask: Callable[[Client], Awaitable[Any]], *arguments: str) -> Any:
    """What a client of the protocol gets from `regionlake mcp ARGUMENTS…`."""
    command = StdioServerParameters(command=sys.executable, args=["-m", "deploy.cli.main", "mcp", *arguments])

    async def run() -> Any:
        async with Client(command, read_timeout_seconds=120) as client:
            return await ask(client)

    return asyncio.run(run())


def call(url: str, tool: str, **arguments: object) -> CallToolResult:
    """The same from the tools in this process, which starts sooner."""

    async def run() -> CallToolResult:
        async with (
            AsyncConnection(url) as connection,
            Client(lake_server(connection, version="1"), read_timeout_seconds=120) as client,
        ):
            return await client.call_tool(tool, arguments)

    return asyncio.run(run())


def facts(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    first = result.content[0]
    assert isinstance(first, TextContent)
    found: dict[str, Any] = json.loads(first.text)
    return found


def pictures(result: CallToolResult) -> list[Image.Image]:
    found = [each for each in result.content if isinstance(each, ImageContent)]
    assert all(each.mime_type == "image/jpeg" for each in found)
    return [Image.open(io.BytesIO(base64.b64decode(each.data))) for each in found]


def mistake(result: CallToolResult) -> str:
    assert result.is_error
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


def service_hits(url: str, **query: object) -> list[dict[str, Any]]:
    hits: list[dict[str, Any]] = httpx.post(f"{url}/api/search", json=query, timeout=120).json()["hits"]
    return hits


def test_tools_are_described_and_only_read(url: str) -> None:
    listed = asked(lambda client: client.list_tools(), "--server", url).tools
    assert {tool.name for tool in listed} == {
        "list_sources",
        "search",
        "show_frame",
        "show_moment",
        "count",
        "sql",
        "propose_watch",
    }
    for tool in listed:
        assert tool.annotations.read_only_hint
        assert len(tool.description) > 40
    search = next(tool for tool in listed if tool.name == "search")
    assert "upper left" in json.dumps(search.input_schema["properties"]["box"])


def test_a_search_answers_as_the_service_does_and_shows_close_ups(url: str) -> None:
    result = call(url, "search", text="a bicycle", box=[0.2, 0.2, 0.9, 0.9], limit=5, pictures=2)
    expected = service_hits(url, text="a bicycle", box=[0.2, 0.2, 0.9, 0.9], k=5)
    shown = facts(result)["hits"]
    assert [each["frame_id"] for each in shown] == [each["frame_id"] for each in expected]
    assert [each["confidence"] for each in shown] == [round(each["confidence"], 3) for each in expected]
    assert [128 <= max(each.size) <= 256 for each in pictures(result)] == [True, True]


def test_what_looks_like_a_region_and_lies_in_a_zone_is_found(url: str) -> None:
    region = service_hits(url, box=[0.2, 0.2, 0.9, 0.9], k=1)[0]["region_id"]
    zone = [[0.0, 0.0], [1.0, 1.0]]
    shown = facts(call(url, "search", like_region=region, zone=zone, limit=3, pictures=0))["hits"]
    expected = service_hits(url, region=region, zones=[[0.0, 0.0, 1.0, 1.0]], k=3)
    assert [each["frame_id"] for each in shown] == [each["frame_id"] for each in expected]


def test_a_frame_and_what_happens_around_it_are_shown(url: str) -> None:
    sources = facts(call(url, "list_sources", name="BIKES"))["sources"]
    assert [each["name"] for each in sources] == ["bikes.mp4"]
    hit = service_hits(url, text="a bicycle", sources=[sources[0]["id"]], k=1)[0]
    frame = call(url, "show_frame", frame_id=hit["frame_id"], width_px=200)
    assert facts(frame)["id"] == hit["frame_id"]
    assert facts(frame)["regions"]
    assert [each.width for each in pictures(frame)] == [200]
    near = call(url, "show_frame", frame_id=hit["frame_id"], box=[0.1, 0.1, 0.4, 0.4])
    assert pictures(near)[0].tobytes() != pictures(frame)[0].tobytes()
    moment = call(url, "show_moment", frame_id=hit["frame_id"], around_s=30, frames=3)
    times = [each["pts_s"] for each in facts(moment)["shown"]]
    assert times == sorted(times)
    assert len(times) == len(pictures(moment)) == min(3, sources[0]["keyframes"])


def test_keyframes_are_counted_over_time_all_and_those_that_show_something(url: str) -> None:
    (source,) = facts(call(url, "list_sources", name="bikes"))["sources"]
    everything = facts(call(url, "count", sources=[source["id"]], steps=4))
    assert sum(everything["keyframes"]) == source["keyframes"]
    some = facts(call(url, "count", sources=[source["id"]], steps=4, text="a bicycle", min_confidence=0))
    assert some["shows_it"] == some["keyframes"]
    none = facts(call(url, "count", sources=[source["id"]], steps=4, text="a bicycle", min_confidence=1))
    assert none["shows_it"] == [0, 0, 0, 0]


def test_a_proposed_watch_is_rehearsed_and_not_saved(url: str) -> None:
    shown = facts(call(url, "propose_watch", text="a bicycle", min_confidence=0.01))
    assert shown["by"] == "confidence"
    assert shown["fired"] >= 1
    assert httpx.get(f"{url}/api/watches", timeout=60).json()["watches"] == []
    saved = httpx.post(f"{url}/api/watches", json=shown["watch"], timeout=60)
    assert saved.status_code == 201
    assert httpx.delete(f"{url}/api/watches/{saved.json()['name']}", timeout=60).status_code == 204


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("search", {}, "give text, box, zone or like_region"),
        ("search", {"text": "a dog", "box": [0.5, 0.5, 0.4, 0.9]}, "box"),
        ("search", {"text": "a dog", "sources": ["nobody"]}, "no source nobody; list_sources lists those that it has"),
        ("search", {"text": "a dog", "since": "yesterday"}, "write 2026-05-01T12:00:00Z"),
        ("search", {"text": "a dog", "limit": 5000}, "less than or equal to 50"),
        ("search", {"box": [0, 0, 1, 1], "zone": [[0, 0], [1, 1]]}, "not both"),
        ("show_frame", {"frame_id": "../../etc/passwd"}, "is no frame_id: take that of a hit"),
        ("show_frame", {"frame_id": "0" * 32}, "the lake has no frame"),
        ("count", {"since": 9.0, "until": 1.0}, "not before"),
    ],
)
def test_a_mistake_says_what_to_do(url: str, tool: str, arguments: dict[str, object], said: str) -> None:
    assert said in mistake(call(url, tool, **arguments))


def test_a_lake_is_served_for_one_agent_and_no_longer(world: World) -> None:
    lake = str(world.lake)

    async def ask(client: Client) -> Any:
        return await client.call_tool("search", {"text": "a bicycle", "pictures": 0})

    assert facts(asked(ask, "--lake", lake))["hits"]


def test_without_a_service_whoever_starts_it_is_told(regionlake_mcp: Callable[..., tuple[int, str]]) -> None:
    assert regionlake_mcp("--server", "http://127.0.0.1:9") == (
        1,
        "regionlake: no service answers at http://127.0.0.1:9: All connection attempts failed; start one with: "
        "regionlake serve --lake LAKE\n",
    )
    code, message = regionlake_mcp()
    assert code == 2
    assert "give one of the two" in message
    code, message = regionlake_mcp("--lake", "/nowhere")
    assert code == 1
    assert "no lake at /nowhere; make one with" in message


def test_sql_answers_as_the_service_does_and_says_what_it_omits(url: str) -> None:
    query = "SELECT id, source, at_s FROM frames ORDER BY id"
    answer = httpx.post(f"{url}/api/sql", json={"query": query}, timeout=120).json()
    shown = facts(call(url, "sql", query=query))
    assert shown["columns"] == ["id", "source", "at_s"]
    assert [row[0] for row in shown["rows"]] == [row[0] for row in answer["rows"]]
    assert "omitted" not in shown
    cut = facts(call(url, "sql", query=query, rows=2))
    assert cut["rows"] == shown["rows"][:2]
    assert "LIMIT" in cut["omitted"]
    long = facts(call(url, "sql", query="SELECT repeat('x', 400) AS x FROM range(400)", rows=400))
    assert len(json.dumps(long)) < 25_000
    assert "omitted" in long
    assert "only SELECT is answered" in mistake(call(url, "sql", query="DELETE FROM frames"))
