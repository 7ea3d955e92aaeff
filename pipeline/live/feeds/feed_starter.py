"""Starts a feed from its entry in the list: a stream, a folder of files, or a file that grows."""

from dataclasses import replace
from pathlib import Path

from pipeline.live.commits.sink import Sink
from pipeline.live.engines.live_engine import FeedHandle, LiveEngine
from pipeline.live.feeds.feed import Feed
from pipeline.live.feeds.feed_child import FollowRequest
from pipeline.live.feeds.feed_list import FeedEntry
from pipeline.live.feeds.folder_feed import FolderFeed
from pipeline.plan.plan import Plan
from pipeline.reading.reader_process import logged_unsupported
from pipeline.reading.sources import Failure
from pipeline.ring.config import RingConfig
from pipeline.runtime.threads import Threads
from pipeline.runtime.time_source import TimeSource
from schemas.clock import Span
from schemas.errors import LakeError
from schemas.sources import Source


class FeedStarter:
    """Starts streams with the engine, which may run them elsewhere, and folders and files on this machine.

    ring: where the packets of streams are kept; None to keep none.
    """

    def __init__(
        self,
        engine: LiveEngine,
        plan: Plan,
        sink: Sink,
        *,
        ring: RingConfig | None,
        time: TimeSource,
        threads: Threads,
    ) -> None:
        self._engine = engine
        self._plan = plan
        self._plan_hash = plan.hash
        self._sink = sink
        self._ring = ring
        self._time = time
        self._threads = threads
        self._files: dict[str, Feed] = {}  # the last feed of each name: it knows which recordings were made of its file

    def start(self, name: str, entry: FeedEntry) -> FeedHandle:
        """Starts a feed. Raises PlanError where the entry cannot be followed, LakeError where it has to wait."""
        address = entry.address()
        logged_unsupported()
        handle: FeedHandle
        if entry.is_folder:
            handle = FolderFeed(
                name,
                Path(address),
                self._plan,
                register=self._register,
                refuse=self._refuse,
                naming=entry.naming,
                time=self._time,
                threads=self._threads,
            )
        else:
            request = FollowRequest(
                address,
                name,
                self._plan_hash,
                self._plan.read,
                self._plan.live,
                tls=entry.tls,
                ring=self._ring,
                masks=entry.zones,
                encodes_masked=entry.video_masked == "encode",
            )
            if entry.is_file:
                request = replace(request, recordings=self._recordings_of_file(name))
                file = self._files[name] = Feed(name, request, time=self._time, threads=self._threads)
                file.start()
                handle = file
            else:
                handle = self._engine.feed(name, request)
        if entry.paused:
            handle.pause()
        return handle

    def _recordings_of_file(self, name: str) -> tuple[Source, ...]:
        """The recordings of a file that grows which are in the lake or on their way there. Raises LakeError while they
        are not known."""
        before = self._files.get(name)
        if before is not None:
            if not before.ended:
                raise LakeError("what was received of it before it was removed is committed first")
            return before.recordings
        if self._sink.status().spooled:
            raise LakeError("what waits on disk for the lake is committed first")
        return tuple(self._sink.ask(lambda writer: writer.recordings(name)))

    def _register(self, source: Source) -> list[Span]:
        if self._sink.status().spooled:  # perhaps of this file, under the plan of an earlier follower
            raise LakeError("what waits on disk for the lake is committed first")
        return self._sink.ask(lambda writer: writer.register(source, replace=False))

    def _refuse(self, failure: Failure) -> None:
        self._sink.ask(lambda writer: writer.quarantine(failure.uri, error=failure.error))
