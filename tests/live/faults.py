"""Faults at random, one after the other, against feeds that are followed; afterwards every feed must be live again and
every frame accounted for.

    python -m tests.live.faults --data DATA --faults 50 [--engine ray] [--seed 0] [--only "decoder killed"]

Two RTSP cameras, one over UDP through a relay that can lose packets, and a lake on a disk of 96 MB (a tmpfs; without
the right to mount one, that fault is left out, and said so). After each fault the feeds must be live again within two
minutes, and rows be committed. At the end: frames received = keyframes + not selected + shed + lost by name, feed by
feed, exactly unless the follower itself was killed; the lake is audited.
"""

import argparse
import os
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pipeline.lake.lake import Lake
from pipeline.live.status.follow_status import FollowStatus
from tests.live.cameras import RtspServer, film, free_port, rtsp_server, udp_camera
from tests.live.follower import FollowerProcess, require_sound

_DISK_BYTES = 96 * 2**20
_RELAYED = "relayed"
_HELD_FRAMES = 300  # of a feed that a follower has in its hands, at 10 to 25 frames a second


class Relay:
    """Hands on what comes to one UDP port to another, but for a share of it; or sends noise."""

    def __init__(self, chance: random.Random) -> None:
        self.loss = 0.0
        self.noise = False
        self._chance = chance
        self._inlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._inlet.bind(("127.0.0.1", 0))
        self._inlet.settimeout(0.2)
        self.port: int = self._inlet.getsockname()[1]
        self.outlet = free_port(socket.SOCK_DGRAM)
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed:
            with suppress(TimeoutError):
                data = self._inlet.recv(65536)
                if self.noise:
                    data = self._chance.randbytes(len(data))
                if self._chance.random() >= self.loss:
                    self._inlet.sendto(data, ("127.0.0.1", self.outlet))

    def close(self) -> None:
        self._closed = True
        self._thread.join()
        self._inlet.close()


class FaultRun:
    """The cameras, the lake and the follower; each fault is a method that returns when it is over."""

    def __init__(self, folder: Path, server: RtspServer, relay: Relay, *, engine: str, chance: random.Random) -> None:
        self.lake = folder / "lake"
        self._folder = folder
        self._server = server
        self._relay = relay
        self._engine = engine
        self._chance = chance
        self._camera = ExitStack()
        self._received: Counter[str] = Counter()  # by feed, over all followers there were
        self._lost: Counter[str] = Counter()  # by feed, as followers told
        self.faults: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self._feeds = folder / "feeds.toml"
        self._feeds.write_text(
            "".join(
                f'[feeds.{name}]\nurl = "{url}"\n'
                for name, url in (
                    ("gate", server.url("gate")),
                    ("street", server.url("street")),
                    (_RELAYED, f"udp://127.0.0.1:{relay.outlet}"),
                )
            )
        )
        self._film("320x240")
        self.follower = self._start()

    def _start(self) -> FollowerProcess:
        return FollowerProcess(
            self.lake, ["--feeds", str(self._feeds), "--engine", self._engine], log=self._folder / "follower.log"
        )

    def _film(self, size: str) -> None:
        self._camera.close()
        self._camera.enter_context(udp_camera(self._relay.port, size=size))

    def all(self) -> dict[str, Callable[[], None]]:
        """Every fault by its name."""
        found: dict[str, Callable[[], None]] = {
            "server killed": self.server_killed,
            "server stopped, connections half-open": self.server_stopped,
            "20 % of packets lost": self.packets_lost,
            "garbage in place of the stream": self.garbage,
            "resolution changed": self.resolution_changed,
            "decoder killed": lambda: self.child_sent(signal.SIGKILL),
            "decoder hangs": lambda: self.child_sent(signal.SIGSTOP),
            "feed removed and added": self.feed_removed,
            "follower killed": self.follower_killed,
            "disk of the lake full": self.disk_full,
        }
        if self._engine == "ray":
            found |= {
                "model actor killed": lambda: self.actor_killed("_ModelActor"),
                "committer killed": lambda: self.actor_killed("_WriterActor"),
                "feed actor killed": lambda: self.actor_killed("_FeedActor"),
            }
        return found

    # -- faults ----------------------------------------------------------------------------------

    def server_killed(self) -> None:
        self._server.kill()
        time.sleep(self._chance.uniform(1, 6))
        self._server.start()

    def server_stopped(self) -> None:
        self._server.send(signal.SIGSTOP)
        time.sleep(self._chance.uniform(3, 9))
        self._server.send(signal.SIGCONT)

    def packets_lost(self) -> None:
        self._relay.loss = 0.2
        time.sleep(self._chance.uniform(3, 9))
        self._relay.loss = 0.0

    def garbage(self) -> None:
        self._relay.noise = True
        time.sleep(self._chance.uniform(2, 8))
        self._relay.noise = False

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
        time.sleep(self._chance.uniform(1, 5))
        self._feeds.write_text(before)

    def follower_killed(self) -> None:
        status = self.follower.status()
        os.killpg(self.follower.process.pid, signal.SIGKILL)
        self.follower.kill()
        self._close_account(status)
        self.follower = self._start()

    def disk_full(self) -> None:
        filler = self.lake.parent / "filler"
        with filler.open("wb") as file, suppress(OSError):
            while True:
                file.write(b"\0" * 2**16)
                file.flush()
        time.sleep(self._chance.uniform(3, 9))
        filler.unlink()

    # -- afterwards ------------------------------------------------------------------------------

    def recover(self) -> None:
        """Waits until every feed gives frames and rows are committed again."""
        seen = self.follower.status()
        before = {} if seen is None else {feed.name: feed.received for feed in seen.feeds}

        def goes_on(status: FollowStatus) -> bool:
            return len(status.feeds) == 3 and all(
                feed.state == "live" and feed.received >= before.get(feed.name, 0) + 20 for feed in status.feeds
            )

        commits = self.follower.wait(goes_on, most_s=120).sink.commits
        self.follower.wait(lambda s: s.sink.commits > commits and s.sink.error is None, most_s=120)

    def follower_gone(self) -> None:
        """Whatever happened."""
        if self.follower.process.poll() is None:
            os.killpg(self.follower.process.pid, signal.SIGKILL)
        self._camera.close()

    def end(self) -> None:
        self.follower.end()
        self._close_account(self.follower.status())
        self._camera.close()

    def _close_account(self, status: FollowStatus | None) -> None:
        """Adds what a follower that is gone said last."""
        for feed in () if status is None else status.feeds:
            self._received[feed.name] += feed.received
            self._lost[feed.name] += sum(feed.lost.values())
            self.lost.update(feed.lost)

    def report(self) -> Iterator[str]:
        """A table. Raises AssertionError where a frame is in none of its columns, or a row in the lake twice.

        Keyframes, not selected and shed are counted in the lake; what was received and lost is as the followers told.
        What a killed follower had not committed, and what came in the second before, is known as the difference alone.
        """
        require_sound(self.lake)
        yield f"{'fault':<40} times"
        yield from (f"{name:<40} {count:>5}" for name, count in sorted(self.faults.items()))
        rows = Lake.open(str(self.lake)).read("segments").to_pylist()
        yield f"{'feed':<9}{'received':>9}{'keyframes':>10}{'not selected':>13}{'shed':>6}{'lost':>6}{'by kills':>9}"
        for name, received in sorted(self._received.items()):
            own = [row for row in rows if row["source"].partition("#")[0] == name]
            decoded, keyframes, shed = (sum(row[c] for row in own) for c in ("frames_decoded", "keyframes", "shed"))
            killed = received - decoded - self._lost[name]
            yield (
                f"{name:<9}{received:>9}{keyframes:>10}{decoded - keyframes - shed:>13}{shed:>6}{self._lost[name]:>6}"
                f"{killed:>9}"
            )
            most = _HELD_FRAMES * self.faults["follower killed"]
            assert -most <= killed <= most, (name, killed, most)
        yield from (f"lost to: {reason}: {frames} frames" for reason, frames in self.lost.most_common())


