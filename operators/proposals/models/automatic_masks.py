"""Proposes automatic masks: a promptable segmenter is run at every point of a grid, and doubtful and duplicate masks
are dropped."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from operators.masks.segmenter_files import HOW_TO_NAME_ONE
from operators.proposals.proposer import Proposer
from operators.proposals.refine import nms
from operators.runtime.settings import no_rows, weights
from schemas import require
from schemas.boxes import Boxes
from schemas.errors import ModelError
from schemas.frames import Keyframe
from schemas.regions import Proposals

if TYPE_CHECKING:  # plans are read without torch
    import torch

    from operators.masks.mask_logits import MaskMeasures
    from operators.masks.sam import Embedding, Segmenter


@dataclass(frozen=True, slots=True)
class AutomaticMasksConfig:
    """The segmenter, the points of its prompts, and which masks are kept. Defaults except the last two are SAM 2's own.

    model: a folder or a hub id of SAM 2.1, SAM 3, EdgeTAM or SAM.
    points_per_side: points of the grid per side; cost grows with its square, and a coarse grid misses small objects.
        A point takes about a sixth of a second of one CPU core with SAM 2.1 tiny: 32 × 32 points need a GPU.
    points_per_batch, frames_per_batch: batch sizes, smaller on a CPU; no region depends on them.
    least_predicted_iou: masks with a lower IoU predicted by the model are dropped.
    least_stability: masks with a lower stability are dropped, which is the IoU of the masks at thresholds
        stability_offset above and below 0 (in logits).
    max_iou: of two masks whose boxes have a higher IoU, the one with the higher predicted IoU is kept.
    min_area: minimum area of a mask, as a share of the frame.
    limit: maximum number of masks per frame.
    """

    name: ClassVar[str] = "masks"
    makes_masks: ClassVar[bool] = True

    model: str = field(default="", metadata=weights())
    points_per_side: int = 32
    points_per_batch: int = field(default=64, metadata=no_rows())
    frames_per_batch: int = field(default=4, metadata=no_rows())
    least_predicted_iou: float = 0.8
    least_stability: float = 0.95
    stability_offset: float = 1.0
    max_iou: float = 0.7
    min_area: float = 0.0005
    limit: int = 64

    def __post_init__(self) -> None:
        require.at_least(1, points_per_side=self.points_per_side, points_per_batch=self.points_per_batch)
        require.at_least(1, frames_per_batch=self.frames_per_batch, limit=self.limit)
        require.within("[0, 1]", least_predicted_iou=self.least_predicted_iou, least_stability=self.least_stability)
        require.within("[0, 1]", max_iou=self.max_iou, min_area=self.min_area)
        require.above(0, stability_offset=self.stability_offset)

    def build(self) -> Proposer:
        return AutomaticMasks(self)


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """K masks of one frame. predicted_iou: float32 (K,). logits: float32 (K, h, w), on the device."""

    predicted_iou: NDArray[np.float32]
    measures: "MaskMeasures"
    logits: "torch.Tensor"


class AutomaticMasks:
    """Masks at the points of a grid; proposer "sam2", "sam3", "edgetam" or "sam", depending on the model.

    Each point gives three masks (a part, the object, the whole). The image encoder runs once per frame; points of
    several frames share the decoder's batches. Masks are enlarged to the size of the frame and measured on the device,
    and only those that are kept are encoded as run lengths. The grid covers the whole frame, whatever its shape.

    score: predicted IoU, in [0, 1].

    Raises ModelError if the model is missing or is not a segmenter.
    """

    def __init__(self, config: AutomaticMasksConfig) -> None:
        from operators.masks.sam import load_segmenter

        if not config.model:
            raise ModelError(f"the proposer masks needs a segmenter: set proposals.masks.model; {HOW_TO_NAME_ONE}")
        self.config = config
        self._segmenter: Segmenter = load_segmenter(
            config.model, frames_per_batch=config.frames_per_batch, prompts_per_batch=config.points_per_batch
        )
        self._grid = point_grid(config.points_per_side)

    def __call__(self, keyframes: Sequence[Keyframe]) -> list[Proposals]:
        """One `Proposals` per keyframe."""
        found: list[Proposals] = []
        for start in range(0, len(keyframes), self.config.frames_per_batch):
            images = [keyframe.image for keyframe in keyframes[start : start + self.config.frames_per_batch]]
            frames = self._segmenter.embed(images)
            candidates = self._candidates(frames)
            found += [self._best(c, size) for c, size in zip(candidates, frames.sizes, strict=True)]
        return found

    def close(self) -> None:
        self._segmenter.close()

    def _candidates(self, frames: "Embedding") -> list[list[_Candidates]]:
        """The masks of each frame whose predicted IoU, stability and area are high enough, batch by batch."""
        found: list[list[_Candidates]] = [[] for _ in frames.sizes]
        for batch in self._segmenter.masks_at_points(frames, [self._grid] * len(frames)):
            sure = batch.predicted_iou >= self.config.least_predicted_iou
            prompt = sure.nonzero()[:, 0].cpu().numpy()
            predicted_iou = batch.predicted_iou[sure].cpu().numpy()
            logits, frame = batch.logits[sure], batch.frame[prompt]
            for i in np.unique(frame):
                here = np.flatnonzero(frame == i)
                found[i].append(self._good(predicted_iou[here], logits[here[0] : here[-1] + 1], frames.sizes[i]))
        return found

    def _good(self, predicted_iou: NDArray[np.float32], logits: "torch.Tensor", size: tuple[int, int]) -> _Candidates:
        measures = self._segmenter.measures(logits, size, offset=self.config.stability_offset)
        least_px = max(1.0, self.config.min_area * size[0] * size[1])  # an empty mask is not a region
        kept = np.flatnonzero((measures.stability >= self.config.least_stability) & (measures.area_px >= least_px))
        # low-resolution logits stay on the device: they take a sixteenth of the memory of enlarged masks
        return _Candidates(predicted_iou[kept], measures.take(kept), logits[kept])

    def _best(self, parts: Sequence[_Candidates], size: tuple[int, int]) -> Proposals:
        import torch

        if not parts:
            return Proposals.concat([])
        predicted_iou = np.concatenate([p.predicted_iou for p in parts])
        stability = np.concatenate([p.measures.stability for p in parts])
        boxes_px = np.concatenate([p.measures.boxes_px for p in parts])
        order = np.lexsort((*boxes_px.T, -stability, -predicted_iou))  # ties are ordered by the mask, not by the points
        boxes = Boxes.from_pixels(boxes_px[order], width_px=size[1], height_px=size[0])
        kept = nms(boxes, max_iou=self.config.max_iou, limit=self.config.limit)
        chosen = order[kept]
        logits = torch.cat([p.logits for p in parts])[chosen]
        return Proposals.of(
            boxes[kept],
            score=np.clip(predicted_iou[chosen], 0.0, 1.0),
            proposer=self._segmenter.kind,
            mask=self._segmenter.encode(logits, size),
            stability=stability[chosen],
        )


def point_grid(per_side: int) -> NDArray[np.float32]:
    """float32 (per_side², 2): x and y of the centres of a grid of cells, as shares of the frame, row by row."""
    middles = ((np.arange(per_side) + 0.5) / per_side).astype(np.float32)
    y, x = np.meshgrid(middles, middles, indexing="ij")
    return np.stack([x, y], axis=-1).reshape(-1, 2)
