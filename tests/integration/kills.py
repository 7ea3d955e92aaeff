"""Kills processes of an ingest at a random moment, after which the same command must complete the lake."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake

VICTIMS = {  # those that only Ray has come first: the others are also killed in the test on one process
    "models": "_ModelActor",
    "committer": "_WriterActor",
    "reader": "_ReadActor",
    "decoder": "pipeline.reading.reader_child",
    "driver": "",
}


def start(clips: Path, lake: Path, engine: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "deploy.cli.main", "ingest", str(clips), "--lake", str(lake), "--engine", engine]
    return subprocess.Popen(
        [*command, "--set", "run.segment_s=1", "--set", "regions.mode=pool", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes(sign: str) -> list[int]:
    """Ids of descendants of this process whose command line contains `sign`; other runs on the machine do not count."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if sign in (folder / "cmdline").read_text().replace("\0", " ") and os.getpid() in ancestors(folder.name):
                found.append(int(folder.name))
        except OSError:  # the process has just ended
            continue
    return found


def ancestors(pid: str) -> list[int]:
    found: list[int] = []
    while pid != "0":
        pid = (
            Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[1]
        )  # fields after the name: state, parent
        found.append(int(pid))
    return found


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output[-3000:]
    return output


def kill_and_rerun(
    victim: str, generator: random.Random, engine: str, clips: Path, lake: Path, environment: dict[str, str]
) -> None:
    """Kills the victim at a random moment of an ingest, waits for the run to end, and runs it again to its end.

    A run that survived is run again on one process, which takes a fifth of the time: nothing must be left to do.
    """
    for attempt in range(6):
        run = start(clips, lake / str(attempt), engine, environment)
        while run.poll() is None and not victims(victim, run):
            time.sleep(0.02)
        # shorter at each attempt: the process may live only for a moment
        time.sleep(generator.uniform(0, 4.0) * 0.6**attempt)
        pids = victims(victim, run)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        run.communicate(timeout=600)
        if pids:
            finish(start(clips, lake / str(attempt), engine if run.returncode else "local", environment))
            (lake / str(attempt)).rename(lake / "lake")
            return
    pytest.fail(f"no {victim} was there to be killed: the test proved nothing")


def victims(victim: str, run: subprocess.Popen[str]) -> list[int]:
    if victim == "driver":
        return [run.pid] if run.poll() is None else []
    return processes(VICTIMS[victim])


def assert_equal_and_sound(lake: Path, clean: Lake) -> None:
    survived = Lake.open(str(lake / "lake"))
    assert check(survived).problems == ()
    assert compare(clean, survived) == ()
