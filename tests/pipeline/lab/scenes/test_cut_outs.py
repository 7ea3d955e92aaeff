"""Pictures of cut-outs. Catches masks that differ from the visible object, boxes around hidden parts, an object that is
in both training and test, sizes outside their range, and pictures that change from run to run."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco

from operators.readers.picture import read_picture
from pipeline.lab.datasets.coco_pictures import read_coco_pictures
from pipeline.lab.scenes.cut_outs.compose import CutOutScenes
from pipeline.lab.scenes.cut_outs.material import Material, dealt, folders_with_masks, read_material
from pipeline.lab.scenes.folder import GenerateConfig, generate
from pipeline.lab.scenes.layout import SceneConfig
from schemas.errors import InvalidValueError, SourceError

COLOURS = {1: (255, 0, 0), 2: (0, 0, 255), 3: (0, 255, 0)}
SMALL_SCENE = SceneConfig(width_px=160, height_px=128)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures, each with a triangle of 80 px and a square of 40 px, in the colour of their class."""
    folder = tmp_path_factory.mktemp("objects") / "shapes"
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for i in range(10):
        name = f"{i:03d}.png"
        image = Image.new("RGB", (400, 200), (10 * i, 100, 100))
        for j, polygon in enumerate(([(20, 20), (100, 20), (20, 100)], [(120, 20), (160, 20), (160, 60), (120, 60)])):
            kind = 1 + (i + j) % 3
            ImageDraw.Draw(image).polygon(polygon, fill=COLOURS[kind])
            flat = [v for xy in polygon for v in xy]
            xs, ys = flat[::2], flat[1::2]
            # Pillow paints the last row and column too
            box = [min(xs), min(ys), max(xs) + 1 - min(xs), max(ys) + 1 - min(ys)]
            annotations.append(
                {"id": 2 * i + j + 1, "image_id": i, "category_id": kind, "bbox": box, "segmentation": [flat]}
            )
        image.save(folder / "images" / name)
        images.append({"id": i, "file_name": name, "width": 400, "height": 200, "license": 7, "flickr_url": f"u/{i}"})
    document = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in ((1, "person"), (2, "bicycle"), (3, "car"))],
        "licenses": [{"id": 7, "url": "by/2.0"}],
    }
    (folder / "instances_x.json").write_text(json.dumps(document))
    return folder


def test_what_a_mask_covers_is_the_object_and_nothing_else_is(objects: Path) -> None:
    scenes = CutOutScenes(read_material([objects]))
    for seed in range(5):
        scene = scenes.make_scene(SMALL_SCENE, rng=np.random.default_rng(seed))
        assert scene.placed
        owners = np.stack([p.mask for p in scene.placed]).sum(axis=0)
        assert owners.max() == 1  # a pixel shows one object
        for placed in scene.placed:
            shown = scene.image[placed.mask].astype(int)
            colour = np.array(COLOURS[placed.category_id])
            # the rim is blended with what lies behind it, by half at most
            assert (np.abs(shown - colour).max(axis=1) <= 135).mean() > 0.95
            assert placed.visible >= SMALL_SCENE.least_visible
            x, y, w, h = placed.box_px()
            assert placed.mask[y : y + h, x : x + w].sum() == placed.mask.sum()
            assert placed.mask[y].any()
            assert placed.mask[:, x + w - 1].any()


def test_the_sizes_and_numbers_of_objects_are_those_asked_for(objects: Path) -> None:
    scenes = CutOutScenes(read_material([objects]))
    for sizes in ("mixed", "small", "large"):
        config = SceneConfig(width_px=160, height_px=128, sizes=sizes)
        for seed in range(20):
            placed = scenes.make_scene(config, rng=np.random.default_rng(seed)).placed
            large = [p for p in placed if p.large]
            assert 1 <= len(placed) <= 50
            assert len(large) <= 3
            assert not (sizes == "small" and large)
            assert sizes != "large" or len(large) == len(placed)
            for p in (p for p in placed if p.visible == 1):
                least, most = config.large_side if p.large else config.small_side
                longer = max(p.box_px()[2:])
                assert round(least * 128) - 2 <= longer <= round(most * 128)  # rounded, and the rim may be thin


