"""Catches a dispatcher that one group of packets stops for ever, and frames that its account then lacks."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from pipeline.ingest.packets import FramePacket, RowPacket
from pipeline.live.account.losses import Received
from pipeline.live.commits.sink import Sink
from pipeline.live.commits.spool import Spool
from pipeline.live.dispatcher import DISPATCHER_DIED, Dispatcher
from pipeline.live.engines.live_engine import LiveEngine, Worked
from pipeline.live.feeds.feed_buffer import FeedItem
from pipeline.live.feeds.feed_list import FeedEntry
from pipeline.live.feeds.feed_roster import FeedRoster
from pipeline.live.feeds.feed_starter import FeedStarter
from pipeline.live.feeds.feed_status import FeedStatus
from pipeline.live.live_config import LiveConfig
from pipeline.runtime.threads import SupervisedThread
from tests.pipeline.live.commits.test_sink import Writer
from tests.pipeline.live.packets import ended, packet, recording
from tests.simulation import BEGAN, Simulation

SOURCE = recording()


class Handle:
    """A feed that gives three segments, then the end of its recording."""

    name = "gate"

    def __init__(self) -> None:
        self.items: list[FeedItem] = [packet(SOURCE, at, at + 10, (at,)) for at in (0, 10, 20)]
        self.items.append(ended(SOURCE, 30))

    @property
    def ready(self) -> bool:
        return bool(self.items)

    @property
    def ended(self) -> bool:
        return not self.items

    def poll(self) -> FeedItem | None:
        return self.items.pop(0)

    def status(self) -> FeedStatus:
        return FeedStatus("gate", "gate", "live", BEGAN)

    def received(self) -> tuple[Received, ...]:
        return ()

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def stop(self) -> None: ...


class Engine:
    """A model that returns something else than rows for the second group, and fails with the others."""

    def __init__(self) -> None:
        self._group: tuple[FramePacket, ...] = ()
        self._groups = 0

    @property
    def idle_models(self) -> int:
        return int(not self._group)

    def work(self, packets: Sequence[FramePacket]) -> None:
        self._group = tuple(packets)
        self._groups += 1

    def worked(self) -> list[Worked]:
        group, self._group = self._group, ()
        if not group:
            return []
        if self._groups == 2:
            return [Worked(group, 0.1, (cast(RowPacket, "no rows"),))]
        return [Worked(group, 0.1, None, "the model failed")]


def test_a_group_that_kills_the_dispatcher_is_counted_as_lost_and_the_others_go_their_way(tmp_path: Path) -> None:
    simulation = Simulation(0)
    writer = Writer()

    def main() -> SupervisedThread:
        class Starter:
            def start(self, _name: str, _entry: FeedEntry) -> Handle:
                return Handle()

        sink = Sink(writer, Spool(tmp_path), time=simulation, threads=simulation)
        entries = {"gate": FeedEntry("rtsp://x")}
        roster = FeedRoster(
            lambda: entries, cast(FeedStarter, Starter()), on_removed=lambda _: None, started=simulation.utc()
        )
        roster.update()
        engine = cast(LiveEngine, Engine())
        config = LiveConfig(group_keyframes=1)
        dispatcher = Dispatcher(engine, sink, roster, config, plan_hash="plan", time=simulation)
        thread = SupervisedThread("dispatcher", dispatcher.run, time=simulation, threads=simulation)
        simulation.sleep(0.2)
        assert thread.status().state == "backing off"
        simulation.sleep(5.0)
        assert thread.status().state == "running"
        dispatcher.end()
        thread.end()
        thread.join()
        sink.close()
        return thread

    thread = simulation.run(main)
    assert thread.status().restarts == 1
    assert writer.done == [
        "failed 0: 10 by the model failed",
        f"failed 10: 10 by {DISPATCHER_DIED}",
        "failed 20: 10 by the model failed",
        "end 30",
    ]
