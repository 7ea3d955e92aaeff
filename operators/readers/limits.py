"""Limits of what is read: a small file may announce pictures that no memory holds, or frames without end."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from schemas import require
from schemas.errors import SourceError


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What a file may be at most, and what the process that decodes it may use; no row depends on it.

    frame_px: pixels of a frame or picture. frames: frames of a video. duration_s: length of a video.
    frame_rate: average frames per second of a video, over at least one second. streams: streams of a container.
    memory_gib: memory of a decoding process beyond the program itself.
    cpu_s: CPU time for one probe or segment.
    sandbox: "require" reads nothing where the kernel cannot confine the decoding process; with "auto" as much as the
        kernel supports is used, and `regionlake doctor` shows it.
    """

    frame_px: int = 120_000_000
    frames: int = 100_000_000
    duration_s: float = 31 * 86_400.0
    frame_rate: float = 1000.0
    streams: int = 256
    memory_gib: float = 4.0
    cpu_s: float = 7200.0
    sandbox: Literal["auto", "require"] = "auto"

    def __post_init__(self) -> None:
        require.at_least(1, frame_px=self.frame_px, frames=self.frames, streams=self.streams)
        require.above(0, duration_s=self.duration_s, frame_rate=self.frame_rate)
        require.above(0, memory_gib=self.memory_gib, cpu_s=self.cpu_s)
        require.one_of(("auto", "require"), sandbox=self.sandbox)

    def require_size(self, name: str, width_px: int, height_px: int) -> None:
        """Raises SourceError for a frame of too many pixels. name: of the file, for the message."""
        if width_px * height_px > self.frame_px:
            found = f"has frames of {width_px}×{height_px}, {width_px * height_px:,} pixels"
            raise self._refusal(name, found, "frame_px", f"{self.frame_px:,}")

    def require_streams(self, name: str, streams: int) -> None:
        """Raises SourceError for a container of too many streams."""
        if streams > self.streams:
            raise self._refusal(name, f"has {streams:,} streams", "streams", f"{self.streams:,}")

    def require_frames(self, name: str, frames: int) -> None:
        """Raises SourceError for a video of too many frames. frames: those that were counted or announced so far."""
        if frames > self.frames:
            raise self._refusal(name, f"has {frames:,} frames or more", "frames", f"{self.frames:,}")

    def require_length(self, name: str, frames: int, length_s: Fraction) -> None:
        """Raises SourceError for a video that is too long, or has too many frames a second."""
        if length_s > self.duration_s:
            raise self._refusal(name, f"is {float(length_s):,.0f} s long", "duration_s", f"{self.duration_s:,.0f} s")
        rate = frames / max(Fraction(1), length_s)
        if rate > self.frame_rate:
            found = f"has {frames:,} frames in {float(length_s):,.3f} s, {float(rate):,.0f} a second"
            raise self._refusal(name, found, "frame_rate", f"{self.frame_rate:,.0f}")

    def _refusal(self, name: str, found: str, setting: str, limit: str) -> SourceError:
        return SourceError(
            f"{name} is refused: it {found}, and read.limits.{setting} allows {limit}; if you trust the file, raise "
            f"the limit with --set read.limits.{setting}=N"
        )


DEFAULT_LIMITS = ReadLimits()
