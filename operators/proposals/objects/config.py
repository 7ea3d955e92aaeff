"""Objects: boxes that a small trained head finds in the embedded model's pass over the frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from operators.proposals.proposer import Proposer
from schemas import require


@dataclass(frozen=True, slots=True)
class ObjectsConfig:
    """map_px: side of a square with the area at which the frame is seen. If it equals `regions.map_px` and the plan's
        model is the embedded one, objects and vectors come from one pass.
    least_score: boxes with a lower expected IoU are dropped.
    max_iou: of two boxes with a higher IoU, only the better is kept. A lower value loses people in crowds, a higher one
        things elsewhere.
    limit: maximum number of boxes per frame.
    """

    name: ClassVar[str] = "objects"
    makes_masks: ClassVar[bool] = False
    map_model: ClassVar[str] = "everyday"

    map_px: int = 448
    least_score: float = 0.15
    max_iou: float = 0.6
    limit: int = 32

    def __post_init__(self) -> None:
        require.within("[64, 2048]", map_px=self.map_px)
        require.within("[0, 1]", least_score=self.least_score, max_iou=self.max_iou)
        require.at_least(1, limit=self.limit)

    def counted(self) -> Mapping[str, object]:
        """See `CountsByName`: boxes depend on the trained head as well."""
        from operators.proposals.objects.head import objects_revision

        settings = {"map_px": self.map_px, "least_score": self.least_score, "max_iou": self.max_iou}
        return {**settings, "limit": self.limit, "head": objects_revision()}

    def build(self) -> Proposer:
        from operators.proposals.objects.objects import Objects

        return Objects(self)
