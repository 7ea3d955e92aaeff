"""Damaged files: catches one that is not named, a repair that leaves a lake unsound, and rows that do not come back."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.audit.lake_status import status
from pipeline.lake.durability import manifest_path
from pipeline.lake.lake import Lake
from pipeline.lake.repair.repair import repair
from pipeline.lake.upkeep.indexes import refresh_index
from pipeline.lake.upkeep.pins import Pins
from pipeline.lake.writing.committer import Committer
from pipeline.search.searcher import Searcher
from schemas.errors import LakeError
from schemas.query import Query
from schemas.tables import TableName
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.pipeline.lake.upkeep.feeds import Recording
from tests.pipeline.search.drawn import DrawnEncoder

WORLDS = [World(n, length=60, step=10, regions=2) for n in range(3)]
Hurt = Callable[[Path], object]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    chosen = random.Random(path.name)
    for _ in range(3):
        content[chosen.randrange(len(content))] ^= chosen.randrange(1, 256)
    path.write_bytes(content)


HURTS: dict[str, Hurt] = {
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "removed": lambda path: path.unlink(),
    "flipped": flip,
}


def fill(lake: Lake) -> None:
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        for world in WORLDS:
            writer.register(world.source)
            for segment in world.segments(2):
                done = writer.done_spans(world.source.id)
                if segment.span.minus(done):
                    writer.commit([world.rows(segment, patches=True)])


def made(folder: Path) -> Lake:
    """A lake with deletions and an index, as upkeep leaves them."""
    lake = Lake.create_or_open(str(folder), SPACE)
    fill(lake)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        writer.upkeep.remove_sources([WORLDS[1].source.id])
        writer.upkeep.compact(many=1)
        refresh_index(lake, "regions", rows=1)
        writer.upkeep.remove_sources([WORLDS[0].source.id])
    fill(lake)
    Pins(lake).add([(WORLDS[0].source.id, WORLDS[0].source.uri, None)])
    return lake


def files_in_use(lake: Lake) -> list[Path]:
    folder = Path(lake.uri)
    found = []
    for table in sorted(folder.glob("*.lance")):
        dataset = lance.dataset(table)
        names = [row["path"] for row in dataset.tracked_files(min_version=dataset.version).read_all().to_pylist()]
        found += [table / name for name in names if "_indices" not in name]
        found += sorted(path for path in table.glob("_indices/*/*"))
        found += [table / "_versions" / "latest_version_hint.json"]
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return made(tmp_path_factory.mktemp("whole") / "lake")


@pytest.mark.parametrize(
    ("hurt", "pattern"),
    [
        ("zeroed", "regions.lance/data/*"),
        ("cut", "segments.lance/_versions/*.manifest"),
        ("flipped", "sources.lance/data/*"),
        ("removed", "shots.lance/data/*"),
        ("emptied", "frames.lance/_deletions/*"),
        ("zeroed", "regions.lance/_indices/*/page_data.lance"),
        ("removed", "pins.lance/_versions/*.manifest"),
    ],
)
def test_a_damaged_file_is_named_and_repaired(hurt: str, pattern: str, whole: Lake, tmp_path: Path) -> None:
    names = [path.relative_to(whole.uri) for path in files_in_use(whole)]
    repair_one(whole, next(name for name in names if name.match(pattern)), HURTS[hurt], tmp_path)


@pytest.mark.parametrize("hurt", [*HURTS])
def test_every_damaged_file_is_named_and_repaired(
    hurt: str, whole: Lake, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    if not pytestconfig.getoption("--every-file"):
        pytest.skip("takes minutes: pytest tests/pipeline/lake/repair --every-file")
    for number, path in enumerate(files_in_use(whole)):
        repair_one(whole, path.relative_to(whole.uri), HURTS[hurt], tmp_path / str(number))


def repair_one(whole: Lake, name: Path, hurt: Hurt, folder: Path) -> None:
    """Damages a file of a copy of a lake, repairs it, ingests what is lost, and compares."""
    uri = str(shutil.copytree(whole.uri, folder / "hurt"))
    hurt(Path(uri) / name)
    named = error_of(uri)
    assert named is None or name.name in named or name.parent.name in named, named
    assert named is None or "regionlake repair --lake" in named, named
    report = repair(uri)
    # the next ingest stores a lost plan again, and completes a source whose last change was lost
    later = ("is missing; run `regionlake ingest`", "is done, but it is still open")
    assert [each for each in report.problems if not any(what in each for what in later)] == [], name
    fill(Lake.open(uri))
    assert check(Lake.open(uri)).problems == (), name
    assert compare(whole, Lake.open(uri)) == (), (name, named, report)


def error_of(uri: str) -> str | None:
    """What whoever reads a lake is shown; None where it can be read."""
    encoder: Any = DrawnEncoder(SPACE)
    try:
        lake = Lake.open(uri)
        status(lake)
        Pins(lake).read()
        Searcher(lake, encoder).search(Query(text="a drawing", box=(0.0, 0.0, 1.0, 1.0), k=3))
        lake.read("regions", where=f"source_id = '{WORLDS[0].source.id}'")
        check(lake)
    except LakeError as error:
        return str(error)
    return None


def test_a_dry_run_names_the_damage_and_changes_nothing(whole: Lake, tmp_path: Path) -> None:
    uri = Path(shutil.copytree(whole.uri, tmp_path / "hurt"))
    file = Lake.open(str(uri)).dataset("frames").get_fragments()[0].metadata.files[0]
    damaged = uri / "frames.lance" / "data" / file.path
    damaged.write_bytes(b"")
    before = {path: path.read_bytes() for path in uri.rglob("*") if path.is_file()}
    report = repair(str(uri), dry_run=True)
    assert any(str(damaged) in line for line in report.done)
    assert before == {path: path.read_bytes() for path in uri.rglob("*") if path.is_file()}


def test_a_torn_newest_manifest_is_taken_back_by_the_next_ingest(whole: Lake, tmp_path: Path) -> None:
    """As a power cut leaves it: written, named, and not synced."""
    uri = shutil.copytree(whole.uri, tmp_path / "hurt")
    lake = Lake.open(str(uri))
    row = lake.read("sources", where=f"id = '{WORLDS[2].source.id}'")
    lake.table("sources").add(row)
    torn = manifest_path(uri / "sources.lance", lake.version("sources"))
    torn.write_bytes(b"")
    with pytest.raises(LakeError, match=f"{torn.name} is damaged"):
        Lake.open(str(uri))
    fill(Lake.create_or_open(str(uri), SPACE))
    assert check(Lake.open(str(uri))).problems == ()
    assert (uri / ".damaged" / torn.relative_to(uri)).exists()


def test_a_lost_table_is_not_made_again_by_an_ingest_that_knows_nothing_of_it(whole: Lake, tmp_path: Path) -> None:
    uri = shutil.copytree(whole.uri, tmp_path / "hurt")
    shutil.rmtree(uri / "frames.lance")
    with pytest.raises(LakeError, match=r"lacks the tables frames; .*regionlake repair"):
        Lake.create_or_open(str(uri), SPACE)
    assert repair(str(uri)).problems == ()
    fill(Lake.open(str(uri)))
    assert compare(whole, Lake.open(str(uri))) == ()


@pytest.mark.parametrize("table", ["frames", "segments"])
def test_what_a_feed_lost_is_named_and_the_rest_is_kept(table: TableName, tmp_path: Path) -> None:
    uri = str(tmp_path / "lake")
    recording = Recording(9)
    with Committer(Lake.create_or_open(uri, SPACE), plan=stored(), fold_shots=fold_shots) as writer:
        recording.record(writer)
    lake = Lake.open(uri)
    kept = lake.count("frames")
    fragments = lake.dataset(table).get_fragments()
    (tmp_path / "lake" / f"{table}.lance" / "data" / fragments[0].metadata.files[0].path).unlink()
    gone = fragments[0].count_rows() if table == "frames" and len(fragments) > 1 else 0
    report = repair(uri)
    assert report.problems == ()
    assert report.again == ()
    assert any(recording.source.uri in line for line in report.gone)
    assert Lake.open(uri).count("frames") == kept - gone
    assert check(Lake.open(uri)).problems == ()


def test_damaged_files_of_a_follower_are_moved_aside(whole: Lake, tmp_path: Path) -> None:
    uri = shutil.copytree(whole.uri, tmp_path / "hurt")
    (uri / ".live" / "spool").mkdir(parents=True)
    batch, counts = uri / ".live" / "spool" / "000000000000.zip", uri / ".live" / "in-flight.json"
    batch.write_bytes(bytes(100))
    counts.write_text("")
    (uri / ".live" / ".writing-x").mkdir()
    report = repair(str(uri))
    assert report.problems == ()
    assert [str(path) in " ".join(report.done) for path in (batch, counts, uri / ".live" / ".writing-x")] == [True] * 3
    assert sorted(path.name for path in (uri / ".live").rglob("*")) == ["spool"]
    assert repair(str(uri)).done == ()
