"""Detectors' and segmenters' checkpoints in the shapes of the real ones, with random weights."""

import json
from pathlib import Path
from typing import Any

import transformers as t

from tests import detectors, segmenters


def rt_detr(folder: Path, _layers: int) -> None:
    t.RTDetrForObjectDetection(t.RTDetrConfig()).save_pretrained(folder)  # the default has the size of R50
    _write_pixels(folder, detectors.PIXELS["rt_detr"], side_px=640)


def d_fine(folder: Path, _layers: int) -> None:
    t.DFineForObjectDetection(t.DFineConfig()).save_pretrained(folder)  # the default has the size of L
    _write_pixels(folder, detectors.PIXELS["d_fine"], side_px=640)


def rf_detr(folder: Path, _layers: int) -> None:
    config = t.RfDetrConfig()
    config.backbone_config.image_size = (
        560  # the size of the base model; the default of 518 is not a multiple of its windows
    )
    t.RfDetrForObjectDetection(config).save_pretrained(folder)
    _write_pixels(folder, detectors.PIXELS["rf_detr"], side_px=560)


def grounding_dino_tiny(folder: Path, _layers: int) -> None:
    t.GroundingDinoForObjectDetection(t.GroundingDinoConfig()).save_pretrained(folder)
    settings = detectors.PIXELS["grounding-dino"] | {"size": {"shortest_edge": 800, "longest_edge": 1333}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    detectors.write_bert_tokenizer(folder)


def owlv2_b16(folder: Path, layers: int) -> None:
    vision = {"image_size": 960, "num_hidden_layers": layers}
    t.Owlv2ForObjectDetection(t.Owlv2Config(vision_config=vision)).save_pretrained(folder)
    _write_pixels(folder, detectors.PIXELS["owlv2"], side_px=960)
    detectors.write_clip_tokenizer(folder, longest=16)


def owlvit_b32(folder: Path, layers: int) -> None:
    vision = {"num_hidden_layers": layers}
    t.OwlViTForObjectDetection(t.OwlViTConfig(vision_config=vision)).save_pretrained(folder)
    _write_pixels(folder, detectors.PIXELS["owlvit"], side_px=768)
    detectors.write_clip_tokenizer(folder, longest=16)


def sam2_tiny(folder: Path, _layers: int) -> None:
    t.Sam2Model(t.Sam2Config()).save_pretrained(folder)  # the default has the size of SAM 2.1 tiny
    settings = segmenters.PIXELS | {"image_processor_type": "Sam2ImageProcessor"}
    _write_pixels(folder, settings, side_px=1024)


def sam_b16(folder: Path, layers: int) -> None:
    everywhere = [n for n in (2, 5, 8, 11) if n < layers]
    vision = {"num_hidden_layers": layers, "global_attn_indexes": everywhere}
    t.SamModel(t.SamConfig(vision_config=vision)).save_pretrained(folder)
    settings = segmenters.PADDED_PIXELS | {"image_processor_type": "SamImageProcessor"}
    settings |= {"size": {"longest_edge": 1024}, "pad_size": {"height": 1024, "width": 1024}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def _write_pixels(folder: Path, settings: dict[str, Any], *, side_px: int) -> None:
    size = {"size": {"height": side_px, "width": side_px}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | size))
