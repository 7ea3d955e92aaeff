"""Checkpoints against transformers' own forward pass, and against formulas written here.

Catches a tower that computes something else than the model, patches that are not projected like the pooled vector, text
that is tokenised differently, pictures that are distorted, and vectors that depend on others in the batch.
"""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from transformers import AutoModel, AutoTokenizer, CLIPImageProcessorPil

from operators.encoders.catalogue import load_encoder
from operators.encoders.checkpoint.encoder import CheckpointEncoder
from operators.encoders.checkpoint.pixels import PixelConfig, Pixels
from operators.encoders.checkpoint.towers import saliency_mean
from operators.encoders.pooling import pool_boxes
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from tests.checkpoints import IMAGE_TEXT, KINDS, PATCH_PX, PIXELS, SIDE_PX, Checkpoints

GENERATOR = np.random.default_rng(0)
SQUARE = GENERATOR.integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
WIDE = GENERATOR.integers(0, 256, (40, 90, 3), np.uint8)


def pixels_of(images: list[np.ndarray[Any, np.dtype[np.uint8]]]) -> torch.Tensor:
    mean, std = (torch.tensor(PIXELS[key]).view(1, 3, 1, 1) for key in ("image_mean", "image_std"))
    levels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
    return (levels * PIXELS["rescale_factor"] - mean) / std


def whole_by_transformers(model: Any, kind: str, pixels: torch.Tensor) -> torch.Tensor:
    """The global vectors, by the public interface of the model alone."""
    rows, cols = pixels.shape[2] // PATCH_PX, pixels.shape[3] // PATCH_PX
    match kind:
        case "siglip2":
            patches = F.unfold(pixels, PATCH_PX, stride=PATCH_PX).transpose(1, 2)  # channel first in each patch
            patches = patches.reshape(len(pixels), rows * cols, 3, -1).transpose(2, 3).flatten(2)
            shapes = torch.tensor([[rows, cols]] * len(pixels))
            mask = torch.ones(len(pixels), rows * cols, dtype=torch.int32)
            return model.get_image_features(patches, pixel_attention_mask=mask, spatial_shapes=shapes).pooler_output
        case "clip" | "metaclip_2" | "siglip":
            return model.get_image_features(pixels).pooler_output
        case "ijepa":
            grid = model(pixels).last_hidden_state.reshape(len(pixels), rows, cols, -1)
            return torch.stack([torch.from_numpy(saliency_by_numpy(g.numpy())) for g in grid])
        case _:
            return model(pixels).pooler_output


