"""Which masks a plan gives to regions that have none, and what makes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from operators.masks.grabcut import GrabCutConfig, GrabCutMasks
from schemas.errors import PlanError
from schemas.frames import Keyframe
from schemas.regions import Proposals

MaskMaker = Callable[[Sequence[Keyframe], Sequence[Proposals]], list[Proposals]]


@dataclass(frozen=True, slots=True)
class MaskConfig:
    """by: what makes masks of boxes. model: the checkpoint of "sam". grabcut: settings, used where it is chosen."""

    by: Literal["none", "grabcut", "sam"] = "none"
    model: str = ""
    grabcut: GrabCutConfig = field(default_factory=GrabCutConfig)

    def __post_init__(self) -> None:
        if self.by == "sam" and not self.model:
            raise PlanError('masks by "sam" need model=, the name or the folder of a checkpoint')


def build_masks(config: MaskConfig) -> MaskMaker:
    """What takes keyframes with their regions, and returns the regions with masks."""
    match config.by:
        case "none":
            return lambda _, proposals: list(proposals)
        case "grabcut":
            return GrabCutMasks(config.grabcut)
        case "sam":
            raise PlanError(f"no masks by {config.by!r}; choose from none, grabcut")
