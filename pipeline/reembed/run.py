"""Re-embedding: adds vectors of another model, or shorter ones, to a lake whose keyframes and regions are kept."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Literal

from operators.encoders.region_vectors import RegionVectorsConfig
from pipeline.ingest.run import EngineName
from pipeline.lake import sql
from pipeline.lake.kept_reduction import with_kept_reduction
from pipeline.lake.lake import Lake
from pipeline.lake.local_folder import local_folder
from pipeline.lake.plans_in_use import region_settings_in_use
from pipeline.lake.writing.extra_vector_column import ExtraVectorColumn, NewVectors
from pipeline.live.handed.handed_writer import open_column_writer
from pipeline.live.status.state_folder import StateFolder
from pipeline.plan.plan import Plan
from pipeline.reading.fetch_rule import FetchRule, allow
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Failure, Location, find_sources
from pipeline.reembed.stage import ReembedStage, ReembedWork
from pipeline.reembed.stored_vectors import shortened_vectors
from pipeline.ring.feed_ring import rings_of_state
from pipeline.runtime.time_source import REAL_TIME
from schemas.errors import PlanError, SourceError

Pictures = Literal["sources", "thumbnails"]

FILL_INTERVAL_S = 10.0
FILL_SHARE = 0.05  # of the time may go to filling: it finds the rows by id, which takes longer in a large lake


@dataclass(slots=True)
class ReembedReport:
    """Results of a re-embedding. column: where the vectors are. keyframes, regions: those embedded in this run.

    skipped: keyframes that already had vectors. failed: sources that could not be read, with the reason.
    """

    column: str
    keyframes: int = 0
    regions: int = 0
    skipped: int = 0
    failed: list[Failure] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every keyframe has a vector."""
        return not self.failed


