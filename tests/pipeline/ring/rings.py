"""Rings made from files as if their packets came live, and what a file or a clip shows."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import av

from operators.readers.packet_tap import PacketTap
from operators.readers.stream_packet import NotKept, RunBegins, RunPackets, StreamPacket
from pipeline.ring.config import RingConfig
from pipeline.ring.ring_file import opened_ring_file
from pipeline.ring.writer import RingWriter

FEED = "gate"
URI = "gate#2026-05-01T12:00:00.250Z"  # of a recording of it
RECORDING = "0" * 32  # its id

Tapped = RunBegins | RunPackets | NotKept


def tapped(path: Path, *, sound: bool = False) -> list[Tapped]:
    """The messages about the packets of a file."""
    found: list[Tapped] = []
    tap = PacketTap(found.append)
    with av.open(str(path)) as container:
        tap.sound = container.streams.audio[0] if sound else None
        streams = [container.streams.video[0], *([tap.sound] if tap.sound else [])]
        for packet in container.demux(*streams):
            tap(packet)
    tap.flush()
    return found


def run_of(path: Path, *, sound: bool = False) -> tuple[RunBegins, list[StreamPacket]]:
    """The one run of packets of a file."""
    messages = tapped(path, sound=sound)
    [begins] = [each for each in messages if isinstance(each, RunBegins)]
    return begins, [packet for each in messages if isinstance(each, RunPackets) for packet in each.packets]


def record(
    path: Path, rings: Path, *, feed: str = FEED, recording: str = RECORDING, again: int = 1, **config: float
) -> RingWriter:
    """Writes the packets of a file to the ring of a feed. again: so many times, with times that continue."""
    writer = RingWriter(feed, replace(RingConfig(str(rings)), **config))  # type: ignore[arg-type]
    begins, packets = run_of(path)
    writer.begin(begins)
    writer.bind(recording, begins.run)
    for packet in repeated(packets, again):
        writer.add(packet)
    writer.close()
    return writer


def repeated(packets: list[StreamPacket], times: int) -> Iterator[StreamPacket]:
    """The packets again and again, as a camera goes on."""
    lasts = packets[-1].dts - packets[0].dts + max(1, packets[-1].dts - packets[-2].dts)
    for number in range(times):
        for packet in packets:
            yield replace(packet, pts=packet.pts + number * lasts, dts=packet.dts + number * lasts)


def shown(path: Path) -> list[tuple[int, str]]:
    """PTS and the hash of the pixels of each frame, as FFmpeg decodes the file."""
    with av.open(str(path)) as container:
        found = []
        for frame in container.decode(video=0):
            assert frame.pts is not None
            found.append((frame.pts, hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest()))
        return found


def kept_pts(files: Iterable[Path]) -> list[int]:
    """PTS of the frames in files of a ring, in their order, with the times of the stream."""
    found: list[int] = []
    for path in files:
        with opened_ring_file(path) as file:
            found += [pts - file.meta.shift for each in file.fragments() for pts in each.pts]
    return found


def hashes(path: Path) -> list[str]:
    return [each for _, each in shown(path)]
