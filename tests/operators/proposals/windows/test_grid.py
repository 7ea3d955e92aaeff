"""Catches cells that leave gaps or overlap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.proposals.windows.grid import GridConfig, StaticGrid
from schemas.errors import InvalidValueError
from schemas.frames import Keyframe
from schemas.regions import Proposals


def cells(*scales: int) -> Proposals:
    return StaticGrid(GridConfig(scales))(Keyframe(0, np.zeros((9, 16, 3), np.uint8), None, "picture"))


@settings(deadline=None)
@given(st.integers(1, 16))
def test_the_cells_of_a_scale_tile_the_frame(n: int) -> None:
    found = cells(n)
    assert found.proposer == (f"grid-{n}",) * n**2
    shared = found.boxes.intersection(found.boxes)
    np.testing.assert_allclose(np.diag(shared), 1 / n**2, rtol=1e-4)
    assert (shared - np.diag(np.diag(shared))).max() == 0
    assert found.boxes.area().sum() == pytest.approx(1, abs=1e-5)


def test_cells_come_by_row_and_scales_by_size() -> None:
    found = cells(2, 1, 2)
    assert found.proposer == ("grid-1",) + ("grid-2",) * 4
    np.testing.assert_array_equal(found.boxes.xyxy[1:3], [[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5]])


@pytest.mark.parametrize("scales", [(), (0,), (2, -1)])
def test_grids_without_cells_are_refused(scales: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValueError, match="cells"):
        GridConfig(scales)
