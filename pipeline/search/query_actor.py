"""A searcher as a Ray actor: hot columns and model stay in one process, and many callers ask it."""

from collections.abc import Callable
from typing import Any

import ray

from operators.encoders.catalogue import load_encoder
from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.remote import call
from pipeline.search.searcher import Searcher
from schemas.query import Query, SearchResult

LoadEncoder = Callable[[str], Encoder]


class QueryActor:
    """Holds a Searcher where it runs: opens the lake and loads the model there, at the first call.

    lake: URI. load: model name → encoder; None where only boxes will be asked for.
    threads: that score; None for one a core, whatever the actor asks of the cluster.
    """

    def __init__(self, lake: str, *, load: LoadEncoder | None = load_encoder, threads: int | None = None) -> None:
        # an error raised here would reach the caller as the actor's death, and not as itself
        self._lake = lake
        self._load = load
        self._searcher: Searcher | None = None
        self._threads = threads

    def search(self, query: Query) -> SearchResult:
        """As Searcher.search."""
        return self._ready().search(query)

    def refresh(self) -> bool:
        """As Searcher.refresh; for a timer that keeps the first search after an ingest quick."""
        return self._ready().refresh()

    def _ready(self) -> Searcher:
        if self._searcher is None:
            lake = Lake.open(self._lake)
            encoder = None if self._load is None else self._load(lake.space.model)
            self._searcher = Searcher(lake, encoder, threads=self._threads)
        return self._searcher


class QueryClient:
    """Starts a QueryActor and asks it; raises what the searcher raised there. Ray must be running.

    cpus: what the actor asks of the cluster; half a CPU leaves room on a small machine.
    name: share one actor among all clients of the cluster that give this name; it outlives them.
    Raises LakeError, ModelError when the lake or its model cannot be opened.
    """

    def __init__(
        self, lake: str, *, load: LoadEncoder | None = load_encoder, cpus: float = 0.5, name: str | None = None
    ) -> None:
        shared = {} if name is None else {"name": name, "get_if_exists": True, "lifetime": "detached"}
        self._actor: Any = ray.remote(QueryActor).options(num_cpus=cpus, **shared).remote(lake, load=load)
        self.refresh()

    def search(self, query: Query) -> SearchResult:
        """As Searcher.search."""
        result: SearchResult = call(self._actor, "search", query)
        return result

    def refresh(self) -> bool:
        """As Searcher.refresh."""
        changed: bool = call(self._actor, "refresh")
        return changed

    def close(self) -> None:
        """Ends the actor, for every client that shares it."""
        ray.kill(self._actor)
