"""Re-embedding: catches vectors of the wrong frames or boxes, a changed old column, lost, doubled or hidden work."""

import shutil
from pathlib import Path

import lancedb
import numpy as np
import pytest

from operators.encoders.catalogue import load_encoder
from operators.encoders.region_vectors import RegionVectorsConfig
from operators.proposals.config import ProposalConfig
from pipeline.ingest.run import ingest
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.lease.writer_lease import writer_of
from pipeline.lake.writing.extra_vector_column import ExtraVectorColumn, NewVectors
from pipeline.live.status.state_folder import StateFolder
from pipeline.plan.plan import Plan, RunConfig
from pipeline.reembed import run as module
from pipeline.reembed.run import ReembedReport, reembed
from pipeline.ring.feed_ring import rings_of_state
from pipeline.search.searcher import Searcher
from schemas.errors import LakeError, ModelError, PlanError
from schemas.query import Query
from schemas.tables import TableName
from tests.checkpoints import Checkpoints
from tests.integration.clips import make_clip
from tests.pipeline.ring.rings import record
from tests.web import Web, serving

PLAN = Plan(
    proposals=ProposalConfig(use=("grid",)), regions=RegionVectorsConfig(mode="pool"), run=RunConfig(segment_s=1)
)
TABLES: tuple[TableName, ...] = ("frames", "regions")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips."""
    folder = tmp_path_factory.mktemp("clips")
    for seed in (3, 4):
        make_clip(folder / f"{seed}.mp4", seed=seed, seconds=3)
    return folder


@pytest.fixture(scope="module")
def ingested(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("ingested") / "lake"
    assert ingest([str(folder)], str(lake), PLAN).ok
    return lake


@pytest.fixture
def lake(ingested: Path, tmp_path: Path) -> str:
    return str(shutil.copytree(ingested, tmp_path / "lake"))


@pytest.fixture(scope="module")
def other(checkpoints: Checkpoints) -> Plan:
    return Plan(model=str(checkpoints("clip")), regions=PLAN.regions)


def vectors(lake: str, name: TableName, column: str = "vector") -> dict[str, np.ndarray]:
    rows = Lake.open(lake).read(name, columns=["id", column])
    return {i: np.array(v) for i, v in zip(rows["id"].to_pylist(), rows[column].to_pylist(), strict=True)}


@pytest.mark.parametrize("mode", ["pool", "both"])
def test_the_vectors_are_those_of_an_ingest_with_that_model(
    mode: str, lake: str, other: Plan, folder: Path, tmp_path: Path
) -> None:
    regions = RegionVectorsConfig(mode=mode)  # type: ignore[arg-type]
    plan = Plan(model=other.model, regions=regions)
    straight = Plan(model=other.model, regions=regions, proposals=PLAN.proposals)
    assert ingest([str(folder)], str(tmp_path / "straight"), straight).ok
    before = {name: Lake.open(lake).read(name).sort_by("id") for name in TABLES}

    report = reembed(lake, plan)

    assert report.ok
    assert report.keyframes == before["frames"].num_rows
    assert report.regions == before["regions"].num_rows
    for name in TABLES:
        after = Lake.open(lake).read(name).sort_by("id")
        assert after.drop_columns([report.column]).equals(before[name]), "the other columns are as they were"
        found, expected = vectors(lake, name, report.column), vectors(str(tmp_path / "straight"), name)
        assert found.keys() == expected.keys()
        # frames come from decord here and from PyAV there: the same pixels but for a level of rounding
        assert min(float(found[i] @ expected[i]) for i in found) > 0.999
    assert check(Lake.open(lake)).problems == ()


def test_an_interrupted_run_goes_on_with_what_is_left(lake: str, other: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILL_INTERVAL_S", 0.0)
    monkeypatch.setattr(module, "FILL_SHARE", 1e9)

    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reembed(lake, other, on_progress=stop)
    assert writer_of(Path(lake)) is None
    total = Lake.open(lake).count("frames")
    told: list[tuple[int, int]] = []
    report = reembed(lake, other, on_progress=lambda done, total: told.append((done, total)))
    assert report.skipped > 0
    assert report.keyframes + report.skipped == total
    assert told[-1] == (report.keyframes, report.keyframes)
    again = reembed(lake, other)
    assert (again.keyframes, again.skipped) == (0, total)


def test_a_kill_between_regions_and_frames_leaves_the_frame_to_be_done(lake: str, other: Plan) -> None:
    opened = Lake.open(lake)
    with ExtraVectorColumn(opened, other.space) as column:
        first = next(column.unseen())
        ids = first.region_ids[0]
        ones = np.eye(1, other.space.dimension, dtype=np.float32)
        column.fill([NewVectors((), ones[:0], ids, np.repeat(ones, len(ids), axis=0))])
        assert next(column.unseen()).frame_ids == first.frame_ids
    report = reembed(lake, other)
    assert report.keyframes == opened.count("frames")
    assert not (np.stack([vectors(lake, "regions", report.column)[i] for i in ids]) == ones).all()


def test_a_search_takes_the_column_of_its_model(lake: str, other: Plan, checkpoints: Checkpoints) -> None:
    report = reembed(lake, other)
    opened = Lake.open(lake)
    assert list(opened.spaces()) == ["vector", report.column]
    encoder = load_encoder(other.model)
    searcher = Searcher(opened, encoder)
    hits = searcher.search(Query(text="red", k=3)).hits
    held = vectors(lake, "frames", report.column) | vectors(lake, "regions", report.column)
    (asked,) = encoder.encode_texts(["red"])
    expected = {i: 1 - float(asked.astype(np.float64) @ v) for i, v in held.items()}
    for hit in hits:
        assert hit.place.semantic == pytest.approx(expected[hit.place.region_id or hit.frame_id], abs=1e-6)
    assert hits[0].distance == pytest.approx(min(expected.values()), abs=1e-6)
    with pytest.raises(ModelError, match="--reembed --model"):
        Searcher(opened, load_encoder(str(checkpoints("siglip"))))


def test_what_is_ingested_later_is_told_and_filled_by_the_next_run(lake: str, other: Plan, tmp_path: Path) -> None:
    reembed(lake, other)
    late = make_clip(tmp_path / "late.mp4", seed=9, seconds=2)
    assert ingest([str(late)], lake, PLAN).ok
    opened = Lake.open(lake)
    searcher = Searcher(opened, load_encoder(other.model))
    found = searcher.search(Query(text="red", k=100)).hits
    assert str(late) not in {hit.source for hit in found}
    assert searcher.without_vector == opened.count("frames", where="source LIKE '%late.mp4'") > 0
    assert check(opened).problems == ()
    report = reembed(lake, other, names=[str(late)])
    assert report.keyframes == searcher.without_vector
    assert str(late) in {hit.source for hit in searcher.search(Query(text="red", k=100)).hits}


def test_a_source_that_is_gone_changed_or_moved_is_named_and_the_others_go_on(
    folder: Path, other: Plan, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "clips")
    lake = str(tmp_path / "lake")
    third = make_clip(tmp_path / "clips" / "5.mp4", seed=5, seconds=1)
    assert ingest([str(tmp_path / "clips")], lake, PLAN).ok
    shutil.copy(tmp_path / "clips" / "4.mp4", tmp_path / "clips" / "3.mp4")
    third.rename(tmp_path / "moved.mp4")
    report = reembed(lake, other)
    assert not report.ok
    errors = {Path(f.uri).name: f.error for f in report.failed}
    assert errors.keys() == {"3.mp4", "5.mp4"}
    assert "has changed since it was ingested" in errors["3.mp4"]
    assert report.keyframes > 0
    found = reembed(lake, other, names=[str(tmp_path / "moved.mp4"), str(tmp_path / "clips" / "4.mp4")])
    assert (found.failed, found.keyframes > 0, found.skipped > 0) == ([], True, True)
    nowhere = reembed(lake, other, names=[str(make_clip(tmp_path / "new.mp4", seed=1, seconds=1))])
    assert "ingest it first" in nowhere.failed[0].error


def test_an_address_that_only_the_lake_names_is_not_asked(
    folder: Path, other: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lake = str(tmp_path / "lake")
    with serving(Web(folder)) as web:
        assert ingest([f"{web.url}/3.mp4"], lake, PLAN).ok  # named by the user
        web.asked.clear()
        report = reembed(lake, other)
        assert "--fetch 127.0.0.1" in report.failed[0].error
        assert (web.asked, report.keyframes) == ([], 0)
        assert reembed(lake, other, fetch=["127.0.0.1"]).ok
        assert web.asked


def test_the_lakes_own_model_a_missing_one_and_a_second_writer_are_refused(lake: str, other: Plan) -> None:
    with pytest.raises(PlanError, match="already"):
        reembed(lake, PLAN)
    with pytest.raises(ModelError, match="no folder"):
        reembed(lake, Plan(model="./nowhere"))
    with ExtraVectorColumn(Lake.open(lake), other.space), pytest.raises(LakeError, match="one writer"):
        ExtraVectorColumn(Lake.open(lake), other.space, wait_s=0.1)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_ray_fills_the_same(lake: str, other: Plan, tmp_path: Path) -> None:
    copy = str(shutil.copytree(lake, tmp_path / "copy"))
    reports: list[ReembedReport] = [reembed(lake, other), reembed(copy, other, engine="ray")]
    assert reports[0].column == reports[1].column
    for name in TABLES:
        here, there = (vectors(path, name, reports[0].column) for path in (lake, copy))
        assert here.keys() == there.keys()
        for i, vector in here.items():
            # torch sums in another order with another number of threads: a step of float16 at most
            np.testing.assert_allclose(there[i], vector, rtol=2**-10, atol=2**-14)


def test_a_recording_of_a_feed_is_read_from_its_ring_and_without_one_it_fails_by_name(
    lake: str, other: Plan, folder: Path, tmp_path: Path
) -> None:
    straight = Plan(model=other.model, regions=other.regions, proposals=PLAN.proposals)
    assert ingest([str(folder)], str(tmp_path / "straight"), straight).ok
    [id] = Lake.open(lake).read("sources", columns=["id"], where=f"source = '{folder / '3.mp4'}'")["id"].to_pylist()
    changed = {"source": "gate#2026-05-01T12:00:00.250Z"}
    opened = lancedb.connect(lake)
    opened.open_table("sources").update(where=f"id = '{id}'", values={"kind": "feed", **changed})
    for name in ("frames", "regions"):
        opened.open_table(name).update(where=f"source_id = '{id}'", values=changed)

    report = reembed(lake, other)
    [failed] = report.failed
    assert "no video of its feed is kept" in failed.error
    record(folder / "3.mp4", rings_of_state(StateFolder.of(lake).path), recording=id)
    assert reembed(lake, other).ok
    for name in TABLES:
        found, expected = vectors(lake, name, report.column), vectors(str(tmp_path / "straight"), name)
        assert found.keys() == expected.keys()
        assert min(float(found[i] @ expected[i]) for i in found) > 0.999
