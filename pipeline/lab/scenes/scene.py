"""A generated picture with all that is known of it, and what such pictures can be made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.scenes.layout import SceneConfig
from schemas.frames import ImageArray


@dataclass(frozen=True, slots=True)
class Origin:
    """Where pixels came from. picture: file name. annotation: its id in that folder, 0 for a background.
    licence, url: as the folder gives them for the picture, "" where it gives none."""

    picture: str
    annotation: int
    licence: str
    url: str


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """An object where it stands. mask: bool (H, W) of the picture, what stays visible. visible: share of the object.
    origin: of its pixels, None where they were rendered."""

    category_id: int
    mask: NDArray[np.bool_]
    large: bool
    visible: float
    origin: Origin | None = None

    def box_px(self) -> tuple[int, int, int, int]:
        """x, y, width, height of what stays visible, as COCO writes boxes."""
        rows, cols = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        return int(cols[0]), int(rows[0]), int(cols[-1] + 1 - cols[0]), int(rows[-1] + 1 - rows[0])


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """image: uint8 (H, W, 3), RGB. placed: in the order in which they were set; something of each is visible.
    background: of what lies behind them, None where it was made too."""

    image: ImageArray
    placed: tuple[Placed, ...]
    background: Origin | None = None


class Ingredients(Protocol):
    """What pictures are made of."""

    @property
    def categories(self) -> Mapping[int, str]:
        """Names by id, in the order of ids; an id names the same class in all parts."""

    @property
    def about(self) -> Mapping[str, object]:
        """What a reader of the pictures must know of them, for the `info` of their annotations."""

    def dealt(self, *, test_share: float, seed: int) -> tuple[Self, Self]:
        """Parts for training and for test that have nothing in common."""

    def make_scene(self, config: SceneConfig, *, rng: np.random.Generator) -> Scene:
        """A picture; it depends on the ingredients and the two arguments alone."""
