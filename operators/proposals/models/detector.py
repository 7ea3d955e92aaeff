"""Proposes objects of the classes that a detector was trained on: RT-DETR, D-FINE, RF-DETR and the DETR family."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from operators.proposals.models.detection.found import Found
from operators.proposals.models.detection.loading import Family, free_device_memory, load_detector
from operators.proposals.proposer import Proposer
from operators.runtime.settings import no_rows, weights
from schemas import require
from schemas.errors import PlanError
from schemas.frames import ImageArray, Keyframe
from schemas.regions import Proposals

FAMILIES: dict[str, Family] = {
    "rt_detr": Family("RTDetrImageProcessorPil"),
    "rt_detr_v2": Family("RTDetrImageProcessorPil"),
    "d_fine": Family("RTDetrImageProcessorPil"),
    # RF-DETR's own processor needs torchvision; this one has the same settings and selects boxes in the same manner
    "rf_detr": Family("DeformableDetrImageProcessorPil", "interpolated"),
    "deformable_detr": Family("DeformableDetrImageProcessorPil"),
    "conditional_detr": Family("ConditionalDetrImageProcessorPil"),
    "detr": Family("DetrImageProcessorPil"),
}


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """model: a folder or a hub id of RT-DETR, RT-DETRv2, D-FINE, RF-DETR or (Deformable, Conditional) DETR.

    least_score: objects with this score or a lower one are dropped.
    classes: the classes of the model to propose; empty means all.
    limit: maximum number of boxes per frame.
    batch: frames per forward pass; halved if they exceed the memory of the device.
    """

    name: ClassVar[str] = "detector"
    makes_masks: ClassVar[bool] = False

    model: str = field(default="", metadata=weights())
    least_score: float = 0.3
    classes: tuple[str, ...] = ()
    limit: int = 64
    batch: int = field(default=8, metadata=no_rows())

    def __post_init__(self) -> None:
        require.within("[0, 1]", least_score=self.least_score)
        require.at_least(1, limit=self.limit, batch=self.batch)

    def build(self) -> Proposer:
        return Detector(self)


class Detector:
    """One forward pass per batch; scores, classes and boxes by `transformers`' own post-processing. label: the class.

    proposer: the model's type, "rt-detr", "rt-detr-v2", "d-fine", "rf-detr" …
    Raises ModelError if the model is missing or of another type, PlanError for classes that it does not know.
    """

    def __init__(self, config: DetectorConfig) -> None:
        self.config = config
        self._loaded = load_detector(
            config.model,
            setting="proposals.detector.model",
            example="PekingU/rtdetr_v2_r50vd",
            architecture="AutoModelForObjectDetection",
            families=FAMILIES,
        )
        labels: dict[int, str] = {int(i): str(label) for i, label in self._loaded.model.config.id2label.items()}
        self._names: list[str | None] = [labels.get(i) for i in range(max(labels, default=-1) + 1)]
        self._wanted = np.array(_places(config.classes, self._names, model=config.model), np.intp)

    def __call__(self, keyframes: Sequence[Keyframe]) -> list[Proposals]:
        """One `Proposals` per keyframe."""
        return self._loaded.proposals(
            keyframes, self._detect, names=self._names, batch=self.config.batch, limit=self.config.limit
        )

    def close(self) -> None:
        """Frees the memory of the model on the device."""
        del self._loaded
        free_device_memory()

    def _detect(self, images: Sequence[ImageArray]) -> list[Found]:
        import torch

        with torch.inference_mode():
            outputs = self._loaded.model(pixel_values=self._loaded.pixels(images))
            # as in its own processor
            more = {"top_k": outputs.logits.shape[1]} if self._loaded.kind == "rf_detr" else {}
            results = self._loaded.processor.post_process_object_detection(
                outputs, threshold=self.config.least_score, **more
            )
        found = [Found.of(result["boxes"], result["scores"], result["labels"]) for result in results]
        return [each.take(np.isin(each.name, self._wanted)) for each in found] if self.config.classes else found


def _places(classes: Sequence[str], names: Sequence[str | None], *, model: str) -> list[int]:
    known = {name: i for i, name in enumerate(names) if name is not None}
    for name in classes:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=5, cutoff=0.5) or sorted(known)[:5]
            raise PlanError(f"{model} knows no class {name!r}; near are {', '.join(map(repr, near))}")
    return [known[name] for name in classes]
