"""Derives the shots of a source from its events, by PySceneDetect's rules on shot length."""

from collections.abc import Sequence
from fractions import Fraction

from scenedetect.common import FrameTimecode, Timecode, framerate_to_fraction
from scenedetect.detector import FlashFilter

from operators.shots.config import ShotConfig
from schemas.clock import Span
from schemas.shots import CutEvent, CutKind, Shot
from schemas.sources import Source


def fold_shots(
    source: Source, events: Sequence[CutEvent], first_pts: int, last_pts: int, *, config: ShotConfig
) -> list[Shot]:
    """The shots of a source, as PySceneDetect's command line finds them. They cover its span without gaps.

    A picture is one shot.

    events: all events of the source, in any order. first_pts, last_pts: PTS of its first and last decoded frame.
    """
    if source.kind == "picture":
        return [Shot(source.span, "start")]
    fold = _Fold(source, first_pts, config)
    ordered = sorted(events)
    rule = config.chosen.cut_rule
    match rule:
        case "flash_filtered":
            cuts = fold.flash_filtered(ordered, last_pts)
        case "faded":
            cuts = fold.faded(ordered, last_pts)
        case "spaced":
            cuts = fold.spaced(ordered)
    kind: CutKind = "fade" if rule == "faded" else "cut"
    # the middle of a fade may be rounded to the start or the end of the source
    inner = sorted({cut for cut in cuts if source.span.start < cut < source.span.stop})
    starts = [source.span.start, *inner]
    stops = [*inner, source.span.stop]
    return [
        Shot(Span(start, stop), "start" if i == 0 else kind)
        for i, (start, stop) in enumerate(zip(starts, stops, strict=True))
    ]


class _Fold:
    """PySceneDetect's rules in its own clock for one source: positions from the first frame, lengths in frames."""

    def __init__(self, source: Source, first_pts: int, config: ShotConfig) -> None:
        self._time_base = source.clock.time_base
        self._rate: Fraction = framerate_to_fraction(source.frame_rate)
        self._first = first_pts
        self._config = config
        self._min_frames = FrameTimecode(float(config.min_shot_s), self._rate).frame_num

    def flash_filtered(self, events: Sequence[CutEvent], last_pts: int) -> list[int]:
        """Content: PySceneDetect's own filter, called only with the frames that can change its state.

        The state consists of the time since the last event and of a merge in progress. A frame without an
        event can only end a merge, at the first frame that is min_shot_s after the last event. The cut is
        then the last event itself, whichever frame ends the merge. It is therefore enough to pass the frame
        just before each event, and the last frame.
        """
        mode = FlashFilter.Mode.MERGE if self._config.filter_mode == "merge" else FlashFilter.Mode.SUPPRESS
        flash = FlashFilter(mode, self._min_frames)
        cuts = flash.filter(self._at(self._first), False)  # starts its clock
        fed = self._first
        for event in events:
            if event.previous_pts > fed:
                cuts += flash.filter(self._at(event.previous_pts), False)
            cuts += flash.filter(self._at(event.pts), True)
            fed = event.pts
        if last_pts > fed:
            cuts += flash.filter(self._at(last_pts), False)
        return [cut.pts + self._first for cut in cuts]

    def spaced(self, events: Sequence[CutEvent]) -> list[int]:
        """Adaptive, histogram and hash: an event is a cut if min_shot_s has passed since the last cut."""
        last = self._at(self._first)
        cuts: list[int] = []
        for event in events:
            at = self._at(event.pts)
            if (at - last) >= self._min_frames:
                cuts.append(event.pts)
                last = at
        return cuts

    def faded(self, events: Sequence[CutEvent], last_pts: int) -> list[int]:
        """Threshold: a cut lies between a fade-out and the next fade-in, at the position given by fade_bias."""
        min_fade = FrameTimecode(float(self._config.min_fade_s), self._rate)
        last = self._at(self._first)
        out: FrameTimecode | None = None
        cuts: list[int] = []
        for event in events:
            at = self._at(event.pts)
            if event.kind == "fade_out":
                out = at
            elif out is not None:
                if (at - last) >= self._min_frames and (at - out) >= min_fade:
                    share = (1.0 + self._config.fade_bias) / 2.0
                    middle = out.frame_num + round((at.frame_num - out.frame_num) * share)
                    cuts.append(self._pts_of_frame(middle))
                    last = at
                out = None
        end = self._at(last_pts)
        if (
            out is not None
            and self._config.cut_at_final_fade
            and (end - last) >= self._min_frames
            and (end + 1 - out) >= min_fade
        ):
            cuts.append(out.pts + self._first)
        return cuts

    def _at(self, pts: int) -> FrameTimecode:
        return FrameTimecode(Timecode(pts - self._first, self._time_base), self._rate)

    def _pts_of_frame(self, number: int) -> int:
        return self._first + round(number / (self._rate * self._time_base))
