"""From the raw events of a whole source to its shots: PySceneDetect's rules on shot length."""

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
    """The shots of a source, covering its span without gaps, as PySceneDetect's command line finds them.

    events: all of the source, in any order. first_pts, last_pts: of its first and last decoded frame.
    A picture is one shot.
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
    # a fade's middle may round to the very ends of the source
    inner = sorted({cut for cut in cuts if source.span.start < cut < source.span.stop})
    starts = [source.span.start, *inner]
    stops = [*inner, source.span.stop]
    return [
        Shot(Span(start, stop), "start" if i == 0 else kind)
        for i, (start, stop) in enumerate(zip(starts, stops, strict=True))
    ]


class _Fold:
    """PySceneDetect's clock of one source: positions from its first frame, lengths in frames."""

    def __init__(self, source: Source, first_pts: int, config: ShotConfig) -> None:
        self._time_base = source.clock.time_base
        self._rate: Fraction = framerate_to_fraction(source.frame_rate)
        self._first = first_pts
        self._config = config
        self._min_frames = FrameTimecode(float(config.min_shot_s), self._rate).frame_num

    def flash_filtered(self, events: Sequence[CutEvent], last_pts: int) -> list[int]:
        """The content detector's own filter, fed with the frames that can change its state.

        It is a function of time since the last event and of a merge in progress. A frame without an
        event only ever ends a merge, at the first frame that lies min_shot_s after the last event;
        where nothing follows in time, the cut that it then gives is the last event itself, whichever
        frame ends it. So the frame just before each event, and the last, stand for all between.
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
        """Adaptive, histogram and hash: an event counts once min_shot_s has passed since the last cut."""
        last = self._at(self._first)
        cuts: list[int] = []
        for event in events:
            at = self._at(event.pts)
            if (at - last) >= self._min_frames:
                cuts.append(event.pts)
                last = at
        return cuts

    def faded(self, events: Sequence[CutEvent], last_pts: int) -> list[int]:
        """Threshold: between a fade-out and the fade-in after it, as fade_bias says."""
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
