"""Joining fragments: catches lost or changed rows, readers that fail, and fragments that are rewritten needlessly."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.compaction import compact, forget_versions
from tests.pipeline.lake.conftest import OpenWriter
from tests.pipeline.lake.synthetic import World


def fragments(lake: Lake) -> int:
    return len(lake.table("frames").to_lance().get_fragments())


def fill(open_writer: OpenWriter, *, commits: int) -> None:
    """Too few commits to be joined of themselves."""
    world = World(0)
    with open_writer() as writer:
        for segment in world.segments(commits):
            writer.commit([world.rows(segment)])


def test_joining_keeps_every_row_and_the_audit_sound(lake: Lake, open_writer: OpenWriter, tmp_path: Path) -> None:
    fill(open_writer, commits=10)
    before = Lake.open(shutil.copytree(lake.uri, str(tmp_path / "before")))
    assert fragments(lake) == 10
    with open_writer() as writer:
        joined = {one.table: (one.before, one.after) for one in writer.upkeep.compact(many=5)}
    assert joined["frames"] == (10, 1)
    assert fragments(lake) == 1
    assert check(lake).problems == ()
    assert compare(before, lake) == ()


def test_a_reader_of_the_version_before_goes_on_reading_it(lake: Lake, open_writer: OpenWriter) -> None:
    fill(open_writer, commits=10)
    reader = lake.table("regions").to_lance()
    expected = reader.to_table()
    with open_writer() as writer:
        writer.upkeep.compact(many=5)
    assert reader.to_table().equals(expected)


def test_old_versions_are_forgotten_after_a_while(lake: Lake, open_writer: OpenWriter) -> None:
    fill(open_writer, commits=10)
    versions = Path(lake.uri) / "frames.lance" / "_versions"
    assert len(list(versions.iterdir())) > 5
    compact(lake, many=5, keep=timedelta(0))
    assert len(list(versions.iterdir())) <= 2
    assert check(lake).problems == ()


def test_a_version_is_kept_for_a_while_from_when_it_was_replaced_not_made(lake: Lake, open_writer: OpenWriter) -> None:
    fill(open_writer, commits=3)
    keep = timedelta(hours=1)
    reader = lake.table("frames").to_lance()
    with open_writer() as writer:
        writer.upkeep.remove_sources([World(0).source.id])  # whole fragments: their files are of that version alone
    # nobody had written for hours, and what was newest is older than that
    forget_versions(lake, "frames", keep=keep, now=datetime.now(UTC) + 0.9 * keep)
    assert reader.to_table().num_rows == 20
    assert forget_versions(lake, "frames", keep=keep, now=datetime.now(UTC) + keep).versions >= 1
    assert not list((Path(lake.uri) / "frames.lance" / "data").iterdir())
    assert check(lake).problems == ()


def test_few_fragments_are_left_alone(lake: Lake, open_writer: OpenWriter) -> None:
    fill(open_writer, commits=4)
    before = lake.version("frames")
    with open_writer() as writer:
        assert writer.upkeep.compact(many=5) == ()
    assert lake.version("frames") == before


def test_a_writer_that_closes_joins_small_fragments(lake: Lake, open_writer: OpenWriter) -> None:
    world = World(0, length=80, step=1, regions=1)
    segments = world.segments(80)
    for part in (segments[:40], segments[40:]):  # neither makes so many that they are joined on the way
        with open_writer() as writer:
            for segment in part:
                writer.commit([world.rows(segment)])
    assert fragments(lake) == 1
    assert lake.count("frames") == 80
    version = lake.version("frames")
    with open_writer() as writer:  # one that commits nothing has nothing to join
        writer.register(world.source)
    assert lake.version("frames") == version
