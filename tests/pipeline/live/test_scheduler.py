"""Catches a scheduler by which busy feeds starve the others, or memory grows: 200 feeds, without decoders."""

import random
from dataclasses import dataclass, field

import numpy as np

from pipeline.ingest.packets import FramePacket
from pipeline.live.feeds.feed_buffer import FeedBuffer, FeedItem
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.live.scheduler import KeyframeScheduler
from schemas.sources import Source
from tests.pipeline.live.packets import ended, packet, recording

FEEDS, SECONDS, MODEL_PER_S, GROUP, BUFFER, STALE_S = 200, 100, 40.0, 4, 4, 1e9


@dataclass
class Camera:
    """A feed of the simulation: gives a segment of one second each second, with `rate` keyframes on average."""

    name: str
    rate: float
    source: Source = field(init=False)
    buffer: FeedBuffer = field(default_factory=lambda: FeedBuffer(most=BUFFER, stale_s=STALE_S, plan_hash="plan"))
    asked: int = 0
    given: int = 0
    oldest_s: float = 0.0
    ended: bool = False

    def __post_init__(self) -> None:
        self.source = recording(self.name)

    def second(self, now: int, chance: random.Random) -> None:
        count = int(self.rate) + (chance.random() < self.rate % 1)
        self.asked += count
        start = 10 * now
        self.buffer.put(packet(self.source, start, start + 10, tuple(range(start, start + count))))

    @property
    def ready(self) -> bool:
        return len(self.buffer) > 0

    def poll(self) -> FeedItem | None:
        return self.buffer.take()

    def status(self) -> FeedStatus:
        raise NotImplementedError

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def stop(self) -> None: ...


def simulated(rates: list[float], *, seed: int = 0) -> list[Camera]:
    """Real buffers and the real scheduler; a model that takes MODEL_PER_S keyframes a second."""
    chance = random.Random(seed)
    cameras = [Camera(f"feed {n:03}", rate) for n, rate in enumerate(rates)]
    by_source = {camera.source.id: camera for camera in cameras}
    scheduler = KeyframeScheduler(most=GROUP, group_s=1.0, on_ending=lambda _: None)
    scheduler.learn_rate(GROUP, GROUP / MODEL_PER_S)
    budget = 0.0
    for now in range(SECONDS):
        for camera in cameras:
            camera.second(now, chance)
        budget = min(budget, 0.0) + MODEL_PER_S
        while budget > 0 and (group := scheduler.group(cameras, now_s=float(now))):
            for one in group:
                camera = by_source[one.head.segment.source.id]
                camera.given += len(one.keyframes)
                camera.oldest_s = max(camera.oldest_s, now - one.head.segment.span.start / 10)
                budget -= len(one.keyframes)
        assert all(camera.buffer.keyframes <= BUFFER for camera in cameras)
    return cameras


def test_quiet_feeds_keep_all_and_busy_ones_share_the_rest_alike() -> None:
    # 150 quiet ones ask for 15 a second together, 50 busy ones for 100; there is time for 40
    cameras = simulated([0.1] * 150 + [2.0] * 50)
    quiet, busy = cameras[:150], cameras[150:]
    assert sum(camera.buffer.shed for camera in quiet) <= 0.01 * sum(camera.asked for camera in quiet)
    shares = np.array([camera.given for camera in busy])
    assert shares.min() >= 0.8 * shares.max()
    assert sum(c.given for c in cameras) >= 0.97 * MODEL_PER_S * SECONDS


def test_no_feed_waits_longer_than_its_turn_takes() -> None:
    cameras = simulated([1.0] * FEEDS)
    assert max(camera.oldest_s for camera in cameras) <= 3 * FEEDS * BUFFER / MODEL_PER_S


def test_what_a_feed_reports_of_its_recordings_is_passed_on_in_order() -> None:
    camera = Camera("gate", 1.0)
    reported: list[FeedItem] = []
    scheduler = KeyframeScheduler(most=8, group_s=1.0, on_ending=reported.append)
    scheduler.learn_rate(8, 0.1)
    items: list[FeedItem] = [
        packet(camera.source, 0, 10, (3,)),
        ended(camera.source, 10),
        packet(camera.source, 10, 20),
    ]
    for item in items:
        camera.buffer.put(item)
    group = scheduler.group([camera], now_s=0.0)
    assert all(isinstance(one, FramePacket) for one in group)
    assert [one.head.segment.span.start for one in group] == [0, 10]
    assert reported == [items[1]]


def test_a_group_is_what_a_model_works_off_in_its_time() -> None:
    scheduler = KeyframeScheduler(most=16, group_s=1.0, on_ending=lambda _: None)
    assert scheduler.size == 1
    scheduler.learn_rate(1, 0.4)
    assert scheduler.size == 2
    for _ in range(20):
        scheduler.learn_rate(16, 0.1)
    assert scheduler.size == 16
    for _ in range(20):
        scheduler.learn_rate(16, 20.0)
    assert scheduler.size == 1
