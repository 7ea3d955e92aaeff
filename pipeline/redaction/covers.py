"""Decides which pixels of each frame of a clip are covered."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from operators.encoders.encoder import Encoder
from operators.redaction.carry import Plane, Sightings, draw_masks
from operators.redaction.config import CarryConfig
from operators.redaction.cover import covered
from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.redaction.config import HITS, OTHERS, PEOPLE, RedactionConfig
from pipeline.redaction.tracks import SpanRegions, regions_around
from pipeline.search.confidence import Confidence
from pipeline.search.target import TargetMaker
from schemas.clock import Span
from schemas.errors import LakeError
from schemas.frames import ImageArray
from schemas.query import WHOLE, Hit, Query

_MOVING = "moving"
_EXACT = CarryConfig(margin_sides=0.0, most_growth_sides=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """What of a span of a source is covered.

    time_base: seconds per tick of its PTS. known: spans of PTS that were analysed; other frames are covered entirely,
    because nobody knows what they show. thin: those of the spans in which keyframes were dropped or lost.
    keyframes_s: times of keyframes. tracks: of what is covered, or, if `inverted`, of what is not.
    """

    config: RedactionConfig
    time_base: Fraction
    known: tuple[Span, ...]
    thin: tuple[Span, ...]
    keyframes_s: tuple[float, ...]
    tracks: tuple[Sightings, ...]
    inverted: bool = False

    def plane(self, pts: int, height_px: int, width_px: int) -> Plane:
        """bool (H, W): the covered pixels of the frame at a PTS of the source."""
        time_s = float(pts * self.time_base)
        if not any(pts in span for span in self.known) or (
            any(pts in span for span in self.thin)
            and min((abs(at - time_s) for at in self.keyframes_s), default=np.inf) > self.config.carry.hold_s
        ):
            return np.ones((height_px, width_px), bool)
        plane = np.zeros((height_px, width_px), bool)
        for track in self.tracks:
            draw_masks(plane, track, time_s, _EXACT if self.inverted else self.config.carry)
        return ~plane if self.inverted else plane

    def paint(self, pts: int, image: ImageArray) -> ImageArray:
        """The frame at a PTS with what is covered. image: uint8 (H, W, 3), RGB, of any size."""
        return covered(image, self.plane(pts, *image.shape[:2]), style=self.config.style)


class Redactor:
    """Makes the covers of hits from the rows of their sources.

    encoder: makes the model that words are for; it is called only where the redaction needs one.
    """

    def __init__(self, lake: Lake, config: RedactionConfig, encoder: Callable[[], Encoder]) -> None:
        self._lake = lake
        self._config = config
        self._chances: list[Confidence | None] = []
        self._column = "vector"
        if config.words:
            model = encoder()
            self._column = lake.column_of(model.space)
            make = TargetMaker(model, lake=lake)
            self._chances = [make(Query(text=words)).confidence for words in config.words]

    @property
    def config(self) -> RedactionConfig:
        return self._config

    @property
    def sentence(self) -> str:
        """What is covered, for people: ends a sentence that begins with where."""
        what = self._config.what
        if OTHERS in what:
            named = "everything but what the query found is covered"
        elif not all(each is not None for each in self._chances):
            named = "every region is covered, because the model of the lake has no calibrated confidence"
        else:
            names = {PEOPLE: "what may be a person or moves", HITS: "what the query found"}
            listed = " and ".join(names.get(each, f"what may be “{each}”") for each in dict.fromkeys(what))
            named = f"{listed} is covered"
        how = "blurred surroundings" if self._config.style == "blur" else "black"
        return f"{named} on every frame with {how}; nothing of the pixels under a cover is in this file."

    def of(self, hit: Hit, *, start_s: float, stop_s: float) -> Cover:
        """The cover of a span of the hit's source. Raises LakeError where the lake lacks the source."""
        where = sql.equals("id", hit.source_id)
        rows = self._lake.read("sources", columns=["time_base_num", "time_base_den"], where=where).to_pylist()
        if not rows or rows[0]["time_base_num"] is None:
            raise LakeError(f"nothing can be covered in {hit.source}: the lake does not have it any more")
        base = Fraction(rows[0]["time_base_num"], rows[0]["time_base_den"])
        known, thin = self._analysed(hit.source_id)
        regions = regions_around(self._lake, hit.source_id, start_s=start_s, stop_s=stop_s, column=self._column)
        inverted = OTHERS in self._config.what
        found = self._of_hit(hit, regions) if inverted or HITS in self._config.what else []
        chosen = self._by_words(regions)
        tracks = [*found, *regions.tracks(chosen, self._config.carry)]
        return Cover(
            self._config, base, known, thin, tuple(regions.keyframes_s.tolist()), tuple(tracks), inverted=inverted
        )

    def _by_words(self, regions: SpanRegions) -> set[int]:
        """Indices of the regions that may show what is covered."""
        chosen: set[int] = set()
        for words, chance in zip(self._config.words, self._chances, strict=True):
            if chance is None:
                return set(range(regions.rows.num_rows))
            shown = ~regions.embedded | (chance(regions.vectors, kind="region") >= self._config.least_confidence)
            chosen |= set(np.flatnonzero(shown).tolist())
            chosen |= {n for n, label in enumerate(regions.column("label")) if label is not None and label in words}
        if PEOPLE in self._config.what:
            chosen |= {n for n, name in enumerate(regions.column("proposer")) if name == _MOVING}
        return chosen

    def _of_hit(self, hit: Hit, regions: SpanRegions) -> list[Sightings]:
        """The tracks of what the query found: of its region, or of a part of its frame that is no region."""
        ids = regions.column("id")
        if hit.place.region_id in ids:
            track = regions.column("track")[ids.index(hit.place.region_id)]
            same = [n for n, each in enumerate(regions.column("track")) if each is not None and each == track]
            return regions.tracks(same or [ids.index(hit.place.region_id)], self._config.carry)
        if hit.place.box == WHOLE and OTHERS in self._config.what:
            return []  # the whole frame cannot be distinguished from anything else: all of it is covered
        box = np.array([hit.place.box], np.float64)
        held = regions.shown_s(hit.pts_s, hit.pts_s, self._config.carry)
        shown_s = (-np.inf, np.inf) if hit.place.box == WHOLE else held
        return [Sightings(np.array([hit.pts_s]), box, [None], shown_s)]

    def _analysed(self, source_id: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
        """The spans whose keyframes are in the lake, and those of them in which some were dropped or lost."""
        where = sql.all_of(sql.equals("source_id", source_id), "state = 'done'")
        rows = self._lake.read("segments", columns=["start", "stop", "shed", "lost"], where=where).to_pylist()
        known = [(Span(row["start"], row["stop"]), row["shed"] + row["lost"] > 0) for row in rows]
        return tuple(span for span, _ in known), tuple(span for span, thin in known if thin)
