"""Small segmenters with random weights, written as `transformers` writes them.

EdgeTAM's image encoder is a network of timm, which this project does not install. A pyramid of four convolutions with
the interface that `EdgeTamVisionModel` expects replaces it. Everything after it is EdgeTAM's own code.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import transformers as t
from transformers.modeling_outputs import BaseModelOutput

SIDE_PX = 64
HIDDEN = 128  # memories have 64 channels whatever the configuration says, and object pointers are split to as many
PIXELS = {
    "do_resize": True,
    "size": {"height": SIDE_PX, "width": SIDE_PX},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.48, 0.46, 0.41],
    "image_std": [0.27, 0.26, 0.28],
}
PADDED_PIXELS = PIXELS | {
    "size": {"longest_edge": SIDE_PX},
    "do_pad": True,
    "pad_size": {"height": SIDE_PX, "width": SIDE_PX},
}
PROMPTS = {"hidden_size": HIDDEN, "image_size": SIDE_PX, "patch_size": 16}
DECODER = {
    "hidden_size": HIDDEN,
    "mlp_dim": 64,
    "num_attention_heads": 2,
    "iou_head_hidden_dim": 32,
}
MEMORY = {
    "image_size": SIDE_PX,
    "memory_attention_hidden_size": HIDDEN,
    "memory_attention_num_layers": 1,
    "memory_attention_num_attention_heads": 1,
    "memory_attention_downsample_rate": 1,
    "memory_attention_feed_forward_hidden_size": 64,
    "memory_encoder_hidden_size": HIDDEN,
    "memory_encoder_output_channels": 64,
    "mask_downsampler_embed_dim": HIDDEN,
    "memory_fuser_embed_dim": HIDDEN,
    "memory_fuser_intermediate_dim": 64,
    "memory_fuser_num_layers": 1,
    "num_maskmem": 3,
}
TEXT = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 64, "projection_dim": 32, "num_hidden_layers": 1,
    "num_attention_heads": 2, "max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
}  # fmt: skip
DETR = {"hidden_size": HIDDEN, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
PYRAMID = {"fpn_hidden_size": HIDDEN, "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]]}
CHANNELS = [64, 32, 16, 8]  # the coarsest first
STILL = ("sam", "sam2", "edgetam", "sam3_tracker")
VIDEO = ("sam2_video", "edgetam_video", "sam3_tracker_video", "sam3_video")
KINDS = (*STILL, *VIDEO)


class PyramidConfig(t.PreTrainedConfig):
    model_type = "test_pyramid"


class Pyramid(t.PreTrainedModel):
    """Maps at 1/4, 1/8, 1/16 and 1/32 of the input, as timm's `features_only` gives them."""

    config_class = PyramidConfig

    def __init__(self, config: PyramidConfig) -> None:
        super().__init__(config)
        widths = [3, *CHANNELS[::-1]]
        self.stages = torch.nn.ModuleList(
            torch.nn.Conv2d(a, b, 4 if i == 0 else 2, stride=4 if i == 0 else 2)
            for i, (a, b) in enumerate(pairwise(widths))
        )
        self.post_init()

    def forward(self, pixel_values: torch.Tensor, **_: object) -> BaseModelOutput:
        maps = []
        for stage in self.stages:
            pixel_values = torch.nn.functional.gelu(stage(pixel_values))
            maps.append(pixel_values)
        return BaseModelOutput(last_hidden_state=maps)  # type: ignore[arg-type]


t.AutoConfig.register("test_pyramid", PyramidConfig)
t.AutoModel.register(PyramidConfig, Pyramid)


def _hiera() -> Any:
    backbone = t.Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[SIDE_PX, SIDE_PX],
        window_positional_embedding_background_size=[4, 4],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=CHANNELS[::-1],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 2],
        global_attention_blocks=[3],
    )
    return t.Sam2VisionConfig(backbone_config=backbone, backbone_channel_list=CHANNELS, **PYRAMID)


def _edge() -> Any:
    return t.EdgeTamVisionConfig(backbone_config=PyramidConfig(), backbone_channel_list=CHANNELS, **PYRAMID)


