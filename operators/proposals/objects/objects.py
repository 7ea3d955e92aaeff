"""The proposer "objects"."""

import os
from collections.abc import Sequence
from functools import cached_property

from operators.encoders.everyday.backbone import Backbone, Forward
from operators.encoders.everyday.encoder import frame_map
from operators.proposals.objects.config import ObjectsConfig
from operators.proposals.objects.head import ObjectHead
from schemas.frames import Keyframe
from schemas.regions import Proposals
from schemas.vectors import FeatureMap


class Objects:
    """Boxes around objects of any kind. score: the expected IoU of the box with an object.

    threads: number of threads; None means one per core that this process may use. Boxes do not depend on it.
    """

    def __init__(self, config: ObjectsConfig, *, threads: int | None = None) -> None:
        self.config = config
        self.map_px = config.map_px
        self._threads = threads or len(os.sched_getaffinity(0))
        self._head = ObjectHead()

    def __call__(self, keyframes: Sequence[Keyframe]) -> list[Proposals]:
        def found(forward: Forward, keyframe: Keyframe) -> Proposals:
            return self._of(frame_map(forward, keyframe.image, side_px=self.map_px))

        return list(self._backbone.side_by_side(found, keyframes))

    def of_maps(self, maps: Sequence[FeatureMap]) -> list[Proposals]:
        return list(self._backbone.map(self._of, maps))

    def _of(self, feature_map: FeatureMap) -> Proposals:
        config = self.config
        boxes, score = self._head(
            feature_map, limit=config.limit, least_score=config.least_score, max_iou=config.max_iou
        )
        return Proposals.of(boxes, score=score, proposer="objects")

    @cached_property
    def _backbone(self) -> Backbone:
        return Backbone(threads=self._threads)
