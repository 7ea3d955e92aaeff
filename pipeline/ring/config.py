"""Settings of a ring, and what its writer reports."""

from dataclasses import dataclass

from schemas import require

LONG_GOP_S = 10.0  # a clip is decoded from the key frame before it: longer ones make clips slow


@dataclass(frozen=True, slots=True)
class RingConfig:
    """Where and how the packets of followed streams are kept.

    folder: of the rings of all feeds. sound: keep it beside the video. fragment_s: media time after which packets are
    written and synced, at the next key frame or after twice as long: a crash loses no more. file_s: media time of a
    file, the unit in which retention removes. least_free_bytes: how much of the disk stays free; by default 2 GiB, or
    4 % of a smaller disk, so that rows can be written when the ring no longer can. waiting_bytes: packets in memory
    while the disk does not answer; beyond, packets are dropped and counted.
    """

    folder: str
    sound: bool = False
    fragment_s: float = 1.0
    file_s: float = 60.0
    least_free_bytes: int | None = None
    waiting_bytes: int = 64 * 2**20

    def __post_init__(self) -> None:
        require.above(0, fragment_s=self.fragment_s, waiting_bytes=self.waiting_bytes)
        require.in_order("<=", fragment_s=self.fragment_s, file_s=self.file_s)


@dataclass(frozen=True, slots=True)
class VideoStatus:
    """What became of the packets of a feed since its follower began.

    fragments, bytes: written and synced. dropped: packets that are not kept. error: why packets are not kept now; None
    if they are. gop_s: the longest time between two key frames of the current run; None before the second one.
    silent: why its sound is not kept, where it is to be.
    """

    fragments: int = 0
    bytes: int = 0
    dropped: int = 0
    error: str | None = None
    gop_s: float | None = None
    silent: str | None = None

    def after(self, before: "VideoStatus") -> "VideoStatus":
        """The status with the counts of its predecessor added."""
        return VideoStatus(
            self.fragments + before.fragments,
            self.bytes + before.bytes,
            self.dropped + before.dropped,
            self.error,
            self.gop_s,
            self.silent,
        )

    @property
    def trouble(self) -> str | None:
        """What somebody should know, as a sentence; None if all is well."""
        if self.error is not None:
            return f"its video is not kept: {self.error} ({self.dropped:,} packets dropped)"
        if self.gop_s is not None and self.gop_s > LONG_GOP_S:
            return (
                f"its key frames are {self.gop_s:.0f} s apart, and clips are decoded from the key frame before them: "
                "set the camera's key frame interval (GOP) to some seconds"
            )
        return None if self.silent is None else f"its sound is not kept: {self.silent}"
