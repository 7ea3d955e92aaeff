"""A power cut: catches commits that are reported while their files are in the memory of the kernel only."""

from pathlib import Path

import pytest

from operators.runtime.atomic_write import atomic_write
from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.compaction import compact
from pipeline.lake.upkeep.pins import Pins
from pipeline.lake.writing.committer import Committer
from schemas.tables import TABLE_NAMES
from tests.pipeline.lake.durable_image import DurableImage
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored

WORLDS = [World(n, length=40, step=10, regions=3) for n in range(3)]


def test_whatever_was_reported_outlives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = DurableImage(tmp_path, monkeypatch)
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)

    def after_a_cut(name: str) -> Lake:
        return Lake.open(str(image.write(tmp_path.parent / f"{tmp_path.name}-{name}") / "lake"))

    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        writer.register(WORLDS[0].source)
        writer.flush()
        assert after_a_cut("registered").count("sources") == 1
        for world in WORLDS[:2]:
            for segment in world.segments(2):
                writer.commit([world.rows(segment, patches=True)])
        cut = after_a_cut("committed")
        assert check(cut).problems == ()
        assert compare(cut, lake) == ()
        Pins(lake).add([(WORLDS[0].source.id, WORLDS[0].source.uri, None)])
        assert len(Pins(after_a_cut("pinned")).read()) == 1
        writer.upkeep.remove_sources([WORLDS[1].source.id])
        writer.fail(WORLDS[2].segments(1)[0], state="failed", error="it broke")
        writer.quarantine("/videos/none.mp4", error="it is not there")
        writer.upkeep.join_ledger([WORLDS[0].source.id])
        compact(lake, many=1)
        cut = after_a_cut("changed")
        assert compare(cut, lake) == ()
        assert {name: cut.count(name) for name in TABLE_NAMES} == {name: lake.count(name) for name in TABLE_NAMES}


def test_an_atomic_write_is_durable_with_the_folders_that_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = DurableImage(tmp_path, monkeypatch)
    with atomic_write(tmp_path / "a" / "b" / "file.json") as path:
        path.write_text("whole")
    cut = image.write(tmp_path.parent / f"{tmp_path.name}-cut")
    assert (cut / "a" / "b" / "file.json").read_text() == "whole"
    assert [each.name for each in (tmp_path / "a" / "b").iterdir()] == ["file.json"]
