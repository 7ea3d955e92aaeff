"""The background of a fixed camera around a moment, and how much a frame differs from it."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas import require
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray, require_image

MotionMap = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class BackgroundConfig:
    """Which frames form the background of a frame at time t.

    sample_interval_s: interval of an absolute time grid. The first frame at or after each multiple of it
        is a sample.
    back_s, ahead_s: the background is computed from the samples in `(t - back_s, t + ahead_s]`. A reader
        therefore starts back_s early and reads ahead_s further, and a live feed lags by ahead_s.
    min_samples: with fewer samples there is no background.
    """

    sample_interval_s: float = 0.5
    back_s: float = 16.0
    ahead_s: float = 4.0
    min_samples: int = 4

    def __post_init__(self) -> None:
        require.above(0, sample_interval_s=self.sample_interval_s)
        require.at_least(0, back_s=self.back_s, ahead_s=self.ahead_s)
        require.at_least(1, min_samples=self.min_samples)

    @property
    def most_samples(self) -> int:
        """The largest number of samples in one window."""
        # a window overlaps one grid cell more than fit into its length, and each cell has one sample
        return math.ceil((self.back_s + self.ahead_s) / self.sample_interval_s) + 1


_RESTLESS = 20


def background_known(motion: MotionMap) -> bool:
    """Whether most of the frame is close to the background, which is not so for a moving camera or around a cut.

    The sensor noise of a camera in the dark (standard deviation 8 of 255) gives a median of about 10.
    """
    return float(np.median(motion[::2, ::2])) <= _RESTLESS


class WindowBackground:
    """Computes the per-pixel median of the sampled small frames around a frame, and the frame's distance from it.

    The result depends only on frames inside the window. It is therefore equal for every division of a
    source into segments, provided that the first frame added is the source's first, or is at least back_s
    earlier than the first frame passed to `motion`.

    Memory: at most three times `most_samples` small frames, plus two.
    """

    def __init__(self, config: BackgroundConfig) -> None:
        self.config = config
        # two more than a window holds: after a gap in time, the sample that closes a window is far behind it
        self._samples: deque[tuple[float, ImageArray]] = deque(maxlen=config.most_samples + 2)
        self._last_s: float | None = None
        self._sorted = _SortedSamples()

    @property
    def back_s(self) -> float:
        return self.config.back_s

    @property
    def ahead_s(self) -> float:
        return self.config.ahead_s

    def add(self, pts: int, time_s: float, small: ImageArray, *, first_of_source: bool = False) -> None:
        """Adds a small frame, and keeps a copy if it is a sample. Every decoded frame must be added, in PTS order.

        small: uint8 (h, w, 3), with the channels in any order that is the same for all frames.
        first_of_source: whether this is the first frame of the source, which is a sample. The first frame after
            a seek is not, because a frame that was not decoded may have been the first after the grid line.
        """
        if self._last_s is not None and time_s < self._last_s:
            raise InvalidValueError(f"frames must come in PTS order, got {time_s} s (pts {pts}) after {self._last_s} s")
        interval = self.config.sample_interval_s
        crossed = self._last_s is not None and math.floor(time_s / interval) > math.floor(self._last_s / interval)
        if crossed or first_of_source:
            require_image(small, name="small frame")
            self._samples.append((time_s, small.copy()))
        self._last_s = time_s

    def motion(self, small: ImageArray, time_s: float) -> MotionMap | None:
        """uint8 (h, w): the difference of each pixel of a frame at `time_s` from the background, 0 (none) to 255.

        None while the window holds too few samples. Must be called in PTS order, after all frames up to
        `time_s + ahead_s` were added, and before more than one later frame is added.
        """
        require_image(small, name="small frame")
        start_s, stop_s = time_s - self.config.back_s, time_s + self.config.ahead_s
        window = {s: frame for s, frame in self._samples if start_s < s <= stop_s}
        if len(window) < self.config.min_samples:
            return None
        self._sorted.become(window)
        return _distance(small, self._sorted.median())


class _SortedSamples:
    """Samples sorted pixel by pixel, so that moving the window by one sample takes about a millisecond."""

    def __init__(self) -> None:
        self._samples: dict[float, ImageArray] = {}
        self._rank: list[ImageArray] = []  # the lowest value of each pixel comes first

    def become(self, samples: dict[float, ImageArray]) -> None:
        if self._samples.keys().isdisjoint(samples):
            self._samples, self._rank = {}, []
        for key in self._samples.keys() - samples.keys():
            self._remove(self._samples[key])
        for key in samples.keys() - self._samples.keys():
            self._insert(samples[key])
        self._samples = samples

    def median(self) -> ImageArray:
        """The median of each pixel; for an even number of samples, the lower of the two middle values."""
        return self._rank[(len(self._rank) - 1) // 2]

    def _insert(self, sample: ImageArray) -> None:
        carried = sample
        for i, values in enumerate(self._rank):
            self._rank[i] = np.minimum(values, carried)
            carried = np.maximum(values, carried)
        self._rank.append(carried)

    def _remove(self, sample: ImageArray) -> None:
        rank = self._rank
        for i in range(len(rank) - 1):
            # of two neighbours, keep the one farther from the removed value: XOR both with the nearer one
            # (min and max run as vector instructions; numpy.where on bytes does not, and takes 10 times as long)
            rank[i] = rank[i] ^ rank[i + 1] ^ np.minimum(np.maximum(sample, rank[i]), rank[i + 1])
        rank.pop()


def _distance(small: ImageArray, background: ImageArray) -> MotionMap:
    """The largest difference over the channels, after subtracting the overall change of light in the frame."""
    sparse = small[::4, ::4].astype(np.int16) - background[::4, ::4]
    # the median over the pixels is the change of light as long as fewer than half of them move
    change = np.median(sparse, axis=(0, 1))
    lit = np.clip(background + change.astype(np.int16), 0, 255).astype(np.uint8)
    difference = np.maximum(small, lit) - np.minimum(small, lit)
    distance: MotionMap = np.maximum(np.maximum(difference[..., 0], difference[..., 1]), difference[..., 2])
    return distance
