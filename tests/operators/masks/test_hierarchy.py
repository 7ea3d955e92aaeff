"""Catches hierarchies that are not trees, that differ from run to run, or that fail on pictures of unusual sizes."""

import numpy as np
import pytest

from operators.masks.hierarchy import Hierarchy, MergeConfig, segment_hierarchy
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray


def noise(height: int = 60, width: int = 80) -> ImageArray:
    blocks = np.random.default_rng(3).integers(0, 256, (height // 6 + 1, width // 8 + 1, 3))
    image = np.kron(blocks, np.ones((6, 8, 1)))[:height, :width]
    return np.clip(image + np.random.default_rng(4).normal(0, 8, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def tree() -> Hierarchy:
    return segment_hierarchy(noise(), MergeConfig())


def test_every_segment_is_the_union_of_two_that_share_nothing(tree: Hierarchy) -> None:
    n = tree.members.shape[1]
    assert len(tree.parent) == 2 * n - 1 > 50
    for segment in range(n, 2 * n - 1):
        a, b = np.flatnonzero(tree.parent == segment)
        assert not (tree.members[a] & tree.members[b]).any()
        assert ((tree.members[a] | tree.members[b]) == tree.members[segment]).all()
    assert tree.members[-1].all()
    assert tree.parent[-1] == -1


def test_areas_boxes_and_borders_are_those_of_the_pixels(tree: Hierarchy) -> None:
    for segment in range(0, len(tree.parent), 7):
        mask = tree.members[segment][tree.superpixels]
        y, x = np.nonzero(mask)
        assert tree.area_px[segment] == mask.sum()
        assert tree.box[segment].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
        outline = (mask[:, 1:] != mask[:, :-1]).sum() + (mask[1:] != mask[:-1]).sum()
        assert tree.border[segment] == outline


def test_levels_never_fall_towards_the_whole_picture(tree: Hierarchy) -> None:
    assert (tree.level[:-1] <= tree.level[tree.parent[:-1]]).all()
    assert ((tree.persistence >= 0) & (tree.persistence <= 1)).all()
    assert tree.persistence[-1] == 1


def test_the_same_picture_gives_the_same_hierarchy(tree: Hierarchy) -> None:
    again = segment_hierarchy(noise(), MergeConfig())
    for name in ("superpixels", "members", "parent", "level", "contrast", "apart"):
        np.testing.assert_array_equal(getattr(again, name), getattr(tree, name))


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (2, 2), (1, 300), (300, 2), (5, 5)])
def test_pictures_of_any_size_are_accepted(size: tuple[int, int]) -> None:
    tree = segment_hierarchy(noise(*size), MergeConfig())
    assert tree.area_px[-1] == size[0] * size[1]


def test_one_colour_is_one_segment() -> None:
    assert len(segment_hierarchy(np.full((40, 60, 3), 90, np.uint8), MergeConfig()).parent) == 1


def test_what_moves_is_merged_before_what_rests() -> None:
    """Three plates in a row, the first two nearly of one colour; the last two move."""
    image = np.full((40, 60, 3), 90, np.uint8)
    image[:, 20:40] += 25
    image[:, 40:] = (60, 60, 200)
    moves = np.zeros((40, 60), np.float32)
    moves[:, 20:] = 1
    plates = []
    for tree in (
        segment_hierarchy(image, MergeConfig()),
        segment_hierarchy(image, MergeConfig(motion=4.0), moves=moves),
    ):
        last = tree.members[-2][tree.superpixels][
            20, [10, 30, 50]
        ]  # one side of the last merge, at each plate's middle
        plates.append((last == last[1]).tolist())
    assert plates == [[True, True, False], [False, True, True]]


@pytest.mark.parametrize("wrong", [{"piece_contrast": 0.0}, {"piece_px": 0}, {"colour": -1.0}])
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError):
        MergeConfig(**wrong)  # type: ignore[arg-type]