def saliency_by_numpy(grid: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Mean of the patches, each weighed by the length of the five-point Laplacian there, borders repeated."""
    rows, cols, _ = grid.shape
    total, weights = np.zeros(grid.shape[2]), 0.0
    for r in range(rows):
        for c in range(cols):
            around = [
                grid[min(max(r + dr, 0), rows - 1), min(max(c + dc, 0), cols - 1)]
                for dr, dc in ((-1, 0), (1, 0), (0, -1), (0, 1))
            ]
            weight = float(np.linalg.norm(4 * grid[r, c].astype(np.float64) - np.sum(around, axis=0)))
            total += weight * grid[r, c]
            weights += weight
    return (total / weights).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_global_vectors_are_the_models_own(kind: str, checkpoints: Checkpoints) -> None:
    folder = checkpoints(kind)
    encoder = load_encoder(str(folder))
    model = AutoModel.from_pretrained(folder).eval()
    expected = F.normalize(whole_by_transformers(model, kind, pixels_of([SQUARE])), dim=1).numpy()
    found = encoder.encode_images([SQUARE])
    assert found.dtype == np.float32
    assert found.shape == (1, encoder.space.dimension)
    # bit for bit before the last division: I-JEPA's mean is summed in another order
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 if kind == "ijepa" else 6e-8)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "ijepa"])  # which has no global vector of its own
@torch.inference_mode()
def test_the_tower_takes_the_models_own_path_to_the_last_bit(kind: str, checkpoints: Checkpoints) -> None:
    encoder = load_encoder(str(checkpoints(kind)))
    assert isinstance(encoder, CheckpointEncoder)
    model = AutoModel.from_pretrained(checkpoints(kind)).eval()
    pixels = pixels_of([SQUARE, 255 - SQUARE])
    assert torch.equal(encoder._tower.whole(pixels), whole_by_transformers(model, kind, pixels))


@pytest.mark.parametrize("kind", IMAGE_TEXT)
@torch.inference_mode()
def test_text_vectors_are_the_models_own(kind: str, checkpoints: Checkpoints) -> None:
    folder = checkpoints(kind)
    encoder = load_encoder(str(folder), templates=["{}"])
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    texts = ["a dog", "no", "a very long sentence, beyond what the model can read at all"]
    fixed = {"padding": "max_length"} if kind.startswith("siglip") else {}
    for text, found in zip(texts, encoder.encode_texts(texts), strict=True):
        tokens = tokenizer([text], truncation=True, max_length=16, return_tensors="pt", **fixed)
        inputs = {"input_ids": tokens["input_ids"]} if fixed else dict(tokens)
        expected = F.normalize(model.get_text_features(**inputs).pooler_output, dim=1)[0].numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=6e-8)
    assert encoder.encode_texts([]).shape == (0, encoder.space.dimension)


@pytest.mark.parametrize("kind", ["dinov2", "ijepa"])
def test_a_model_of_pictures_refuses_words(kind: str, checkpoints: Checkpoints) -> None:
    with pytest.raises(ModelError, match="knows no words"):
        load_encoder(str(checkpoints(kind))).encode_texts(["a dog"])


@pytest.mark.parametrize("kind", ["clip", "metaclip_2"])
@torch.inference_mode()
def test_a_patch_of_clip_is_the_value_path_of_the_last_block(kind: str, checkpoints: Checkpoints) -> None:
    encoder = load_encoder(str(checkpoints(kind)))
    model = AutoModel.from_pretrained(checkpoints(kind)).eval()
    vision = model.vision_model
    hidden = vision(pixels_of([SQUARE]), output_hidden_states=True).hidden_states[-2][0, 1:]
    weights = dict(vision.encoder.layers[-1].named_parameters())
    normed = F.layer_norm(hidden, (32,), weights["layer_norm1.weight"], weights["layer_norm1.bias"])
    value = normed @ weights["self_attn.v_proj.weight"].T + weights["self_attn.v_proj.bias"]
    out = value @ weights["self_attn.out_proj.weight"].T + weights["self_attn.out_proj.bias"]
    last = F.layer_norm(out, (32,), vision.post_layernorm.weight, vision.post_layernorm.bias)
    expected = F.normalize(last @ model.visual_projection.weight.T, dim=1).numpy()
    (feature_map,) = encoder.feature_maps([SQUARE])
    assert feature_map.levels[0].shape == (4, 4, 32)
    np.testing.assert_allclose(encoder.project(feature_map.levels[0].reshape(16, 32)), expected, atol=2e-6)


@pytest.mark.parametrize("kind", ["siglip", "siglip2"])
@torch.inference_mode()
def test_a_patch_of_siglip_is_the_heads_answer_to_that_patch_alone(kind: str, checkpoints: Checkpoints) -> None:
    encoder = load_encoder(str(checkpoints(kind)))
    model = AutoModel.from_pretrained(checkpoints(kind)).eval()
    pixels = pixels_of([SQUARE])
    if kind == "siglip":
        hidden = model.vision_model(pixels).last_hidden_state[0]
    else:
        patches = pixels.reshape(1, 3, 4, 8, 4, 8).permute(0, 2, 4, 3, 5, 1).reshape(1, 16, -1)
        mask, shapes = torch.ones(1, 16, dtype=torch.int32), torch.tensor([[4, 4]])
        hidden = model.vision_model(patches, mask, shapes).last_hidden_state[0]
    # a head that sees one patch can attend to nothing else
    expected = F.normalize(torch.cat([model.vision_model.head(patch[None, None]) for patch in hidden]), dim=1)
    (feature_map,) = encoder.feature_maps([SQUARE])
    np.testing.assert_allclose(encoder.project(feature_map.levels[0].reshape(16, 32)), expected.numpy(), atol=2e-6)


@pytest.mark.parametrize("kind", ["dinov2", "dinov2_with_registers", "dinov3_vit", "ijepa"])
@torch.inference_mode()
def test_a_patch_of_a_model_of_pictures_is_its_token(kind: str, checkpoints: Checkpoints) -> None:
    encoder = load_encoder(str(checkpoints(kind)))
    model = AutoModel.from_pretrained(checkpoints(kind)).eval()
    tokens = model(pixels_of([SQUARE])).last_hidden_state[0, -16:]  # class and register tokens stand before them
    (feature_map,) = encoder.feature_maps([SQUARE])
    expected = F.normalize(tokens, dim=1).numpy()
    np.testing.assert_allclose(encoder.project(feature_map.levels[0].reshape(16, 32)), expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_maps_keep_the_shape_of_the_picture(kind: str, checkpoints: Checkpoints) -> None:
    encoder = load_encoder(str(checkpoints(kind)))
    wide, tall = encoder.feature_maps([WIDE, WIDE.transpose(1, 0, 2)])
    assert wide.levels[0].shape[:2] == (4, 9)
    assert tall.levels[0].shape[:2] == (9, 4)
    assert wide.extent == (0.0, 0.0, 1.0, 1.0)
    pooled = encoder.project(pool_boxes(wide, Boxes(np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1]], np.float32))))
    np.testing.assert_allclose(np.linalg.norm(pooled, axis=1), 1, rtol=1e-5)
    assert not np.allclose(pooled[0], pooled[1], atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_does_not_depend_on_its_neighbours(kind: str, checkpoints: Checkpoints) -> None:
    encoder = load_encoder(str(checkpoints(kind)))
    together = encoder.encode_images([SQUARE, WIDE, 255 - SQUARE])
    alone = np.concatenate([encoder.encode_images([image]) for image in (SQUARE, WIDE, 255 - SQUARE)])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
    assert encoder.encode_images([]).shape == (0, encoder.space.dimension)


def test_a_region_is_the_crop_of_its_box(checkpoints: Checkpoints) -> None:
    encoder = load_encoder(str(checkpoints("clip")))
    boxes = Boxes(np.array([[0.5, 0, 1, 0.5]], np.float32))
    found = encoder.encode_regions([WIDE], [boxes], context=1.4, side_px=160)
    np.testing.assert_array_equal(found, encoder.encode_images([WIDE[:20, 45:]]))
    with pytest.raises(InvalidValueError, match="one Boxes an image"):
        encoder.encode_regions([], [boxes], context=1.4, side_px=160)


@pytest.mark.parametrize(("name", "resample"), [("bilinear", 2), ("bicubic", 3)])
@pytest.mark.parametrize("side", [17, 32, 77, 200])
def test_pixels_are_those_of_transformers_processor(name: str, resample: int, side: int) -> None:
    picture = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
    settings = PIXELS | {"resample": resample}
    processor = CLIPImageProcessorPil(**settings | {"size": {"shortest_edge": SIDE_PX}, "do_center_crop": False})
    expected = processor(Image.fromarray(picture), return_tensors="pt")["pixel_values"]
    config = PixelConfig.of(settings, side_px=SIDE_PX)
    assert config.filter == name
    found = Pixels(config, device=torch.device("cpu"), dtype=torch.float32).squares([picture])
    levels = (found - expected).abs() * torch.tensor(config.std).view(1, 3, 1, 1) / config.scale
    assert levels.max() <= 2.01  # two passes, each rounded by weights whose last bits are others
    assert (levels > 0.5).float().mean() <= 0.02


def test_a_wide_picture_is_padded_and_not_distorted() -> None:
    config = PixelConfig.of(PIXELS, side_px=SIDE_PX)
    pixels = Pixels(config, device=torch.device("cpu"), dtype=torch.float32)
    (square,) = pixels.squares([np.full((10, 40, 3), 255, np.uint8)])
    inside = (torch.ones(3) - torch.tensor(config.mean)) / torch.tensor(config.std)
    torch.testing.assert_close(square[:, 12:20], inside.view(3, 1, 1).expand(3, 8, SIDE_PX))
    assert (square[:, :12] == 0).all()
    assert (square[:, 20:] == 0).all()


def test_saliency_looks_where_the_grid_changes() -> None:
    grid = torch.zeros(1, 5, 5, 3)
    grid[0, 2, 2] = torch.tensor([9.0, 0.0, 0.0])
    # the cell itself weighs 4, its four neighbours 1 each, all others nothing
    torch.testing.assert_close(saliency_mean(grid), torch.tensor([[4.5, 0.0, 0.0]]))
    torch.testing.assert_close(saliency_mean(torch.ones(1, 4, 4, 2)), torch.ones(1, 2))


def test_a_compiled_model_gives_the_same_vectors_in_batches_of_any_size(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    # traced as by the compiler, without its minutes
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    encoder = load_encoder(str(checkpoints("clip")))
    assert isinstance(encoder, CheckpointEncoder)
    images = [SQUARE, WIDE, 255 - SQUARE] * 6
    expected = encoder.encode_images(images)
    encoder.compile()
    for count in (len(images), 3, 1):
        np.testing.assert_allclose(encoder.encode_images(images[:count]), expected[:count], rtol=0, atol=1e-5)


def test_pictures_of_many_sizes_each_have_their_own_map_and_means(checkpoints: Checkpoints) -> None:
    encoder = load_encoder(str(checkpoints("clip")))
    images = [SQUARE, WIDE, 255 - SQUARE, WIDE.transpose(1, 0, 2), 255 - WIDE]
    boxes = [
        Boxes(np.array([[0.1, 0.2, 0.7, 0.6], [0, 0, 1, 1]][: i % 3], np.float32).reshape(-1, 4)) for i in range(5)
    ]
    together = encoder.feature_maps(encoder.to_device(images))
    for image, found in zip(images, together, strict=True):
        (alone,) = encoder.feature_maps([image])
        np.testing.assert_allclose(found.levels[0], alone.levels[0], rtol=0, atol=1e-5)
    expected = encoder.project(np.concatenate([pool_boxes(m, b) for m, b in zip(together, boxes, strict=True)]))
    np.testing.assert_allclose(encoder.pool_regions(images, boxes), expected, rtol=0, atol=1e-6)
    assert encoder.pool_regions(images, [Boxes.empty()] * 5).shape == (0, encoder.space.dimension)
