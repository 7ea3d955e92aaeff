"""How many actors each Ray stage gets, so that they all start and Ray's own tasks still find a CPU."""

from dataclasses import dataclass

from pipeline.plan import RunConfig
from schemas.errors import PlanError

# CPUs asked of Ray by one actor. They are shares for scheduling, not limits: decoders and models use threads.
READER_CPUS = 0.5
PROPOSER_CPUS = 0.25
EMBEDDER_CPUS = 0.5
# Left for Ray Data's own tasks: pools that take every CPU wait for ever for a task that waits for a CPU.
SPARE_CPUS = 0.5


@dataclass(frozen=True, slots=True)
class PoolSizes:
    """Actors of each stage."""

    readers: int
    proposers: int
    embedders: int

    @property
    def cpus(self) -> float:
        return self.readers * READER_CPUS + self.proposers * PROPOSER_CPUS + self.embedders * EMBEDDER_CPUS


def pool_sizes(run: RunConfig, *, cluster_cpus: float, works: int) -> PoolSizes:
    """Sizes from the plan where it names them, else shared out by what each stage costs.

    works: pieces of work there are; more readers than that would idle.
    Raises PlanError for a plan that could never start on this cluster.
    """
    unit = READER_CPUS + PROPOSER_CPUS + EMBEDDER_CPUS
    units = max(1, int((cluster_cpus - SPARE_CPUS) / unit))
    sizes = PoolSizes(
        readers=run.readers or min(units, max(1, works)),
        proposers=run.proposers or units,
        embedders=run.embedders or units,
    )
    if sizes.cpus + SPARE_CPUS > cluster_cpus:
        raise PlanError(
            f"the plan asks for {sizes.readers} readers, {sizes.proposers} proposers and {sizes.embedders} embedders: "
            f"{sizes.cpus:g} CPUs and {SPARE_CPUS:g} for Ray itself, the cluster has {cluster_cpus:g}; it would wait "
            "for ever. Lower run.readers, run.proposers, run.embedders (0 sizes them), or use --engine local"
        )
    return sizes
