"""Shards as actors of a Ray cluster: one that dies is made again, elsewhere if need be."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import ray

from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.lake.local_folder import local_folder
from pipeline.runtime.ray_session import ray_session
from pipeline.runtime.supervised_actor import SupervisedActor
from pipeline.runtime.threads import described
from pipeline.runtime.time_source import REAL_TIME
from pipeline.search.index.indexed_regions import EXACT_WITHIN_MS
from pipeline.search.memory.part import Part
from pipeline.search.memory.resident import Resident
from pipeline.search.searcher import column_of
from pipeline.search.shards.shard import Shard, ShardSettings
from pipeline.search.shards.sharded_searcher import PartAwayError, ShardCall, ShardedSearcher
from schemas import require
from schemas.errors import RegionLakeError

START_S = 60.0  # a worker that is started imports for seconds, then reads its part
_LEAST_PATIENCE_S = 1.0  # to fetch an answer that is there: the process that asks may have read a part meanwhile
PATIENCE_S = 20.0  # Ray itself notices only after half a minute that a machine has left the network


class RayShards:
    """The actors of a lake's parts, in the cluster of RAY_ADDRESS or in one that is started here; `close` ends them.

    count: number of parts; 0 for as many as the cluster has machines.
    resident: see Searcher; None for "float16" in the actors. max_age_s, exact_within_ms: see Searcher.
    patience_s: how long an actor may take to answer before it is replaced.
    start_s: how long the first search waits for the actors; parts of those that are not ready are ranked here.
    uri: of the lake as the actors open it.
    Raises ClusterError where there is no cluster, or it refuses this process.
    """

    def __init__(
        self,
        lake: Lake,
        *,
        count: int = 0,
        resident: Resident | None = None,
        max_age_s: float = 0.0,
        exact_within_ms: float = EXACT_WITHIN_MS,
        patience_s: float = PATIENCE_S,
        start_s: float = START_S,
    ) -> None:
        require.at_least(0, count=count)
        folder = local_folder(lake.uri)
        # absolute: workers of Ray have another working directory
        self.uri = lake.uri if folder is None else str(folder.resolve())
        self._lake = lake
        self._resident = resident
        self._max_age_s = max_age_s
        self._exact_within_ms = exact_within_ms
        self._patience_s = patience_s
        self._start_s = start_s
        self._column: str | None = None  # of the vectors that the actors hold
        self.actors: list[ShardActor] = []  # of all parts, in their order; none before there is a searcher
        with ExitStack() as opened:
            opened.enter_context(ray_session())
            machines = sum(bool(node["Alive"]) for node in ray.nodes())  # type: ignore[no-untyped-call]
            self.count = count or max(1, machines)
            self._session = opened.pop_all()

    def searcher(self, encoder: Encoder | None) -> ShardedSearcher:
        """A searcher by an encoder, or for queries by boxes alone, over the actors of the column that it needs."""
        column = column_of(self._lake, encoder)
        if column != self._column:
            self._end_actors()  # of another column, whose memory they would keep
            self._column, self.actors = column, self._made(column)
        return ShardedSearcher(
            self._lake,
            encoder,
            holders=self.actors,
            max_age_s=self._max_age_s,
            resident=self._resident,
            exact_within_ms=self._exact_within_ms,
        )

    def close(self) -> None:
        """Ends the actors, and a cluster that was started here."""
        try:
            self._end_actors()
        finally:
            self._session.close()

    def _made(self, column: str) -> list["ShardActor"]:
        parts = [Part(number, self.count) for number in range(self.count)]
        actors = [
            ShardActor(
                ShardSettings(
                    self.uri,
                    column,
                    part,
                    resident=self._resident or "float16",
                    max_age_s=self._max_age_s,
                    exact_within_ms=self._exact_within_ms,
                ),
                patience_s=self._patience_s,
            )
            for part in parts
        ]
        first = [actor.ready for actor in actors if actor.ready is not None]
        ray.wait(first, num_returns=len(first), timeout=self._start_s)
        return actors

    def _end_actors(self) -> None:
        for actor in self.actors:
            actor.end()
        self._column, self.actors = None, []


class ShardActor:
    """The actor of one part; see PartHolder. It is made again after growing pauses, whenever it is needed."""

    def __init__(self, settings: ShardSettings, *, patience_s: float) -> None:
        self._settings = settings
        self._patience_s = patience_s
        self.ready: Any = None  # the call that reads the part; None once it has
        self._supervised = SupervisedActor(f"part {settings.part.number}", self._make)

    @property
    def actor(self) -> Any:
        """The handle of the actor; None while it is dead."""
        return self._supervised.current

    def away(self) -> str | None:
        if self._supervised.actor() is None:
            return f"its actor died, and is replaced: {self._supervised.status.error}"
        if self.ready is None:
            return None
        if not ray.wait([self.ready], timeout=0)[0]:
            return "its actor is reading it"
        try:
            ray.get(self.ready)
        except Exception as error:  # of Ray, or of the lake, which that machine cannot read
            return self._died(error)
        self.ready = None
        return None

    def begin(self, call: ShardCall, *arguments: object) -> Callable[[], Any]:
        actor = self._supervised.current
        if actor is None:
            raise PartAwayError("its actor died")
        result = getattr(actor, call).remote(*arguments)
        until_s = REAL_TIME.monotonic_s() + self._patience_s  # of all parts that were asked together, not one by one

        def wait() -> Any:
            left_s = max(_LEAST_PATIENCE_S, until_s - REAL_TIME.monotonic_s())
            try:
                return ray.get(result, timeout=left_s)
            except ray.exceptions.RayTaskError as error:
                cause = error.cause
                if isinstance(cause, RegionLakeError):  # the lake may come back, and the actor has all else
                    raise PartAwayError(f"its actor cannot read the lake: {cause}") from error
                raise PartAwayError(self._died(error)) from error
            except ray.exceptions.GetTimeoutError as error:
                message = f"its actor did not answer within {self._patience_s:g} s"
                self._died(TimeoutError(message))
                raise PartAwayError(message) from error
            except ray.exceptions.RayError as error:
                raise PartAwayError(self._died(error)) from error

        return wait

    def end(self) -> None:
        self._supervised.end()

    def _make(self) -> Any:
        # no CPU: an ingest may have taken all, and a query must not wait for its end. It is not restarted by Ray, which
        # would hold calls back until it has read its part again
        options: dict[str, Any] = {"num_cpus": 0, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        actor: Any = ray.remote(Shard).options(**options).remote(self._settings)
        self.ready = actor.ready.remote()
        return actor

    def _died(self, error: BaseException) -> str:
        cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else error
        reason = described(cause).splitlines()[0]
        self._supervised.died(cause)
        return f"its actor died, and is replaced: {reason}"
