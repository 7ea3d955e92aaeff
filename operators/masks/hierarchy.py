"""A picture's hierarchy of segments: superpixels of one colour are merged pair by pair until one segment is left."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas import require
from schemas.frames import ImageArray

_COLOUR_BINS = 20
_EDGE_SMOOTH_PX = 1.0
_DIRECTIONS = 8
_STRENGTHS = (8.0, 24.0, 64.0)  # limits between flat, faint, clear and hard gradients
_LEAST_COST = 1e-6  # merging equal superpixels would cost 0, but levels are compared as ratios

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MergeConfig:
    """How superpixels are made, and in which order segments are merged.

    piece_contrast: scale of the superpixels (graph-based segmentation); with larger values they are larger and fewer.
    piece_px: least number of pixels of a superpixel.
    colour, texture: weights of the parts that two segments do not share of their histograms of L, a and b, and of
        gradients.
    edge: weight of the mean strength of the edges along the border between them.
    size, fill: weights of their common share of the picture, and of the empty part of their common box, as a share of
        the picture.
    motion: weight of the difference between the shares of each that move, if a background is known.
    small_first: exponent of the smaller segment's share of the picture; 0 ignores it.
    long_border_first: exponent of the ratio of the smaller segment's side to the length of the common border; 0 ignores
        it.
    """

    piece_contrast: float = 30.0
    piece_px: int = 12
    colour: float = 2.0
    texture: float = 1.0
    edge: float = 0.5
    size: float = 1.0
    fill: float = 0.5
    motion: float = 1.0
    small_first: float = 0.25
    long_border_first: float = 0.3

    def __post_init__(self) -> None:
        require.above(0, piece_contrast=self.piece_contrast)
        require.at_least(1, piece_px=self.piece_px)
        require.at_least(0, colour=self.colour, texture=self.texture, edge=self.edge)
        require.at_least(0, size=self.size, fill=self.fill, motion=self.motion)
        require.not_all_zero(
            colour=self.colour, texture=self.texture, edge=self.edge, size=self.size, fill=self.fill, motion=self.motion
        )
        require.at_least(0, small_first=self.small_first, long_border_first=self.long_border_first)


@dataclass(frozen=True, slots=True, eq=False)
class Hierarchy:
    """N superpixels and the N − 1 segments that result from merging them; the last one is the whole picture.

    superpixels: int32 (h, w), the superpixel of each pixel, 0 … N − 1.
    members: bool (2N − 1, N), the superpixels of every segment; the first N segments are the superpixels themselves.
    parent: int64 (2N − 1,), the segment into which each segment is merged; −1 for the whole picture.
    level: float64 (2N − 1,), > 0, the cost at which a segment was formed; never above its parent's.
    area_px, border: float64 (2N − 1,), area in pixels, and length in pixels of the border to other segments.
    contrast: float64 (2N − 1,), in [0, 1]: mean strength of the edges along that border.
    apart: float64 (2N − 1,): the cost of merging with the most similar neighbour, when the segment was formed.
    box: float64 (2N − 1, 4), half-open, in pixels.
    moves: float64 (2N − 1,), in [0, 1], the share that moves; 0 if no background is known.
    """

    superpixels: NDArray[np.int32]
    members: NDArray[np.bool_]
    parent: IntArray
    level: FloatArray
    area_px: FloatArray
    border: FloatArray
    contrast: FloatArray
    apart: FloatArray
    box: FloatArray
    moves: FloatArray

    @property
    def persistence(self) -> FloatArray:
        """float64 (2N − 1,), in [0, 1]: 1 − level / parent's level, how long each survives; 1 for the whole picture."""
        dies = np.where(self.parent < 0, np.inf, self.level[self.parent])
        lives: FloatArray = 1.0 - self.level / dies
        return lives


def segment_hierarchy(image: ImageArray, config: MergeConfig, *, moves: NDArray[np.float32] | None = None) -> Hierarchy:
    """Makes graph-based superpixels (Felzenszwalb and Huttenlocher, IJCV 2004) and merges the most similar first.

    The result depends on the arguments alone.

    image: uint8 (h, w, 3) RGB, scaled to the working size: the time grows with the number of pixels and superpixels.
    moves: float32 (h, w), in [0, 1], how much each pixel moves.
    """
    superpixels, n = _superpixels(image, config)
    return _Merging(image, superpixels, n, config, moves).run()


def _superpixels(image: ImageArray, config: MergeConfig) -> tuple[NDArray[np.int32], int]:
    height, width, _ = image.shape
    if min(height, width) < 2:  # OpenCV's blur and graph need two rows and columns
        return np.zeros((height, width), np.int32), 1
    cut = cv2.ximgproc.segmentation.createGraphSegmentation(0.8, config.piece_contrast, config.piece_px)
    labels = np.asarray(cut.processImage(np.ascontiguousarray(image)), np.int32)
    present, index = np.unique(labels, return_inverse=True)
    return index.reshape(height, width).astype(np.int32), len(present)


