"""All that the service holds while it runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from deploy.server.access.source_grants import SourceGrants
from deploy.server.analysing.sql_desk import SqlDesk
from deploy.server.asking.picked_regions import PickedRegions
from deploy.server.asking.seen_search import SeenSearch
from deploy.server.asking.warm_search import WarmSearch
from deploy.server.feeding.feed_access import FeedAccess
from deploy.server.ingesting.ingest_runs import IngestRuns
from deploy.server.media.clip_cache import ClipCache
from deploy.server.media.originals import Originals
from deploy.server.media.stills import Stills
from deploy.server.media.uploads import Uploads
from deploy.server.pinning.pin_keeper import PinKeeper
from deploy.server.search_times import SearchTimes
from deploy.server.showing.catalogue import CatalogueReader, Sources
from deploy.server.showing.frames import Frames
from deploy.server.showing.lake_state import LakeState, LakeSummary
from deploy.server.watching.alarm_log import AlarmLog
from deploy.server.watching.watch_keeper import WatchKeeper
from deploy.server.workers import Workers
from operators.runtime.own_folder import user_cache_folder
from pipeline.lake.lake import Lake
from pipeline.live.status.state_folder import StateFolder
from pipeline.plan.plan import Plan
from pipeline.ring.feed_ring import rings_of_state
from pipeline.search.memory.resident import Resident
from schemas.ids import digest

DEADLINE_S = 30.0
_MOST_VIEWS = 256
_ANALYSES = 4  # deadlines that SQL has: it limits itself, and finds things before its first answer


@dataclass(frozen=True, slots=True)
class Service:
    """One lake, and what answers requests about it; `close` ends its threads and processes.

    searches, reads, pictures, changes: threads for what ranks, what reads the lake, what makes pictures and clips, and
    what changes something, analyses: for SQL, so that a page full of pictures does not hold up a search. Those of
    searches mostly wait: queries that wait together are answered together.
    views: the service as others see it, by what they see.
    """

    lake: Lake
    search: WarmSearch | SeenSearch
    sources: Sources
    frames: Frames
    state: LakeState
    uploads: Uploads
    regions: PickedRegions
    originals: Originals
    stills: Stills
    clips: ClipCache
    times: SearchTimes
    searches: Workers
    reads: Workers
    pictures: Workers
    changes: Workers
    analyses: Workers
    watches: WatchKeeper
    alarms: AlarmLog
    pins: PinKeeper
    sql: SqlDesk
    feeds: FeedAccess
    ingests: IngestRuns
    views: dict[SourceGrants, "Service"] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        lake: Lake,
        *,
        model: str | None = None,
        dimensions: int | None = None,
        resident: Resident | None = None,
        shards: int | None = None,
        fetch: Sequence[str] = (),
        deadline_s: float = DEADLINE_S,
        clips: Path | None = None,
        feeds: FeedAccess | None = None,
        ingests: IngestRuns | None = None,
    ) -> Self:
        """shards: see SearchSession.

        clips: the folder of clips; by default one in the user's cache. fetch: see Originals.

        feeds, ingests: what may be followed and ingested, by default nothing; they are closed with it.
        """
        originals = Originals(rings=rings_of_state(StateFolder.of(lake.uri).path), fetch=fetch)
        search = WarmSearch(lake, model=model, dimensions=dimensions, resident=resident, shards=shards)
        sources = Sources(CatalogueReader(lake))
        watches = WatchKeeper(lake, encoder=search.encoder)
        folder = clips or user_cache_folder() / "clips" / digest("clips", lake.uri)
        return cls(
            lake=lake,
            search=search,
            sources=sources,
            frames=Frames(lake, sources),
            state=LakeState(lake, LakeSummary(lake), sources, search),
            uploads=Uploads(kept=watches.saved.picture),
            regions=PickedRegions(lake, search.encoder),
            originals=originals,
            stills=Stills(originals),
            clips=ClipCache(originals, folder),
            times=SearchTimes(),
            searches=Workers("searches", threads=16, waiting=64, deadline_s=deadline_s),
            reads=Workers("reads", threads=4, waiting=64, deadline_s=deadline_s),
            pictures=Workers("pictures", threads=4, waiting=256, deadline_s=deadline_s),
            changes=Workers("changes", threads=1, waiting=16, deadline_s=deadline_s),
            analyses=Workers("analyses", threads=1, waiting=16, deadline_s=_ANALYSES * deadline_s),
            watches=watches,
            alarms=AlarmLog(watches.alarms),
            pins=PinKeeper(lake),
            sql=SqlDesk(lake, search.encoder),
            feeds=feeds or FeedAccess(),
            ingests=ingests or IngestRuns(lake.uri, Plan(), {}),
        )

    @property
    def grants(self) -> SourceGrants:
        """The sources that are seen through this."""
        return self.sources.grants

    def seen_by(self, grants: SourceGrants) -> "Service":
        """The service as if its lake had no sources but these: what every request of such a user is answered from."""
        if grants.everything:
            return self
        found = self.views.get(grants)
        if found is None:
            assert isinstance(self.search, WarmSearch)  # of the whole lake
            sources = self.sources.seen_by(grants)
            frames = self.frames.seen_by(sources)
            search = SeenSearch(self.search, self.lake, sources, frames)
            state = self.state.seen_by(sources, search)
            found = replace(self, search=search, sources=sources, frames=frames, state=state, views={})
            while len(self.views) >= _MOST_VIEWS:
                self.views.pop(next(iter(self.views)), None)
            self.views[grants] = found
        return found

    def close(self) -> None:
        self.originals.close()  # first: others wait for what it reads
        self.ingests.close()
        self.feeds.close()
        self.pins.close()
        self.watches.close()  # a change waits for it
        for workers in (self.analyses, self.changes, self.pictures, self.reads, self.searches):
            workers.close()
        self.uploads.close()
        assert isinstance(self.search, WarmSearch)
        self.search.close()
