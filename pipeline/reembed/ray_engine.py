"""Re-embedding on Ray: one pool of actors, each with a reader and the model."""

import logging
import pickle
from collections.abc import Iterator, Sequence

import numpy as np
import ray
import ray.data
from numpy.typing import NDArray

from pipeline.ingest.engines.pool_sizes import EMBEDDER_CPUS, READER_CPUS, SPARE_CPUS, stages_with_models
from pipeline.lake.writing.extra_vector_column import NewVectors
from pipeline.plan.plan import Plan
from pipeline.reading.sources import Failure
from pipeline.reembed.stage import ReembedStage, ReembedWork
from pipeline.runtime.ray_session import ray_session
from schemas.errors import PlanError

ACTOR_CPUS = READER_CPUS + EMBEDDER_CPUS
Batch = dict[str, NDArray[np.object_]]


def run_on_ray(works: Sequence[ReembedWork], plan: Plan) -> Iterator[NewVectors | Failure]:
    """The vectors or failures of all works, in any order. Raises PlanError where the cluster is too small."""
    if not works:
        return
    with ray_session():
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cpus = resources.get("CPU", 0.0)
        gpus = resources.get("GPU", 0.0) if "embed" in stages_with_models(plan) else 0.0
        room = max(1, int((cpus - SPARE_CPUS) / ACTOR_CPUS))
        actors = plan.run.embedders or min(len(works), room, int(gpus) or room)
        if actors * ACTOR_CPUS + SPARE_CPUS > cpus:
            raise PlanError(
                f"{actors} actors need {actors * ACTOR_CPUS:g} CPUs, and Ray itself {SPARE_CPUS:g}; the cluster has "
                f"{cpus:g}; the run would wait for ever. Lower run.embedders (0 sizes it), or use --engine local"
            )
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        items = [{"work": pickle.dumps(work)} for work in works]
        dataset: ray.data.Dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            _ReembedActor,
            fn_constructor_args=(plan,),
            batch_size=1,
            num_cpus=ACTOR_CPUS,
            num_gpus=min(1.0, gpus / actors),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors),
        )
        for batch in dataset.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1):
            for cell in batch["found"]:
                found = pickle.loads(cell)
                assert isinstance(found, NewVectors | Failure)
                yield found


class _ReembedActor:
    def __init__(self, plan: Plan) -> None:
        self._stage = ReembedStage(plan)

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        for cell in batch["work"]:
            for found in self._stage(pickle.loads(cell)):
                out = np.empty(1, object)
                out[0] = pickle.dumps(found, protocol=pickle.HIGHEST_PROTOCOL)
                yield {"found": out}
