"""Encoders' checkpoints in the shapes of the real ones, with random weights."""

import json
from pathlib import Path

import torch
import transformers as t

from operators.encoders.checkpoint.clip_resnet import ClipResNet
from tests.checkpoints import (
    OPEN_CLIP,
    PIXELS,
    TEXT,
    open_clip_resnet_weights,
    write_open_clip,
    write_siglip2_tokenizer,
    write_tokenizer,
)

SMALL_TEXT = TEXT | {"hidden_size": 64, "num_hidden_layers": 1}  # no text is encoded here
BASE = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "image_size": 224}


def clip_b32(folder: Path, layers: int) -> None:
    vision = BASE | {"patch_size": 32, "num_hidden_layers": layers}
    t.CLIPModel(t.CLIPConfig(vision_config=vision, text_config=SMALL_TEXT, projection_dim=512)).save_pretrained(folder)
    write_tokenizer(folder)
    _write_pixels(folder)


def clip_rn50(folder: Path, _layers: int) -> None:
    """A ResNet in the layout of open_clip."""
    sizes = {"layers": [3, 4, 6, 3], "width": 64, "image_size": 224}
    tower = ClipResNet(blocks=sizes["layers"], width=64, heads=32, side_px=224, dimension=1024)
    torch.nn.init.normal_(tower.attnpool.positional_embedding)
    texts = {name: weight for name, weight in open_clip_resnet_weights().items() if not name.startswith("visual.")}
    texts["text_projection"] = torch.randn(OPEN_CLIP["text_cfg"]["width"], 1024)
    weights = texts | {f"visual.{name}": weight for name, weight in tower.state_dict().items()}
    config = OPEN_CLIP | {"embed_dim": 1024, "vision_cfg": OPEN_CLIP["vision_cfg"] | sizes}
    write_open_clip(folder, config=config, weights=weights)


def metaclip2_b32(folder: Path, layers: int) -> None:
    vision = BASE | {"patch_size": 32, "num_hidden_layers": layers}
    config = t.MetaClip2Config(vision_config=vision, text_config=SMALL_TEXT, projection_dim=512)
    t.MetaClip2Model(config).save_pretrained(folder)
    write_tokenizer(folder)
    _write_pixels(folder)


def siglip_b16(folder: Path, layers: int) -> None:
    """SigLIP, which is also the architecture of SigLIP2 of a fixed size."""
    vision = BASE | {"patch_size": 16, "num_hidden_layers": layers}
    t.SiglipModel(t.SiglipConfig(vision_config=vision, text_config=SMALL_TEXT)).save_pretrained(folder)
    write_tokenizer(folder)
    _write_pixels(folder)


def siglip2_naflex(folder: Path, layers: int) -> None:
    sizes = {name: value for name, value in BASE.items() if name != "image_size"}
    vision = sizes | {"patch_size": 16, "num_patches": 256, "num_hidden_layers": layers}
    t.Siglip2Model(t.Siglip2Config(vision_config=vision, text_config=SMALL_TEXT)).save_pretrained(folder)
    write_siglip2_tokenizer(folder)
    _write_pixels(folder)


def dinov2_s14(folder: Path, layers: int) -> None:
    small = {"hidden_size": 384, "num_attention_heads": 6, "image_size": 224, "patch_size": 14}
    t.Dinov2Model(t.Dinov2Config(**small, num_hidden_layers=layers)).save_pretrained(folder)
    _write_pixels(folder)


def dinov3_s16(folder: Path, layers: int) -> None:
    small = {"hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 6, "image_size": 224}
    config = t.DINOv3ViTConfig(**small, patch_size=16, num_register_tokens=4, num_hidden_layers=layers)
    t.DINOv3ViTModel(config).save_pretrained(folder)
    _write_pixels(folder)


def ijepa_h14(folder: Path, layers: int) -> None:
    """The real model has 32 layers; this one has the given number."""
    huge = {"hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 16, "image_size": 224}
    t.IJepaModel(t.IJepaConfig(**huge, patch_size=14, num_hidden_layers=layers)).save_pretrained(folder)
    _write_pixels(folder)


def _write_pixels(folder: Path) -> None:
    settings = PIXELS | {"size": {"height": 224, "width": 224}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
