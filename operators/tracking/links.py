"""Links: what a model of motion says of which region of one keyframe is which of the next."""

from dataclasses import dataclass
from typing import Protocol

from schemas import require
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray, require_image
from schemas.masks import Mask


@dataclass(frozen=True, slots=True)
class Link:
    """A region of an earlier frame that a model of motion found again as a region of this one.

    start, stop: their ids. score: in [0, 1], e.g. IoU of the propagated mask and the region's.
    """

    start: str
    stop: str
    score: float

    def __post_init__(self) -> None:
        require.within("[0, 1]", score=self.score)


@dataclass(frozen=True, slots=True, eq=False)
class MaskedFrame:
    """One keyframe and its N regions that have masks.

    image: uint8 (H, W, 3), RGB; it may be smaller than the keyframe that the masks were found in, e.g. its thumbnail.
    ids: of the regions, all different. masks: N, of one size.
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
    """Follows masks through the keyframes of one shot after the other, in this process or in another."""

    def __call__(self, frame: MaskedFrame) -> list[Link]:
        """Links from regions of the frame that came before to regions of this one; none for the first after a cut.

        Raises WorkerDiedError where what was followed is lost: begin anew at the last cut.
        """
        ...

    def cut(self) -> None:
        """The next frame is of another shot, or of another source: nothing is followed into it."""
        ...

    def close(self) -> None:
        """Gives the device's memory back; calling it again does nothing."""
        ...
