"""Re-embedding: adds vectors of another model to a lake, by reading only its keyframes again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from pipeline.ingest.run import EngineName
from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.writing.extra_vector_column import ExtraVectorColumn, NewVectors
from pipeline.live.handed.handed_writer import open_column_writer
from pipeline.plan.plan import Plan
from pipeline.reading.fetch_rule import FetchRule, allow
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Failure, Location, find_sources
from pipeline.reembed.stage import ReembedStage, ReembedWork
from pipeline.runtime.time_source import REAL_TIME
from schemas.errors import PlanError, SourceError

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
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ReembedReport:
    """Fills a column with vectors of the plan's model, for all sources of a lake or for those that `names` refer to.

    Only the stored keyframes of each source are read again, by their time; keyframes with a vector in the column are
    skipped, so that the same call continues after an interruption. A source is read from where it was ingested; a
    source that has moved, or whose address needs credentials, must be given in `names`.
    fetch: hosts and buckets from which sources may be fetched that the lake names; otherwise only files are opened, as
        a lake may name any address.
    on_progress: called with (keyframes done, total keyframes to embed).
    Raises PlanError where the lake was ingested with the same model, ModelError and LakeError before any file is read.
    """
    opened = Lake.open(lake)
    space = plan.space
    if opened.space.comparable(space):
        raise PlanError(f"{lake} was ingested with {space.model}: its vectors are in the column `vector` already")
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
        works = [
            ReembedWork(
                frames,
                Location(frames.uri, frames.uri, fetch=rule) if places is None else places[frames.source_id],
            )
            for frames in column.unseen(ids)
        ]
        _run(works, plan, engine, column, report, lambda done: on_progress(done, total))
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


def _run(
    works: Sequence[ReembedWork],
    plan: Plan,
    engine: EngineName,
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
        for found in _outcomes(works, plan, engine):
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
