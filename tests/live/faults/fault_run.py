"""The system under test: feeds, a follower that ingests them into a lake, a watch, and the faults."""

import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.live.status.follow_status import FollowStatus
from pipeline.live.status.state_folder import StateFolder
from pipeline.ring.feed_ring import rings_of_state
from pipeline.ring.report import kept_video, ring_problems
from tests.live.cameras import RtspServer, film, rtsp_server, udp_camera
from tests.live.faults.account import Account
from tests.live.faults.network import Network, network
from tests.live.faults.relay import Relay
from tests.live.faults.wall_clock import WallClock
from tests.live.faults.watched import WatchProcess, Webhook
from tests.live.follower import FollowerProcess

_DISK_BYTES = (
    768 * 2**20
)  # room for the rows of fifty faults, and for the versions that the lake keeps for five minutes
_VIDEO = "16MB"  # of each feed, on that disk
_RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """folder: for everything but the lake. disk: where the lake is, a file system of its own if `small`.
    network: that of the server; None for the machine's. clock: that of the follower; None for the machine's.
    pace: factor for the duration of faults.
    """

    folder: Path
    disk: Path
    small: bool
    server: RtspServer
    network: Network | None
    relay: Relay
    clock: WallClock | None
    engine: str
    chance: random.Random
    pace: float


