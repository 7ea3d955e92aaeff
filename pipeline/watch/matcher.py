"""Scores new rows for every watch, with the distances of a search."""

from collections.abc import Sequence

import numpy as np

from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from pipeline.search.candidates import Candidates
from pipeline.search.hits import make_hit
from pipeline.search.scoring import Scorer
from pipeline.search.target import Target, TargetMaker
from pipeline.search.where import where_of
from pipeline.watch.new_rows import NewRows
from pipeline.watch.standing_hit import StandingHit
from pipeline.watch.watch import Watch
from schemas.errors import ModelError
from schemas.query import Hit


def with_targets(watches: Sequence[Watch], lake: Lake, encoder: Encoder | None) -> list[tuple[Watch, Target]]:
    """Pairs each watch with its target; afterwards the encoder is not needed any more.

    Raises QueryError where a watch needs an encoder and there is none, ModelError for an encoder whose vectors new rows
    do not have, DecodeError for a picture that cannot be read.
    """
    if encoder is not None and lake.column_of(encoder.space) != "vector":
        raise ModelError(
            f"new rows of {lake.uri} have vectors of {lake.space}; those of {encoder.space.model} are filled in later: "
            "watch with the model of the lake"
        )
    target_of = TargetMaker(encoder, lake=lake)
    return [(watch, target_of(watch.query)) for watch in watches]


class Matcher:
    """Finds the hits of all watches among new rows. watches: each with its target; see `with_targets`."""

    def __init__(self, watches: Sequence[tuple[Watch, Target]], *, time: TimeSource = REAL_TIME) -> None:
        self._watches = tuple(watches)
        self._time = time
        self._scorer = Scorer()

    def looks_at(self, source: str) -> bool:
        """Whether any watch includes this source (a URI)."""
        return any(watch.looks_at(source) for watch, _ in self._watches)

    def __call__(self, rows: NewRows) -> list[StandingHit]:
        """At most one hit for each watch and frame: the frame's nearest region, or the whole frame. Hits are ordered by
        time, or by source and PTS where the time is not known."""
        found_at = self._time.utc()
        hits = [
            StandingHit(watch, found_at, hit)
            for watch, target in self._watches
            for hit in self._hits(rows, watch, target)
        ]
        return sorted(hits, key=lambda h: (h.hit.time or found_at, h.hit.source, h.hit.pts))

    def close(self) -> None:
        self._scorer.close()

    def _hits(self, rows: NewRows, watch: Watch, target: Target) -> list[Hit]:
        asked = zip(rows.source, rows.time, strict=True)
        frames = np.array([watch.looks_at(uri) and watch.reports_at(moment) for uri, moment in asked])
        uris = dict(zip(rows.source_ids, rows.source, strict=True))
        ids = list(uris)
        source = np.array([ids.index(id) for id in rows.source_ids])
        where = where_of(watch.query, uris=list(uris.values()), ids=ids, source=source)
        ranked = Candidates.of((rows.regions, rows.whole), frames=frames, where=where).rank(
            target.vector,
            where,
            ranking=watch.query.ranking,
            k=len(rows),
            ids=rows.frame_id,
            scorer=self._scorer,
            within=np.inf if watch.max_distance is None else watch.max_distance,
            confidence=target.confidence,
            least=watch.query.min_confidence,
        )
        # without their shots, which are not known before the source is complete
        return [make_hit(rows, row, place, distance=distance) for row, distance, place in ranked]
