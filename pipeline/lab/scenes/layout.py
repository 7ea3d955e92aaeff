"""Decides how many objects a picture has, of how many classes, how large they are, and how much may be hidden.

This follows CLEVR-DS (DetailCLIP, section 4.2 and appendix A.2): 1 to 50 objects per picture, 1 to 3 of them large,
sizes controlled, everything annotated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from schemas import require

Sizes = Literal["mixed", "small", "large"]
TRIES = 40  # places that are tried for an object before it is omitted


@dataclass(frozen=True, slots=True)
class SceneConfig:
    """The contents of a picture; ranges include both ends.

    objects, classes: their numbers, drawn so that every power of two is equally likely. If there are more objects than
        classes, classes are repeated.
    large: number of large objects if sizes are mixed. sizes: "small" and "large" draw only one kind; there are never
        more large objects than `large`.
    small_side, large_side: an object's longer side, as a share of the picture's shorter side.
    least_visible: minimum share of an object that stays visible.
    """

    width_px: int = 512
    height_px: int = 512
    objects: tuple[int, int] = (1, 50)
    classes: tuple[int, int] = (1, 16)
    large: tuple[int, int] = (1, 3)
    sizes: Sizes = "mixed"
    small_side: tuple[float, float] = (0.08, 0.16)
    large_side: tuple[float, float] = (0.35, 0.6)
    least_visible: float = 0.6

    def __post_init__(self) -> None:
        require.at_least(1, objects=self.objects, classes=self.classes)
        require.at_least(0, large=self.large)
        require.within("(0, 1]", small_side=self.small_side, large_side=self.large_side)
        require.ranges(
            objects=self.objects,
            classes=self.classes,
            large=self.large,
            small_side=self.small_side,
            large_side=self.large_side,
        )
        require.within("(0, 1]", least_visible=self.least_visible)
        require.one_of(get_args(Sizes), sizes=self.sizes)
        require.at_least(64, width_px=self.width_px, height_px=self.height_px)

    def draw_side_px(self, *, large: bool, rng: np.random.Generator) -> int:
        """Draws an object's longer side, in pixels, at least 1."""
        side = self.large_side if large else self.small_side
        return max(1, round(rng.uniform(*side) * min(self.width_px, self.height_px)))


def draw_numbers(config: SceneConfig, rng: np.random.Generator) -> tuple[int, int]:
    """Draws the number of objects in a picture, and how many of them are large."""
    objects = _log_uniform(config.objects, rng)
    large = int(rng.integers(config.large[0], config.large[1] + 1))
    if config.sizes == "large":
        objects = min(objects, max(large, 1))
        large = objects
    return objects, 0 if config.sizes == "small" else min(large, objects)


def draw_kinds(
    kinds: Sequence[int],
    config: SceneConfig,
    *,
    objects: int,
    large: int,
    for_large: Sequence[int],
    rng: np.random.Generator,
) -> list[int]:
    """Draws the classes of `objects` objects, those of the large ones first.

    kinds: all classes. for_large: classes of which an object may be large.
    """
    first = [for_large[i] for i in rng.integers(len(for_large), size=large)] if large else []
    others = [kind for kind in kinds if kind not in first]
    count = min(_log_uniform(config.classes, rng), objects) - len(set(first))
    drawn = [*first, *(others[i] for i in rng.permutation(len(others))[: max(count, 0)])][:objects]
    return drawn + [drawn[i] for i in rng.integers(len(drawn), size=objects - len(drawn))]


class Stage:
    """Records which object every pixel shows, and decides whether one more object may be added.

    owner: int16 (H, W), the index of the object, −1 for none.
    """

    def __init__(self, config: SceneConfig) -> None:
        self.owner: NDArray[np.int16] = np.full((config.height_px, config.width_px), -1, np.int16)
        self._whole_px: list[int] = []
        self._least_visible = config.least_visible

    def may_take(self, box: tuple[slice, slice], shown: NDArray[np.bool_], whole_px: int) -> bool:
        """Whether enough of the object and of all others would stay visible.

        box: rows and columns around the object. shown: bool, pixels of the box that the object covers.
        whole_px: area of the object, including hidden parts.
        """
        if shown.sum() < self._least_visible * whole_px or not shown.any():
            return False
        n = len(self._whole_px)
        least = self._least_visible * np.array(self._whole_px)
        before = np.bincount(self.owner[self.owner >= 0], minlength=n)
        under = self.owner[box][shown]
        hidden = np.bincount(under[under >= 0], minlength=n)
        return bool((before - hidden >= least)[hidden > 0].all())

    def take(self, box: tuple[slice, slice], shown: NDArray[np.bool_], whole_px: int) -> None:
        """Adds an object with the next index."""
        self.owner[box][shown] = len(self._whole_px)
        self._whole_px.append(whole_px)

    def masks(self) -> list[tuple[NDArray[np.bool_], float]]:
        """For each object: its visible pixels, bool (H, W), and their share of the object."""
        masks = [self.owner == i for i in range(len(self._whole_px))]
        return [(mask, float(mask.sum() / whole)) for mask, whole in zip(masks, self._whole_px, strict=True)]


def _log_uniform(span: tuple[int, int], rng: np.random.Generator) -> int:
    return int(np.exp(rng.uniform(np.log(span[0]), np.log(span[1] + 1))))
