"""Keyframes: one with its regions and neighbours, and those of a source in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.pictures.clips import AROUND_S, span_around
from deploy.server.answers import RequestError
from deploy.server.showing.catalogue import Sources
from pipeline.labels.label_table import Labels, judged
from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.stored_once import stores_once
from pipeline.live.status.state_folder import StateFolder
from pipeline.ring.cut import cut_of_seconds
from pipeline.ring.feed_ring import rings_of_state
from pipeline.search.memory.frame_listing import FrameListing
from pipeline.search.memory.lake_cache import NO_TIME
from schemas.errors import RegionLakeError
from schemas.query import BoxTuple, Moment

_EPOCH = datetime.fromtimestamp(0, UTC)
_ID = 32  # hexadecimal digits


@dataclass(frozen=True, slots=True)
class FoundFrame:
    """A keyframe as the lake stores it. shot_s: start and stop of its shot, once its source is complete."""

    id: str
    source_id: str
    uri: str
    kind: str
    pts: int
    pts_s: float
    time: datetime | None
    width_px: int
    height_px: int
    thumbnail: bytes
    shot_s: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class FoundRegion:
    """A region as the lake stores it."""

    id: str
    frame_id: str
    box: BoxTuple


class Frames:
    """Reads keyframes and regions of a lake by their ids. Raises RequestError with 404 for one that the lake lacks, or
    whose source is not one of these."""

    def __init__(self, lake: Lake, sources: Sources) -> None:
        self._lake = lake
        self._sources = sources
        self._rings = rings_of_state(StateFolder.of(lake.uri).path)

    def seen_by(self, sources: Sources) -> "Frames":
        return Frames(self._lake, sources)

    def find(self, id: str, *, with_shot: bool = False) -> FoundFrame:
        columns = ["id", "source_id", "source", "pts", "pts_s", "time", "width_px", "height_px", "thumbnail"]
        row = self._one("frames", id, columns)
        catalogue = self._sources(knowing=[row["source_id"]])
        known = catalogue.served.get(row["source_id"])
        return FoundFrame(
            **{name: row[name] for name in columns if name != "source"},
            uri=row["source"],
            kind="video" if known is None else catalogue.sources[known].kind,
            shot_s=self._shot_s(row["source_id"], row["pts"]) if with_shot else None,
        )

    def region(self, id: str) -> FoundRegion:
        row = self._one("regions", id, ["id", "frame", "source", "x0", "y0", "x1", "y1"])
        return FoundRegion(row["id"], row["frame"], (row["x0"], row["y0"], row["x1"], row["y1"]))

    def shown(self, id: str, listing: FrameListing) -> dict[str, object]:
        """The frame with its regions and neighbours, as the service's JSON."""
        frame = self.find(id, with_shot=True)
        columns = ["id", "x0", "y0", "x1", "y1", "proposer", "score", "label", "track"]
        chosen = sql.equals("frame", id)
        if stores_once(self._lake):  # those of earlier keyframes that still stand, too
            earlier = f"pts < {int(frame.pts)} AND until > {int(frame.pts)}"
            chosen = sql.any_of([chosen, sql.all_of(sql.equals("source_id", frame.source_id), earlier)])
        regions = self._lake.read("regions", columns=columns, where=chosen).to_pylist()
        said = judged(Labels(self._lake).read(frame=id))
        catalogue = self._sources(knowing=[frame.source_id])
        source = catalogue.of_row(frame.source_id)
        order = of_source(listing, source.source_ids)
        at = np.flatnonzero(listing.frame_id[order] == id.encode())
        around = clip_s(frame, around_s=AROUND_S)
        if around is not None and frame.kind == "feed" and not self._has_video(frame, around):
            around = None
        return {
            "id": id,
            "source": source.name,
            "source_id": source.id,
            "pts_s": frame.pts_s,
            "time": None if frame.time is None else frame.time.isoformat(),
            "width_px": frame.width_px,
            "height_px": frame.height_px,
            "previous": _neighbour(listing, order, at, -1),
            "next": _neighbour(listing, order, at, 1),
            "clip_s": around,
            "regions": [
                {
                    "id": row["id"],
                    "box": [row["x0"], row["y0"], row["x1"], row["y1"]],
                    **{name: row[name] for name in ("proposer", "score", "label", "track")},
                    "human_label": said[row["id"]].label if row["id"] in said else None,
                    "verdict": said[row["id"]].verdict if row["id"] in said else None,
                }
                for row in sorted(regions, key=lambda row: (-row["score"], row["id"]))
            ],
        }

    def _has_video(self, frame: FoundFrame, around_s: tuple[float, float]) -> bool:
        start_s, stop_s = around_s
        try:
            cut_of_seconds(self._rings, uri=frame.uri, source_id=frame.source_id, start_s=start_s, stop_s=stop_s)
        except RegionLakeError:
            return False
        return True

    def _one(self, table: Any, id: str, columns: list[str]) -> dict[str, Any]:
        rows = []
        if len(id) == _ID and id.isalnum() and id.isascii():
            rows = self._lake.read(table, columns=columns, where=sql.equals("id", id)).to_pylist()
        if not rows or not self._sources.grants.allow(rows[0]["source"]):
            what = "frame" if table == "frames" else "region"
            raise RequestError(404, f"the lake has no {what} {id[:_ID]}; it takes the {what}_id of a hit")
        found: dict[str, Any] = rows[0]
        return found

    def _shot_s(self, source_id: str, pts: int) -> tuple[float, float] | None:
        where = sql.all_of(sql.equals("source_id", source_id), f"start <= {int(pts)}", f"stop > {int(pts)}")
        rows = self._lake.read("shots", columns=["start_s", "stop_s"], where=where).to_pylist()
        return (rows[0]["start_s"], rows[0]["stop_s"]) if rows else None


