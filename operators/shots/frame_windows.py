"""Divides a source into windows of 100 frames that do not depend on where reading began."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scenedetect.common import framerate_to_fraction

from schemas.frames import ImageArray
from schemas.sources import Source

WINDOW_FRAMES = 100
BEFORE_FRAMES = 25  # frames of a window before its block
BLOCK_FRAMES = 50  # frames of a block: TransNetV2's own step
MOST_BLOCK_FRAMES = 60  # where frames are dense: a jitter of one frame must not cost another window
_MOST_PER_S = Fraction(60)  # a rate guessed too high (1000 for some variable rates) would make a window per frame


@dataclass(frozen=True, slots=True, eq=False)
class FrameWindow:
    """A window around a block of frames.

    pictures: uint8 (100, h, w, 3). pts: PTS of the frames of the block, `pictures[25 : 25 + len(pts)]`.
    """

    pictures: NDArray[np.uint8]
    pts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    pts: int
    picture: ImageArray


class FrameWindows:
    """Makes windows from frames that are given in PTS order. Each frame is in the block of exactly one window.

    Time is divided into cells from the start of the source. A cell is as long as 50 frames at the source's rate, but
    at least 5/6 s. The borders are halfway between frames, so that rounded PTS do not cross them. The frames of a cell
    form a block; if there are more than 60, they form several blocks, of 60 frames and the rest. A window consists of
    the 25 frames before its block, the block, and as many frames after it as make 100. At the ends of the source,
    missing frames are filled with its first or last frame. At a constant rate of up to 60 frames per second, these are
    the windows of TransNetV2's own code.

    A window thus depends on the frames of one cell and on 25 + 74 frames around it. If reading starts in the middle of
    a source, the first known block is that of the first cell whose beginning is read, after at least 25 frames; its
    first PTS is `settled_pts`.

    first_of_source: whether the first frame given is the source's first.
    """

    def __init__(self, source: Source, *, first_of_source: bool) -> None:
        rate: Fraction = framerate_to_fraction(source.frame_rate)
        cells_rate = min(rate, _MOST_PER_S)
        per_tick = cells_rate * source.clock.time_base
        self._frames, self._ticks = int(per_tick.numerator), int(per_tick.denominator)  # frames per number of ticks
        self._origin: int = source.span.start
        self._first_of_source = first_of_source
        self._held: deque[_Seen] = deque()  # from 25 frames before the first waiting block, or the last 25 frames
        self._dropped = 0  # number of frames before those
        self._count = 0
        self._cell = 0
        self._begins: deque[int] = deque()  # numbers of the first frames of the waiting blocks, among all given frames
        self._begin: int | None = None  # number of the first frame of the last block
        self.settled_pts: int | None = None
        self.cell_frames = math.ceil(BLOCK_FRAMES * rate / cells_rate)

    def __call__(self, pts: int, picture: ImageArray) -> Iterator[FrameWindow]:
        """Adds a frame and yields the windows that it completes. picture: uint8 (h, w, 3), always of one size."""
        number, cell = self._count, self._cell_of(pts)
        if number == 0:
            begins = self._first_of_source
        elif self._begin is None:
            begins = cell != self._cell and number >= BEFORE_FRAMES
        else:
            begins = cell != self._cell or number - self._begin == MOST_BLOCK_FRAMES
        self._cell = cell
        if begins:
            self._begin = number
            self._begins.append(number)
            self.settled_pts = pts if self.settled_pts is None else self.settled_pts
        self._held.append(_Seen(pts, picture))
        self._count += 1
        if self._begins and self._count - self._begins[0] == WINDOW_FRAMES - BEFORE_FRAMES:
            yield self._window()
        self._forget()

    def flush(self) -> Iterator[FrameWindow]:
        """The windows that extend past the last frame of the source."""
        while self._begins:
            yield self._window()
            self._forget()

    def _window(self) -> FrameWindow:
        """The window of the first waiting block."""
        begin = self._begins.popleft()
        end = self._begins[0] if self._begins else self._count
        missing_before = max(0, BEFORE_FRAMES - begin)
        first = max(0, begin - BEFORE_FRAMES) - self._dropped
        seen = list(islice(self._held, first, first + WINDOW_FRAMES - missing_before))
        pictures = [seen[0].picture] * missing_before + [frame.picture for frame in seen]
        pictures += [pictures[-1]] * (WINDOW_FRAMES - len(pictures))
        about = seen[BEFORE_FRAMES - missing_before :][: end - begin]
        return FrameWindow(np.stack(pictures), tuple(frame.pts for frame in about))

    def _forget(self) -> None:
        """Drops the frames that no later window can contain."""
        needed = (self._begins[0] if self._begins else self._count) - BEFORE_FRAMES
        while self._dropped < needed:
            self._held.popleft()
            self._dropped += 1

    def _cell_of(self, pts: int) -> int:
        nearest = (2 * (pts - self._origin) * self._frames + self._ticks) // (2 * self._ticks)
        return nearest // BLOCK_FRAMES
