"""Third-party packages as an installer writes them: modules, and the entry points that they register."""

from collections.abc import Mapping
from pathlib import Path

EDGES = """
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from operators.proposals.proposer import Proposer, one_by_one
from schemas.boxes import Boxes
from schemas.regions import Proposals


@dataclass(frozen=True, slots=True)
class EdgesConfig:
    name: ClassVar[str] = "edges"
    makes_masks: ClassVar[bool] = False
    threshold: float = 0.5

    def build(self) -> Proposer:
        box = Boxes(np.array([[0.25, 0.25, 0.75, 0.75]], np.float32))
        return one_by_one(lambda keyframe: Proposals.of(box, score=self.threshold, proposer="edges"))
"""

STEPS = """
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class StepsConfig:
    name: ClassVar[str] = "steps"
    cut_rule: ClassVar[str] = "spaced"
    least_step: float = 20.0

    def build(self, shots, source, *, first_of_source):
        return self
"""

GREY = """
from dataclasses import dataclass
from typing import ClassVar

from operators.encoders.card import ModelCard
from schemas.vectors import VectorSpace


@dataclass(frozen=True, slots=True)
class GreyConfig:
    name: ClassVar[str] = "grey"
    on_gpu: ClassVar[bool] = True

    def card(self):
        return ModelCard("grey", "a shade", VectorSpace("grey", "1", 1, "mean"), 1, 1, "MIT", ("image",))

    def text(self):
        return "# Grey"

    def build(self, *, threads, templates):
        return self
"""


def install(folder: Path, package: str, modules: Mapping[str, str], *, points: str = "") -> Path:
    """Writes a package, which counts as installed if `folder` is on the import path.

    modules: file name → source. points: the lines of its entry_points.txt.
    """
    (folder / package).mkdir(parents=True)
    for name, source in {"__init__.py": "", **modules}.items():
        (folder / package / name).write_text(source)
    info = folder / f"{package}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(points)
    return folder
