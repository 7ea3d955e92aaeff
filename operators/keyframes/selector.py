"""Chooses keyframes: after each cut, where the picture changed, and after the longest interval without one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from operators.keyframes.change import Signature, changed_share, signature
from schemas import require
from schemas.clock import Clock
from schemas.frames import ImageArray, KeyframeReason
from schemas.shots import CutEvent


@dataclass(frozen=True, slots=True)
class KeyframeConfig:
    """When a frame is kept.

    candidate_interval_s: interval of an absolute time grid. The first frame at or after each multiple of it
        is a candidate.
    longest_interval_s: interval of the grid on which a frame is kept even if little changed.
    refresh_interval_s: interval of the grid on which a frame is kept whatever it shows. Dusk, for example, changes
        too little between two lines of the longest interval to be noticed there.
    settle_s: the first frame of a shot is kept this long after the detector last fired, past flashes and fades.
    change: least changed share, in [0, 1], compared with the last reference, for a candidate to be kept.
    near_duplicate: below this changed share, two frames are the same picture. Such a candidate is dropped and counted.
    """

    candidate_interval_s: float = 0.5
    longest_interval_s: float = 2.0
    refresh_interval_s: float = 60.0
    settle_s: float = 0.2
    change: float = 0.02
    near_duplicate: float = 0.004

    def __post_init__(self) -> None:
        require.above(0, candidate_interval_s=self.candidate_interval_s)
        require.in_order(
            "<=",
            candidate_interval_s=self.candidate_interval_s,
            longest_interval_s=self.longest_interval_s,
            refresh_interval_s=self.refresh_interval_s,
        )
        require.at_least(0, settle_s=self.settle_s)
        require.within("[0, 1]", near_duplicate=self.near_duplicate, change=self.change)
        require.in_order("<=", near_duplicate=self.near_duplicate, change=self.change)


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision about a frame: kept for a reason, dropped as a near-duplicate, or not considered."""

    reason: KeyframeReason | None = None
    near_duplicate: bool = False


_PASSED_OVER = Choice()


class KeyframeSelector:
    """Decides for every frame, given in PTS order with the events at it, whether it becomes a keyframe.

    The following frames are kept:
    - "shot": the first frame of the source, and the first frame settle_s after an event with no new
      event in between;
    - "interval": the first frame on each line of the longest interval, unless it shows the same as the
      last reference, and the first frame on each line of the refresh interval, whatever it shows;
    - "change": between these, a candidate that differs enough from the last reference.

    The reference is the last kept frame, but the frame on a line of the longest interval becomes the
    reference whether it is kept or not. A choice therefore depends on nothing before the line before
    last, and once `settled`, frames read from the middle of a source are chosen as if read from its start.

    Between an event and the first frame kept of the new shot, no frames are kept, because they may show a
    flash or half a fade. Where events never stop (a strobe), a frame is kept on each line nevertheless.
    Fade-outs do not count as events here.

    first_of_source: whether the first frame given is the source's first.
    """

    def __init__(self, config: KeyframeConfig, clock: Clock, *, first_of_source: bool) -> None:
        self._config = config
        self._candidate_line = _Grid(config.candidate_interval_s, clock)
        self._longest_line = _Grid(config.longest_interval_s, clock)
        self._refresh_line = _Grid(config.refresh_interval_s, clock)
        self._settle = clock.ticks(Fraction(config.settle_s).limit_denominator(1_000_000))
        self._first_of_source = first_of_source
        self._previous: int | None = None
        self._event: int | None = None  # PTS of the last event, until a frame of its shot is kept
        self._calm = True  # whether any frame since the last line of the longest interval was between events
        self._reference: Signature | None = None
        self._unknown_until = -math.inf
        self.settled = first_of_source

    def __call__(self, pts: int, small: ImageArray, events: Sequence[CutEvent], *, events_known: bool = True) -> Choice:
        """Decides about the frame at `pts`.

        small: uint8 (h, w, 3), BGR, of the same size for all frames.
        events: the events at `pts`. events_known: false for frames at which the detector was still warming up.
        """
        previous, self._previous = self._previous, pts
        if not events_known:
            self._unknown_until = pts + self._settle
        if any(event.kind != "fade_out" for event in events):
            self._event = pts
        if previous is None:
            if not self._first_of_source:
                return _PASSED_OVER  # whether it is the first after a grid line is unknown
            self._event = None
            self._reference = signature(small)
            return Choice("shot")
        on_longest_line = self._longest_line.crossed(previous, pts)
        if self._event is not None and pts >= self._event + self._settle:
            self._event = None
            self._reference = signature(small)
            choice = Choice("shot")
        elif on_longest_line and self._event is not None and self._calm:
            self._reference = signature(small)
            choice = _PASSED_OVER
        elif self._refresh_line.crossed(previous, pts):
            self._reference = signature(small)
            choice = Choice("interval")
        elif on_longest_line:
            choice = self._compare(small, least=self._config.near_duplicate, reason="interval", always_refer=True)
        elif self._event is None and self._candidate_line.crossed(previous, pts):
            choice = self._compare(small, least=self._config.change, reason="change", always_refer=False)
        else:
            choice = _PASSED_OVER
        self._calm = self._event is None or (self._calm and not on_longest_line)
        self.settled = self.settled or (on_longest_line and pts >= self._unknown_until)
        return choice

    def _compare(self, small: ImageArray, *, least: float, reason: KeyframeReason, always_refer: bool) -> Choice:
        now = signature(small)
        share = 1.0 if self._reference is None else changed_share(self._reference, now)
        kept = share >= least
        if kept or always_refer:
            self._reference = now
        if kept:
            return Choice(reason)
        return Choice(near_duplicate=share < self._config.near_duplicate)


class _Grid:
    """A grid with a line at every multiple of an interval from time 0, computed in integers."""

    def __init__(self, interval_s: float, clock: Clock) -> None:
        lines_per_tick = clock.time_base / Fraction(interval_s).limit_denominator(1_000_000)
        self._ticks, self._lines = lines_per_tick.denominator, lines_per_tick.numerator

    def crossed(self, previous: int, pts: int) -> bool:
        """Whether `pts` is the first PTS at or after a line; `previous` is the PTS of the frame before."""
        return previous * self._lines // self._ticks != pts * self._lines // self._ticks
