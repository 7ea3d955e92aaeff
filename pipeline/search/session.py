"""A session of searches over one lake, whose model is loaded by the first query that needs it, and kept."""

from collections.abc import Sequence

from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.search.searcher import Searcher
from schemas.query import Query, SearchResult


class SearchSession:
    """Answers queries with a searcher that is made when it is first needed.

    model: the model whose vectors are searched; None for the lake's own. templates: see `load_encoder`.
    """

    def __init__(self, lake: Lake, *, model: str | None = None, templates: Sequence[str] | None = None) -> None:
        self._lake = lake
        self._model = model
        self._templates = templates
        self._encoder: Encoder | None = None
        self._searcher: Searcher | None = None

    def search(self, query: Query) -> SearchResult:
        """Answers a query as Searcher.search does. `took_ms` excludes loading the model, but for what the model itself
        loads with its first picture.

        Raises ModelError where the model cannot be loaded, or the lake has no vectors of it.
        """
        needs_model = query.by_meaning or query.then is not None
        if self._searcher is None or (needs_model and self._encoder is None):
            self._begin(query, with_model=needs_model)
        assert self._searcher is not None
        return self._searcher.search(query)

    @property
    def without_vector(self) -> int:
        """Number of keyframes that the last search could not find, because they have no vector of this model yet."""
        return 0 if self._searcher is None else self._searcher.without_vector

    def close(self) -> None:
        """Ends the searcher's threads and unloads the model; the next search starts them again."""
        for held in (self._searcher, self._encoder):
            if held is not None:
                held.close()
        self._searcher = self._encoder = None

    def _begin(self, query: Query, *, with_model: bool) -> None:
        self.close()
        if not with_model:  # a query by a box alone needs none
            self._searcher = Searcher(self._lake)
            return
        from operators.encoders.catalogue import load_encoder

        name = self._model or self._lake.space.model
        # a model that the lake names must be registered: opening a lake must not run code that the lake chose
        self._encoder = load_encoder(name, templates=self._templates, class_paths=self._model is not None)
        try:
            # first, before the model is used: it raises where the lake has no vectors of that model
            self._searcher = Searcher(self._lake, self._encoder)
            words = query.text or query.then
            if words:
                self._encoder.encode_texts([words])  # models load on first use
        except BaseException:
            self.close()
            raise
