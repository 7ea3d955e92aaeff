"""Vectors of labelled pictures as an ingest makes them, with the classes that each of them shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from operators.encoders.encoder import Encoder
from operators.encoders.region_vectors import RegionVectors, RegionVectorsConfig
from operators.proposals.config import ProposalConfig
from operators.proposals.frame_proposer import FrameProposer
from operators.readers.picture import read_picture
from pipeline.lab.datasets.dataset import LabelledFrame
from pipeline.lab.datasets.shown import classes_in, shown_classes
from schemas import require
from schemas.boxes import Boxes
from schemas.frames import Keyframe
from schemas.vectors import VectorArray

LEAST_SIDE = 0.05  # of the longer side of a picture; smaller objects are omitted: 32 px of 640
_AT_ONCE = 8  # pictures: models on a GPU embed them together


@dataclass(frozen=True, slots=True, eq=False)
class LabelledVectors:
    """vectors: float32 (N, D). shows: bool (N, C), the classes that each shows. pictures: intp (N,), ascending."""

    vectors: VectorArray
    shows: NDArray[np.bool_]
    pictures: NDArray[np.intp]

    def __post_init__(self) -> None:
        require.same_length(vectors=self.vectors, shows=self.shows, pictures=self.pictures)

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, slots=True, eq=False)
class PictureVectors:
    """Vectors of the same pictures. A picture has regions, and is a frame.

    regions: of all proposals, most of which show none of the classes. frames: of whole pictures. objects: of the true
        boxes of objects, each with its own class alone.
    """

    regions: LabelledVectors
    frames: LabelledVectors
    objects: LabelledVectors


@dataclass(frozen=True, slots=True)
class VectorConfig:
    """How regions are found and embedded."""

    proposals: ProposalConfig = field(default_factory=ProposalConfig)
    regions: RegionVectorsConfig = field(default_factory=lambda: RegionVectorsConfig(mode="pool"))


def picture_vectors(
    frames: Sequence[LabelledFrame],
    encoder: Encoder,
    config: VectorConfig,
    *,
    classes: int,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> PictureVectors:
    """Embeds labelled pictures. on_progress: called with (embedded pictures, total number of pictures)."""
    propose = FrameProposer(config.proposals)
    embed = RegionVectors(config.regions, encoder)
    vectors: list[list[VectorArray]] = [[], [], []]
    shows: list[list[NDArray[np.bool_]]] = [[], [], []]
    for at in range(0, len(frames), _AT_ONCE):
        some = frames[at : at + _AT_ONCE]
        images = [read_picture(str(frame.path)) for frame in some]
        found = [each.boxes for each in propose([Keyframe(0, image, None, "picture") for image in images])]
        large = [large_objects(frame) for frame in some]
        held = encoder.to_device(images)
        true = [frame.objects.boxes[big] for frame, big in zip(some, large, strict=True)]
        boxes = [Boxes.concat(pair) for pair in zip(found, true, strict=True)]
        for frame, own, big, both, whole in zip(
            some, found, large, embed(held, boxes), encoder.encode_images(held), strict=True
        ):
            objects = frame.objects.where(big)
            one_hot = objects.labels[:, None] == np.arange(classes)
            for kind, (part, shown) in enumerate(
                (
                    (both[: len(own)], shown_classes(own, frame.objects, classes=classes)),
                    (whole[None], classes_in(frame.objects, classes=classes)[None]),
                    (both[len(own) :], one_hot),
                )
            ):
                vectors[kind].append(part)
                shows[kind].append(shown)
        on_progress(at + len(some), len(frames))
    propose.close()
    return PictureVectors(*(_joined(v, s) for v, s in zip(vectors, shows, strict=True)))


def large_objects(frame: LabelledFrame) -> NDArray[np.bool_]:
    """bool (N,): the objects of a picture that are large enough to be recognised; see LEAST_SIDE."""
    longer = max(frame.width_px, frame.height_px)
    large: NDArray[np.bool_] = frame.sides_px().min(axis=1, initial=np.inf) >= LEAST_SIDE * longer
    return large


def _joined(vectors: Sequence[VectorArray], shows: Sequence[NDArray[np.bool_]]) -> LabelledVectors:
    pictures = np.repeat(np.arange(len(vectors)), [len(part) for part in vectors])
    return LabelledVectors(np.concatenate(vectors), np.concatenate(shows), pictures)
