"""One generated picture: objects set on a background, large ones behind, small ones before them.

After CLEVR-DS (DetailCLIP, section 4.2 and appendix A.2): 1 to 50 objects a picture, 1 to 3 of them large, sizes
controlled, everything annotated. Real objects take the place of rendered shapes, so that a model knows their names.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.scenes.cut_outs import Backdrop, CutOut, Material
from schemas.errors import InvalidValueError, SourceError
from schemas.frames import ImageArray

Sizes = Literal["mixed", "small", "large"]
_TRIES = 40  # places sought for an object before it is left out
_MOST_ENLARGED = 2.0


@dataclass(frozen=True, slots=True)
class SceneConfig:
    """What a picture holds; ranges include both ends.

    objects, classes: how many, drawn so that every power of two is as likely. Objects beyond the classes repeat some.
    large: how many of the objects are large where sizes are mixed. sizes: "small" and "large" draw one kind alone;
    of large ones there are never more than `large`.
    small_side, large_side: an object's longer side, as a share of the picture's shorter one.
    least_visible: share of an object that no later one may hide. real_backgrounds: share of pictures set on a part
    of a photograph; the others stand on a plain colour with a little shading and noise.
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
    real_backgrounds: float = 0.5

    def __post_init__(self) -> None:
        for name, (least, most), lowest in (
            ("objects", self.objects, 1),
            ("classes", self.classes, 1),
            ("large", self.large, 0),
        ):
            if not lowest <= least <= most:
                raise InvalidValueError(f"{name} must be a range from at least {lowest}, got {least} to {most}")
        for name, (small, big) in (("small_side", self.small_side), ("large_side", self.large_side)):
            if not 0 < small <= big <= 1:
                raise InvalidValueError(f"{name} must be a range within (0, 1], got {small} to {big}")
        if self.sizes not in get_args(Sizes):
            raise InvalidValueError(f"sizes must be one of {', '.join(get_args(Sizes))}, got {self.sizes!r}")
        if min(self.width_px, self.height_px) < 64:
            raise InvalidValueError(f"pictures must be at least 64 px a side, got {self.width_px}x{self.height_px}")


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """An object where it stands. mask: bool (H, W) of the picture, what stays visible. visible: share of the object."""

    cut_out: CutOut
    mask: NDArray[np.bool_]
    large: bool
    visible: float

    def box_px(self) -> tuple[int, int, int, int]:
        """x, y, width, height of what stays visible, as COCO writes boxes."""
        rows, cols = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        return int(cols[0]), int(rows[0]), int(cols[-1] + 1 - cols[0]), int(rows[-1] + 1 - rows[0])


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """image: uint8 (H, W, 3), RGB. placed: in the order in which they were set, later ones in front."""

    image: ImageArray
    placed: tuple[Placed, ...]
    backdrop: Backdrop | None


def make_scene(material: Material, config: SceneConfig, *, rng: np.random.Generator) -> Scene:
    """A picture of `material`; it depends on the three arguments alone."""
    backdrop = None
    if material.backdrops and rng.random() < config.real_backgrounds:
        backdrop = material.backdrops[rng.integers(len(material.backdrops))]
    image = _plain(config, rng) if backdrop is None else _spread(backdrop.image, config, rng)
    canvas = image.astype(np.float32)
    owner = np.full(canvas.shape[:2], -1, np.int16)
    placed: list[tuple[CutOut, bool, int]] = []
    for cut_out, large in _drawn(material, config, rng):
        side = config.large_side if large else config.small_side
        side_px = round(rng.uniform(*side) * min(config.width_px, config.height_px))
        pixels, alpha = _resized(cut_out, side_px, mirrored=bool(rng.random() < 0.5))
        where = _place(alpha >= 0.5, owner, [whole for *_, whole in placed], config, rng)
        if where is None:
            continue
        y, x = where
        box = (slice(y, y + alpha.shape[0]), slice(x, x + alpha.shape[1]))
        canvas[box] += alpha[..., None] * (pixels - canvas[box])
        owner[box][alpha >= 0.5] = len(placed)
        placed.append((cut_out, large, int((alpha >= 0.5).sum())))
    return Scene(
        np.rint(canvas).clip(0, 255).astype(np.uint8),
        tuple(
            Placed(cut_out, mask := owner == i, large, float(mask.sum() / whole))
            for i, (cut_out, large, whole) in enumerate(placed)
        ),
        backdrop,
    )


