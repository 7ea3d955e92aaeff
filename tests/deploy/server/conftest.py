"""A small lake behind a real server on a free port."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image

import regionlake as rl
from tests.deploy.server.serving import running
from tests.deploy.server.with_users import alone, as_user, enrolled, feeds, guarded, hidden, own_lake, users, users_path
from tests.integration.clips import make_clip

__all__ = ["alone", "as_user", "enrolled", "feeds", "guarded", "hidden", "own_lake", "users", "users_path"]


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
