"""What every shot detector offers: where it fires, frame by frame, before any rule on shot length."""

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
    """Frames in, in PTS order; events out, in PTS order, each at most `delay_frames` frames after its own.

    An event depends on a window around it, and never on earlier events: events of neighbouring
    stretches of a source, read apart, are those of the whole.

    events_known: whether all events at the frame given last come out, and mean something. From the
        source's first frame on they do; read from the middle, not before the window is full.
    warm_up_frames: after so many frames they normally do; where the frame rate varies it can take more.
    """

    delay_frames: int
    warm_up_frames: int
    events_known: bool

    def __call__(self, pts: int, small: ImageArray) -> Iterator[CutEvent]:
        """small: uint8 (h, w, 3), BGR, the same size for all frames."""

    def flush(self) -> Iterator[CutEvent]:
        """The events still to come, once the source's last frame was given."""


class ShotDetectorConfig(Protocol):
    """The settings of one shot detector: a frozen dataclass with a default for every field.

    name: of lower-case letters, digits and hyphens. A plan has the settings under it, `[read.shots.NAME]`.
    cut_rule: which events are cuts. "spaced": those that lie `min_shot_s` after the last cut. "flash_filtered":
        those that PySceneDetect's filter against flashes keeps. "faded": one between a "fade_out" event and the
        "fade_in" after it.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    name: ClassVar[str]
    cut_rule: ClassVar[CutRule]

    def build(self, shots: "ShotConfig", source: Source, *, first_of_source: bool) -> ShotDetector:
        """A detector for one stretch of a source; built in the process that reads it.

        shots: the settings that detectors share.
        first_of_source: the first frame that will be given is the source's first.
        """
        ...
