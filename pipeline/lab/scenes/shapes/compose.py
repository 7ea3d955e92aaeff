"""Composes pictures of shapes on a floor, with masks by the rays of the renderer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.lab.scenes.layout import SceneConfig, draw_kinds, draw_numbers
from pipeline.lab.scenes.scene import Placed, Scene
from pipeline.lab.scenes.shapes.camera import Camera
from pipeline.lab.scenes.shapes.classes import ShapeClass, all_shape_classes, dealt_classes
from pipeline.lab.scenes.shapes.developing import developed
from pipeline.lab.scenes.shapes.renderer import render, renderer_version
from pipeline.lab.scenes.shapes.table import Table
from schemas import require
from schemas.errors import InvalidValueError

_ELEVATION_DEG = (32.0, 48.0)  # of the camera, range


@dataclass(frozen=True, slots=True)
class ShapeScenes:
    """Pictures of rendered shapes; training and test share no class, but all shapes, colours and finishes.

    classes: by id. samples: light paths per pixel, a square number; remaining noise is smoothed.
    """

    classes: Mapping[int, ShapeClass] = field(default_factory=all_shape_classes)
    samples: int = 9

    def __post_init__(self) -> None:
        require.not_empty(classes=self.classes)
        require.at_least(1, samples=self.samples)
        if round(self.samples**0.5) ** 2 != self.samples:
            raise InvalidValueError(f"samples must be a square number, got {self.samples}")

    @property
    def categories(self) -> Mapping[int, str]:
        return {i: each.name for i, each in self.classes.items()}

    @property
    def about(self) -> Mapping[str, object]:
        return {
            "description": "Rendered by regionlake after CLEVR-DS: shapes of a colour and a finish on a floor.",
            "renderer": renderer_version(),
            "samples": self.samples,
        }

    def dealt(self, *, test_share: float, seed: int) -> "tuple[ShapeScenes, ShapeScenes]":
        training, test = dealt_classes(dict(self.classes), test_share=test_share, seed=seed)
        return replace(self, classes=training), replace(self, classes=test)

    def make_scene(self, config: SceneConfig, *, rng: np.random.Generator) -> Scene:
        camera = Camera(config.width_px, config.height_px, float(rng.uniform(*_ELEVATION_DEG)))
        floor = rng.uniform(0.25, 0.5) + rng.uniform(-0.05, 0.05, 3)
        light_deg = float(rng.uniform(0, 360))
        objects, large = draw_numbers(config, rng)
        every = list(self.classes)
        kinds = draw_kinds(every, config, objects=objects, large=large, for_large=every, rng=rng)
        table = Table(camera, config)
        for i, kind in enumerate(kinds):
            table.set_down(kind, self.classes[kind], large=i < large, rng=rng)
        light = render(
            camera,
            [each.solid for each in table.standing],
            floor=floor,
            light_deg=light_deg,
            samples=self.samples,
            seed=int(rng.integers(2**31)),
        )
        return Scene(
            developed(light, guide=table.guide()),
            tuple(
                Placed(each.kind, mask, each.large, visible)
                for each, (mask, visible) in zip(table.standing, table.stage.masks(), strict=True)
            ),
        )
