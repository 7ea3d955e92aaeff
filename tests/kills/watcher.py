"""A watcher that is killed again and again while a writer works."""

import threading
from pathlib import Path

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from tests.killing import Victims
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.pipeline.watch.receiver import Receiver
from tests.pipeline.watch.victim import watch
from tests.pipeline.watch.watching import EVERYTHING, expected, reported

WORLDS = [World(n, length=40, regions=2) for n in range(12)]
_LEAST = 3  # number of them that are written whole, however fast the watchers are killed


def kill_watcher(folder: Path, *, seed: int, rounds: int) -> int:
    """Verifies that every hit is in the file once and came to the webhook; returns how many watchers were killed."""
    lake = Lake.create_or_open(str(folder / "lake"), SPACE)
    receiver = Receiver(lambda number: 500 if number % 5 == 0 else 200)
    enough, ended = threading.Event(), threading.Event()

    def write() -> None:
        with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
            for number, world in enumerate(WORLDS):
                if number == _LEAST:
                    enough.set()
                writer.register(world.source)
                for segment in world.segments(4):
                    writer.commit([world.rows(segment)])
                    writer.upkeep.compact(many=8)
                    if ended.wait(0.02):
                        return

    victims = Victims("tests.pipeline.watch.victim", seed=seed, within_s=0.2)
    writer = threading.Thread(target=write)
    arguments = (lake.uri, str(folder), receiver.url)
    try:
        writer.start()
        for _ in range(rounds):
            victims.kill_one(watch, *arguments)
        assert enough.wait(120), "the writer got nowhere"
        ended.set()
        writer.join()
        victims.spare_one(watch, *arguments, None, True)
    finally:
        ended.set()
        receiver.close()
    frames = [hit["frame_id"] for hit in reported(folder)]
    right = expected(lake, EVERYTHING)
    assert sorted(frames) == sorted(right)
    assert set(receiver.ids) == {hit["id"] for hit in reported(folder)}
    first = list(dict.fromkeys(receiver.ids))
    assert first == [hit["id"] for hit in reported(folder)], "hits overtook each other"
    return victims.killed
