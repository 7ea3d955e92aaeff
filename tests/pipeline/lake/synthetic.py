"""Synthetic sources and segment rows: small vectors, so that thousands of commits take seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pyarrow as pa

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.plan.plan_hash import canonical_form, form_hash
from pipeline.plan.stored_plan import StoredPlan
from schemas.boxes import Boxes
from schemas.clock import Clock, Span
from schemas.ids import digest, frame_id, region_ids, segment_id
from schemas.shots import CutEvent, Shot
from schemas.sources import Segment, SegmentReport, Source
from schemas.tables import frames_schema, patches_schema, regions_schema
from schemas.vectors import VectorSpace, normalise

SPACE = VectorSpace(model="synthetic", revision="1", dimension=16, preprocessing="none")
_FORMS = {form_hash(form): form for form in (canonical_form({"synthetic": name}) for name in ("a", "b"))}
PLAN, OTHER_PLAN = _FORMS


@dataclass(frozen=True, slots=True)
class World:
    """A source of `length` ticks with a keyframe every `step`; equal for equal arguments, however it is cut.

    look: what boxes and vectors are drawn from; worlds of one look show the same, under other ids.
    """

    number: int
    length: int = 100
    step: int = 5
    regions: int = 6
    timed: bool = False
    look: int | None = None
    plan: str = PLAN
    space: VectorSpace = SPACE

    @property
    def source(self) -> Source:
        start_time = datetime(2026, 5, 1, self.number % 24, tzinfo=UTC) if self.timed else None
        return Source(
            uri=f"/videos/cam{self.number % 3}/clip-{self.number}.mp4",
            id=digest("synthetic", self.number),
            kind="video",
            clock=Clock(Fraction(1, 10), start_time),
            span=Span(0, self.length),
            width_px=64,
            height_px=48,
            sync_pts=(0,),
            frame_rate=10.0,
            codec="none",
        )

    def segments(self, pieces: int = 1) -> list[Segment]:
        edges = np.linspace(0, self.length, pieces + 1).astype(int).tolist()
        return [self.segment(Span(a, b)) for a, b in pairwise(edges)]

    def segment(self, span: Span) -> Segment:
        return Segment(self.source, span, segment_id(self.source.id, self.plan, span))

    def rows(self, segment: Segment, *, patches: bool = False) -> SegmentRows:
        source, space = self.source, self.space
        pts = [p for p in range(0, self.length, self.step) if p in segment.span]
        frames, regions, patch_rows = [], [], []
        for p in pts:
            rng = np.random.default_rng([self.number if self.look is None else self.look, p])
            frame = frame_id(source.id, p)
            place = {
                "source_id": source.id,
                "source": source.uri,
                "pts": p,
                "pts_s": source.clock.seconds(p),
                "time": source.clock.utc(p),
            }
            vectors = normalise(rng.normal(size=(self.regions + 1, space.dimension)).astype(np.float32))
            frames.append(
                {"id": frame, **place, "width_px": 64, "height_px": 48, "reason": "interval", "thumbnail": b"jpeg"}
                | {"vector": vectors[0].astype(np.float16)}
            )
            corners = np.sort(rng.uniform(size=(self.regions, 2, 2)), axis=1).astype(np.float32)
            boxes = Boxes(corners.reshape(-1, 4))
            names = ["moving" if i % 2 else "grid-4" for i in range(self.regions)]
            ids, scores = region_ids(frame, boxes, names), rng.uniform(size=self.regions).astype(np.float32)
            for i, box in enumerate(boxes.xyxy):
                x0, y0, x1, y1 = box.tolist()
                regions.append(
                    {"id": ids[i], "frame": frame, **place, "x0": x0, "y0": y0, "x1": x1, "y1": y1}
                    | {"area": boxes.area()[i].item(), "proposer": names[i], "score": float(scores[i])}
                    | {"vector": vectors[i + 1].astype(np.float16)}
                )
            patch_rows.append(
                {"frame": frame, **place, "rows": 1, "cols": 2, "extent": [0.0, 0.0, 1.0, 1.0]}
                | {"vectors": [v.astype(np.float16) for v in vectors[:2]]}
            )
        events = tuple(CutEvent(p, p - 1, "cut") for p in range(30, self.length, 30) if p in segment.span)
        report = SegmentReport(
            frames_decoded=segment.span.stop - segment.span.start,
            near_duplicates=0,
            first_pts=segment.span.start,
            last_pts=segment.span.stop - 1,
            cut_events=events,
        )
        return SegmentRows(
            segment=segment,
            plan=self.plan,
            report=report,
            frames=pa.Table.from_pylist(frames, schema=frames_schema(space)),
            regions=pa.Table.from_pylist(regions, schema=regions_schema(space)),
            patches=pa.Table.from_pylist(patch_rows, schema=patches_schema(space)) if patches else None,
        )


def stored(plan: str = PLAN) -> StoredPlan:
    """What a lake keeps of a synthetic plan, by its hash."""
    return StoredPlan(plan, _FORMS.get(plan, "{}"), toml="synthetic = true\n", version="0")


def fold_shots(source: Source, events: Sequence[CutEvent], first_pts: int, last_pts: int) -> list[Shot]:
    """A shot between every two events."""
    del last_pts
    edges = [first_pts, *(e.pts for e in events), source.span.stop]
    kinds = ["start", *(["cut"] * len(events))]
    return [Shot(Span(a, b), kind) for (a, b), kind in zip(pairwise(edges), kinds, strict=True)]  # type: ignore[arg-type]
