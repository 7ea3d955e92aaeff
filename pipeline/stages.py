"""The stages between the reader and the committer, as both engines run them.

Each takes several packets at once, of whatever segments and sources: models see batches across all of their frames, and
rows do not depend on what shared a call. What comes out is one packet for each that went in, in their order.
"""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import TypeVar

from operators.aggregation.aggregator import build_aggregator
from operators.checkpoints.files import is_checkpoint
from operators.codes.coder import RegionCoder, RegionCodes
from operators.encoders.catalogue import load_encoder
from operators.encoders.patch_grids import projected
from operators.proposals.proposer import FrameProposer
from operators.region_vectors import RegionVectors
from pipeline.packets import FramePacket, PacketHead, ProposalPacket, RowPacket, StageName
from pipeline.plan import Plan
from pipeline.rows import FusedVectors, frame_rows, patch_rows, region_rows, thumbnail
from schemas.vectors import FeatureMap

_THUMBNAIL_THREADS = 4

Item = TypeVar("Item")


class ProposeStage:
    """Finds the regions of every keyframe of some packets."""

    def __init__(self, plan: Plan) -> None:
        self._propose = FrameProposer(plan.proposals)

    def __call__(self, packets: Sequence[FramePacket]) -> list[ProposalPacket]:
        start = time.perf_counter()
        found = self._propose([keyframe for packet in packets for keyframe in packet.keyframes])
        proposals = _split(found, packets)
        heads = _worked(packets, "propose", time.perf_counter() - start)
        return [
            ProposalPacket(head, packet.keyframes, tuple(part))
            for head, packet, part in zip(heads, packets, proposals, strict=True)
        ]

    def close(self) -> None:
        """Frees the models of proposers. Actors of Ray need not: their process ends, and all that it holds with it."""
        self._propose.close()


class EmbedStage:
    """Turns the keyframes and regions of some packets into rows with vectors. Holds the model."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._encoder = load_encoder(plan.model)
        if plan.run.compile and is_checkpoint(plan.model):
            from operators.encoders.checkpoint.encoder import CheckpointEncoder  # torch: the embedded model needs none

            if isinstance(self._encoder, CheckpointEncoder) and self._encoder.on_gpu:
                self._encoder.compile()
        self._regions = RegionVectors(plan.regions, self._encoder)
        self._detail = None
        if plan.detail.model:
            from operators.detail.detail_vectors import DetailVectors  # torch: the embedded model needs none

            self._detail = DetailVectors(plan.detail, self._encoder)
        wanted = plan.representatives
        self._represent = None if wanted.method == "none" else build_aggregator(wanted)
        self._codes = RegionCoder(plan.codes, self._encoder) if plan.codes.model else None
        # OpenCV works outside of the interpreter's lock: beside a model on a GPU its time does not count
        self._threads = ThreadPoolExecutor(min(_THUMBNAIL_THREADS, os.cpu_count() or 1), "thumbnail")

    def __call__(self, packets: Sequence[ProposalPacket]) -> list[RowPacket]:
        start = time.perf_counter()
        keyframes = [keyframe for packet in packets for keyframe in packet.keyframes]
        waiting = [self._threads.submit(thumbnail, k.image, self._plan.thumbnails) for k in keyframes]
        images = self._encoder.held([k.image for k in keyframes])
        space = self._encoder.space
        whole = self._encoder.encode_images(images)
        fused = None if self._detail is None else self._detail(images, whole=whole)
        maps = self._encoder.feature_maps(images) if self._plan.patches or self._represent else None
        boxes = [proposals.boxes for packet in packets for proposals in packet.proposals]
        vectors = _split(self._regions(images, boxes, maps=maps), packets)
        codes = None if self._codes is None else _split(self._coded(packets, maps), packets)
        thumbnails = _split([future.result() for future in waiting], packets)
        maps_of = None if maps is None else _split(maps, packets)
        ends = list(accumulate((len(packet.keyframes) for packet in packets), initial=0))
        made = []
        for n, (packet, (first, stop)) in enumerate(zip(packets, pairwise(ends), strict=True)):
            source = packet.head.segment.source
            detail = None
            if self._detail is not None and fused is not None:
                detail = FusedVectors(fused[first:stop], self._detail.revision)
            grids = None if maps_of is None else [projected(self._encoder, m) for m in maps_of[n]]
            parts = None
            if self._represent is not None and grids is not None:
                parts = [self._represent(g, p.boxes) for g, p in zip(grids, packet.proposals, strict=True)]
            frames = frame_rows(
                source,
                packet.keyframes,
                whole[first:stop],
                thumbnails=thumbnails[n],
                detail=detail,
                parts=parts,
                space=space,
            )
            regions = region_rows(
                source,
                packet.keyframes,
                packet.proposals,
                vectors[n],
                space=space,
                codes=None if codes is None else codes[n],
            )
            patches = None
            if self._plan.patches and grids is not None:
                patches = patch_rows(source, packet.keyframes, grids, space=space)
            made.append(RowPacket(packet.head, frames, regions, patches))
        heads = _worked(packets, "embed", time.perf_counter() - start)
        return [replace(packet, head=head) for head, packet in zip(heads, made, strict=True)]

    def _coded(self, packets: Sequence[ProposalPacket], maps: Sequence[FeatureMap] | None) -> list[RegionCodes]:
        assert self._codes is not None
        images = [keyframe.image for packet in packets for keyframe in packet.keyframes]
        return self._codes(images, [regions for packet in packets for regions in packet.proposals], maps=maps)

    def close(self) -> None:
        """Frees the model."""
        self._threads.shutdown(cancel_futures=True)
        self._encoder.close()


def _split(items: Sequence[Item], packets: Sequence[FramePacket | ProposalPacket]) -> list[Sequence[Item]]:
    """Items of all keyframes → those of each packet."""
    ends = accumulate((len(packet.keyframes) for packet in packets), initial=0)
    return [items[first:stop] for first, stop in pairwise(ends)]


def _worked(packets: Sequence[FramePacket | ProposalPacket], stage: StageName, seconds: float) -> list[PacketHead]:
    """The packets' heads; time is shared among them by their keyframes."""
    total = sum(len(packet.keyframes) for packet in packets)
    shares = [len(packet.keyframes) / total if total else 1 / len(packets) for packet in packets]
    return [packet.head.worked(stage, seconds * share) for packet, share in zip(packets, shares, strict=True)]
