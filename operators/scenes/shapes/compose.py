"""Pictures of shapes on a floor, whose masks the renderer itself sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from operators.scenes.layout import TRIES, SceneConfig, Stage, draw_kinds, draw_numbers
from operators.scenes.scene import Placed, Scene
from operators.scenes.shapes.camera import Camera
from operators.scenes.shapes.classes import COLOURS, ShapeClass, all_shape_classes, dealt_classes
from operators.scenes.shapes.meshes import TriangleMesh
from operators.scenes.shapes.renderer import Alone, Solid, render, renderer_version, seen_alone
from operators.scenes.shapes.solids import solid
from schemas.errors import InvalidValueError
from schemas.frames import ImageArray

_ELEVATION_DEG = (32.0, 48.0)
_TURNED = np.radians(55)  # at most, away from the camera: a star seen from its edge is none
_METAL = 0.05  # paler by so much: it shows the dark around it too
_MARGIN_PX = 2  # between an object and the border
_FITS = 3  # rounds in which size and place settle: perspective makes both depend on each other


@dataclass(frozen=True, slots=True)
class ShapeScenes:
    """Pictures of rendered shapes; training and test share no class, but all shapes, colours and finishes.

    classes: by id. samples: light paths a pixel, a square number; noise that is left is smoothed away.
    """

    classes: Mapping[int, ShapeClass] = field(default_factory=all_shape_classes)
    samples: int = 9

    def __post_init__(self) -> None:
        if not self.classes:
            raise InvalidValueError("no class of shapes to render")
        if self.samples < 1 or round(self.samples**0.5) ** 2 != self.samples:
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
        table = _Table(camera, config)
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
            _developed(light, table.guide()),
            tuple(
                Placed(each.kind, mask, each.large, visible)
                for each, (mask, visible) in zip(table.standing, table.stage.masks(), strict=True)
            ),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Standing:
    """An object on the floor. radius: of the circle around its foot, which no other may enter."""

    kind: int
    large: bool
    solid: Solid
    alone: Alone
    place: NDArray[np.float64]
    radius: float


class _Table:
    """Objects that stand on the floor, none in another, and what the camera sees of each."""

    def __init__(self, camera: Camera, config: SceneConfig) -> None:
        self.stage = Stage(config)
        self.standing: list[_Standing] = []
        self._camera = camera
        self._config = config
        self._nearest = np.full((config.height_px, config.width_px), np.inf, np.float32)

    def set_down(self, kind: int, shape: ShapeClass, *, large: bool, rng: np.random.Generator) -> None:
        """Where there is room for it; nowhere if none is found."""
        side_px = self._config.draw_side_px(large=large, rng=rng)
        mesh = solid(shape.shape).moved((0, 0, 0), turn=float(rng.uniform(-_TURNED, _TURNED)))
        for _ in range(TRIES):
            scale, place = self._fitted(mesh, side_px, rng)
            radius = scale * float(np.linalg.norm(mesh.vertices[..., :2], axis=-1).max())
            if any(np.linalg.norm(place - o.place) < radius + o.radius for o in self.standing):
                continue
            moved = mesh.moved(place, scale=scale)
            alone = seen_alone(self._camera, moved)
            if alone is None:
                continue
            shown, whole_px = alone.distance < self._nearest[alone.box], int(np.isfinite(alone.distance).sum())
            if self.stage.may_take(alone.box, shown, whole_px):
                self.stage.take(alone.box, shown, whole_px)
                self._nearest[alone.box][shown] = alone.distance[shown]
                metal = shape.finish == "metal"
                colour = linear_rgb(COLOURS[shape.colour])
                made = Solid(moved, _METAL * (1 - colour) + colour if metal else colour, metal)
                self.standing.append(_Standing(kind, large, made, alone, place, radius))
                return

    def guide(self) -> NDArray[np.float32]:
        """float32 (H, W, 3), the same where the same surface is seen from the same side: material and direction."""
        guide = np.zeros((*self.stage.owner.shape, 3), np.float32)
        guide[:] = (0.0, 0.0, 1.0)
        for i, each in enumerate(self.standing):
            shown = self.stage.owner[each.alone.box] == i
            colour = each.solid.reflectance.astype(np.float32)
            guide[each.alone.box][shown] = each.alone.normals[shown] + 2 * colour + (0.5 if each.solid.metal else 1.0)
        return guide

    def _fitted(self, mesh: TriangleMesh, side_px: int, rng: np.random.Generator) -> tuple[float, NDArray[np.float64]]:
        """Scale and place on the floor for a longer side of `side_px` anywhere within the picture."""
        size_px = np.array([self._config.width_px, self._config.height_px])
        share = rng.random(2)  # of the way that its box could be moved
        scale, foot = 1.0, size_px / 2
        for _ in range(_FITS):
            place = self._camera.on_floor(*foot)
            xy = self._camera.project(mesh.vertices * scale + place)
            low, high = xy.min(axis=(0, 1)), xy.max(axis=(0, 1))
            growth = side_px / (high - low).max()
            wanted = _MARGIN_PX + share * (size_px - 2 * _MARGIN_PX - (high - low) * growth)
            foot = wanted + (foot - low) * growth
            scale *= growth
        return scale, self._camera.on_floor(*foot)


def linear_rgb(srgb: tuple[int, int, int]) -> NDArray[np.float64]:
    """Bytes of sRGB (IEC 61966-2-1) as shares of light, float64 (3,)."""
    v = np.array(srgb) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def _developed(light: NDArray[np.float32], guide: NDArray[np.float32]) -> ImageArray:
    """sRGB bytes of linear light, its noise smoothed away within each surface."""
    light = light.clip(0, 1)
    srgb = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)
    smooth = cv2.ximgproc.jointBilateralFilter(guide, srgb, 13, 0.12, 3.5)
    image: ImageArray = np.rint(smooth * 255).clip(0, 255).astype(np.uint8)
    return image
