"""A session of searches over one lake, whose model is loaded by the first query that needs it, and kept."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.search.index.indexed_regions import EXACT_WITHIN_MS
from pipeline.search.memory.frame_listing import FrameListing
from pipeline.search.memory.resident import Resident
from pipeline.search.searcher import Searcher
from pipeline.search.target import WORD_PREFIX
from schemas.errors import ModelError
from schemas.query import Query, SearchResult

if TYPE_CHECKING:
    from pipeline.search.shards.ray_shards import RayShards
    from pipeline.search.shards.sharded_searcher import ShardedSearcher

    AnySearcher = Searcher | ShardedSearcher


class SearchSession:
    """Answers queries with a searcher that is made when it is first needed. Any thread may call it.

    model: the model whose vectors are searched; None for the lake's own. templates: see `load_encoder`.
    dimensions: the length of the vectors that are searched, where the lake has several lengths of the model's.
    max_age_s, resident, exact_within_ms: see Searcher.
    shards: number of parts into which the lake is shared out over actors of Ray, 0 for one a machine; None for one
        process.
    """

    def __init__(
        self,
        lake: Lake,
        *,
        model: str | None = None,
        dimensions: int | None = None,
        templates: Sequence[str] | None = None,
        max_age_s: float = 0.0,
        resident: Resident | None = None,
        exact_within_ms: float = EXACT_WITHIN_MS,
        shards: int | None = None,
    ) -> None:
        self._lake = lake
        self._shards = shards
        self._on_ray: RayShards | None = None
        self._model = model
        self._dimensions = dimensions
        self._templates = templates
        self._max_age_s = max_age_s
        self._resident = resident
        self._exact_within_ms = exact_within_ms
        self._beginning = threading.Lock()
        self._encoder: Encoder | None = None
        self._searcher: AnySearcher | None = None

    def search(self, query: Query) -> SearchResult:
        """Answers a query as Searcher.search does. `took_ms` excludes loading the model, but for what the model itself
        loads with its first picture.

        Raises ModelError where the model cannot be loaded, or the lake has no vectors of it.
        """
        needs_model = query.by_meaning or query.then is not None
        return self._begun(with_model=needs_model, words=query.text or query.then).search(query)

    def prepare(self) -> None:
        """Loads the model and the columns now. Raises as `search` does."""
        self._begun(with_model=True).refresh()
        encoder = self._encoder
        if encoder is not None:
            # models load on first use, each side by itself
            encoder.encode_images([np.zeros((64, 64, 3), np.uint8)])
            with suppress(ModelError):  # it may know no words
                encoder.encode_texts(["a thing"])

    def refresh(self) -> bool:
        """Refreshes as Searcher.refresh does, without the model if none is loaded."""
        return self._begun(with_model=False).refresh()

    def listing(self) -> FrameListing:
        """The keyframes that a search can find, see Searcher.listing."""
        return self._begun(with_model=False).listing()

    def encoder(self) -> Encoder:
        """The model, loaded if need be; it is closed with the session. Raises as `search` does."""
        self._begun(with_model=True)
        encoder = self._encoder
        assert encoder is not None
        return encoder

    @property
    def calibrated(self) -> bool:
        """Whether hits of the model have a confidence; False before a query needed the model."""
        from operators.encoders.calibration import calibration_of

        return self._encoder is not None and calibration_of(self._encoder) is not None

    @property
    def without_vector(self) -> int:
        """Number of keyframes that the last search could not find, because they have no vector of this model yet."""
        return 0 if self._searcher is None else self._searcher.without_vector

    def close(self) -> None:
        """Ends the searcher's threads and unloads the model; the next search starts them again."""
        with self._beginning:
            for held in (self._searcher, self._encoder):
                if held is not None:
                    held.close()
            self._searcher = self._encoder = None
            if self._on_ray is not None:
                self._on_ray.close()
                self._on_ray = None

    def _begun(self, *, with_model: bool, words: str | None = None) -> "AnySearcher":
        """The searcher. with_model: whether it must have the model. words: with which a model begins, if any."""
        with self._beginning:
            if self._searcher is None or (with_model and self._encoder is None):
                self._begin(with_model=with_model, words=words)
            assert self._searcher is not None
            return self._searcher

    def _begin(self, *, with_model: bool, words: str | None) -> None:
        if not with_model:  # a query by a box alone needs none
            self._searcher = self._made(None)
            return
        from pipeline.lake.lake_encoder import load_lake_encoder

        encoder = load_lake_encoder(
            self._lake, model=self._model, dimensions=self._dimensions, templates=self._templates
        )
        try:
            # first, before the model is used: it raises where the lake has no vectors of that model
            searcher = self._made(encoder)
            if words and not words.startswith(WORD_PREFIX):
                encoder.encode_texts([words])  # models load on first use
        except BaseException:
            encoder.close()
            raise
        # one without a model may be answering another thread: its own threads end with it
        self._encoder, self._searcher = encoder, searcher

    def _made(self, encoder: Encoder | None) -> "AnySearcher":
        if self._shards is not None:
            return self._ray_shards(self._shards).searcher(encoder)
        return Searcher(
            self._lake,
            encoder,
            max_age_s=self._max_age_s,
            resident=self._resident,
            exact_within_ms=self._exact_within_ms,
        )

    def _ray_shards(self, count: int) -> "RayShards":
        if self._on_ray is None:
            from pipeline.search.shards.ray_shards import RayShards  # Ray takes a second to import

            self._on_ray = RayShards(
                self._lake,
                count=count,
                resident=self._resident,
                max_age_s=self._max_age_s,
                exact_within_ms=self._exact_within_ms,
            )
        return self._on_ray
