"""Catches rows that are lost or doubled when a process is killed in the middle of an ingest.

`pytest tests/integration/test_kill.py --kill-rounds 20` is the long form.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.lake.audit.check import check, compare
from pipeline.lake.lake import Lake

VICTIMS = {  # first those that only Ray has: the others are killed on one process, too
    "embedder": "_EmbedActor",
    "committer": "_WriterActor",
    "reader": "_ReadActor",
    "decoder": "pipeline.reading.reader_child",
    "driver": "",
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """The environment of commands that use one Ray cluster, which stays when a driver is killed."""
    import ray

    context = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield {**os.environ, "RAY_ADDRESS": context.address_info["address"]}
    ray.shutdown()


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
    """Ids of the processes below this one whose command line holds `sign`: another run on the machine is not ours."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if sign in (folder / "cmdline").read_text().replace("\0", " ") and os.getpid() in ancestors(folder.name):
                found.append(int(folder.name))
        except OSError:  # it ended while we looked
            continue
    return found


def ancestors(pid: str) -> list[int]:
    found: list[int] = []
    while pid != "0":
        pid = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[1]  # after the name: state, parent
        found.append(int(pid))
    return found


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output[-3000:]
    return output


@pytest.fixture(scope="module")
def clean(ten_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The lake of an undisturbed run."""
    lake = tmp_path_factory.mktemp("clean") / "lake"
    finish(start(ten_clips, lake, "local", dict(os.environ)))
    return Lake.open(str(lake))


def kill_and_rerun(
    victim: str, generator: random.Random, engine: str, clips: Path, lake: Path, environment: dict[str, str]
) -> None:
    """Kills the victim at a random moment of its life in an ingest, lets the run end, and runs it again to its end."""
    for attempt in range(6):
        run = start(clips, lake / str(attempt), engine, environment)
        while run.poll() is None and not victims(victim, run):
            time.sleep(0.02)
        # shorter at each attempt: it may live for a moment only
        time.sleep(generator.uniform(0, 6.0) * 0.6**attempt)
        pids = victims(victim, run)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        run.communicate(timeout=300)
        if pids:
            finish(start(clips, lake / str(attempt), engine, environment))
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


@pytest.mark.parametrize("victim", ["decoder", "driver"])
def test_local_ingest_survives_a_kill(
    victim: str, clean: Lake, ten_clips: Path, tmp_path: Path, kill_rounds: int
) -> None:
    for number in range(max(1, kill_rounds // 4)):
        generator = random.Random(f"{victim} {number}")
        kill_and_rerun(victim, generator, "local", ten_clips, tmp_path / str(number), dict(os.environ))
        assert_equal_and_sound(tmp_path / str(number), clean)


@pytest.mark.ray
def test_ray_ingest_survives_kills_of_every_worker(
    clean: Lake, ten_clips: Path, tmp_path: Path, cluster: dict[str, str], kill_rounds: int
) -> None:
    for number in range(kill_rounds):
        victim = list(VICTIMS)[number % len(VICTIMS)]
        generator = random.Random(f"ray {number}")
        kill_and_rerun(victim, generator, "ray", ten_clips, tmp_path / str(number), cluster)
        assert_equal_and_sound(tmp_path / str(number), clean)
