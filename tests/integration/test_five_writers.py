"""Five writers of one lake at once, in a folder and in a bucket: catches rows that are lost or doubled, and writers
that are refused without a word.

`pytest tests/integration/test_five_writers.py --kill-rounds 20` is the long form: processes of which one is killed.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.lease.bucket_object import NAME
from pipeline.lake.lease.writer_lease import writer_of
from pipeline.lake.writing.committer import Committer
from schemas.errors import LakeError
from tests.integration.buckets import served_buckets
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored

WRITERS = 5
FRAMES, PIECES = 20, 1  # of each world
ended = threading.Semaphore(0)  # released by each writer at its end


@pytest.fixture(scope="module")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with served_buckets(tmp_path_factory.mktemp("cache"), "lakes"):
        yield


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "lake")
    request.getfixturevalue("buckets")
    return f"s3://lakes/{tmp_path.name}"


def write(place: str, number: int, *, wait_s: float, opened: Callable[[], object] = lambda: None) -> None:
    """Commits one world, as another process would. opened: called while the lease is held."""
    world = World(number)
    with Committer(Lake.open(place), plan=stored(), fold_shots=fold_shots, wait_s=wait_s) as writer:
        opened()
        writer.register(world.source)
        for each in world.segments(PIECES):
            writer.commit([world.rows(each)])


def all_at_once(place: str, *, wait_s: float, opened: Callable[[], object] = lambda: None) -> dict[int, str]:
    """Runs the writers; returns the sentences of those that were refused."""
    refused: dict[int, str] = {}

    def run(number: int) -> None:
        try:
            write(place, number, wait_s=wait_s, opened=opened)
        except LakeError as error:
            refused[number] = str(error)
        finally:
            ended.release()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


def test_of_five_writers_at_once_one_writes_and_the_others_are_refused_by_name(place: str) -> None:
    Lake.create_or_open(place, SPACE)

    def until_others_are_refused() -> None:
        for _ in range(WRITERS - 1):
            assert ended.acquire(timeout=120)

    refused = all_at_once(place, wait_s=0.3, opened=until_others_are_refused)
    ended.acquire()
    assert len(refused) == WRITERS - 1
    for sentence in refused.values():
        assert f"is being written by process {os.getpid()} on {os.uname().nodename} (" in sentence
        assert " since 20" in sentence
        assert "one lake has one writer" in sentence
    lake = Lake.open(place)
    assert writer_of(place) is None
    assert check(lake).problems == ()
    assert lake.count("frames") == FRAMES


def test_writers_that_wait_write_one_after_the_other(place: str) -> None:
    Lake.create_or_open(place, SPACE)
    assert all_at_once(place, wait_s=120) == {}
    lake = Lake.open(place)
    report = check(lake)
    assert report.problems == ()
    assert report.rows["frames"] == WRITERS * FRAMES
    assert sorted(set(lake.read("segments", columns=["lease"])["lease"].to_pylist())) == list(range(1, WRITERS + 1))


PROCESS = "import sys; from tests.integration.test_five_writers import write; "
PROCESS += "write(sys.argv[1], int(sys.argv[2]), wait_s=10.0)"


def test_processes_of_which_one_is_killed_lose_nothing(place: str, kill_rounds: int) -> None:
    if kill_rounds < 20:
        pytest.skip("the long form: --kill-rounds 20")
    Lake.create_or_open(place, SPACE)
    killed = 0
    for round_ in range(kill_rounds // 4):
        numbers = [round_ * WRITERS + n for n in range(WRITERS)]
        running = {
            n: subprocess.Popen([sys.executable, "-c", PROCESS, place, str(n)], stderr=subprocess.PIPE, text=True)
            for n in numbers
        }
        pids = {process.pid for process in running.values()}
        while any(process.poll() is None for process in running.values()):
            holder = writer_of(place)
            if holder is not None and holder.pid in pids:
                os.kill(holder.pid, signal.SIGKILL)
                break
            time.sleep(0.002)
        for n, process in running.items():
            _, said = process.communicate(timeout=300)
            killed += process.returncode == -signal.SIGKILL
            if process.returncode > 0:
                assert "one lake has one writer" in said, said
            if process.returncode != 0:
                write(place, n, wait_s=60)
    assert killed
    report = check(Lake.open(place))
    assert report.problems == ()
    assert report.rows["frames"] == kill_rounds // 4 * WRITERS * FRAMES


@pytest.mark.usefixtures("buckets")
def test_the_object_of_the_lease_names_its_holder_and_is_released() -> None:
    place = "s3://lakes/named"
    Lake.create_or_open(place, SPACE)
    store = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT"])

    def stored_lease() -> dict[str, object]:
        found: dict[str, object] = json.loads(store.get_object(Bucket="lakes", Key=f"named/{NAME}")["Body"].read())
        return found

    seen: list[dict[str, object]] = []
    write(place, 1, wait_s=10, opened=lambda: seen.append(stored_lease()))
    [held] = seen
    assert (held["number"], held["pid"], held["released"]) == (1, os.getpid(), False)
    assert stored_lease()["released"]
