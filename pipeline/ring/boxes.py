"""Boxes of fragmented MP4 (ISO 14496-12): makes those of a fragment, and reads what it made."""

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from operators.readers.stream_packet import SOUND, VIDEO, StreamPacket

OWN = bytes.fromhex("c0d15f8e4bb34f5ea1d8c3f1b8a6e9d2")  # the type of our own box: how a ring's file describes itself
_SYNC, _NOT_SYNC = 0x02000000, 0x01010000  # sample_flags: depends on no other; depends on others and is no sync sample
_DEFAULT_BASE = 0x020000  # tfhd: offsets of data are relative to the moof
_TRUN = 0x01000F01  # version 1, with the offset of the data, and duration, size, flags and time offset of each sample
_MOST_MOOF_BYTES = 1 << 24


class BoxError(ValueError):
    """Bytes are not the boxes that they should be."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment in a file, `moof` and `mdat`. offset, size: of both, in bytes.

    dts: of its first sample. stop_dts: where its last sample ends. pts: of its samples, in decoding order. is_sync:
    whether decoding can start with it. All times are in ticks as the file counts them.
    """

    offset: int
    size: int
    dts: int
    stop_dts: int
    pts: tuple[int, ...]
    is_sync: bool


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def fragment(
    number: int,
    packets: Sequence[StreamPacket],
    *,
    stop_dts: int,
    shift: int,
    sound: Sequence[StreamPacket] = (),
    sound_shift: int = 0,
) -> bytes:
    """`moof` and `mdat` of packets in decoding order, the video before the sound.

    stop_dts: where the last picture ends. shift, sound_shift: added to all times."""
    pictures = b"".join(packet.data for packet in packets)
    sound_stop = sound[-1].dts + max(1, sound[-1].duration) if sound else 0

    def moof(data_at: int) -> bytes:
        tracks = [_track(VIDEO, packets, stop_dts, shift, data_at)]
        if sound:
            tracks.append(_track(SOUND, sound, sound_stop, sound_shift, data_at + len(pictures)))
        return box(b"moof", box(b"mfhd", struct.pack(">II", 0, number)), *tracks)

    return moof(len(moof(0)) + 8) + box(b"mdat", pictures, *(packet.data for packet in sound))


def _track(track: int, packets: Sequence[StreamPacket], stop_dts: int, shift: int, data_at: int) -> bytes:
    stops = [*(packet.dts for packet in packets[1:]), stop_dts]
    samples = b"".join(
        struct.pack(">IIIi", stop - p.dts, len(p.data), _SYNC if p.is_sync else _NOT_SYNC, p.pts - p.dts)
        for p, stop in zip(packets, stops, strict=True)
    )
    run = box(b"trun", struct.pack(">IIi", _TRUN, len(packets), data_at), samples)
    time = box(b"tfdt", struct.pack(">B3xq", 1, packets[0].dts + shift))
    return box(b"traf", box(b"tfhd", struct.pack(">II", _DEFAULT_BASE, track)), time, run)


def boxes(descriptor: int, *, start: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Kind, offset and size of each whole box of a file; ends before one that was not written to its end."""
    at, end = start, os.fstat(descriptor).st_size
    while at + 8 <= end:
        size, kind = struct.unpack(">I4s", os.pread(descriptor, 8, at))
        if size < 8 or at + size > end:  # no box of ours has 4 GiB
            return
        yield kind, at, size
        at += size


def fragments(descriptor: int, *, start: int = 0) -> Iterator[Fragment]:
    """The whole fragments of a file, in order. Raises BoxError where a `moof` is none of ours."""
    before: tuple[int, int] | None = None
    for kind, at, size in boxes(descriptor, start=start):
        if kind == b"mdat" and before is not None:
            yield _fragment(os.pread(descriptor, before[1], before[0]), before[0], before[1] + size)
        before = (at, size) if kind == b"moof" else None
        if before is not None and size > _MOST_MOOF_BYTES:
            raise BoxError(f"a moof at {at:,} has {size:,} bytes")


def _fragment(moof: bytes, offset: int, size: int) -> Fragment:
    """The video of a `moof` as `fragment` makes it: mfhd (16), traf (8), tfhd (16), tfdt (20), trun."""
    try:
        dts = struct.unpack_from(">q", moof, 8 + 16 + 8 + 16 + 12)[0]
        run_at = 8 + 16 + 8 + 16 + 20
        run_size, kind, flags, count = struct.unpack_from(">I4sII", moof, run_at)
        if kind != b"trun" or flags != _TRUN or not count or run_size != 20 + 16 * count:
            raise BoxError(f"the moof at {offset:,} is none of RegionLake's")
        samples = list(struct.iter_unpack(">IIIi", moof[run_at + 20 : run_at + run_size]))
    except struct.error as error:
        raise BoxError(f"the moof at {offset:,} breaks off: {error}") from None
    if len(samples) != count:
        raise BoxError(f"the moof at {offset:,} breaks off: {len(samples)} of {count} samples")
    pts, at = [], dts
    for duration, _, _, later in samples:
        pts.append(at + later)
        at += duration
    return Fragment(offset, size, dts, at, tuple(pts), samples[0][2] == _SYNC)
