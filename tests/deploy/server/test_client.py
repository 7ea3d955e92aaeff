"""The client, and `regionlake search --server`. Catches hits that differ from those of a local lake, errors of another
class, and imports for which every search would wait."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import regionlake as rl
from tests.conftest import Run
from tests.deploy.cli.test_cold_start import CODE, NOT_FOR_READING
from tests.deploy.server.conftest import World


def same(one: rl.Hits, other: rl.Hits) -> bool:
    def key(hits: rl.Hits) -> list[object]:
        return [(hit.rank, hit.distance, hit.place, hit.pts, hit.time, hit.shot_s, hit.frame_id) for hit in hits]

    return key(one) == key(other) and len(one) > 0


def test_a_remote_lake_takes_the_calls_of_a_local_one(url: str, local: rl.Lake, world: World) -> None:
    street = world.folder / "pictures" / "street.png"
    with rl.connect(url) as remote:
        assert same(remote.search("a car", k=4), local.search("a car", k=4))
        assert same(remote.search(rl.Query("a car", box=(0, 0, 0.5, 1))), local.search("a car", box=(0, 0, 0.5, 1)))
        by_path = local.search(image=street, roi=(0, 0, 0.5, 1), k=3)
        assert same(remote.search(image=street, roi=(0, 0, 0.5, 1), k=3), by_path)
        assert same(remote.search(image=Image.open(street), roi=(0, 0, 0.5, 1), k=3), by_path)
        mixed = {"methods": ("regions", rl.WeightedMethod("global", 0.5)), "not_text": ("a dog",), "since": 1.0}
        assert same(remote.search("a car", **mixed), local.search("a car", **mixed))  # type: ignore[arg-type]
        of_bikes = remote.search("a car", zones=("bikes=0,0,1,1",))
        assert (of_bikes.by_meaning_alone, of_bikes.omitted) == (("street.png",), ())
        there, here = (lake.search("a car", then="a box", within_s=2.0)[0].then for lake in (remote, local))
        assert there is not None
        assert here is not None
        assert (there.frame_id, there.pts) == (here.frame_id, here.pts)
        assert remote.search("a car").to_arrow().column_names == local.search("a car").to_arrow().column_names


def test_hits_of_a_service_are_drawn_and_cut(url: str, tmp_path: Path) -> None:
    with rl.connect(url) as remote:
        hits = remote.search("a car", k=3)
        assert Image.open(hits.sheet(tmp_path / "hits.png")).width > 400
        assert "data:image/jpeg" in hits._repr_html_()
        [clip] = remote.search("a car", source="bikes", k=1).clips(tmp_path / "clips")
        assert clip.name.startswith("01_bikes_")
        assert clip.stat().st_size > 1000
        assert remote.search("a car", source="street", k=1).clips(tmp_path / "none") == []


def test_sources_of_a_service_have_the_ids_that_a_query_takes(url: str) -> None:
    with rl.connect(url) as remote:
        ids = {each["name"]: each["id"] for each in remote.sources()}
        hits = remote.search("a car", source_ids=(ids["street.png"],))
        assert {hit.source_id for hit in hits} == {ids["street.png"]}
        assert remote.status()["lake"]["name"] == "lake"


def test_the_client_for_asyncio_answers_the_same(url: str, local: rl.Lake) -> None:
    async def ask() -> list[rl.Hits]:
        async with rl.connect_async(url) as remote:
            assert (await remote.status())["lake"]["name"] == "lake"
            assert len(await remote.sources()) == 2
            return await asyncio.gather(*(remote.search("a car", k=k) for k in range(1, 9)))

    for k, hits in enumerate(asyncio.run(ask()), start=1):
        assert same(hits, local.search("a car", k=k))


def test_errors_of_a_service_are_those_of_a_lake(url: str, tmp_path: Path) -> None:
    with rl.connect(url) as remote:
        with pytest.raises(rl.QueryError, match="1000"):
            remote.search("a car", k=100_000)
        with pytest.raises(rl.QueryError, match="no frame"):
            remote.search(frame="f" * 32)
        (tmp_path / "no.png").write_bytes(b"no picture")
        with pytest.raises(rl.DecodeError, match="picture"):
            remote.search(image=tmp_path / "no.png")
    with rl.connect("http://127.0.0.1:9") as nobody, pytest.raises(rl.ServiceError, match="regionlake serve"):
        nobody.search("a car")
    with pytest.raises(rl.InvalidValueError, match="http://"):
        rl.connect("lake")


def test_a_search_by_a_server_prints_what_a_local_one_prints(
    url: str, world: World, called: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = called("search", "a car", "--lake", world.lake, "--json", "-k", "3")
    there = called(
        "search", "a car", "--server", url, "--json", "-k", "3", "--sheet", tmp_path / "a.png", "--clips", tmp_path
    )
    assert there.returncode == 0, there.stderr
    ours, theirs = ([hit["frame_id"] for hit in json.loads(done.stdout)["hits"]] for done in (here, there))
    assert ours == theirs
    assert (tmp_path / "a.png").exists()
    monkeypatch.setenv("REGIONLAKE_SERVER", url)
    assert "bikes.mp4" in called("search", "a car").stdout
    assert called("search", "a car", "--lake", world.lake, "--server", url).returncode == 2
    assert called("search", "a car", "--server", url, "--model", "everyday").returncode == 2
    assert called("search", "a car", "--server", "http://127.0.0.1:9").returncode == 1


def test_a_search_by_a_server_imports_next_to_nothing(url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, "search", "a car", "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "REGIONLAKE_SERVER": url},
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stderr.split()) & (NOT_FOR_READING | {"pyarrow", "lance", "rich", "PIL", "fastapi"}) == set()
