"""The shapes that can be rendered, by the names that classes use."""

from collections.abc import Callable
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.scenes.shapes.meshes import Points, TriangleMesh, box, lathe, on_the_floor, plate, rounded

Triangles = NDArray[np.float64]


@cache
def solid(name: str) -> TriangleMesh:
    """The shape with this name, on z = 0 above the origin, with a longest side of 1."""
    return on_the_floor(SOLIDS[name]())


def _circle(steps: int, *, radius: float = 1.0, centre: tuple[float, float] = (0.0, 0.0)) -> Points:
    angles = np.arange(steps) * 2 * np.pi / steps
    return [(centre[0] + radius * float(np.cos(a)), centre[1] + radius * float(np.sin(a))) for a in angles]


def _sphere() -> Triangles:
    angles = np.linspace(-np.pi / 2, np.pi / 2, 21)
    return lathe([(float(np.cos(a)), float(np.sin(a))) for a in angles])


def _cube() -> Triangles:
    return box((0, 0, 0), (1, 1, 1))


def _cylinder() -> Triangles:
    return lathe([(0, 0), (0.4, 0), (0.4, 1), (0, 1)])


def _cone() -> Triangles:
    return lathe([(0, 0), (0.45, 0), (0, 1)])


def _pyramid() -> Triangles:
    return lathe([(0, 0), (0.7, 0), (0, 0.95)], steps=4)


def _ring() -> Triangles:
    return lathe(_circle(16, radius=0.28, centre=(0.72, 0.0)), closed=True)


def _star() -> Triangles:
    angles = np.pi / 2 + np.arange(10) * np.pi / 5
    radii = np.where(np.arange(10) % 2, 0.42, 1.0)
    outline = [(float(r * np.cos(a)), float(r * np.sin(a))) for r, a in zip(radii, angles, strict=True)]
    return plate(outline, thick=0.5, seen_from=(0, 0))


def _heart() -> Triangles:
    t = np.arange(40) * 2 * np.pi / 40
    x = 16 * np.sin(t) ** 3
    z = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    outline = [(float(a), float(b)) for a, b in zip(x[::-1], z[::-1], strict=True)]
    return plate(outline, thick=10, seen_from=(0, 0))


def _cross() -> Triangles:
    a, b = 0.36, 1.0
    outline = [
        (-a, -b),
        (a, -b),
        (a, -a),
        (b, -a),
        (b, a),
        (a, a),
        (a, b),
        (-a, b),
        (-a, a),
        (-b, a),
        (-b, -a),
        (-a, -a),
    ]
    return plate(outline, thick=0.7, seen_from=(0, 0))


def _gear() -> Triangles:
    teeth = 9
    outline = [
        (float(radius * np.cos(angle)), float(radius * np.sin(angle)))
        for tooth in range(teeth)
        for share, radius in ((0.0, 0.74), (0.5, 0.74), (0.6, 1.0), (0.9, 1.0))
        for angle in [2 * np.pi * (tooth + share) / teeth]
    ]
    return plate(outline, thick=0.5, seen_from=(0, 0))


def _stairs() -> Triangles:
    steps = 4
    rising = [corner for i in reversed(range(steps)) for corner in ((i + 1.0, i + 1.0), (float(i), i + 1.0))]
    return plate([(0, 0), (steps, 0), *rising], thick=3, seen_from=(steps, 0))


def _arch() -> Triangles:
    angles = np.linspace(0, np.pi, 17)
    outer = [(float(np.cos(a)), float(np.sin(a)) + 0.5) for a in angles]
    inner = [(0.55 * x, 0.55 * (z - 0.5) + 0.5) for x, z in outer]
    quads = [(a, b, c, d) for a, b, c, d in zip(inner, outer, outer[1:], inner[1:], strict=False)]
    feet = [box((x, -0.35, 0.0), (x + 0.45, 0.35, 0.5)) for x in (-1.0, 0.55)]
    blocks = [plate(p, thick=0.7, seen_from=(sum(x for x, _ in p) / 4, sum(z for _, z in p) / 4)) for p in quads]
    return np.concatenate([*feet, *blocks])


