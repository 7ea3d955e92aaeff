"""The objects that a detector finds in a frame, and how frames are put into batches."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import Boxes, FloatArray
from schemas.frames import ImageArray
from schemas.regions import Proposals

if TYPE_CHECKING:  # plans are read without torch
    import torch

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """N objects of one frame.

    xyxy: float32 (N, 4), shares of the frame; boxes may extend beyond it.
    score: float32 (N,), in [0, 1].
    name: intp (N,), indices into the list of names that the detector looks for.
    """

    xyxy: FloatArray
    score: NDArray[np.float32]
    name: NDArray[np.intp]

    @classmethod
    def of(cls, xyxy: "torch.Tensor", score: "torch.Tensor", name: "torch.Tensor") -> "Found":
        """Copies tensors of any device and float type."""
        return cls(
            xyxy.float().cpu().numpy().reshape(-1, 4), score.float().cpu().numpy(), name.cpu().numpy().astype(np.intp)
        )

    def __len__(self) -> int:
        return len(self.score)

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> "Found":
        return Found(self.xyxy[index], self.score[index], self.name[index])

    def best_first(self) -> "Found":
        """The same objects by falling score; ties keep their order."""
        return self.take(np.argsort(-self.score, kind="stable"))

    def proposals(self, names: Sequence[str | None], *, proposer: str, limit: int) -> Proposals:
        """At most `limit` proposals, the best first, clipped to the frame.

        Inverted boxes are dropped: the distances to the sides that D-FINE predicts can cross.
        """
        upright = (self.xyxy[:, 0] <= self.xyxy[:, 2]) & (self.xyxy[:, 1] <= self.xyxy[:, 3])
        best = self.take(upright).best_first().take(np.arange(min(limit, int(upright.sum()))))
        return Proposals.of(
            Boxes.clipped(best.xyxy), score=best.score, proposer=proposer, label=[names[i] for i in best.name]
        )


def corners(boxes: "torch.Tensor") -> "torch.Tensor":
    """(…, 4) centre x and y, width and height → (…, 4) x0, y0, x1, y1."""
    import torch

    x, y, width, height = boxes.unbind(-1)
    return torch.stack([x - 0.5 * width, y - 0.5 * height, x + 0.5 * width, y + 0.5 * height], dim=-1)


def in_batches(
    images: Sequence[ImageArray],
    run: Callable[[list[ImageArray]], list[Result]],
    *,
    alike: Callable[[ImageArray], Hashable],
    size: int,
    device: "torch.device",
) -> list[Result]:
    """One result per image, in order; `run` is called with at most `size` images, for which `alike` returns one value.

    Images are never padded to the size of others in their batch, as results would then depend on those. If a batch
    exceeds the memory of the device, it and the batches after it are halved.
    """
    from operators.runtime.batches import Batches  # imports torch, without which plans are read

    groups: dict[Hashable, list[int]] = {}
    for i, image in enumerate(images):
        groups.setdefault(alike(image), []).append(i)
    found: dict[int, Result] = {}
    batches = Batches(size, largest=size, device=device)
    for places in groups.values():
        results = [r for _, part in batches(len(places), partial(_run, run, images, places)) for r in part]
        found.update(zip(places, results, strict=True))
    return [found[i] for i in range(len(images))]


def _run(
    run: Callable[[list[ImageArray]], list[Result]], images: Sequence[ImageArray], places: list[int], rows: slice
) -> list[Result]:
    return run([images[i] for i in places[rows]])
