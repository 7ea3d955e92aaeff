"""Well-known checkpoints that load by their hub id. None is shipped: each is fetched from the hub or is in a folder.

Any other checkpoint of the same families loads as well. Dimensions, sizes and counts are those of the published
configurations. Licences are as their makers state them; the licence that comes with the files is the valid one.
"""

from dataclasses import dataclass

from operators.encoders.card import Ability

_WORDS: tuple[Ability, ...] = ("text", "image", "dense")
_PICTURES: tuple[Ability, ...] = ("image", "dense")


@dataclass(frozen=True, slots=True)
class KnownCheckpoint:
    """name: the value of `--model`, its id on the hub. summary: family and size. dimension: length of a vector.

    input_px, patch_px: side of an encoded crop, and of the part of it that one cell of a feature map covers.
    parameters_m: millions of parameters, text and image towers together. licence: as stated on its page.
    """

    name: str
    summary: str
    dimension: int
    input_px: int
    patch_px: int
    parameters_m: float
    licence: str
    abilities: tuple[Ability, ...] = _WORDS

    @property
    def memory_gb(self) -> float:
        """Memory of the weights on a CPU, in float32; a GPU needs half as much, in bfloat16."""
        return self.parameters_m * 4 / 1000


# OpenAI's own repositories hold some of these as pickles; timm converted the same weights to safetensors
_CLIP = (
    KnownCheckpoint("timm/vit_base_patch32_clip_224.openai", "CLIP ViT-B/32", 512, 224, 32, 151.3, "MIT"),
    KnownCheckpoint("timm/vit_base_patch16_clip_224.openai", "CLIP ViT-B/16", 512, 224, 16, 149.6, "MIT"),
    KnownCheckpoint("openai/clip-vit-large-patch14", "CLIP ViT-L/14", 768, 224, 14, 427.6, "MIT"),
    KnownCheckpoint("timm/vit_large_patch14_clip_336.openai", "CLIP ViT-L/14 at 336", 768, 336, 14, 427.9, "MIT"),
    KnownCheckpoint("timm/resnet50_clip.openai", "CLIP RN50", 1024, 224, 32, 102.0, "MIT"),
    KnownCheckpoint("timm/resnet101_clip.openai", "CLIP RN101", 512, 224, 32, 119.7, "MIT"),
    KnownCheckpoint("timm/resnet50x4_clip.openai", "CLIP RN50x4", 640, 288, 32, 178.3, "MIT"),
    KnownCheckpoint("timm/resnet50x16_clip.openai", "CLIP RN50x16", 768, 384, 32, 291.0, "MIT"),
    KnownCheckpoint("timm/resnet50x64_clip.openai", "CLIP RN50x64", 1024, 448, 32, 623.3, "MIT"),
)
_METACLIP_2 = (
    KnownCheckpoint(
        "facebook/metaclip-2-worldwide-huge-quickgelu", "MetaCLIP 2 ViT-H/14", 1024, 224, 14, 1858.8, "CC-BY-NC-4.0"
    ),
    KnownCheckpoint(
        "facebook/metaclip-2-worldwide-huge-378", "MetaCLIP 2 ViT-H/14 at 378", 1024, 378, 14, 1859.4, "CC-BY-NC-4.0"
    ),
)
_SIGLIP = (
    KnownCheckpoint("google/siglip-base-patch16-224", "SigLIP B/16", 768, 224, 16, 203.2, "Apache-2.0"),
    KnownCheckpoint("google/siglip-so400m-patch14-384", "SigLIP So400m/14", 1152, 384, 14, 878.0, "Apache-2.0"),
    KnownCheckpoint("google/siglip2-base-patch16-224", "SigLIP2 B/16", 768, 224, 16, 375.2, "Apache-2.0"),
    KnownCheckpoint("google/siglip2-large-patch16-256", "SigLIP2 L/16", 1024, 256, 16, 881.5, "Apache-2.0"),
    KnownCheckpoint("google/siglip2-so400m-patch14-224", "SigLIP2 So400m/14", 1152, 224, 14, 1135.5, "Apache-2.0"),
    KnownCheckpoint("google/siglip2-so400m-patch14-384", "SigLIP2 So400m/14", 1152, 384, 14, 1136.0, "Apache-2.0"),
    KnownCheckpoint("google/siglip2-base-patch16-naflex", "SigLIP2 B/16 NaFlex", 768, 256, 16, 375.2, "Apache-2.0"),
    KnownCheckpoint(
        "google/siglip2-so400m-patch16-naflex", "SigLIP2 So400m/16 NaFlex", 1152, 256, 16, 1135.7, "Apache-2.0"
    ),
)
_DINO_V2 = tuple(
    KnownCheckpoint(
        f"facebook/dinov2-{registers}{size}",
        f"DINOv2 ViT-{letter}/14{' with registers' if registers else ''}",
        dimension,
        224,
        14,
        parameters_m,
        "Apache-2.0",
        _PICTURES,
    )
    for registers in ("", "with-registers-")
    for size, letter, dimension, parameters_m in (
        ("small", "S", 384, 22.1),
        ("base", "B", 768, 86.6),
        ("large", "L", 1024, 304.4),
        ("giant", "g", 1536, 1136.5),
    )
)
_DINO_V3 = tuple(
    KnownCheckpoint(
        f"facebook/dinov3-vit{size}16-pretrain-lvd1689m",
        f"DINOv3 ViT-{letter}/16",
        dimension,
        224,
        16,
        parameters_m,
        "DINOv3 License",
        _PICTURES,
    )
    for size, letter, dimension, parameters_m in (
        ("s", "S", 384, 21.6),
        ("b", "B", 768, 85.7),
        ("l", "L", 1024, 303.1),
        ("7b", "7B", 4096, 6716.0),
    )
)
_IJEPA = (
    KnownCheckpoint("facebook/ijepa_vith14_1k", "I-JEPA ViT-H/14", 1280, 224, 14, 630.8, "CC-BY-NC-4.0", _PICTURES),
)
KNOWN_CHECKPOINTS: tuple[KnownCheckpoint, ...] = (*_CLIP, *_METACLIP_2, *_SIGLIP, *_DINO_V2, *_DINO_V3, *_IJEPA)
