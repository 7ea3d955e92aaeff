"""Passes of the frozen backbone over pictures, made once and kept on disk: what the head of objects is trained on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.encoders.everyday.backbone import Backbone, Forward
from operators.encoders.everyday.resize import resize
from operators.proposals.objects.head import STRIDES, WIDTHS
from operators.readers.picture import read_picture
from operators.runtime.atomic_write import atomic_write
from pipeline.lab.datasets.dataset import LabelledFrame
from schemas import require
from schemas.ids import digest

_CHUNK = 200  # pictures whose passes are one file, so that an interrupted run continues
_CELL_PX = max(STRIDES)


@dataclass(frozen=True, slots=True)
class Pass:
    """A size at which a picture is seen.

    side_px: side of a square of the same area. aspect: width over height; 0 is the picture's own. mirrored: left to
    right.
    """

    side_px: int
    aspect: float = 0.0
    mirrored: bool = False

    def __post_init__(self) -> None:
        require.at_least(_CELL_PX, side_px=self.side_px)
        require.at_least(0, aspect=self.aspect)

    def size_px(self, picture: LabelledFrame) -> tuple[int, int]:
        """Height and width of the input, multiples of 32."""
        stretch = (self.aspect or picture.width_px / picture.height_px) ** 0.5
        rows, cols = (max(1, round(side / _CELL_PX)) for side in (self.side_px / stretch, self.side_px * stretch))
        return rows * _CELL_PX, cols * _CELL_PX


@dataclass(frozen=True, slots=True)
class PassConfig:
    """The passes over a picture. Of every set one pass is made, in turn, so that no picture costs them all.

    small, full: sets for pictures whose shorter side is under, and at least, `full_px`. Pictures of coco-256 were
    stretched to squares: two in three get about their own shape back at 4:3.
    """

    small: tuple[tuple[Pass, ...], ...] = (
        (Pass(448), Pass(448, aspect=4 / 3, mirrored=True)),
        (Pass(320, aspect=4 / 3, mirrored=True), Pass(256, aspect=4 / 3)),
    )
    full: tuple[tuple[Pass, ...], ...] = (
        (Pass(448),),
        (Pass(448, mirrored=True),),
        (Pass(640),),
        (Pass(640, mirrored=True),),
    )
    full_px: int = 400

    def of(self, pictures: Sequence[LabelledFrame]) -> dict[Pass, list[int]]:
        """The places of the pictures of every pass."""
        made: dict[Pass, list[int]] = {}
        for of_small, sets in ((True, self.small), (False, self.full)):
            here = [i for i, p in enumerate(pictures) if (min(p.width_px, p.height_px) < self.full_px) == of_small]
            for turn, i in enumerate(here):
                for each in sets:
                    made.setdefault(each[turn % len(each)], []).append(i)
        return made


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A picture as one pass sees it.

    picture: its index. height_px, width_px: of the pass. boxes: float32 (N, 4), x0, y0, x1, y1 in pixels of the pass.
    """

    picture: int
    height_px: int
    width_px: int
    boxes: NDArray[np.float32]
    _flat: NDArray[np.float16]

    def levels(self) -> tuple[NDArray[np.float16], ...]:
        """float16 (H / stride, W / stride, channels) at strides 8, 16 and 32."""
        levels, start = [], 0
        for stride, width in zip(STRIDES, WIDTHS, strict=True):
            shape = self.height_px // stride, self.width_px // stride, width
            levels.append(self._flat[start : start + int(np.prod(shape))].reshape(shape))
            start += int(np.prod(shape))
        return tuple(levels)


def training_passes(
    pictures: Sequence[LabelledFrame],
    backbone: Backbone,
    *,
    config: PassConfig,
    cache_dir: Path,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[View]:
    """Every pass over every picture. The levels stay on disk, some 0.9 MB a picture, and are mapped.

    on_progress: called with (passes done, total number of passes).
    """
    views: list[View] = []
    done, total = 0, sum(map(len, (passes := config.of(pictures)).values()))
    for each, fitting in passes.items():
        for start in range(0, len(fitting), _CHUNK):
            here = fitting[start : start + _CHUNK]
            views += _views(each, here, pictures, backbone, cache_dir=cache_dir)
            if on_progress is not None:
                done += len(here)
                on_progress(done, total)
    return views


def _views(
    each: Pass, here: Sequence[int], pictures: Sequence[LabelledFrame], backbone: Backbone, *, cache_dir: Path
) -> Iterator[View]:
    name = digest("objects", 1, backbone.revision, repr(each), *(pictures[i].path.read_bytes() for i in here))
    path = cache_dir / f"{name}.npy"
    if not path.exists():

        def levels(forward: Forward, i: int) -> NDArray[np.float16]:
            height_px, width_px = each.size_px(pictures[i])
            image = resize(read_picture(str(pictures[i].path)), width_px=width_px, height_px=height_px)
            if each.mirrored:
                image = np.ascontiguousarray(image[:, ::-1])
            made = forward(image[None])[: len(STRIDES)]
            return np.concatenate([level.ravel() for level in made]).astype(np.float16)

        cache_dir.mkdir(parents=True, exist_ok=True)
        flat = np.concatenate(list(backbone.side_by_side(levels, here)))
        with atomic_write(path) as file:
            np.save(file, flat)
    held = np.load(path, mmap_mode="r")
    start = 0
    for i in here:
        height_px, width_px = each.size_px(pictures[i])
        count = sum(height_px // s * (width_px // s) * c for s, c in zip(STRIDES, WIDTHS, strict=True))
        boxes = pictures[i].objects.boxes
        seen = boxes.mirrored() if each.mirrored else boxes
        corners = seen.xyxy * [width_px, height_px, width_px, height_px]
        yield View(i, height_px, width_px, corners.astype(np.float32), held[start : start + count])
        start += count
