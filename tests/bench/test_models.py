"""The benchmark of models on small models. Catches a stage that calls its model by a name that the benchmark does not
record, whose bare time would then be zero, and inputs that are lost between recording and measuring."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import segmenters
from tests.bench.models.__main__ import arguments, measure
from tests.bench.models.entries import ENTRIES, Entry, detector, encoder, masks
from tests.bench.models.given import Call, leaves, recorded, taken
from tests.checkpoints import write_checkpoint
from tests.detectors import write_detector

QUICK = arguments(["--frames", "1", "--regions", "2", "--rounds", "1", "--width", "96", "--height", "64"])
EVERYDAY = ENTRIES[0]


def small(entry: Callable[..., Entry], kind: str, write: Callable[[str, Path], None]) -> Entry:
    return entry("small", lambda folder, _layers: write(kind, folder))


@pytest.mark.parametrize(
    ("entry", "pictures"),
    [
        (EVERYDAY, 1),  # the frame, for its vector and those of its regions
        (small(encoder, "clip", write_checkpoint), 1 + 1 + 2),
        (small(detector, "rt_detr", write_detector), 1),
        (small(masks, "sam2", segmenters.write_checkpoint), 1 + 16),  # a frame, a grid of points
    ],
    ids=["everyday", "encoder", "detector", "masks"],
)
def test_all_that_a_model_is_given_is_measured(entry: Entry, pictures: int, tmp_path: Path) -> None:
    name, rest = entry.name, measure(entry, QUICK, tmp_path / "checkpoint").removeprefix(entry.name)
    images, bare, stage, ratio, by_cpu = map(float, rest.split()[:5])
    assert images == pictures, name
    assert min(bare, stage, ratio, by_cpu) > 0


def test_the_bare_model_gets_what_the_stage_gave_it_shape_by_shape() -> None:
    class Model:
        def __init__(self) -> None:
            self.seen: list[tuple[torch.Tensor, list[np.ndarray]]] = []

        def forward(self, pixels: torch.Tensor, *, more: list[np.ndarray], flag: bool = False) -> None:
            assert flag
            self.seen.append((pixels, more))

    model = Model()

    def stage(_packets: object) -> None:
        for count, side in ((2, 4), (1, 4), (3, 5)):
            model.forward(torch.full((count, side), side), more=[np.full((count, 1), side)], flag=True)

    small_, large = recorded(stage, [], [Call(model, "forward")])
    assert [(len(part), part.own, part.shape) for part in (small_, large)] == [(3, 2, "4"), (3, 3, "5")]
    model.seen.clear()
    small_.run()
    assert [len(pixels) for pixels, _ in model.seen] == [len(more[0]) for _, more in model.seen] == [2, 1]
    assert [len(leaf) for leaf in leaves(taken(large.inputs, slice(1, 3)))] == [2, 2]
