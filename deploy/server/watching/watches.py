"""Makes watches of requests, and answers of watches."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from deploy.server.answers import RequestError
from deploy.server.asking.query_body import query_of
from deploy.server.service import Service
from deploy.server.showing.catalogue import Catalogue, short_name
from deploy.server.watching.alarm_log import Alarm
from deploy.server.watching.bodies import WatchBody, WatchedQuestion
from deploy.server.watching.watch_keeper import KeeperStatus
from pipeline.search.query_picture import query_picture
from pipeline.watch.hours import Hours
from pipeline.watch.watch import Watch
from pipeline.watch.watch_list import ListedWatch
from schemas.options import options_of
from schemas.pictures import Picture
from schemas.query import PictureSource, Query
from schemas.query_json import Json
from schemas.sources import feed_name
from schemas.zones import Zone

_SHOWN = {each.field: each for each in options_of(Query) if each.standing}
_OF_PICTURE = ("image", "roi", "points", "not_points", "prompt", "prompt_box", "not_rois")


def watch_of(service: Service, body: WatchedQuestion, *, name: str, keeps: bool) -> Watch:
    """The watch of a request. keeps: whether its picture is kept beside the lake, so that it outlives the upload or the
    keyframe from which it is.

    Raises RequestError for an unknown id, and QueryError for a query that a watch cannot ask.
    """
    asked = body.query
    if asked.source is not None:
        raise RequestError(422, "a watch takes `sources`, a list of ids, and no `source`")
    fields: dict[str, Any] = {"k": 10}
    if "methods" not in asked.model_fields_set:
        fields["methods"] = ("regions",)  # a default, and not something that is asked
    if asked.region is not None:
        region = service.frames.region(asked.region)
        fields |= {"frame": region.frame_id, "roi": region.box}
    elif asked.frame is not None:  # type: ignore[attr-defined]
        service.frames.find(asked.frame)  # type: ignore[attr-defined]
    query = query_of(asked, replaced=fields, picture=service.uploads.find, sources=_no_sources)
    if keeps and query.has_picture:
        query = _with_kept_picture(service, query)
    catalogue = service.sources()
    sources = tuple(dict.fromkeys(catalogue.address_of(id) for id in asked.sources))
    if not sources and not service.grants.everything:
        sources = tuple(sorted(catalogue.by_address))  # those that are seen now
        if not sources:
            raise RequestError(422, "there is no source that you may see, and so nothing to watch")
    hours = None if body.hours is None else Hours.parse(body.hours)
    return Watch(name, query, body.max_distance, body.cooldown_s, body.stay_s, hours, sources)


def listed_of(service: Service, body: WatchBody, *, name: str) -> ListedWatch:
    """A watch to be saved."""
    return ListedWatch(watch_of(service, body, name=name, keeps=True), body.title.strip(), body.paused)


def seen_watches(service: Service) -> list[ListedWatch]:
    """The saved watches whose every source may be seen; of a watch of all sources, that is each there may ever be."""
    every, allow = service.grants.everything, service.grants.allow
    listed = service.watches.saved.read()
    return [each for each in listed if every or (each.watch.sources and all(map(allow, each.watch.sources)))]


def require_changeable(service: Service, name: str) -> None:
    """Raises RequestError for a watch by a picture, where the picture is hidden from whoever changes it."""
    if not service.grants.everything and any(
        each.watch.name == name and each.watch.query.has_picture for each in seen_watches(service)
    ):
        raise RequestError(403, "only who sees every source may change a watch that looks for a picture")


def new_name(service: Service, title: str) -> str:
    """A name for a new watch, which no watch has and of which there are no alarms."""
    plain = unicodedata.normalize("NFKD", title.lower()).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "watch"
    taken = {each.watch.name for each in service.watches.saved.read()}
    names = (slug if number == 1 else f"{slug}-{number}" for number in range(1, 10_000))
    return next(name for name in names if name not in taken and not service.alarms.knows(name))


def watch_json(service: Service, listed: ListedWatch, status: KeeperStatus, catalogue: Catalogue) -> Json:
    watch = listed.watch
    count = service.alarms.count(watch.name, now=datetime.now(UTC), grants=service.grants)
    error = status.errors.get(watch.name) or (None if listed.paused else status.error)
    ids = [catalogue.by_address.get(address) for address in watch.sources]
    return {
        "name": watch.name,
        "title": listed.title,
        "paused": listed.paused,
        "query": _query_json(watch.query, with_picture=service.grants.everything)
        | ({"sources": [id for id in ids if id is not None]} if ids else {}),
        "sources": [_name(address, catalogue) for address in watch.sources],
        "max_distance": watch.max_distance,
        "cooldown_s": watch.cooldown_s,
        "stay_s": watch.stay_s,
        "hours": None if watch.hours is None else str(watch.hours),
        "fired": count.total,
        "recently": count.recent,
        "newest": None if count.newest is None else count.newest.isoformat(),
        "error": None if error is None else service.sources.hide(error),
    }


def alarm_json(alarm: Alarm, catalogue: Catalogue) -> Json:
    """An alarm with the source that the service names."""
    address = feed_name(alarm["source"])
    shown = {key: value for key, value in alarm.items() if key != "watch"}
    return shown | {"source": _name(address, catalogue), "source_id": catalogue.by_address.get(address), "pts": None}


def _query_json(query: Query, *, with_picture: bool) -> Json:
    """What is asked, as a search takes it, without options that are not set.

    with_picture: whether the picture is named. It may be a keyframe of a source that whoever asks does not see.
    """
    found: dict[str, Any] = {}
    for field, option in _SHOWN.items():
        if field in _OF_PICTURE and not with_picture:
            continue
        value = getattr(query, field)
        if field == "zones":
            value = [Zone.of(zone).corners for zone in value]
        elif field == "image" and value is not None:
            value = str(value).rpartition("/")[2].partition(".")[0]  # kept under its id
        if value not in (option.default, [], ()) and not (field == "geometry" and query.zones):
            found[option.name] = value
    return found


def _name(address: str, catalogue: Catalogue) -> str:
    served = catalogue.by_address.get(address)
    return short_name(address) if served is None else catalogue.sources[served].name


def _with_kept_picture(service: Service, query: Query) -> Query:
    shown = query_picture(query, service.lake)
    assert shown is not None
    picture = Picture.of(shown.image)
    path = service.watches.saved.keep_picture(picture.pixels, id=picture.id)
    image: PictureSource = str(path)
    return replace(query, image=image, frame=None)


def _no_sources(_ids: Sequence[str], _pattern: str | None) -> tuple[str, ...]:
    raise RequestError(422, "a zone of a watch is for all sources that it looks at; give `sources` to the query")
