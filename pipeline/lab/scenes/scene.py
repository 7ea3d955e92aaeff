"""A generated picture with its annotations, and the interface of the ingredients of such pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.scenes.layout import SceneConfig
from schemas.frames import ImageArray


@dataclass(frozen=True, slots=True)
class Origin:
    """Where pixels come from.

    picture: file name. annotation: id in the folder of the picture, 0 for a background. licence, url: as in the folder,
        "" if it has none.
    """

    picture: str
    annotation: int
    licence: str
    url: str


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """An object in a picture.

    mask: bool (H, W), the pixels of the picture in which it is visible. visible: their share of the object. origin:
        where its pixels come from, None if they were rendered.
    """

    category_id: int
    mask: NDArray[np.bool_]
    large: bool
    visible: float
    origin: Origin | None = None

    def box_px(self) -> tuple[int, int, int, int]:
        """x, y, width and height of the visible part, as in COCO's boxes."""
        rows, cols = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        return int(cols[0]), int(rows[0]), int(cols[-1] + 1 - cols[0]), int(rows[-1] + 1 - rows[0])


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture with its objects.

    image: uint8 (H, W, 3), RGB. placed: the objects in the order in which they were placed, each partly visible.
    background: where the background comes from, None if it was generated.
    """

    image: ImageArray
    placed: tuple[Placed, ...]
    background: Origin | None = None


class Ingredients(Protocol):
    """The interface of the ingredients of pictures."""

    @property
    def categories(self) -> Mapping[int, str]:
        """Names by id, in the order of ids; an id names the same class in all parts."""

    @property
    def about(self) -> Mapping[str, object]:
        """What users of the pictures must know about them, for the `info` of their annotations."""

    def dealt(self, *, test_share: float, seed: int) -> tuple[Self, Self]:
        """Splits the ingredients into parts for training and for test that have nothing in common."""

    def make_scene(self, config: SceneConfig, *, rng: np.random.Generator) -> Scene:
        """Makes a picture, which depends only on the ingredients and the two arguments."""
