"""CLIP's ResNets, and CLIP by OpenAI's names, against formulas written here over the bare weights.

Catches wrong connections in a block, wrong attention in the pool, positions that change at the trained size, weights
with the wrong name, a wrong activation, and files that run code when they are read.
"""

import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, CLIPConfig, CLIPModel

from operators.encoders.catalogue import load_encoder, model_card
from operators.encoders.checkpoint.encoder import CheckpointEncoder
from operators.encoders.checkpoint.open_clip import OpenClipConfig
from operators.encoders.checkpoint.torch_archive import read_torch_archive
from schemas.errors import ModelError
from tests.checkpoints import (
    OPEN_CLIP,
    PATCH_PX,
    SIDE_PX,
    TEXT,
    Checkpoints,
    model_of,
    open_clip_resnet_weights,
    write_open_clip,
)

Weights = Mapping[str, torch.Tensor]
WEIGHTS = open_clip_resnet_weights()
PIXELS = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
HEADS = 4  # of 64 channels each
PLAIN = ["{}"]
CLOSE = 2e-5  # vectors are up to 10 long in one direction: the last digits of float32, and sums in another order


@pytest.fixture
def copied(checkpoints: Checkpoints, tmp_path: Path) -> Path:
    """A copy of the ResNet's folder, to be broken."""
    return Path(shutil.copytree(checkpoints("open_clip_resnet"), tmp_path / "copy"))


def loaded(path: Path, *, templates: list[str] | None = None) -> CheckpointEncoder:
    encoder = load_encoder(str(path), templates=templates)
    assert isinstance(encoder, CheckpointEncoder)
    return encoder


def convolved(w: Weights, x: torch.Tensor, name: str, norm: str, *, stride: int = 1) -> torch.Tensor:
    kernel, at = w[f"visual.{name}.weight"], f"visual.{norm}"
    x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[2] // 2)
    return F.batch_norm(
        x, w[f"{at}.running_mean"], w[f"{at}.running_var"], w[f"{at}.weight"], w[f"{at}.bias"], training=False
    )


def last_layer(w: Weights, x: torch.Tensor) -> torch.Tensor:
    """(N, 256, H/32, W/32), by the description in CLIP's paper."""
    x = convolved(w, x, "conv1", "bn1", stride=2).relu()
    x = convolved(w, x, "conv2", "bn2").relu()
    x = F.avg_pool2d(convolved(w, x, "conv3", "bn3").relu(), 2)
    for layer, blocks in enumerate((1, 2, 1, 1), 1):
        for block in range(blocks):
            at = f"layer{layer}.{block}"
            stride = 2 if layer > 1 and block == 0 else 1
            out = convolved(w, x, f"{at}.conv1", f"{at}.bn1").relu()
            out = F.avg_pool2d(convolved(w, out, f"{at}.conv2", f"{at}.bn2").relu(), stride)
            out = convolved(w, out, f"{at}.conv3", f"{at}.bn3")
            if block == 0:
                x = convolved(w, F.avg_pool2d(x, stride), f"{at}.downsample.0", f"{at}.downsample.1")
            x = (out + x).relu()
    return x


def tokens_of(w: Weights, cells: torch.Tensor) -> torch.Tensor:
    """(1 + rows·cols, N, C): the mean and the cells, with their positions."""
    x = cells.flatten(2).permute(2, 0, 1)
    return torch.cat([x.mean(0, keepdim=True), x]) + w["visual.attnpool.positional_embedding"][:, None]


