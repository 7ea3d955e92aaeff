"""The sources of a lake as the service names them: a feed is one source, and no name has a path of the server."""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from deploy.server.access.source_grants import EVERY_SOURCE, SourceGrants, parts_of
from deploy.server.answers import RequestError
from pipeline.lake.lake import Lake
from pipeline.reading.addresses import public_reason
from schemas.ids import digest
from schemas.sources import feed_name

_MAX_AGE_S = 1.0
_PATH = re.compile(r"(?<![\w/.])(?:file://)?/(?:[^\s'\":;,()<>]*/)?([^\s'\":;,()<>/]+)")
_STATES = ("open", "removing", "quarantined", "complete")  # that of a feed is the first that a recording has


@dataclass(frozen=True, slots=True)
class ServedSource:
    """A file, a picture or a feed with all its recordings.

    id: of a file the lake's own, of a feed one made from its name. source_ids: of its rows in the lake.
    """

    id: str
    name: str
    kind: str
    state: str
    error: str | None
    source_ids: tuple[str, ...]
    width_px: int | None
    height_px: int | None


@dataclass(frozen=True)
class Catalogue:
    """The sources at one moment. served: id of a source in the lake → the id that the service gives it."""

    sources: Mapping[str, ServedSource]
    served: Mapping[str, str]
    uris: Mapping[str, str]

    def of_row(self, source_id: str) -> ServedSource:
        """The source of a row of the lake. Raises KeyError."""
        return self.sources[self.served[source_id]]

    def source(self, id: str) -> ServedSource:
        """The source with this id of the service. Raises RequestError with 404 for an unknown id."""
        found = self.sources.get(id)
        if found is None:
            raise RequestError(404, f"the lake has no source {id}; /api/sources lists those that it has")
        return found

    def address_of(self, id: str) -> str:
        """The name of the feed or the URI of the file with this id of the service. Raises as `source` does."""
        return feed_name(self.uris[self.source(id).source_ids[0]])

    @cached_property
    def by_address(self) -> Mapping[str, str]:
        """The ids of the service by names of feeds and URIs of files."""
        return {feed_name(uri): self.served[id] for id, uri in self.uris.items()}

    def chosen(self, ids: Iterable[str] = (), pattern: str | None = None) -> tuple[str, ...]:
        """The lake's ids of the sources with these ids, or of all, whose name contains the pattern or matches it as a
        glob. Raises as `source` does."""
        wanted = [self.source(id) for id in ids] or list(self.sources.values())
        if pattern is not None:
            wanted = [each for each in wanted if pattern in each.name or fnmatchcase(each.name, pattern)]
        return tuple(id for each in wanted for id in each.source_ids)

    def limited(self, grants: SourceGrants) -> "Catalogue":
        """As if the lake had no other sources than these: no name is longer to distinguish it from one of them."""
        kept = {id: self.address_of(id) for id in self.sources if grants.allow(self.address_of(id))}
        names = short_names(kept)
        served = {row: id for row, id in self.served.items() if id in kept}
        return Catalogue(
            {id: replace(self.sources[id], name=names[id]) for id in kept},
            served,
            {row: uri for row, uri in self.uris.items() if row in served},
        )


class CatalogueReader:
    """Reads the catalogue of a lake, again when its table of sources has changed. Any thread may call it."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._lock = threading.Lock()
        self._version = -1
        self._looked_at = 0.0
        self.latest = Catalogue({}, {}, {})
        self.private = {lake.uri.rstrip("/"): lake_name(lake)}

    def __call__(self, *, knowing: Iterable[str] = ()) -> Catalogue:
        """The catalogue, at most a second old: the same object until it changes. knowing: see Sources."""
        with self._lock:
            missing = any(id not in self.latest.served for id in knowing)
            if missing or self._version < 0 or time.monotonic() - self._looked_at > _MAX_AGE_S:
                version = self._lake.version("sources")
                if version != self._version:
                    columns = ["id", "source", "kind", "state", "error", "width_px", "height_px"]
                    self.latest = catalogue_of(self._lake.read("sources", columns=columns).to_pylist())
                    self._version = version
                self._looked_at = time.monotonic()
            return self.latest


class Sources:
    """The sources of a lake that somebody may see, as if there were no others. Any thread may call it."""

    def __init__(self, reader: CatalogueReader, *, grants: SourceGrants = EVERY_SOURCE) -> None:
        self._reader = reader
        self.grants = grants
        self._limited: tuple[Catalogue, Catalogue] | None = None  # the whole catalogue, and what is seen of it

    def seen_by(self, grants: SourceGrants) -> "Sources":
        return Sources(self._reader, grants=grants)

    def __call__(self, *, knowing: Iterable[str] = ()) -> Catalogue:
        """The catalogue, at most a second old. knowing: ids of the lake that must be in it, if they exist."""
        return self._seen(self._reader(knowing=knowing))

    def hide(self, text: str) -> str:
        """The text with the names of sources and files instead of their paths, without users of addresses."""
        latest = self._reader.latest
        seen = self._seen(latest)
        known = {
            uri: seen.of_row(id).name if id in seen.served else "another source"
            for id, uri in latest.uris.items()
            if uri in text
        }
        for uri, name in sorted((known | self._reader.private).items(), key=lambda pair: -len(pair[0])):
            text = text.replace(uri, name)
        return _PATH.sub(r"\1", public_reason(ValueError(text), ""))

    def _seen(self, catalogue: Catalogue) -> Catalogue:
        if self.grants.everything:
            return catalogue
        limited = self._limited
        if limited is None or limited[0] is not catalogue:
            limited = self._limited = catalogue, catalogue.limited(self.grants)
        return limited[1]


def lake_name(lake: Lake) -> str:
    """The last part of the lake's address."""
    return lake.uri.rstrip("/").rpartition("/")[2] or "lake"


def catalogue_of(rows: Sequence[Mapping[str, Any]]) -> Catalogue:
    """rows: of the table `sources`."""
    members: dict[str, list[Mapping[str, Any]]] = {}
    addresses: dict[str, str] = {}
    for row in rows:
        name = feed_name(row["source"])
        id = digest("feed", name) if row["kind"] == "feed" else row["id"]
        members.setdefault(id, []).append(row)
        addresses[id] = name
    names = short_names(addresses)
    sources = {}
    for id, of_source in members.items():
        newest = max(of_source, key=lambda row: row["source"])
        states = {row["state"] for row in of_source}
        sources[id] = ServedSource(
            id=id,
            name=names[id],
            kind=newest["kind"] or "unknown",
            state=next((state for state in _STATES if state in states), newest["state"]),
            error=newest["error"] or None,
            source_ids=tuple(row["id"] for row in of_source),
            width_px=newest["width_px"],
            height_px=newest["height_px"],
        )
    served = {row["id"]: id for id, of_source in members.items() for row in of_source}
    return Catalogue(sources, served, {row["id"]: row["source"] for row in rows})


def short_names(addresses: Mapping[str, str]) -> dict[str, str]:
    """The last part of each address, with as many parts before it as distinguish it from the others."""
    parts = {id: parts_of(address) for id, address in addresses.items()}
    taken = dict.fromkeys(addresses, 1)
    while True:
        names = {id: "/".join(parts[id][-taken[id] :]) for id in addresses}
        times_used = Counter(names.values())
        longer = [id for id in addresses if times_used[names[id]] > 1 and taken[id] < len(parts[id])]
        if not longer:
            return names
        for id in longer:
            taken[id] += 1


def short_name(address: str) -> str:
    """The last part of an address, for a source that the lake does not have any more."""
    return parts_of(address)[-1]
