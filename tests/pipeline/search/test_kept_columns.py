"""Catches columns on disk that are read again, of another lake, torn by a kill or damage, or left after `forget`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.memory import kept_columns, resident
from pipeline.search.memory.columns import ColumnStore
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.searcher import Searcher
from schemas.errors import LakeError
from schemas.query import Query
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.pipeline.search.drawn import DrawnEncoder, add

EVERYTHING = Query(text="anything", box=(0.1, 0.1, 0.9, 0.9), k=10_000)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    with committer(lake) as writer:
        for number in range(3):
            add(writer, World(number), pieces=2)
    return lake


def committer(lake: Lake) -> Committer:
    return Committer(lake, plan=stored(), fold_shots=fold_shots)


def answer(lake: Lake, held: resident.Resident) -> list[tuple[object, ...]]:
    result = Searcher(Lake.open(lake.uri), DrawnEncoder(), resident=held).search(EVERYTHING)
    return [(h.frame_id, h.place.region_id, h.distance, h.place.box, h.shot_s, h.source, h.pts) for h in result.hits]


def require_equal(lake: Lake) -> None:
    assert answer(lake, "disk") == answer(lake, "float16")


def kept(lake: Lake) -> Path:
    (folder,) = (Path(lake.uri) / resident.KEPT).iterdir()
    return folder


def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows that are read from tables from now on."""
    counts: list[int] = []
    read = ColumnStore._rows

    def counting(self: ColumnStore, *given: object) -> object:
        for batch in read(self, *given):  # type: ignore[arg-type]
            counts.append(len(next(iter(batch.values()))))
            yield batch

    monkeypatch.setattr(ColumnStore, "_rows", counting)
    return counts


