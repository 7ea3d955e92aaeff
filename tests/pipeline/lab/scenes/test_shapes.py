"""Rendered shapes. Catches masks that differ from the rendered picture, a camera that differs from the renderer's,
sizes outside their range, shapes that intersect, a class that is in both training and test, and pictures that change
from run to run or with the number of threads."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco

from pipeline.lab.scenes.folder import GenerateConfig, generate
from pipeline.lab.scenes.layout import SceneConfig
from pipeline.lab.scenes.scene import Scene
from pipeline.lab.scenes.shapes.camera import DISTANCE, FIELD_OF_VIEW_DEG, Camera
from pipeline.lab.scenes.shapes.classes import COLOURS, Finish, ShapeClass, all_shape_classes, dealt_classes
from pipeline.lab.scenes.shapes.compose import ShapeScenes
from pipeline.lab.scenes.shapes.developing import linear_rgb
from pipeline.lab.scenes.shapes.renderer import seen_alone
from pipeline.lab.scenes.shapes.solids import SOLIDS, solid
from schemas.errors import InvalidValueError

SMALL_SCENE = SceneConfig(width_px=128, height_px=112, objects=(1, 20))
RED_AND_BLUE = {1: ShapeClass("cube", "red", "rubber"), 2: ShapeClass("sphere", "blue", "rubber")}


@pytest.fixture
def one_thread() -> Iterator[Callable[[], None]]:
    """Switches the renderer to one thread until the test ends."""
    import drjit

    threads = drjit.thread_count()
    yield lambda: drjit.set_thread_count(1)
    drjit.set_thread_count(threads)


@cache
def scene_of(seed: int, config: SceneConfig) -> Scene:
    """Rendered once for all tests that look at it."""
    return ShapeScenes(samples=1).make_scene(config, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("name", SOLIDS)
def test_a_solid_stands_on_the_floor_with_its_outside_out(name: str) -> None:
    mesh = solid(name)
    low, high = mesh.vertices.min(axis=(0, 1)), mesh.vertices.max(axis=(0, 1))
    assert (high - low).max() == pytest.approx(1)
    assert low[2] == pytest.approx(0)
    np.testing.assert_allclose((low + high)[:2], 0, atol=1e-9)
    a, b, c = mesh.vertices.transpose(1, 0, 2)
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() > 0  # six times the volume, by the divergence theorem
    faces = np.cross(b - a, c - a)
    assert (np.einsum("ij,ikj->ik", faces, mesh.normals) > 0).all()
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=-1), 1)


@pytest.mark.parametrize("name", sorted(set(SOLIDS) - {"mug"}))  # its handle ends open, within the wall
def test_a_solid_has_no_hole(name: str) -> None:
    corners = np.round(solid(name).vertices, 6)
    _, points = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    edges = [(a, b) for face in points.reshape(-1, 3).tolist() for a, b in zip(face, face[1:] + face[:1], strict=True)]
    assert sorted(edges) == sorted((b, a) for a, b in edges)  # each is there once in either direction


@pytest.mark.parametrize(("width_px", "height_px"), [(96, 96), (128, 80), (70, 140)])
def test_the_renderer_sees_a_sphere_where_geometry_has_it(width_px: int, height_px: int) -> None:
    elevation = np.radians(40)
    place, radius = np.array([0.6, -0.4, 0.0]), 0.5
    seen = seen_alone(Camera(width_px, height_px, 40.0), solid("sphere").moved(place, scale=2 * radius))
    assert seen is not None
    mask = np.zeros((height_px, width_px), bool)
    mask[seen.box] = np.isfinite(seen.distance)
    # rays through the centres of pixels, in the camera's own axes: right, down, forward
    focal = max(width_px, height_px) / 2 / np.tan(np.radians(FIELD_OF_VIEW_DEG) / 2)
    y, x = np.mgrid[:height_px, :width_px] + 0.5
    ray = np.stack([(x - width_px / 2) / focal, (y - height_px / 2) / focal, np.ones_like(x)], axis=-1)
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    right, forward = np.array([1, 0, 0]), np.array([0, np.cos(elevation), -np.sin(elevation)])
    centre = place + [0, 0, radius] + DISTANCE * forward
    centre = np.array([centre @ right, centre @ np.cross(forward, right), centre @ forward])
    expected = np.linalg.norm(np.cross(ray, centre), axis=-1) <= radius
    assert expected.sum() > 50
    assert (mask & expected).sum() / (mask | expected).sum() > 0.97  # the mesh has corners, the sphere has none
    nearest = seen.distance.min()
    assert nearest == pytest.approx(np.linalg.norm(centre) - radius, rel=0.01)


@given(x=st.floats(0, 120), y=st.floats(0, 80), elevation_deg=st.floats(20, 85))
@settings(max_examples=30, deadline=None)
def test_a_point_of_the_floor_is_seen_where_it_was_looked_for(x: float, y: float, elevation_deg: float) -> None:
    camera = Camera(120, 80, elevation_deg)
    point = camera.on_floor(x, y)
    assert point[2] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(camera.project(point), (x, y), atol=1e-6)


def test_masks_are_what_the_picture_shows() -> None:
    scenes = ShapeScenes(RED_AND_BLUE)
    for seed in range(3):
        scene = scenes.make_scene(SMALL_SCENE, rng=np.random.default_rng(seed))
        assert scene.placed
        assert np.stack([p.mask for p in scene.placed]).sum(axis=0).max() == 1  # a pixel shows one object
        for kind, channel in ((1, 0), (2, 2)):
            shown = scene.image.astype(int)
            coloured = shown[..., channel] - shown[..., 2 - channel] > 60
            masks = [p.mask for p in scene.placed if p.category_id == kind]
            expected = np.any(masks, axis=0) if masks else np.zeros(coloured.shape, bool)
            # rims are blended with what lies behind them, and the floor mirrors a little of the colour
            assert (coloured != expected).sum() <= 0.12 * expected.sum() + 12


def test_the_sizes_and_numbers_of_objects_are_those_asked_for() -> None:
    for sizes in ("mixed", "small", "large"):
        config = replace(SMALL_SCENE, sizes=sizes)
        for seed in range(4):
            placed = scene_of(seed, config).placed
            large = [p for p in placed if p.large]
            assert 1 <= len(placed) <= 20
            assert len(large) <= 3
            assert not (sizes == "small" and large)
            assert sizes != "large" or len(large) == len(placed)
            assert all(p.visible >= config.least_visible for p in placed)
            for p in (p for p in placed if p.visible == 1):
                least, most = config.large_side if p.large else config.small_side
                # a pixel is an object's where its centre is, so that a tip may be lost at either end
                assert round(least * 112) - 3 <= max(p.box_px()[2:]) <= round(most * 112) + 1
                x, y, w, h = p.box_px()
                assert min(x, y) > 0, "an object must not touch the border"
                assert x + w < 128
                assert y + h < 112


def test_what_is_larger_than_the_picture_is_left_out() -> None:
    config = SceneConfig(width_px=96, height_px=96, sizes="large", large_side=(1.0, 1.0))
    assert scene_of(0, config).placed == ()


def test_the_hidden_share_is_counted_against_the_whole_object() -> None:
    partly = [p for seed in range(4) for p in scene_of(seed, SMALL_SCENE).placed if p.visible < 1]
    assert partly, "with so many objects some hide others"
    assert all(0.6 <= p.visible < 1 for p in partly)


def test_there_are_as_many_classes_as_in_clevr_ds_and_each_can_be_read() -> None:
    classes = all_shape_classes()
    names = [each.name for each in classes.values()]
    assert len(set(names)) == len(names) >= 138
    assert list(classes) == list(range(1, len(classes) + 1))
    assert "red metal cube" in names


@given(test_share=st.floats(0.01, 0.99), seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_training_and_test_share_no_class_but_all_that_classes_are_made_of(test_share: float, seed: int) -> None:
    classes = all_shape_classes()
    training, test = dealt_classes(classes, test_share=test_share, seed=seed)
    assert not set(training) & set(test)
    assert training | test == classes
    for part in (training, test):
        assert {each.shape for each in part.values()} == set(SOLIDS)
    if 0.2 <= test_share <= 0.8:
        for part in (training, test):
            assert {each.colour for each in part.values()} == set(COLOURS)
            assert {each.finish for each in part.values()} == set(get_args(Finish))


def test_annotations_are_coco_s_and_no_class_is_in_both_parts(tmp_path: Path) -> None:
    parts = generate(tmp_path, ShapeScenes(samples=1), GenerateConfig(train=2, test=1, scene=SMALL_SCENE))
    used: dict[str, set[int]] = {}
    for part in parts:
        document = json.loads((part.folder / f"instances_{part.folder.name}.json").read_text())
        assert document["info"]["renderer"].startswith("mitsuba 3")
        known = {category["id"] for category in document["categories"]}
        for entry in document["annotations"]:
            assert entry["category_id"] in known
            assert coco.toBbox(entry["segmentation"]).tolist() == entry["bbox"]
            assert coco.area(entry["segmentation"]) == entry["area"] > 0
        used[part.folder.name] = known
    assert not used["train"] & used["test"]
    assert used["test"] == used["test-small"] == used["test-large"]


def test_the_same_seed_gives_the_same_files_whatever_the_threads(
    tmp_path: Path, one_thread: Callable[[], None]
) -> None:
    config = GenerateConfig(train=1, test=1, scene=replace(SMALL_SCENE, objects=(1, 6)))

    def files(folder: Path, made: GenerateConfig) -> dict[str, bytes]:
        generate(folder, ShapeScenes(samples=4), made)
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    first = files(tmp_path / "a", config)
    one_thread()
    assert first == files(tmp_path / "b", config)
    assert first != files(tmp_path / "c", replace(config, seed=1))


def test_colours_become_light_as_the_standard_says() -> None:
    def by_table(value: int) -> float:
        return {0: 0.0, 10: 0.0030353, 128: 0.2158605, 255: 1.0}[value]

    expected: NDArray[np.float64] = np.array([by_table(v) for v in (10, 128, 255)])
    np.testing.assert_allclose(linear_rgb((10, 128, 255)), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: ShapeScenes(samples=8), "square number"),
        (lambda: ShapeScenes({}), "classes must hold at least one"),
        (lambda: Camera(64, 64, 10.0), "elevation_deg"),
    ],
)
def test_what_cannot_be_rendered_is_refused(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        wrong()
