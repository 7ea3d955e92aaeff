"""Progress of a run, and its final report."""

from dataclasses import dataclass, field

from pipeline.reading.sources import Failure


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run at one moment.

    media_s: seconds of video read. media_total_s: seconds of video found so far that this run has to read.
    backlog_segments: segments found and not yet committed.
    """

    elapsed_s: float
    sources: int
    segments: int
    backlog_segments: int
    frames_decoded: int
    keyframes: int
    regions: int
    media_s: float
    media_total_s: float

    @property
    def frames_per_s(self) -> float:
        return self.frames_decoded / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def times_real_time(self) -> float:
        return self.media_s / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds until the work found so far is done; None before any is done. Pictures are counted by number."""
        if self.media_total_s > 0:
            done, to_do = self.media_s, max(0.0, self.media_total_s - self.media_s)
        else:
            done, to_do = self.segments, self.backlog_segments
        return self.elapsed_s * to_do / done if done > 0 else None


@dataclass(slots=True)
class IngestReport:
    """Results of an ingest.

    segments: committed by this run. skipped: sources that were already complete in the lake.
    quarantined: inputs that cannot be read, with the reason. failed: readable inputs that were not ingested.
    notes: about inputs that were ingested, such as that the time in a name was not unique.
    seconds: wall time that each stage was busy; stages overlap, so they add up to more than `elapsed_s`.
    """

    sources: int = 0
    segments: int = 0
    frames_decoded: int = 0
    keyframes: int = 0
    near_duplicates: int = 0
    regions: int = 0
    skipped: int = 0
    quarantined: list[Failure] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    notes: list[Failure] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    elapsed_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every input was ingested."""
        return not self.quarantined and not self.failed
