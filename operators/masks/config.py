"""How a plan makes masks for regions that have none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from operators.masks.boxes_to_masks import BoxMasks, BoxMasksConfig
from operators.masks.grabcut import GrabCutConfig, GrabCutMasks
from schemas.errors import InvalidValueError
from schemas.frames import Keyframe
from schemas.regions import Proposals

MaskMaker = Callable[[Sequence[Keyframe], Sequence[Proposals]], list[Proposals]]


@dataclass(frozen=True, slots=True)
class MaskConfig:
    """How masks are made for boxes.

    by: the method. The other fields are the settings of each method, used if it is chosen.
    """

    by: Literal["none", "grabcut", "sam"] = "none"
    grabcut: GrabCutConfig = field(default_factory=GrabCutConfig)
    sam: BoxMasksConfig = field(default_factory=BoxMasksConfig)

    def __post_init__(self) -> None:
        if self.by == "sam" and not self.sam.model:
            raise InvalidValueError('masks by "sam" need box_masks.sam.model, a folder or a hub id')

    def fields_in_use(self) -> tuple[str, ...]:
        """Names of the fields on which masks depend."""
        return ("by",) if self.by == "none" else ("by", self.by)

    @property
    def chosen(self) -> GrabCutConfig | BoxMasksConfig | None:
        """The settings of the chosen method; None if no masks are made."""
        match self.by:
            case "none":
                return None
            case "grabcut":
                return self.grabcut
            case "sam":
                return self.sam


def build_masks(config: MaskConfig) -> MaskMaker:
    """Builds the function that adds masks to the regions of keyframes. Raises ModelError if the model cannot load."""
    match config.by:
        case "none":
            return lambda _, proposals: list(proposals)
        case "grabcut":
            return GrabCutMasks(config.grabcut)
        case "sam":
            return BoxMasks(config.sam)