class FaultRun:
    """The follower, its feeds and the watch. Each fault is a method, which returns when the fault is over."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._chance = around.chance
        self.lake = around.disk / "lake"
        self.account = Account()
        self.faults: Counter[str] = Counter()
        self.webhook = Webhook()
        self.watch: WatchProcess | None = None
        self._camera = ExitStack()
        self._feeds = around.folder / "feeds.toml"
        urls = {name: around.server.url(name) for name in ("gate", "street")}
        urls[_RELAYED] = f"udp://127.0.0.1:{around.relay.outlet}"
        self._feeds.write_text("".join(f'[feeds.{name}]\nurl = "{url}"\n' for name, url in urls.items()))
        self._film("320x240")
        self.follower = self._start()

    def _start(self) -> FollowerProcess:
        around = self._around
        arguments = ["--feeds", str(self._feeds), "--engine", around.engine, "--video-max-bytes", _VIDEO]
        environment = None if around.clock is None else around.clock.environment
        return FollowerProcess(self.lake, arguments, log=around.folder / "follower.log", environment=environment)

    def _film(self, size: str) -> None:
        self._camera.close()
        self._camera.enter_context(udp_camera(self._around.relay.port, size=size))

    def all(self) -> dict[str, Callable[[], None]]:
        """The faults that this machine allows, by name."""
        found: dict[str, Callable[[], None]] = {
            "server killed": self.server_killed,
            "server stopped": self.server_stopped,
            "20 % of packets lost": self.packets_lost,
            "packets late": self.packets_late,
            "garbage in place of the stream": self.garbage,
            "resolution changed": self.resolution_changed,
            "decoder killed": lambda: self.child_sent(signal.SIGKILL),
            "decoder hangs": lambda: self.child_sent(signal.SIGSTOP),
            "feed removed and added": self.feed_removed,
            "follower killed": self.follower_killed,
            "webhook down": self.webhook_down,
        }
        if self._around.small:
            found["disk of the lake full"] = self.disk_full
        if self._around.network is not None:
            found |= {
                "connections half-open": self.half_open,
                "network congested": self.congested,
            }
        if self._around.clock is not None:
            found["clock stepped"] = self.clock_stepped
        if self._around.engine == "ray":
            found |= {
                "model actor killed": lambda: self.actor_killed("_ModelActor"),
                "committer killed": lambda: self.actor_killed("_WriterActor"),
                "feed actor killed": lambda: self.actor_killed("_FeedActor"),
            }
        return found

    # -- faults ----------------------------------------------------------------------------------

    def server_killed(self) -> None:
        self._around.server.kill()
        self._pause(1, 6)
        self._around.server.start()

    def server_stopped(self) -> None:
        self._around.server.send(signal.SIGSTOP)
        self._pause(3, 9)
        self._around.server.send(signal.SIGCONT)

    def packets_lost(self) -> None:
        """Loses packets of UDP, and of TCP, which sends them again."""
        self._around.relay.loss = 0.2
        if self._around.network is not None:
            self._around.network.lose(0.2)
        self._pause(3, 9)
        self._around.relay.loss = 0.0
        if self._around.network is not None:
            self._around.network.heal()

    def packets_late(self) -> None:
        self._around.relay.late_s = self._chance.uniform(0.2, 2.0)
        self._pause(3, 9)
        self._around.relay.late_s = 0.0

    def half_open(self) -> None:
        """Drops all packets, without an error on either side."""
        assert self._around.network is not None
        self._around.network.lose(1.0)
        self._pause(3, 20)
        self._around.network.heal()

    def congested(self) -> None:
        """Limits the bandwidth to less than the cameras send."""
        assert self._around.network is not None
        self._around.network.congest(100_000)
        self._pause(3, 15)
        self._around.network.heal()

    def clock_stepped(self) -> None:
        """Changes the clock by minutes in both directions, and finally back."""
        assert self._around.clock is not None
        for ahead_s in (self._chance.choice([-1, 1]) * self._chance.randrange(60, 600), 0):
            self._around.clock.set(ahead_s)
            self._pause(3, 6)

    def webhook_down(self) -> None:
        """Stops the webhook or lets it answer with an error, sometimes for longer than a hit is kept."""
        if self._chance.random() < 0.5:
            self.webhook.down()
        else:
            self.webhook.answers = 503
        self._pause(3, 2 * WatchProcess.give_up_s)
        self.webhook.down()
        self.webhook.answers = 200
        self.webhook.up()

    def garbage(self) -> None:
        self._around.relay.noise = True
        self._pause(2, 8)
        self._around.relay.noise = False

    def resolution_changed(self) -> None:
        self._film(self._chance.choice(["320x240", "160x120", "480x360"]))

    def child_sent(self, number: signal.Signals) -> None:
        children = self.follower.descendants("feed_child")
        if children:
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(children), number)

    def actor_killed(self, name: str) -> None:
        [pid, *_] = self.follower.descendants(f"ray::{name}") or [0]
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def feed_removed(self) -> None:
        before = self._feeds.read_text()
        tables = before.split("[feeds.")
        self._feeds.write_text("[feeds.".join(tables[:2]))
        self._pause(1, 5)
        self._feeds.write_text(before)

    def follower_killed(self) -> None:
        status = self.follower.status()
        os.killpg(self.follower.process.pid, signal.SIGKILL)
        self.follower.kill()
        self.account.close(status)
        self.account.killed += 1
        self.follower = self._start()

    def disk_full(self) -> None:
        filler = self.lake.parent / "filler"
        # without a buffer, as closing one would fail again
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 2**16)
        self._pause(3, 9)
        filler.unlink()

    def _pause(self, least_s: float, most_s: float) -> None:
        time.sleep(self._chance.uniform(least_s, most_s) * self._around.pace)

    # -- afterwards ------------------------------------------------------------------------------

    def recover(self) -> None:
        """Waits until every feed gives frames and rows are committed again."""
        seen = self.follower.status()
        before = {} if seen is None else {feed.name: feed.received for feed in seen.feeds}

        def goes_on(status: FollowStatus) -> bool:
            return len(status.feeds) == 3 and all(
                feed.state == "live"
                and feed.received >= before.get(feed.name, 0) + 20
                and feed.video is not None
                and feed.video.fragments > 0
                and feed.video.error is None
                for feed in status.feeds
            )

        commits = self.follower.wait(goes_on, most_s=120).sink.commits
        self.follower.wait(lambda s: s.sink.commits > commits and s.sink.error is None, most_s=120)

    def begin(self) -> None:
        """Waits until there is a lake, and starts the watch."""
        self.recover()
        self.watch = WatchProcess(self.lake, self._around.folder, self.webhook)
        self.watch.settled()

    def end(self) -> None:
        self.follower.end()
        self.account.close(self.follower.status())
        self._camera.close()

    def gone(self) -> None:
        """Ends all processes, whatever happened."""
        if self.follower.process.poll() is None:
            os.killpg(self.follower.process.pid, signal.SIGKILL)
        if self.watch is not None:
            self.watch.kill()
        self.webhook.down()
        self._camera.close()

    def report(self) -> Iterator[str]:
        """Yields the faults, and what happened to every frame and hit. Raises AssertionError if one is missing."""
        yield f"{'fault':<40} times"
        yield from (f"{name:<40} {count:>5}" for name, count in sorted(self.faults.items()))
        yield from self.account.report(self.lake)
        rings = rings_of_state(StateFolder.of(str(self.lake)).path)
        assert ring_problems(rings) == []
        for kept in kept_video(rings):
            yield f"video of {kept.feed:<31} {kept.bytes / 1e6:5.1f} MB in {kept.files} files"
        if self.watch is not None:
            yield self.watch.end()


@contextmanager
def fault_run(data: Path, *, engine: str, seed: int, pace: float = 1.0) -> Iterator[FaultRun]:
    """Starts everything that this machine allows, and ends it after the block."""
    chance = random.Random(seed)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        films, disk = folder / "films", folder / "disk"
        films.mkdir()
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(disk)]
        small = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        if small:
            opened.callback(subprocess.run, ["umount", "-l", str(disk)], check=False)
        else:
            print("no right to mount a disk: its fault is skipped")
        film(films / "gate.mp4", data / "pets09-s2l1" / "vtest.avi", loops=20, size="384:288")
        film(films / "street.mp4", data / "tud-stadtmitte" / "TUD-Stadtmitte.mp4", loops=200, size="320:240")
        place = opened.enter_context(network())
        server = opened.enter_context(rtsp_server(films, place))
        relay = Relay(chance)
        opened.callback(relay.close)
        clock = _wall_clock(folder) if engine == "local" else None  # processes of Ray would use two clocks
        run = FaultRun(Surroundings(folder, disk, small, server, place, relay, clock, engine, chance, pace))
        opened.callback(run.gone)
        yield run


def _wall_clock(folder: Path) -> WallClock | None:
    try:
        return WallClock(folder)
    except OSError as error:
        print(f"{error}; its fault is skipped")
        return None
