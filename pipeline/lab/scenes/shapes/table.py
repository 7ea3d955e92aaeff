"""Places shapes on the floor, so that each has the required size in the picture and is visible enough."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.scenes.layout import TRIES, SceneConfig, Stage
from pipeline.lab.scenes.shapes.camera import Camera
from pipeline.lab.scenes.shapes.classes import COLOURS, ShapeClass
from pipeline.lab.scenes.shapes.developing import linear_rgb
from pipeline.lab.scenes.shapes.meshes import TriangleMesh
from pipeline.lab.scenes.shapes.renderer import Alone, Solid, seen_alone
from pipeline.lab.scenes.shapes.solids import solid

_TURNED = np.radians(55)  # maximum turn away from the camera: a star seen from its edge is not recognisable
_METAL = 0.05  # how much paler it is, as it also reflects dark surroundings
_MARGIN_PX = 2  # between an object and the border
_FITS = 3  # iterations for size and place, which depend on each other by perspective


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """An object on the floor. radius: radius of the circle around its foot that no other object may enter."""

    kind: int
    large: bool
    solid: Solid
    alone: Alone
    place: NDArray[np.float64]
    radius: float


class Table:
    """Objects on the floor that do not intersect, and what the camera sees of each."""

    def __init__(self, camera: Camera, config: SceneConfig) -> None:
        self.stage = Stage(config)
        self.standing: list[Standing] = []
        self._camera = camera
        self._config = config
        self._nearest = np.full((config.height_px, config.width_px), np.inf, np.float32)

    def set_down(self, kind: int, shape: ShapeClass, *, large: bool, rng: np.random.Generator) -> None:
        """Places an object where there is room for it; omits it if no place is found."""
        side_px = self._config.draw_side_px(large=large, rng=rng)
        mesh = solid(shape.shape).moved((0, 0, 0), turn=float(rng.uniform(-_TURNED, _TURNED)))
        for _ in range(TRIES):
            scale, place = self._fitted(mesh, side_px, rng)
            radius = scale * float(np.linalg.norm(mesh.vertices[..., :2], axis=-1).max())
            if any(np.linalg.norm(place - o.place) < radius + o.radius for o in self.standing):
                continue
            moved = mesh.moved(place, scale=scale)
            alone = seen_alone(self._camera, moved) if self._within(moved) else None
            if alone is None:
                continue
            shown, whole_px = alone.distance < self._nearest[alone.box], int(np.isfinite(alone.distance).sum())
            if self.stage.may_take(alone.box, shown, whole_px):
                self.stage.take(alone.box, shown, whole_px)
                self._nearest[alone.box][shown] = alone.distance[shown]
                metal = shape.finish == "metal"
                colour = linear_rgb(COLOURS[shape.colour])
                made = Solid(moved, _METAL * (1 - colour) + colour if metal else colour, metal)
                self.standing.append(Standing(kind, large, made, alone, place, radius))
                return

    def guide(self) -> NDArray[np.float32]:
        """float32 (H, W, 3), from material and direction: equal at pixels of one surface seen from one side."""
        guide = np.zeros((*self.stage.owner.shape, 3), np.float32)
        guide[:] = (0.0, 0.0, 1.0)
        for i, each in enumerate(self.standing):
            shown = self.stage.owner[each.alone.box] == i
            colour = each.solid.reflectance.astype(np.float32)
            guide[each.alone.box][shown] = each.alone.normals[shown] + 2 * colour + (0.5 if each.solid.metal else 1.0)
        return guide

    def _within(self, mesh: TriangleMesh) -> bool:
        """Whether the mesh is within the picture and touches no border."""
        xy = self._camera.project(mesh.vertices)
        return bool((xy >= 1).all() and (xy <= (self._config.width_px - 1, self._config.height_px - 1)).all())

    def _fitted(self, mesh: TriangleMesh, side_px: int, rng: np.random.Generator) -> tuple[float, NDArray[np.float64]]:
        """Scale and place on the floor for a longer side of `side_px` at a random place in the picture."""
        size_px = np.array([self._config.width_px, self._config.height_px])
        share = rng.random(2)  # shares of the distances by which its box could be moved
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
