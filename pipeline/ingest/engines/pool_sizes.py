"""The number of actors of each Ray stage, chosen so that all can start and Ray's own tasks still have a CPU."""

import math
from collections.abc import Collection
from dataclasses import dataclass

from operators.encoders.catalogue import runs_on_gpu
from operators.runtime.settings import holds_weights
from pipeline.ingest.packets import StageName
from pipeline.plan.plan import Plan, RunConfig
from schemas.errors import PlanError

# CPUs that one actor requests from Ray. They are shares for scheduling, not limits: decoders and models use threads.
READER_CPUS = 0.5
PROPOSER_CPUS = 0.25
EMBEDDER_CPUS = 0.5
LINKER_CPUS = 0.25
# Reserved for Ray Data's own tasks: pools that take every CPU wait for ever for a task that waits for a CPU.
SPARE_CPUS = 0.5


@dataclass(frozen=True, slots=True)
class PoolSizes:
    """Number of actors of each stage. proposer_gpus, …: share of a GPU that each of them requests; 0 for none.

    linkers: one if masks are carried from keyframe to keyframe, as tracks are written one source after the other;
        else none.
    """

    readers: int
    proposers: int
    embedders: int
    linkers: int = 0
    proposer_gpus: float = 0.0
    embedder_gpus: float = 0.0
    linker_gpus: float = 0.0

    @property
    def cpus(self) -> float:
        stages = self.readers * READER_CPUS + self.proposers * PROPOSER_CPUS + self.embedders * EMBEDDER_CPUS
        return stages + self.linkers * LINKER_CPUS


def stages_with_models(plan: Plan) -> frozenset[StageName]:
    """Stages whose models run on a GPU if the process has one. The embedded model runs on the CPU.

    A proposer has a model if its settings have a field for its weights.
    """
    stages: set[StageName] = set()
    if runs_on_gpu(plan.model):
        stages.add("embed")
    proposing = [*plan.proposals.in_use, plan.proposals.box_masks.chosen]
    if any(config is not None and holds_weights(config) for config in proposing):
        stages.add("propose")
    if plan.tracks.propagation.model:
        stages.add("track")
    return frozenset(stages)


def pool_sizes(
    run: RunConfig,
    *,
    cluster_cpus: float,
    works: int,
    cluster_gpus: float = 0.0,
    models: Collection[StageName] = (),
    one_pass: bool = False,
) -> PoolSizes:
    """The sizes that the plan gives; the others are computed from the cost of each stage.

    works: number of works to read; more readers than that would idle.
    one_pass: every embedder is a proposer too, so `run.proposers` has no effect.
    models: stages that hold models. If the cluster has GPUs, each of these stages has one actor per GPU, and they share
        it evenly; Ray hides the GPUs from actors that request none.
    Raises PlanError for a plan that could never start on this cluster.
    """
    unit = READER_CPUS + PROPOSER_CPUS + EMBEDDER_CPUS
    linkers = int("track" in models)
    units = max(1, int((cluster_cpus - SPARE_CPUS - linkers * LINKER_CPUS) / unit))
    gpus = int(cluster_gpus)

    def actors(named: int, stage: StageName) -> tuple[int, float]:
        """Number of actors, and the share of a GPU of each."""
        if gpus == 0 or stage not in models:
            return named or units, 0.0
        count = named or min(units, gpus)
        return count, 1 / (len(models) * math.ceil(count / gpus))

    proposers, proposer_gpus = actors(run.proposers, "propose")
    embedders, embedder_gpus = actors(run.embedders, "embed")
    if one_pass:
        proposers = embedders
    _, linker_gpus = actors(linkers, "track")
    sizes = PoolSizes(
        readers=run.readers or min(units, max(1, works)),
        proposers=proposers,
        embedders=embedders,
        linkers=linkers,
        proposer_gpus=proposer_gpus,
        embedder_gpus=embedder_gpus,
        linker_gpus=linker_gpus,
    )
    if sizes.cpus + SPARE_CPUS > cluster_cpus:
        raise PlanError(
            f"{sizes.readers} readers, {sizes.proposers} proposers and {sizes.embedders} embedders need "
            f"{sizes.cpus:g} CPUs, and Ray itself {SPARE_CPUS:g}; the cluster has {cluster_cpus:g}, so the run would "
            "wait for ever. Lower run.readers, run.proposers, run.embedders (0 sizes them), or use --engine local"
        )
    return sizes
