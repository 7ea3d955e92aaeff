"""Settings of the proposals of a plan: the proposers, how proposals are refined, and how boxes get masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from operators.masks.config import MaskConfig
from operators.proposals.catalogue import PROPOSERS
from operators.proposals.proposer import ProposerConfig
from operators.proposals.refine import RefineConfig
from operators.runtime.registry import settings_key
from schemas.errors import PlanError


@dataclass(frozen=True, slots=True)
class ProposalConfig:
    """use: the proposers that run, by name or class path, in order of precedence for the limit per frame.

    settings: configs of proposers that differ from their defaults, in use or not; at most one of each class.
    box_masks: how regions that are kept get a mask if their proposer gave none.
    """

    use: tuple[str, ...] = ("objects", "moving", "grid")
    settings: tuple[ProposerConfig, ...] = ()
    refine: RefineConfig = field(default_factory=RefineConfig)
    box_masks: MaskConfig = field(default_factory=MaskConfig)

    def __post_init__(self) -> None:
        names = [PROPOSERS.own_name(name) for name in self.use]
        if len(set(names)) != len(names):
            raise PlanError(f"a proposer is named twice in use={self.use}")
        object.__setattr__(self, "settings", PROPOSERS.differing(self.settings))

    @classmethod
    def of(
        cls, *proposers: ProposerConfig, refine: RefineConfig | None = None, box_masks: MaskConfig | None = None
    ) -> Self:
        """A config that uses the given proposers: `ProposalConfig.of(GridConfig(cells=(3,)), EdgesConfig())`."""
        return cls(
            use=tuple(PROPOSERS.name_of(type(config)) for config in proposers),
            settings=proposers,
            refine=refine or RefineConfig(),
            box_masks=box_masks or MaskConfig(),
        )

    def config_of(self, name: str) -> ProposerConfig:
        """The settings of a proposer, in use or not."""
        return PROPOSERS.config_of(name, self.settings)

    def counted(self) -> Mapping[str, object]:
        """See `CountsByName`: proposers count by their own names, wherever their classes are defined."""
        settings = {settings_key(config.name): config for config in self.in_use}
        use = tuple(config.name for config in self.in_use)
        return {"use": use, **settings, "refine": self.refine, "box_masks": self.box_masks}

    @property
    def in_use(self) -> Sequence[ProposerConfig]:
        """The settings of the proposers that run, in their order."""
        return [self.config_of(name) for name in self.use]

    @property
    def masks_are_made(self) -> bool:
        """Whether any region can have a mask."""
        return self.box_masks.chosen is not None or any(config.makes_masks for config in self.in_use)
