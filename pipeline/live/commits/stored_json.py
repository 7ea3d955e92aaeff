"""Recordings, segments, losses and counts as JSON, for the files that a follower leaves on disk.

Every field is named here, so that a field which is renamed in the code keeps its name on disk. A change of the format
raises VERSION; the `from` functions raise KeyError, TypeError or ValueError for what no `to` function wrote.
"""

from datetime import datetime
from fractions import Fraction
from typing import Any

from pipeline.live.account.losses import Lost, Received, RecordingEnded
from pipeline.plan.stored_plan import StoredPlan
from schemas.clock import Clock, Span
from schemas.shots import CutEvent
from schemas.sources import Segment, SegmentReport, Source

VERSION = 1
Json = dict[str, Any]


def require_version(stored: Json) -> None:
    """Raises ValueError for a file of another format."""
    if stored["version"] != VERSION:
        raise ValueError(f"it has version {stored['version']}, this release reads {VERSION}")


def span_to_json(span: Span) -> list[int]:
    return [span.start, span.stop]


def span_from_json(stored: list[int]) -> Span:
    start, stop = stored
    return Span(int(start), int(stop))


def clock_to_json(clock: Clock) -> Json:
    began = clock.start_time
    return {"time_base": str(clock.time_base), "start_time": None if began is None else began.isoformat()}


def clock_from_json(stored: Json) -> Clock:
    began = stored["start_time"]
    return Clock(Fraction(stored["time_base"]), None if began is None else datetime.fromisoformat(began))


def source_to_json(source: Source) -> Json:
    return {
        "uri": source.uri,
        "id": source.id,
        "kind": source.kind,
        "clock": clock_to_json(source.clock),
        "span": span_to_json(source.span),
        "width_px": source.width_px,
        "height_px": source.height_px,
        "sync_pts": list(source.sync_pts),
        "frame_rate": source.frame_rate,
        "codec": source.codec,
    }


def source_from_json(stored: Json) -> Source:
    return Source(
        uri=stored["uri"],
        id=stored["id"],
        kind=stored["kind"],
        clock=clock_from_json(stored["clock"]),
        span=span_from_json(stored["span"]),
        width_px=int(stored["width_px"]),
        height_px=int(stored["height_px"]),
        sync_pts=tuple(int(pts) for pts in stored["sync_pts"]),
        frame_rate=float(stored["frame_rate"]),
        codec=stored["codec"],
    )


def segment_to_json(segment: Segment) -> Json:
    return {"source": source_to_json(segment.source), "span": span_to_json(segment.span), "id": segment.id}


def segment_from_json(stored: Json) -> Segment:
    return Segment(source_from_json(stored["source"]), span_from_json(stored["span"]), stored["id"])


def plan_to_json(plan: StoredPlan) -> Json:
    return {"hash": plan.hash, "settings": plan.settings, "toml": plan.toml, "version": plan.version}


def plan_from_json(stored: Json) -> StoredPlan:
    return StoredPlan(stored["hash"], stored["settings"], toml=stored["toml"], version=stored["version"])


def report_to_json(report: SegmentReport) -> Json:
    return {
        "frames_decoded": report.frames_decoded,
        "near_duplicates": report.near_duplicates,
        "first_pts": report.first_pts,
        "last_pts": report.last_pts,
        "cut_events": [[event.pts, event.previous_pts, event.kind] for event in report.cut_events],
        "shed": report.shed,
    }


def report_from_json(stored: Json) -> SegmentReport:
    first, last = stored["first_pts"], stored["last_pts"]
    return SegmentReport(
        frames_decoded=int(stored["frames_decoded"]),
        near_duplicates=int(stored["near_duplicates"]),
        first_pts=None if first is None else int(first),
        last_pts=None if last is None else int(last),
        cut_events=tuple(CutEvent(int(pts), int(before), kind) for pts, before, kind in stored["cut_events"]),
        shed=int(stored["shed"]),
    )


def lost_to_json(lost: Lost) -> Json:
    return {
        "segment": segment_to_json(lost.segment),
        "frames": lost.frames,
        "reason": lost.reason,
        "state": lost.state,
    }


def lost_from_json(stored: Json) -> Lost:
    return Lost(segment_from_json(stored["segment"]), int(stored["frames"]), stored["reason"], stored["state"])


def ended_to_json(ended: RecordingEnded) -> Json:
    return {"source": source_to_json(ended.source), "reason": ended.reason}


def ended_from_json(stored: Json) -> RecordingEnded:
    return RecordingEnded(source_from_json(stored["source"]), stored["reason"])


def received_to_json(received: Received) -> Json:
    return {
        "source": source_to_json(received.source),
        "frames": received.frames,
        "stop": received.stop,
        "emitted": received.emitted,
    }


def received_from_json(stored: Json) -> Received:
    return Received(
        source_from_json(stored["source"]), int(stored["frames"]), int(stored["stop"]), int(stored["emitted"])
    )
