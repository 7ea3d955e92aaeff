"""The child that decodes one feed: started by pipeline/live/feed_process.py, which may kill it at any time."""

import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from operators.readers.live_stream import LiveStream, StreamInfo
from pipeline.live.feeds.recorder import Recorder
from pipeline.live.live_config import LiveConfig
from pipeline.reading.child import child_connection
from pipeline.reading.keyframe_stream import ReadConfig
from schemas.clock import Span
from schemas.errors import RegionLakeError
from schemas.sources import Source

_HEARTBEAT_S = 0.5
STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class FollowRequest:
    """address: opens the feed, and may hold a password. uri: of the feed, as it is stored."""

    address: str
    uri: str
    plan_hash: str
    read: ReadConfig
    live: LiveConfig


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sent with frames, now and then. received, damaged, handed_on: frames since the child began.

    source: the recording that goes on. unsettled: what of it no packet has told of; lost if the child dies now.
    behind_s: how long ago the newest frame was shown, by the feed's clock.
    """

    info: StreamInfo
    received: int
    damaged: int
    handed_on: int
    source: Source | None
    unsettled: Span | None
    behind_s: float


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The last message. reason: why, in words without the address."""

    reason: str


def main() -> None:
    """Entry of the child."""
    connection = child_connection()
    stop = threading.Event()
    # a flag and no exception: that would come in the middle of a message
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    request = connection.recv()
    assert isinstance(request, FollowRequest)
    try:
        reason = _follow(request, connection, stop)
    except RegionLakeError as error:
        reason = str(error)
    connection.send(StreamEnded(reason))


def _follow(request: FollowRequest, connection: Connection, stop: threading.Event) -> str:
    """Until the stream ends or breaks off, which the returned reason tells, or until `stop` and one frame more."""
    recorder = Recorder(request.read, request.live, uri=request.uri, plan_hash=request.plan_hash)
    sent_s = 0.0
    with LiveStream(request.address, request.live.stream) as stream:
        reason = "the sender ended the stream"
        try:
            for frame in stream.frames():
                if stop.is_set():
                    reason = STOPPED
                    break
                for item in recorder.add(frame):
                    connection.send(item)
                    sent_s = 0.0
                if time.monotonic() - sent_s >= _HEARTBEAT_S:
                    sent_s = time.monotonic()
                    source = recorder.source
                    shown = None if source is None else source.clock.utc(frame.frame.pts)
                    behind_s = 0.0 if shown is None else (frame.arrived - shown).total_seconds()
                    connection.send(
                        Heartbeat(
                            info=frame.info,
                            received=recorder.received,
                            damaged=stream.damaged,
                            handed_on=recorder.handed_on,
                            source=source,
                            unsettled=recorder.unsettled,
                            behind_s=behind_s,
                        )
                    )
        except RegionLakeError as error:
            reason = str(error)
        for item in recorder.finish(reason):
            connection.send(item)
    return reason
