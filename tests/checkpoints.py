"""Small checkpoints with random weights, written as `transformers` and open_clip write them."""

import json
import string
from pathlib import Path
from typing import Any

import torch
import transformers as t
from safetensors.torch import save_file

SIDE_PX, PATCH_PX = 32, 8
LETTERS = string.ascii_lowercase
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 56,  # the 54 of write_tokenizer, padded
    "max_position_embeddings": 16,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "patch_size": PATCH_PX,
    "image_size": SIDE_PX,
    "intermediate_size": 64,
}
PIXELS = {
    "do_resize": True,
    "size": {"height": SIDE_PX, "width": SIDE_PX},
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.48, 0.46, 0.41],
    "image_std": [0.27, 0.26, 0.28],
}
KINDS = ("clip", "metaclip_2", "siglip", "siglip2", "dinov2", "dinov2_with_registers", "dinov3_vit", "ijepa")
IMAGE_TEXT = KINDS[:4]


def model_of(kind: str) -> Any:
    """A small model of that kind, in eval mode; its name is the seed of its weights."""
    torch.manual_seed(sum(kind.encode()))
    without_mlp = {k: v for k, v in VISION.items() if k != "intermediate_size"}
    naflex = {k: v for k, v in VISION.items() if k != "image_size"} | {"num_patches": (SIDE_PX // PATCH_PX) ** 2}
    match kind:
        case "clip":
            model = t.CLIPModel(t.CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=24))
        case "metaclip_2":
            model = t.MetaClip2Model(t.MetaClip2Config(vision_config=VISION, text_config=TEXT, projection_dim=24))
        case "siglip":
            model = t.SiglipModel(t.SiglipConfig(vision_config=VISION, text_config=TEXT))
        case "siglip2":
            model = t.Siglip2Model(t.Siglip2Config(vision_config=naflex, text_config=TEXT))
        case "dinov2":
            model = t.Dinov2Model(t.Dinov2Config(**without_mlp))
        case "dinov2_with_registers":
            model = t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(**without_mlp, num_register_tokens=4))
        case "dinov3_vit":
            model = t.DINOv3ViTModel(t.DINOv3ViTConfig(**VISION, num_register_tokens=4))
        case _:
            model = t.IJepaModel(t.IJepaConfig(**VISION))
    with torch.no_grad():  # initial weights are so small that pictures hardly differ
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "position" not in name:
                weight.mul_(4.0)
    return model.eval()


def write_tokenizer(folder: Path, *, extra: tuple[str, ...] = (), ends_last: bool = False) -> None:
    """Writes CLIP's tokenizer of letters and `extra` words. ends_last: its special tokens come last, as in CLIP."""
    signs = ["<|startoftext|>", "<|endoftext|>"]
    words = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), *extra]
    words = [*words, *signs] if ends_last else [*signs, *words]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))


def write_siglip2_tokenizer(folder: Path) -> None:
    """Writes SigLIP2's tokenizer of single small letters."""
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *LETTERS, *(f"▁{letter}" for letter in LETTERS[:22])]
    vocabulary = {word: i for i, word in enumerate(words)}
    t.Siglip2Tokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)


def write_checkpoint(kind: str, folder: Path) -> None:
    """Writes the model, its image settings and, for an image-text model, a tokenizer."""
    model_of(kind).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PIXELS))
    if kind == "siglip2":  # transformers reads it with its own class of tokenizer, whatever the folder says
        write_siglip2_tokenizer(folder)
    elif kind in IMAGE_TEXT:
        write_tokenizer(folder)


OPEN_CLIP = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": [1, 2, 1, 1], "width": 8, "patch_size": None},
    "text_cfg": {"context_length": 16, "vocab_size": 54, "width": 128, "heads": 2, "layers": 2},
}


