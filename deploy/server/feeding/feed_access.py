"""The file of feeds as the service may change it, and the follower that runs beside the service."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import quote

from deploy.server.access.source_grants import EVERY_SOURCE, SourceGrants
from deploy.server.answers import RequestError
from deploy.server.feeding.follower_process import FollowerProcess
from pipeline.live.feeds.feed_list import FeedEntry, FeedList, is_stream
from pipeline.reading.addresses import public_uri

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FeedAccess:
    """What the service may do with feeds.

    file: the feeds that it may change; None where it has none. hosts: to which feeds may be added: names, globs or
    networks such as 10.0.0.0/8. follower: the process that it runs; None where another one may follow.
    """

    file: Path | None = None
    hosts: Sequence[str] = ()
    follower: FollowerProcess | None = None

    def read(self) -> dict[str, FeedEntry]:
        """The feeds of the file by name; empty without a file. Raises PlanError where it cannot be read."""
        return FeedList(self.file).read() if self.file is not None and self.file.exists() else {}

    def add(self, name: str, url: str, *, user: str | None, password: str | None, paused: bool) -> None:
        """Adds a stream. Raises RequestError where it may not be followed, and PlanError as FeedList does."""
        listed = self._listed()
        if "${" in url:  # a variable of the service would be sent to whoever names one
            raise RequestError(422, "an address has no variables here; regionlake feeds add writes one with them")
        if not is_stream(url):
            raise RequestError(
                422,
                "give the address of a stream, such as rtsp://10.0.0.5/stream; regionlake feeds add takes files too",
            )
        host = _host(url)
        if host is None:
            raise RequestError(422, "an address is scheme://host:port/path; a user and a password are given beside it")
        if not any(_matches(host, allowed) for allowed in self.hosts):
            raise RequestError(403, f"feeds may not be added from {host}; start the service with --feed-host HOST")
        if (user is None) != (password is None):
            raise RequestError(422, "give a user and a password, or neither")
        if user is not None and password is not None:
            scheme, _, rest = url.partition("://")
            url = f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"
        if name in self.read():
            raise RequestError(409, f"there is a feed {name} already; choose another name")
        listed.add(name, replace(FeedEntry(url), paused=paused))

    def pause(self, name: str, *, paused: bool, grants: SourceGrants = EVERY_SOURCE) -> None:
        """grants: feeds that may be seen; any other is one that does not exist."""
        self._known(name, grants=grants).set_paused(name, paused)

    def remove(self, name: str) -> None:
        self._known(name).remove(name)

    def close(self) -> None:
        if self.follower is not None:
            self.follower.close()

    def _listed(self) -> FeedList:
        if self.file is None:
            raise RequestError(409, "the service has no file of feeds; start it with --feeds FILE.toml")
        return FeedList(self.file)

    def _known(self, name: str, *, grants: SourceGrants = EVERY_SOURCE) -> FeedList:
        listed = self._listed()
        if name not in self.read() or not grants.allow(name):
            raise RequestError(404, f"the file has no feed {name[:100]}; /api/feeds lists those that it has")
        return listed


def shown_address(url: str) -> str | None:
    """An address that was given, without its secrets; None for what is no address, of which nobody knows what it is."""
    return None if _host(url) is None else public_uri(url)


def _host(url: str) -> str | None:
    """The host of an address, in small letters; None where libraries could disagree about it, or it has a user."""
    _, _, rest = url.partition("://")
    found = _AUTHORITY.fullmatch(rest.partition("/")[0])
    return found[1].strip("[]").lower() if found is not None and url.isprintable() and " " not in url else None


def _matches(host: str, allowed: str) -> bool:
    try:
        return ip_address(host) in ip_network(allowed, strict=False)
    except ValueError:
        return fnmatchcase(host, allowed.lower())
