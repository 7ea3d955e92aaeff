"""Proposes masks of all objects by FastSAM, in the optional package `ultralytics`, which is licensed AGPL-3.0."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from operators.checkpoints.loading import device_and_dtype
from operators.masks.rle import encode_masks
from operators.proposals.models.detection.found import in_batches
from operators.proposals.models.detection.loading import free_device_memory
from operators.proposals.proposer import Proposer
from operators.runtime.settings import consent, no_rows, weights
from schemas import require
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from schemas.frames import ImageArray, Keyframe
from schemas.regions import Proposals


@dataclass(frozen=True, slots=True)
class FastSamConfig:
    """model: FastSAM's weights, a file such as FastSAM-s.pt.
    execute_pickle: consent to load it. It is a pickle, and `ultralytics` runs the code that is in it.
    input_px: longer side of the model's input.
    least_score: regions with this score or a lower one are dropped.
    max_iou: of two boxes with a higher IoU, only the better is kept.
    limit: maximum number of regions per frame.
    batch: frames per forward pass; halved if they exceed the memory of the device.
    """

    name: ClassVar[str] = "fastsam"
    makes_masks: ClassVar[bool] = True

    model: str = field(default="", metadata=weights())
    execute_pickle: bool = field(default=False, metadata=consent())
    input_px: int = 1024
    least_score: float = 0.4
    max_iou: float = 0.9
    limit: int = 64
    batch: int = field(default=4, metadata=no_rows())

    def __post_init__(self) -> None:
        require.at_least(32, input_px=self.input_px)
        if self.input_px % 32:
            raise InvalidValueError(f"input_px must be a multiple of 32, got {self.input_px}")
        require.within("[0, 1]", least_score=self.least_score, max_iou=self.max_iou)
        require.at_least(1, limit=self.limit, batch=self.batch)

    def build(self) -> Proposer:
        return FastSam(self)


class FastSam:
    """Regions without a class, each with a mask; proposer "fastsam".

    It is never used by default: `ultralytics` is AGPL-3.0, which binds whoever offers a service with it. The package is
    imported only here, and only if this proposer is chosen.

    Raises ModelError if the package or the weights are missing, before `ultralytics` could download any.
    """

    def __init__(self, config: FastSamConfig) -> None:
        self.config = config
        if not config.model:
            raise ModelError("proposals.fastsam.model names no weights: set it to a file such as FastSAM-s.pt")
        path = Path(config.model).expanduser()
        if not path.is_file():
            raise ModelError(
                f"there is no file {config.model}: fetch FastSAM's weights first (proposals.fastsam.model)"
            )
        if not config.execute_pickle:
            raise ModelError(
                f"{config.model} is a pickle, and ultralytics runs the code that is in it: set "
                "proposals.fastsam.execute_pickle=true if you trust whoever made it"
            )
        try:
            package: Any = importlib.import_module("ultralytics")
        except ImportError as error:
            raise ModelError(
                "the proposer fastsam needs the package ultralytics, licensed AGPL-3.0: "
                f"pip install 'regionlake[fastsam]' if you accept that licence ({error})"
            ) from error
        try:
            self._model = package.FastSAM(str(path))
        except Exception as error:  # unpickling a file can raise any error
            raise ModelError(f"{config.model} cannot be read as FastSAM's weights: {error}") from error
        self._device, _ = device_and_dtype()

    def __call__(self, keyframes: Sequence[Keyframe]) -> list[Proposals]:
        # only frames of one size share a batch: others would be padded to the largest
        images = [keyframe.image for keyframe in keyframes]
        return in_batches(
            images, self._segment, alike=lambda image: image.shape, size=self.config.batch, device=self._device
        )

    def close(self) -> None:
        """Frees the memory of the model on the device."""
        del self._model
        free_device_memory()

    def _segment(self, images: list[ImageArray]) -> list[Proposals]:
        results = self._model.predict(
            [np.ascontiguousarray(image[..., ::-1]) for image in images],  # it expects BGR
            imgsz=self.config.input_px,
            conf=self.config.least_score,
            iou=self.config.max_iou,
            max_det=self.config.limit,
            retina_masks=True,  # masks of the frame's size
            device=str(self._device),
            verbose=False,
        )
        return [_proposals(result, image) for result, image in zip(results, images, strict=True)]


def _proposals(result: Any, image: ImageArray) -> Proposals:
    """result: `Results` of ultralytics; boxes in pixels (N, 4), masks (N, H, W), None if nothing was found."""
    if result.masks is None or not len(result.boxes):
        return Proposals.concat([])
    height, width, _ = image.shape
    score = result.boxes.conf.float().cpu().numpy().astype(np.float32)
    boxes = Boxes.from_pixels(result.boxes.xyxy.float().cpu().numpy(), width_px=width, height_px=height)
    masks = encode_masks(result.masks.data.cpu().numpy() > 0.5)
    order = np.argsort(-score, kind="stable")
    found = Proposals.of(boxes, score=score, proposer="fastsam", mask=masks)
    return found.take(order)