def test_annotations_are_coco_s_and_say_where_pixels_came_from(objects: Path, tmp_path: Path) -> None:
    scenes = CutOutScenes(read_material([objects]), ("shapes",))
    parts = generate(tmp_path, scenes, GenerateConfig(train=6, test=3, test_share=0.5, scene=SMALL_SCENE))
    assert [p.folder.name for p in parts] == ["train", "test", "test-small", "test-large"]
    assert [p.pictures for p in parts] == [6, 3, 3, 3]
    for part in parts:
        document = json.loads((part.folder / f"instances_{part.folder.name}.json").read_text())
        assert len(document["annotations"]) == part.objects
        assert document["info"]["objects"] == ["shapes"]
        for entry in document["annotations"]:
            assert coco.toBbox(entry["segmentation"]).tolist() == entry["bbox"]
            assert coco.area(entry["segmentation"]) == entry["area"]
        named = {entry["picture"] for entry in document["attribution"]}
        assert {entry["source"]["picture"] for entry in document["annotations"]} <= named
        assert all(entry["licence"] == "by/2.0" for entry in document["attribution"])
        dataset = read_coco_pictures(part.folder)
        assert dataset.objects == part.objects
        assert read_picture(str(dataset.files[0])).shape == (128, 160, 3)


def test_training_and_test_share_no_picture(objects: Path, tmp_path: Path) -> None:
    material = read_material([objects])
    training, test = dealt(material, test_share=0.5, seed=3)
    of = [{c.origin.picture for c in part.cut_outs} | {b.origin.picture for b in part.backdrops}
          for part in (training, test)]  # fmt: skip
    assert not of[0] & of[1]
    assert len(of[0] | of[1]) == 10
    config = GenerateConfig(train=4, test=4, test_share=0.5, scene=SMALL_SCENE)
    generate(tmp_path, CutOutScenes(material), config)
    used = []
    for name in ("train", "test"):
        document = json.loads((tmp_path / name / f"instances_{name}.json").read_text())
        used.append({entry["picture"] for entry in document["attribution"]})
    assert not used[0] & used[1]


def test_the_same_seed_gives_the_same_files(objects: Path, tmp_path: Path) -> None:
    config = GenerateConfig(train=2, test=1, test_share=0.5, scene=SMALL_SCENE)

    def files(folder: Path, made: GenerateConfig) -> dict[str, bytes]:
        generate(folder, CutOutScenes(read_material([objects])), made)
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    first = files(tmp_path / "a", config)
    assert first == files(tmp_path / "b", config)
    assert first != files(tmp_path / "c", replace(config, seed=1))


def test_a_background_holds_nothing_that_is_annotated(objects: Path) -> None:
    backdrops = read_material([objects]).backdrops
    assert len(backdrops) == 10
    for backdrop in backdrops:
        assert min(backdrop.image.shape[:2]) >= 160
        assert (backdrop.image.reshape(-1, 3)[:, 1:] == 100).all()  # the grey ground alone


def test_a_picture_in_two_folders_is_used_once(objects: Path) -> None:
    assert len(read_material([objects, objects]).cut_outs) == 20


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: SceneConfig(objects=(0, 5)), "objects must be at least 1"),
        (lambda: SceneConfig(small_side=(0.2, 0.1)), "small_side must be a range"),
        (lambda: SceneConfig(least_visible=0.0), "least_visible must lie in"),
        (lambda: GenerateConfig(test_share=1.0), "test_share"),
        (lambda: CutOutScenes(Material((), ()), real_backgrounds=2.0), "real_backgrounds"),
    ],
)
def test_what_cannot_be_made_is_refused(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        wrong()


def test_folders_are_found_by_their_masks(objects: Path, tmp_path: Path) -> None:
    assert folders_with_masks(objects) == folders_with_masks(objects.parent) == [objects]
    with pytest.raises(SourceError, match=r"holds no instances_\*\.json"):
        folders_with_masks(tmp_path)
    with pytest.raises(SourceError, match="no object to cut out"):
        read_material([tmp_path])
