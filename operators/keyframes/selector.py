"""Chooses keyframes: after each cut, where the picture changed, and at a longest interval."""

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

    candidate_interval_s: one candidate per line of an absolute time grid: the first frame at or after
        each multiple of it.
    longest_interval_s: grid on which a frame is kept even if little changed.
    refresh_interval_s: grid on which a frame is kept whatever it shows: dusk changes too little from one line of the
        longest interval to the next to be noticed there.
    settle_s: a new shot is pictured this long after the detector last fired, past flashes and fades.
    change: least changed share, in [0, 1], against the last reference for a candidate to be kept.
    near_duplicate: below this share two frames are the same picture; such a candidate is dropped and counted.
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
    """What became of a frame: kept for a reason, dropped as a near-duplicate, or neither."""

    reason: KeyframeReason | None = None
    near_duplicate: bool = False


_PASSED_OVER = Choice()


class KeyframeSelector:
    """Every frame in, in PTS order, with the events at it; a Choice out.

    Kept are: the first frame of the source, and the first frame settle_s after an event with no new
    event in between ("shot"); on each line of the longest interval the first frame, unless it shows
    what the last reference showed, and on each line of the refresh interval whatever it shows
    ("interval"); between them a candidate that changed enough against the last reference ("change").
    The reference is the last kept frame, but the frame on a line of the longest interval becomes the
    reference whether it was kept or not. So a choice depends on nothing before the line before last,
    and frames read from the middle of a source are chosen as if read from its start, once `settled`.
    Between an event and the frame that pictures the new shot, frames pass: they may show a flash or
    half a fade; except that where events never stop (a strobe) a frame is kept on each line.
    Fade-outs are no events here.

    first_of_source: the first frame given is the source's first.
    """

    def __init__(self, config: KeyframeConfig, clock: Clock, *, first_of_source: bool) -> None:
        self._config = config
        self._candidate_line = _Grid(config.candidate_interval_s, clock)
        self._longest_line = _Grid(config.longest_interval_s, clock)
        self._refresh_line = _Grid(config.refresh_interval_s, clock)
        self._settle = clock.ticks(Fraction(config.settle_s).limit_denominator(1_000_000))
        self._first_of_source = first_of_source
        self._previous: int | None = None
        self._event: int | None = None  # the last one, while its shot is not pictured yet
        self._calm = True  # some frame since the last line of the longest interval was between events
        self._reference: Signature | None = None
        self._unknown_until = -math.inf
        self.settled = first_of_source

    def __call__(self, pts: int, small: ImageArray, events: Sequence[CutEvent], *, events_known: bool = True) -> Choice:
        """small: uint8 (h, w, 3), BGR, the same size for all frames.

        events: those at `pts`. events_known: false for frames at which the detector was warming up.
        """
        previous, self._previous = self._previous, pts
        if not events_known:
            self._unknown_until = pts + self._settle
        if any(event.kind != "fade_out" for event in events):
            self._event = pts
        if previous is None:
            if not self._first_of_source:
                return _PASSED_OVER  # whether it is the first after a grid line cannot be known
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
    """Lines at every multiple of an interval from time 0, in whole numbers."""

    def __init__(self, interval_s: float, clock: Clock) -> None:
        lines_per_tick = clock.time_base / Fraction(interval_s).limit_denominator(1_000_000)
        self._ticks, self._lines = lines_per_tick.denominator, lines_per_tick.numerator

    def crossed(self, previous: int, pts: int) -> bool:
        """Whether `pts` is the first at or after some line, `previous` being the PTS before it."""
        return previous * self._lines // self._ticks != pts * self._lines // self._ticks
