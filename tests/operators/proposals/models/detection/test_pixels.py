"""Pixels against the image processors of transformers that run without torchvision, and against formulas.

Catches frames that are resized by another rule or filter than the model was trained with, and padding that is on the
wrong side.
"""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
import transformers
from PIL import Image

from operators.proposals.models.detection.pixels import FramePixels, Resize
from schemas.errors import InvalidValueError, ModelError
from tests.detectors import PIXELS, SIDE_PX

PROCESSORS = {
    "rt_detr": "RTDetrImageProcessorPil",
    "detr": "DetrImageProcessorPil",
    "conditional_detr": "ConditionalDetrImageProcessorPil",
    "deformable_detr": "DeformableDetrImageProcessorPil",
    "grounding-dino": "GroundingDinoImageProcessorPil",
    "omdet-turbo": "DetrImageProcessorPil",
    "owlvit": "OwlViTImageProcessorPil",
    "owlv2": "Owlv2ImageProcessorPil",
}
SIZES = [(90, 160), (160, 90), (SIDE_PX, SIDE_PX), (200, 33), (1, 1), (31, 47), (64, 400), (270, 480)]


def processor_of(kind: str, **changes: Any) -> Any:
    settings = {k: v for k, v in PIXELS[kind].items() if k != "image_processor_type"} | changes
    return getattr(transformers, PROCESSORS.get(kind, "DeformableDetrImageProcessorPil"))(**settings)


def frame(height: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Smooth, with edges and with noise."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 9) + np.cos(y / 7), (x // 8 + y // 8) % 2 * 2 - 1, np.cos((x + y) / 5)], axis=-1)
    noise = np.random.default_rng(height * width).normal(0, 12, (height, width, 3))
    return np.clip(128 + 60 * waves + noise, 0, 255).astype(np.uint8)


def pixels_of(kind: str, resize: Resize = "pillow", **changes: Any) -> FramePixels:
    return FramePixels(processor_of(kind, **changes), resize=resize, device=torch.device("cpu"))


def levels(difference: torch.Tensor, processor: Any) -> torch.Tensor:
    """Of normalised pixels, in steps of 255."""
    std = torch.tensor(processor.image_std if processor.do_normalize else [1.0] * 3).view(1, 3, 1, 1)
    return difference.abs() * std / processor.rescale_factor


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [kind for kind in PROCESSORS if kind != "owlv2"])
def test_pixels_are_those_of_the_models_processor(kind: str, size: tuple[int, int]) -> None:
    processor, image = processor_of(kind), frame(*size)
    expected = processor(Image.fromarray(image), return_tensors="pt")["pixel_values"]
    found = pixels_of(kind)([image])
    assert found.shape == expected.shape
    assert found.dtype == torch.float32
    # Pillow computes with 8 bits and fixed point, twice
    assert levels(found - expected, processor).max() <= 1.5


@pytest.mark.parametrize("size", [*SIZES, (65, 65)])
def test_owlv2_is_padded_to_a_square_and_shrunk_as_its_processor_does(size: tuple[int, int]) -> None:
    processor, image = processor_of("owlv2"), frame(*size)
    expected = processor(Image.fromarray(image), return_tensors="pt")["pixel_values"]
    found = pixels_of("owlv2", "padded square")([image])
    assert found.shape == expected.shape == (1, 3, SIDE_PX, SIDE_PX)
    difference = levels(found - expected, processor)
    enlarged = max(size) < SIDE_PX  # SciPy mirrors the border, torch repeats it
    assert (difference[..., 1:-1, 1:-1] if enlarged else difference).max() <= 0.01


def test_owlv2s_padding_is_black_and_below_and_at_the_right() -> None:
    mean, std = (torch.tensor(PIXELS["owlv2"][key]) for key in ("image_mean", "image_std"))
    white, black = (1 - mean) / std, (0 - mean) / std
    (wide,) = pixels_of("owlv2", "padded square")([np.full((SIDE_PX, 2 * SIDE_PX, 3), 255, np.uint8)])
    torch.testing.assert_close(wide[:, SIDE_PX // 4, -1], white)
    torch.testing.assert_close(wide[:, -1, SIDE_PX // 4], black)


def test_rf_detr_is_interpolated_without_antialiasing_after_scaling() -> None:
    image = frame(90, 160)
    scaled = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    resized = F.interpolate(scaled, (SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False, antialias=False)
    mean, std = (torch.tensor(PIXELS["rf_detr"][key]).view(1, 3, 1, 1) for key in ("image_mean", "image_std"))
    torch.testing.assert_close(pixels_of("rf_detr", "interpolated")([image]), (resized - mean) / std, atol=1e-5, rtol=0)


def test_frames_with_one_input_size_go_together() -> None:
    pixels = pixels_of("rt_detr")
    images = [frame(90, 160), frame(160, 90)]
    together = pixels(images)
    assert together.shape == (2, 3, SIDE_PX, SIDE_PX)
    for i, image in enumerate(images):
        assert torch.equal(together[i], pixels([image])[0])


@pytest.mark.parametrize(
    ("size", "expected"),
    [((90, 160), (64, 113)), ((160, 90), (113, 64)), ((64, 400), (20, 128)), ((1, 4000), (1, 128))],
)
def test_a_frame_keeps_its_shape_between_shortest_and_longest_edge(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert pixels_of("detr").size_of(frame(*size)) == expected


def test_settings_that_tell_no_size_are_refused() -> None:
    with pytest.raises(ModelError, match="resizes to"):
        pixels_of("detr", size={"longest_edge": 64, "shortest_edge": None})
    with pytest.raises(ModelError, match="pads to a fixed size"):
        pixels_of("detr", pad_size={"height": 64, "width": 64})
    with pytest.raises(ModelError, match="resizes nothing"):
        pixels_of("rt_detr", do_resize=False)


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="uint8"):
        pixels_of("rt_detr").size_of(np.zeros((4, 4), np.uint8))