def open_clip_resnet_weights() -> dict[str, torch.Tensor]:
    """Random weights of the CLIP ResNet of OPEN_CLIP, with OpenAI's names."""
    random = torch.Generator().manual_seed(5)
    weights: dict[str, torch.Tensor] = {}

    def draw(name: str, *shape: int, scale: float | None = None) -> None:
        spread = shape[-1] ** -0.5 if scale is None else scale
        weights[name] = torch.randn(shape, generator=random) * spread

    def convolution(name: str, norm: str, outputs: int, inputs: int, side: int) -> None:
        draw(f"visual.{name}.weight", outputs, inputs, side, side, scale=(2 / (inputs * side * side)) ** 0.5)
        draw(f"visual.{norm}.bias", outputs, scale=0.1)
        draw(f"visual.{norm}.running_mean", outputs, scale=0.1)
        weights[f"visual.{norm}.weight"] = 0.5 + torch.rand(outputs, generator=random)
        weights[f"visual.{norm}.running_var"] = 0.5 + torch.rand(outputs, generator=random)
        weights[f"visual.{norm}.num_batches_tracked"] = torch.tensor(7)

    convolution("conv1", "bn1", 4, 3, 3)
    convolution("conv2", "bn2", 4, 4, 3)
    convolution("conv3", "bn3", 8, 4, 3)
    inputs = 8
    for layer, blocks in enumerate((1, 2, 1, 1), 1):
        channels = 8 * 2 ** (layer - 1)
        for block in range(blocks):
            at = f"layer{layer}.{block}"
            convolution(f"{at}.conv1", f"{at}.bn1", channels, inputs, 1)
            convolution(f"{at}.conv2", f"{at}.bn2", channels, channels, 3)
            convolution(f"{at}.conv3", f"{at}.bn3", channels * 4, channels, 1)
            if block == 0:
                convolution(f"{at}.downsample.0", f"{at}.downsample.1", channels * 4, inputs, 1)
            inputs = channels * 4
    draw("visual.attnpool.positional_embedding", 5, 256, scale=1)
    for letter, outputs in (("q", 256), ("k", 256), ("v", 256), ("c", 24)):
        draw(f"visual.attnpool.{letter}_proj.weight", outputs, 256)
        draw(f"visual.attnpool.{letter}_proj.bias", outputs, scale=0.1)
    draw("token_embedding.weight", 54, 128, scale=1)
    draw("positional_embedding", 16, 128, scale=1)
    for block in range(2):
        at = f"transformer.resblocks.{block}"
        for name, outputs, width in (
            ("attn.in_proj_", 384, 128),
            ("attn.out_proj.", 128, 128),
            ("mlp.c_fc.", 512, 128),
            ("mlp.c_proj.", 128, 512),
        ):
            draw(f"{at}.{name}weight", outputs, width)
            draw(f"{at}.{name}bias", outputs, scale=0.1)
        for name in ("ln_1", "ln_2"):
            draw(f"{at}.{name}.weight", 128, scale=1)
            draw(f"{at}.{name}.bias", 128, scale=0.1)
    draw("ln_final.weight", 128, scale=1)
    draw("ln_final.bias", 128, scale=0.1)
    draw("text_projection", 128, 24, scale=128**-0.5)
    weights["logit_scale"] = torch.tensor(2.7)
    return weights


def write_open_clip(folder: Path, *, config: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
    """Writes a folder as open_clip does, with a config.json of timm, which does not describe the checkpoint."""
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "open_clip_model.safetensors")
    pixels = {"mean": PIXELS["image_mean"], "std": PIXELS["image_std"], "interpolation": "bicubic"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": pixels}))
    (folder / "config.json").write_text(json.dumps({"architecture": "resnet50_clip", "num_classes": 0}))
    write_tokenizer(folder, ends_last=True)


class Checkpoints:
    """Folders of small checkpoints by model type, each written on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, kind: str) -> Path:
        folder = self._folder / kind
        if not folder.exists():
            if kind == "open_clip_resnet":
                write_open_clip(folder, config=OPEN_CLIP, weights=open_clip_resnet_weights())
            else:
                write_checkpoint(kind, folder)
        return folder