def _vase() -> Triangles:
    outside = rounded([(0.22, 0), (0.36, 0.22), (0.38, 0.42), (0.2, 0.75), (0.16, 0.86), (0.27, 1.0)])
    inside = [(r - 0.04, z) for r, z in reversed(outside) if z > 0.4]
    return lathe([(0, 0), *outside, *inside, (0, 0.4)])


def _bottle() -> Triangles:
    shoulder = rounded([(0.2, 0.55), (0.17, 0.66), (0.075, 0.76), (0.07, 0.82)])
    return lathe([(0, 0), (0.2, 0), *shoulder, (0.07, 0.93), (0.09, 0.93), (0.09, 1.0), (0, 1.0)])


def _bowl() -> Triangles:
    angles = np.linspace(0.25, np.pi / 2, 10)
    outside = [(float(np.sin(a)), 1 - float(np.cos(a))) for a in angles]
    inside = [(0.9 * r, 1 - 0.9 * (1 - z)) for r, z in reversed(outside)]
    return lathe([(0, outside[0][1]), *outside, *inside, (0, inside[-1][1])])


def _goblet() -> Triangles:
    cup = rounded([(0.04, 0.42), (0.2, 0.5), (0.28, 0.68), (0.26, 1.0)])
    inside = [(max(r - 0.03, 0.0), z + 0.02) for r, z in reversed(cup[4:-1])]
    return lathe([(0, 0), (0.24, 0), (0.24, 0.03), (0.045, 0.08), *cup, (0.23, 1.0), *inside, (0, 0.5)])


def _mug() -> Triangles:
    body = lathe([(0, 0), (0.38, 0), (0.38, 0.9), (0.33, 0.9), (0.33, 0.1), (0, 0.1)])
    half = lathe(_circle(12, radius=0.06, centre=(0.25, 0.0)), closed=True, turn=np.pi, steps=16)
    # the half ring bulges along y: it is turned on its side, then moved to the body
    handle = np.stack([half[..., 1] + 0.36, half[..., 2], half[..., 0] + 0.46], axis=-1)
    return np.concatenate([body, handle])


def _mushroom() -> Triangles:
    cap = rounded([(0.42, 0.56), (0.4, 0.68), (0.26, 0.82), (0.0, 0.88)])
    return lathe([(0, 0), (0.2, 0), (0.15, 0.2), (0.14, 0.54), (0.42, 0.54), *cap])


def _hourglass() -> Triangles:
    half = rounded([(0.05, 0.5), (0.12, 0.58), (0.32, 0.74), (0.34, 0.9)])
    lower = [(r, 1 - z) for r, z in reversed(half)]
    return lathe([(0, 0), (0.4, 0), (0.4, 0.1), *lower[:-1], *half, (0.4, 0.9), (0.4, 1.0), (0, 1.0)])


def _chair() -> Triangles:
    legs = [box((x, y, 0), (x + 0.08, y + 0.08, 0.46)) for x in (0, 0.42) for y in (0, 0.42)]
    return np.concatenate([*legs, box((0, 0, 0.46), (0.5, 0.5, 0.55)), box((0, 0.42, 0.55), (0.5, 0.5, 1.0))])


def _table() -> Triangles:
    legs = [box((x, y, 0), (x + 0.1, y + 0.1, 0.6)) for x in (0.04, 0.86) for y in (0.04, 0.56)]
    return np.concatenate([*legs, box((0, 0, 0.6), (1.0, 0.7, 0.7))])


SOLIDS: Final = MappingProxyType[str, Callable[[], Triangles]](
    {
        "sphere": _sphere,
        "cube": _cube,
        "cylinder": _cylinder,
        "cone": _cone,
        "pyramid": _pyramid,
        "ring": _ring,
        "star": _star,
        "heart": _heart,
        "cross": _cross,
        "gear": _gear,
        "stairs": _stairs,
        "arch": _arch,
        "vase": _vase,
        "bottle": _bottle,
        "bowl": _bowl,
        "goblet": _goblet,
        "mug": _mug,
        "mushroom": _mushroom,
        "hourglass": _hourglass,
        "chair": _chair,
        "table": _table,
    }
)
