"""Keyframes and regions as the stages of the pipeline receive them."""

from fractions import Fraction

import numpy as np
from PIL import Image

from pipeline.ingest.packets import PacketHead, ProposalPacket
from schemas.boxes import Boxes
from schemas.clock import Clock, Span
from schemas.frames import ImageArray, Keyframe
from schemas.regions import Proposals
from schemas.sources import Segment, Source


def packets_of(frames: int, regions: int, *, width_px: int, height_px: int) -> list[ProposalPacket]:
    """Packets of up to 16 keyframes of a drawn video: large smooth shapes with grain, and boxes of many sizes."""
    rng = np.random.default_rng(0)
    source = Source(
        uri="bench.mp4",
        id="bench",
        kind="video",
        clock=Clock(Fraction(1, 25)),
        span=Span(0, frames),
        width_px=width_px,
        height_px=height_px,
        sync_pts=(0,),
        frame_rate=25.0,
        codec="h264",
    )
    segment = Segment(source, source.span, "bench")
    keyframes, proposals = [], []
    for i in range(frames):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 16, 3), np.uint8))
        shapes = np.asarray(coarse.resize((width_px, height_px), Image.Resampling.BICUBIC)).astype(np.int16)
        image: ImageArray = np.clip(shapes + rng.integers(-6, 7, shapes.shape), 0, 255).astype(np.uint8)
        keyframes.append(Keyframe(i, image, None, "interval"))
        side = np.exp(rng.uniform(np.log(0.05), np.log(0.5), (regions, 2)))
        corner = rng.uniform(0, 1 - side)
        boxes = Boxes.clipped(np.concatenate([corner, corner + side], axis=1))
        proposals.append(Proposals.of(boxes, score=1.0, proposer="bench"))
    return [
        ProposalPacket(PacketHead(segment, n, 0, None), tuple(keyframes[at : at + 16]), tuple(proposals[at : at + 16]))
        for n, at in enumerate(range(0, frames, 16))
    ]
