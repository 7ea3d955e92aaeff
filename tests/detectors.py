"""Small detectors with random weights, of fixed classes and of an open vocabulary, written as `transformers` writes
them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as t

from schemas.regions import Proposals
from tests.checkpoints import LETTERS

SIDE_PX = 64
CLASSES = ("person", "car", "dog", "traffic light", "kite")
FIXED = ("rt_detr", "rt_detr_v2", "d_fine", "rf_detr", "detr", "conditional_detr", "deformable_detr")
OPEN = ("grounding-dino", "mm-grounding-dino", "owlv2", "owlvit", "omdet-turbo")

_IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
_SCALED = {"do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "resample": 2}
SQUARE = _SCALED | {"do_normalize": False, "do_pad": False, "size": {"height": SIDE_PX, "width": SIDE_PX}}
KEEPS_SHAPE = (
    _SCALED
    | _IMAGENET
    | {
        "do_normalize": True,
        "do_pad": True,
        "size": {"shortest_edge": SIDE_PX, "longest_edge": 2 * SIDE_PX},
    }
)
CLIP_PIXELS = _SCALED | {
    "do_normalize": True,
    "image_mean": [0.48, 0.46, 0.41],
    "image_std": [0.27, 0.26, 0.28],
    "size": {"height": SIDE_PX, "width": SIDE_PX},
}
PIXELS: dict[str, dict[str, Any]] = {
    "rt_detr": SQUARE | {"image_processor_type": "RTDetrImageProcessor"},
    "rt_detr_v2": SQUARE | {"image_processor_type": "RTDetrImageProcessor"},
    "d_fine": SQUARE | {"image_processor_type": "RTDetrImageProcessor"},
    "rf_detr": SQUARE | _IMAGENET | {"do_normalize": True, "image_processor_type": "RfDetrImageProcessor"},
    "detr": KEEPS_SHAPE | {"image_processor_type": "DetrImageProcessor"},
    "conditional_detr": KEEPS_SHAPE | {"image_processor_type": "ConditionalDetrImageProcessor"},
    "deformable_detr": KEEPS_SHAPE | {"image_processor_type": "DeformableDetrImageProcessor"},
    "grounding-dino": KEEPS_SHAPE | {"image_processor_type": "GroundingDinoImageProcessor"},
    "mm-grounding-dino": KEEPS_SHAPE | {"image_processor_type": "GroundingDinoImageProcessor"},
    "omdet-turbo": SQUARE | _IMAGENET | {"do_normalize": True, "image_processor_type": "DetrImageProcessor"},
    "owlv2": CLIP_PIXELS | {"do_pad": True, "image_processor_type": "Owlv2ImageProcessor"},
    "owlvit": CLIP_PIXELS | {"resample": 3, "do_center_crop": False, "image_processor_type": "OwlViTImageProcessor"},
}

_RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 1, 1], "layer_type": "basic"}
_HYBRID = {
    "encoder_hidden_dim": 32,
    "encoder_in_channels": [16, 16, 32],
    "encoder_ffn_dim": 32,
    "encoder_attention_heads": 4,
    "d_model": 32,
    "num_queries": 20,
    "decoder_in_channels": [32, 32, 32],
    "decoder_ffn_dim": 32,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
}
_SWIN = {
    "image_size": SIDE_PX,
    "embed_dim": 8,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 2, 2, 2],
    "window_size": 4,
    "out_indices": [2, 3, 4],
}
_PLAIN = {
    "d_model": 32,
    "num_queries": 20,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
}
_CLIP_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 64,
    "max_position_embeddings": 16,
    "bos_token_id": 62,
    "eos_token_id": 63,
    "pad_token_id": 0,
}
_BERT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 1100,
    "max_position_embeddings": 128,
}
_OWL_VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "patch_size": 8,
    "image_size": SIDE_PX,
}


def _labels() -> dict[str, dict[int, str]]:
    return {"id2label": dict(enumerate(CLASSES))}


def _dino_swin() -> Any:
    return t.SwinConfig(**_SWIN)


def model_of(kind: str) -> Any:
    """A small model of that kind, in eval mode; its name is the seed of its weights."""
    torch.manual_seed(sum(kind.encode()))
    plain_resnet = {"backbone_config": t.ResNetConfig(**_RESNET, out_features=["stage4"])}
    match kind:
        case "rt_detr":
            backbone = t.RTDetrResNetConfig(**_RESNET, out_indices=[2, 3, 4])
            model = t.RTDetrForObjectDetection(t.RTDetrConfig(backbone_config=backbone, **_HYBRID, **_labels()))
        case "rt_detr_v2":
            backbone = t.RTDetrResNetConfig(**_RESNET, out_indices=[2, 3, 4])
            model = t.RTDetrV2ForObjectDetection(t.RTDetrV2Config(backbone_config=backbone, **_HYBRID, **_labels()))
        case "d_fine":
            stages = {
                "stage_in_channels": [8, 8, 16, 16],
                "stage_mid_channels": [4, 4, 8, 8],
                "stage_out_channels": [8, 16, 16, 32],
                "stage_num_blocks": [1, 1, 1, 1],
                "stage_numb_of_layers": [1, 1, 1, 1],
                "stem_channels": [3, 8, 8],
                "hidden_sizes": [8, 16, 16, 32],
            }
            backbone = t.HGNetV2Config(**stages, out_indices=[2, 3, 4])
            model = t.DFineForObjectDetection(t.DFineConfig(backbone_config=backbone, **_HYBRID, **_labels()))
        case "rf_detr":
            backbone = t.RfDetrDinov2Config(
                hidden_size=32,
                num_hidden_layers=4,
                num_attention_heads=4,
                image_size=SIDE_PX,
                patch_size=8,
                num_windows=2,
                out_features=["stage2", "stage4"],
            )
            config = t.RfDetrConfig(
                backbone_config=backbone,
                d_model=32,
                num_queries=20,
                decoder_ffn_dim=32,
                decoder_layers=2,
                decoder_self_attention_heads=4,
                decoder_cross_attention_heads=4,
                group_detr=2,
                **_labels(),
            )
            model = t.RfDetrForObjectDetection(config)
        case "detr":
            model = t.DetrForObjectDetection(t.DetrConfig(**plain_resnet, **_PLAIN, **_labels()))
        case "conditional_detr":
            model = t.ConditionalDetrForObjectDetection(t.ConditionalDetrConfig(**plain_resnet, **_PLAIN, **_labels()))
        case "deformable_detr":
            backbone = t.ResNetConfig(**_RESNET, out_features=["stage2", "stage3", "stage4"])
            config = t.DeformableDetrConfig(backbone_config=backbone, **_PLAIN | {"d_model": 64}, **_labels())
            model = t.DeformableDetrForObjectDetection(config)
        case "grounding-dino":
            config = t.GroundingDinoConfig(
                backbone_config=_dino_swin(),
                text_config=t.BertConfig(**_BERT),
                max_text_len=64,
                **_PLAIN | {"d_model": 64},
            )
            model = t.GroundingDinoForObjectDetection(config)
        case "mm-grounding-dino":
            config = t.MMGroundingDinoConfig(
                backbone_config=_dino_swin(),
                text_config=t.BertConfig(**_BERT),
                max_text_len=64,
                **_PLAIN | {"d_model": 64},
            )
            model = t.MMGroundingDinoForObjectDetection(config)
        case "owlv2":
            config = t.Owlv2Config(text_config=_CLIP_TEXT, vision_config=_OWL_VISION, projection_dim=32)
            model = t.Owlv2ForObjectDetection(config)
        case "owlvit":
            config = t.OwlViTConfig(text_config=_CLIP_TEXT, vision_config=_OWL_VISION, projection_dim=32)
            model = t.OwlViTForObjectDetection(config)
        case "omdet-turbo":
            config = t.OmDetTurboConfig(
                backbone_config=t.SwinConfig(**_SWIN),
                text_config=t.CLIPTextConfig(**_CLIP_TEXT | {"max_position_embeddings": 77, "hidden_size": 48}),
                apply_layernorm_after_vision_backbone=False,
                image_size=SIDE_PX,
                text_projection_in_dim=48,
                text_projection_out_dim=48,
                class_embed_dim=48,
                task_encoder_hidden_dim=32,
                num_queries=20,
                encoder_hidden_dim=32,
                vision_features_channels=[32, 32, 32],
                encoder_in_channels=[16, 32, 64],
                encoder_attention_heads=4,
                encoder_dim_feedforward=32,
                decoder_hidden_dim=32,
                decoder_num_heads=4,
                decoder_num_layers=2,
                decoder_dim_feedforward=32,
            )
            model = t.OmDetTurboForObjectDetection(config)
        case _:
            raise ValueError(kind)
    with torch.no_grad():  # initial weights are so small that pictures hardly differ
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "position" not in name:
                weight.normal_(0.0, 0.6 / max(1.0, weight[0].numel() ** 0.5) * 2)
    return model.eval()


def write_detector(kind: str, folder: Path) -> None:
    """Writes the model, its image settings and, for an open vocabulary, a tokenizer."""
    model_of(kind).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PIXELS[kind]))
    if "grounding" in kind:
        write_bert_tokenizer(folder)
    elif kind in OPEN:
        write_clip_tokenizer(folder, longest=77 if kind == "omdet-turbo" else 16)


def write_bert_tokenizer(folder: Path) -> None:
    """Writes BERT's tokenizer of single letters; Grounding DINO needs BERT's numbers for special tokens."""
    words = [f"[unused{i}]" for i in range(_BERT["vocab_size"])]
    words[0], words[100], words[101], words[102], words[103] = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
    words[1012], words[1029] = ".", "?"
    for i, letter in enumerate(LETTERS):
        words[200 + i], words[300 + i] = letter, f"##{letter}"
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))


def write_clip_tokenizer(folder: Path, *, longest: int) -> None:
    """Writes CLIP's tokenizer of single letters; a sentence ends with the highest token, as the models expect."""
    words = ["!", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    words += [f"<{i}>" for i in range(len(words), 62)] + ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {"tokenizer_class": "CLIPTokenizer", "pad_token": "!", "model_max_length": longest}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def assert_alike(found: Proposals, other: Proposals, *, atol: float) -> None:
    """Asserts equal boxes, scores and labels in any order, as rounding may reorder nearly equal scores."""
    assert len(found) == len(other)
    if len(found):
        apart = np.abs(found.boxes.xyxy[:, None] - other.boxes.xyxy[None]).max(axis=2)
        apart = np.maximum(apart, np.abs(found.score[:, None] - other.score[None]))
        apart[np.array(found.label)[:, None] != np.array(other.label)[None]] = np.inf
        assert max(apart.min(axis=0).max(), apart.min(axis=1).max()) <= atol


class Detectors:
    """Folders of small detectors by model type, each written on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, kind: str) -> Path:
        folder = self._folder / kind
        if not folder.exists():
            write_detector(kind, folder)
        return folder
