"""Small checkpoints with random weights, written as `transformers` writes them."""

import json
import string
from pathlib import Path
from typing import Any

import torch
import transformers as t

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
    """A small model of that kind, in eval mode; its weights are drawn from its name."""
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
    with torch.no_grad():  # fresh weights are so small that pictures hardly differ
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "position" not in name:
                weight.mul_(4.0)
    return model.eval()


def write_tokenizer(folder: Path, *, extra: tuple[str, ...] = ()) -> None:
    """CLIP's tokenizer over single letters, and over `extra` words."""
    words = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS), *extra]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))


def write_siglip2_tokenizer(folder: Path) -> None:
    """SigLIP2's tokenizer over single small letters."""
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *LETTERS, *(f"▁{letter}" for letter in LETTERS[:22])]
    vocabulary = {word: i for i, word in enumerate(words)}
    t.Siglip2Tokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)


def write_checkpoint(kind: str, folder: Path) -> None:
    """Model, image settings and, for an image-text model, a tokenizer."""
    model_of(kind).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PIXELS))
    if kind == "siglip2":  # which transformers reads with a tokenizer of its own, whatever the folder says
        write_siglip2_tokenizer(folder)
    elif kind in IMAGE_TEXT:
        write_tokenizer(folder)


class Checkpoints:
    """Folders of small checkpoints by model type, each written on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, kind: str) -> Path:
        folder = self._folder / kind
        if not folder.exists():
            write_checkpoint(kind, folder)
        return folder
