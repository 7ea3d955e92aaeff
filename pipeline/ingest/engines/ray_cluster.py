"""The parts that all engines on Ray share: the connection, the sizes of pools, and the lake's committer in an actor."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import ray

from pipeline.ingest.engines.pool_sizes import LINKER_CPUS, PoolSizes, pool_sizes, stages_with_models
from pipeline.ingest.engines.ray_linker import ActorLinker
from pipeline.ingest.engines.ray_writer import ActorWriter
from pipeline.plan.plan import Plan
from pipeline.runtime.ray_session import ray_session


class RayCluster:
    """The running cluster, or one that is started here and ended by `close()`.

    Raises PlanError for a plan that could never start there, and the committer's error if it cannot be opened, before
    any file is read.
    """

    def __init__(self, plan: Plan, make_writer: Callable[..., Any], *, on_this_node: bool) -> None:
        """Connects, and starts the writer's actor.

        make_writer: called with `linker` if the plan's tracks need one: the writer's actor has no CPU and no GPU.
        on_this_node: the lake is a folder of this machine, and its writer must run here.
        """
        self._plan = plan
        with ExitStack() as opened:
            opened.enter_context(ray_session())
            resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
            self.cpus, self.gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
            sizes = self.pool_sizes(works=1)
            if sizes.linkers:
                linker = ActorLinker(plan.tracks.propagation, cpus=LINKER_CPUS, gpus=sizes.linker_gpus)
                make_writer = partial(make_writer, linker=linker)
            self.writer = ActorWriter(make_writer, on_this_node=on_this_node)
            self._session = opened.pop_all()

    def pool_sizes(self, *, works: int) -> PoolSizes:
        """Number of actors of each stage. works: number of works to read."""
        return pool_sizes(
            self._plan.run,
            cluster_cpus=self.cpus,
            cluster_gpus=self.gpus,
            works=works,
            models=stages_with_models(self._plan),
            one_pass=self._plan.one_pass,
        )

    def close(self) -> None:
        """Closes the committer, and ends what was started here even if that fails."""
        try:
            self.writer.close()
        finally:
            self._session.close()
