"""A watcher killed at any moment beside a writer: catches hits that are lost or stand twice in the file, or never come
to a webhook that errs."""

import multiprocessing
import random
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.watch.json_lines import JsonLines
from pipeline.watch.watch_state import WatchState
from tests.pipeline.lake.synthetic import PLAN, World, fold_shots
from tests.pipeline.search.drawn import add
from tests.pipeline.watch.receiver import Receiver
from tests.pipeline.watch.victim import watch
from tests.pipeline.watch.watching import EVERYTHING, expected, told, watcher

ROUNDS = 6
WORLDS = [World(n, length=40, regions=2) for n in range(12)]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "step", [(WatchState, "record"), (JsonLines, "append"), (WatchState, "wrote")], ids=["kept", "in the file", "noted"]
)
def test_a_kill_between_two_steps_neither_loses_nor_doubles(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: tuple[type, str], after: bool
) -> None:
    kind, name = step
    state = WatchState(tmp_path / "watch.sqlite")
    watching = watcher(lake, tmp_path, (replace(EVERYTHING, cooldown_s=0.6),), state=state)
    with Committer(lake, plan_hash=PLAN, fold_shots=fold_shots) as writer:
        add(writer, World(0, length=20))  # a keyframe each half second
        watching.look()
        add(writer, World(1, length=20))
        real = getattr(kind, name)

        def killed(*arguments: object, **options: object) -> None:
            if after:
                real(*arguments, **options)
            raise KeyboardInterrupt

        with monkeypatch.context() as now:
            now.setattr(kind, name, killed)
            with pytest.raises(KeyboardInterrupt):
                watching.look()
        state.close()
        add(writer, World(2, length=20))
    watcher(lake, tmp_path, (replace(EVERYTHING, cooldown_s=0.6),)).look()
    found = [(hit["source"], hit["pts_s"]) for hit in told(tmp_path)]
    assert found == [(World(n).source.uri, pts_s) for n in range(3) for pts_s in (0.0, 1.0)]


def test_every_hit_is_in_the_file_once_and_came_to_the_webhook(lake: Lake, tmp_path: Path) -> None:
    receiver = Receiver(lambda number: 500 if number % 5 == 0 else 200)
    ended = threading.Event()

    def write() -> None:
        with Committer(lake, plan_hash=PLAN, fold_shots=fold_shots) as writer:
            for world in WORLDS:
                writer.register(world.source)
                for segment in world.segments(4):
                    writer.commit([world.rows(segment)])
                    writer.compact(many=8)
                    if ended.wait(0.02):
                        return

    # forked from a process that has only imported: starting Python anew takes ten times as long
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.pipeline.watch.victim"])
    writer = threading.Thread(target=write)
    generator = random.Random(5)
    killed = 0
    arguments = (lake.uri, str(tmp_path), receiver.url)
    try:
        writer.start()
        for _ in range(ROUNDS):
            opened, tells = processes.Pipe(duplex=False)
            child = processes.Process(target=watch, args=(*arguments, tells))
            child.start()
            assert opened.poll(60), "the watcher did not start"
            time.sleep(generator.uniform(0.0, 0.2))
            child.kill()
            child.join()
            killed += child.exitcode == -signal.SIGKILL
        ended.set()
        writer.join()
        last = processes.Process(target=watch, args=(*arguments, None, True))
        last.start()
        last.join(60)
        assert last.exitcode == 0
    finally:
        ended.set()
        receiver.close()
    assert killed == ROUNDS
    frames = [hit["frame_id"] for hit in told(tmp_path)]
    right = expected(lake, EVERYTHING)
    assert len(right) > 20, "the writer got nowhere"
    assert sorted(frames) == sorted(right)
    assert set(receiver.ids) == {hit["id"] for hit in told(tmp_path)}
    first = list(dict.fromkeys(receiver.ids))
    assert first == [hit["id"] for hit in told(tmp_path)], "hits overtook each other"
