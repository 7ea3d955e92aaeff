"""The lease of a folder: catches two writers of one lake, one that is still locked after its writer died, and numbers
that come twice."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.lake.lease.folder_lease import FolderLease
from pipeline.lake.lease.holder import command_of
from pipeline.lake.lease.writer_lease import take_lease, writer_of
from schemas.errors import LakeError

HOLD = "import sys, time; from pathlib import Path; from pipeline.lake.lease.folder_lease import FolderLease; "
HOLD += "lock = FolderLease(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"


def hold(lake: Path) -> "subprocess.Popen[str]":
    """Another process that holds the lock until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lake)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    try:
        with pytest.raises(LakeError, match=f"process {holder.pid} on "):
            FolderLease(tmp_path, wait_s=0.1)
        assert str(writer_of(tmp_path)).startswith(f"{holder.pid} on ")
    finally:
        holder.kill()
        holder.wait()


def test_two_locks_in_one_process_exclude_each_other(tmp_path: Path) -> None:
    lock = FolderLease(tmp_path)
    with pytest.raises(LakeError, match=str(os.getpid())):
        FolderLease(tmp_path, wait_s=0.1)
    lock.release()
    assert writer_of(tmp_path) is None
    FolderLease(tmp_path, wait_s=0.1).release()


def test_a_lock_waits_for_a_holder_that_is_dying(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    killer = subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {holder.pid}"])
    begin = time.monotonic()
    FolderLease(tmp_path, wait_s=30).release()
    assert time.monotonic() - begin > 0.5
    killer.wait()
    assert holder.wait() == -signal.SIGKILL


def test_a_forked_child_does_not_keep_the_lock_of_its_parent(tmp_path: Path) -> None:
    lock = FolderLease(tmp_path)
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,))
    child.start()
    try:
        lock.release()
        FolderLease(tmp_path, wait_s=0.1).release()
    finally:
        child.kill()
        child.join()


def test_looking_at_the_lock_does_not_refuse_a_writer(tmp_path: Path) -> None:
    FolderLease(tmp_path).release()
    look = "import sys; from pathlib import Path; from pipeline.lake.lease.writer_lease import writer_of\n"
    look += "print('looking', flush=True)\nwhile True: writer_of(Path(sys.argv[1]))"
    looker = subprocess.Popen([sys.executable, "-c", look, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert looker.stdout is not None
        looker.stdout.readline()
        for _ in range(50):
            FolderLease(tmp_path, wait_s=5).release()
    finally:
        looker.kill()
        looker.wait()


def test_a_folder_that_cannot_be_written_is_a_lake_error(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="cannot write"):
        FolderLease(tmp_path / "missing")


def test_the_refusal_says_who_writes_since_when_and_how_to_end_it(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    try:
        with pytest.raises(LakeError) as refused:
            FolderLease(tmp_path, wait_s=0.1)
    finally:
        holder.kill()
        holder.wait()
    said = str(refused.value)
    assert f"{holder.pid} on {os.uname().nodename} (Python, " in said
    assert re.search(r"since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ, and still is after 0.1 s", said)
    assert f"stop it (kill {holder.pid})" in said


def test_every_holder_has_a_greater_number_even_after_one_that_was_killed(tmp_path: Path) -> None:
    numbers = []
    for _ in range(2):
        lease = FolderLease(tmp_path)
        numbers.append(lease.number)
        lease.release()
    holder = hold(tmp_path)
    holder.kill()
    holder.wait()
    lease = FolderLease(tmp_path)
    assert [*numbers, lease.number] == [1, 2, 4]


def test_a_number_that_was_lost_continues_above_that_of_the_ledger(tmp_path: Path) -> None:
    (tmp_path / ".writer.number").write_bytes(b"\0\0\0")  # as after a power cut
    assert take_lease(str(tmp_path), above=lambda: 6).number == 7


def test_arguments_of_the_holder_are_not_shown_to_others() -> None:
    assert command_of(["/usr/bin/regionlake", "ingest", "rtsp://admin:secret@cam/1"]) == "regionlake ingest"
    assert command_of(["regionlake", "rtsp://admin:secret@cam/1"]) == "regionlake"
