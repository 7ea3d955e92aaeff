"""Compares the table of known checkpoints with the architectures it names, to catch mistyped figures.

Each model is made on torch's meta device, which has shapes but no values, from `transformers`' defaults and the
sizes in its paper.
"""

import pytest
import torch
import transformers as t

from operators.encoders.checkpoint.clip_resnet import CELL_PX, ClipResNet
from operators.encoders.checkpoint.loading import FAMILIES
from operators.encoders.known_checkpoints import KNOWN_CHECKPOINTS, KnownCheckpoint

BY_NAME = {known.name: known for known in KNOWN_CHECKPOINTS}
B, L, SO, H = (768, 12, 12, 3072), (1024, 24, 16, 4096), (1152, 27, 16, 4304), (1280, 32, 16, 5120)


def sizes(of: tuple[int, int, int, int], **others: object) -> dict[str, object]:
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    return dict(zip(names, of, strict=True)) | others


def counted(known: KnownCheckpoint, model: torch.nn.Module) -> None:
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(known.parameters_m, abs=0.051)


def test_names_are_those_of_the_hub_and_unique() -> None:
    assert len(BY_NAME) == len(KNOWN_CHECKPOINTS)
    assert all(name.count("/") == 1 for name in BY_NAME)
    assert all(("text" in known.abilities) == ("CLIP" in known.summary or "SigLIP" in known.summary)
               for known in KNOWN_CHECKPOINTS)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("timm/vit_base_patch32_clip_224.openai", (512, 12, 8, 2048)),
        ("timm/vit_base_patch16_clip_224.openai", (512, 12, 8, 2048)),
        ("openai/clip-vit-large-patch14", B),
        ("timm/vit_large_patch14_clip_336.openai", B),
        ("facebook/metaclip-2-worldwide-huge-quickgelu", (1024, 24, 16, 4096)),
        ("facebook/metaclip-2-worldwide-huge-378", (1024, 24, 16, 4096)),
    ],
)
def test_vits_of_clip(name: str, text: tuple[int, int, int, int]) -> None:
    known = BY_NAME[name]
    second = "metaclip-2" in name
    vision = sizes(
        H if second else L if "L/14" in known.summary else B, patch_size=known.patch_px, image_size=known.input_px
    )
    config_of, model_of = (t.MetaClip2Config, t.MetaClip2Model) if second else (t.CLIPConfig, t.CLIPModel)
    vocabulary = 901629 if second else t.CLIPTextConfig().vocab_size
    config = config_of(
        vision_config=vision, text_config=sizes(text, vocab_size=vocabulary), projection_dim=known.dimension
    )
    if "B/32" in known.summary:  # transformers' defaults are this model's
        vision_of = t.CLIPConfig().vision_config
        assert (known.dimension, known.patch_px, known.input_px) == (
            t.CLIPConfig().projection_dim, vision_of.patch_size, vision_of.image_size
        )  # fmt: skip
    with torch.device("meta"):
        counted(known, model_of(config))


@pytest.mark.parametrize(
    ("name", "blocks", "width"),
    [
        ("timm/resnet50_clip.openai", (3, 4, 6, 3), 64),
        ("timm/resnet101_clip.openai", (3, 4, 23, 3), 64),
        ("timm/resnet50x4_clip.openai", (4, 6, 10, 6), 80),
        ("timm/resnet50x16_clip.openai", (6, 8, 18, 8), 96),
        ("timm/resnet50x64_clip.openai", (3, 15, 36, 10), 128),
    ],
)
def test_resnets_of_clip(name: str, blocks: tuple[int, ...], width: int) -> None:
    known = BY_NAME[name]
    assert known.patch_px == CELL_PX
    text_width = {80: 640, 96: 768, 128: 1024}.get(width, 512)
    with torch.device("meta"):
        tower = ClipResNet(
            blocks=blocks, width=width, heads=width // 2, side_px=known.input_px, dimension=known.dimension
        )
        text = t.CLIPTextModelWithProjection(
            t.CLIPTextConfig(
                **sizes((text_width, 12, text_width // 64, text_width * 4), projection_dim=known.dimension)
            )
        )
    scale = torch.nn.ParameterList([torch.zeros(())])  # the temperature of its loss
    counted(known, torch.nn.ModuleList([tower, text, scale]))


@pytest.mark.parametrize("known", [known for known in KNOWN_CHECKPOINTS if "SigLIP" in known.summary], ids=str)
def test_siglip(known: KnownCheckpoint) -> None:
    of = {768: B, 1024: L, 1152: SO}[known.dimension]
    text = sizes(of, vocab_size=256000 if "SigLIP2" in known.summary else t.SiglipTextConfig().vocab_size)
    with torch.device("meta"):
        if "NaFlex" in known.summary:
            patches = t.Siglip2VisionConfig().num_patches
            assert patches * known.patch_px**2 == known.input_px**2
            vision = sizes(of, patch_size=known.patch_px, num_patches=patches)
            counted(known, t.Siglip2Model(t.Siglip2Config(vision_config=vision, text_config=text)))
        else:
            vision = sizes(of, patch_size=known.patch_px, image_size=known.input_px)
            counted(known, t.SiglipModel(t.SiglipConfig(vision_config=vision, text_config=text)))


@pytest.mark.parametrize("known", [known for known in KNOWN_CHECKPOINTS if "text" not in known.abilities], ids=str)
def test_models_of_pictures(known: KnownCheckpoint) -> None:
    layers, heads = {384: (12, 6), 768: (12, 12), 1024: (24, 16), 1280: (32, 16), 1536: (40, 24), 4096: (40, 32)}[
        known.dimension
    ]
    own = {"hidden_size": known.dimension, "num_hidden_layers": layers, "num_attention_heads": heads}
    with torch.device("meta"):
        if "DINOv2" in known.summary:
            # trained at 518 px last, its processor makes 224
            others = {"image_size": 518, "patch_size": known.patch_px, "use_swiglu_ffn": known.dimension == 1536}
            model_of, config_of = t.Dinov2Model, t.Dinov2Config
            if "registers" in known.summary:
                model_of, config_of = t.Dinov2WithRegistersModel, t.Dinov2WithRegistersConfig
            counted(known, model_of(config_of(**own, **others)))
        elif "DINOv3" in known.summary:
            largest = known.dimension == 4096
            others = {"use_gated_mlp": largest, "query_bias": not largest, "value_bias": not largest}
            wide = known.dimension * (2 if largest else 4)
            config = t.DINOv3ViTConfig(**own, **others, intermediate_size=wide, num_register_tokens=4)
            assert (config.patch_size, config.image_size) == (known.patch_px, known.input_px)
            counted(known, t.DINOv3ViTModel(config))
        else:
            sides = {"patch_size": known.patch_px, "image_size": known.input_px}
            counted(known, t.IJepaModel(t.IJepaConfig(**own, **sides, intermediate_size=known.dimension * 4)))


def test_every_family_is_named() -> None:
    said = " ".join(known.summary for known in KNOWN_CHECKPOINTS)
    for family in (
        "CLIP ViT",
        "CLIP RN",
        "MetaCLIP 2",
        "SigLIP ",
        "SigLIP2",
        "NaFlex",
        "DINOv2",
        "registers",
        "DINOv3",
        "I-JEPA",
    ):
        assert family in said
    assert len(FAMILIES) == 8
