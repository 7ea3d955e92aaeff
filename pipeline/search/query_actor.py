"""A searcher as a Ray actor: hot columns and model stay in one process, and many callers ask it."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray

from operators.encoders.catalogue import load_encoder
from operators.encoders.encoder import Encoder
from pipeline.ingest.engines.remote import call
from pipeline.lake.lake import Lake
from pipeline.lake.local_folder import local_folder
from pipeline.search.searcher import Searcher
from schemas.errors import QueryError, RegionLakeError, WorkerDiedError
from schemas.query import Query, SearchResult

LoadEncoder = Callable[[str], Encoder]


@dataclass(frozen=True, slots=True)
class Serving:
    """What an actor answers for: a lake, with its model or for boxes alone; and the client that made it."""

    lake: str
    model: str | None
    with_model: bool
    made_by: str


class QueryActor:
    """Holds a Searcher where it runs: opens the lake and loads the model there, at the first call.

    lake: URI. load: model name → encoder; None where only boxes will be asked for. model: whose vectors are
        searched; None for the lake's own.
    threads: that score; None for one a core, whatever the actor asks of the cluster.
    made_by: tells the client that made it from those that found it by its name.
    """

    def __init__(
        self,
        lake: str,
        *,
        load: LoadEncoder | None = load_encoder,
        model: str | None = None,
        threads: int | None = None,
        made_by: str = "",
    ) -> None:
        # an error raised here would reach the caller as the actor's death, and not as itself
        self._lake = lake
        self._load = load
        self._model = model
        self._searcher: Searcher | None = None
        self._threads = threads
        self._made_by = made_by

    def serving(self) -> Serving:
        """What it answers for; opens nothing, so that it can be asked of an actor whose lake does not open."""
        return Serving(self._lake, self._model, self._load is not None, self._made_by)

    def search(self, query: Query) -> SearchResult:
        """As Searcher.search."""
        return self._ready().search(query)

    def refresh(self) -> bool:
        """As Searcher.refresh; for a timer that keeps the first search after an ingest quick."""
        return self._ready().refresh()

    def _ready(self) -> Searcher:
        if self._searcher is None:
            lake = Lake.open(self._lake)
            encoder = None if self._load is None else self._load(self._model or lake.space.model)
            self._searcher = Searcher(lake, encoder, threads=self._threads)
        return self._searcher


class QueryClient:
    """Starts a QueryActor and asks it; raises what the searcher raised there. Ray must be running.

    model: whose vectors are searched; None for the lake's own.
    cpus: what the actor asks of the cluster; half a CPU leaves room on a small machine.
    name: share one actor among all clients of the cluster that give this name; it outlives them.
    An actor whose process dies is started again, and a call it was busy with is made once more.
    Raises LakeError, ModelError when the lake or its model cannot be opened, QueryError when the actor of this name
    serves another lake or model, or has no model and this client gives one. All calls raise WorkerDiedError once it
    has ended.
    """

    def __init__(
        self,
        lake: str,
        *,
        load: LoadEncoder | None = load_encoder,
        model: str | None = None,
        cpus: float = 0.5,
        name: str | None = None,
    ) -> None:
        # workers of Ray have a working directory of their own; and one lake has one name to compare
        folder = local_folder(lake)
        self._lake = lake if folder is None else str(folder.resolve())
        shared = {} if name is None else {"name": name, "get_if_exists": True, "lifetime": "detached"}
        # everything an actor knows is in the lake, and asking changes nothing
        options = {"num_cpus": cpus, "max_restarts": -1, "max_task_retries": 1, **shared}
        me = uuid.uuid4().hex
        self._actor: Any = (
            ray.remote(QueryActor).options(**options).remote(self._lake, load=load, model=model, made_by=me)
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
            if serving.made_by == me:  # or it would hold the name, and its CPUs, with nothing to answer for
                self.close()
            raise

    def search(self, query: Query) -> SearchResult:
        """As Searcher.search."""
        result: SearchResult = self._ask("search", query)
        return result

    def refresh(self) -> bool:
        """As Searcher.refresh."""
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
