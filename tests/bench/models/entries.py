"""The models that are measured: how each is written, planned and called.

It omits proposers without a model (moving, selective-search, grid, complete-cover, segments), second names of an
architecture (SigLIP2 of a fixed size is SigLIP, open_clip's ViTs are read into `CLIPModel`), and models that need a
package that is not installed (EdgeTAM, OmDet-Turbo, FastSAM).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operators.encoders.checkpoint.towers import IJepaTower
from operators.proposals.config import ProposalConfig
from operators.proposals.models.automatic_masks import AutomaticMasksConfig
from operators.proposals.models.detector import DetectorConfig
from operators.proposals.models.open_set import OpenSetConfig
from pipeline.ingest.stages import EmbedStage, ProposeStage
from pipeline.plan.plan import Plan
from tests.bench.models import encoders, proposers
from tests.bench.models.given import Call

Stage = EmbedStage | ProposeStage
Write = Callable[[Path, int], None]

VOCABULARY = ("a dog", "a red car", "a kite")


@dataclass(frozen=True, slots=True)
class Entry:
    """A model to measure.

    write: writes a checkpoint with a number of layers into a folder, if the model has one.
    plan: the plan with that folder. stage: makes the stage with the model. calls: the calls of the model in the stage.
    frames: the largest number of frames, for models that need seconds for each.
    """

    name: str
    write: Write | None
    plan: Callable[[str], Plan]
    stage: Callable[[Plan], Stage]
    calls: Callable[[Any], Sequence[Call]]
    frames: int = 1 << 30


def encoder(name: str, write: Write) -> Entry:
    return Entry(name, write, lambda folder: Plan(model=folder), EmbedStage, _towers)


def detector(name: str, write: Write) -> Entry:
    def plan(folder: str) -> Plan:
        return Plan(proposals=ProposalConfig.of(DetectorConfig(model=folder)))

    return Entry(name, write, plan, ProposeStage, lambda stage: [Call(_proposer(stage)._loaded.model, "forward")])


def open_set(name: str, write: Write, calls: Callable[[Any], Sequence[Call]]) -> Entry:
    def plan(folder: str) -> Plan:
        config = OpenSetConfig(model=folder, vocabulary=VOCABULARY)
        return Plan(proposals=ProposalConfig.of(config))

    return Entry(name, write, plan, ProposeStage, calls)


def masks(name: str, write: Write) -> Entry:
    def plan(folder: str) -> Plan:
        # masks of random weights score low and are unstable: at IoU 0 each is tested for stability, and none is encoded
        config = AutomaticMasksConfig(model=folder, points_per_side=4, least_predicted_iou=0.0)
        return Plan(proposals=ProposalConfig.of(config))

    return Entry(name, write, plan, ProposeStage, _segmenter, frames=1)


def _everyday(stage: Any) -> Sequence[Call]:
    """The bare model uses every core for each pass, however the stage divides them."""
    backbone = stage._encoder._backbone
    return [Call(backbone, "_wide", backbone._wide), Call(backbone, "_narrow", backbone._wide)]


def _towers(stage: Any) -> Sequence[Call]:
    """Calls of an encoder. I-JEPA's vectors are made of its cells: `whole` passes its input to `cells`."""
    tower = stage._encoder._tower
    return [Call(tower, name) for name in ("whole", "cells") if name == "cells" or not isinstance(tower, IJepaTower)]


def _owl(stage: Any) -> Sequence[Call]:
    """Calls of OWL, with the text encoded beforehand in the bare model as well."""
    return [Call(_proposer(stage)._detect, "raw")]


def _grounding(stage: Any) -> Sequence[Call]:
    return [Call(_proposer(stage)._loaded.model, "forward")]


def _segmenter(stage: Any) -> Sequence[Call]:
    model = _proposer(stage)._segmenter._model
    return [Call(model, "get_image_embeddings"), Call(model.mask_decoder, "forward")]


def _proposer(stage: Any) -> Any:
    return stage._propose._proposers[0]


ENTRIES = (
    Entry("everyday", None, lambda _: Plan(), EmbedStage, _everyday),
    encoder("CLIP ViT-B/32", encoders.clip_b32),
    encoder("CLIP RN50", encoders.clip_rn50),
    encoder("MetaCLIP 2 B/32", encoders.metaclip2_b32),
    encoder("SigLIP B/16", encoders.siglip_b16),
    encoder("SigLIP2 NaFlex", encoders.siglip2_naflex),
    encoder("DINOv2 S/14", encoders.dinov2_s14),
    encoder("DINOv3 S/16", encoders.dinov3_s16),
    encoder("I-JEPA H/14", encoders.ijepa_h14),
    detector("RT-DETR R50", proposers.rt_detr),
    detector("D-FINE L", proposers.d_fine),
    detector("RF-DETR", proposers.rf_detr),
    open_set("Grounding DINO", proposers.grounding_dino_tiny, _grounding),
    open_set("OWLv2 B/16", proposers.owlv2_b16, _owl),
    open_set("OWL-ViT B/32", proposers.owlvit_b32, _owl),
    masks("SAM 2.1 tiny", proposers.sam2_tiny),
    masks("SAM B/16", proposers.sam_b16),
)
