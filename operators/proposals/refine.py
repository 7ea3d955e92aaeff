"""Selects the few proposals of a frame that become regions: drops small and duplicate boxes, and applies limits."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from operators.runtime.settings import neutral
from schemas import require
from schemas.boxes import Boxes, box_iou
from schemas.regions import ONE_SCALE, Proposals


@dataclass(frozen=True, slots=True)
class RefineConfig:
    """max_iou: of two boxes with a higher IoU, only the better is kept.
    min_side: minimum side of a box, as a share of the frame's.
    limit: maximum number of boxes per frame.
    reserve: number of each proposer's best boxes that are kept first; the rest is filled in the order of proposers.
    one_scale: proposers whose scores are comparable: among them boxes are ordered by score alone, as if they were one
        proposer.
    stand_ins: proposers of static windows, by the names that plans use: their boxes are kept only in frames where no
        other proposer has any.
    """

    max_iou: float = 0.7
    min_side: float = 0.01
    limit: int = 32
    reserve: int = 12
    one_scale: tuple[str, ...] = field(default=ONE_SCALE, metadata=neutral(()))
    stand_ins: tuple[str, ...] = field(default=("grid",), metadata=neutral(()))

    def __post_init__(self) -> None:
        require.within("[0, 1]", max_iou=self.max_iou)
        require.within("[0, 1)", min_side=self.min_side)
        require.at_least(1, limit=self.limit)
        require.at_least(0, reserve=self.reserve)


def refine(proposals: Proposals, config: RefineConfig) -> Proposals:
    """Drops small and duplicate boxes, and keeps at most `limit` boxes.

    Of duplicates the first is kept; if it lacks a label or a mask, it gets that of the next duplicate that has one.

    Scores are comparable only within a proposer, and among those of `one_scale`, so boxes are ordered by proposer (in
    the order of their first boxes), then by falling score. The result is in that order; refining it again changes
    nothing.
    """
    proposals = proposals.take(_priority(_sources(proposals, config), proposals))
    # slightly below min_side: a side of exactly min_side must pass in spite of rounding in float32
    size = proposals.boxes.xyxy[:, 2:] - proposals.boxes.xyxy[:, :2]
    proposals = proposals.take(np.flatnonzero((size >= config.min_side - 1e-6).all(axis=1)))
    standing_in = np.array([_is_of(name, config.stand_ins) for name in proposals.proposer], bool)
    if not standing_in.all():
        proposals = proposals.take(np.flatnonzero(~standing_in))
    kept = nms(proposals.boxes, max_iou=config.max_iou)
    proposals = _completed(proposals, kept, max_iou=config.max_iou)
    return proposals.take(_within_limit(_sources(proposals, config), limit=config.limit, reserve=config.reserve))


def nms(boxes: Boxes, *, max_iou: float, limit: int | None = None) -> NDArray[np.intp]:
    """Non-maximum suppression: int (K,), indices of the kept boxes, in order.

    boxes: the best first. A box is kept unless its IoU with a kept one exceeds max_iou.
    limit: maximum number of boxes to keep.
    """
    left = np.arange(len(boxes))
    xyxy = boxes.xyxy
    kept: list[int] = []
    while left.size and (limit is None or len(kept) < limit):
        best, left = int(left[0]), left[1:]
        kept.append(best)
        left = left[box_iou(xyxy[best], xyxy[left]) <= max_iou]
    return np.array(kept, np.intp)


def _completed(proposals: Proposals, kept: NDArray[np.intp], *, max_iou: float) -> Proposals:
    """The proposals at `kept`; missing labels and masks are taken from the proposals that they suppress."""
    known = np.array([a is not None or b is not None for a, b in zip(proposals.label, proposals.mask, strict=True)])
    rest = np.setdiff1d(np.flatnonzero(known), kept)
    result = proposals.take(kept)
    if not rest.size:
        return result
    label, mask, stability = list(result.label), list(result.mask), result.stability.copy()
    boxes = proposals.boxes.xyxy
    for place, index in enumerate(kept):
        twins = rest[box_iou(boxes[index], boxes[rest]) > max_iou]
        for twin in twins:
            if label[place] is None:
                label[place] = proposals.label[twin]
            if mask[place] is None:
                mask[place], stability[place] = proposals.mask[twin], proposals.stability[twin]
    return replace(result, label=tuple(label), mask=tuple(mask), stability=stability)


def _is_of(proposer: str, names: tuple[str, ...]) -> bool:
    """Whether regions that state `proposer`, such as "grid-4", come from one of the proposers `names`."""
    return any(proposer == name or proposer.startswith(f"{name}-") for name in names)


def _sources(proposals: Proposals, config: RefineConfig) -> tuple[str, ...]:
    """The proposer of each, where those of one scale are one."""
    return tuple(config.one_scale[0] if name in config.one_scale else name for name in proposals.proposer)


def _priority(sources: tuple[str, ...], proposals: Proposals) -> NDArray[np.intp]:
    rank = {name: i for i, name in enumerate(dict.fromkeys(sources))}
    names = np.array([rank[name] for name in sources], np.intp)
    x = proposals.boxes.xyxy
    # ties are ordered by the box itself, so that the order of input does not matter within a proposer
    return np.lexsort((x[:, 3], x[:, 2], x[:, 1], x[:, 0], -proposals.score, names))


def _within_limit(sources: tuple[str, ...], *, limit: int, reserve: int) -> NDArray[np.intp]:
    seen: dict[str, int] = {}
    first: list[int] = []
    rest: list[int] = []
    for i, name in enumerate(sources):
        seen[name] = seen.get(name, 0) + 1
        (first if seen[name] <= reserve else rest).append(i)
    return np.array(sorted((first + rest)[:limit]), np.intp)
