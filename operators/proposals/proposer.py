"""The proposers of a plan, together: every keyframe's boxes, refined."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args, runtime_checkable

from operators.masks.config import MaskConfig, build_masks
from operators.proposals.classical.moving import MovingConfig, MovingRegions
from operators.proposals.classical.segments import Segments, SegmentsConfig
from operators.proposals.classical.selective_search import SelectiveSearch, SelectiveSearchConfig
from operators.proposals.models.automatic_masks import AutomaticMasks, AutomaticMasksConfig
from operators.proposals.models.detector import Detector, DetectorConfig
from operators.proposals.models.fastsam import FastSam, FastSamConfig
from operators.proposals.models.open_set import OpenSet, OpenSetConfig
from operators.proposals.refine import RefineConfig, refine
from operators.proposals.windows.complete_cover import CompleteCover, CompleteCoverConfig
from operators.proposals.windows.grid import GridConfig, StaticGrid
from schemas.errors import PlanError
from schemas.frames import Keyframe
from schemas.regions import Proposals

ProposerName = Literal[
    "moving", "selective-search", "grid", "complete-cover", "segments", "masks", "detector", "open-set", "fastsam"
]
ProposerConfig = (
    MovingConfig
    | SelectiveSearchConfig
    | GridConfig
    | CompleteCoverConfig
    | SegmentsConfig
    | AutomaticMasksConfig
    | DetectorConfig
    | OpenSetConfig
    | FastSamConfig
)
Proposer = Callable[[Sequence[Keyframe]], list[Proposals]]
_WITH_MASKS: frozenset[ProposerName] = frozenset({"segments", "masks", "fastsam"})


@runtime_checkable
class HoldsModel(Protocol):
    """A proposer, or a maker of masks, that has memory of a device to give back."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ProposalConfig:
    """use: which proposers run; the first named have the first claim on the limit per frame.

    box_masks: what gives the regions that are kept a mask where their proposer gave none.
    The other fields are the settings of each proposer, used where it is named.
    """

    use: tuple[ProposerName, ...] = ("moving", "selective-search", "grid")
    moving: MovingConfig = field(default_factory=MovingConfig)
    selective_search: SelectiveSearchConfig = field(default_factory=SelectiveSearchConfig)
    grid: GridConfig = field(default_factory=GridConfig)
    complete_cover: CompleteCoverConfig = field(default_factory=CompleteCoverConfig)
    segments: SegmentsConfig = field(default_factory=SegmentsConfig)
    masks: AutomaticMasksConfig = field(default_factory=AutomaticMasksConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    open_set: OpenSetConfig = field(default_factory=OpenSetConfig)
    fastsam: FastSamConfig = field(default_factory=FastSamConfig)
    refine: RefineConfig = field(default_factory=RefineConfig)
    box_masks: MaskConfig = field(default_factory=MaskConfig)

    def __post_init__(self) -> None:
        known = get_args(ProposerName)
        for name in self.use:
            if name not in known:
                raise PlanError(f"unknown proposer {name!r}; choose from {', '.join(known)}")
        if len(set(self.use)) != len(self.use):
            raise PlanError(f"a proposer is named twice in use={self.use}")

    @property
    def masks_are_made(self) -> bool:
        """Whether any region can have a mask."""
        return self.box_masks.chosen is not None or not _WITH_MASKS.isdisjoint(self.use)

    def config_of(self, name: ProposerName) -> ProposerConfig:
        match name:
            case "moving":
                return self.moving
            case "selective-search":
                return self.selective_search
            case "grid":
                return self.grid
            case "complete-cover":
                return self.complete_cover
            case "segments":
                return self.segments
            case "masks":
                return self.masks
            case "detector":
                return self.detector
            case "open-set":
                return self.open_set
            case "fastsam":
                return self.fastsam


def build_proposer(config: ProposerConfig) -> Proposer:
    """Raises ModelError where a model is missing or of another kind, PlanError where it cannot do what is asked."""
    match config:
        case MovingConfig():
            return _each(MovingRegions(config))
        case SelectiveSearchConfig():
            return _each(SelectiveSearch(config))
        case GridConfig():
            return _each(StaticGrid(config))
        case CompleteCoverConfig():
            return _each(CompleteCover(config))
        case SegmentsConfig():
            return _each(Segments(config))
        case AutomaticMasksConfig():
            return AutomaticMasks(config)
        case DetectorConfig():
            return Detector(config)
        case OpenSetConfig():
            return OpenSet(config)
        case FastSamConfig():
            return FastSam(config)


def _each(propose: Callable[[Keyframe], Proposals]) -> Proposer:
    """A proposer that looks at one keyframe at a time; models take several at once."""
    return lambda keyframes: [propose(keyframe) for keyframe in keyframes]


class FrameProposer:
    """Runs every proposer of a plan on keyframes, refines what they find in each, and gives it masks."""

    def __init__(self, config: ProposalConfig) -> None:
        self.config = config
        self._proposers = [build_proposer(config.config_of(name)) for name in config.use]
        self._masks = build_masks(config.box_masks)

    def __call__(self, keyframes: Sequence[Keyframe]) -> list[Proposals]:
        """One `Proposals` a keyframe."""
        found = [propose(keyframes) for propose in self._proposers]
        refined = [
            refine(Proposals.concat([by_frame[i] for by_frame in found]), self.config.refine)
            for i in range(len(keyframes))
        ]
        return self._masks(keyframes, refined)

    def close(self) -> None:
        """Gives the device's memory back, of proposers that hold models."""
        for part in (*self._proposers, self._masks):
            if isinstance(part, HoldsModel):
                part.close()
