"""The stages between the reader and the committer, as both engines run them."""

import time
from collections.abc import Iterator

from operators.encoders.catalogue import load_encoder
from operators.proposals.proposer import FrameProposer
from operators.region_vectors import RegionVectors
from pipeline.packets import FramePacket, ProposalPacket, RowPacket
from pipeline.plan import Plan
from pipeline.rows import frame_rows, patch_rows, region_rows


class ProposeStage:
    """Finds the regions of every keyframe of a packet."""

    def __init__(self, plan: Plan) -> None:
        self._propose = FrameProposer(plan.proposals)

    def __call__(self, packet: FramePacket) -> Iterator[ProposalPacket]:
        start = time.perf_counter()
        proposals = tuple(self._propose(packet.keyframes))
        head = packet.head.worked("propose", time.perf_counter() - start)
        yield ProposalPacket(head, packet.keyframes, proposals)


class EmbedStage:
    """Turns the keyframes and regions of a packet into rows with vectors. Holds the model."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._encoder = load_encoder(plan.model)
        self._regions = RegionVectors(plan.regions, self._encoder)

    def __call__(self, packet: ProposalPacket) -> Iterator[RowPacket]:
        start = time.perf_counter()
        images = [k.image for k in packet.keyframes]
        source, space = packet.head.segment.source, self._encoder.space
        whole = self._encoder.encode_images(images)
        maps = self._encoder.feature_maps(images) if self._plan.patches else None
        vectors = self._regions(images, [p.boxes for p in packet.proposals], maps=maps)
        frames = frame_rows(source, packet.keyframes, whole, thumbnails=self._plan.thumbnails, space=space)
        regions = region_rows(source, packet.keyframes, packet.proposals, vectors, space=space)
        patches = None
        if maps is not None:
            cells = [self._encoder.project(m.features.reshape(-1, m.features.shape[2])) for m in maps]
            patches = patch_rows(source, packet.keyframes, maps, cells, space=space)
        head = packet.head.worked("embed", time.perf_counter() - start)
        yield RowPacket(head, frames, regions, patches)

    def close(self) -> None:
        """Frees the model."""
        self._encoder.close()
