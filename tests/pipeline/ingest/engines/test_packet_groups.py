"""Catches packets that are lost, doubled or out of order when they are grouped, groups without bounds, packets that
wait for others, and a thread that still reads when its run is over."""

import threading
from collections.abc import Generator

import numpy as np
import pytest

from pipeline.ingest.engines.packet_groups import GROUP_BYTES, GROUP_FRAMES, GROUP_PACKETS, grouped
from pipeline.ingest.packets import FramePacket, PacketHead
from schemas.errors import DecodeError
from schemas.frames import Keyframe
from tests.pipeline.lake.synthetic import World

SEGMENT = World(0).segments(1)[0]
SMALL = np.zeros((4, 4, 3), np.uint8)


def packet(number: int, *, frames: int = 1, image: np.ndarray = SMALL) -> FramePacket:
    keyframes = tuple(Keyframe(i, image, None, "picture") for i in range(frames))
    return FramePacket(PacketHead(SEGMENT, number, 0, None), keyframes)


def numbers(groups: list[list[FramePacket]]) -> list[list[int]]:
    return [[p.head.number for p in group] for group in groups]


def test_what_has_come_is_taken_together() -> None:
    here = threading.Event()

    def packets() -> Generator[FramePacket]:
        yield from (packet(n) for n in range(4))
        here.set()

    groups = grouped(packets(), stop=lambda: None)
    found = [next(groups)]
    assert here.wait(10)
    found += groups
    assert [n for group in numbers(found) for n in group] == [0, 1, 2, 3]
    assert len(found) <= 2  # what was there at once, and what came while it was looked at


@pytest.mark.parametrize(
    ("packets", "together"),
    [
        ([packet(n) for n in range(40)], GROUP_FRAMES),
        ([packet(n, frames=0) for n in range(200)], GROUP_PACKETS),
        ([packet(n, image=np.zeros((1, GROUP_BYTES // 9, 3), np.uint8)) for n in range(9)], 3),
        ([packet(n, image=np.zeros((1, GROUP_BYTES, 3), np.uint8)) for n in range(3)], 1),
    ],
)
def test_groups_have_bounds(packets: list[FramePacket], together: int) -> None:
    found = numbers(list(grouped((p for p in packets), stop=lambda: None)))
    assert [n for group in found for n in group] == list(range(len(packets)))
    assert max(map(len, found)) <= together


def test_a_packet_does_not_wait_for_company() -> None:
    second = threading.Event()

    def packets() -> Generator[FramePacket]:
        yield packet(0)
        assert second.wait(10)
        yield packet(1)

    groups = grouped(packets(), stop=lambda: None)
    assert numbers([next(groups)]) == [[0]]
    second.set()
    assert numbers(list(groups)) == [[1]]


def test_an_error_comes_after_the_packets_before_it() -> None:
    def packets() -> Generator[FramePacket]:
        yield packet(0)
        raise DecodeError("broken")

    groups = grouped(packets(), stop=lambda: None)
    assert numbers([next(groups)]) == [[0]]
    with pytest.raises(DecodeError, match="broken"):
        next(groups)


def test_closing_stops_the_reader_and_ends_its_thread() -> None:
    stopped, closed = threading.Event(), threading.Event()

    def packets() -> Generator[FramePacket]:
        try:
            yield packet(0)
            stopped.wait(10)  # a reader that hangs until it is stopped
            yield packet(1)
        finally:
            closed.set()

    groups = grouped(packets(), stop=stopped.set)
    next(groups)
    groups.close()
    assert closed.is_set()
    assert not any(thread.name == "packets" for thread in threading.enumerate())
