"""Catches results that are assigned to the wrong frame, batches with frames of several sizes, and a device that does
not recover after it ran out of memory."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from operators.proposals.models.detection.found import Found, corners, in_batches
from schemas.frames import ImageArray

CPU = torch.device("cpu")


def images(widths: list[int]) -> list[ImageArray]:
    return [np.full((2, width, 3), i, np.uint8) for i, width in enumerate(widths)]


@given(st.lists(st.integers(1, 3), max_size=12), st.integers(1, 5), st.integers(1, 5))
def test_every_image_has_its_own_result_whatever_the_batches(widths: list[int], size: int, fits: int) -> None:
    seen: list[tuple[int, ...]] = []

    def run(batch: list[ImageArray]) -> list[int]:
        if len(batch) > fits:
            raise torch.OutOfMemoryError("too many")
        seen.append(tuple(image.shape[1] for image in batch))
        return [int(image[0, 0, 0]) for image in batch]

    found = in_batches(images(widths), run, alike=lambda image: image.shape, size=size, device=CPU)
    assert found == list(range(len(widths)))
    assert all(len(set(batch)) == 1 and len(batch) <= size for batch in seen)


def test_one_image_that_does_not_fit_is_an_error() -> None:
    def run(_: list[ImageArray]) -> list[int]:
        raise torch.OutOfMemoryError("too large")

    with pytest.raises(torch.OutOfMemoryError):
        in_batches(images([1, 1]), run, alike=lambda image: image.shape, size=2, device=CPU)


def test_proposals_are_the_best_and_cut_to_the_frame() -> None:
    xyxy = np.array([[-0.1, 0.2, 0.5, 1.3], [0.4, 0.4, 0.3, 0.5], [0.1, 0.1, 0.2, 0.2], [0, 0, 1, 1]], np.float32)
    found = Found(xyxy, np.array([0.5, 0.9, 0.7, 0.5], np.float32), np.array([0, 1, 1, 2], np.intp))
    proposals = found.proposals(["dog", "cat", None], proposer="detr", limit=2)
    np.testing.assert_array_equal(proposals.boxes.xyxy, np.array([[0.1, 0.1, 0.2, 0.2], [0, 0.2, 0.5, 1]], np.float32))
    assert proposals.label == ("cat", "dog")  # the second box is inside out, the last one tied and came later
    assert proposals.proposer == ("detr", "detr")
    np.testing.assert_array_equal(proposals.score, np.array([0.7, 0.5], np.float32))


def test_corners_lie_half_a_side_from_the_centre() -> None:
    assert corners(torch.tensor([[0.5, 0.25, 0.2, 0.1]])).tolist() == [pytest.approx([0.4, 0.2, 0.6, 0.3])]
