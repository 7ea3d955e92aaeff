"""Catches lakes of short vectors that need a file that is gone, mix two reductions, or answer by other vectors."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from operators.encoders.reduction import Reduction, principal_directions, save_reduction
from operators.encoders.region_vectors import RegionVectorsConfig
from operators.proposals.config import ProposalConfig
from pipeline.ingest.run import EngineName, ingest
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.lake_encoder import load_lake_encoder
from pipeline.plan.plan import Plan
from pipeline.reembed.run import reembed
from pipeline.search.session import SearchSession
from schemas.errors import LakeError, ModelError, PlanError
from schemas.query import Query
from schemas.vectors import VectorArray
from tests.short_vectors import HUES, SPACE, Hues

FULL = Plan(model=HUES, proposals=ProposalConfig(use=("grid",)), regions=RegionVectorsConfig(mode="pool"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Ten pictures of coloured noise."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(5)
    paths = [folder / f"{number}.png" for number in range(10)]
    for path in paths:
        coarse = rng.integers(0, 255, (6, 8, 3), np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC))
    return paths


def fit(path: Path, *, seed: int = 0, dimensions: int = 12) -> Reduction:
    held = np.abs(np.random.default_rng(seed).normal(size=(200, SPACE.dimension))).astype(np.float32)
    matrix, _ = principal_directions(held, dimensions=dimensions)
    return save_reduction(path, matrix, SPACE)


def short(dimensions: int, file: Path | None = None) -> Plan:
    regions = replace(FULL.regions, dimensions=dimensions, reduction="" if file is None else str(file))
    return replace(FULL, regions=regions)


def ingested(lake: Path, plan: Plan, pictures: list[Path], *, engine: EngineName = "local") -> Lake:
    assert ingest([str(path) for path in pictures], str(lake), plan, engine=engine).ok
    return Lake.open(str(lake))


def stored(lake: Lake, column: str = "vector") -> dict[str, VectorArray]:
    rows = lake.read("regions", columns=["id", column])
    return {i: np.array(v, np.float32) for i, v in zip(rows["id"].to_pylist(), rows[column].to_pylist(), strict=True)}


def answers(lake: Lake, query: Query, *, dimensions: int | None = None) -> list[tuple[str, float]]:
    session = SearchSession(lake, model=HUES, dimensions=dimensions)
    try:
        return [(hit.frame_id, hit.distance) for hit in session.search(query).hits]
    finally:
        session.close()


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_lake_needs_no_other_file_and_answers_by_its_short_vectors(
    engine: EngineName,
    pictures: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if engine == "ray":
        request.getfixturevalue("ray_cluster")
    monkeypatch.chdir(tmp_path)
    reduction = fit(Path("f.safetensors")).first(7)
    full = stored(ingested(tmp_path / "full", FULL, pictures))
    lake = ingested(tmp_path / "lake", short(7, Path("f.safetensors")), pictures[:8], engine=engine)
    (tmp_path / "f.safetensors").unlink()
    lake = ingested(tmp_path / "lake", short(7), pictures, engine=engine)  # two more, by the lake's own reduction

    assert lake.space.comparable(reduction.space)
    assert len({row["plan"] for row in lake.read("sources").to_pylist()}) == 1
    assert check(lake).problems == ()
    found = stored(lake)
    assert found.keys() == full.keys()
    for name, vector in found.items():  # a step of float16 of the full vector, and one of the short
        np.testing.assert_allclose(vector, reduction(full[name][None])[0], atol=2**-10)

    query = Query(text="green", box=(0, 0, 0.5, 0.5), k=10)
    asked = reduction(Hues().encode_texts(["green"]))[0].astype(np.float64)
    session = SearchSession(lake, model=HUES)
    places = [(hit.place.region_id, hit.place.semantic) for hit in session.search(query).hits]
    session.close()
    assert len(places) == 10
    for name, semantic in places:
        if name is not None:
            assert semantic == pytest.approx(1 - found[name].astype(np.float64) @ asked, abs=1e-6)
    whole = [np.array(v, np.float32) for v in lake.read("frames", columns=["vector"])["vector"].to_pylist()]
    nearest = min(1 - vector.astype(np.float64) @ asked for vector in (*found.values(), *whole))
    assert answers(lake, Query(text="green", k=1))[0][1] == pytest.approx(nearest, abs=1e-6)


def test_a_part_of_a_picture_of_the_lake_is_found_at_no_distance(pictures: list[Path], tmp_path: Path) -> None:
    fit(tmp_path / "f.safetensors")
    plan = short(9, tmp_path / "f.safetensors")
    plan = replace(plan, regions=replace(plan.regions, mode="both"))
    lake = ingested(tmp_path / "lake", plan, pictures)
    row = lake.read("regions", columns=["frame", "source", "x0", "y0", "x1", "y1"]).to_pylist()[3]
    roi = (row["x0"], row["y0"], row["x1"], row["y1"])
    (frame, distance), (_, second) = answers(lake, Query(image=row["source"], roi=roi, k=2))
    assert (frame, distance) == (row["frame"], pytest.approx(0, abs=1e-3))  # float16 changes the length of a vector
    assert second > distance


def test_a_model_with_ordered_dimensions_needs_no_file(pictures: list[Path], tmp_path: Path) -> None:
    lake = ingested(tmp_path / "lake", short(6), pictures[:3])
    assert lake.space.revision == "1/first"
    assert not list((tmp_path / "lake").glob("reduction-*"))
    assert len(answers(lake, Query(text="red"))) == 3
    with pytest.raises(ModelError, match="cannot be compared"):
        ingest([str(pictures[4])], lake.uri, FULL)
    with pytest.raises(ModelError, match="cannot be compared"):
        ingest([str(pictures[4])], lake.uri, short(5))


def test_another_file_and_other_dimensions_are_refused_by_name(pictures: list[Path], tmp_path: Path) -> None:
    one, two = fit(tmp_path / "one.safetensors"), fit(tmp_path / "two.safetensors", seed=1)
    lake = ingested(tmp_path / "lake", short(6, tmp_path / "one.safetensors"), pictures[:2])
    with pytest.raises(ModelError, match=rf"6 dimensions by {one.name}; .*two.safetensors is {two.name} to 6.*omit"):
        ingest([str(pictures[3])], lake.uri, short(6, tmp_path / "two.safetensors"))
    with pytest.raises(ModelError, match=f"{one.name} to 5"):
        ingest([str(pictures[3])], lake.uri, short(5, tmp_path / "one.safetensors"))
    whole = ingested(tmp_path / "whole", FULL, pictures[:2])
    with pytest.raises(ModelError, match="are not shortened"):
        ingest([str(pictures[3])], whole.uri, short(6, tmp_path / "one.safetensors"))
    assert [path.name for path in Path(lake.uri).glob("reduction-*")] == [f"reduction-{one.name}.safetensors"]
    assert not list(Path(whole.uri).glob("reduction-*"))
    with pytest.raises(ModelError, match="gives 1 to 12"):
        ingest([str(pictures[3])], str(tmp_path / "new"), short(13, tmp_path / "one.safetensors"))


def test_the_reduction_is_stored_before_the_first_row(tmp_path: Path) -> None:
    reduction = fit(tmp_path / "f.safetensors")
    assert not ingest([str(tmp_path / "nowhere.mp4")], str(tmp_path / "lake"), short(6, tmp_path / "f.safetensors")).ok
    assert Lake.open(str(tmp_path / "lake")).count("frames") == 0
    assert (tmp_path / "lake" / f"reduction-{reduction.name}.safetensors").is_file()


def test_a_lost_or_exchanged_reduction_is_named_and_can_be_given_again(pictures: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "f.safetensors"
    reduction = fit(file)
    lake = ingested(tmp_path / "lake", short(6, file), pictures[:2])
    kept = Path(lake.uri) / f"reduction-{reduction.name}.safetensors"
    for break_it in (kept.unlink, lambda: kept.write_bytes(b"x"), lambda: fit(kept, seed=7)):
        break_it()
        with pytest.raises(LakeError, match=f"lacks the reduction {reduction.name}"):
            load_lake_encoder(lake, model=HUES)
        (problem,) = check(lake).problems
        assert f"lacks the reduction {reduction.name}" in problem
        ingested(tmp_path / "lake", short(6, file), pictures[:2])
        assert check(lake).ok


def test_full_vectors_are_shortened_without_their_sources(pictures: list[Path], tmp_path: Path) -> None:
    copies = [Path(shutil.copy(path, tmp_path)) for path in pictures]
    reduction = fit(tmp_path / "f.safetensors").first(7)
    lake = ingested(tmp_path / "lake", FULL, copies)
    direct = ingested(tmp_path / "direct", short(7, tmp_path / "f.safetensors"), copies)
    before = stored(lake)
    for path in copies:
        path.unlink()

    report = reembed(lake.uri, short(7, tmp_path / "f.safetensors"))

    assert (report.ok, report.keyframes, report.regions) == (True, 10, len(before))
    made, straight = stored(lake, report.column), stored(direct)
    assert stored(lake).keys() == before.keys()
    assert all(np.array_equal(vector, before[name]) for name, vector in stored(lake).items())
    for name, vector in before.items():
        np.testing.assert_array_equal(made[name], reduction(vector[None])[0].astype(np.float16))
        np.testing.assert_allclose(made[name], straight[name], atol=2**-10)
    again = reembed(lake.uri, short(7))  # by the lake's own reduction
    assert (again.column, again.keyframes, again.skipped) == (report.column, 0, 10)

    query = Query(text="blue", k=3)
    assert answers(lake, query) == answers(lake, query, dimensions=SPACE.dimension)
    found, expected = answers(lake, query, dimensions=7), answers(direct, query)
    assert [name for name, _ in found] == [name for name, _ in expected]
    with pytest.raises(ModelError, match="with 5 dimensions, but with 48, 7"):
        answers(lake, query, dimensions=5)
    with pytest.raises(PlanError, match="already"):
        reembed(lake.uri, FULL)


def test_thumbnails_are_embedded_where_the_sources_are_gone(pictures: list[Path], tmp_path: Path) -> None:
    copies = [Path(shutil.copy(path, tmp_path)) for path in pictures[:3]]
    lake = ingested(tmp_path / "lake", FULL, copies)
    for path in copies:
        path.unlink()
    # not as the lake's regions were made, so that its vectors cannot be shortened; this model has one size of map
    larger = replace(short(7), regions=replace(short(7).regions, map_px=640))
    assert len(reembed(lake.uri, larger).failed) == 3
    report = reembed(lake.uri, larger, pictures="thumbnails")
    assert (report.ok, report.keyframes) == (True, 3)
    made = stored(lake, report.column)
    reduction = larger.reduction
    assert reduction is not None
    for name, vector in stored(lake).items():  # JPEG changes pixels a little
        assert made[name] @ reduction(vector[None])[0] > 0.99


def test_the_hash_of_a_plan_is_as_before_and_counts_the_content_of_the_file(tmp_path: Path) -> None:
    fit(tmp_path / "one.safetensors")
    fit(tmp_path / "two.safetensors", seed=1)
    shutil.copy(tmp_path / "one.safetensors", tmp_path / "copy.safetensors")
    assert RegionVectorsConfig(dimensions=0, reduction="") == RegionVectorsConfig()
    names = ("one", "copy", "two")
    one, copy, two = (short(6, tmp_path / f"{name}.safetensors").hash for name in names)
    assert one == copy
    assert len({one, two, short(6).hash, short(5, tmp_path / "one.safetensors").hash, FULL.hash}) == 5
