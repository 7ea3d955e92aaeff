"""CLIP models whose weights have OpenAI's names: folders of open_clip, and OpenAI's own `.pt` files.

The text tower is that of `transformers`, and so is a ViT as image tower: only the names of the weights differ. ResNets
are in `clip_resnet.py`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from operators.encoders.checkpoint.clip_resnet import CELL_PX, ClipResNet
from operators.encoders.checkpoint.torch_archive import read_torch_archive
from schemas.errors import ModelError

_HEAD_WIDTH = 64  # OpenAI's rule for every attention
OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
_PILLOW_FILTERS = {"bilinear": 2, "bicubic": 3}

# The keys of sizes. Any other key may mean another architecture, even one whose weights have the same names and shapes.
_SIZES = {
    "vision_cfg": {"image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio"},
    "text_cfg": {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio", "hf_tokenizer_name"},
}
_USUAL = {"pool_type": ("tok", "argmax"), "pos_embed_type": ("learnable",), "proj_type": ("linear",)}

Weights = dict[str, torch.Tensor]
_Model = TypeVar("_Model", bound=torch.nn.Module)


@dataclass(frozen=True, slots=True)
class OpenClipConfig:
    """Sizes of a CLIP model.

    dimension: D of the vectors. side_px: side of the input. width: channels of the image tower, for a ResNet after the
        stem. blocks: number of blocks in each layer of a ResNet, or in the whole ViT. patch_px: None for a ResNet.
    """

    dimension: int
    side_px: int
    width: int
    blocks: tuple[int, ...]
    patch_px: int | None
    mlp_width: int
    heads: int
    text_width: int
    text_mlp_width: int
    text_heads: int
    text_blocks: int
    context: int
    vocabulary: int
    quick_gelu: bool

    @property
    def cell_px(self) -> int:
        return self.patch_px or CELL_PX

    @classmethod
    def of_file(cls, path: Path) -> "OpenClipConfig":
        """Reads an `open_clip_config.json`. Raises ModelError for an architecture that is not OpenAI's."""
        try:
            model = json.loads(path.read_text())["model_cfg"]
            vision, text = model["vision_cfg"], model["text_cfg"]
            for part, sizes in _SIZES.items():
                _require_usual(path, part, {k: v for k, v in model[part].items() if k not in sizes})
            layers, width, text_width = vision["layers"], int(vision["width"]), int(text["width"])
            resnet = isinstance(layers, list)
            head_width = int(vision.get("head_width", _HEAD_WIDTH))
            return cls(
                dimension=int(model["embed_dim"]),
                side_px=int(vision["image_size"]),
                width=width,
                blocks=tuple(int(n) for n in layers) if resnet else (int(layers),),
                patch_px=None if resnet else int(vision["patch_size"]),
                mlp_width=int(width * vision.get("mlp_ratio", 4.0)),
                heads=(width * 32 if resnet else width) // head_width,
                text_width=text_width,
                text_mlp_width=int(text_width * text.get("mlp_ratio", 4.0)),
                text_heads=int(text["heads"]),
                text_blocks=int(text["layers"]),
                context=int(text.get("context_length", 77)),
                vocabulary=int(text.get("vocab_size", 49408)),
                quick_gelu=bool(model.get("quick_gelu", False)),
            )
        except (KeyError, TypeError, ValueError, OSError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"{path} lacks sizes of the model: {error!r}") from error

    @classmethod
    def of_weights(cls, weights: Mapping[str, torch.Tensor]) -> "OpenClipConfig":
        """Derives the sizes from the shapes of OpenAI's own weights; these models all have heads of 64 and quick GELUs.

        Raises ModelError if the weights are not CLIP's.
        """
        try:
            text_width = len(weights["ln_final.weight"])
            vit = "visual.proj" in weights
            positions = weights["visual.positional_embedding" if vit else "visual.attnpool.positional_embedding"]
            side = round((len(positions) - 1) ** 0.5)
            first = weights["visual.conv1.weight"]
            width = first.shape[0] if vit else weights["visual.layer1.0.conv1.weight"].shape[0]
            blocks = (
                (_count(weights, r"visual\.transformer\.resblocks\.(\d+)\."),)
                if vit
                else tuple(_count(weights, rf"visual\.layer{n}\.(\d+)\.") for n in (1, 2, 3, 4))
            )
            return cls(
                dimension=weights["text_projection"].shape[1],
                side_px=side * (first.shape[2] if vit else CELL_PX),
                width=width,
                blocks=blocks,
                patch_px=first.shape[2] if vit else None,
                mlp_width=width * 4,
                heads=(width if vit else width * 32) // _HEAD_WIDTH,
                text_width=text_width,
                text_mlp_width=text_width * 4,
                text_heads=text_width // _HEAD_WIDTH,
                text_blocks=_count(weights, r"transformer\.resblocks\.(\d+)\."),
                context=weights["positional_embedding"].shape[0],
                vocabulary=weights["token_embedding.weight"].shape[0],
                quick_gelu=True,
            )
        except (KeyError, IndexError) as error:
            raise ModelError(f"these are no weights of CLIP as OpenAI names them: no {error}") from error


