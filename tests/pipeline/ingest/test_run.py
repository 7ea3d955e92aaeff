"""Catches inputs that are counted as done but are not, or done twice, and a failed start that keeps the lake locked."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from operators.encoders.region_vectors import RegionVectorsConfig
from operators.proposals.config import ProposalConfig
from pipeline.ingest import run as module
from pipeline.ingest.engines.local_engine import LocalEngine
from pipeline.ingest.packets import RowPacket, Work
from pipeline.ingest.progress import Progress
from pipeline.ingest.run import ingest
from pipeline.ingest.stages import EmbedStage
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.lease.writer_lease import writer_of
from pipeline.plan.plan import Plan, RunConfig
from schemas.errors import ModelError
from tests.integration.clips import make_clip

PLAN = Plan(
    proposals=ProposalConfig(use=("grid",)), regions=RegionVectorsConfig(mode="pool"), run=RunConfig(segment_s=1)
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", seed=3, seconds=3)


def test_a_copy_in_the_same_run_is_skipped(clip: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(clip, tmp_path / "copy.mp4"))
    once = ingest([str(clip)], str(tmp_path / "once"), PLAN)
    both = ingest([str(clip), str(copy)], str(tmp_path / "both"), PLAN)
    assert (both.sources, both.skipped, both.keyframes) == (2, 1, once.keyframes)
    assert check(Lake.open(str(tmp_path / "both"))).problems == ()


def test_a_segment_that_never_comes_back_is_named_and_done_by_the_next_run(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lossy(LocalEngine):
        """Loses what its workers made of the first segment."""

        def run(self, works: Sequence[Work]) -> Iterator[RowPacket]:
            return (p for p in super().run(works) if p.head.segment.id != works[0].segment.id)

    monkeypatch.setattr(module, "LocalEngine", Lossy)
    report = ingest([str(clip)], str(tmp_path / "lake"), PLAN)
    assert not report.ok
    assert [failure.uri for failure in report.failed] == [str(clip)]
    assert "were not received" in report.failed[0].error
    monkeypatch.undo()
    again = ingest([str(clip)], str(tmp_path / "lake"), PLAN)
    assert (again.ok, again.segments) == (True, 1)
    assert check(Lake.open(str(tmp_path / "lake"))).problems == ()


def test_a_model_that_does_not_load_leaves_the_lake_unlocked(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: EmbedStage, _plan: Plan) -> None:
        raise ModelError("its weights cannot be read")

    lake = tmp_path / "lake"
    ingest([str(clip)], str(lake), PLAN)
    monkeypatch.setattr(EmbedStage, "__init__", broken)
    with pytest.raises(ModelError) as caught:
        ingest([str(clip)], str(lake), PLAN)
    assert writer_of(lake) is None, caught  # while the error is still held


def test_sources_are_told_while_they_are_probed(clip: Path, tmp_path: Path) -> None:
    second = make_clip(tmp_path / "second.mp4", seed=4, seconds=1)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    told: list[Progress] = []
    ingest([str(clip), str(broken), str(second)], str(tmp_path / "lake"), PLAN, on_progress=told.append)
    assert [p.sources for p in told if p.media_total_s == 0] == [1, 1, 2]  # before the first segment was handed out


def test_a_relative_lake_is_the_one_where_the_caller_stands(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[str] = []
    made = module.open_committer
    monkeypatch.setattr(module, "open_committer", lambda lake, plan: (seen.append(lake), made(lake, plan))[1])
    ingest([str(clip)], "lake", PLAN)
    assert seen == [str(tmp_path / "lake")]
