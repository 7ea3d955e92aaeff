"""A service with users: an admin, an operator and a viewer of every source, and others who see `bikes.mp4` alone."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest

import regionlake as rl
from deploy.server.access.users_file import UsersFile
from deploy.server.auditing.audit_log import AuditLog
from deploy.server.feeding.feed_access import FeedAccess
from deploy.server.guard import Access
from pipeline.live.feeds.feed_list import FeedEntry, FeedList
from tests.deploy.server.serving import running

if TYPE_CHECKING:
    from tests.deploy.server.conftest import World

As = Callable[[str], httpx.Client]
SEEN = "bikes.mp4"


@pytest.fixture(scope="session")
def enrolled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The file of users, and the token of each."""
    listed = UsersFile(tmp_path_factory.mktemp("users of tests") / "users.toml")
    made = {name: listed.add(name, role=name, sources=None) for name in ("admin", "operator", "viewer")}
    made["guest"] = listed.add("guest", role="viewer", sources=(SEEN,))
    made["guard"] = listed.add("guard", role="operator", sources=("bikes*", "gate"))
    made["nobody"] = listed.add("nobody", role="viewer", sources=())
    return listed.path, made


@pytest.fixture(scope="session")
def users_path(enrolled: tuple[Path, dict[str, str]]) -> Path:
    return enrolled[0]


@pytest.fixture(scope="session")
def users(enrolled: tuple[Path, dict[str, str]]) -> dict[str, str]:
    """The token of each user."""
    return enrolled[1]


@pytest.fixture(scope="session")
def own_lake(world: "World", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the lake that requests may change."""
    return Path(shutil.copytree(world.lake, tmp_path_factory.mktemp("lake with users") / "lake"))


@pytest.fixture(scope="session")
def feeds(tmp_path_factory: pytest.TempPathFactory) -> FeedAccess:
    listed = FeedList(tmp_path_factory.mktemp("feeds with users") / "cameras.toml")
    for name in ("gate", "vault"):
        listed.add(name, FeedEntry(f"rtsp://10.0.0.5/{name}"))
    return FeedAccess(listed.path, ["10.0.0.0/8"])


@pytest.fixture(scope="session")
def guarded(
    own_lake: Path, users_path: Path, feeds: FeedAccess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of the service."""
    access = Access(users=UsersFile(users_path))
    clips = tmp_path_factory.mktemp("clips with users")
    with running(own_lake, clips=clips, access=access, audit=AuditLog.of(str(own_lake)), feeds=feeds) as url:
        yield url


@pytest.fixture(scope="session")
def as_user(guarded: str, users: dict[str, str]) -> Iterator[As]:
    """A client that sends the token of a user."""
    clients: dict[str, httpx.Client] = {}

    def client(name: str) -> httpx.Client:
        if name not in clients:
            headers = {"Authorization": f"Bearer {users[name]}"}
            clients[name] = httpx.Client(base_url=guarded, timeout=120, headers=headers)
        return clients[name]

    yield client
    for each in clients.values():
        each.close()


@pytest.fixture(scope="session")
def alone(world: "World", tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service whose lake has nothing but what the guest sees."""
    lake = tmp_path_factory.mktemp("alone") / "lake"
    assert rl.ingest(world.folder / "videos", lake=lake).ok
    with (
        running(lake, clips=tmp_path_factory.mktemp("clips of alone")) as url,
        httpx.Client(base_url=url, timeout=120) as web,
    ):
        yield web


@pytest.fixture(scope="session")
def hidden(world: "World") -> dict[str, Any]:
    """Ids of a source that the guest does not see: `source`, `frame`, and `region`."""
    with rl.open(world.lake) as lake:
        (frame,) = [
            row
            for row in lake.table("frames").to_table(columns=["id", "source", "source_id"]).to_pylist()
            if row["source"].endswith("street.png")
        ]
        regions = lake.table("regions").to_table(columns=["id", "frame"]).to_pylist()
    region = next(row["id"] for row in regions if row["frame"] == frame["id"])
    return {"source": frame["source_id"], "frame": frame["id"], "region": region}