def pooled_by_torch(w: Weights, query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    at = "visual.attnpool."
    bias = torch.cat([w[f"{at}{letter}_proj.bias"] for letter in "qkv"])
    projections = {f"{letter}_proj_weight": w[f"{at}{letter}_proj.weight"] for letter in "qkv"}
    out, _ = F.multi_head_attention_forward(
        query, keys, keys, 256, HEADS, None, bias, None, None, False, 0.0,
        w[f"{at}c_proj.weight"], w[f"{at}c_proj.bias"], training=False, need_weights=False,
        use_separate_proj_weight=True, **projections,
    )  # fmt: skip
    return out


def projected(w: Weights, x: torch.Tensor, letter: str) -> torch.Tensor:
    return x @ w[f"visual.attnpool.{letter}_proj.weight"].T + w[f"visual.attnpool.{letter}_proj.bias"]


@torch.inference_mode()
def test_global_vectors_are_those_of_the_formula_to_the_last_bit(checkpoints: Checkpoints) -> None:
    tokens = tokens_of(WEIGHTS, last_layer(WEIGHTS, PIXELS))
    found = loaded(checkpoints("open_clip_resnet"))._tower.whole(PIXELS)
    assert torch.equal(found, pooled_by_torch(WEIGHTS, tokens[:1], tokens)[0])
    # and as OpenAI computed it first, every cell asking too: other sizes of matrices, other last bits
    torch.testing.assert_close(found, pooled_by_torch(WEIGHTS, tokens, tokens)[0], rtol=0, atol=CLOSE)


@torch.inference_mode()
def test_the_pool_is_softmax_attention_of_the_mean(checkpoints: Checkpoints) -> None:
    tokens = tokens_of(WEIGHTS, last_layer(WEIGHTS, PIXELS))[:, 0].double()
    w = {name: weight.double() for name, weight in WEIGHTS.items()}
    query, keys, values = (projected(w, tokens, letter).view(5, HEADS, 64) for letter in "qkv")
    parts = [
        torch.softmax(query[0, head] @ keys[:, head].T / 8, dim=0) @ values[:, head]  # 8: root of 64
        for head in range(HEADS)
    ]
    expected = projected(w, torch.cat(parts), "c").float()
    found = loaded(checkpoints("open_clip_resnet"))._tower.whole(PIXELS)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=CLOSE)


