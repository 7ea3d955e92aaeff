"""Grounded SAM with propagated masks on the command line: catches settings that do not reach the models, and labels,
tracks and masks that do not reach the results of a search."""

from pathlib import Path

import numpy as np
from PIL import Image

from deploy.pictures.contact_sheet import draw_contact_sheet, write_contact_sheet
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.search.searcher import Searcher
from schemas.query import Query
from schemas.query_json import result_json
from tests.deploy.cli.conftest import Run
from tests.detectors import Detectors
from tests.segmenters import Segmenters


def test_labels_tracks_and_masks_come_through(called: Run, clip: Path, segmenters: Segmenters, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    settings = (
        f"proposals.open_set.model={Detectors(tmp_path)('owlv2')}",
        'proposals.open_set.vocabulary=["car","a dog"]',
        "proposals.open_set.least_score=0.0",
        "proposals.refine.limit=4",
        "proposals.box_masks.by=sam",
        f"proposals.box_masks.sam.model={segmenters('sam2')}",
        "proposals.box_masks.sam.least_predicted_iou=0.0",
        f"tracks.propagation.model={segmenters('sam2_video')}",
        "regions.mode=pool",
    )
    arguments = [part for setting in settings for part in ("--set", setting)]
    made = called("ingest", clip, "--lake", lake, "--proposer", "open-set", *arguments)
    assert made.returncode == 0, made.stderr
    opened = Lake.open(str(lake))
    assert check(opened).problems == ()
    wanted = ["id", "x0", "y0", "x1", "y1", "label", "track", "mask", "mask_area", "proposer"]
    rows = opened.read("regions", columns=wanted).to_pylist()
    assert {row["label"] for row in rows} <= {"car", "a dog"}
    assert all(row["track"] for row in rows)
    row = max(rows, key=lambda row: row["mask_area"] or 0.0)
    result = Searcher(opened).search(Query(box=tuple(row[side] for side in ("x0", "y0", "x1", "y1"))))
    (hit,) = [hit for hit in result_json(result)["hits"] if hit["region_id"] == row["id"]]
    assert (hit["label"], hit["track"], hit["proposer"]) == (row["label"], row["track"], "owlv2")
    write_contact_sheet(result, lake=opened, path=tmp_path / "hits.png")
    frames = opened.read("frames", columns=["id", "thumbnail"]).to_pylist()
    plain = np.asarray(draw_contact_sheet(result, {frame["id"]: frame["thumbnail"] for frame in frames}))
    tinted = (np.asarray(Image.open(tmp_path / "hits.png")) != plain).any(axis=-1).mean()
    assert tinted > 0.2 * row["mask_area"] / len(result.hits), "the mask lies on one tile of all"
