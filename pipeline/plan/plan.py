"""The plan: all settings that determine the rows of a source, and how the work is distributed."""

from dataclasses import dataclass, field, replace

from operators.codes.config import CodesConfig
from operators.detailclip.config import DetailConfig
from operators.encoders.catalogue import model_card, region_mode
from operators.encoders.reduction import Reduction, require_space
from operators.encoders.region_vectors import RegionVectorsConfig
from operators.proposals.config import ProposalConfig
from operators.proposals.proposer import SharesPass
from operators.representatives.config import RepresentativesConfig
from operators.runtime.settings import Setting, identity, neutral, no_rows, weights
from operators.tracking.tracker import TrackConfig
from pipeline.live.live_config import LiveConfig
from pipeline.plan.plan_hash import plan_hash
from pipeline.reading.fetch_rule import DownloadConfig
from pipeline.reading.keyframe_stream import ReadConfig
from schemas import require
from schemas.errors import PlanError
from schemas.vectors import VectorSpace


@dataclass(frozen=True, slots=True)
class ThumbnailConfig:
    """The JPEG that is stored of each keyframe. max_side_px: limit of its longer side. quality: of JPEG, 1 to 100."""

    max_side_px: int = 640
    quality: int = 85

    def __post_init__(self) -> None:
        require.at_least(16, max_side_px=self.max_side_px)
        require.within("[1, 100]", quality=self.quality)


@dataclass(frozen=True, slots=True)
class ValidityConfig:
    """How long a region is valid: to the next keyframe, at the latest to the next border of an absolute grid.

    grid_s: step of the grid, in seconds of PTS.
    store_once: a region is valid until its pixels change, or to the grid, and what repeats it meanwhile is not kept
        once its source is complete.
    """

    grid_s: float = field(default=60.0, metadata=neutral(60.0))
    store_once: bool = field(default=False, metadata=neutral(False))

    def __post_init__(self) -> None:
        require.above(0, grid_s=self.grid_s)


@dataclass(frozen=True, slots=True)
class RunConfig:
    """How the work is distributed; no row depends on it.

    segment_s: length of the segments in which a video is read, retried and committed.
    read_timeout_s: a decoder without progress for this long is killed.
    readers, proposers, embedders: Ray actors of each stage; 0 computes the number from the cluster's CPUs, and from its
        GPUs for stages that hold models. Where objects and vectors come from one pass, proposers are the embedders.
    download: the limits of files that are fetched.
    compile: runs checkpoints on a GPU through torch.compile; the first batches wait for it. The embedded model, and
        any model on a CPU, are not compiled.
    """

    segment_s: float = 300.0
    read_timeout_s: float = 60.0
    readers: int = 0
    proposers: int = 0
    embedders: int = 0
    download: DownloadConfig = field(default_factory=DownloadConfig)
    compile: bool = False

    def __post_init__(self) -> None:
        require.above(0, segment_s=self.segment_s, read_timeout_s=self.read_timeout_s)
        require.at_least(0, readers=self.readers, proposers=self.proposers, embedders=self.embedders)


def _model_weights(name: str) -> Setting:
    """The vector space without the model's name: the same weights in another folder make the same vectors."""
    space = model_card(name, class_paths=True).space
    return {"revision": space.revision, "dimension": space.dimension, "preprocessing": space.preprocessing}


@dataclass(frozen=True, slots=True)
class Plan:
    """All settings of an ingest. `hash` covers those that determine rows, and not `run` and `live`.

    model: a name from `regionlake models`, a checkpoint by folder or hub id, or a class path.
    patches: whether the dense grid of patch vectors of each keyframe is stored as well.
    detail: how the details of a keyframe are fused into one vector, for searches by `detail`.
    validity: how long a region is valid after its keyframe.
    representatives: how the patches of a keyframe are reduced to a few vectors, for searches by `representatives`.
    """

    model: str = field(default="everyday", metadata=weights(_model_weights))
    patches: bool = False
    detail: DetailConfig = field(default_factory=DetailConfig)
    representatives: RepresentativesConfig = field(default_factory=RepresentativesConfig)
    read: ReadConfig = field(default_factory=ReadConfig)
    proposals: ProposalConfig = field(default_factory=ProposalConfig)
    regions: RegionVectorsConfig = field(default_factory=RegionVectorsConfig)
    thumbnails: ThumbnailConfig = field(default_factory=ThumbnailConfig)
    tracks: TrackConfig = field(default_factory=TrackConfig)
    codes: CodesConfig = field(default_factory=CodesConfig)
    validity: ValidityConfig = field(default_factory=ValidityConfig)
    run: RunConfig = field(default_factory=RunConfig, metadata=no_rows())
    live: LiveConfig = field(default_factory=LiveConfig, metadata=no_rows())

    def __post_init__(self) -> None:
        if not self.model:
            raise PlanError("model is empty; `regionlake models` lists names")
        if self.regions.mode == "auto":
            object.__setattr__(self, "regions", replace(self.regions, mode=region_mode(self.model)))
        if self.tracks.propagation.model and not self.proposals.masks_are_made:
            raise PlanError(
                f"tracks.propagation.model carries masks, but {', '.join(self.proposals.use)} make none: add a "
                "proposer such as segments or masks, or set proposals.box_masks.by"
            )

    @property
    def full_space(self) -> VectorSpace:
        """The vector space of the plan's model. Raises ModelError for an unknown model."""
        return model_card(self.model, class_paths=True).space

    @property
    def reduction(self) -> Reduction | None:
        """By what the model's vectors are shortened; None: by nothing.

        Raises ModelError where its file cannot be read or is of another model, and where none is named although the
        model needs one.
        """
        dimensions, file = self.regions.dimensions, self.regions.reduction
        if not dimensions:
            return None
        card = model_card(self.model, class_paths=True)
        if not file:
            return Reduction.of_first(card, dimensions)
        found = Reduction.load(file)
        require_space(found, card.space)
        return found.first(dimensions)

    @property
    def space(self) -> VectorSpace:
        """The vector space of the rows. Raises ModelError as `full_space` and `reduction` do."""
        reduction = self.reduction
        return self.full_space if reduction is None else reduction.space

    @property
    def one_pass(self) -> bool:
        """Whether proposals are found in the feature maps of which vectors are made: both are then made together."""
        regions = self.regions
        return regions.mode != "crop" and any(
            isinstance(each, SharesPass) and (each.map_model, each.map_px) == (self.model, regions.map_px)
            for each in self.proposals.in_use
        )

    @property
    def hash(self) -> str:
        """32 hexadecimal digits; equal plans give equal rows from equal bytes."""
        return plan_hash(identity(self))