@contextmanager
def fault_run(data: Path, *, engine: str, seed: int) -> Iterator[FaultRun]:
    """Everything that runs, until the end of the block; the lake on a small disk of its own where that is allowed."""
    chance = random.Random(seed)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        films, disk = folder / "films", folder / "disk"
        films.mkdir()
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(disk)]
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            opened.callback(subprocess.run, ["umount", "-l", str(disk)], check=False)
        else:
            print("no right to mount a disk of its own: its fault is left out")
        film(films / "gate.mp4", data / "pets09-s2l1" / "vtest.avi", loops=20, size="384:288")
        film(films / "street.mp4", data / "tud-stadtmitte" / "TUD-Stadtmitte.mp4", loops=200, size="320:240")
        server = opened.enter_context(rtsp_server(films))
        relay = Relay(chance)
        opened.callback(relay.close)
        run = FaultRun(disk, server, relay, engine=engine, chance=chance)
        opened.callback(run.follower_gone)
        yield run


def inflict(run: FaultRun, faults: int, *, only: Sequence[str] = (), say: Callable[[str], object] = print) -> None:
    """So many faults at random, and the recovery from each; then an orderly end."""
    chance = random.Random(faults)
    known = run.all()
    if not os.path.ismount(run.lake.parent):
        del known["disk of the lake full"]
    run.recover()
    names = list(only) or sorted(known)
    order = [name for _ in range(-(-faults // len(names))) for name in chance.sample(names, len(names))][:faults]
    for n, name in enumerate(order):
        began = time.monotonic()
        known[name]()
        run.recover()
        run.faults[name] += 1
        say(f"{n + 1:>3} {name}: live again, and committing, {time.monotonic() - began:.0f} s after it began")
    run.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets in tests/conftest.py")
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", default=[])
    args = parser.parse_args()
    with fault_run(args.data, engine=args.engine, seed=args.seed) as run:
        inflict(run, args.faults, only=args.only, say=lambda line: print(line, flush=True))
        for line in run.report():
            print(line)


if __name__ == "__main__":
    main()
