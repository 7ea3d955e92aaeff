"""Names the classes of rendered shapes: every shape in every colour and finish is a class, e.g. "red metal cube"."""

from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np

from pipeline.lab.scenes.shapes.solids import SOLIDS

Finish = Literal["rubber", "metal"]

# The colours of CLEVR (Johnson et al. 2017) in sRGB; dark ones are lighter here, as CLEVR's lamps are brighter.
COLOURS: Final = MappingProxyType(
    {
        "gray": (120, 120, 120),
        "red": (190, 38, 38),
        "blue": (45, 85, 225),
        "green": (45, 145, 50),
        "brown": (125, 78, 42),
        "purple": (145, 55, 205),
        "cyan": (41, 208, 208),
        "yellow": (250, 225, 50),
    }
)


@dataclass(frozen=True, slots=True)
class ShapeClass:
    """shape: a key of SOLIDS. colour: a key of COLOURS. finish: rubber is matt, metal has blurred reflections."""

    shape: str
    colour: str
    finish: Finish

    @property
    def name(self) -> str:
        return f"{self.colour} {self.finish} {self.shape}"


def all_shape_classes() -> dict[int, ShapeClass]:
    """All classes by id, from 1 on; the ids are the same in every part of every set."""
    found = product(SOLIDS, COLOURS, get_args(Finish))
    return {i: ShapeClass(*each) for i, each in enumerate(found, start=1)}


def dealt_classes(
    classes: dict[int, ShapeClass], *, test_share: float, seed: int
) -> tuple[dict[int, ShapeClass], dict[int, ShapeClass]]:
    """Splits classes into training and test, with the same number of test classes for each shape.

    The parts differ in combinations: every shape, colour and finish is in both, as in CLEVR's test of compositional
    generalisation (CoGenT).
    test_share: share of the combinations of each shape, at least one and never all.
    """
    rng = np.random.default_rng([*b"shapes", seed])
    of_shape: dict[str, list[int]] = {}
    for i, each in classes.items():
        of_shape.setdefault(each.shape, []).append(i)
    to_test: set[int] = set()
    for ids in of_shape.values():
        count = min(max(round(test_share * len(ids)), 1), len(ids) - 1)
        to_test.update(ids[j] for j in rng.permutation(len(ids))[:count])
    training = {i: each for i, each in classes.items() if i not in to_test}
    return training, {i: classes[i] for i in sorted(to_test)}
