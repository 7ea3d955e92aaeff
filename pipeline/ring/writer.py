"""Writes the packets of one feed as fragments, each synced before the next: a crash loses the one that is made."""

import errno
import os
import shutil
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from operators.readers.stream_packet import SOUND, RunBegins, StreamPacket
from operators.runtime.file_sync import sync_folder
from pipeline.ring.boxes import fragment
from pipeline.ring.config import RingConfig
from pipeline.ring.feed_ring import FeedRing, PartFile
from pipeline.ring.recordings import RecordedRun
from pipeline.ring.ring_file import RingMeta

_LEAST_FREE_BYTES = 2 * 2**30  # twice what the spool leaves free: rows come before video
_LEAST_FREE_SHARE = 0.04
_LONG_FILE = 4  # times file_s: where no key frame comes
_MOST_FRAGMENT_BYTES = 32 * 2**20


@dataclass(slots=True)
class _Part:
    """The file that is being written. size: of what is known to be whole in it. start_dts: of its first packet."""

    descriptor: int
    path: Path
    size: int
    start_dts: int
    fragments: int = 0


class RingWriter:
    """Writes the ring of one feed. Not thread-safe.

    fragments, bytes: written so far. dropped: packets that are not kept. gop_s: the longest time between key frames of
    the run. waits: whether packets are skipped until the next key frame, because those before it are missing.
    Every method that writes may raise OSError. The packets of the fragment are then dropped, and those up to the next
    key frame, from which on another file is begun; a packet whose `add` raises is not taken, and may be added again.
    """

    def __init__(self, feed: str, config: RingConfig) -> None:
        self._config = config
        self._ring = FeedRing.of(Path(config.folder), feed)
        self._run: RunBegins | None = None
        self._newest: int | None = None  # the largest number of a run in the ring; not known before it is needed
        self._numbers: dict[int, int | None] = {}  # of runs in the ring, by number in the process that demuxes
        self._unbound: list[tuple[str, int]] = []  # recordings whose runs are not recorded yet
        self._parts = 0
        self._part: _Part | None = None
        self._pending: list[StreamPacket] = []
        self._pending_bytes = 0
        self._sound: list[StreamPacket] = []  # what came with them
        self._shift: int | None = None
        self._last_sync: int | None = None
        self.fragments = self.bytes = self.dropped = 0
        self.gop_s: float | None = None
        self.waits = True

    def begin(self, run: RunBegins) -> None:
        """Begins a run, after what was received of the one before is written."""
        try:
            self.end()
        finally:
            self._run = run
            self._numbers[run.run] = None

    def bind(self, source_id: str, run: int) -> None:
        """Records of which run a recording was made. run: its number in the process that demuxes."""
        if run in self._numbers:
            self._unbound.append((source_id, run))
            self._bind()

    def add(self, packet: StreamPacket) -> None:
        """Adds a packet of the run, and writes the fragment that it completes."""
        run = self._run
        if packet.track == SOUND:
            if self._pending:
                self._sound.append(packet)
                self._pending_bytes += len(packet.data)
            return
        if run is None or (self.waits and not packet.is_sync):
            self.dropped += 1
            return
        self.waits = False
        base = run.time_base
        if packet.is_sync:
            if self._last_sync is not None:
                self.gop_s = max(self.gop_s or 0.0, float((packet.pts - self._last_sync) * base))
            self._last_sync = packet.pts
        if self._pending:
            lasts_s = (packet.dts - self._pending[0].dts) * base
            # a key frame within a fragment that began between two of them would be found by nobody
            due = lasts_s >= self._config.fragment_s or not self._pending[0].is_sync
            long = lasts_s >= 2 * self._config.fragment_s or self._pending_bytes > _MOST_FRAGMENT_BYTES
            if (packet.is_sync and due) or long:
                self._write(stop_dts=packet.dts)
        if self._part is not None:
            lasts_s = (packet.dts - self._part.start_dts) * base
            if lasts_s >= self._config.file_s * (1 if packet.is_sync and not self._pending else _LONG_FILE):
                self._write(stop_dts=packet.dts)
                self._close()
        self._pending.append(packet)
        self._pending_bytes += len(packet.data)

    def skip(self) -> None:
        """Packets are missing from here on: the next one that is kept is a key frame."""
        try:
            self.flush()
        finally:
            self.waits = True

    def flush(self) -> None:
        """Writes the packets that wait, as a fragment."""
        if self._pending:
            last = self._pending[-1]
            before = self._pending[-2].dts if len(self._pending) > 1 else None
            usual = last.duration or (last.dts - before if before is not None else 1)
            self._write(stop_dts=last.dts + max(1, usual))

    def end(self) -> None:
        """Ends the run, if there is one."""
        try:
            self.flush()
        finally:
            self._close()
            self._run = self._shift = self._last_sync = None
            self._parts, self.waits = 0, True

    def close(self) -> None:
        """Ends the run, after which the process that demuxes is another one."""
        try:
            self.end()
            self._bind()
        finally:
            self._numbers.clear()
            self._unbound.clear()

    # -- files -----------------------------------------------------------------------------------

    def _bind(self) -> None:
        """Records what could not be recorded before."""
        while self._unbound:
            source_id, run = self._unbound[0]
            self._ring.make()
            with self._ring.locked():
                self._ring.recordings.append(RecordedRun(source_id, self._number_of(run)))
            del self._unbound[0]

    def _number_of(self, run: int) -> int:
        """The number in the ring of a run. Raises OSError where the ring cannot be read."""
        number = self._numbers[run]
        if number is None:
            if self._newest is None:
                used = [part.run for part in self._ring.parts()]
                self._newest = max((*used, *(each.run for each in self._ring.recordings.read())), default=-1)
            number = self._newest = self._newest + 1
            self._numbers[run] = number
        return number

    def _write(self, *, stop_dts: int) -> None:
        """Writes what waits to the file, or to a new one, and syncs it."""
        packets, self._pending, self._pending_bytes = self._pending, [], 0
        sound, self._sound = self._sound, []
        if not packets:
            return
        try:
            self._require_space()
            self._bind()
            self._ring.make()
            with self._ring.locked():
                self._append(packets, sound, stop_dts)
        except BaseException:
            self._close()
            self.waits = True
            self.dropped += len(packets)
            raise

    def _append(self, packets: list[StreamPacket], sound: list[StreamPacket], stop_dts: int) -> None:
        assert self._run is not None
        if self._shift is None:  # MP4 has no negative times
            self._shift = max(0, -packets[0].dts)
        part = self._part
        if part is not None and not os.fstat(part.descriptor).st_nlink:  # removed, or replaced by one that lacks a part
            self._close()
            if not packets[0].is_sync:
                raise OSError(errno.ESTALE, f"{part.path} was removed while it was being written")
            part = None
        content = b""
        if part is None:
            part = self._part = self._opened(packets[0].dts)
            content = self._run.header + self._meta().to_box()
        try:
            content += fragment(
                part.fragments + 1,
                packets,
                stop_dts=stop_dts,
                shift=self._shift,
                sound=sound,
                sound_shift=self._sound_shift(),
            )
            _write_all(part.descriptor, content)
            os.fdatasync(part.descriptor)
            if not part.fragments:
                sync_folder(part.path.parent)
        except BaseException as error:
            with suppress(OSError):  # what is left of it is no whole box, and nobody reads it
                os.ftruncate(part.descriptor, part.size)
                if not part.size:
                    part.path.unlink(missing_ok=True)
            if isinstance(error, struct.error):  # of a sender whose times jump by half a day
                raise OSError(errno.EINVAL, f"an MP4 file cannot hold times of its packets: {error}") from None
            raise
        part.size += len(content)
        part.fragments += 1
        self.fragments += 1
        self.bytes += len(content)

    def _sound_shift(self) -> int:
        run, shift = self._run, self._shift
        if run is None or run.sound_base is None or not shift:
            return 0
        return round(shift * run.time_base / run.sound_base)

    def _meta(self) -> RingMeta:
        run, shift = self._run, self._shift
        assert run is not None
        assert shift is not None
        number = self._number_of(run.run)
        return RingMeta(self._ring.feed, number, run.codec, run.pixels, run.time_base, shift)

    def _opened(self, start_dts: int) -> _Part:
        assert self._run is not None
        path = self._ring.folder / PartFile.name(self._number_of(self._run.run), self._parts)
        self._parts += 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        return _Part(os.open(path, flags, 0o600), path, 0, start_dts)

    def _close(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            os.close(part.descriptor)

    def _require_space(self) -> None:
        folder = Path(self._config.folder)
        disk = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists()))
        least = self._config.least_free_bytes
        if least is None:
            least = min(_LEAST_FREE_BYTES, int(disk.total * _LEAST_FREE_SHARE))
        if disk.free < least:
            free = f"{disk.free / 2**20:,.0f} MiB are free, and {least / 2**20:,.0f} MiB stay so"
            raise OSError(errno.ENOSPC, f"the disk is nearly full: {free}")


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
