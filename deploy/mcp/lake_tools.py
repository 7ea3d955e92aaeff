"""The tools: what an agent may ask about a lake. They only read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from deploy.client.calls import Call, Calls
from deploy.client.connection import AsyncConnection
from schemas.errors import RegionLakeError
from schemas.visible_text import visible_json

INSTRUCTIONS = """\
A lake holds keyframes of videos and camera feeds, and the regions of each: things, with a box and a vector. Search it
by words, by a place in the frame, or by a region of an earlier hit. Boxes are [x0, y0, x1, y1], fractions of the frame
from its upper left corner. `confidence` is the chance that a hit shows what was asked; distances only order the hits of
one search. Begin with list_sources."""

Box = Annotated[
    tuple[float, float, float, float],
    Field(description="[x0, y0, x1, y1], fractions of the frame from the upper left."),
]
Corners = Annotated[
    list[tuple[float, float]], Field(min_length=2, max_length=64, description="Of a polygon, or two corners of a box.")
]
Text = Annotated[str, Field(max_length=1000)]
Sources = Annotated[
    list[str], Field(max_length=64, description="Ids of sources, from list_sources; all sources if omitted.")
]
Moment = Annotated[
    str | float,
    Field(description="A text is ISO 8601 in UTC (2026-05-01T12:00:00Z), a number seconds within each source."),
]
Asked = dict[str, Any]
_TOOLS = {"/api/sources": "list_sources"}  # address of the service → the tool by which an agent asks there
_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_WIDTH_PX = 640
_CLOSE_UP_PX = 256
_MOST_PICTURES = 12
_MOST_SOURCES = 200
_MOST_REGIONS = 24
_COUNTED = 1000
_MOST_ROWS = 500
_MOST_CHARACTERS = 20_000  # of the rows of an answer
_LONGEST_VALUE = 500  # characters


def lake_server(connection: AsyncConnection, *, version: str) -> MCPServer[None]:
    """A server of the protocol whose tools ask the service at the other end of a connection."""
    server: MCPServer[None] = MCPServer("regionlake", version=version, instructions=INSTRUCTIONS, log_level="WARNING")
    tools = LakeTools(connection)
    for tool in (
        tools.list_sources,
        tools.search,
        tools.show_frame,
        tools.show_moment,
        tools.count,
        tools.sql,
        tools.propose_watch,
    ):
        server.add_tool(tool, annotations=_READS, structured_output=False)
    return server


class LakeTools:
    """Each method is a tool: its docstring and annotations are what an agent reads."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def list_sources(
        self, name: Annotated[Text | None, Field(description="Only sources whose name contains this.")] = None
    ) -> list[str | Image]:
        """List the videos, pictures and feeds of the lake: id, name, kind, times, and number of keyframes."""
        answer = await self._get("/api/sources")
        found = [each for each in answer["sources"] if name is None or name.casefold() in each["name"].casefold()]
        kept = ("id", "name", "kind", "state", "keyframes", "start_s", "stop_s", "start", "stop", "error")
        shown = [_without_nulls({key: each[key] for key in kept}) for each in found[:_MOST_SOURCES]]
        return [visible_json({"sources": shown} | _omitted(len(found) - len(shown), "narrow it by `name`"))]

    async def search(
        self,
        text: Annotated[Text | None, Field(description='What to find, in words: "a person with a red bag".')] = None,
        box: Annotated[Box | None, Field(description="Exactly here: hits overlap this box.")] = None,
        zone: Annotated[Corners | None, Field(description="Somewhere in this area: hits lie in it.")] = None,
        like_region: Annotated[str | None, Field(description="Find what looks like this region_id of a hit.")] = None,
        unlike_text: Annotated[Text | None, Field(description="What hits should not show.")] = None,
        sources: Sources = [],  # noqa: B006
        since: Moment | None = None,
        until: Moment | None = None,
        min_confidence: Annotated[float | None, Field(ge=0, le=1, description="Only hits at least this sure.")] = None,
        order: Literal["relevance", "newest", "oldest"] = "relevance",
        limit: Annotated[int, Field(ge=1, le=50)] = 10,
        pictures: Annotated[int, Field(ge=0, le=_MOST_PICTURES, description="Close-ups of the first hits.")] = 3,
    ) -> list[str | Image]:
        """Find the moments that show something somewhere, best first, with close-ups of the first.

        Give at least one of text, box, zone and like_region; together they are one question. Each frame is one hit,
        with its best region.
        """
        asked = _asked(text=text, box=box, zone=zone, like_region=like_region, unlike_text=unlike_text)
        asked |= _when(sources, since, until) | {"k": limit, "order": order}
        if min_confidence is not None:
            asked["min_confidence"] = min_confidence
        answer = await self._post("/api/search", asked)
        hits = answer["hits"]
        shown = {"hits": [_hit(each) for each in hits], "compared": answer["candidates"], "exact": answer["exact"]}
        if not hits:
            shown["advice"] = (
                "nothing passes the filters: widen the box, the time or the sources, or lower min_confidence"
            )
        return [visible_json(shown), *[part for each in hits[:pictures] for part in await self._close_up(each)]]

    async def show_frame(
        self,
        frame_id: Annotated[str, Field(description="The frame_id of a hit.")],
        box: Annotated[Box | None, Field(description="Show a close-up of this box instead of the whole frame.")] = None,
        width_px: Annotated[int, Field(ge=64, le=1280)] = _WIDTH_PX,
    ) -> list[str | Image]:
        """Show a keyframe, with its regions and the ids of the keyframes before and after it."""
        frame = await self._get(f"/api/frames/{_id(frame_id)}")
        regions = [
            {"region_id": each["id"], "box": _rounded(each["box"])}
            | _without_nulls({key: each[key] for key in ("label", "human_label", "verdict", "track")})
            for each in frame["regions"][:_MOST_REGIONS]
        ]
        kept = ("id", "source", "source_id", "pts_s", "time", "previous", "next")
        shown = _without_nulls({key: frame[key] for key in kept}) | {"regions": regions}
        shown |= _omitted(len(frame["regions"]) - len(regions), "these are the best of them")
        params = {"width": str(width_px)} | ({} if box is None else {"box": ",".join(map(str, box)), "fill": "0.8"})
        return [visible_json(shown), await self._picture(f"/api/frames/{_id(frame_id)}.jpg", params)]

    async def show_moment(
        self,
        frame_id: Annotated[str, Field(description="The frame_id of a hit.")],
        around_s: Annotated[float, Field(gt=0, le=600, description="Seconds before and after it.")] = 5.0,
        frames: Annotated[int, Field(ge=2, le=_MOST_PICTURES)] = 6,
    ) -> list[str | Image]:
        """Show what happens around a keyframe: keyframes of the same source in order of time, spread evenly."""
        frame = await self._get(f"/api/frames/{_id(frame_id)}")
        middle = frame["pts_s"]
        params = {"since": str(middle - around_s), "until": str(middle + around_s), "limit": "2000"}
        answer = await self._get("/api/frames", {"source": frame["source_id"]} | params)
        listed = answer["frames"]
        chosen = [listed[round(i * (len(listed) - 1) / max(1, frames - 1))] for i in range(min(frames, len(listed)))]
        chosen = list({each["id"]: each for each in chosen}.values()) if len(listed) > frames else listed
        facts = [
            _without_nulls({"frame_id": e["id"], "pts_s": round(e["pts_s"], 3), "time": e["time"]}) for e in chosen
        ]
        params = {"width": str(_WIDTH_PX // 2)}
        pictures = [await self._picture(f"/api/frames/{each['id']}.jpg", params) for each in chosen]
        return [visible_json({"source": frame["source"], "keyframes": len(listed), "shown": facts}), *pictures]

    async def count(
        self,
        text: Text | None = None,
        box: Box | None = None,
        zone: Corners | None = None,
        sources: Sources = [],  # noqa: B006
        since: Moment | None = None,
        until: Moment | None = None,
        min_confidence: Annotated[
            float, Field(ge=0, le=1, description="Count frames that are at least this sure.")
        ] = 0.5,
        steps: Annotated[int, Field(ge=1, le=200)] = 24,
    ) -> list[str | Image]:
        """Count keyframes over time: all that there are, or those that show something somewhere.

        Keyframes are taken when the picture changes, so these are no numbers of things or of visits.
        """
        params: dict[str, Any] = {"bins": str(steps)}
        when = _when(sources, since, until)
        params |= {name: str(when[name]) for name in ("since", "until") if name in when}
        if sources:
            params["source"] = sources
        activity = await self._get("/api/activity", params)
        shown = {key: activity[key] for key in ("clock", "since", "until", "step_s", "keyframes")}
        if text is None and box is None and zone is None:
            return [visible_json(shown)]
        asked = _asked(text=text, box=box, zone=zone) | when | {"k": _COUNTED}
        if text is not None:
            asked["min_confidence"] = min_confidence
        answer = await self._post("/api/search", asked)
        shown["shows_it"] = _counted(answer["hits"], activity, steps)
        if len(answer["hits"]) == _COUNTED:
            shown["advice"] = f"only the nearest {_COUNTED} frames are counted: narrow the time or the sources"
        return [visible_json(shown)]

    async def sql(
        self,
        query: Annotated[str, Field(max_length=20_000, description="One SELECT of DuckDB, or DESCRIBE of a view.")],
        rows: Annotated[int, Field(ge=1, le=_MOST_ROWS)] = 50,
        sources: Sources = [],  # noqa: B006
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> list[str | Image]:
        """Count, follow and measure with SQL: how many things, when, how long, across which line.

        Tables: sources, shots, frames, regions (id, frame, source, at_s, time, x0 y0 x1 y1, label, track), and labels
        of people. Views: objects (one row for each thing that was followed: label, confidence, first_s, last_s, frame),
        sightings, visits(zone := '0,0.5,1,1'), stays(zone := …) with enter_s, leave_s and dwell_s, crossings('0.5,0
        0.5,1') with direction, counts(step_s := 60), heat. "DESCRIBE visits" lists the columns of one. `frame` is a
        frame_id for show_frame. Times ending in _s are seconds within the source. `sources`, `since` and `until` say
        what is read, before the query runs.
        """
        answer = await self._post("/api/sql", {"query": query, "rows": rows} | _when(sources, since, until))
        names = [each["name"] for each in answer["columns"]]
        shown: Asked = {"columns": names, "rows": [[_shortened(value) for value in row] for row in answer["rows"]]}
        size = 0
        for number, row in enumerate(shown["rows"]):
            size += len(visible_json(row))
            if size > _MOST_CHARACTERS:
                shown["rows"] = shown["rows"][: max(1, number)]
                break
        if answer["more"] or len(shown["rows"]) < len(answer["rows"]):
            shown["omitted"] = "there are more rows: aggregate, choose fewer columns, or add LIMIT and OFFSET"
        return [visible_json(shown)]

    async def propose_watch(
        self,
        text: Text | None = None,
        box: Box | None = None,
        zone: Corners | None = None,
        sources: Sources = [],  # noqa: B006
        min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.6,
        hours: Annotated[Text | None, Field(description="mon-fri 20:00-06:00 Europe/Berlin")] = None,
        stay_s: Annotated[float, Field(ge=0, le=86_400, description="How long it must stay to be reported.")] = 0.0,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> list[str | Image]:
        """Say what a watch would have reported in the past, with examples on both sides of its limit.

        Nothing is saved: a person saves a watch on the page, or by posting `watch` to /api/watches.
        """
        query = _asked(text=text, box=box, zone=zone) | ({"sources": sources} if sources else {})
        if text is not None:
            query["min_confidence"] = min_confidence
        asked = {"query": query, "stay_s": stay_s} | ({} if hours is None else {"hours": hours})
        answer = await self._post("/api/watches/rehearsal", asked | _when([], since, until))
        examples = {name: [_hit(each) for each in answer[name][:4]] for name in ("hits", "above", "below")}
        kept = {key: answer[key] for key in ("by", "limit", "frames", "fired")}
        pictures = [
            part for each in [*answer["above"][:2], *answer["below"][:2]] for part in await self._close_up(each)
        ]
        return [visible_json(kept | examples | {"watch": {"title": text or "Somebody is there", **asked}}), *pictures]

    # -- requests ------------------------------------------------------------------------------------

    async def _close_up(self, hit: Asked) -> list[str | Image]:
        """A close-up of a hit's box, with a line that says of which hit; nothing where its picture is gone."""
        params = {"width": str(_CLOSE_UP_PX), "height": str(_CLOSE_UP_PX), "box": ",".join(map(str, hit["box"]))}
        try:
            picture = await self._picture(f"/api/frames/{hit['frame_id']}.jpg", params)
        except ToolError as error:
            return [f"no picture of {hit['frame_id']}: {error}"]
        return [f"close-up of frame_id {hit['frame_id']}:", picture]

    async def _picture(self, path: str, params: Asked) -> Image:
        return Image(data=await self._answer(Call("GET", path, params=params, binary=True)), format="jpeg")

    async def _get(self, path: str, params: Asked | None = None) -> Any:
        return await self._answer(Call("GET", path, params=params or {}))

    async def _post(self, path: str, body: Asked) -> Any:
        return await self._answer(Call("POST", path, body))

    async def _answer(self, call: Call) -> Any:
        try:
            return await self._connection(_once(call))
        except RegionLakeError as error:
            sentence = str(error)
            for address, tool in _TOOLS.items():
                sentence = sentence.replace(address, tool)
            raise ToolError(sentence) from None


def _once(call: Call) -> Calls[Any]:
    answer = yield call
    return answer


def _shortened(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    text = visible_json(value) if isinstance(value, list | dict) else value
    return f"{text[:_LONGEST_VALUE]}…" if isinstance(text, str) and len(text) > _LONGEST_VALUE else value


def _asked(
    *,
    text: str | None,
    box: Sequence[float] | None,
    zone: Sequence[Sequence[float]] | None,
    like_region: str | None = None,
    unlike_text: str | None = None,
) -> Asked:
    """The part of a query that says what and where. Raises ToolError where it says nothing."""
    if text is None and box is None and zone is None and like_region is None:
        raise ToolError("say what to look for: give text, box, zone or like_region")
    if box is not None and zone is not None:
        raise ToolError("give `box` for exactly there, or `zone` for somewhere in an area, not both")
    found: Asked = {"text": text, "box": box, "region": like_region, "not": unlike_text}
    if zone is not None:
        corners = [list(each) for each in zone]
        found["zones"] = [[*corners[0], *corners[1]] if len(corners) == 2 else corners]
    return _without_nulls(found)


def _when(sources: Sequence[str], since: str | float | None, until: str | float | None) -> Asked:
    return ({"sources": list(sources)} if sources else {}) | _without_nulls({"since": since, "until": until})


def _hit(hit: Asked) -> Asked:
    kept = ("source", "source_id", "time", "frame_id", "region_id", "label", "human_label", "verdict", "track")
    shown = _without_nulls({key: hit.get(key) for key in kept})
    rounded = {key: round(hit[key], 3) for key in ("pts_s", "confidence", "distance") if hit.get(key) is not None}
    return shown | rounded | {"box": _rounded(hit["box"])}


def _counted(hits: Sequence[Asked], activity: Asked, steps: int) -> list[int]:
    """How many hits are in each step of an activity, by its clock."""

    def at(hit: Asked) -> float | None:
        if activity["clock"] == "source":
            return float(hit["pts_s"])
        return None if hit["time"] is None else datetime.fromisoformat(hit["time"]).timestamp()

    first = activity["since"]
    start = float(first) if activity["clock"] == "source" else datetime.fromisoformat(first).timestamp()
    counts = [0] * steps
    for moment in map(at, hits):
        step = -1 if moment is None else int((moment - start) // activity["step_s"])
        if 0 <= step < steps:
            counts[step] += 1
    return counts


def _omitted(count: int, advice: str) -> Asked:
    return {"omitted": count, "advice": advice} if count > 0 else {}


def _id(text: str) -> str:
    """The id of a frame as a part of an address. Raises ToolError for what can be none."""
    if not (text.isascii() and text.isalnum()):
        raise ToolError(f"{text[:40]!r} is no frame_id: take that of a hit")
    return text


def _rounded(box: Sequence[float]) -> list[float]:
    return [round(side, 3) for side in box]


def _without_nulls(values: Asked) -> Asked:
    return {key: value for key, value in values.items() if value is not None}
