"""Trains a code model from the regions of a lake; features are computed again from the thumbnails and masks in it.

The stored vectors are those of boxes, whereas the code of a region is made from the features under its mask
(`f_M ⊕ f_I`). These are not stored: they would take 3 kB per region and be read by nothing else. Thumbnails and masks
are always in the lake, even if the sources no longer exist.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from operators.codes.coder import largest_regions
from operators.codes.config import CodesConfig
from operators.codes.features import RegionFeatures, RegionFeaturesConfig
from operators.codes.model import CodeMethod, CodeModel
from operators.masks.rle import resized_mask
from operators.readers.picture import decode_thumbnail
from pipeline.lab.training.codes.fit import CodeEpoch, CodeTraining, train_codes
from pipeline.lab.training.codes.itq import itq
from pipeline.lab.training.codes.random_projection import random_projection
from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.lake_encoder import load_lake_encoder
from pipeline.lake.region_rows import corners_of, masks_of
from schemas.boxes import Boxes
from schemas.errors import LakeError
from schemas.frames import ImageArray
from schemas.regions import Proposals
from schemas.vectors import VectorArray

LEAST_REGIONS = 512  # 256 bits would overfit to fewer regions
_FRAMES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class CodesFromLake:
    """out: the file of the code model. method: how its bits are chosen; "random" and "itq" are baselines.

    regions: approximate number of regions to train from, in frames drawn at random by the seed of `training`.
    regions_per_frame: number of the largest regions of each frame to use, as in a plan.
    """

    out: Path
    method: CodeMethod = "learnt"
    regions: int = 20_000
    regions_per_frame: int = CodesConfig().regions_per_frame
    features: RegionFeaturesConfig = field(default_factory=RegionFeaturesConfig)
    training: CodeTraining = field(default_factory=CodeTraining)


@dataclass(frozen=True, slots=True)
class CodesReport:
    """fingerprint: that of the written model. epochs: the learning curve; empty for a method without epochs."""

    out: Path
    fingerprint: str
    frames: int
    regions: int
    seconds: float
    epochs: tuple[CodeEpoch, ...]


def train_lake_codes(
    lake: str,
    config: CodesFromLake,
    *,
    on_frames: Callable[[int, int], None] = lambda _done, _total: None,
    on_epoch: Callable[[int, CodeEpoch], None] = lambda _number, _epoch: None,
) -> CodesReport:
    """Writes `config.out`, and its origin and learning curve to a `.json` next to it.

    During training `config.out` + ".checkpoint" holds the state: a run after a kill continues, to the same bits.
    The same lake, config and versions give the same file, byte for byte.
    on_frames: called with (frames read, total number of frames). Raises LakeError if the lake has too few regions.
    """
    start = time.perf_counter()
    opened = Lake.open(lake)
    encoder = load_lake_encoder(opened)
    try:
        opened.space.require_same(encoder.space, lake=lake)
        make = RegionFeatures(config.features, encoder)
        ids = _drawn(opened, config)
        parts: list[VectorArray] = []
        for at in range(0, len(ids), _FRAMES_AT_ONCE):
            images, proposals = zip(*_frames(opened, ids[at : at + _FRAMES_AT_ONCE], config), strict=True)
            parts += make(images, proposals)
            on_frames(min(at + _FRAMES_AT_ONCE, len(ids)), len(ids))
    finally:
        encoder.close()
    features = np.concatenate(parts) if parts else np.zeros((0, 2 * opened.space.dimension), np.float32)
    if len(features) < LEAST_REGIONS:
        raise LakeError(
            f"{lake} has {len(features)} regions to learn codes from, at least {LEAST_REGIONS} are needed; ingest "
            "more, with a proposer that makes masks (--proposer segments)"
        )
    epochs: tuple[CodeEpoch, ...] = ()
    match config.method:
        case "random":
            projection = random_projection(features, seed=config.training.seed)
        case "itq":
            projection = itq(features, seed=config.training.seed, rounds=config.training.itq_rounds)
        case "learnt":
            checkpoint = config.out.with_name(config.out.name + ".checkpoint")
            learnt = train_codes(features, config.training, checkpoint=checkpoint, on_epoch=on_epoch)
            projection, epochs = learnt.projection, learnt.epochs
    model = CodeModel(projection, config.method, opened.space, config.features)
    model.save(config.out)
    report = CodesReport(config.out, model.fingerprint, len(ids), len(features), time.perf_counter() - start, epochs)
    config.out.with_suffix(".json").write_text(json.dumps(_origin(config, report), indent=2) + "\n")
    if config.method == "learnt":
        checkpoint.unlink(missing_ok=True)
    return report


def _drawn(lake: Lake, config: CodesFromLake) -> list[str]:
    """Ids of random frames that together have about `config.regions` regions, in the order in which they were drawn."""
    counts = lake.read("regions", columns=["frame"])["frame"].combine_chunks().value_counts()
    per_frame = dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))
    ids = sorted(per_frame)
    order = np.random.default_rng(config.training.seed).permutation(len(ids))
    taken, regions = [], 0
    for i in order:
        if regions >= config.regions:
            break
        taken.append(ids[i])
        regions += min(per_frame[ids[i]], config.regions_per_frame)
    return taken


def _frames(lake: Lake, ids: list[str], config: CodesFromLake) -> Iterator[tuple[ImageArray, Proposals]]:
    """Yields the thumbnail of each frame and its largest regions, in the order of the ids."""
    frames = lake.read("frames", columns=["id", "thumbnail"], where=sql.is_in("id", ids))
    jpegs = dict(zip(frames["id"].to_pylist(), frames["thumbnail"].to_pylist(), strict=True))
    columns = ["id", "frame", "x0", "y0", "x1", "y1", "mask", "mask_area"]
    regions = lake.read("regions", columns=columns, where=sql.is_in("frame", ids)).sort_by("id")
    frame_of = np.array(regions["frame"].to_pylist(), dtype=object)
    for frame_id in ids:
        image = decode_thumbnail(jpegs[frame_id])
        yield image, _regions(regions.take(np.flatnonzero(frame_of == frame_id)), image, config)


def _regions(rows: pa.Table, image: ImageArray, config: CodesFromLake) -> Proposals:
    masks = masks_of(rows)
    height_px, width_px, _ = image.shape
    found = Proposals.of(
        Boxes(corners_of(rows)),
        score=1.0,
        proposer="lake",
        mask=[masks.get(i) for i in rows["id"].to_pylist()],
    )
    largest = found.take(largest_regions(found, config.regions_per_frame))
    smaller = [None if m is None else resized_mask(m, height_px, width_px) for m in largest.mask]
    return Proposals.of(largest.boxes, score=1.0, proposer="lake", mask=smaller)


def _origin(config: CodesFromLake, report: CodesReport) -> dict[str, object]:
    """What the model was made of, without anything that changes from run to run."""
    return {
        "fingerprint": report.fingerprint,
        "way": config.method,
        "frames": report.frames,
        "regions": report.regions,
        "features": asdict(config.features),
        "training": asdict(config.training),
        "epochs": [asdict(epoch) for epoch in report.epochs],
    }
