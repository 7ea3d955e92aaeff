"""Hits as the service's JSON: with the sources that it names."""

from collections.abc import Mapping, Sequence

from deploy.server.showing.catalogue import Catalogue, Sources
from schemas.query import Hit
from schemas.query_json import Json, hit_json


def sources_of(sources: Sources, hits: Sequence[Hit]) -> tuple[Catalogue, dict[str, str]]:
    """The catalogue with the sources of hits, and for each id in the lake the one that the service gives it: the same
    where the lake has the source no more."""
    catalogue = sources(knowing=[hit.source_id for hit in hits])
    return catalogue, {hit.source_id: catalogue.served.get(hit.source_id, hit.source_id) for hit in hits}


def served_hit(hit: Hit, catalogue: Catalogue, served: Mapping[str, str]) -> Json:
    """served: id of a source in the lake → the id that the service gives it."""
    id = served[hit.source_id]
    own = {"source": served_name(id, catalogue), "source_id": id, "pts": hit.pts}
    shown = hit_json(hit) | own
    return shown if hit.then is None else shown | {"then": served_hit(hit.then, catalogue, served)}


def served_name(served: str, catalogue: Catalogue) -> str:
    """The name of a source by the id that the service gives it."""
    source = catalogue.sources.get(served)
    return served if source is None else source.name
