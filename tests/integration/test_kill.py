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

from pipeline.lake.check import check, compare
from pipeline.lake.lake import Lake

VICTIMS = {
    "decoder": "pipeline.reader_child",
    "reader": "_ReadActor",
    "embedder": "_EmbedActor",
    "committer": "_WriterActor",
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
        [*command, "--set", "run.segment_s=1", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes(sign: str) -> list[int]:
    """Ids of the processes whose command line holds `sign`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if sign in (folder / "cmdline").read_text().replace("\0", " "):
                found.append(int(folder.name))
        except OSError:  # it ended while we looked
            continue
    return [p for p in found if p != os.getpid()]


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output[-3000:]
    return output


@pytest.fixture(scope="module")
def clean(ten_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, float]:
    """The lake of an undisturbed run, and how long that took."""
    lake = tmp_path_factory.mktemp("clean") / "lake"
    begin = time.monotonic()
    finish(start(ten_clips, lake, "local", dict(os.environ)))
    return Lake.open(str(lake)), time.monotonic() - begin


def kill_and_rerun(
    victim: str, after_s: float, engine: str, clips: Path, lake: Path, environment: dict[str, str]
) -> bool:
    """Runs an ingest, kills the victim after a while, lets it end, runs it again. Returns whether there was one."""
    run = start(clips, lake, engine, environment)
    time.sleep(after_s)
    alive = run.poll() is None
    pids = [run.pid] if victim == "driver" else processes(VICTIMS[victim])
    for pid in pids if alive else []:
        os.kill(pid, signal.SIGKILL)
    run.communicate(timeout=180)
    finish(start(clips, lake, engine, environment))
    return alive and bool(pids)


def assert_equal_and_sound(lake: Path, clean: Lake) -> None:
    survived = Lake.open(str(lake))
    assert check(survived).problems == ()
    assert compare(clean, survived) == ()


@pytest.mark.parametrize("victim", ["decoder", "driver"])
def test_local_ingest_survives_a_kill(
    victim: str, clean: tuple[Lake, float], ten_clips: Path, tmp_path: Path, kill_rounds: int
) -> None:
    lake, took_s = clean
    hits = 0
    for number in range(max(1, kill_rounds // 4)):
        generator = random.Random(f"{victim} {number}")
        target = tmp_path / str(number)
        after_s = generator.uniform(0.2, 0.95) * took_s
        hits += kill_and_rerun(victim, after_s, "local", ten_clips, target, dict(os.environ))
        assert_equal_and_sound(target, lake)
    assert hits, "no process was killed: the test proved nothing"


@pytest.mark.ray
def test_ray_ingest_survives_kills_of_every_worker(
    clean: tuple[Lake, float], ten_clips: Path, tmp_path: Path, cluster: dict[str, str], kill_rounds: int
) -> None:
    begin = time.monotonic()
    finish(start(ten_clips, tmp_path / "timing", "ray", cluster))
    took_s = time.monotonic() - begin
    hits = []
    for number in range(kill_rounds):
        generator = random.Random(f"ray {number}")
        victim = list(VICTIMS)[number % len(VICTIMS)]
        after_s = generator.uniform(0.4, 0.95) * took_s
        target = tmp_path / str(number)
        if kill_and_rerun(victim, after_s, "ray", ten_clips, target, cluster):
            hits.append(victim)
        assert_equal_and_sound(target, clean[0])
    assert len(hits) >= kill_rounds / 2, f"only {hits} were there to be killed"
