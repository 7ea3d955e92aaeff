"""Reports to systemd. Catches a service that is restarted while it works, or is not while it hangs; reports of a child
in place of its parent; and a manager that is away which ends what it looks after.

The other side is a socket of this test, as `sd_notify(3)` describes it.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.monitoring.service_manager import ServiceManager
from tests.conftest import ROOT

REPORTS = 2000  # more than the queue of a socket holds
OLD_LAKE = ROOT / "tests" / "fixtures" / "lake-0.2.0" / "lake"


class Manager:
    """Receives reports at a socket. address: as NOTIFY_SOCKET has it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))

    def next(self, *, within_s: float = 120.0) -> list[str]:
        """The lines of the next report."""
        self._socket.settimeout(within_s)
        return self._socket.recv(4096).decode().splitlines()

    def until(self, line: str) -> list[str]:
        """The lines of all reports up to the one that has this line."""
        lines = self.next()
        while line not in lines:
            lines += self.next()
        return lines

    def drop_what_waits(self) -> int:
        """Returns how many reports there were."""
        self._socket.setblocking(False)
        count = 0
        with suppress(BlockingIOError):
            while True:
                self._socket.recv(4096)
                count += 1
        return count

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """At a file, as systemd has it; the follower's is in the abstract namespace."""
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.close()


def started(manager: Manager, *arguments: str | Path) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "600000"}
    command = [sys.executable, "-m", "deploy.cli.main", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def test_a_service_is_ready_alive_until_it_hangs_and_reports_its_end(manager: Manager, tmp_path: Path) -> None:
    lake = shutil.copytree(OLD_LAKE, tmp_path / "lake")
    process = started(manager, "serve", "--lake", lake, "--port", "0")
    try:
        assert "WATCHDOG=1" not in manager.until("READY=1")
        assert [manager.next() for _ in range(3)] == [["WATCHDOG=1"]] * 3
        process.send_signal(signal.SIGSTOP)  # as a process that hangs
        manager.drop_what_waits()
        with pytest.raises(TimeoutError):
            manager.next(within_s=2.0)
        process.send_signal(signal.SIGCONT)
        manager.until("WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        manager.until("STOPPING=1")
        assert process.wait(120) == -signal.SIGTERM  # uvicorn ends by the signal that it has received
    finally:
        process.kill()
        process.wait()


def test_a_follower_reports_its_status(tmp_path: Path) -> None:
    manager = Manager(f"@regionlake-follower-{os.getpid()}")
    (tmp_path / "dropped").mkdir()
    process = started(manager, "ingest", "--follow", tmp_path / "dropped", "--lake", tmp_path / "lake")
    try:
        manager.until("READY=1")
        lines = manager.next() + manager.next()
        assert lines.count("WATCHDOG=1") == 2
        assert any(line.startswith("STATUS=1 of 1 feed live") for line in lines)
        process.send_signal(signal.SIGTERM)
        manager.until("STOPPING=1")
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()
        manager.close()


def test_the_variables_are_not_left_to_children() -> None:
    environment = {"NOTIFY_SOCKET": "@nowhere", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid()), "A": "1"}
    assert ServiceManager.of(environment).deadline_s == 30.0
    assert environment == {"A": "1"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "30000000"},
        {"NOTIFY_SOCKET": "@nowhere"},
        {"NOTIFY_SOCKET": "@nowhere", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "@nowhere", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
    ],
    ids=["no manager", "no socket", "no watchdog", "no number", "another process"],
)
def test_nobody_waits_for_a_process_that_is_not_watched(environment: dict[str, str]) -> None:
    assert ServiceManager.of(environment).deadline_s is None


def report_often(manager: ServiceManager) -> None:
    for _ in range(REPORTS):
        manager.stopping()


def test_a_manager_that_is_away_or_full_holds_nothing_up(tmp_path: Path) -> None:
    full = Manager(str(tmp_path / "full"))
    for address in (str(tmp_path / "gone"), full.address):
        reporting = threading.Thread(target=report_often, args=[ServiceManager(address)], daemon=True)
        reporting.start()
        reporting.join(60)
        assert not reporting.is_alive()
    assert 0 < full.drop_what_waits() < REPORTS  # so its queue was full
    full.close()
