"""The states of feeds: of the file, of the follower, and of what the lake holds of them."""

from datetime import UTC, datetime, timedelta

from deploy.server.service import Service
from deploy.server.showing.catalogue import Catalogue
from deploy.server.showing.frames import of_source, utc_text
from pipeline.live.feeds.feed_list import FeedEntry
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.live.status.follow_status import FollowStatus
from pipeline.reading.addresses import is_remote
from schemas.errors import PlanError
from schemas.query_json import Json

_FRESH = timedelta(seconds=10)
_TROUBLE = "the follower is in trouble; whoever sees every feed sees why"


def feed_states(service: Service) -> Json:
    """The answer of `/api/feeds`."""
    followed, catalogue = service.state.followed(), service.sources()
    fresh = followed is not None and datetime.now(UTC) - followed.at < _FRESH
    reported = {} if followed is None else {feed.name: feed for feed in followed.feeds}
    entries, unreadable = _entries(service)
    names = sorted(name for name in {*entries, *reported} if service.grants.allow(name))
    return {
        "feeds": [
            _feed(service, name, entries.get(name), reported.get(name) if fresh else None, catalogue) for name in names
        ],
        "follower": _follower(service, followed if fresh else None, followed, unreadable),
        "can_add": service.feeds.file is not None and bool(service.feeds.hosts),
    }


def _entries(service: Service) -> tuple[dict[str, FeedEntry], str | None]:
    try:
        return service.feeds.read(), None
    except PlanError as error:
        return {}, str(error)


def _feed(
    service: Service, name: str, entry: FeedEntry | None, status: FeedStatus | None, catalogue: Catalogue
) -> Json:
    id = catalogue.by_address.get(name)
    listing = service.search.listing()
    rows = of_source(listing, () if id is None else catalogue.sources[id].source_ids)
    newest = rows[-1] if len(rows) else None
    paused = entry.paused if entry is not None else status is not None and status.state == "paused"
    counted = 0 if status is None else status.kept + status.shed
    return {
        "name": service.sources.hide(name),
        "address": _address(entry, status),
        "state": "paused" if paused else "unknown" if status is None else status.state,
        "since": None if status is None else status.since.isoformat(),
        "paused": paused,
        "behind_s": None if status is None else status.behind_s,
        "frames_per_s": 0.0 if status is None else status.frames_per_s,
        "keyframes": len(rows),
        "shed": round(status.shed / counted, 4) if status is not None and counted else 0.0,
        "error": _error(service, status),
        "changeable": entry is not None,
        "source_id": id,
        "newest_frame": None if newest is None else listing.frame_id[newest].decode(),
        "newest": None if newest is None else utc_text(int(listing.time[newest])),
    }


def _error(service: Service, status: FeedStatus | None) -> str | None:
    """The last error of a feed; of one that is live, what is wrong with its video."""
    if status is None:
        return None
    trouble = status.video.trouble if status.video is not None and status.state == "live" else None
    error = trouble or status.last_error
    return None if error is None else service.sources.hide(error)


def _address(entry: FeedEntry | None, status: FeedStatus | None) -> str | None:
    """The address of a stream without its secrets; None for a file or folder of the server."""
    shown = entry.shown if entry is not None else None if status is None else status.uri
    return shown if shown is not None and is_remote(shown) else None


def _follower(service: Service, fresh: FollowStatus | None, last: FollowStatus | None, unreadable: str | None) -> Json:
    process = service.feeds.follower
    error = unreadable  # it may name any feed
    if error is None and fresh is not None:
        error = fresh.list_error or fresh.sink.error
    if error is None and fresh is None and process is not None:
        error = process.status().error
    return {
        "running": fresh is not None,
        "reported": None if last is None else last.at.isoformat(),
        "findable_s": None if fresh is None else fresh.findable.p95_s,
        "error": None if error is None else service.sources.hide(error) if service.grants.everything else _TROUBLE,
    }
