"""The writer's lock: catches two writers of one lake, and a lake that is still locked after its writer died."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.lake.writing.lock import WriterLock, writer_of
from schemas.errors import LakeError

HOLD = "import sys, time; from pathlib import Path; from pipeline.lake.writing.lock import WriterLock; "
HOLD += "lock = WriterLock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"


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
            WriterLock(tmp_path, wait_s=0.1)
        assert (writer_of(tmp_path) or "").startswith(f"{holder.pid} on ")
    finally:
        holder.kill()
        holder.wait()


def test_two_locks_in_one_process_exclude_each_other(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path)
    with pytest.raises(LakeError, match=str(os.getpid())):
        WriterLock(tmp_path, wait_s=0.1)
    lock.release()
    assert writer_of(tmp_path) is None
    WriterLock(tmp_path, wait_s=0.1).release()


def test_a_lock_waits_for_a_holder_that_is_dying(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    killer = subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {holder.pid}"])
    begin = time.monotonic()
    WriterLock(tmp_path, wait_s=30).release()
    assert time.monotonic() - begin > 0.5
    killer.wait()
    assert holder.wait() == -signal.SIGKILL


def test_a_forked_child_does_not_keep_the_lock_of_its_parent(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path)
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,))
    child.start()
    try:
        lock.release()
        WriterLock(tmp_path, wait_s=0.1).release()
    finally:
        child.kill()
        child.join()


def test_looking_at_the_lock_does_not_refuse_a_writer(tmp_path: Path) -> None:
    WriterLock(tmp_path).release()
    look = "import sys; from pathlib import Path; from pipeline.lake.writing.lock import writer_of\n"
    look += "print('looking', flush=True)\nwhile True: writer_of(Path(sys.argv[1]))"
    looker = subprocess.Popen([sys.executable, "-c", look, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert looker.stdout is not None
        looker.stdout.readline()
        for _ in range(50):
            WriterLock(tmp_path, wait_s=5).release()
    finally:
        looker.kill()
        looker.wait()


def test_a_folder_that_cannot_be_written_is_a_lake_error(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="cannot write"):
        WriterLock(tmp_path / "missing")