class _Merging:
    """The state of a hierarchy while it is built: arrays with a row for every segment, filled as segments are formed.

    _a, _b: int64 (E,), pairs of neighbours among the remaining segments, a < b, in order.
    _length, _strength: float64 (E,), length of their common border in pixels, and the sum of the strength of its edges.
    """

    def __init__(
        self,
        image: ImageArray,
        superpixels: NDArray[np.int32],
        n: int,
        config: MergeConfig,
        moves: NDArray[np.float32] | None,
    ) -> None:
        self._config, self._superpixels, self._n = config, superpixels, n
        total = 2 * n - 1
        self._picture_px = float(superpixels.size)
        lab = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), np.uint8)
        across, down, strength = _gradients(lab)
        flat = superpixels.ravel()
        self._area = np.zeros(total)
        self._area[:n] = np.bincount(flat, minlength=n)
        # scaled so that the sum of the smaller values of two rows is the weighted share of two histograms
        colour = _colour_histograms(lab, flat, n) * config.colour
        texture = _texture_histograms(across, down, flat, n) * config.texture
        self._look = np.zeros((total, colour.shape[1] + texture.shape[1]), np.float32)
        self._look[:n] = np.concatenate([colour, texture], axis=1) / self._area[:n, None]
        self._moves = np.zeros(total)
        if moves is not None:
            self._moves[:n] = np.bincount(flat, moves.ravel(), minlength=n) / self._area[:n]
        self._box = np.zeros((total, 4))
        self._box[:n] = _superpixel_boxes(superpixels)
        self._a, self._b, self._length, self._strength = _borders(superpixels, strength, n)
        self._parent = np.full(total, -1, np.int64)
        self._level = np.full(total, _LEAST_COST)
        self._border, self._contrast, self._apart = np.zeros(total), np.zeros(total), np.zeros(total)

    def run(self) -> Hierarchy:
        n, total = self._n, 2 * self._n - 1
        members = np.zeros((total, n), np.bool_)
        members[np.arange(n), np.arange(n)] = True
        cost = self._costs()
        self._describe(np.arange(n), cost)
        first = n
        while len(cost):
            chosen = self._closest(cost)
            a, b, made = self._a[chosen], self._b[chosen], np.arange(first, first + len(chosen))
            self._parent[a] = self._parent[b] = made
            self._level[made] = np.maximum(cost[chosen], np.maximum(self._level[a], self._level[b]))
            members[made] = members[a] | members[b]
            self._join(a, b, made)
            cost = self._costs()
            self._describe(made, cost)
            first += len(made)
        return Hierarchy(
            self._superpixels,
            members,
            self._parent,
            self._level,
            self._area,
            self._border,
            self._contrast,
            self._apart,
            self._box,
            self._moves,
        )

    def _closest(self, cost: FloatArray) -> NDArray[np.intp]:
        """The pairs to merge next, by cost: of the pairs that are each other's best neighbours, the cheaper half.

        The textbook merges one pair at a time. Merging such pairs together gives an equally good hierarchy ten
        times faster.
        """
        order = np.argsort(cost, kind="stable")  # ties stay in the order of the pairs
        dearest_first = order[::-1]
        best = np.zeros(len(self._parent), np.intp)
        # of several values assigned to one place, the last is kept
        best[np.stack([self._a[dearest_first], self._b[dearest_first]], axis=1).ravel()] = np.repeat(dearest_first, 2)
        mutual = order[(best[self._a[order]] == order) & (best[self._b[order]] == order)]
        return np.asarray(mutual[: (len(mutual) + 1) // 2], np.intp)

    def _join(self, a: IntArray, b: IntArray, made: IntArray) -> None:
        area = self._area
        area[made] = area[a] + area[b]
        share = area[a] / area[made]
        self._look[made] = self._look[a] * share[:, None] + self._look[b] * (1 - share)[:, None]
        self._moves[made] = self._moves[a] * share + self._moves[b] * (1 - share)
        self._box[made, :2] = np.minimum(self._box[a, :2], self._box[b, :2])
        self._box[made, 2:] = np.maximum(self._box[a, 2:], self._box[b, 2:])
        now = np.arange(len(self._parent))
        now[a] = now[b] = made
        self._a, self._b, self._length, self._strength = _summed_pairs(
            now[self._a], now[self._b], self._length, self._strength, len(now)
        )

    def _costs(self) -> FloatArray:
        """float64 (E,): the cost of merging each pair of neighbours."""
        config, a, b = self._config, self._a, self._b
        shared = np.minimum(self._look[a], self._look[b]).sum(axis=1)
        area = self._area[a] + self._area[b]
        smaller = np.minimum(self._area[a], self._area[b])
        sides = np.maximum(self._box[a, 2:], self._box[b, 2:]) - np.minimum(self._box[a, :2], self._box[b, :2])
        cost = (
            (config.colour + config.texture - shared)
            + config.edge * self._strength / self._length
            + config.size * area / self._picture_px
            + config.fill * (sides[:, 0] * sides[:, 1] - area) / self._picture_px
            + config.motion * np.abs(self._moves[a] - self._moves[b])
        )
        cost *= (smaller / self._picture_px) ** config.small_first
        cost *= (np.sqrt(smaller) / self._length) ** config.long_border_first
        return np.asarray(np.maximum(cost, _LEAST_COST), np.float64)

    def _describe(self, made: IntArray, cost: FloatArray) -> None:
        """Sets border, contrast and distance to the nearest neighbour of new segments."""
        total = len(self._parent)
        ends = np.concatenate([self._a, self._b])
        length = np.bincount(ends, np.tile(self._length, 2), minlength=total)
        strength = np.bincount(ends, np.tile(self._strength, 2), minlength=total)
        nearest = np.full(total, np.inf)
        np.minimum.at(nearest, ends, np.tile(cost, 2))
        self._border[made] = length[made]
        self._contrast[made] = strength[made] / np.maximum(length[made], 1.0)
        self._apart[made] = np.where(np.isfinite(nearest[made]), nearest[made], 0.0)


def _gradients(lab: ImageArray) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """float32 (h, w) each: horizontal and vertical gradient of lightness in levels; largest gradient, in [0, 1]."""
    smooth = cv2.GaussianBlur(lab, (0, 0), _EDGE_SMOOTH_PX)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    # in NumPy: the last bits of OpenCV's magnitudes and angles depend on where an array lies in memory
    strength = np.sqrt(across * across + down * down).max(axis=2) / 255
    lightness = np.asarray(across[..., 0], np.float32), np.asarray(down[..., 0], np.float32)
    return *lightness, np.minimum(strength, np.float32(1))


def _colour_histograms(lab: ImageArray, flat: NDArray[np.int32], n: int) -> FloatArray:
    """float64 (n, 60): a histogram per channel; the counts of all three add up to the pixels of a superpixel."""
    values = lab.astype(np.int32)
    lightness = values[..., 0] * _COLOUR_BINS // 256
    # the colours of most pictures are close to grey, so bins of 6 levels are centred on it
    hues = np.clip((values[..., 1:] - 128) // 6 + _COLOUR_BINS // 2, 0, _COLOUR_BINS - 1)
    parts = [_histograms(channel, flat, n, _COLOUR_BINS) for channel in (lightness, hues[..., 0], hues[..., 1])]
    return np.concatenate(parts, axis=1) / 3


def _texture_histograms(
    across: NDArray[np.float32], down: NDArray[np.float32], flat: NDArray[np.int32], n: int
) -> FloatArray:
    """float64 (n, 32): histogram of the directions and strengths of gradients; flat pixels are in the first bin."""
    # eighths of a turn, from the two signs and from which of the two components is larger
    steep = np.abs(down) > np.abs(across)
    direction = (across > 0) * 4 + (down > 0) * 2 + steep
    strength = np.digitize(np.sqrt(across * across + down * down), _STRENGTHS)
    bins = len(_STRENGTHS) + 1
    values = np.where(strength > 0, direction * bins + strength, 0).astype(np.int32)
    return _histograms(values, flat, n, _DIRECTIONS * bins)


def _histograms(values: NDArray[np.int32], flat: NDArray[np.int32], n: int, bins: int) -> FloatArray:
    counted = np.bincount(flat * bins + values.ravel(), minlength=n * bins)
    return counted.reshape(n, bins).astype(np.float64)


def _superpixel_boxes(superpixels: NDArray[np.int32]) -> FloatArray:
    """float64 (N, 4), half-open, in pixels."""
    from scipy.ndimage import find_objects  # half a second, for which a plan without segments need not wait

    found = find_objects(superpixels + 1)  # find_objects ignores 0
    return np.array([[x.start, y.start, x.stop, y.stop] for y, x in found], np.float64)


def _borders(
    superpixels: NDArray[np.int32], strength: NDArray[np.float32], n: int
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Pairs of neighbours, a < b; length of their common border in pixels; sum of the strength of its edges."""
    ends, edges = [], []
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        differ = superpixels[here] != superpixels[there]
        ends.append(np.stack([superpixels[here][differ], superpixels[there][differ]]).astype(np.int64))
        edges.append(np.maximum(strength[here], strength[there])[differ].astype(np.float64))
    a, b = np.concatenate(ends, axis=1)
    edge = np.concatenate(edges)
    return _summed_pairs(a, b, np.ones(len(edge)), edge, n)


def _summed_pairs(
    a: IntArray, b: IntArray, length: FloatArray, strength: FloatArray, n: int
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Each pair of two different segments once, the smaller first, sorted, with the sums over its occurrences."""
    key = np.minimum(a, b) * n + np.maximum(a, b)
    pair, index = np.unique(key, return_inverse=True)
    low, high = np.divmod(pair, n)
    differ = low != high
    lengths = np.bincount(index, length, minlength=len(pair))[differ]
    return low[differ], high[differ], lengths, np.bincount(index, strength, minlength=len(pair))[differ]
