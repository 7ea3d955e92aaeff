"""Everything that can be told apart, with masks, by FastSAM: the optional package `ultralytics`, licensed AGPL-3.0."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from operators.checkpoints.loading import device_and_dtype
from operators.masks.rle import encode_masks
from operators.proposals.models.detection.found import in_batches
from operators.proposals.models.detection.loading import give_memory_back
from operators.proposals.proposer import Proposer
from operators.runtime.settings import no_rows, weights
from schemas import require
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from schemas.frames import ImageArray, Keyframe
from schemas.regions import Proposals


@dataclass(frozen=True, slots=True)
class FastSamConfig:
    """model: FastSAM's weights, a file such as FastSAM-s.pt. It is a pickle: code in it runs when it is loaded.

    input_px: longer side at which frames are looked at.
    least_score: what scores no more is left out.
    max_iou: of two boxes that overlap more than this, the better stays.
    limit: most regions a frame.
    batch: frames a forward pass; halved where they exceed the device's memory.
    """

    name: ClassVar[str] = "fastsam"
    makes_masks: ClassVar[bool] = True

    model: str = field(default="", metadata=weights())
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
    """Regions of no class, each with its mask; proposer "fastsam".

    Never on by default: `ultralytics` is AGPL-3.0, which binds whoever offers a service with it. The package is
    imported here alone, when it is chosen.

    Raises ModelError where the package or the weights are not there, before it could fetch any.
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
        try:
            package: Any = importlib.import_module("ultralytics")
        except ImportError as error:
            raise ModelError(
                "the proposer fastsam needs the package ultralytics, licensed AGPL-3.0: "
                f"pip install 'regionlake[fastsam]' if you accept that licence ({error})"
            ) from error
        try:
            self._model = package.FastSAM(str(path))
        except Exception as error:  # whatever unpickling a file raises
            raise ModelError(f"{config.model} cannot be read as FastSAM's weights: {error}") from error
        self._device, _ = device_and_dtype()

    def __call__(self, keyframes: Sequence[Keyframe]) -> list[Proposals]:
        # frames of one size only: others would be padded to their neighbours'
        images = [keyframe.image for keyframe in keyframes]
        return in_batches(
            images, self._segment, alike=lambda image: image.shape, size=self.config.batch, device=self._device
        )

    def close(self) -> None:
        """Gives the device's memory back."""
        del self._model
        give_memory_back()

    def _segment(self, images: list[ImageArray]) -> list[Proposals]:
        results = self._model.predict(
            [np.ascontiguousarray(image[..., ::-1]) for image in images],  # it takes arrays for BGR
            imgsz=self.config.input_px,
            conf=self.config.least_score,
            iou=self.config.max_iou,
            max_det=self.config.limit,
            retina_masks=True,  # of the frame's size
            device=str(self._device),
            verbose=False,
        )
        return [_proposals(result, image) for result, image in zip(results, images, strict=True)]


def _proposals(result: Any, image: ImageArray) -> Proposals:
    """result: `Results` of ultralytics; boxes in pixels (N, 4), masks (N, H, W), None where nothing was found."""
    if result.masks is None or not len(result.boxes):
        return Proposals.concat([])
    height, width, _ = image.shape
    score = result.boxes.conf.float().cpu().numpy().astype(np.float32)
    boxes = Boxes.from_pixels(result.boxes.xyxy.float().cpu().numpy(), width_px=width, height_px=height)
    masks = encode_masks(result.masks.data.cpu().numpy() > 0.5)
    order = np.argsort(-score, kind="stable")
    found = Proposals.of(boxes, score=score, proposer="fastsam", mask=masks)
    return found.take(order)