def test_who_comes_later_reads_what_is_new_alone(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    first = answer(lake, "disk")
    counts = decoded(monkeypatch)
    record = (kept(lake) / "newest.json").read_bytes()
    assert answer(lake, "disk") == first
    assert counts == []
    assert (kept(lake) / "newest.json").read_bytes() == record
    with committer(lake) as writer:
        add(writer, World(3))
    answer(lake, "disk")
    assert sum(counts) == 20 + 120
    require_equal(lake)


def test_two_that_take_turns_see_the_same(lake: Lake) -> None:
    one, two = (Searcher(Lake.open(lake.uri), DrawnEncoder(), resident="disk") for _ in range(2))
    with committer(lake) as writer:
        for number, searcher in enumerate([one, two, two, one, two], start=3):
            add(writer, World(number))
            assert len(searcher.search(EVERYTHING).hits) == 20 * (number + 1)
        writer.upkeep.remove_sources([World(n).source.id for n in range(6)])  # most rows: they are read again
        assert len(two.search(EVERYTHING).hits) == 40
        add(writer, World(0))
        assert len(one.search(EVERYTHING).hits) == len(two.search(EVERYTHING).hits) == 60
    require_equal(lake)
    assert len(list((kept(lake) / "regions").iterdir())) == 1


def test_vectors_are_mapped_and_not_copied(lake: Lake) -> None:
    columns = LakeCache(Lake.open(lake.uri), resident="disk")
    columns.refresh()
    held = columns.region_vectors
    assert isinstance(held, np.ndarray)
    assert not held.flags.writeable
    assert not held.flags.owndata
    maps = Path(f"/proc/{os.getpid()}/maps").read_text()
    assert f"{kept(lake)}/regions" in maps


@pytest.mark.parametrize("damage", ["shorter", "gone", "record", "other form"])
def test_damaged_files_are_made_again(lake: Lake, damage: str) -> None:
    answer(lake, "disk")
    folder = kept(lake)
    (vectors,) = folder.glob("regions/*/vector")
    match damage:
        case "shorter":
            os.truncate(vectors, vectors.stat().st_size - 1)
        case "gone":
            shutil.rmtree(vectors.parent)
        case "record":
            for each in folder.glob("*.json"):
                each.write_bytes(each.read_bytes()[:100])
        case "other form":
            for each in folder.glob("*.json"):
                each.write_text(json.dumps(json.loads(each.read_text()) | {"form": "older"}))
    require_equal(lake)


def test_after_another_start_of_the_machine_what_was_not_synced_does_not_count(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(lake, "disk")
    with committer(lake) as writer:
        add(writer, World(3, length=10))  # too little for another sync
    answer(lake, "disk")
    folder = kept(lake)
    durable, newest = (json.loads((folder / f"{name}.json").read_text()) for name in ("durable", "newest"))
    size = durable["tables"]["regions"]["size"]
    assert size < newest["tables"]["regions"]["size"]
    (folder / "newest.json").write_text(json.dumps(newest | {"boot": "an earlier one"}))
    (vectors,) = folder.glob("regions/*/vector")
    with vectors.open("r+b") as file:  # what a power cut leaves: the length of the file, without its content
        file.seek(size * SPACE.dimension * 2)
        file.write(bytes(vectors.stat().st_size - file.tell()))
    counts = decoded(monkeypatch)
    require_equal(lake)
    assert 0 < sum(counts[:2]) < size


KILLED = """
import sys
from pipeline.lake.lake import Lake
from pipeline.search.memory.lake_cache import LakeCache
print("ready", flush=True)
while True:
    LakeCache(Lake.open(sys.argv[1]), resident="disk").refresh()
"""


def test_a_kill_at_any_time_leaves_what_the_next_one_can_use(lake: Lake) -> None:
    rng = np.random.default_rng(0)
    for number in range(3, 9):
        with subprocess.Popen([sys.executable, "-c", KILLED, lake.uri], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            with committer(lake) as writer:
                add(writer, World(number), pieces=3)
            time.sleep(rng.uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
        require_equal(lake)


FULL = """
import resource, sys
from pipeline.lake.lake import Lake
from pipeline.search.memory.lake_cache import LakeCache
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
LakeCache(Lake.open(sys.argv[1]), resident="disk").refresh()
"""


def test_files_that_cannot_be_written_are_an_error_and_no_signal(lake: Lake) -> None:
    ended = subprocess.run([sys.executable, "-c", FULL, lake.uri], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "LakeError: loading the columns of" in ended.stderr
    require_equal(lake)


def test_the_choice_is_memory_while_the_lake_fits_and_no_files_are_there(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LakeCache(lake).resident == "float16"
    monkeypatch.setattr(resident, "free_bytes", lambda: 100_000)
    assert LakeCache(lake).resident == "disk"
    monkeypatch.undo()
    assert LakeCache(lake).resident == "float16"
    answer(lake, "disk")
    assert LakeCache(lake).resident == "disk"
    monkeypatch.setattr(resident.os, "access", lambda *_: False)
    assert LakeCache(lake).resident == "float16"
    with pytest.raises(LakeError, match=r"no folder that this user may write to.*--resident float16"):
        LakeCache(lake, resident="disk")


def test_a_folder_that_others_may_write_is_not_trusted(lake: Lake) -> None:
    answer(lake, "disk")
    (Path(lake.uri) / resident.KEPT).chmod(0o777)
    with pytest.raises(LakeError, match="may write"):
        LakeCache(lake, resident="disk")


def test_the_columns_of_another_lake_at_the_same_place_are_not_taken(lake: Lake, tmp_path: Path) -> None:
    answer(lake, "disk")
    other = Lake.create_or_open(str(tmp_path / "other"), SPACE)
    with committer(other) as writer:
        add(writer, World(7))
    shutil.copytree(Path(lake.uri) / resident.KEPT, Path(other.uri) / resident.KEPT)
    require_equal(other)
    assert len(answer(other, "disk")) == 20


def test_what_is_deleted_is_read_again(lake: Lake) -> None:
    searcher = Searcher(Lake.open(lake.uri), DrawnEncoder(), resident="disk")
    before = len(searcher.search(EVERYTHING).hits)
    kept_columns.delete_kept(Path(lake.uri) / resident.KEPT)
    assert [each.name for each in kept(lake).iterdir()] == ["lock"]
    assert len(searcher.search(EVERYTHING).hits) == before
    with committer(lake) as writer:
        add(writer, World(3))
    assert len(searcher.search(EVERYTHING).hits) == before + 20
    require_equal(lake)
