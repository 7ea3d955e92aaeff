"""How much of people a redaction covers on every frame, by how far it reaches, on clips with ground truth.

    python -m tests.bench.redaction --data DATA

Each clip is ingested by the default plan. A true box counts as covered if at least 95 % of its pixels in the frame are;
`frame` is the share of all pixels that is covered. The covers of the default margin are those of `--redact people`.
"""

import argparse
import math
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from operators.encoders.catalogue import load_encoder
from operators.redaction.config import CarryConfig
from pipeline.lake.lake import Lake
from pipeline.redaction.config import RedactionConfig
from pipeline.redaction.covers import Cover, Redactor
from schemas.query import Hit, Place

CLIPS = ("pets09-s2l1/vtest.avi", "tud-stadtmitte/TUD-Stadtmitte.mp4")
MARGINS = (0.0, 0.1, 0.25, 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of pets09-s2l1 and tud-stadtmitte")
    data = parser.parse_args().data
    print("clip                             margin  grows  true boxes  below 95 %  least  frame")
    for name in CLIPS:
        with tempfile.TemporaryDirectory() as folder:
            lake = f"{folder}/lake"
            ingest = [sys.executable, "-m", "deploy.cli.main", "ingest", str(data / name), "--lake", lake]
            subprocess.run(ingest, check=True, capture_output=True)
            _measure(name, data / name, Lake.open(lake))


def _measure(name: str, clip: Path, lake: Lake) -> None:
    [source] = lake.read("sources").to_pylist()
    encoder = load_encoder("everyday")
    with av.open(str(clip)) as container:
        pts = [frame.pts for frame in container.decode(video=0)]
    boxes = np.loadtxt(clip.parent / "gt.txt", delimiter=",")[:, :7]
    boxes = boxes[boxes[:, 6] > 0]
    hit = Hit(1, 0.0, Place(), source["source"], source["id"], 0, 0.0, None, None, "")
    still = CarryConfig(growth_sides_per_s=0.0, open_growth_sides_per_s=0.0)
    for margin in MARGINS:
        for carry in (replace(still, margin_sides=margin), CarryConfig(margin_sides=margin)):
            redactor = Redactor(lake, RedactionConfig(("people",), carry=carry), lambda: encoder)
            cover = redactor.of(hit, start_s=0.0, stop_s=1e5)
            covered, share = _covered(cover, pts, boxes, (source["height_px"], source["width_px"]))
            grows = "yes" if carry.growth_sides_per_s else "no"
            few = int((covered < 0.95).sum())
            print(
                f"{name:32} {margin:6.2f}  {grows:5} {len(covered):11,} {few:11,} {covered.min():6.3f} {share:6.3f}",
                flush=True,
            )


def _covered(cover: Cover, pts: list[int], boxes: "np.ndarray", size: tuple[int, int]) -> "tuple[np.ndarray, float]":
    """The covered share of each true box, and of all frames."""
    height, width = size
    shares, found = [], np.ones(len(boxes))
    for number, at in enumerate(pts):
        plane = cover.plane(at, height, width)
        shares.append(plane.mean())
        for row in np.flatnonzero(boxes[:, 0] == number + 1):
            x, y, w, h = boxes[row, 2:6]
            part = plane[max(0, math.floor(y)) : math.ceil(y + h), max(0, math.floor(x)) : math.ceil(x + w)]
            found[row] = part.mean() if part.size else 1.0  # outside of the frame
    return found, float(np.mean(shares))


if __name__ == "__main__":
    main()
