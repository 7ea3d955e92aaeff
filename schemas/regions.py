"""Regions: boxes proposed in one frame, with the proposer of each, its score, label and mask."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas import require
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError
from schemas.masks import Mask

WHOLE_FRAME = "frame"  # proposer of the one region that is the frame itself
# proposers whose scores estimate how well a box fits one thing (its IoU with it), so that regions of both compare
ONE_SCALE = ("objects", "moving")


def is_static(proposer: str) -> bool:
    """Whether the proposer's regions are the same windows in every frame: "grid-4", "cover-3"."""
    return re.fullmatch(r"(grid|cover)-\d+", proposer) is not None


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """N regions of one frame, a struct of arrays.

    score: float32 (N,), in [0, 1], higher is better; comparable within one proposer only.
    proposer: N names, e.g. "moving", "grid-4".
    label: N names of classes, or phrases of the proposer's vocabulary; None where the proposer gives none.
    mask: N masks; None where there is only a box.
    stability: float32 (N,), in [0, 1]: how little a mask changes with its threshold (IoU of the masks at a higher and
        a lower one); NaN where unknown.
    """

    boxes: Boxes
    score: NDArray[np.float32]
    proposer: tuple[str, ...]
    label: tuple[str | None, ...]
    mask: tuple[Mask | None, ...]
    stability: NDArray[np.float32]

    def __post_init__(self) -> None:
        require.same_length(
            boxes=self.boxes,
            score=self.score,
            proposer=self.proposer,
            label=self.label,
            mask=self.mask,
            stability=self.stability,
        )
        for name, values in (("score", self.score), ("stability", self.stability)):
            if values.dtype != np.float32 or values.ndim != 1:
                raise InvalidValueError(f"{name} must be float32 (N,), got {values.dtype} {values.shape}")

    @classmethod
    def of(
        cls,
        boxes: Boxes,
        *,
        score: NDArray[np.float32] | float,
        proposer: str | Sequence[str],
        label: Sequence[str | None] | None = None,
        mask: Sequence[Mask | None] | None = None,
        stability: NDArray[np.float32] | None = None,
    ) -> "Proposals":
        """Proposals with one score or proposer for all or one for each; the other fields default to unknown."""
        n = len(boxes)
        return cls(
            boxes,
            np.broadcast_to(np.asarray(score, np.float32), (n,)).copy(),
            (proposer,) * n if isinstance(proposer, str) else tuple(proposer),
            (None,) * n if label is None else tuple(label),
            (None,) * n if mask is None else tuple(mask),
            np.full(n, np.nan, np.float32) if stability is None else stability,
        )

    @classmethod
    def concat(cls, parts: "Sequence[Proposals]") -> "Proposals":
        none = np.zeros(0, np.float32)
        return cls(
            Boxes.concat([p.boxes for p in parts]),
            np.concatenate([none, *(p.score for p in parts)]),
            tuple(name for p in parts for name in p.proposer),
            tuple(name for p in parts for name in p.label),
            tuple(mask for p in parts for mask in p.mask),
            np.concatenate([none, *(p.stability for p in parts)]),
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, index: NDArray[np.intp]) -> "Proposals":
        """The proposals at `index`, in that order."""
        return Proposals(
            self.boxes[index],
            self.score[index],
            tuple(self.proposer[i] for i in index),
            tuple(self.label[i] for i in index),
            tuple(self.mask[i] for i in index),
            self.stability[index],
        )

    def __repr__(self) -> str:
        return f"Proposals(n={len(self)}, proposers={sorted(set(self.proposer))})"
