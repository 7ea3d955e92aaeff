"""The search behind the service: its model is loaded at the start, and its columns follow the lake as rows arrive."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from operators.encoders.catalogue import model_of_space
from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.runtime.threads import SupervisedThread
from pipeline.search.memory.frame_listing import FrameListing
from pipeline.search.memory.resident import Resident
from pipeline.search.session import SearchSession
from schemas.errors import ModelError, RegionLakeError
from schemas.query import Query, SearchResult

ModelState = Literal["loading", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """error: why the model cannot be used. confidence: whether hits have one; None until the model is ready."""

    name: str
    state: ModelState
    error: str | None
    confidence: bool | None


class WarmSearch:
    """Answers queries from any thread. Queries by a box alone are answered while the model is loading, and without it.

    model, dimensions, resident, shards: see SearchSession.
    poll_s: how often the lake is looked at; a row is found so long after its commit at the latest.
    patience_s: how long a query waits for the model.
    """

    def __init__(
        self,
        lake: Lake,
        *,
        model: str | None = None,
        dimensions: int | None = None,
        resident: Resident | None = None,
        shards: int | None = None,
        poll_s: float = 0.5,
        patience_s: float = 20.0,
    ) -> None:
        self._name = model or model_of_space(lake.space)
        self._poll_s = poll_s
        self._patience_s = patience_s
        self._session = SearchSession(
            lake, model=model, dimensions=dimensions, resident=resident, max_age_s=2 * poll_s, shards=shards
        )
        self._loaded = threading.Event()
        self._ended = threading.Event()
        self._model_error: str | None = None
        self.lake_error: str | None = None
        self._thread = SupervisedThread("warm search", self._follow)

    def search(self, query: Query) -> SearchResult:
        """Answers as SearchSession.search does. Raises ModelError where the model is not ready in time."""
        if query.by_meaning or query.then is not None:
            self._require_model()
        return self._session.search(query)

    def encoder(self) -> Encoder:
        """The model, which is closed with this. Raises ModelError where it is not ready in time."""
        self._require_model()
        return self._session.encoder()

    def listing(self) -> FrameListing:
        """The keyframes that a search can find."""
        return self._session.listing()

    @property
    def without_vector(self) -> int:
        return self._session.without_vector

    def model(self) -> ModelStatus:
        if not self._loaded.is_set():
            return ModelStatus(self._name, "loading", None, None)
        if self._model_error is not None:
            return ModelStatus(self._name, "failed", self._model_error, None)
        return ModelStatus(self._name, "ready", None, self._session.calibrated)

    def close(self) -> None:
        self._ended.set()
        self._thread.end()
        self._thread.join()
        self._session.close()

    def _require_model(self) -> None:
        if not self._loaded.wait(self._patience_s):
            raise ModelError(f"the model {self._name} is still being loaded; ask again in a few seconds")
        if self._model_error is not None:
            raise ModelError(self._model_error)

    def _follow(self) -> None:
        while not self._loaded.is_set() and not self._ended.is_set():
            self._note(self._load)
            self._ended.wait(0.0 if self._loaded.is_set() else self._poll_s)
        while not self._ended.wait(self._poll_s):
            self._note(self._session.refresh)

    def _load(self) -> None:
        try:
            self._session.prepare()
        except ModelError as error:  # another model, or another environment, is needed
            self._model_error = str(error)
        self._loaded.set()

    def _note(self, work: Callable[[], object]) -> None:
        try:
            work()
            self.lake_error = None
        except RegionLakeError as error:  # the lake may come back
            self.lake_error = str(error)
