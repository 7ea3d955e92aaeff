"""Runs all proposers of a plan on keyframes, and refines their boxes."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from operators.masks.config import build_masks
from operators.proposals.config import ProposalConfig
from operators.proposals.proposer import ReadsMaps
from operators.proposals.refine import refine
from schemas.errors import InvalidValueError
from schemas.frames import Keyframe
from schemas.regions import Proposals
from schemas.vectors import FeatureMap


@runtime_checkable
class HoldsModel(Protocol):
    """A proposer, or a maker of masks, that holds memory of a device."""

    def close(self) -> None: ...


class FrameProposer:
    """Runs every proposer of a plan on keyframes, refines the proposals of each keyframe, and adds masks."""

    def __init__(self, config: ProposalConfig) -> None:
        self.config = config
        self._proposers = [proposer.build() for proposer in config.in_use]
        self._masks = build_masks(config.box_masks)

    def __call__(self, keyframes: Sequence[Keyframe], *, maps: Sequence[FeatureMap] | None = None) -> list[Proposals]:
        """One `Proposals` per keyframe.

        maps: the feature maps of the keyframes, if proposers of the plan share the pass of its encoder and it is made.
        """
        found = [
            propose.of_maps(maps) if maps is not None and isinstance(propose, ReadsMaps) else propose(keyframes)
            for propose in self._proposers
        ]
        for name, by_frame in zip(self.config.use, found, strict=True):
            if len(by_frame) != len(keyframes):
                raise InvalidValueError(
                    f"the proposer {name} returned {len(by_frame)} Proposals for {len(keyframes)} keyframes; it must "
                    "return one for each, an empty one where it finds nothing"
                )
        refined = [
            refine(Proposals.concat([by_frame[i] for by_frame in found]), self.config.refine)
            for i in range(len(keyframes))
        ]
        return self._masks(keyframes, refined)

    def close(self) -> None:
        """Frees the device memory of proposers that hold models."""
        for part in (*self._proposers, self._masks):
            if isinstance(part, HoldsModel):
                part.close()
