"""Segmenters, compared with transformers' own forward pass, processor and post-processing.

All weights here are random, so that masks are arbitrary: these tests show that a checkpoint is computed as
`transformers` computes it, but not how good the masks of a trained model are.

Catches prompts that are scaled to another size than the picture, prompts that are answered from another frame's
embedding, masks that are cut or shifted when scaled to the frame's size, and runs that a device out of memory ends.
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
import transformers as t
from PIL import Image

from operators.masks import sam
from operators.masks.rle import decode_mask
from operators.masks.sam import Embedding, PromptedMasks, Segmenter, load_segmenter
from operators.masks.segmenter_files import find_segmenter
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from tests.segmenters import KINDS, PADDED_PIXELS, PIXELS, SIDE_PX, Segmenters

pytestmark = pytest.mark.usefixtures("one_thread", "wide_batches")
Get = Callable[[str], Segmenter]
GENERATOR = np.random.default_rng(0)
SQUARE = GENERATOR.integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
WIDE = GENERATOR.integers(0, 256, (40, 90, 3), np.uint8)
TALL = GENERATOR.integers(0, 256, (77, 31, 3), np.uint8)
POINTS = GENERATOR.random((5, 2)).astype(np.float32)
BOXES = Boxes(np.array([[0, 0, 0.5, 1], [0.25, 0.5, 0.75, 1], [0.1, 0.2, 0.3, 0.4]], np.float32))
PLAIN: dict[str, type] = {
    "sam": t.SamModel,
    "sam2": t.Sam2Model,
    "sam2_video": t.Sam2Model,
    "edgetam": t.EdgeTamModel,
    "edgetam_video": t.EdgeTamModel,
    "sam3_tracker": t.Sam3TrackerModel,
    "sam3_tracker_video": t.Sam3TrackerModel,
    "sam3_video": t.Sam3TrackerModel,
}


def collected(batches: Any) -> PromptedMasks:
    parts: list[PromptedMasks] = list(batches)
    return PromptedMasks(
        np.concatenate([p.frame for p in parts]),
        np.concatenate([p.prompt for p in parts]),
        torch.cat([p.logits for p in parts]),
        torch.cat([p.predicted_iou for p in parts]),
    )


def assert_close(found: PromptedMasks, logits: torch.Tensor, predicted_iou: torch.Tensor) -> None:
    """As near as sums of float32 in another order are: logits to a few ten thousandths of their spread."""
    torch.testing.assert_close(found.logits, logits, rtol=0, atol=3e-4 * float(logits.std()))
    torch.testing.assert_close(found.predicted_iou, predicted_iou, rtol=0, atol=3e-5)


def pixels_of(image: np.ndarray[Any, np.dtype[np.uint8]]) -> torch.Tensor:
    mean, std = (torch.tensor(PIXELS[key]).view(1, 3, 1, 1) for key in ("image_mean", "image_std"))
    return (torch.from_numpy(image).permute(2, 0, 1)[None].float() * PIXELS["rescale_factor"] - mean) / std


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_masks_are_bit_for_bit_those_of_the_models_own_forward_pass(
    kind: str, segmenters: Segmenters, segmenter: Get
) -> None:
    model = PLAIN[kind].from_pretrained(segmenters(kind)).eval()
    one_by_one = load_segmenter(str(segmenters(kind)), prompts_per_batch=1)
    pixels = one_by_one.pixel_values([SQUARE])
    torch.testing.assert_close(pixels, pixels_of(SQUARE), rtol=0, atol=1e-6)  # nothing to resize
    points, boxes = torch.from_numpy(POINTS * SIDE_PX), torch.from_numpy(BOXES.xyxy * SIDE_PX)

    frames = one_by_one.embed([SQUARE])
    for point, found in zip(points, one_by_one.masks_at_points(frames, [POINTS]), strict=True):
        expected = model(pixel_values=pixels, input_points=point.view(1, 1, 1, 2))
        assert torch.equal(found.logits, expected.pred_masks[0])
        assert torch.equal(found.predicted_iou, expected.iou_scores[0])
    for box, found in zip(boxes, one_by_one.masks_in_boxes(frames, [BOXES]), strict=True):
        expected = model(pixel_values=pixels, input_boxes=box.view(1, 1, 4))
        assert torch.equal(found.logits, expected.pred_masks[0])
        assert torch.equal(found.predicted_iou, expected.iou_scores[0])

    # all at once, sums of float32 are in another order
    ours = segmenter(kind)
    found = collected(ours.masks_at_points(ours.embed([SQUARE]), [POINTS]))
    expected = model(pixel_values=pixels, input_points=points[None, :, None])
    assert_close(found, expected.pred_masks[0], expected.iou_scores[0])
    # masks of random weights hardly differ between prompts: without this, a prompt gone astray would pass
    assert (found.logits[0] - found.logits[1]).abs().max() > 1e-2


@pytest.mark.parametrize("kind", ["sam", "sam2", "sam3_tracker"])
def test_neither_frames_nor_prompts_depend_on_what_shares_their_batch(kind: str, segmenters: Segmenters) -> None:
    wide_batches = load_segmenter(str(segmenters(kind)))
    narrow = load_segmenter(str(segmenters(kind)), frames_per_batch=1, prompts_per_batch=3)
    images = [SQUARE, WIDE, TALL]
    points = [POINTS, POINTS[:0], POINTS[::-1].copy()]
    together = collected(wide_batches.masks_at_points(wide_batches.embed(images), points))
    apart = collected(narrow.masks_at_points(narrow.embed(images), points))
    assert together.frame.tolist() == apart.frame.tolist() == [0] * 5 + [2] * 5
    assert together.prompt.tolist() == apart.prompt.tolist() == [0, 1, 2, 3, 4] * 2
    assert_close(together, apart.logits, apart.predicted_iou)
    alone = collected(narrow.masks_at_points(narrow.embed([TALL]), [POINTS[::-1].copy()]))
    assert_close(alone, together.logits[5:], together.predicted_iou[5:])
    assert not torch.allclose(together.logits[:5], together.logits[5:], atol=1e-2)


def test_batches_are_small_on_a_cpu(segmenters: Segmenters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sam, "CPU_PROMPTS", 2)
    narrow = load_segmenter(str(segmenters("sam2")))
    found = narrow.masks_at_points(narrow.embed([SQUARE]), [POINTS])
    assert [len(batch.prompt) for batch in found] == [2, 2, 1]


@pytest.mark.parametrize("shape", [(40, 90), (77, 31), (SIDE_PX, SIDE_PX), (1, 1), (200, 300)])
def test_pixels_are_those_of_pillow_and_the_formula(shape: tuple[int, int], segmenter: Get) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    expected = pixels_of(np.array(Image.fromarray(picture).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)))
    found = segmenter("sam2").pixel_values([picture])
    levels = (found - expected).abs() * torch.tensor(PIXELS["image_std"]).view(1, 3, 1, 1) * 255
    assert levels.max() <= 1.5


@pytest.mark.parametrize("shape", [(40, 90), (77, 31), (SIDE_PX, SIDE_PX), (1, 1), (200, 300)])
def test_pixels_and_masks_of_sam_are_those_of_its_own_processor(shape: tuple[int, int], segmenter: Get) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    processor = t.SamImageProcessorPil(**PADDED_PIXELS)
    expected = processor(Image.fromarray(picture), return_tensors="pt")
    ours = segmenter("sam")
    found = ours.pixel_values([picture])
    levels = (found - expected["pixel_values"]).abs() * torch.tensor(PIXELS["image_std"]).view(1, 3, 1, 1) * 255
    assert levels.max() <= 1.5
    logits = torch.randn((3, 16, 16), generator=torch.manual_seed(0))
    masks = processor.post_process_masks(
        [logits[None]], expected["original_sizes"], expected["reshaped_input_sizes"], binarize=False
    )
    torch.testing.assert_close(ours.full_size(logits, shape), masks[0][0], rtol=0, atol=1e-5)


@torch.inference_mode()
def test_prompts_of_sam_follow_the_picture_into_its_corner(segmenter: Get) -> None:
    # 90×40 px become 64×28 of the 64×64 input: its processor scales a point by 64/90 and 28/40
    ours = segmenter("sam")
    frames = ours.embed([WIDE])
    found = collected(ours.masks_at_points(frames, [np.array([[0.5, 0.5]], np.float32)]))
    embeddings = ours._model.get_image_embeddings(ours.pixel_values([WIDE]))
    expected = ours._model(image_embeddings=embeddings, input_points=torch.tensor([[[[32.0, 14.0]]]]))
    assert_close(found, expected.pred_masks[:, 0], expected.iou_scores[:, 0])


@pytest.mark.parametrize("size", [(40, 90), (1, 1), (120, 64)])
def test_masks_grow_to_the_frame_and_come_back_as_run_lengths(size: tuple[int, int], segmenter: Get) -> None:
    logits = torch.randn((7, 16, 16), generator=torch.manual_seed(0))
    expected = F.interpolate(logits[None], size, mode="bilinear", align_corners=False)[0]  # Sam2Processor's own words
    ours = segmenter("sam2")
    assert torch.equal(ours.full_size(logits, size), expected)
    masks = ours.encode(logits, size)
    assert [(m.height_px, m.width_px) for m in masks] == [size] * 7
    for mask, pixels in zip(masks, (expected > 0).numpy(), strict=True):
        np.testing.assert_array_equal(decode_mask(mask), pixels)
        assert mask.area_px == pixels.sum()
    assert ours.encode(logits[:0], size) == []
    assert ours.measures(logits[:0], size, offset=1.0).boxes_px.shape == (0, 4)


def test_bfloat16_gives_nearly_the_same(segmenter: Get) -> None:
    exact = segmenter("sam2")
    rough = Segmenter(
        exact._model, exact._pixels, exact.config, kind=exact.kind, padded=False, dtype=torch.bfloat16
    )  # as on a GPU, by the CPU's autocast
    frames = rough.embed([WIDE])
    assert {level.dtype for level in frames.levels} == {torch.bfloat16}
    found = collected(rough.masks_at_points(frames, [POINTS]))
    expected = collected(exact.masks_at_points(exact.embed([WIDE]), [POINTS]))
    assert found.logits.dtype == found.predicted_iou.dtype == torch.float32
    # bfloat16 keeps 8 bits: a few hundredths of the logits' spread
    assert (found.logits - expected.logits).abs().mean() < 0.03 * expected.logits.std()
    assert ((found.logits > 0) == (expected.logits > 0)).float().mean() > 0.98


def test_a_batch_too_large_for_the_device_is_halved(
    segmenters: Segmenters, segmenter: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = load_segmenter(str(segmenters("sam2")))
    expected = collected(segmenter("sam2").masks_at_points(segmenter("sam2").embed([WIDE, TALL]), [POINTS] * 2))
    sizes: list[int] = []

    def narrow(limit: int, forward: Callable[..., Any], of: str) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            many = len(kwargs[of] if of in kwargs else args[0])
            sizes.append(many)
            if many > limit:
                raise torch.OutOfMemoryError("out of memory")
            return forward(*args, **kwargs)

        return run

    decoder = ours._model.mask_decoder
    monkeypatch.setattr(ours._model, "get_image_embeddings", narrow(1, ours._model.get_image_embeddings, "pixels"))
    monkeypatch.setattr(decoder, "forward", narrow(3, decoder.forward, "image_embeddings"))
    found = collected(ours.masks_at_points(ours.embed([WIDE, TALL]), [POINTS] * 2))
    assert sizes == [2, 1, 1, 10, 5, 2, 2, 2, 2, 2]
    assert_close(found, expected.logits, expected.predicted_iou)
    monkeypatch.setattr(decoder, "forward", narrow(0, decoder.forward, "image_embeddings"))
    with pytest.raises(ModelError, match="does not fit the device's memory"):
        list(ours.masks_at_points(ours.embed([WIDE]), [POINTS]))


def test_no_frames_and_no_prompts_give_no_masks(segmenter: Get) -> None:
    ours = segmenter("sam2")
    assert len(ours.embed([])) == 0
    assert list(ours.masks_at_points(ours.embed([]), [])) == []
    assert list(ours.masks_in_boxes(ours.embed([WIDE]), [Boxes.empty()])) == []
    with pytest.raises(InvalidValueError, match="each frame needs its prompts"):
        ours.masks_at_points(ours.embed([WIDE]), [])


@pytest.mark.parametrize("kind", KINDS)
def test_a_segmenter_is_called_after_its_family(kind: str, segmenters: Segmenters, segmenter: Get) -> None:
    expected = kind.removesuffix("_video").removesuffix("_tracker")
    assert segmenter(kind).kind == find_segmenter(str(segmenters(kind)))[1].kind == expected
    assert isinstance(segmenter(kind).embed([WIDE]), Embedding)


def test_what_is_no_segmenter_is_refused_with_the_reason(tmp_path: Path, segmenters: Segmenters) -> None:
    with pytest.raises(ModelError, match=r"no segmenter is named; name a folder or a hub id"):
        load_segmenter("")
    with pytest.raises(ModelError, match="there is no folder"):
        load_segmenter(str(tmp_path / "missing"))
    t.Dinov2Config().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelError, match=r"is a dinov2 model and takes no prompts; known are sam, sam2, "):
        find_segmenter(str(tmp_path))
    t.Sam2Config().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no model.safetensors"):
        load_segmenter(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes((segmenters("edgetam") / "model.safetensors").read_bytes())
    with pytest.raises(ModelError, match="its image processor cannot be read"):
        load_segmenter(str(tmp_path))


@pytest.mark.skipif(find_spec("timm") is not None, reason="timm is installed")
def test_an_encoder_of_a_package_that_is_not_here_is_named(tmp_path: Path, segmenters: Segmenters) -> None:
    config = json.loads((segmenters("edgetam") / "config.json").read_text())
    config["vision_config"]["backbone_config"] = {"model_type": "timm_wrapper", "architecture": "repvit_m1"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelError, match=r"needs a package that is not installed: .*timm"):
        find_segmenter(str(tmp_path))
