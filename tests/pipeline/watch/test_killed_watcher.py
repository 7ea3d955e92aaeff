"""A watcher that is killed at any moment while a writer works: catches hits that are lost, are in the file twice, or
never reach a webhook that fails.

`python -m tests.kills watcher --folder FOLDER` is the long form.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.watch.json_lines import JsonLines
from pipeline.watch.watch_state import WatchState
from tests.kills.watcher import kill_watcher
from tests.pipeline.lake.synthetic import World, fold_shots, stored
from tests.pipeline.search.drawn import add
from tests.pipeline.watch.watching import EVERYTHING, reported, watcher

ROUNDS = 6


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


def test_every_hit_is_in_the_file_once_and_came_to_the_webhook(tmp_path: Path) -> None:
    assert kill_watcher(tmp_path, seed=5, rounds=ROUNDS) == ROUNDS
