"""The child process that decodes one feed: started by pipeline/live/feeds/feed.py, which may kill it at any time."""

import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from operators.readers.growing_file import FileMark
from operators.readers.live_stream import LiveFrame, LiveStream, StreamInfo
from operators.readers.masked_video import MaskedVideo
from operators.readers.packet_tap import PacketTap
from operators.readers.stream_address import is_address
from operators.readers.stream_tls import TlsConfig, authorities_of, uses_tls
from operators.sandbox.confinement import Confinement, confine
from pipeline.ingest.packets import FramePacket
from pipeline.live.account.losses import RecordingEnded
from pipeline.live.feeds.feed_video import RecordingVideo
from pipeline.live.feeds.recorder import Recorder, ingested_spans
from pipeline.live.live_config import LiveConfig
from pipeline.reading.child import child_connection
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.ring.config import RingConfig
from pipeline.runtime.time_source import REAL_TIME
from schemas.clock import Span
from schemas.errors import RegionLakeError, SandboxError
from schemas.sources import Source
from schemas.zones import Zone

_HEARTBEAT_S = 0.5
_TAIL_S = 60.0  # longer than what a playlist repeats
STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class FollowRequest:
    """How a feed is opened and read.

    address: opens the feed, and may hold a password. uri: the feed's, as it is stored.
    recordings: of a file that grows, the recordings that were made of it before, each with the span that it covers; of
        a playlist (HLS), which gives its newest chunk to every new client, only the last recording.
    tls: which certificate of the server is trusted.
    ring: where the packets of a stream are kept; None to keep none. A file that grows is its own video.
    masks: areas that are black before anything looks at a frame. Packets show what is under them, and are not kept.
    encodes_masked: keep the frames of a masked stream, encoded again with the masks black, instead of no video.
    """

    address: str
    uri: str
    plan_hash: str
    read: ReadConfig
    live: LiveConfig
    recordings: tuple[Source, ...] = ()
    tls: TlsConfig = field(default_factory=TlsConfig)
    ring: RingConfig | None = None
    masks: tuple[Zone, ...] = ()
    encodes_masked: bool = False

    @property
    def is_file(self) -> bool:
        return not is_address(self.address)

    @property
    def keeps_video(self) -> bool:
        return self.ring is not None and not self.is_file and (not self.masks or self.encodes_masked)

    @property
    def unverified(self) -> bool:
        """Whether the server is reached by TLS and any certificate of it is accepted."""
        return uses_tls(self.address) and not self.tls.verify

    @property
    def is_playlist(self) -> bool:
        return self.address.lower().startswith("http")

    def ingested_spans(self, identity: str) -> list[Span]:
        """The spans of a file, or of the stream (identity ""), that were ingested before and are skipped."""
        if self.is_file:
            return ingested_spans(self.recordings, self.uri, identity)
        tails = []
        for recording in self.recordings:
            span = recording.span
            tails.append(Span(max(span.start, span.stop - recording.clock.ticks(_TAIL_S)), span.stop))
        return tails


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sent every half second while frames arrive. received, damaged, emitted: frames since the child began.

    source: the current recording. unsettled: its span that is in no packet yet, which is lost if the child dies now.
    behind_s: how long ago the newest frame was shown, by the feed's clock.
    """

    info: StreamInfo
    received: int
    damaged: int
    emitted: int
    source: Source | None
    unsettled: Span | None
    behind_s: float


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The last message of the child.

    reason: why the stream ended, without the address. mark: how far a file was read; None for a stream, and for a file
    that could not be opened. failed: whether to try again although nothing changed.
    """

    reason: str
    mark: FileMark | None = None
    failed: bool = True


@dataclass(frozen=True, slots=True)
class Waiting:
    """Sent every half second while a file is searched for its next frame, or does not grow."""


def main() -> None:
    """Entry point of the child."""
    stop = threading.Event()
    # a flag, because an exception could interrupt a message
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    missing: list[str] = []
    connection, request = child_connection(lambda request: missing.extend(_confine(request)))
    assert isinstance(request, FollowRequest)
    try:
        if missing and request.read.limits.sandbox == "require":
            raise SandboxError(f"read.limits.sandbox is require, and this kernel cannot confine {'; '.join(missing)}")
        ended = _follow(request, connection, stop)
    except (RegionLakeError, OSError) as error:
        ended = StreamEnded(str(error))
    connection.send(ended)