def _vit() -> Any:
    backbone = {
        "model_type": "sam3_vit_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE_PX,
        "patch_size": 16,
        "window_size": 2,
        "global_attn_indexes": [1],
        "pretrain_image_size": 32,
    }
    return t.Sam3VisionConfig(backbone_config=backbone, **PYRAMID)


def model_of(kind: str) -> Any:
    """A small model of that kind, in eval mode; its name is the seed of its weights."""
    torch.manual_seed(sum(kind.encode()))
    match kind:
        case "sam":
            vision = {
                "hidden_size": 32, "output_channels": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 2,
                "image_size": SIDE_PX, "patch_size": 16, "window_size": 2, "global_attn_indexes": [1], "mlp_dim": 64,
                "num_pos_feats": HIDDEN // 2,
            }  # fmt: skip
            model: Any = t.SamModel(t.SamConfig(
                vision_config=vision, prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER
            ))  # fmt: skip
        case "sam2":
            model = t.Sam2Model(t.Sam2Config(
                vision_config=_hiera(), prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER
            ))  # fmt: skip
        case "sam2_video":
            model = t.Sam2VideoModel(t.Sam2VideoConfig(
                vision_config=_hiera(), prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER, **MEMORY,
                memory_attention_rope_feat_sizes=[4, 4],
            ))  # fmt: skip
        case "edgetam":
            model = t.EdgeTamModel(t.EdgeTamConfig(
                vision_config=_edge(), prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER
            ))  # fmt: skip
        case "edgetam_video":
            model = t.EdgeTamVideoModel(t.EdgeTamVideoConfig(
                vision_config=_edge(), prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER, **MEMORY,
                memory_attention_rope_feat_sizes=[4, 4], memory_attention_rope_k_sizes=[2, 2],
                memory_attention_mlp_hidden_size=64, perceiver_resampler_num_latents=4,
                perceiver_resampler_num_latents_2d=4,
            ))  # fmt: skip
        case "sam3_tracker":
            model = t.Sam3TrackerModel(t.Sam3TrackerConfig(
                vision_config=_vit(), prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER
            ))  # fmt: skip
        case "sam3_tracker_video":
            model = t.Sam3TrackerVideoModel(t.Sam3TrackerVideoConfig(
                vision_config=_vit(), prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER, **MEMORY,
                memory_attention_rope_feat_sizes=[4, 4],
            ))  # fmt: skip
        case "sam3_video":
            detector = t.Sam3Config(
                vision_config=_vit(), text_config=TEXT, geometry_encoder_config=DETR, detr_encoder_config=DETR,
                detr_decoder_config=DETR | {"num_queries": 4}, mask_decoder_config={"hidden_size": HIDDEN,
                "num_attention_heads": 2},
            )  # fmt: skip
            model = t.Sam3VideoModel(t.Sam3VideoConfig(
                detector_config=detector, tracker_config=model_of("sam3_tracker_video").config, low_res_mask_size=16,
            ))  # fmt: skip
        case _:
            raise ValueError(kind)
    with torch.no_grad():  # initial weights are so small that pictures and prompts hardly differ
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.3 if "embed" in name or "token" in name else weight[0].numel() ** -0.5)
            elif name.endswith("pred_obj_score_head.proj_out.bias"):
                weight.fill_(9.0)  # the followed object is visible: else its mask would be empty
            elif "bias" in name:
                weight.normal_(std=0.1)
    return model.eval()


def write_checkpoint(kind: str, folder: Path) -> None:
    """Writes the model and its image settings."""
    # transformers 5.23 would write "tracker_model.tracker_model…" for sam3_video, which it cannot read again; as its
    # modules are named, the weights are called what its own renaming for Sam3TrackerModel reads
    model_of(kind).save_pretrained(folder, save_original_format=kind != "sam3_video")
    settings = PADDED_PIXELS if kind == "sam" else PIXELS
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


@dataclass
class Segmenters:
    """Folders of small checkpoints by model type, each written on first use."""

    folder: Path

    def __call__(self, kind: str) -> Path:
        place = self.folder / kind
        if not place.exists():
            write_checkpoint(kind, place)
        return place