@torch.inference_mode()
def test_a_cell_is_the_pools_answer_to_that_cell_alone(checkpoints: Checkpoints) -> None:
    tokens = tokens_of(WEIGHTS, last_layer(WEIGHTS, PIXELS))
    found = loaded(checkpoints("open_clip_resnet"))._tower.cells(PIXELS)
    assert found.shape == (2, 2, 2, 24)
    for i in range(4):
        cell = tokens[1 + i : 2 + i]
        # whatever the question, a pool that sees one cell can attend to nothing else
        expected = pooled_by_torch(WEIGHTS, tokens[:1], cell)[0]
        torch.testing.assert_close(found[:, i // 2, i % 2], expected, rtol=0, atol=CLOSE)
        torch.testing.assert_close(found[:, i // 2, i % 2], projected(WEIGHTS, projected(WEIGHTS, cell[0], "v"), "c"))


@torch.inference_mode()
def test_positions_are_interpolated_at_other_sizes(checkpoints: Checkpoints) -> None:
    wide = torch.randn(1, 3, 64, 160, generator=torch.Generator().manual_seed(2))
    trained = WEIGHTS["visual.attnpool.positional_embedding"]
    grid = F.interpolate(trained[1:].T.reshape(1, 256, 2, 2), (2, 5), mode="bicubic", align_corners=False)
    positions = torch.cat([trained[:1], grid.reshape(256, 10).T])
    tokens = tokens_of({**WEIGHTS, "visual.attnpool.positional_embedding": positions}, last_layer(WEIGHTS, wide))
    tower = loaded(checkpoints("open_clip_resnet"))._tower
    torch.testing.assert_close(tower.whole(wide), pooled_by_torch(WEIGHTS, tokens[:1], tokens)[0], rtol=0, atol=CLOSE)
    expected = projected(WEIGHTS, projected(WEIGHTS, tokens[1:, 0], "v"), "c").view(1, 2, 5, 24)
    torch.testing.assert_close(tower.cells(wide), expected, rtol=0, atol=CLOSE)


def text_by_formula(w: Weights, tokens: list[int], *, quick: bool) -> torch.Tensor:
    """The vector of one text: a causal transformer, read at the highest token."""
    x = w["token_embedding.weight"][tokens] + w["positional_embedding"][: len(tokens)]
    mask = torch.full((len(tokens), len(tokens)), -torch.inf).triu(1)

    def normed(x: torch.Tensor, at: str) -> torch.Tensor:
        return F.layer_norm(x, (128,), w[f"{at}.weight"], w[f"{at}.bias"])

    def linear(x: torch.Tensor, at: str) -> torch.Tensor:
        return x @ w[f"{at}weight"].T + w[f"{at}bias"]

    for block in range(2):
        at = f"transformer.resblocks.{block}"
        q, k, v = linear(normed(x, f"{at}.ln_1"), f"{at}.attn.in_proj_").chunk(3, dim=1)
        heads = [
            torch.softmax(q[:, h : h + 64] @ k[:, h : h + 64].T / 8 + mask, dim=1) @ v[:, h : h + 64] for h in (0, 64)
        ]
        x = x + linear(torch.cat(heads, dim=1), f"{at}.attn.out_proj.")
        inner = linear(normed(x, f"{at}.ln_2"), f"{at}.mlp.c_fc.")
        inner = inner * torch.sigmoid(1.702 * inner) if quick else F.gelu(inner)
        x = x + linear(inner, f"{at}.mlp.c_proj.")
    vector: torch.Tensor = normed(x, "ln_final")[int(np.argmax(tokens))] @ w["text_projection"]
    return vector


@pytest.mark.parametrize("quick", [True, False])
def test_text_vectors_are_those_of_the_formula(quick: bool, copied: Path) -> None:
    (copied / "config.json").unlink()
    config = json.loads((copied / "open_clip_config.json").read_text())
    config["model_cfg"]["quick_gelu"] = quick
    (copied / "open_clip_config.json").write_text(json.dumps(config))
    texts = ["a dog", "no", "a very long sentence, beyond what the model can read at all"]
    tokens = AutoTokenizer.from_pretrained(copied)(texts, truncation=True, max_length=16)["input_ids"]
    assert [t[-1] for t in tokens] == [53, 53, 53]
    expected = torch.stack([text_by_formula(WEIGHTS, row, quick=quick) for row in tokens])
    found = loaded(copied, templates=PLAIN).encode_texts(texts)
    np.testing.assert_allclose(found, F.normalize(expected, dim=1).numpy(), rtol=0, atol=1e-6)


def test_its_card_tells_what_it_is(checkpoints: Checkpoints) -> None:
    card = model_card(str(checkpoints("open_clip_resnet")))
    assert (card.space.dimension, card.input_px, card.patch_px) == (24, 64, 32)
    assert card.abilities == ("text", "image", "dense")
    assert "ResNet" in card.summary
    wide = np.random.default_rng(0).integers(0, 256, (40, 90, 3), np.uint8)
    encoder = loaded(checkpoints("open_clip_resnet"))
    (frame_map,) = encoder.feature_maps([wide])
    assert frame_map.levels[0].shape[2] == 24
    assert frame_map.levels[0].shape[1] > frame_map.levels[0].shape[0]
    np.testing.assert_allclose(np.linalg.norm(encoder.encode_images([wide]), axis=1), 1, rtol=1e-6)


def test_a_vector_does_not_depend_on_its_neighbours(checkpoints: Checkpoints) -> None:
    encoder = loaded(checkpoints("open_clip_resnet"))
    images = [np.random.default_rng(i).integers(0, 256, (40 + 9 * i, 90, 3), np.uint8) for i in range(3)]
    alone = np.concatenate([encoder.encode_images([image]) for image in images])
    np.testing.assert_allclose(encoder.encode_images(images), alone, rtol=0, atol=2e-6)


def named_by_openai(model: Any) -> dict[str, torch.Tensor]:
    """The weights of a ViT of transformers by OpenAI's names."""
    named = {}
    own = model.state_dict()
    for tower, there in (("vision", "visual."), ("text", "")):
        for block in range(len(getattr(model, f"{tower}_model").encoder.layers)):
            at, to = f"{tower}_model.encoder.layers.{block}", f"{there}transformer.resblocks.{block}"
            for kind in ("weight", "bias"):
                parts = [own[f"{at}.self_attn.{letter}_proj.{kind}"] for letter in "qkv"]
                named[f"{to}.attn.in_proj_{kind}"] = torch.cat(parts)
                for a, b in (
                    ("self_attn.out_proj", "attn.out_proj"),
                    ("layer_norm1", "ln_1"),
                    ("layer_norm2", "ln_2"),
                    ("mlp.fc1", "mlp.c_fc"),
                    ("mlp.fc2", "mlp.c_proj"),
                ):
                    named[f"{to}.{b}.{kind}"] = own[f"{at}.{a}.{kind}"]
    for kind in ("weight", "bias"):
        named[f"visual.ln_pre.{kind}"] = own[f"vision_model.pre_layrnorm.{kind}"]
        named[f"visual.ln_post.{kind}"] = own[f"vision_model.post_layernorm.{kind}"]
        named[f"ln_final.{kind}"] = own[f"text_model.final_layer_norm.{kind}"]
    named["visual.class_embedding"] = own["vision_model.embeddings.class_embedding"]
    named["visual.conv1.weight"] = own["vision_model.embeddings.patch_embedding.weight"]
    named["visual.positional_embedding"] = own["vision_model.embeddings.position_embedding.weight"]
    named["visual.proj"] = own["visual_projection.weight"].T.contiguous()
    named["token_embedding.weight"] = own["text_model.embeddings.token_embedding.weight"]
    named["positional_embedding"] = own["text_model.embeddings.position_embedding.weight"]
    named["text_projection"] = own["text_projection.weight"].T.contiguous()
    return named


@pytest.mark.parametrize("prefix", ["", "text."])
@torch.inference_mode()
def test_a_vit_of_open_clip_is_that_of_transformers(prefix: str, tmp_path: Path) -> None:
    model = model_of("clip")
    weights = named_by_openai(model)
    if prefix:  # models with a text tower of their own
        weights = {name if name.startswith("visual.") else prefix + name: w for name, w in weights.items()}
    vision = {
        "image_size": SIDE_PX,
        "layers": 3,
        "width": 32,
        "head_width": 8,
        "patch_size": PATCH_PX,
        "mlp_ratio": 2.0,
    }
    text = {
        "context_length": 16,
        "vocab_size": TEXT["vocab_size"],
        "width": 32,
        "heads": 4,
        "layers": 2,
        "mlp_ratio": 2,
    }
    write_open_clip(
        tmp_path,
        config={"embed_dim": 24, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text | {"pool_type": "argmax"}},
        weights=weights,
    )
    tokenizer = tmp_path / "vocab.json"
    words = json.loads(tokenizer.read_text())
    tokenizer.write_text(json.dumps(words | {"<|endoftext|>": 55}))  # the highest of 56
    encoder = loaded(tmp_path, templates=PLAIN)
    pixels = torch.randn(2, 3, SIDE_PX, SIDE_PX, generator=torch.Generator().manual_seed(3))
    assert torch.equal(encoder._tower.whole(pixels), model.get_image_features(pixels).pooler_output)
    tokens = AutoTokenizer.from_pretrained(tmp_path, tokenizer_type="clip")(["a dog"], return_tensors="pt")["input_ids"]
    model.text_model.eos_token_id = 55
    expected = F.normalize(model.get_text_features(tokens).pooler_output, dim=1)
    np.testing.assert_allclose(encoder.encode_texts(["a dog"]), expected.numpy(), rtol=0, atol=6e-8)


def test_sizes_are_read_off_the_weights_of_openais_files() -> None:
    with torch.device("meta"):
        model = CLIPModel(CLIPConfig())  # transformers' defaults are ViT-B/32
    config = OpenClipConfig.of_weights(named_by_openai(model))
    vision, text = model.config.vision_config, model.config.text_config
    assert (config.dimension, config.side_px, config.patch_px) == (512, vision.image_size, vision.patch_size)
    assert (config.width, config.blocks, config.heads, config.mlp_width) == (768, (12,), 12, 3072)
    assert (config.text_width, config.text_blocks, config.text_heads, config.text_mlp_width) == (512, 12, 8, 2048)
    assert (config.context, config.vocabulary) == (text.max_position_embeddings, text.vocab_size)
    resnet = OpenClipConfig.of_weights(WEIGHTS)
    assert (resnet.dimension, resnet.side_px, resnet.patch_px, resnet.blocks) == (24, 64, None, (1, 2, 1, 1))
    assert (resnet.width, resnet.heads, resnet.text_heads) == (8, HEADS, 2)


def write_torchscript(path: Path, weights: Weights) -> None:
    """As OpenAI's files: a compiled module whose parts have these names, with settings among them."""

    class Whole(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1

    whole = Whole()
    for name, weight in weights.items():
        part: torch.nn.Module = whole
        *parents, leaf = name.split(".")
        for parent in parents:
            if not hasattr(part, parent):
                part.add_module(parent, torch.nn.Module())
            part = getattr(part, parent)
        part.register_buffer(leaf, weight)
    whole.register_buffer("input_resolution", torch.tensor(64))
    torch.jit.trace(whole, torch.zeros(1)).save(str(path))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # but OpenAI's files are what they are
def test_openais_own_file_is_read_without_running_it(
    checkpoints: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoints("open_clip_resnet")
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        shutil.copy(folder / name, tmp_path)
    write_torchscript(tmp_path / "RN50.pt", WEIGHTS)
    monkeypatch.setattr(torch.jit, "load", lambda *_args, **_kwargs: pytest.fail("it was run"))
    card = model_card(str(tmp_path / "RN50.pt"))
    assert (card.space.dimension, card.input_px, card.patch_px, card.licence) == (24, 64, 32, "not stated")
    encoder = loaded(tmp_path / "RN50.pt")
    # OpenAI's files state neither mean nor deviation, which are CLIP's
    assert torch.equal(encoder._tower.whole(PIXELS), loaded(folder)._tower.whole(PIXELS))
    np.testing.assert_array_equal(encoder.encode_texts(["a dog"]), loaded(folder).encode_texts(["a dog"]))


def test_half_precision_is_computed_with_in_full(copied: Path) -> None:
    half = {n: w.half() if w.is_floating_point() else w for n, w in WEIGHTS.items()}
    save_file(half, copied / "open_clip_model.safetensors")
    full = {n: w.float() if w.is_floating_point() else w for n, w in half.items()}
    tokens = tokens_of(full, last_layer(full, PIXELS))
    assert torch.equal(loaded(copied)._tower.whole(PIXELS), pooled_by_torch(full, tokens[:1], tokens)[0])


def test_the_count_of_batches_may_be_missing(copied: Path, checkpoints: Checkpoints) -> None:
    weights = {n: w for n, w in WEIGHTS.items() if not n.endswith("num_batches_tracked")}
    save_file(weights, copied / "open_clip_model.safetensors")
    whole = loaded(checkpoints("open_clip_resnet"))._tower.whole(PIXELS)
    assert torch.equal(loaded(copied)._tower.whole(PIXELS), whole)


class Runs:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("ran",)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"visual.proj": torch.zeros(2), "other": Runs()}, "model.pt")
    with pytest.raises(ModelError, match=r"needs posix\.mkdir, which is not part of a tensor"):
        read_torch_archive(tmp_path / "model.pt")
    with zipfile.ZipFile("reach.pt", "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps({"a": Runs()}))
    with pytest.raises(ModelError, match="not part of a tensor"):
        read_torch_archive(tmp_path / "reach.pt")
    assert not Path("ran").exists()


def test_a_file_that_is_no_archive_is_told(tmp_path: Path) -> None:
    path = tmp_path / "RN50.pt"
    torch.save(dict(WEIGHTS), path)
    assert torch.equal(read_torch_archive(path)["text_projection"], WEIGHTS["text_projection"])  # a bare state dict
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(ModelError, match=r"RN50\.pt is not a zip file, or is cut off"):
        model_card(str(path))
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="no weights of CLIP as OpenAI names them"):
        model_card(str(path))


@pytest.mark.parametrize(
    ("part", "setting", "value"),
    [
        ("vision_cfg", "timm_model_name", "vit_base_patch16_siglip_224"),
        ("vision_cfg", "attentional_pool", True),
        ("text_cfg", "hf_model_name", "xlm-roberta-base"),
        ("text_cfg", "no_causal_mask", True),
        ("text_cfg", "pool_type", "last"),
        ("text_cfg", "act_kwargs", {"approximate": "tanh"}),
    ],
)
def test_another_architecture_is_refused(part: str, setting: str, value: object, copied: Path) -> None:
    config = json.loads((copied / "open_clip_config.json").read_text())
    config["model_cfg"][part][setting] = value
    (copied / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=rf"{part}\.{setting} = .*checkpoint for transformers"):
        model_card(str(copied))


def test_weights_that_do_not_fit_are_told(copied: Path) -> None:
    path = copied / "open_clip_model.safetensors"
    whole = load_file(path)
    for change, reason in (
        ({"visual.layer5.0.conv1.weight": torch.zeros(2)}, "has no use for layer5"),
        ({"ln_final.weight": torch.zeros(5)}, r"has another shape of text_model\.final_layer_norm\.weight"),
    ):
        save_file(whole | change, path)
        with pytest.raises(ModelError, match=reason):
            load_encoder(str(copied))
    save_file({n: w for n, w in whole.items() if "layer2.1" not in n}, path)
    with pytest.raises(ModelError, match=r"lacks layer2\.1\.bn1\.bias"):
        load_encoder(str(copied))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_what_is_missing_is_told(copied: Path, tmp_path: Path) -> None:
    write_torchscript(tmp_path / "RN50.pt", WEIGHTS)
    with pytest.raises(ModelError, match=r"RN50\.pt has no tokenizer: put those of openai/clip"):
        model_card(str(tmp_path / "RN50.pt"))
    (copied / "open_clip_model.safetensors").rename(copied / "open_clip_pytorch_model.bin")
    with pytest.raises(ModelError, match=r"open_clip_pytorch_model\.bin is a pickle, which can run code"):
        model_card(str(copied))
    (copied / "open_clip_config.json").write_text(json.dumps({"model_cfg": OPEN_CLIP | {"vision_cfg": {}}}))
    (copied / "open_clip_pytorch_model.bin").rename(copied / "open_clip_model.safetensors")
    with pytest.raises(ModelError, match="lacks sizes of the model: KeyError"):
        model_card(str(copied))
    (copied / "open_clip_config.json").unlink()
    with pytest.raises(ModelError, match="names no model_type"):
        model_card(str(copied))


def test_a_folder_of_both_kinds_is_read_as_transformers(checkpoints: Checkpoints, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoints("clip"), tmp_path / "both"))
    (folder / "open_clip_config.json").write_text("{}")
    (folder / "open_clip_model.safetensors").write_bytes(b"")
    assert model_card(str(folder)).summary.startswith("clip, ")
