"""Makes masks for boxes: a segmenter is prompted with each box (Grounded SAM, arXiv 2401.14159)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from operators.runtime.settings import no_rows, weights
from schemas import require
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.frames import Keyframe
from schemas.regions import WHOLE_FRAME, Proposals

if TYPE_CHECKING:  # plans are read without torch
    from operators.masks.sam import Embedding, Segmenter

_STATIC = ("grid-", "cover-", WHOLE_FRAME)  # windows that do not depend on the picture: they contain no single thing


@dataclass(frozen=True, slots=True)
class BoxMasksConfig:
    """How a segmenter makes masks for boxes.

    model: a folder or a hub id of SAM 2.1, SAM 3, EdgeTAM or SAM.
    boxes_per_batch, frames_per_batch: number of boxes and frames that pass through the model at once; fewer on a CPU.
        Masks do not depend on them.
    least_predicted_iou: a mask for which the model predicts a lower IoU is dropped, and its region has only a box.
    stability_offset: by how much the threshold of the logits is raised and lowered to measure stability.
    """

    model: str = field(default="", metadata=weights())
    boxes_per_batch: int = field(default=64, metadata=no_rows())
    frames_per_batch: int = field(default=4, metadata=no_rows())
    least_predicted_iou: float = 0.5
    stability_offset: float = 1.0

    def __post_init__(self) -> None:
        require.at_least(1, boxes_per_batch=self.boxes_per_batch, frames_per_batch=self.frames_per_batch)
        require.within("[0, 1]", least_predicted_iou=self.least_predicted_iou)
        require.above(0, stability_offset=self.stability_offset)


class BoxMasks:
    """Adds masks and their stability to regions that have only a box.

    A box yields three masks (a part, the thing, the whole); the one with the highest predicted IoU is used.
    Regions that have a mask keep it. Static windows, empty boxes, and regions whose mask is empty or uncertain get
    none. Boxes, scores, labels and order do not change.

    Raises ModelError if the model is missing or is not a segmenter.
    """

    def __init__(self, config: BoxMasksConfig) -> None:
        from operators.masks.sam import load_segmenter

        self.config = config
        self._segmenter: Segmenter = load_segmenter(
            config.model, frames_per_batch=config.frames_per_batch, prompts_per_batch=config.boxes_per_batch
        )

    def __call__(self, keyframes: Sequence[Keyframe], proposals: Sequence[Proposals]) -> list[Proposals]:
        """The proposals with masks.

        proposals: those of each keyframe, whose image must be the one in which they were found.
        """
        if len(keyframes) != len(proposals):
            raise InvalidValueError(
                f"each keyframe needs its proposals: got {len(keyframes)} keyframes and {len(proposals)} proposals"
            )
        result = list(proposals)
        maskless = [without_mask(p) for p in proposals]
        busy = [i for i, index in enumerate(maskless) if index.size]  # the other frames are not even embedded
        for start in range(0, len(busy), self.config.frames_per_batch):
            batch = busy[start : start + self.config.frames_per_batch]
            frames = self._segmenter.embed([keyframes[i].image for i in batch])
            self._fill(result, frames, batch, maskless)
        return result

    def close(self) -> None:
        self._segmenter.close()

    def _fill(
        self, result: list[Proposals], frames: "Embedding", batch: Sequence[int], maskless: Sequence[NDArray[np.intp]]
    ) -> None:
        masks = [list(result[i].mask) for i in batch]
        stability = [result[i].stability.copy() for i in batch]
        boxes: list[Boxes] = [result[i].boxes[maskless[i]] for i in batch]
        for answer in self._segmenter.masks_in_boxes(frames, boxes):
            predicted_iou, best = answer.predicted_iou.max(dim=1)
            sure = (predicted_iou >= self.config.least_predicted_iou).cpu().numpy()
            for place in np.unique(answer.frame[sure]):
                here = np.flatnonzero(sure & (answer.frame == place))
                size = frames.sizes[place]
                logits = answer.logits[here, best.cpu().numpy()[here]]
                measures = self._segmenter.measures(logits, size, offset=self.config.stability_offset)
                regions = maskless[batch[place]][answer.prompt[here]]
                for k, mask in enumerate(self._segmenter.encode(logits, size)):
                    if mask.area_px:
                        masks[place][regions[k]] = mask
                        stability[place][regions[k]] = measures.stability[k]
        for place, i in enumerate(batch):
            result[i] = replace(result[i], mask=tuple(masks[place]), stability=stability[place])


def without_mask(proposals: Proposals) -> NDArray[np.intp]:
    """intp (K,): the regions that have a box around a thing, but no mask."""
    bare = [
        mask is None and not name.startswith(_STATIC)
        for mask, name in zip(proposals.mask, proposals.proposer, strict=True)
    ]
    return np.flatnonzero(np.array(bare, bool) & (proposals.boxes.area() > 0))