def reembed(
    lake: str,
    plan: Plan,
    *,
    names: Sequence[str] = (),
    fetch: Sequence[str] = (),
    engine: EngineName = "local",
    pictures: Pictures = "sources",
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ReembedReport:
    """Fills a column with vectors of the plan's model, for all sources of a lake or for those that `names` refer to.

    Where the plan shortens the vectors that the lake was ingested with, the column is computed from these, and no
    picture is read. Otherwise the stored keyframes of each source are read again, by their time. Keyframes with a
    vector in the column are skipped, so that the same call continues after an interruption. A source is read from
    where it was ingested, a recording of a feed from its ring; a source that has moved, or whose address needs
    credentials, must be given in `names`.
    pictures: "thumbnails" embeds the pictures that the lake keeps of its keyframes, and reads no source: for sources
        that are gone, and recordings of feeds without video. They are smaller, so their vectors differ a little.
    fetch: hosts and buckets from which sources may be fetched that the lake names; otherwise only files are opened, as
        a lake may name any address.
    on_progress: called with (keyframes done, total keyframes to embed).
    Raises PlanError where the lake was ingested with the same model, ModelError and LakeError before any file is read.
    """
    opened = Lake.open(lake)
    plan = with_kept_reduction(plan, lake, only_own=False)
    space = plan.space
    if opened.space.comparable(space):
        raise PlanError(
            f"{lake} was ingested with {space.model}: its vectors are in the column `vector` already; "
            "name another --model, or shorten them with --set regions.dimensions=D"
        )
    reduction = plan.reduction
    from_rows = reduction is not None and opened.space.comparable(reduction.full) and _made_by(plan.regions, opened)
    start = perf_counter()
    with ExtraVectorColumn(opened, space, writer=open_column_writer(opened)) as column:
        report = ReembedReport(column.column)
        rule = FetchRule(allowed=allow(fetch), download=plan.run.download)
        places = None if not names else _named(names, rule, opened, plan, report)
        rule = replace(rule, of_lake=True)
        ids = None if places is None else list(places)
        if ids == []:
            return report
        total = column.count_unseen(ids)
        everything = opened.count("frames", where=None if ids is None else sql.is_in("source_id", ids))
        report.skipped = everything - total
        found: Iterable[NewVectors | Failure]
        if reduction is not None and from_rows:
            found = shortened_vectors(opened, reduction, column, ids)
        else:
            folder = local_folder(lake)  # workers of Ray have a working directory of their own
            kept = lake if folder is None else str(folder.resolve())
            feeds = set(opened.read("sources", columns=["id"], where=sql.equals("kind", "feed"))["id"].to_pylist())
            rings = str(rings_of_state(StateFolder.of(lake).path).absolute())
            works = [
                ReembedWork(
                    frames,
                    Location(frames.uri, frames.uri, fetch=rule) if places is None else places[frames.source_id],
                    thumbnails_of=kept if pictures == "thumbnails" else None,
                    rings=rings if frames.source_id in feeds else None,
                )
                for frames in column.unseen(ids)
            ]
            found = _outcomes(works, plan, engine)
        _run(found, column, report, lambda done: on_progress(done, total))
    report.elapsed_s = perf_counter() - start
    return report


def _named(names: Sequence[str], rule: FetchRule, lake: Lake, plan: Plan, report: ReembedReport) -> dict[str, Location]:
    """The locations of the sources that `names` refer to, by source id; sources not in the lake become failures."""
    held = set(lake.read("sources", columns=["id"])["id"].to_pylist())
    places: dict[str, Location] = {}
    with ReaderProcess(plan.read, timeout_s=plan.run.read_timeout_s) as reader:
        for found in find_sources(names, fetch=rule):
            if isinstance(found, Failure):
                report.failed.append(found)
                continue
            try:
                source = reader.probe(found)
            except SourceError as error:
                report.failed.append(Failure(found.uri, str(error)))
                continue
            if source.id in held:
                places[source.id] = found
            else:
                report.failed.append(Failure(found.uri, f"{found.uri} is not in {lake.uri}; ingest it first"))
    return places


def _made_by(regions: RegionVectorsConfig, lake: Lake) -> bool:
    """Whether the vectors of the lake's regions were made by these settings, apart from the reduction."""
    return replace(regions, dimensions=0, reduction="") == (
        region_settings_in_use(lake) or RegionVectorsConfig(mode="both")
    )


def _run(
    outcomes: Iterable[NewVectors | Failure],
    column: ExtraVectorColumn,
    report: ReembedReport,
    on_progress: Callable[[int], None],
) -> None:
    waiting: list[NewVectors] = []
    last_s, took_s = REAL_TIME.monotonic_s(), 0.0

    def fill() -> None:
        nonlocal last_s, took_s
        began_s = REAL_TIME.monotonic_s()
        batches = waiting.copy()
        column.fill(batches)
        waiting.clear()
        report.keyframes += sum(len(b.frame_ids) for b in batches)
        report.regions += sum(len(b.region_ids) for b in batches)
        last_s = REAL_TIME.monotonic_s()
        took_s = last_s - began_s

    blamed: set[str] = set()
    done = 0
    try:
        for found in outcomes:
            if isinstance(found, Failure):
                if found.uri not in blamed:  # one source may be split into several works
                    blamed.add(found.uri)
                    report.failed.append(found)
                continue
            waiting.append(found)
            done += len(found.frame_ids)
            on_progress(done)
            if REAL_TIME.monotonic_s() - last_s >= max(FILL_INTERVAL_S, took_s / FILL_SHARE):
                fill()
    finally:
        fill()  # what is encoded is kept, even if the run failed


def _outcomes(works: Sequence[ReembedWork], plan: Plan, engine: EngineName) -> Iterator[NewVectors | Failure]:
    if engine == "ray":
        # importing Ray takes a second, which local runs need not wait for
        from pipeline.reembed.ray_engine import run_on_ray

        yield from run_on_ray(works, plan)
        return
    if not works:
        return
    stage = ReembedStage(plan)
    try:
        for work in works:
            yield from stage(work)
    finally:
        stage.close()
