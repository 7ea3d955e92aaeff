"""Writes generated pictures as COCO folders: training, test, and tests with only small or only large objects."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from operators.masks.rle import encode_masks
from pipeline.lab.scenes.layout import SceneConfig
from pipeline.lab.scenes.scene import Ingredients, Origin, Placed, Scene
from schemas import require


@dataclass(frozen=True, slots=True)
class GenerateConfig:
    """How many pictures are generated.

    train, test: numbers of pictures; test pictures are made three times: mixed sizes, only small, only large objects.
    test_share: share of the ingredients that is used for test.
    """

    train: int = 600
    test: int = 200
    test_share: float = 0.4
    seed: int = 0
    scene: SceneConfig = field(default_factory=SceneConfig)

    def __post_init__(self) -> None:
        require.at_least(1, train=self.train, test=self.test)
        require.within("(0, 1)", test_share=self.test_share)


@dataclass(frozen=True, slots=True)
class GeneratedPart:
    """A folder that was written: DIR/name/instances_name.json and DIR/name/images/."""

    folder: Path
    pictures: int
    objects: int
    classes: int


def generate(
    out: Path,
    ingredients: Ingredients,
    config: GenerateConfig,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[GeneratedPart]:
    """Writes `out`/train, test, test-small and test-large. Training and test pictures share no ingredients.

    The same ingredients, config and versions give the same files.
    on_progress: called with (pictures written, total number of pictures).
    """
    training, test = ingredients.dealt(test_share=config.test_share, seed=config.seed)
    parts = (
        ("train", training, config.train, config.scene),
        ("test", test, config.test, config.scene),
        ("test-small", test, config.test, replace(config.scene, sizes="small")),
        ("test-large", test, config.test, replace(config.scene, sizes="large")),
    )
    total, done = sum(count for _, _, count, _ in parts), 0
    written = []
    for name, part, count, scene in parts:
        document = _Document(part, config, scene)  # before any file is written, as it raises if there is no renderer
        (out / name / "images").mkdir(parents=True, exist_ok=True)
        for index in range(count):
            rng = np.random.default_rng([config.seed, *name.encode(), index])
            made = part.make_scene(scene, rng=rng)
            file_name = f"{index:06d}.jpg"
            Image.fromarray(made.image).save(out / name / "images" / file_name, quality=92)
            document.add(made, file_name)
            done += 1
            if on_progress is not None:
                on_progress(done, total)
        written.append(document.save(out / name))
    return written


class _Document:
    """COCO's `instances` of one part, to which pictures are added."""

    def __init__(self, ingredients: Ingredients, config: GenerateConfig, scene: SceneConfig) -> None:
        self._images: list[dict[str, object]] = []
        self._annotations: list[dict[str, object]] = []
        self._origins: dict[str, Origin] = {}
        self._categories = ingredients.categories
        self._info = {
            **ingredients.about,
            "seed": config.seed,
            "test_share": config.test_share,
            "scene": asdict(scene),
        }

    def add(self, scene: Scene, file_name: str) -> None:
        height, width, _ = scene.image.shape
        image: dict[str, object] = {
            "id": len(self._images) + 1,
            "file_name": file_name,
            "width": width,
            "height": height,
            "background": None if scene.background is None else scene.background.picture,
        }
        for origin in (*(p.origin for p in scene.placed), scene.background):
            if origin is not None:
                self._origins.setdefault(origin.picture, origin)
        coded = encode_masks(np.stack([p.mask for p in scene.placed])) if scene.placed else []
        for placed, mask in zip(scene.placed, coded, strict=True):
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": image["id"],
                    "category_id": placed.category_id,
                    "bbox": list(placed.box_px()),
                    "area": mask.area_px,
                    "iscrowd": 0,
                    "segmentation": {"size": [height, width], "counts": mask.counts.decode()},
                    "size": "large" if placed.large else "small",
                    "visible": round(placed.visible, 4),
                    **_source(placed),
                }
            )
        self._images.append(image)

    def save(self, folder: Path) -> GeneratedPart:
        document = {
            "info": self._info,
            "attribution": [
                {"picture": o.picture, "licence": o.licence, "url": o.url} for _, o in sorted(self._origins.items())
            ],
            "images": self._images,
            "annotations": self._annotations,
            "categories": [{"id": i, "name": name} for i, name in self._categories.items()],
        }
        (folder / f"instances_{folder.name}.json").write_text(json.dumps(document))
        classes = {annotation["category_id"] for annotation in self._annotations}
        return GeneratedPart(folder, len(self._images), len(self._annotations), len(classes))


def _source(placed: Placed) -> dict[str, object]:
    if placed.origin is None:
        return {}
    return {"source": {"picture": placed.origin.picture, "annotation": placed.origin.annotation}}
