"""Ids that are derived from the data alone: the same bytes give the same ids on any machine, in any run."""

import hashlib
from collections.abc import Iterable

import numpy as np

from schemas.boxes import Boxes
from schemas.clock import Span


def digest(*parts: str | int | bytes) -> str:
    """32 hexadecimal digits (128 bits) of the parts; lengths are hashed, so `("ab", "c") != ("a", "bc")`."""
    h = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode(errors="surrogatepass")
        h.update(len(data).to_bytes(8, "little"))
        h.update(data)
    return h.hexdigest()


def segment_id(source_id: str, plan_hash: str, span: Span) -> str:
    return digest("segment", source_id, plan_hash, span.start, span.stop)


def frame_id(source_id: str, pts: int) -> str:
    return digest("frame", source_id, pts)


def shot_id(source_id: str, start_pts: int) -> str:
    return digest("shot", source_id, start_pts)


def region_ids(frame: str, boxes: Boxes, proposer: Iterable[str]) -> list[str]:
    """One id per region, from its frame, its proposer, and its box rounded to 1/65536 of the frame."""
    grid = np.round(boxes.xyxy * 65536).astype("<i4")
    return [digest("region", frame, name, row.tobytes()) for name, row in zip(proposer, grid, strict=True)]
