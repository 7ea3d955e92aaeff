"""The registry of proposers, which `--proposer` names."""

from operators.proposals.proposer import ProposerConfig
from operators.runtime.registry import Registry
from schemas.errors import PlanError

PROPOSERS: Registry[ProposerConfig] = Registry(
    kind="proposer",
    group="regionlake.proposers",
    built_in={
        "objects": "operators.proposals.objects.config:ObjectsConfig",
        "moving": "operators.proposals.classical.moving:MovingConfig",
        "selective-search": "operators.proposals.classical.selective_search:SelectiveSearchConfig",
        "grid": "operators.proposals.windows.grid:GridConfig",
        "complete-cover": "operators.proposals.windows.complete_cover:CompleteCoverConfig",
        "segments": "operators.proposals.classical.segments:SegmentsConfig",
        "masks": "operators.proposals.models.automatic_masks:AutomaticMasksConfig",
        "detector": "operators.proposals.models.detector:DetectorConfig",
        "open-set": "operators.proposals.models.open_set:OpenSetConfig",
        "fastsam": "operators.proposals.models.fastsam:FastSamConfig",
    },
    protocol=ProposerConfig,  # type: ignore[type-abstract]
    error=PlanError,
)
