"""Which masks a plan gives to regions that have none, and what makes them."""

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
    """by: what makes masks of boxes. The other fields are the settings of each, used where it is chosen."""

    by: Literal["none", "grabcut", "sam"] = "none"
    grabcut: GrabCutConfig = field(default_factory=GrabCutConfig)
    sam: BoxMasksConfig = field(default_factory=BoxMasksConfig)

    def __post_init__(self) -> None:
        if self.by == "sam" and not self.sam.model:
            raise InvalidValueError('masks by "sam" need box_masks.sam.model, a folder or an id of the hub')

    def fields_in_use(self) -> tuple[str, ...]:
        """Names of the fields on which masks depend."""
        return ("by",) if self.by == "none" else ("by", self.by)

    @property
    def chosen(self) -> GrabCutConfig | BoxMasksConfig | None:
        """The settings of what makes masks; None where nothing does."""
        match self.by:
            case "none":
                return None
            case "grabcut":
                return self.grabcut
            case "sam":
                return self.sam


def build_masks(config: MaskConfig) -> MaskMaker:
    """What takes keyframes with their regions, and returns the regions with masks. Raises ModelError."""
    match config.by:
        case "none":
            return lambda _, proposals: list(proposals)
        case "grabcut":
            return GrabCutMasks(config.grabcut)
        case "sam":
            return BoxMasks(config.sam)
