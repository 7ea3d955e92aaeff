"""Hits as the service's JSON: with the sources that it names."""

from collections.abc import Mapping

from deploy.server.showing.catalogue import Catalogue
from schemas.query import Hit
from schemas.query_json import Json, hit_json


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
