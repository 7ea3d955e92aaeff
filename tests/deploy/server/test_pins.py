"""Pins over HTTP. Catches a pin that retention does not see, one that never expires or expires too early, and one that
takes the pin of somebody else with it."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from deploy.server.pinning.pin_keeper import PinKeeper
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.pinned_places import place_of_hit
from pipeline.lake.upkeep.pins import Pins
from pipeline.runtime.time_source import RealTime
from tests.deploy.server.conftest import World
from tests.deploy.server.serving import running
from tests.waiting import wait_until

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def own(world: World, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world.lake, tmp_path / "lake"))


def frames(lake: Path) -> list[str]:
    rows = Lake.open(str(lake)).read("frames", columns=["id", "source", "pts"]).to_pylist()
    return [row["id"] for row in sorted(rows, key=lambda row: row["pts"]) if row["source"].endswith("bikes.mp4")]


def test_a_shot_is_pinned_and_unpinned(own: Path, tmp_path: Path) -> None:
    first, second, *_ = frames(own)
    with running(own, clips=tmp_path / "clips") as url, httpx.Client(base_url=url, timeout=60) as web:
        made = web.post("/api/pins", json={"frame": first, "days": 7})
        assert made.status_code == 201
        pin: dict[str, Any] = made.json()
        assert (pin["frame"], pin["source"]) == (first, "bikes.mp4")
        left = datetime.fromisoformat(pin["expires"]) - datetime.now(UTC)
        assert timedelta(days=6.9) < left <= timedelta(days=7)
        assert [each.id for each in Pins(Lake.open(str(own))).read()] == [pin["id"]]  # what upkeep reads
        assert web.get("/api/pins").json() == {"pins": [pin], "error": None}
        assert web.get("/api/pins", params={"frame": first}).json()["pins"] == [pin]
        assert web.get("/api/pins", params={"frame": second}).json()["pins"] == []
        longer = web.post("/api/pins", json={"frame": first, "days": 30}).json()
        assert longer["expires"] > pin["expires"]
        assert web.post("/api/pins", json={"frame": first, "days": 1}).json() == longer
        assert str(own.parent) not in web.get("/api/pins").text
        assert web.delete(f"/api/pins/{pin['id']}").status_code == 204
        assert web.delete(f"/api/pins/{pin['id']}").status_code == 404
        assert Pins(Lake.open(str(own))).read() == ()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"frame": "0" * 32}, 404),
        ({"frame": "none"}, 404),
        ({}, 422),
        ({"frame": "x", "days": 0}, 422),
        ({"frame": "x", "days": 1e9}, 422),
        ({"frame": "x", "source": "/etc"}, 422),
    ],
    ids=str,
)
def test_what_cannot_be_pinned_is_refused(body: dict[str, object], status: int, web: httpx.Client) -> None:
    answer = web.post("/api/pins", json=body)
    assert (answer.status_code, set(answer.json())) == (status, {"error"})


@dataclass
class Clock(RealTime):
    now: datetime = NOON

    def utc(self) -> datetime:
        return self.now


def test_a_pin_expires_when_it_is_due_and_one_of_somebody_else_does_not(own: Path) -> None:
    first, second, third, *_ = frames(own)
    clock, lake = Clock(), Lake.open(str(own))
    Pins(lake).add([place_of_hit(lake, third)])  # regionlake pin
    keeper = PinKeeper(lake, time=clock, look_s=3600)
    try:
        soon = keeper.add(first, expires=NOON + timedelta(days=1))
        never = keeper.add(second, expires=None)
        theirs = keeper.add(third, expires=NOON + timedelta(days=1))
        assert keeper.remove_expired() == 0
        clock.now += timedelta(days=1)
        keeper_of_restart = PinKeeper(lake, time=clock, look_s=0.01)
        wait_until(lambda: len(keeper.read()) == 2)  # its thread looks by itself
        keeper_of_restart.close()
        assert {pin.id for pin, _ in keeper.read()} == {never.id, theirs.id}
        assert soon.id not in keeper.path.read_text()
        assert [expires for _, expires in keeper.read()] == [None, None]
    finally:
        keeper.close()
