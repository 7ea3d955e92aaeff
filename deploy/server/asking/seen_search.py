"""The search as somebody may use it who sees a part of the sources: the others are excluded before ranking."""

import threading
from dataclasses import dataclass, replace

import numpy as np

from deploy.server.answers import RequestError
from deploy.server.asking.warm_search import ModelStatus, WarmSearch
from deploy.server.showing.catalogue import Sources
from deploy.server.showing.frames import Frames
from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.search.liked_regions import no_such_region
from pipeline.search.memory.frame_listing import FrameListing
from pipeline.search.query_picture import no_such_frame
from schemas.query import Query, SearchResult

NO_SOURCE = ("none",)  # the id of no source; without any id, all sources would be searched


@dataclass(frozen=True, slots=True, eq=False)
class _Listed:
    """seen: what was made of `whole`, the listing of the whole lake, for the sources with these ids."""

    whole: FrameListing
    ids: frozenset[str]
    seen: FrameListing


class SeenSearch:
    """Answers as WarmSearch does, as if the lake had no sources but these. Any thread may call it."""

    def __init__(self, search: WarmSearch, lake: Lake, sources: Sources, frames: Frames) -> None:
        self._search = search
        self._lake = lake
        self._sources = sources
        self._frames = frames
        self._lock = threading.Lock()
        self._listed: _Listed | None = None

    def search(self, query: Query) -> SearchResult:
        """Raises as WarmSearch does; QueryError for what is of another source, as for what does not exist.

        Says nothing of how the answer was found: what was read of an index is counted over all sources.
        """
        if query.frame is not None:
            try:
                self._frames.find(query.frame)
            except RequestError:
                raise no_such_frame(self._lake, query.frame) from None
        for id in (*query.like, *query.unlike):
            if not self._sees(id):
                raise no_such_region(self._lake, id)
        seen = self._sources().served
        ids = [id for id in query.source_ids or seen if id in seen]
        result = self._search.search(replace(query, source_ids=tuple(ids) or NO_SOURCE))
        return replace(result, explanation=None)

    def _sees(self, id: str) -> bool:
        """Whether a region or a keyframe is of one of these sources."""
        for find in (self._frames.region, self._frames.find):
            try:
                find(id)
            except RequestError:
                continue
            return True
        return False

    def encoder(self) -> Encoder:
        return self._search.encoder()

    def model(self) -> ModelStatus:
        return self._search.model()

    def listing(self) -> FrameListing:
        """The keyframes of these sources. Its generation grows when these change, and not when others do."""
        whole, ids = self._search.listing(), frozenset(self._sources().served)
        with self._lock:
            listed = self._listed
            if listed is None or listed.whole is not whole or listed.ids != ids:
                seen = _of_sources(whole, ids, generation=0 if listed is None else listed.seen.generation)
                if listed is not None and not _same(listed.seen, seen):
                    seen = replace(seen, generation=seen.generation + 1)
                listed = self._listed = _Listed(whole, ids, seen)
            return listed.seen

    @property
    def without_vector(self) -> int:
        """Unknown for a part of the lake."""
        return 0

    @property
    def lake_error(self) -> str | None:
        return self._search.lake_error


def _of_sources(listing: FrameListing, ids: frozenset[str], *, generation: int) -> FrameListing:
    """The listing of these sources alone."""
    numbers = [number for number, id in enumerate(listing.source_ids) if id in ids]
    rows = np.flatnonzero(np.isin(listing.source, numbers))
    renumbered = np.zeros(len(listing.source_ids) + 1, np.int64)
    renumbered[numbers] = np.arange(len(numbers))
    return FrameListing(
        listing.frame_id[rows],
        renumbered[listing.source[rows]],
        listing.pts[rows],
        listing.pts_s[rows],
        listing.time[rows],
        listing.regions[rows],
        tuple(listing.source_ids[number] for number in numbers),
        tuple(listing.uris[number] for number in numbers),
        generation,
    )


def _same(a: FrameListing, b: FrameListing) -> bool:
    return np.array_equal(a.frame_id, b.frame_id) and np.array_equal(a.regions, b.regions)
