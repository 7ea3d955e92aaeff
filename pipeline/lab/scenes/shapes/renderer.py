"""Renders shapes by Mitsuba 3 (https://mitsuba-renderer.org, BSD-3-Clause), the extra `regionlake[shapes]`, on CPUs.

Its scalar variant is used, as the vectorised ones need particular versions of LLVM. It is deterministic: the same scene
gives the same pixels, however many threads share the blocks of the picture.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.scenes.shapes.camera import FIELD_OF_VIEW_DEG, Camera
from pipeline.lab.scenes.shapes.meshes import TriangleMesh
from schemas.errors import ModelError

_BOUNCES = 3  # light → floor or neighbour → metal
_SKY = (16, 32)  # rows and columns of the sky that lights the scene


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A mesh in its place, made of one material.

    reflectance: float64 (3,), linear RGB in [0, 1]. metal: whether it has blurred reflections or scatters light.
    """

    mesh: TriangleMesh
    reflectance: NDArray[np.float64]
    metal: bool


@dataclass(frozen=True, slots=True, eq=False)
class Alone:
    """What the camera would see of one solid if nothing were in front of it.

    box: rows and columns around the solid, within the picture.
    distance: float32 (h, w), distance from the camera at the centre of each pixel; infinite outside the solid.
    normals: float32 (h, w, 3), normals of its surface at these points.
    """

    box: tuple[slice, slice]
    distance: NDArray[np.float32]
    normals: NDArray[np.float32]


@cache
def _mitsuba() -> Any:
    try:
        package = importlib.import_module("mitsuba")
    except ImportError as error:
        raise ModelError(
            f"rendered shapes need the package mitsuba: pip install 'regionlake[shapes]' ({error})"
        ) from error
    package.set_variant("scalar_rgb")
    package.set_log_level(package.LogLevel.Error)
    return package


def renderer_version() -> str:
    """The version of the renderer, e.g. "mitsuba 3.9.1". Raises ModelError if it is not installed."""
    return f"mitsuba {_mitsuba().__version__}"


def seen_alone(camera: Camera, mesh: TriangleMesh) -> Alone | None:
    """Casts one ray through the centre of each pixel; returns None if no ray hits the mesh."""
    mi = _mitsuba()
    xy = camera.project(mesh.vertices)
    x0, y0 = np.floor(xy.min(axis=(0, 1))).astype(int).clip(0)
    x1, y1 = np.minimum(np.ceil(xy.max(axis=(0, 1))).astype(int), (camera.width_px, camera.height_px))
    if x1 <= x0 or y1 <= y0:
        return None
    crop = {
        "crop_offset_x": int(x0),
        "crop_offset_y": int(y0),
        "crop_width": int(x1 - x0),
        "crop_height": int(y1 - y0),
    }
    centres = {"type": "stratified", "sample_count": 1, "jitter": False}
    scene = mi.load_dict({"type": "scene", "solid": _mesh(mesh, None)})
    seen = mi.render(
        scene,
        sensor=mi.load_dict(_sensor(camera, film=crop, sampler=centres)),
        integrator=mi.load_dict({"type": "aov", "aovs": "distance:depth,normal:sh_normal"}),
        spp=1,
    )
    values = np.array(seen, np.float32)
    distance = np.where(values[..., 0] > 0, values[..., 0], np.float32(np.inf))
    if not np.isfinite(distance).any():
        return None
    return Alone((slice(int(y0), int(y1)), slice(int(x0), int(x1))), distance, values[..., 1:4])


def render(
    camera: Camera,
    solids: Sequence[Solid],
    *,
    floor: NDArray[np.float64],
    light_deg: float,
    samples: int,
    seed: int,
) -> NDArray[np.float32]:
    """Renders the picture, float32 (H, W, 3), linear RGB; a white floor without shadow is about 1.

    floor: float64 (3,), its reflectance. light_deg: direction of the light about the upright axis.
    samples: light paths per pixel; a square number, as they form a grid in the pixel.
    """
    mi = _mitsuba()
    upright = mi.ScalarTransform4f().rotate([0, 0, 1], light_deg) @ mi.ScalarTransform4f().rotate([1, 0, 0], 90)
    parts = {f"solid{i:03d}": _mesh(solid.mesh, _material(solid)) for i, solid in enumerate(solids)}
    scene = mi.load_dict(
        {
            "type": "scene",
            "integrator": {"type": "path", "max_depth": _BOUNCES},
            "sensor": _sensor(camera, film={}, sampler={"type": "stratified", "sample_count": samples}),
            "sky": {"type": "envmap", "bitmap": mi.Bitmap(_sky()), "to_world": upright},
            "floor": {
                "type": "rectangle",
                "to_world": mi.ScalarTransform4f().scale(200),
                "bsdf": {"type": "diffuse", "reflectance": _rgb(floor)},
            },
            **parts,
        }
    )
    return np.array(mi.render(scene, spp=samples, seed=seed), np.float32)


def _sky() -> NDArray[np.float32]:
    """A studio's light: pale all around, brighter above, with a large lamp on one side and a weaker one opposite."""
    rows, columns = _SKY
    sky = np.empty((rows, columns, 3), np.float32)
    sky[:] = np.linspace(0.55, 0.35, rows)[:, None, None]
    sky[3:6, 4:8] = (9.5, 9.2, 8.7)
    sky[4:7, 19:23] = (2.0, 2.1, 2.3)
    return sky


def _sensor(camera: Camera, *, film: dict[str, int], sampler: dict[str, object]) -> dict[str, object]:
    mi = _mitsuba()
    look = mi.ScalarTransform4f().look_at(camera.place.tolist(), [0, 0, 0], [0, 0, 1])
    return {
        "type": "perspective",
        "fov": FIELD_OF_VIEW_DEG,
        "fov_axis": "larger",
        "to_world": look,
        "film": {
            "type": "hdrfilm",
            "width": camera.width_px,
            "height": camera.height_px,
            "pixel_format": "rgb",
            "rfilter": {"type": "box"},  # pixels gather no light from other blocks, so sums do not depend on threads
            **film,
        },
        "sampler": sampler,
    }


def _mesh(mesh: TriangleMesh, material: Any) -> Any:
    mi = _mitsuba()
    count = len(mesh.vertices)
    properties = mi.Properties()
    if material is not None:
        properties["mesh_bsdf"] = material
    made = mi.Mesh("solid", 3 * count, count, properties, True, False)
    values = mi.traverse(made)
    values["vertex_positions"] = np.ascontiguousarray(mesh.vertices, np.float32).ravel()
    values["vertex_normals"] = np.ascontiguousarray(mesh.normals, np.float32).ravel()
    values["faces"] = np.arange(3 * count, dtype=np.uint32)
    values.update()
    return made


def _material(solid: Solid) -> Any:
    mi = _mitsuba()
    colour = _rgb(solid.reflectance)
    if solid.metal:
        surface = {"type": "roughconductor", "alpha": 0.13, "specular_reflectance": colour}
    else:
        surface = {"type": "diffuse", "reflectance": colour}
    return mi.load_dict({"type": "twosided", "surface": surface})


def _rgb(values: NDArray[np.float64]) -> dict[str, object]:
    return {"type": "rgb", "value": values.tolist()}
