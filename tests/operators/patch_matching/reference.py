"""Slow, readable reference of votes and region growing, as in the paper: one pair of patches at a time."""

import numpy as np
from numpy.typing import NDArray

from operators.patch_matching.config import VoteKind
from schemas.patches import PatchGrid
from schemas.vectors import VectorArray

Pair = tuple[tuple[int, int], tuple[int, int]]


def votes_one_by_one(
    query: VectorArray, targets: list[PatchGrid], *, kind: VoteKind, neighbours: int
) -> NDArray[np.float64]:
    """RIS, table 1."""
    patches = [(picture, vector) for picture, target in enumerate(targets) for vector in target.flat()]
    total = np.zeros(len(targets))
    for q in query:
        near = sorted((1 - float(q @ vector), picture) for picture, vector in patches)[:neighbours]
        for picture in range(len(targets)):
            distances = [max(d, 0.0) for d, of in near if of == picture]
            if not distances:
                continue
            match kind:
                case "majority":
                    total[picture] += len(distances)
                case "unique":
                    total[picture] += 1
                case "weighted":
                    total[picture] += sum(1 / (d + 1e-6) for d in distances)
                case "weighted-unique":
                    total[picture] += max(1 / (d + 1e-6) for d in distances)
    return total


def grow_one_by_one(similarity: NDArray[np.float32], *, threshold: float, seeds: int) -> set[Pair]:
    """similarity: (rows, cols, target rows, target cols). The pairs of the largest region, methods.md §5.6."""
    rows, cols, target_rows, target_cols = similarity.shape

    def matches(pair: Pair) -> bool:
        (i, j), (k, m) = pair
        inside = 0 <= i < rows and 0 <= j < cols and 0 <= k < target_rows and 0 <= m < target_cols
        return inside and bool(similarity[i, j, k, m] >= threshold)

    def beside(pair: Pair) -> list[Pair]:
        (i, j), (k, m) = pair
        steps = [(-1, 0), (1, 0), (0, -1), (0, 1)]
        return [((i + y, j + x), (k + y, m + x)) for y, x in steps if matches(((i + y, j + x), (k + y, m + x)))]

    possible = []
    for i in range(rows):
        for j in range(cols):
            best = max(
                ((k, m) for k in range(target_rows) for m in range(target_cols)), key=lambda p: similarity[i, j, *p]
            )
            if matches(((i, j), best)):
                possible.append(((i, j), best))
    possible.sort(key=lambda pair: (-len(beside(pair)), -similarity[*pair[0], *pair[1]]))

    largest: set[Pair] = set()
    for seed in possible[:seeds]:
        region, edge = {seed}, [seed]
        while edge:
            for pair in beside(edge.pop()):
                if pair not in region:
                    region.add(pair)
                    edge.append(pair)
        if len(region) > len(largest):
            largest = region
    return largest
