"""A searcher as a Ray actor: many callers query one process, which holds the columns and the model."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray

from operators.encoders.catalogue import load_encoder, model_of_space
from operators.encoders.encoder import Encoder
from pipeline.ingest.engines.remote import call
from pipeline.lake.lake import Lake
from pipeline.lake.lake_encoder import for_lake
from pipeline.lake.local_folder import local_folder
from pipeline.search.memory.resident import Resident
from pipeline.search.searcher import Searcher
from schemas.errors import QueryError, RegionLakeError, WorkerDiedError
from schemas.query import Query, SearchResult

LoadEncoder = Callable[[str], Encoder]


@dataclass(frozen=True, slots=True)
class Serving:
    """What an actor serves: a lake, by a model or for boxes alone; and the client that made the actor."""

    lake: str
    model: str | None
    with_model: bool
    made_by: str


class QueryActor:
    """Holds a Searcher in the actor's process, where the first call opens the lake and loads the model.

    lake: URI. load: model name → encoder; None if all queries are by boxes alone. model: the model whose vectors are
        searched; None for the lake's own.
    threads: number of threads that score; None for one a core, whatever the actor reserves in the cluster.
    resident: see Searcher.
    made_by: distinguishes the client that made the actor from those that found it by its name.
    """

    def __init__(
        self,
        lake: str,
        *,
        load: LoadEncoder | None = load_encoder,
        model: str | None = None,
        threads: int | None = None,
        resident: Resident | None = None,
        made_by: str = "",
    ) -> None:
        # opens nothing: an error raised here would reach the caller as the death of the actor
        self._lake = lake
        self._load = load
        self._model = model
        self._searcher: Searcher | None = None
        self._threads = threads
        self._resident = resident
        self._made_by = made_by

    def serving(self) -> Serving:
        """What the actor serves; opens nothing, so that an actor whose lake cannot be opened answers too."""
        return Serving(self._lake, self._model, self._load is not None, self._made_by)

    def search(self, query: Query) -> SearchResult:
        """Answers a query as Searcher.search does."""
        return self._ready().search(query)

    def refresh(self) -> bool:
        """Refreshes as Searcher.refresh does; for a timer that keeps the first search after an ingest fast."""
        return self._ready().refresh()

    def _ready(self) -> Searcher:
        if self._searcher is None:
            lake = Lake.open(self._lake)
            encoder = None
            if self._load is not None:
                model = self._model or model_of_space(lake.space)
                encoder = for_lake(self._load(model), lake, model=self._model)
            self._searcher = Searcher(lake, encoder, threads=self._threads, resident=self._resident)
        return self._searcher


class QueryClient:
    """Starts a QueryActor and queries it; raises the errors that its searcher raises. Ray must be running.

    model: the model whose vectors are searched; None for the lake's own.
    cpus: the CPUs that the actor reserves in the cluster; half a CPU leaves room on a small machine.
    resident: how an actor that this client makes holds vectors: see Searcher.
    name: all clients of the cluster that give this name share one actor, which outlives them.
    An actor whose process dies is started again, and the call that it was answering is made once more.
    Raises LakeError or ModelError when the lake or its model cannot be opened, QueryError when the actor of this name
    serves another lake or model, or has no model and this client gives one. All calls raise WorkerDiedError once the
    actor has ended.
    """

    def __init__(
        self,
        lake: str,
        *,
        load: LoadEncoder | None = load_encoder,
        model: str | None = None,
        cpus: float = 0.5,
        resident: Resident | None = None,
        name: str | None = None,
    ) -> None:
        # absolute: Ray workers have another working directory, and one lake must have one name to compare
        folder = local_folder(lake)
        self._lake = lake if folder is None else str(folder.resolve())
        shared = {} if name is None else {"name": name, "get_if_exists": True, "lifetime": "detached"}
        # an actor can be restarted: it keeps nothing that is not in the lake, and queries change nothing
        options = {"num_cpus": cpus, "max_restarts": -1, "max_task_retries": 1, **shared}
        me = uuid.uuid4().hex
        self._actor: Any = (
            ray.remote(QueryActor)
            .options(**options)
            .remote(self._lake, load=load, model=model, resident=resident, made_by=me)
        )
        serving: Serving = self._ask("serving")
        others = load is not None and (not serving.with_model or serving.model != model)
        if serving.lake != self._lake or others:
            by = (
                f" by {serving.model or 'its own model'}" if serving.with_model else " for boxes alone, without a model"
            )
            raise QueryError(
                f"the actor {name!r} serves the lake {serving.lake}{by}, not {self._lake} by {model or 'its own'}; "
                f"choose another name, or end it: ray.kill(ray.get_actor({name!r}))"
            )
        try:
            self.refresh()
        except RegionLakeError:
            if serving.made_by == me:  # it is useless, but would hold its name and its CPUs
                self.close()
            raise

    def search(self, query: Query) -> SearchResult:
        """Answers a query as Searcher.search does."""
        result: SearchResult = self._ask("search", query)
        return result

    def refresh(self) -> bool:
        """Refreshes as Searcher.refresh does."""
        changed: bool = self._ask("refresh")
        return changed

    def close(self) -> None:
        """Ends the actor, for every client that shares it."""
        ray.kill(self._actor)

    def _ask(self, method: str, *args: object) -> Any:
        try:
            return call(self._actor, method, *args)
        except ray.exceptions.RayActorError as error:
            raise WorkerDiedError(
                f"the query actor of {self._lake} has ended: a client closed it, or its machine is gone; "
                "make a new QueryClient"
            ) from error