def _confine(request: FollowRequest) -> tuple[str, ...]:
    """Leaves this process the feed's file, or the network; returns what the kernel cannot enforce."""
    listens = "listen" in urlsplit(request.address).query
    authorities = authorities_of(replace(request.tls, ca_file=request.live.stream.ca_file))
    return confine(
        Confinement(
            readable=(request.address,) if request.is_file else (authorities,),
            network="none" if request.is_file else "in" if listens else "out",
            memory_bytes=int(request.read.limits.memory_gib * 2**30),
        )
    )


def _follow(request: FollowRequest, connection: Connection, stop: threading.Event) -> StreamEnded:
    """Follows the stream until it ends or breaks off, or until the first frame after `stop`."""
    heartbeats = _Heartbeats(connection)

    def on_wait() -> bool:
        heartbeats.send_if_due(Waiting)
        return stop.is_set()

    tap = PacketTap(connection.send) if request.keeps_video else None
    masked = MaskedVideo(tap) if tap is not None and request.masks else None
    stream = LiveStream(
        request.address,
        request.live.stream,
        ingested_spans=request.ingested_spans,
        quiet_s=request.live.stalled_s,
        on_wait=on_wait,
        on_packet=masked.take if masked is not None else tap or (lambda _: None),
        with_sound=tap is not None and request.ring is not None and request.ring.sound,
        limits=request.read.limits,
        tls=request.tls,
        masks=request.masks,
    )
    if tap is not None:
        tap.sound = stream.sound
    with stream:
        recorder = Recorder(
            request.read, request.live, uri=request.uri, plan_hash=request.plan_hash, identity=stream.identity
        )
        runs = None if tap is None else _RunsOfRecordings(tap, connection)
        reason = None
        failed = stream.mark is None  # a file that ends may still grow; a stream that ends has failed

        def send(items: Iterable[FramePacket | RecordingEnded]) -> None:
            for item in items:
                if runs is not None:
                    runs.before(item)
                connection.send(item)
                heartbeats.hurry()

        try:
            for frame in stream.frames():
                if stop.is_set():
                    reason = STOPPED
                    break
                if masked is not None:
                    masked.add(frame)
                send(recorder.add(frame))
                if runs is not None:
                    runs.after(frame)
                heartbeats.send_if_due(partial(_heartbeat, frame.info, stream, recorder, frame.frame.pts))
        except RegionLakeError as error:
            reason, failed = str(error), True
        reason = reason or stream.ended
        if masked is not None:
            masked.close()
        send(recorder.finish(reason))
        if tap is not None:
            tap.flush()
        return StreamEnded(reason, stream.mark, failed)


class _Heartbeats:
    """Sends a message every half second, and soon after anything else was sent, as that changed what it says."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sent_s = 0.0

    def hurry(self) -> None:
        self._sent_s = 0.0

    def send_if_due(self, make: Callable[[], Heartbeat | Waiting]) -> None:
        now_s = REAL_TIME.monotonic_s()
        if now_s - self._sent_s >= _HEARTBEAT_S:
            self._sent_s = now_s
            self._connection.send(make())


def _heartbeat(info: StreamInfo, stream: LiveStream, recorder: Recorder, pts: int) -> Heartbeat:
    """After the frame at `pts`."""
    source = recorder.source
    shown = None if source is None else source.clock.utc(pts)
    return Heartbeat(
        info=info,
        received=recorder.received,
        damaged=stream.damaged,
        emitted=recorder.emitted,
        source=source,
        unsettled=recorder.unsettled,
        behind_s=0.0 if shown is None else (REAL_TIME.utc() - shown).total_seconds(),
    )


class _RunsOfRecordings:
    """Reports of which run of packets each recording is made, before the first message about the recording."""

    def __init__(self, tap: PacketTap, connection: Connection) -> None:
        self._tap = tap
        self._connection = connection
        self._reported: str | None = None  # the last recording
        self._run: int | None = None  # of the current epoch

    def before(self, item: FramePacket | RecordingEnded) -> None:
        """Call it with each item before it is sent."""
        source = item.source if isinstance(item, RecordingEnded) else item.head.segment.source
        if source.id != self._reported and self._run is not None:
            self._reported = source.id
            self._connection.send(RecordingVideo(source.id, self._run))

    def after(self, frame: LiveFrame) -> None:
        """Call it with each frame after it was recorded: what the first frame of an epoch completes is of the last."""
        if frame.epoch is not None:
            self._run = self._tap.run_of(frame.frame.pts)
