"""`regionlake ingest --follow` in a process of its own, and the status that it writes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.live.status.follow_status import FollowStatus
from pipeline.live.status.state_folder import StateFolder
from tests.live.bound import bound
from tests.signals import default_signals

# few regions with cheap vectors: the tests are about feeds
SMALL_PLAN = ("proposals.use=['grid']", "regions.mode=pool", "read.background.ahead_s=1.0", "live.stalled_s=5.0")


class FollowerProcess:
    """The running follower. extra: further arguments of the command. environment: added to that of this process."""

    def __init__(
        self,
        lake: Path,
        extra: Sequence[str],
        *,
        settings: Sequence[str] = SMALL_PLAN,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.lake = lake
        self._log = (log or lake.parent / "follower.log").open("a")
        changed = [part for setting in settings for part in ("--set", setting)]
        command = [sys.executable, "-m", "deploy.cli.main", "ingest", "--follow", "--json", "--lake", str(lake)]
        with default_signals():
            self.process = subprocess.Popen(
                bound([*command, *changed, *extra]),
                stdout=subprocess.PIPE,
                stderr=self._log,
                stdin=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
                env={**os.environ, "RAY_worker_niceness": "0", **(environment or {})},
            )

    def status(self) -> FollowStatus | None:
        """The last status that this process wrote; None before the first one."""
        state = StateFolder.of(str(self.lake))
        if not state.status.exists():
            return None
        status = state.read_status()
        return status if status.pid == self.process.pid else None

    def wait(self, true: Callable[[FollowStatus], bool], *, most_s: float = 90.0) -> FollowStatus:
        """Waits until this is true of its status. Raises AssertionError after most_s, or if the process has ended."""
        until = time.monotonic() + most_s
        while True:
            status = self.status()
            if status is not None and true(status):
                return status
            assert self.process.poll() is None, f"the follower ended; {self.log()}"
            assert time.monotonic() < until, f"{status}; {self.log()}"
            time.sleep(0.1)

    def log(self) -> str:
        return Path(self._log.name).read_text()[-3000:]

    def end(self, *, most_s: float = 120.0) -> dict[str, Any]:
        """Sends Ctrl-C to the whole group, as a terminal does; returns the object that the command prints."""
        os.killpg(self.process.pid, signal.SIGINT)
        output, _ = self.process.communicate(timeout=most_s)
        self._log.close()
        assert self.process.returncode == 0, self.log()
        answer: dict[str, Any] = json.loads(output)
        return answer

    def kill(self) -> None:
        """Sends SIGKILL, and cleans up the remaining processes."""
        self.process.kill()
        self.process.communicate()
        self._log.close()

    def descendants(self, sign: str) -> list[int]:
        """Descendants of the follower whose command line contains `sign`."""
        parents: dict[int, int] = {}
        lines: dict[int, str] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                    lines[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
                except (OSError, ValueError):
                    continue
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])

        def below(pid: int) -> bool:
            while pid in parents:
                pid = parents[pid]
                if pid == self.process.pid:
                    return True
            return False

        return sorted(pid for pid, line in lines.items() if sign in line and below(pid))


def require_accounts(status: dict[str, Any]) -> None:
    """Asserts that every frame that a feed received is in one of the counts."""
    for feed in status["feeds"]:
        counted = feed["kept"] + feed["not_selected"] + feed["shed"] + feed["pending"] + feed["waiting"]
        assert feed["received"] == counted + sum(feed["lost"].values()), feed


def validate_rows(lake: Path) -> dict[str, int]:
    """Asserts that no row is doubled or incomplete; returns the frames of the ledger: decoded, and lost by reason."""
    opened = Lake.open(str(lake))
    report = check(opened)
    assert report.ok, report.problems
    segments = opened.read("segments")
    return {name: pc.sum(segments[name]).as_py() or 0 for name in ("frames_decoded", "lost", "keyframes", "shed")}
