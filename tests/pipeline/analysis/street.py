"""A street of which all is known: ten seconds with a keyframe every half second.

A person walks from left to right, hidden for a second, so that there are two tracks, and has a second, weaker box. A
car stands. A dog is seen once.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.lake.writing.committer import Committer
from schemas.ids import digest, frame_id
from schemas.sources import Segment
from schemas.tables import regions_schema
from tests.pipeline.lake.synthetic import SPACE, World

STEP, LENGTH = 5, 100  # ticks of a tenth of a second
HIDDEN = (4.0, 5.0)  # seconds, from the first that is not seen to the first that is


@dataclass(frozen=True, slots=True)
class Thing:
    """What a region of the street shows. vector: number of the axis that its vector is on."""

    track: str
    label: str | None
    box: tuple[float, float, float, float]
    score: float
    vector: int


def walker_x(at_s: float) -> float:
    """The walker's centre; it is at 0.5 after exactly five seconds."""
    return 0.1 + 0.08 * at_s


def shown_at(at_s: float, *, labelled: bool = True) -> list[Thing]:
    """What a keyframe shows."""
    things = [Thing("car", "car", (0.05, 0.75, 0.25, 0.95), 0.8, 1)]
    if not HIDDEN[0] <= at_s < HIDDEN[1]:
        x, part = walker_x(at_s), "before" if at_s < HIDDEN[0] else "after"
        things.append(Thing(f"walker-{part}", "person", (x - 0.05, 0.4, x + 0.05, 0.6), 0.9, 2))
        things.append(Thing(f"around-{part}", "person", (x - 0.06, 0.37, x + 0.06, 0.61), 0.4, 2))
    if at_s == 3.0:
        things.append(Thing("dog", "dog", (0.8, 0.8, 0.9, 0.9), 0.7, 3))
    return things if labelled else [replace(each, label=None) for each in things]


@dataclass(frozen=True, slots=True)
class Street(World):
    """labelled: whether proposers gave labels."""

    length: int = LENGTH
    step: int = STEP
    labelled: bool = True

    def rows(self, segment: Segment, *, patches: bool = False) -> SegmentRows:
        rows = World.rows(self, segment, patches=patches)
        made, first = [], {}
        for place in rows.frames.select(["source_id", "source", "pts", "pts_s", "time"]).to_pylist():
            frame = frame_id(self.source.id, place["pts"])
            for each in shown_at(place["pts_s"], labelled=self.labelled):
                id = digest("street", frame, each.track)
                x0, y0, x1, y1 = each.box
                vector = np.eye(SPACE.dimension, dtype=np.float16)[each.vector]
                made.append(
                    {"id": id, "frame": frame, **place, "x0": x0, "y0": y0, "x1": x1, "y1": y1}
                    | {"area": (x1 - x0) * (y1 - y0), "proposer": "moving", "score": each.score, "label": each.label}
                    | {"vector": vector, "track": first.setdefault(each.track, id)}
                )
        return replace(rows, regions=pa.Table.from_pylist(made, schema=regions_schema(SPACE)))


def add_street(committer: Committer, street: Street) -> None:
    committer.register(street.source)
    committer.commit([street.rows(segment) for segment in street.segments(1)])
