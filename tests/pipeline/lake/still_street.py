"""A still street in which a car is parked, a tree stands, and something arrives and leaves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pyarrow as pa

from operators.tracking.config import TrackConfig
from operators.tracking.tracker import Tracker
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.plan.plan_hash import canonical_form, form_hash
from pipeline.plan.stored_plan import StoredPlan
from schemas.boxes import Boxes
from schemas.ids import region_ids
from schemas.shots import CutEvent, Shot
from schemas.sources import Segment, Source
from schemas.tables import frames_schema, regions_schema
from schemas.vectors import normalise
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots

_FORM = {once: canonical_form({"synthetic": "street", "validity.store_once": once}) for once in (True, False)}
# ten ticks a second: a keyframe every five seconds, borders at 600 and 1200
WORLD = World(1, length=1500, step=50, timed=True)
PARKED, TREE, ARRIVES = (0.1, 0.5, 0.3, 0.8), (0.7, 0.1, 0.9, 0.6), (0.4, 0.4, 0.6, 0.7)
ARRIVAL, LEAVES, LIGHT = 250, 400, 900


@dataclass(frozen=True)
class Street:
    """A still street: a parked car and a tree, and something that arrives, stands and leaves; noise in every pixel."""

    jitter: float = 0.004
    once: bool = True

    def picture(self, pts: int) -> bytes:
        rng = np.random.default_rng(pts)
        image = np.full((180, 320), 90.0)
        image[90:144, 32:96], image[18:108, 224:288] = 30, 150
        if ARRIVAL <= pts < LEAVES:
            image[72:126, 128:192] = 220
        if pts >= LIGHT:
            image += 20
        image += rng.normal(0, 4, image.shape)
        done, data = cv2.imencode(".jpg", np.clip(image, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])
        assert done
        return bytes(data)

    def boxes(self, pts: int) -> list[tuple[float, float, float, float]]:
        rng = np.random.default_rng([7, pts])
        there = [PARKED, TREE, *([ARRIVES] if ARRIVAL <= pts < LEAVES else [])]
        return [tuple(np.array(box) + rng.uniform(-self.jitter, self.jitter, 4)) for box in there]

    def rows(self, segment: Segment) -> SegmentRows:
        """The rows of a segment of WORLD, with these pictures and boxes."""
        made = replace(WORLD.rows(segment), plan=form_hash(_FORM[self.once]))
        frames = made.frames.to_pylist()
        for row in frames:
            row["thumbnail"] = self.picture(row["pts"])
        regions = []
        for row in frames:
            boxes = Boxes(np.array(self.boxes(row["pts"]), np.float32))
            ids = region_ids(row["id"], boxes, ["objects"] * len(boxes))
            for number, (id, box) in enumerate(zip(ids, boxes.xyxy.tolist(), strict=True)):
                vector = normalise(np.random.default_rng(round(box[0] * 5)).normal(size=(1, SPACE.dimension)))
                place = {name: row[name] for name in ("source_id", "source", "pts", "pts_s", "time")}
                regions.append(
                    {"id": id, "frame": row["id"], **place, **dict(zip(("x0", "y0", "x1", "y1"), box, strict=True))}
                    | {"area": float(boxes.area()[number]), "proposer": "objects", "score": 0.8, "label": "thing"}
                    | {"vector": vector[0].astype(np.float16)}
                )
        return replace(
            made,
            frames=pa.Table.from_pylist(frames, schema=frames_schema(SPACE)),
            regions=pa.Table.from_pylist(regions, schema=regions_schema(SPACE)),
        )


def one_shot(source: Source, events: Sequence[CutEvent], first_pts: int, last_pts: int) -> list[Shot]:
    del events
    return fold_shots(source, [], first_pts, last_pts)


def writer(lake: Lake, *, store_once: bool = True) -> Committer:
    """A committer that is refused at once when there is another."""
    return Committer(
        lake,
        plan=StoredPlan(form_hash(_FORM[store_once]), _FORM[store_once], toml="", version="0"),
        fold_shots=one_shot,
        new_tracker=lambda: Tracker(TrackConfig()),
        store_once=store_once,
        wait_s=0.2,
    )


def filled(lake: Lake, segments: Sequence[Segment], *, once: bool = True) -> Lake:
    with writer(lake, store_once=once) as committer:
        for segment in segments:
            committer.commit([Street(once=once).rows(segment)])
    return lake
