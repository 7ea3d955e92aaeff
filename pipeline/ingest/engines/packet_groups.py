"""Groups small packets (of pictures, short clips), so that models embed them together instead of one by one."""

import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing

from pipeline.ingest.packets import FramePacket
from pipeline.runtime.threads import REAL_THREADS, Threads

# of a group, and of the packets that wait for the next one: as large as one packet of a long video
GROUP_BYTES = 24 * 2**20
GROUP_FRAMES = 16
GROUP_PACKETS = 64  # some have no keyframe


def grouped(
    packets: Generator[FramePacket], *, stop: Callable[[], None], threads: Threads = REAL_THREADS
) -> Generator[list[FramePacket]]:
    """The same packets in order, and the same error after them, read ahead in a thread of its own.

    A group has the packets that have arrived when it is requested, with at most GROUP_FRAMES keyframes: no packet
    waits for others, and groups are full where the models are slower than the reader.

    stop: ends `packets` from another thread, if the groups are closed early. Until then nothing else may use the
    resources of `packets`.
    """
    reading = _Reading(packets)
    thread = threads.start("packets", reading.run)
    try:
        while group := reading.take():
            yield group
    finally:
        if reading.cancel():
            stop()
        thread.join()
    thread.check()


class _Reading:
    """The packets that the thread has read and that are not in a group yet."""

    def __init__(self, packets: Generator[FramePacket]) -> None:
        self._packets = packets
        self._waiting: deque[FramePacket] = deque()
        self._changed = threading.Condition()
        self._cancelled = self._ended = False

    def run(self) -> None:
        try:
            with closing(self._packets):
                for packet in self._packets:
                    with self._changed:
                        self._changed.wait_for(lambda: self._cancelled or not _full(self._waiting))
                        if self._cancelled:
                            return
                        self._waiting.append(packet)
                        self._changed.notify_all()
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def take(self) -> list[FramePacket]:
        """The next group, with at least one packet; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            group: list[FramePacket] = []
            while self._waiting and (not group or not _full([*group, self._waiting[0]], over=True)):
                group.append(self._waiting.popleft())
            self._changed.notify_all()
            return group

    def cancel(self) -> bool:
        """Drops all that is read from now on; returns whether the thread is still reading."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()
            return not self._ended


def _full(packets: deque[FramePacket] | list[FramePacket], *, over: bool = False) -> bool:
    """Whether packets have reached a limit of a group; with `over`, whether they exceed one."""
    frames = sum(len(packet.keyframes) for packet in packets)
    size = sum(keyframe.image.nbytes for packet in packets for keyframe in packet.keyframes)
    return frames >= GROUP_FRAMES + over or size >= GROUP_BYTES + over or len(packets) >= GROUP_PACKETS + over