def clip_s(frame: FoundFrame, *, around_s: float) -> tuple[float, float] | None:
    """The part of the source that a clip of the frame shows; None where there can be none."""
    if frame.kind == "picture":
        return None
    start, stop = span_around(frame.pts_s, frame.shot_s, around_s=around_s)
    return (start if frame.kind == "feed" or frame.shot_s is not None else max(start, 0.0)), stop


def of_source(listing: FrameListing, source_ids: Sequence[str]) -> NDArray[np.intp]:
    """Rows of the keyframes of these sources of the lake, in order of time: by UTC where all have it."""
    wanted = set(source_ids)
    codes = [code for code, id in enumerate(listing.source_ids) if id in wanted]
    rows = np.flatnonzero(np.isin(listing.source, codes))
    return rows[np.lexsort((listing.pts_s[rows], listing.source[rows], listing.time[rows]))]


def in_time(
    listing: FrameListing, rows: NDArray[np.intp], since: Moment | None, until: Moment | None
) -> NDArray[np.intp]:
    """The rows with `since <= time < until`, by the clock of each bound."""
    for bound, lower in ((since, True), (until, False)):
        if bound is not None:
            utc = isinstance(bound, datetime)
            clock = listing.time[rows] if utc else listing.pts_s[rows]
            limit = micros(bound) if isinstance(bound, datetime) else bound
            keep = clock >= limit if lower else clock < limit
            rows = rows[keep & (listing.time[rows] != NO_TIME)] if utc else rows[keep]
    return rows


def listed(listing: FrameListing, rows: NDArray[np.intp], *, served: str) -> list[dict[str, object]]:
    """The frames of these rows, as the service's JSON. served: the id of their source."""
    return [
        {
            "id": listing.frame_id[row].decode(),
            "source_id": served,
            "pts_s": float(listing.pts_s[row]),
            "time": utc_text(int(listing.time[row])),
        }
        for row in rows.tolist()
    ]


def micros(moment: datetime) -> int:
    """Whole µs since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def utc_text(time_us: int) -> str | None:
    return None if time_us == NO_TIME else (_EPOCH + timedelta(microseconds=time_us)).isoformat()


def _neighbour(listing: FrameListing, order: NDArray[np.intp], at: NDArray[np.intp], step: int) -> str | None:
    if not len(at) or not 0 <= at[0] + step < len(order):
        return None
    id: str = listing.frame_id[order[at[0] + step]].decode()
    return id
