"""A small lake behind a real server on a free port."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image

import regionlake as rl
from deploy.server.auditing.audit_log import AuditLog
from deploy.server.guard import Access
from deploy.server.run import Server, address_of, listening
from deploy.server.service import Service
from pipeline.lake.lake import Lake
from tests.deploy.server.with_users import alone, as_user, feeds, guarded, hidden, own_lake, users, users_path
from tests.integration.clips import make_clip

__all__ = ["alone", "as_user", "feeds", "guarded", "hidden", "own_lake", "users", "users_path"]


@dataclass(frozen=True, slots=True)
class World:
    """folder: holds `videos/bikes.mp4`, `pictures/street.png`, and `lake`, into which both were ingested."""

    folder: Path

    @property
    def lake(self) -> Path:
        return self.folder / "lake"


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("served world")
    for name in ("videos", "pictures"):
        (folder / name).mkdir()
    make_clip(folder / "videos" / "bikes.mp4", seed=5, seconds=4)
    noise = np.random.default_rng(0).integers(0, 255, (480, 800, 3), np.uint8)
    Image.fromarray(noise).resize((1600, 960)).save(folder / "pictures" / "street.png")
    report = rl.ingest([folder / "videos", folder / "pictures"], lake=folder / "lake")
    assert report.ok
    return World(folder)


@contextmanager
def running(
    lake: Path,
    *,
    clips: Path,
    access: Access | None = None,
    audit: AuditLog | None = None,
    certificate: tuple[Path, Path] | None = None,
    **options: Any,
) -> Iterator[str]:
    """Serves the lake from a thread; yields its URL."""
    service = Service.of(Lake.open(str(lake)), clips=clips, **options)
    listener = listening("127.0.0.1", 0)
    ready = threading.Event()
    server = Server(service, access=access or Access(), ready=ready.set, audit=audit, certificate=certificate)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        assert ready.wait(60)
        yield address_of(listener, tls=certificate is not None)
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def url(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(world.lake, clips=tmp_path_factory.mktemp("clips of served")) as url:
        yield url


@pytest.fixture(scope="session")
def web(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=120) as web:
        yield web


@pytest.fixture(scope="session")
def ask(web: httpx.Client) -> Callable[..., dict[str, Any]]:
    """Asks a query; returns the answer."""

    def ask(**query: object) -> dict[str, Any]:
        answer = web.post("/api/search", json=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return ask


@pytest.fixture(scope="session")
def local(world: World) -> Iterator[rl.Lake]:
    with rl.open(world.lake) as lake:
        yield lake
