"""`--engine ray`: runs the same stages as pools of actors under Ray Data, with streaming, backpressure and retries."""

import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np
import ray
import ray.data
from numpy.typing import NDArray

from pipeline.ingest.engines.engine import LakeWriter
from pipeline.ingest.engines.pool_sizes import EMBEDDER_CPUS, PROPOSER_CPUS, READER_CPUS
from pipeline.ingest.engines.ray_cluster import RayCluster
from pipeline.ingest.packets import FramePacket, ProposalPacket, RowPacket, Work
from pipeline.ingest.stages import EmbedStage, ModelStages, ProposeStage
from pipeline.plan.plan import Plan
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Failure, Location
from schemas.errors import SourceError
from schemas.sources import Source

# A packet travels as one pickle in one Arrow cell: pixels and boxes in columns of objects would be pickled value
# by value. Blocks of about one packet keep every stage busy; Ray's default of 128 MiB waits for five.
BLOCK_BYTES = 16 * 2**20
PICTURES_PER_WORK = 16
VIDEO_S_PER_WORK = 60.0
WORKS_PER_READER = 4

Batch = dict[str, NDArray[np.object_]]


class RayEngine:
    """Runs a plan on a Ray cluster: the running one, or one that is started here for the run."""

    def __init__(self, plan: Plan, make_writer: Callable[..., LakeWriter], *, on_this_node: bool) -> None:
        """make_writer, on_this_node: see RayCluster."""
        self._plan = plan
        self._cluster = RayCluster(plan, make_writer, on_this_node=on_this_node)
        self.writer: LakeWriter = self._cluster.writer
        self._probes = [
            ray.remote(_ProbeActor).options(num_cpus=0, max_restarts=-1, max_task_retries=2).remote(plan)
            for _ in range(max(1, int(self._cluster.cpus) // 2))
        ]

    def probe(self, locations: Sequence[Location]) -> Iterator[tuple[Location, Source] | Failure]:
        pool = ray.util.ActorPool(self._probes)
        yield from pool.map_unordered(lambda actor, location: actor.probe.remote(location), list(locations))

    def run(self, works: Sequence[Work]) -> Iterator[RowPacket]:
        if not works:
            return
        context = ray.data.DataContext.get_current()
        context.target_max_block_size = BLOCK_BYTES
        context.enable_progress_bars = False  # our own progress counts frames, not blocks
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        readers = self._cluster.pool_sizes(works=len(works)).readers
        items = [{"works": pickle.dumps(group)} for group in _groups(works, readers=readers)]
        sizes = self._cluster.pool_sizes(works=len(items))
        dataset: ray.data.Dataset = ray.data.from_items(items, override_num_blocks=len(items))
        read = (_ReadActor, sizes.readers, READER_CPUS, 0.0)
        propose = (_ProposeActor, sizes.proposers, PROPOSER_CPUS, sizes.proposer_gpus)
        embed = (_EmbedActor, sizes.embedders, EMBEDDER_CPUS, sizes.embedder_gpus)
        # the maps of a frame are twice its pixels: where both stages need them, they stay in one process
        both = (
            _ModelActor,
            sizes.embedders,
            PROPOSER_CPUS + EMBEDDER_CPUS,
            min(1.0, sizes.proposer_gpus + sizes.embedder_gpus),
        )
        for actor, size, cpus, gpus in (read, both) if self._plan.one_pass else (read, propose, embed):
            dataset = dataset.map_batches(
                actor,
                fn_constructor_args=(self._plan,),
                batch_size=None,  # a block, of about BLOCK_BYTES: its packets are embedded together
                num_cpus=cpus,
                num_gpus=gpus,
                compute=ray.data.ActorPoolStrategy(min_size=1, max_size=size),
            )
        for batch in dataset.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1):
            for cell in batch["packet"]:
                packet = pickle.loads(cell)
                assert isinstance(packet, RowPacket)
                yield packet

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._cluster.close()


class _ProbeActor:
    def __init__(self, plan: Plan) -> None:
        self._reader = ReaderProcess(plan.read, timeout_s=plan.run.read_timeout_s)

    def probe(self, location: Location) -> tuple[Location, Source] | Failure:
        try:
            return location, self._reader.probe(location)
        except SourceError as error:
            return Failure(location.uri, str(error))


class _ReadActor:
    def __init__(self, plan: Plan) -> None:
        self._reader = ReaderProcess(plan.read, timeout_s=plan.run.read_timeout_s)

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        for cell in batch["works"]:
            for work in pickle.loads(cell):
                for packet in self._reader.read(work):
                    yield _cells([packet])


class _ProposeActor:
    def __init__(self, plan: Plan) -> None:
        self._stage = ProposeStage(plan)

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        yield _cells(self._stage([pickle.loads(cell) for cell in batch["packet"]]))


class _EmbedActor:
    def __init__(self, plan: Plan) -> None:
        self._stage = EmbedStage(plan)

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        yield _cells(self._stage([pickle.loads(cell) for cell in batch["packet"]]))


class _ModelActor:
    def __init__(self, plan: Plan) -> None:
        self._stages = ModelStages(plan)

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        yield _cells(self._stages([pickle.loads(cell) for cell in batch["packet"]]))


def _cells(packets: Sequence[FramePacket] | Sequence[ProposalPacket] | Sequence[RowPacket]) -> Batch:
    cells = np.empty(len(packets), object)
    for i, packet in enumerate(packets):
        cells[i] = pickle.dumps(packet, protocol=pickle.HIGHEST_PROTOCOL)
    return {"packet": cells}


def _groups(works: Sequence[Work], *, readers: int) -> Iterator[list[Work]]:
    """Groups several pictures, or several short segments of videos, so that frames read in a row are embedded together.

    Groups are small enough that every reader gets several, and that the last one does not keep the others waiting.
    """
    pictures = [w for w in works if w.segment.source.kind == "picture"]
    for start in range(0, len(pictures), PICTURES_PER_WORK):
        yield pictures[start : start + PICTURES_PER_WORK]
    videos = [(w, w.segment.source.clock.seconds(w.segment.span.stop - w.segment.span.start)) for w in works]
    videos = [(work, length_s) for work, length_s in videos if work.segment.source.kind == "video"]
    most_s = min(VIDEO_S_PER_WORK, sum(s for _, s in videos) / (WORKS_PER_READER * readers))
    group: list[Work] = []
    group_s = 0.0
    for work, length_s in videos:
        if group and group_s + length_s > most_s:
            yield group
            group, group_s = [], 0.0
        group.append(work)
        group_s += length_s
    if group:
        yield group
