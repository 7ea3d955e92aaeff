"""Kills every thread of a follower in turn. Catches a dead one that is shown as live, and work that stops with it."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.ingest.run import open_committer
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.upkeep import Upkeep
from pipeline.lake.writing.committer import Committer
from pipeline.live.engines.live_local_engine import LocalLiveEngine
from pipeline.live.feeds.feed_list import FeedEntry, FeedList
from pipeline.live.follow import Follower
from pipeline.live.status.follow_status import FollowStatus
from pipeline.live.status.state_folder import StateFolder
from pipeline.plan.plan import Plan
from pipeline.plan.plan_file import load_plan
from pipeline.runtime.threads import REAL_THREADS, ThreadStatus
from pipeline.search.filters import source_matches
from schemas.errors import PlanError
from schemas.sources import feed_name
from tests.deadly_time import DeadlyTime
from tests.waiting import wait_until

FEEDS = {"folder yard": "yard"}  # feeds/test_thread_dies.py has the thread of a stream
OTHERS = ("list of feeds", "dispatcher", "status", "sink", "model", "upkeep")
SMALL_PLAN = (
    *("proposals.use=['grid']", "regions.mode=pool", "read.background.ahead_s=0.2", "live.stalled_s=30.0"),
    *("live.backoff.first_s=0.2", "live.backoff.longest_s=0.2"),
)


class Scene:
    """A follower of a folder of pictures, whose threads can be killed."""

    def __init__(self, folder: Path) -> None:
        self.lake = folder / "lake"
        self.yard = folder / "yard"
        self.yard.mkdir()
        self.time = DeadlyTime()
        self.reported: FollowStatus | None = None
        self.dropped = 0
        self._upkeep: Upkeep | None = None
        plan = load_plan(overrides=SMALL_PLAN)
        engine = LocalLiveEngine(plan, partial(self._open, plan), time=self.time)
        self.feeds = FeedList(folder / "cameras.toml")
        self.feeds.add("yard", FeedEntry(str(self.yard)))
        self.follower = Follower(
            engine,
            plan,
            self.feeds.read,
            state=StateFolder.of(str(self.lake)),
            on_status=self._report,
            time=self.time,
        )
        self._stop = threading.Event()
        self._main = REAL_THREADS.start("main", lambda: self._run(engine))

    def _open(self, plan: Plan) -> Committer:
        committer = open_committer(str(self.lake), plan)
        self._upkeep = Upkeep(committer, UpkeepConfig(every_s=30.0), time=self.time)
        self._upkeep.start()
        return committer

    def _run(self, engine: LocalLiveEngine) -> None:
        with engine:
            self.follower.run(self._stop.is_set)

    def _report(self, status: FollowStatus) -> None:
        self.reported = status

    def end(self) -> None:
        self._stop.set()
        self._main.join(120)
        assert not self._main.alive
        self._main.check()

    def threads(self) -> dict[str, ThreadStatus]:
        assert self._upkeep is not None
        return {thread.name: thread for thread in (*self.follower.status().threads, self._upkeep.thread)}

    def state(self, name: str) -> tuple[str, int, str]:
        """The state, the restarts and the last error of a thread, as the status of the follower shows it."""
        if name not in FEEDS:
            thread = self.threads()[name]
            return thread.state, thread.restarts, thread.error or ""
        [feed] = [each for each in self.follower.status().feeds if each.name == FEEDS[name]]
        return feed.state, sum(feed.restarts.values()), feed.last_error or ""

    def drop(self, *, name: str | None = None) -> None:
        """Drops a new picture into the folder. name: of a file that it replaces."""
        self.dropped += 1
        picture = np.random.default_rng(self.dropped).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        made = self.yard / f"{self.dropped}.part"
        Image.fromarray(picture).save(made, "png")
        made.rename(self.yard / (name or f"{self.dropped}.png"))

    def work_continues(self, *, name: str | None = None) -> None:
        """Waits until what comes from now on is in the lake, and the status was reported. name: see `drop`."""
        self.drop(name=name)
        reported = self.reported

        def came() -> bool:
            now = self.follower.status()
            return (
                now.sink.error is None
                and self.reported is not reported
                and now.findable.keyframes.get("yard", 0) >= self.dropped
                and not now.dead
            )

        wait_until(came, within_s=120, look_s=0.1)


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    made = Scene(folder)
    try:
        wait_until(lambda: made.reported is not None and len(made.follower.status().feeds) == 1)
        yield made
    finally:
        made.end()


def dead(state: tuple[str, int, str]) -> bool:
    return state[0] in ("backing off", "failed") and "Panic: struck" in state[2]


def test_whichever_thread_dies_the_status_shows_it_until_it_runs_again_and_work_continues(tmp_path: Path) -> None:
    chance = random.Random(15)
    order = [*FEEDS, *OTHERS]
    chance.shuffle(order)
    with scene(tmp_path) as running:
        for killed, name in enumerate(order):
            _, restarts, _ = running.state(name)
            running.time.strike(name)
            running.drop()
            wait_until(lambda: name in running.time.pausing)  # noqa: B023
            state = running.state(name)
            assert dead(state), f"{name} is dead and shown as {state}"
            running.time.revive(name)
            wait_until(lambda: running.state(name)[1] == restarts + 1)  # noqa: B023
            if killed % 3 == 2:  # each time takes the five seconds after which a file counts as finished
                running.work_continues()
        _mistakes_stop_nothing(running)
        running.work_continues(name="1.png")  # as recorders do that use names again: in place of the old picture
    lake = Lake.open(str(running.lake))
    assert check(lake).problems == ()
    assert lake.count("frames", where="reason = 'picture'") == running.dropped
    uris = lake.read("sources", columns=["source"], where="kind = 'picture'")["source"].to_pylist()
    assert len(set(uris)) == running.dropped
    first = str(running.yard / "1.png")
    assert sorted(feed_name(uri) for uri in uris if uri.startswith(first)) == [first, first]
    assert sum(source_matches(uri, "*/1.png") for uri in uris) == 2


def _mistakes_stop_nothing(running: Scene) -> None:
    """Makes mistakes in the file of feeds, which show until it is good again, while its feeds continue."""
    good = running.feeds.path.read_text()
    for mistake in (b"[feeds.yard]\nurl = '~nosuchuser/x'", b"[feeds", b"\xff", b"feeds = " + b"[" * 9999):
        running.feeds.path.write_bytes(mistake)
        with pytest.raises(PlanError) as refused:
            running.feeds.read()
        wait_until(lambda: running.follower.status().list_error == str(refused.value))
    running.feeds.path.unlink()
    running.feeds.path.mkdir()
    wait_until(lambda: "it is a folder" in (running.follower.status().list_error or ""))
    running.work_continues()
    running.feeds.path.rmdir()
    running.feeds.path.write_text(good)
    wait_until(lambda: running.follower.status().list_error is None)
    assert [thread.restarts for thread in running.threads().values() if thread.name == "list of feeds"] == [1]
