"""Cuts objects out of the pictures of a COCO folder along their masks, and finds empty parts of these pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.masks.rle import decode_mask
from operators.readers.picture import read_picture
from pipeline.lab.datasets.coco import has_instances, read_instances
from pipeline.lab.datasets.coco_json import Entry, mask_of
from pipeline.lab.datasets.picture_files import named_picture
from pipeline.lab.scenes.scene import Origin
from schemas.errors import SourceError
from schemas.frames import ImageArray
from schemas.ids import digest

_GRID = 40  # cells per side, of which empty rectangles consist


@dataclass(frozen=True, slots=True, eq=False)
class CutOut:
    """An object without its surroundings.

    image: uint8 (H, W, 3), RGB, the object's box. mask: bool (H, W). category_id: of the folder's JSON.
    """

    image: ImageArray
    mask: NDArray[np.bool_]
    category_id: int
    category: str
    origin: Origin

    @property
    def longer_side_px(self) -> int:
        return max(map(int, self.mask.shape))


@dataclass(frozen=True, slots=True, eq=False)
class Backdrop:
    """A part of a picture without annotated objects. image: uint8 (H, W, 3), RGB."""

    image: ImageArray
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """The parts that pictures are made of, in the order of file names and annotation ids."""

    cut_outs: tuple[CutOut, ...]
    backdrops: tuple[Backdrop, ...]

    @property
    def categories(self) -> dict[int, str]:
        """The names of the cut-outs' categories, by id."""
        return dict(sorted({c.category_id: c.category for c in self.cut_outs}.items()))


def read_material(folders: Sequence[Path], *, least_side_px: int = 32, least_backdrop_px: int = 160) -> Material:
    """Objects, except crowds, with sides of at least `least_side_px` that fill at least a fifth of their box; and
    backgrounds with sides of at least `least_backdrop_px`, at most one per picture.

    folders: COCO folders. A picture in several of them is used once. Raises SourceError, with the file and entry, for
    anything broken or missing, and if no folder has masks.
    """
    cut_outs: list[CutOut] = []
    backdrops: list[Backdrop] = []
    seen: set[str] = set()
    for folder in folders:
        for document, places in read_instances(folder):
            names = {entry.integer("id"): entry.text("name") for entry in document.categories}
            annotations = document.annotations_by_image()
            for picture in document.images:
                path = named_picture(picture.text("file_name"), places, place=picture.place)
                if path.name in seen:
                    continue
                seen.add(path.name)
                licence = picture.values.get("license", "")
                url = picture.values.get("flickr_url") or picture.values.get("coco_url") or ""
                origin = Origin(path.name, 0, str(document.licences.get(licence, licence)), str(url))
                of_picture = annotations[picture.integer("id")]
                found, empty = _cut_apart(
                    read_picture(str(path)), of_picture, names, origin, least_side_px, least_backdrop_px
                )
                cut_outs += found
                backdrops += empty
    if not cut_outs:
        raise SourceError(f"no object to cut out of {', '.join(map(str, folders))}: no masks, or all too small")
    cut_outs.sort(key=lambda c: (c.origin.picture, c.origin.annotation))
    backdrops.sort(key=lambda b: b.origin.picture)
    return Material(tuple(cut_outs), tuple(backdrops))


def dealt(material: Material, *, test_share: float, seed: int) -> tuple[Material, Material]:
    """Splits material into training and test: everything cut out of one picture is in the same part.

    test_share: share of the pictures, in (0, 1), chosen by a hash of the file name and the seed.
    """

    def to_test(origin: Origin) -> bool:
        return int(digest("scenes", seed, origin.picture)[:8], 16) < test_share * 2**32

    parts = tuple(
        Material(
            tuple(c for c in material.cut_outs if to_test(c.origin) == test),
            tuple(b for b in material.backdrops if to_test(b.origin) == test),
        )
        for test in (False, True)
    )
    if not all(part.cut_outs for part in parts):
        raise SourceError("too few pictures to split objects into training and test; give more folders")
    return parts[0], parts[1]


def folders_with_masks(folder: Path) -> list[Path]:
    """The folder itself if it is a COCO folder, else its COCO subfolders. Raises SourceError if there is none."""
    found = [path for path in (folder, *sorted(folder.iterdir())) if has_instances(path)]
    if not found:
        raise SourceError(f"{folder} holds no instances_*.json: objects are cut out along the masks in it")
    return found[:1] if found[0] == folder else found


def _cut_apart(
    image: ImageArray,
    annotations: Sequence[Entry],
    names: Mapping[int, str],
    origin: Origin,
    least_side_px: int,
    least_backdrop_px: int,
) -> tuple[list[CutOut], list[Backdrop]]:
    height, width, _ = image.shape
    occupied = np.zeros((height, width), bool)
    found: list[CutOut] = []
    for entry in annotations:
        x, y, w, h = entry.box()
        occupied[int(y) : int(np.ceil(y + h)), int(x) : int(np.ceil(x + w))] = True
        outline = mask_of(entry, width_px=width, height_px=height)
        if entry.integer("iscrowd", default=0) or outline is None or not outline.area_px:
            continue
        mask = decode_mask(outline)
        rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
        cut = mask[box]
        if min(cut.shape) < least_side_px or cut.mean() < 0.2:
            continue
        category = entry.integer("category_id")
        if category not in names:
            raise entry.error(f"category_id {category} is none of the {len(names)} categories")
        source = replace(origin, annotation=entry.integer("id"))
        found.append(CutOut(image[box].copy(), cut.copy(), category, names[category], source))
    x0, y0, x1, y1 = _largest_empty(occupied)
    if min(x1 - x0, y1 - y0) < least_backdrop_px:
        return found, []
    return found, [Backdrop(image[y0:y1, x0:x1].copy(), origin)]


def _largest_empty(occupied: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """The largest rectangle of grid cells without an object: x0, y0, x1, y1 in pixels."""
    height, width = occupied.shape
    rows = np.linspace(0, height, _GRID + 1).astype(int)
    cols = np.linspace(0, width, _GRID + 1).astype(int)
    sums = np.zeros((height + 1, width + 1), np.int64)
    sums[1:, 1:] = occupied.cumsum(axis=0).cumsum(axis=1)
    cells = sums[np.ix_(rows, cols)]
    free = np.diff(np.diff(cells, axis=0), axis=1) == 0
    best, area = (0, 0, 0, 0), 0
    run = np.zeros(_GRID, np.int64)  # number of free cells above, including this row
    for row in range(_GRID):
        run = np.where(free[row], run + 1, 0)
        for left in range(_GRID):
            lowest = _GRID
            for right in range(left, _GRID):
                lowest = min(lowest, int(run[right]))
                if not lowest:
                    break
                if lowest * (right + 1 - left) > area:
                    area = lowest * (right + 1 - left)
                    best = (int(cols[left]), int(rows[row + 1 - lowest]), int(cols[right + 1]), int(rows[row + 1]))
    return best
