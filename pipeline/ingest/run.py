"""Runs an ingest, from names of sources to rows in the lake, with either engine."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Literal

from operators.codes.model import CodeModel
from operators.shots.cuts import fold_shots
from operators.tracking.links import Linker
from operators.tracking.tracker import Tracker
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.ingest.completion_of import completion_of
from pipeline.ingest.continued_plan import continued_plan
from pipeline.ingest.engines.engine import Engine
from pipeline.ingest.engines.local_engine import LocalEngine
from pipeline.ingest.packets import SegmentFailure, StageName, Work
from pipeline.ingest.progress import IngestReport, Progress
from pipeline.ingest.segment_assembler import SegmentAssembler
from pipeline.lake.code_model import keep_code_model
from pipeline.lake.kept_reduction import with_kept_reduction
from pipeline.lake.lake import Lake
from pipeline.lake.local_folder import local_folder
from pipeline.lake.writing.committer import Committer
from pipeline.live.handed.handed_writer import open_writer
from pipeline.plan.plan import Plan
from pipeline.plan.stored_plan import StoredPlan
from pipeline.reading.fetch_rule import FetchRule, allow
from pipeline.reading.recorder_times import dated
from pipeline.reading.segments import split_source
from pipeline.reading.sources import Failure, Location, find_sources
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.errors import PlanConflictError
from schemas.recorder_names import KNOWN_FORMS, NameRule
from schemas.sources import Segment, Source

EngineName = Literal["ray", "local"]

SOURCES_AT_ONCE = 256  # probed and registered together: the first rows of a large archive come soon
SEGMENTS_PER_COMMIT = 32
COMMIT_BYTES = 64 * 2**20
COMMIT_INTERVAL_S = 5.0


def ingest(
    names: Sequence[str],
    lake: str,
    plan: Plan,
    *,
    engine: EngineName = "local",
    replace: bool = False,
    fetch: Sequence[str] = (),
    naming: NameRule = KNOWN_FORMS,
    on_progress: Callable[[Progress], None] = lambda _: None,
    time: TimeSource = REAL_TIME,
) -> IngestReport:
    """Adds the sources that `names` refer to (files, folders, globs, URLs) to the lake at `lake`, each once.

    Segments that the lake already holds under the same plan are skipped. A source that cannot be read is
    quarantined with its reason, and the others are still ingested.
    replace: removes the rows that another plan made of the same source, and reads it again.
    fetch: hosts with private addresses to which a server may redirect a download.
    naming: how the times in names of files are read (pipeline/reading/recorder_times.py).
    Raises PlanError, ModelError, LakeError before any file is read.
    """
    rule = FetchRule(allowed=allow(fetch), download=plan.run.download)
    plan = with_kept_reduction(continued_plan(plan, lake), lake)
    # workers of Ray have a working directory of their own
    folder = local_folder(lake)
    with _engine(engine, plan, lake if folder is None else str(folder.resolve())) as runner:
        run = _Run(runner, plan, replace=replace, naming=naming, on_progress=on_progress, time=time)
        return run.ingest(names, rule)


def _engine(name: EngineName, plan: Plan, lake: str) -> Engine:
    make_writer = partial(open_writer, lake, plan, partial(open_committer, lake, plan))
    if name == "local":
        return LocalEngine(plan, make_writer)
    # importing Ray takes a second, which local runs need not wait for
    from pipeline.ingest.engines.ray_engine import RayEngine

    return RayEngine(plan, make_writer, on_this_node=local_folder(lake) is not None)


def open_committer(
    lake: str,
    plan: Plan,
    *,
    linker: Linker | None = None,
    stored: StoredPlan | None = None,
    beside: Committer | None = None,
) -> Committer:
    """The committer of a lake, which is created if it does not exist. Raises LakeError, ModelError.

    linker: carries masks for the tracks; if the plan needs one and none is given, it is loaded in this process.
    stored: the plan as the lake stores it, where another process made that. beside: see Committer.
    """
    plan = continued_plan(plan, lake)
    if linker is None and plan.tracks.propagation.model:
        from operators.tracking.propagation import MaskPropagation  # torch: most plans carry no masks

        linker = MaskPropagation(plan.tracks.propagation)
    opened = Lake.create_or_open(lake, plan.space) if beside is None else beside.lake
    committer = Committer(
        opened,
        plan=StoredPlan.of(plan) if stored is None else stored,
        fold_shots=partial(fold_shots, config=plan.read.shots),
        new_tracker=partial(Tracker, plan.tracks),
        grid_s=plan.validity.grid_s,
        store_once=plan.validity.store_once,
        linker=linker,
        completion_of=completion_of,
        beside=beside,
    )
    if plan.codes.model:
        try:
            keep_code_model(opened, CodeModel.load(Path(plan.codes.model)))
        except BaseException:
            committer.close()
            raise
    return committer


class _Run:
    """One ingest: its counts, and the rows that are waiting to be committed."""

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        *,
        replace: bool,
        naming: NameRule,
        on_progress: Callable[[Progress], None],
        time: TimeSource,
    ) -> None:
        self._engine = engine
        self._plan = plan
        self._plan_hash = plan.hash
        self._replace = replace
        self._naming = naming
        self._on_progress = on_progress
        self._report = IngestReport()
        self._seconds: defaultdict[StageName, float] = defaultdict(float)
        self._start = perf_counter()
        self._pending: list[SegmentRows] = []
        self._time = time
        self._last_commit_s = time.monotonic_s()
        self._frames_of: dict[str, tuple[int, float]] = {}  # segment id → frames decoded so far, frame rate
        self._keyframes = self._regions = 0  # embedded so far, committed or not
        self._media_total_s = 0.0
        self._backlog = 0
        self._source_ids: set[str] = set()  # of this run: a copy of a file has the same id

    def ingest(self, names: Sequence[str], rule: FetchRule) -> IngestReport:
        found = find_sources(names, fetch=rule)
        while chunk := list(islice(found, SOURCES_AT_ONCE)):
            works = list(self._works(chunk))
            self._backlog = len(works)
            self._media_total_s += sum(_media_s(w.segment) for w in works)
            self._read(works)
        self._report.elapsed_s = perf_counter() - self._start
        self._report.seconds = {stage: round(s, 3) for stage, s in self._seconds.items()}
        return self._report

    def _works(self, chunk: Sequence[Location | Failure]) -> Iterator[Work]:
        for failure in chunk:
            if isinstance(failure, Failure):
                self._quarantine(failure)
        start = perf_counter()
        for probed in self._engine.probe([c for c in chunk if isinstance(c, Location)]):
            self._seconds["probe"] += perf_counter() - start
            if isinstance(probed, Failure):
                self._quarantine(probed)
            else:
                yield from self._segments(*probed)
            self._on_progress(self._progress())  # probing on a slow network share takes minutes
            start = perf_counter()

    def _segments(self, location: Location, source: Source) -> Iterator[Work]:
        self._report.sources += 1
        if source.id in self._source_ids:
            self._report.skipped += 1
            return
        self._source_ids.add(source.id)
        named = dated(source, location, self._naming)
        source = named.source
        try:
            todo = self._engine.writer.register(source, replace=self._replace)
        except PlanConflictError as error:
            self._report.failed.append(Failure(location.uri, str(error)))
            return
        segments = split_source(source, segment_s=self._plan.run.segment_s, plan_hash=self._plan_hash, todo=todo)
        if not segments:
            self._report.skipped += 1
        elif named.note is not None:
            self._report.notes.append(Failure(location.uri, named.note))
        for segment in segments:
            yield Work(segment, location)

    def _read(self, works: Sequence[Work]) -> None:
        assembler = SegmentAssembler(self._plan_hash)
        unfinished = {work.segment.id: work.segment for work in works}
        for packet in self._engine.run(works):
            segment = packet.head.segment
            for stage, seconds in packet.head.busy:
                self._seconds[stage] += seconds
            before, rate = self._frames_of.get(segment.id, (0, segment.source.frame_rate))
            self._frames_of[segment.id] = max(before, packet.head.frames_decoded), rate
            self._keyframes += packet.frames.num_rows
            self._regions += packet.regions.num_rows
            whole = assembler.add(packet)
            if whole is not None:
                unfinished.pop(segment.id, None)
            if isinstance(whole, SegmentRows):
                self._pending.append(whole)
            elif whole is not None:
                self._fail(*whole)
            if self._commit_is_due():
                self._commit()
            self._on_progress(self._progress())
        for segment in unfinished.values():
            self._fail(segment, SegmentFailure("failed", "its rows were not received from the workers; run it again"))
        self._commit()
        self._on_progress(self._progress())

    def _commit_is_due(self) -> bool:
        waiting = sum(rows.nbytes for rows in self._pending)
        return bool(self._pending) and (
            len(self._pending) >= SEGMENTS_PER_COMMIT
            or waiting >= COMMIT_BYTES
            or self._time.monotonic_s() - self._last_commit_s >= COMMIT_INTERVAL_S
        )

    def _commit(self) -> None:
        start = perf_counter()
        if self._pending:
            self._engine.writer.commit(self._pending)
        for rows in self._pending:
            self._report.segments += 1
            self._report.frames_decoded += rows.report.frames_decoded
            self._report.near_duplicates += rows.report.near_duplicates
            self._report.keyframes += rows.frames.num_rows
            self._report.regions += rows.regions.num_rows
        self._backlog -= len(self._pending)
        self._pending = []
        self._last_commit_s = self._time.monotonic_s()
        self._seconds["commit"] += perf_counter() - start

    def _quarantine(self, failure: Failure) -> None:
        self._engine.writer.quarantine(failure.uri, error=failure.error)
        self._report.quarantined.append(failure)

    def _fail(self, segment: Segment, failure: SegmentFailure) -> None:
        self._engine.writer.fail(segment, state=failure.state, error=failure.error)
        self._backlog -= 1
        named = self._report.quarantined if failure.state == "quarantined" else self._report.failed
        named.append(Failure(segment.source.uri, failure.error))

    def _progress(self) -> Progress:
        frames = sum(n for n, _ in self._frames_of.values())
        return Progress(
            elapsed_s=perf_counter() - self._start,
            sources=self._report.sources,
            segments=self._report.segments,
            backlog_segments=self._backlog,
            frames_decoded=frames,
            keyframes=self._keyframes,
            regions=self._regions,
            media_s=sum(n / rate for n, rate in self._frames_of.values() if rate > 0),
            media_total_s=self._media_total_s,
        )


def _media_s(segment: Segment) -> float:
    if segment.source.kind == "picture":
        return 0.0
    return segment.source.clock.seconds(segment.span.stop - segment.span.start)
