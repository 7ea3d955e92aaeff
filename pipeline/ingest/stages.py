"""The stages between the reader and the committer, as both engines run them.

Each takes several packets at once, of any segments and sources, so that models run on batches of all their frames; rows
do not depend on which packets share a call. The output is one packet for each input packet, in the same order.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import accumulate, pairwise

from operators.checkpoints.files import is_checkpoint
from operators.codes.coder import RegionCoder
from operators.encoders.catalogue import load_encoder
from operators.encoders.patch_grids import projected
from operators.encoders.reduced_encoder import shortened
from operators.encoders.region_vectors import RegionVectors
from operators.proposals.frame_proposer import FrameProposer
from operators.representatives.build import build_representatives
from pipeline.ingest.arrow_rows import frame_rows, patch_rows, region_rows, thumbnail
from pipeline.ingest.packets import FramePacket, PacketHead, ProposalPacket, RowPacket, StageName
from pipeline.plan.plan import Plan
from schemas.frames import ImageArray
from schemas.vectors import FeatureMap

_THUMBNAIL_THREADS = 4


MakeMaps = Callable[[Sequence[ImageArray]], list[FeatureMap]]


class ModelStages:
    """Both stages in one process, where objects are found in the maps of which vectors are made."""

    def __init__(self, plan: Plan) -> None:
        self._embed = EmbedStage(plan)
        self._propose = ProposeStage(plan, maps=self._embed.maps if plan.one_pass else None)

    def __call__(self, packets: Sequence[FramePacket]) -> list[RowPacket]:
        return self._embed(self._propose(packets))

    def close(self) -> None:
        """Frees the models."""
        self._propose.close()
        self._embed.close()


class ProposeStage:
    """Finds the regions of every keyframe of some packets.

    maps: makes the feature maps that proposers share with the embedder; None where each makes its own.
    """

    def __init__(self, plan: Plan, *, maps: MakeMaps | None = None) -> None:
        self._propose = FrameProposer(plan.proposals)
        self._maps = maps

    def __call__(self, packets: Sequence[FramePacket]) -> list[ProposalPacket]:
        start = time.perf_counter()
        keyframes = [keyframe for packet in packets for keyframe in packet.keyframes]
        maps = None if self._maps is None else self._maps([keyframe.image for keyframe in keyframes])
        found = self._propose(keyframes, maps=maps)
        heads = _worked(packets, "propose", time.perf_counter() - start)
        return [
            ProposalPacket(head, packet.keyframes, tuple(found[here]), maps=None if maps is None else tuple(maps[here]))
            for head, packet, here in zip(heads, packets, _places(packets), strict=True)
        ]

    def close(self) -> None:
        """Frees the models of proposers. Ray's actors need not call it, as their processes end."""
        self._propose.close()


class EmbedStage:
    """Turns the keyframes and regions of some packets into rows with vectors. Holds the model."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        encoder = load_encoder(plan.model, class_paths=True)
        if plan.run.compile and is_checkpoint(plan.model):
            from operators.encoders.checkpoint.encoder import CheckpointEncoder  # torch: the embedded model needs none

            if isinstance(encoder, CheckpointEncoder) and encoder.on_gpu:
                encoder.compile()
        self._encoder = shortened(encoder, plan.reduction)
        self._regions = RegionVectors(plan.regions, self._encoder)
        self._detail = None
        if plan.detail.model:
            from operators.detailclip.detail_vectors import DetailVectors  # torch: the embedded model needs none

            self._detail = DetailVectors(plan.detail, self._encoder)
        wanted = plan.representatives
        self._represent = None if wanted.method == "none" else build_representatives(wanted)
        self._codes = RegionCoder(plan.codes, self._encoder) if plan.codes.model else None
        # OpenCV releases the GIL: while a model runs on a GPU, thumbnails take no extra time
        self._threads = ThreadPoolExecutor(min(_THUMBNAIL_THREADS, os.cpu_count() or 1), "thumbnail")

    def maps(self, images: Sequence[ImageArray]) -> list[FeatureMap]:
        """The feature maps of keyframes, of which their vectors are made."""
        return self._regions.maps(images)

    def __call__(self, packets: Sequence[ProposalPacket]) -> list[RowPacket]:
        start = time.perf_counter()
        keyframes = [keyframe for packet in packets for keyframe in packet.keyframes]
        waiting = [self._threads.submit(thumbnail, k.image, self._plan.thumbnails) for k in keyframes]
        images = self._encoder.to_device([k.image for k in keyframes])
        space = self._encoder.space
        gridded = self._plan.patches or self._represent is not None
        maps = _known_maps(packets)
        if maps is None and (gridded or self._codes is not None or self._plan.regions.mode == "pool"):
            maps = self._regions.maps(images)
        whole = self._encoder.encode_images(images, maps=maps)
        fused = None if self._detail is None else self._detail(images, whole=whole)
        regions = [proposals for packet in packets for proposals in packet.proposals]
        boxes = [proposals.boxes for proposals in regions]
        vectors = self._regions(images, boxes, maps=maps)
        codes = None if self._codes is None else self._codes([k.image for k in keyframes], regions, maps=maps)
        grids = [projected(self._encoder, m) for m in maps] if maps is not None and gridded else None
        parts = None
        if self._represent is not None and grids is not None:
            parts = [self._represent(grid, of_frame) for grid, of_frame in zip(grids, boxes, strict=True)]
        thumbnails = [future.result() for future in waiting]
        made = []
        for packet, here in zip(packets, _places(packets), strict=True):
            source = packet.head.segment.source
            frame_table = frame_rows(
                source,
                packet.keyframes,
                whole[here],
                thumbnails=thumbnails[here],
                detail=None if fused is None else fused[here],
                detail_model=None if self._detail is None else self._detail.revision,
                parts=None if parts is None else parts[here],
                space=space,
            )
            region_table = region_rows(
                source,
                packet.keyframes,
                packet.proposals,
                vectors[here],
                codes=None if codes is None else codes[here],
                space=space,
            )
            patch_table = None
            if self._plan.patches and grids is not None:
                patch_table = patch_rows(source, packet.keyframes, grids[here], space=space)
            made.append(RowPacket(packet.head, frame_table, region_table, patch_table))
        heads = _worked(packets, "embed", time.perf_counter() - start)
        return [replace(packet, head=head) for head, packet in zip(heads, made, strict=True)]

    def close(self) -> None:
        """Frees the model."""
        self._threads.shutdown(cancel_futures=True)
        self._encoder.close()


def _known_maps(packets: Sequence[ProposalPacket]) -> list[FeatureMap] | None:
    """The maps of all keyframes, if every packet has them."""
    known = [packet.maps for packet in packets if packet.maps is not None]
    return [each for maps in known for each in maps] if len(known) == len(packets) else None


def _places(packets: Sequence[FramePacket | ProposalPacket]) -> list[slice]:
    """The slice of each packet's keyframes in the list of all keyframes."""
    ends = accumulate((len(packet.keyframes) for packet in packets), initial=0)
    return [slice(first, stop) for first, stop in pairwise(ends)]


def _worked(packets: Sequence[FramePacket | ProposalPacket], stage: StageName, seconds: float) -> list[PacketHead]:
    """The packets' heads with the stage's time, which is divided among them by their numbers of keyframes."""
    total = sum(len(packet.keyframes) for packet in packets)
    shares = [len(packet.keyframes) / total if total else 1 / len(packets) for packet in packets]
    return [packet.head.worked(stage, seconds * share) for packet, share in zip(packets, shares, strict=True)]
