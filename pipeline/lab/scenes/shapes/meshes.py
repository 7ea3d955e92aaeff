"""Makes triangle meshes from outlines: turned on a lathe, cut out of a plate, or joined."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidValueError

Points = Sequence[tuple[float, float]]
_AROUND = 40  # steps in a full turn
_CREASE = np.cos(np.radians(40))  # faces that meet at a sharper angle have an edge between them


@dataclass(frozen=True, slots=True, eq=False)
class TriangleMesh:
    """Triangles with normals.

    vertices: float64 (F, 3, 3), the corners of every triangle, counter-clockwise seen from outside; z is up.
    normals: float64 (F, 3, 3), unit length, for shading at each corner: smooth where the surface is to look round.
    """

    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.vertices.shape[1:] != (3, 3) or self.normals.shape != self.vertices.shape:
            raise InvalidValueError(
                f"corners and normals must be (F, 3, 3), got {self.vertices.shape}, {self.normals.shape}"
            )

    def moved(
        self, offset: Sequence[float] | NDArray[np.float64], *, scale: float = 1.0, turn: float = 0.0
    ) -> "TriangleMesh":
        """The mesh turned about the upright axis by `turn` radians, scaled, then moved by `offset`."""
        c, s = np.cos(turn), np.sin(turn)
        rotation = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        return TriangleMesh(self.vertices @ rotation.T * scale + np.asarray(offset), self.normals @ rotation.T)


def on_the_floor(triangles: NDArray[np.float64]) -> TriangleMesh:
    """A mesh of triangles, float64 (F, 3, 3), moved to z >= 0 above the origin and scaled to a longest side of 1."""
    triangles = triangles[_crosses(triangles)[1] > 1e-9]
    low, high = triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))
    base = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    triangles = (triangles - base) / (high - low).max()
    return TriangleMesh(triangles, _normals(triangles))


def lathe(
    profile: Points, *, closed: bool = False, turn: float = 2 * np.pi, steps: int = _AROUND
) -> NDArray[np.float64]:
    """Turns a profile about the upright axis. Returns triangles, float64 (F, 3, 3).

    profile: (radius, height), upwards along the outside; a closed one counter-clockwise. turn: radians.
    """
    points = np.array([*profile, profile[0]] if closed else profile)
    angles = np.linspace(0, turn, steps + 1)
    rings = np.stack(
        [
            np.outer(np.cos(angles), points[:, 0]),
            np.outer(np.sin(angles), points[:, 0]),
            np.tile(points[:, 1], (steps + 1, 1)),
        ],
        axis=-1,
    )
    a, b, c, d = rings[:-1, :-1], rings[1:, :-1], rings[1:, 1:], rings[:-1, 1:]
    return np.concatenate([np.stack([a, b, c], axis=-2), np.stack([a, c, d], axis=-2)]).reshape(-1, 3, 3)


def plate(outline: Points, *, thick: float, seen_from: tuple[float, float]) -> NDArray[np.float64]:
    """Makes an upright plate from an outline. Returns triangles, float64 (F, 3, 3).

    outline: (x, z), counter-clockwise seen from the front (−y). seen_from: a point from which all of it is seen.
    """
    flat = np.array(outline, np.float64)
    front = np.stack([flat[:, 0], np.full(len(flat), -thick / 2), flat[:, 1]], axis=1)
    through = np.array([0.0, thick, 0.0])
    back = front + through
    front_on, back_on = np.roll(front, -1, axis=0), np.roll(back, -1, axis=0)
    middle = np.array([seen_from[0], -thick / 2, seen_from[1]])
    behind = middle + through
    return np.concatenate(
        [
            np.stack([np.broadcast_to(middle, front.shape), front, front_on], axis=1),
            np.stack([np.broadcast_to(behind, front.shape), back_on, back], axis=1),
            np.stack([front, back, back_on], axis=1),
            np.stack([front, back_on, front_on], axis=1),
        ]
    )


def box(low: Sequence[float], high: Sequence[float]) -> NDArray[np.float64]:
    """The triangles of a box, float64 (12, 3, 3)."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    middle = ((x0 + x1) / 2, (z0 + z1) / 2)
    made = plate([(x0, z0), (x1, z0), (x1, z1), (x0, z1)], thick=y1 - y0, seen_from=middle)
    made[..., 1] += (y0 + y1) / 2
    return made


def rounded(points: Points, *, steps: int = 5) -> list[tuple[float, float]]:
    """A smooth line through the points (Catmull-Rom) with the same ends."""
    p = np.array([points[0], *points, points[-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return [(max(float(x), 0.0), float(y)) for x, y in np.concatenate([*parts, p[-1:]])]


def _crosses(triangles: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outward directions (F, 3) whose length is twice the area, and this length (F,)."""
    crosses = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return crosses, np.linalg.norm(crosses, axis=1)


def _normals(triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """The normal at each corner: the mean over the faces that meet there without an edge, weighted by area."""
    crosses, areas = _crosses(triangles)
    units = crosses / areas[:, None]
    _, where = np.unique(np.round(triangles.reshape(-1, 3), 6), axis=0, return_inverse=True)
    where = where.reshape(-1, 3)
    at: dict[int, list[int]] = {}
    for face, corners in enumerate(where.tolist()):
        for corner in corners:
            at.setdefault(corner, []).append(face)
    normals = np.empty_like(triangles)
    for face, corners in enumerate(where.tolist()):
        for k, corner in enumerate(corners):
            near = np.array(at[corner])
            mean = crosses[near[units[near] @ units[face] > _CREASE]].sum(axis=0)
            normals[face, k] = mean / np.linalg.norm(mean)
    return normals
