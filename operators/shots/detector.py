"""The interface of shot detectors, which report events frame by frame, before any rule on shot length applies."""

from collections.abc import Iterator
from dataclasses import Field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from schemas.frames import ImageArray
from schemas.shots import CutEvent
from schemas.sources import Source

if TYPE_CHECKING:
    from operators.shots.config import ShotConfig

CutRule = Literal["spaced", "flash_filtered", "faded"]


class ShotDetector(Protocol):
    """Finds the events in frames that are given in PTS order. Events are also in PTS order.

    An event depends on a window around it, and never on earlier events. The events of segments of a source that
    are read separately are therefore those of the whole source.

    delay_frames: an event is reported at most this many frames after its own frame.
    events_known: whether all events at the last given frame are reported, and are valid. This is so from the source's
        first frame on; if reading starts in the middle, it is so once the window is full.
    warm_up_frames: number of frames after which `events_known` normally becomes true; with a variable frame rate, it
        can take longer.
    """

    delay_frames: int
    warm_up_frames: int
    events_known: bool

    def __call__(self, pts: int, small: ImageArray) -> Iterator[CutEvent]:
        """Adds a frame and yields the events that are now known. small: uint8 (h, w, 3), BGR, always of one size."""

    def flush(self) -> Iterator[CutEvent]:
        """The remaining events, after the source's last frame was given."""


class ShotDetectorConfig(Protocol):
    """The settings of one shot detector: a frozen dataclass with a default for every field.

    name: consists of lower-case letters, digits and hyphens. The settings in a plan are under it: `[read.shots.NAME]`.
    cut_rule: which events are cuts. "spaced": those that are at least `min_shot_s` after the last cut.
        "flash_filtered": those that PySceneDetect's filter against flashes keeps. "faded": one cut between a "fade_out"
        event and the next "fade_in" event.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    name: ClassVar[str]
    cut_rule: ClassVar[CutRule]

    def build(self, shots: "ShotConfig", source: Source, *, first_of_source: bool) -> ShotDetector:
        """Builds a detector for one segment of a source, in the process that reads it.

        shots: the settings that all detectors share.
        first_of_source: whether the first frame that will be given is the source's first.
        """
        ...
