"""Links between regions of successive keyframes that a model of motion takes for the same thing."""

from dataclasses import dataclass
from typing import Protocol

from schemas import require
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray, require_image
from schemas.masks import Mask


@dataclass(frozen=True, slots=True)
class Link:
    """A region of an earlier frame and the region of this frame in which a model of motion found it again.

    start, stop: the ids of the earlier and the later region.
    score: confidence in [0, 1], e.g. the IoU of the propagated mask and the region's mask.
    """

    start: str
    stop: str
    score: float

    def __post_init__(self) -> None:
        require.within("[0, 1]", score=self.score)


@dataclass(frozen=True, slots=True, eq=False)
class MaskedFrame:
    """One keyframe and its N regions that have masks.

    image: uint8 (H, W, 3), RGB. It may be smaller than the keyframe in which the masks were found, e.g. its thumbnail.
    ids: distinct ids of the regions. masks: N masks of one size.
    """

    image: ImageArray
    ids: tuple[str, ...]
    masks: tuple[Mask, ...]

    def __post_init__(self) -> None:
        require_image(self.image)
        require.same_length(ids=self.ids, masks=self.masks)
        require.distinct(ids=self.ids)
        sizes = {(mask.width_px, mask.height_px) for mask in self.masks}
        if len(sizes) > 1:
            raise InvalidValueError(f"masks of one keyframe must be of one size, got {sorted(sizes)}")

    def __repr__(self) -> str:
        height, width, _ = self.image.shape
        return f"MaskedFrame(n={len(self.ids)}, {width}x{height} px)"


class Linker(Protocol):
    """Follows masks through the keyframes of successive shots, in this process or in another."""

    def __call__(self, frame: MaskedFrame) -> list[Link]:
        """Links from regions of the previous frame to regions of this one; none for the first frame after a cut.

        Raises WorkerDiedError if the state of the linker was lost. The caller must then repeat the frames since the
        last cut.
        """
        ...

    def cut(self) -> None:
        """Announces that the next frame is of another shot or another source: no mask is followed into it."""
        ...

    def close(self) -> None:
        """Frees the device's memory. Further calls do nothing."""
        ...
