"""Makes the lakes in which methods of search are measured: ingests a data set by the real pipeline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.ingest.progress import Progress
from pipeline.ingest.run import EngineName, ingest
from pipeline.lab.datasets.dataset import Dataset
from pipeline.lab.evaluation.plans import with_every_nth_frame
from pipeline.lab.evaluation.retrieval.compared_methods import ComparedMethod
from pipeline.lab.evaluation.retrieval.gallery import Gallery, source_ids
from pipeline.lake.lake import Lake
from pipeline.plan.plan import Plan
from schemas.errors import LakeError, SourceError
from schemas.ids import digest


@dataclass(frozen=True, slots=True, eq=False)
class PreparedMethod:
    """A method with its lake. plan: the plan that made the lake."""

    method: ComparedMethod
    plan: Plan
    lake: Lake


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A data set with the lakes of all methods. gallery: the frames that every method can find."""

    dataset: Dataset
    gallery: Gallery
    methods: tuple[PreparedMethod, ...]


def prepare(
    dataset: Dataset,
    methods: Sequence[ComparedMethod],
    *,
    every: int,
    plan_of: Callable[[tuple[str, ...], tuple[str, ...]], Plan],
    lakes: Path,
    engine: EngineName = "local",
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Prepared:
    """Ingests the data set for every method; methods with the same plan share a lake.

    every: every n-th frame of a video is indexed.
    plan_of: (settings that a method needs, settings of its own) → the plan; the user's settings are applied between.
    lakes: folder that keeps the lakes, so that a repeated or resumed measurement ingests only what is missing.
    Raises SourceError if a file of the data set cannot be ingested, LakeError if the lakes of two methods hold
    different frames.
    """
    ids = source_ids(dataset)
    folder = lakes / f"{dataset.name}-{digest('gallery', *sorted(ids.values()))[:8]}"
    shared = tuple(dict.fromkeys(need for method in methods for need in method.needs))
    done: dict[str, tuple[Lake, Gallery]] = {}
    prepared = []
    for method in methods:
        plan = plan_of(shared if method.needs or not method.settings else (), method.settings)
        if dataset.video is not None:
            plan = with_every_nth_frame(plan, every=every, frame_rate=dataset.video.frame_rate)
        if plan.hash not in done:
            uri = str(folder / plan.hash)
            report = ingest([str(path) for path in dataset.files], uri, plan, engine=engine, on_progress=on_progress)
            if not report.ok:
                raise SourceError("; ".join(f.error for f in (*report.quarantined, *report.failed)))
            done[plan.hash] = Lake.open(uri), Gallery.of(dataset, ids, Lake.open(uri))
        prepared.append(PreparedMethod(method, plan, done[plan.hash][0]))
    (_, gallery), *others = done.values()
    for lake, other in others:
        if other.index != gallery.index:
            raise LakeError(f"{lake.uri} holds other frames than {prepared[0].lake.uri}; they cannot be compared")
    return Prepared(dataset, gallery, tuple(prepared))
