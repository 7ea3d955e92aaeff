"""A watcher that is killed at any moment while a writer works: catches hits that are lost, are in the file twice, or
never reach a webhook that fails."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.watch.json_lines import JsonLines
from pipeline.watch.watch_state import WatchState
from tests.killing import Victims
from tests.pipeline.lake.synthetic import World, fold_shots, stored
from tests.pipeline.search.drawn import add
from tests.pipeline.watch.receiver import Receiver
from tests.pipeline.watch.victim import watch
from tests.pipeline.watch.watching import EVERYTHING, expected, reported, watcher

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
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
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
    found = [(hit["source"], hit["pts_s"]) for hit in reported(tmp_path)]
    assert found == [(World(n).source.uri, pts_s) for n in range(3) for pts_s in (0.0, 1.0)]


def test_every_hit_is_in_the_file_once_and_came_to_the_webhook(lake: Lake, tmp_path: Path) -> None:
    receiver = Receiver(lambda number: 500 if number % 5 == 0 else 200)
    ended = threading.Event()

    def write() -> None:
        with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
            for world in WORLDS:
                writer.register(world.source)
                for segment in world.segments(4):
                    writer.commit([world.rows(segment)])
                    writer.upkeep.compact(many=8)
                    if ended.wait(0.02):
                        return

    victims = Victims("tests.pipeline.watch.victim", seed=5, within_s=0.2)
    writer = threading.Thread(target=write)
    arguments = (lake.uri, str(tmp_path), receiver.url)
    try:
        writer.start()
        for _ in range(ROUNDS):
            victims.kill_one(watch, *arguments)
        ended.set()
        writer.join()
        victims.spare_one(watch, *arguments, None, True)
    finally:
        ended.set()
        receiver.close()
    assert victims.killed == ROUNDS
    frames = [hit["frame_id"] for hit in reported(tmp_path)]
    right = expected(lake, EVERYTHING)
    assert len(right) > 20, "the writer got nowhere"
    assert sorted(frames) == sorted(right)
    assert set(receiver.ids) == {hit["id"] for hit in reported(tmp_path)}
    first = list(dict.fromkeys(receiver.ids))
    assert first == [hit["id"] for hit in reported(tmp_path)], "hits overtook each other"
