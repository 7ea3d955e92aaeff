"""Files that are damaged long after their change was reported: catches a change that is taken back as if the power had
been cut while it was made, so that pins, removals and commits which somebody was told of are silently gone."""

from pathlib import Path

import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.durability import manifest_path, read_note
from pipeline.lake.lake import Lake
from pipeline.lake.repair.damage import versions_of
from pipeline.lake.repair.repair import repair
from pipeline.lake.repair.tables import roll_back_torn
from pipeline.lake.upkeep.pins import Pins
from pipeline.lake.writing.committer import Committer
from schemas.clock import Span
from schemas.errors import LakeError
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored

WORLDS = [World(n, length=60, step=10, regions=2) for n in range(2)]


def commit(lake: Lake) -> Committer:
    writer = Committer(lake, plan=stored(), fold_shots=fold_shots)
    for world in WORLDS:
        writer.commit([world.rows(segment) for segment in world.segments(3)])
    return writer


def newest(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern), key=lambda path: path.stat().st_mtime_ns)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create_or_open(str(tmp_path / "lake"), SPACE)


def test_a_removal_is_not_taken_back_when_its_deletion_file_rots(lake: Lake) -> None:
    folder = Path(lake.uri)
    with commit(lake) as writer:
        writer.upkeep.erase([], {WORLDS[0].source.id: Span(0, 20)}, pinned=list)
    left, version = lake.count("frames"), lake.version("frames")
    newest(folder, "frames.lance/_deletions/*").write_bytes(b"rotten")
    assert roll_back_torn(folder) == []
    assert versions_of(folder / "frames.lance")[0] == version
    with pytest.raises(LakeError, match="regionlake repair"):
        Lake.open(lake.uri).read("frames")
    report = repair(lake.uri)
    assert any("_deletions" in line and "rows in it are lost" in line for line in report.done)
    assert Lake.open(lake.uri).count("frames") < left
    with Committer(Lake.open(lake.uri), plan=stored(), fold_shots=fold_shots) as writer:
        for world in WORLDS:
            left_spans = writer.register(world.source)
            writer.commit(
                [
                    world.rows(s)
                    for s in world.segments(3)
                    if any(s.span == span.intersection(s.span) for span in left_spans)
                ]
            )
    assert check(Lake.open(lake.uri)).problems == ()
    assert Lake.open(lake.uri).count("frames", where=f"source_id = '{WORLDS[0].source.id}' AND pts < 20") == 0


def test_a_pin_is_not_taken_back_when_its_file_rots(lake: Lake) -> None:
    folder = Path(lake.uri)
    commit(lake).close()
    Pins(lake).add([(WORLDS[0].source.id, WORLDS[0].source.uri, None)])
    Pins(lake).add([(WORLDS[1].source.id, WORLDS[1].source.uri, None)])
    newest(folder, "pins.lance/data/*").write_bytes(b"")
    assert roll_back_torn(folder) == []
    with pytest.raises(LakeError, match="regionlake repair"):
        Pins(Lake.create_or_open(lake.uri, SPACE)).read()
    assert any("pins.lance" in line for line in repair(lake.uri).done)
    assert [pin.source for pin in Pins(lake).read()] == [WORLDS[0].source.uri]


@pytest.mark.parametrize("table", ["segments", "frames", "pins"])
def test_a_change_is_not_taken_back_when_its_manifest_rots(lake: Lake, table: str) -> None:
    folder = Path(lake.uri)
    commit(lake).close()
    Pins(lake).add([(WORLDS[0].source.id, WORLDS[0].source.uri, None)])
    version = versions_of(folder / f"{table}.lance")[0]
    assert read_note(folder)[table] == version
    manifest_path(folder / f"{table}.lance", version).write_bytes(b"")
    assert roll_back_torn(folder) == []
    with pytest.raises(LakeError, match="regionlake repair"):
        Pins(Lake.create_or_open(lake.uri, SPACE)).read()
    assert any("rolled back to the version before" in line for line in repair(lake.uri).done)
    with commit(Lake.create_or_open(lake.uri, SPACE)):
        pass
    assert check(Lake.open(lake.uri)).problems == ()
    assert read_note(folder)["segments"] == lake.version("segments")


@pytest.mark.parametrize("table", ["frames", "pins"])
def test_a_deletion_that_was_never_synced_is_taken_back(lake: Lake, table: str) -> None:
    folder = Path(lake.uri)
    commit(lake).close()
    pins = Pins(lake)
    pins.add([(world.source.id, world.source.uri, None) for world in WORLDS])
    if table == "pins":
        pins._table._open().delete(f"source_id = '{WORLDS[0].source.id}'")
    else:
        lake.table("frames").delete(f"source_id = '{WORLDS[0].source.id}' AND pts < 30")
    for path in folder.glob(f"{table}.lance/_deletions/*"):
        path.write_bytes(b"")
    assert [damage.kind for damage in roll_back_torn(folder)] == ["deletions"]
    assert len(Pins(Lake.open(lake.uri)).read()) == 2
    assert check(Lake.open(lake.uri)).problems == ()
