"""Regions: boxes proposed in one frame, with who proposed them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import Boxes
from schemas.errors import InvalidValueError

WHOLE_FRAME = "frame"  # proposer of the one region that is the frame itself


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """N regions of one frame, a struct of arrays.

    score: float32 (N,), in [0, 1], higher is better; comparable within one proposer only.
    proposer: N names, e.g. "moving", "grid-4".
    """

    boxes: Boxes
    score: NDArray[np.float32]
    proposer: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.boxes) == len(self.score) == len(self.proposer):
            raise InvalidValueError(
                f"boxes, score and proposer must be of one length, got "
                f"{len(self.boxes)}, {len(self.score)}, {len(self.proposer)}"
            )
        if self.score.dtype != np.float32 or self.score.ndim != 1:
            raise InvalidValueError(f"score must be float32 (N,), got {self.score.dtype} {self.score.shape}")

    @classmethod
    def of(cls, boxes: Boxes, *, score: NDArray[np.float32] | float, proposer: str) -> "Proposals":
        """All from one proposer; a single score is given to each."""
        scores = np.broadcast_to(np.asarray(score, np.float32), (len(boxes),)).copy()
        return cls(boxes, scores, (proposer,) * len(boxes))

    @classmethod
    def concat(cls, parts: "Sequence[Proposals]") -> "Proposals":
        return cls(
            Boxes.concat([p.boxes for p in parts]),
            np.concatenate([p.score for p in parts]) if parts else np.zeros(0, np.float32),
            tuple(name for p in parts for name in p.proposer),
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, index: NDArray[np.intp]) -> "Proposals":
        """The proposals at `index`, in that order."""
        return Proposals(self.boxes[index], self.score[index], tuple(self.proposer[i] for i in index))

    def __repr__(self) -> str:
        return f"Proposals(n={len(self)}, proposers={sorted(set(self.proposer))})"