def _drawn(material: Material, config: SceneConfig, rng: np.random.Generator) -> list[tuple[CutOut, bool]]:
    """The objects of a picture and whether each is large, large ones first."""
    objects = _log_uniform(config.objects, rng)
    large = int(rng.integers(config.large[0], config.large[1] + 1))
    if config.sizes == "large":
        objects = min(objects, max(large, 1))
        large = objects
    large = 0 if config.sizes == "small" else min(large, objects)
    by_class = _by_class(material.cut_outs)
    least_px = config.large_side[0] * min(config.width_px, config.height_px) / _MOST_ENLARGED
    sharp = _by_class([c for c in material.cut_outs if c.longer_side_px >= least_px])
    if large and not sharp:
        raise SourceError(f"no object is {least_px:.0f} px long, as large ones must be; make smaller pictures")
    first = [list(sharp)[i] for i in rng.integers(len(sharp), size=large)] if large else []
    others = [kind for kind in by_class if kind not in first]
    count = min(_log_uniform(config.classes, rng), objects) - len(set(first))
    kinds = [*first, *(others[i] for i in rng.permutation(len(others))[: max(count, 0)])][:objects]
    kinds += [kinds[i] for i in rng.integers(len(kinds), size=objects - len(kinds))]
    choices = [(sharp if i < large else by_class)[kind] for i, kind in enumerate(kinds)]
    return [(each[rng.integers(len(each))], i < large) for i, each in enumerate(choices)]


def _by_class(cut_outs: Iterable[CutOut]) -> dict[int, list[CutOut]]:
    found: dict[int, list[CutOut]] = {}
    for cut_out in cut_outs:
        found.setdefault(cut_out.category_id, []).append(cut_out)
    return found


def _log_uniform(span: tuple[int, int], rng: np.random.Generator) -> int:
    return int(np.exp(rng.uniform(np.log(span[0]), np.log(span[1] + 1))))


def _resized(cut_out: CutOut, side_px: int, *, mirrored: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pixels float32 (H, W, 3) and opacity float32 (H, W) in [0, 1], the longer side at `side_px`."""
    height, width = cut_out.mask.shape
    scale = side_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    step = -1 if mirrored else 1
    pixels = cv2.resize(np.ascontiguousarray(cut_out.image[:, ::step]), size, interpolation=how)
    mask = cut_out.mask[:, ::step].astype(np.float32)
    alpha = cv2.resize(cv2.GaussianBlur(mask, (3, 3), 0) if scale > 1 else mask, size, interpolation=how)
    return pixels.astype(np.float32), alpha.astype(np.float32)


def _place(
    solid: NDArray[np.bool_],
    owner: NDArray[np.int16],
    whole_px: list[int],
    config: SceneConfig,
    rng: np.random.Generator,
) -> tuple[int, int] | None:
    """Row and column where the object hides no other beyond what is allowed; None where no place was found."""
    height, width = owner.shape
    if solid.shape[0] > height or solid.shape[1] > width or not solid.any():
        return None
    least = config.least_visible * np.array(whole_px)
    shown = np.bincount(owner[owner >= 0], minlength=len(whole_px))
    for _ in range(_TRIES):
        y = int(rng.integers(height - solid.shape[0] + 1))
        x = int(rng.integers(width - solid.shape[1] + 1))
        under = owner[y : y + solid.shape[0], x : x + solid.shape[1]][solid]
        hidden = np.bincount(under[under >= 0], minlength=len(whole_px))
        if (shown - hidden >= least)[hidden > 0].all():
            return y, x
    return None


def _plain(config: SceneConfig, rng: np.random.Generator) -> ImageArray:
    shape = (config.height_px, config.width_px)
    colour = rng.uniform(40, 220, 3)
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    shade = rng.uniform(0, 25) * (np.cos(angle) * x + np.sin(angle) * y)
    noise = rng.normal(0, 2, shape)
    image: ImageArray = np.rint(colour + (shade + noise)[..., None]).clip(0, 255).astype(np.uint8)
    return image


def _spread(image: ImageArray, config: SceneConfig, rng: np.random.Generator) -> ImageArray:
    """A part of the picture in the wanted shape, as large as it has room for, at the wanted size."""
    height, width, _ = image.shape
    scale = min(height / config.height_px, width / config.width_px)
    rows, cols = int(config.height_px * scale), int(config.width_px * scale)
    y, x = int(rng.integers(height - rows + 1)), int(rng.integers(width - cols + 1))
    part = np.ascontiguousarray(image[y : y + rows, x : x + cols])
    how = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (config.width_px, config.height_px), interpolation=how), np.uint8)