def read_weights(path: Path) -> Weights:
    """Weights by OpenAI's names, only those that vectors depend on. A safetensors file is memory-mapped."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        weights = load_file(path)
    else:
        weights = read_torch_archive(path)
    unused = ("logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size")
    # a text tower in a module of its own has the prefix
    named = {name.removeprefix("text."): weight for name, weight in weights.items()}
    return {name: w for name, w in named.items() if name not in unused and not name.endswith("attn_mask")}


def image_settings(config_path: Path | None) -> dict[str, Any]:
    """Settings of an image processor as `transformers` names them. config_path: open_clip's; None for OpenAI's own."""
    stated = json.loads(config_path.read_text()).get("preprocess_cfg", {}) if config_path else {}
    return {
        "resample": _PILLOW_FILTERS.get(stated.get("interpolation", "bicubic"), stated.get("interpolation")),
        "image_mean": list(stated.get("mean", OPENAI_MEAN)),
        "image_std": list(stated.get("std", OPENAI_STD)),
    }


def build_vit(config: OpenClipConfig, weights: Weights) -> Any:
    """A `transformers.CLIPModel` that uses these tensors without a copy. Raises ModelError if they do not fit."""
    import transformers

    vision = {
        "hidden_size": config.width,
        "intermediate_size": config.mlp_width,
        "num_hidden_layers": config.blocks[0],
        "num_attention_heads": config.heads,
        "image_size": config.side_px,
        "patch_size": config.patch_px,
        "hidden_act": _activation(config),
    }
    whole = transformers.CLIPConfig(
        vision_config=vision, text_config=_text_config(config).to_dict(), projection_dim=config.dimension
    )
    with torch.device("meta"):
        model = transformers.CLIPModel(whole)
    named = _as_transformers(weights)
    named["logit_scale"] = torch.zeros(())
    return _filled(model, named)


def build_resnet(config: OpenClipConfig, weights: Weights) -> tuple[ClipResNet, Any]:
    """The image tower and a `transformers.CLIPTextModelWithProjection`, which use these tensors without a copy.

    Raises ModelError if they do not fit.
    """
    import transformers

    with torch.device("meta"):
        tower = ClipResNet(
            blocks=config.blocks,
            width=config.width,
            heads=config.heads,
            side_px=config.side_px,
            dimension=config.dimension,
        )
        texts = transformers.CLIPTextModelWithProjection(_text_config(config))
    visual = {n.removeprefix("visual."): w for n, w in weights.items() if n.startswith("visual.")}
    rest = {n: w for n, w in weights.items() if not n.startswith("visual.")}
    for name in tower.state_dict():
        if name.endswith("num_batches_tracked"):  # a counter of training, which some converters omit
            visual.setdefault(name, torch.zeros((), dtype=torch.int64))
    return _filled(tower, visual), _filled(texts, _as_transformers(rest))


def _text_config(config: OpenClipConfig) -> Any:
    import transformers

    return transformers.CLIPTextConfig(
        hidden_size=config.text_width,
        intermediate_size=config.text_mlp_width,
        num_hidden_layers=config.text_blocks,
        num_attention_heads=config.text_heads,
        max_position_embeddings=config.context,
        vocab_size=config.vocabulary,
        projection_dim=config.dimension,
        hidden_act=_activation(config),
        # the highest token ends a text, as in OpenAI's argmax
        bos_token_id=config.vocabulary - 2,
        eos_token_id=config.vocabulary - 1,
        pad_token_id=config.vocabulary - 1,
    )


def _activation(config: OpenClipConfig) -> str:
    return "quick_gelu" if config.quick_gelu else "gelu"


_NAMES = (
    (r"^visual\.class_embedding$", "vision_model.embeddings.class_embedding"),
    (r"^visual\.conv1\.", "vision_model.embeddings.patch_embedding."),
    (r"^visual\.positional_embedding$", "vision_model.embeddings.position_embedding.weight"),
    (r"^visual\.ln_pre\.", "vision_model.pre_layrnorm."),
    (r"^visual\.ln_post\.", "vision_model.post_layernorm."),
    (r"^visual\.proj$", "visual_projection.weight"),
    (r"^visual\.transformer\.resblocks\.", "vision_model.encoder.layers."),
    (r"^transformer\.resblocks\.", "text_model.encoder.layers."),
    (r"^token_embedding\.", "text_model.embeddings.token_embedding."),
    (r"^positional_embedding$", "text_model.embeddings.position_embedding.weight"),
    (r"^ln_final\.", "text_model.final_layer_norm."),
    (r"^text_projection$", "text_projection.weight"),
    (r"\.attn\.", ".self_attn."),
    (r"\.ln_1\.", ".layer_norm1."),
    (r"\.ln_2\.", ".layer_norm2."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)


def _as_transformers(weights: Mapping[str, torch.Tensor]) -> Weights:
    named: Weights = {}
    for name, weight in weights.items():
        other = name
        for pattern, replacement in _NAMES:
            other = re.sub(pattern, replacement, other)
        if ".self_attn.in_proj_" in other:
            for letter, part in zip("qkv", weight.chunk(3), strict=True):
                named[other.replace("in_proj_", f"{letter}_proj.")] = part
        elif name in ("visual.proj", "text_projection"):  # OpenAI multiplies by these from the right
            named[other] = weight.T.contiguous()
        else:
            named[other] = weight
    return named


def _filled(model: _Model, weights: Weights) -> _Model:
    """The model with these tensors as its weights, without a copy. Raises ModelError if they do not fit."""
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    for reason, names in (
        ("lacks", wanted.keys() - weights.keys()),
        ("has no use for", weights.keys() - wanted.keys()),
        ("has another shape of", {n for n in wanted.keys() & weights.keys() if wanted[n] != weights[n].shape}),
    ):
        if names:
            raise ModelError(
                f"the weights do not fit the configuration: it {reason} {', '.join(sorted(names)[:3])}"
                f"{' …' if len(names) > 3 else ''}; another architecture loads from a checkpoint of transformers"
            )
    model.load_state_dict(weights, assign=True)
    for module in model.modules():  # buffers that no file holds, empty on the meta device
        if isinstance(empty := getattr(module, "position_ids", None), torch.Tensor):
            module.position_ids = torch.arange(empty.shape[-1])[None]
    return model.requires_grad_(False).eval()


def _require_usual(path: Path, part: str, settings: Mapping[str, object]) -> None:
    for key, value in settings.items():
        if value and value not in _USUAL.get(key, ()):
            raise ModelError(
                f"{path}: {part}.{key} = {value!r} is no CLIP of OpenAI's kind; load the same model from its "
                "checkpoint for transformers, if it has one (regionlake models lists some)"
            )


def _count(weights: Mapping[str, torch.Tensor], pattern: str) -> int:
    found = {match[1] for name in weights if (match := re.match(pattern, name))}
    return len(found)
