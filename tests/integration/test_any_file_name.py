"""Catches a file's name, of whatever bytes, that stops an ingest or a command, or by which a file is not found."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.clips import Clips
from tests.conftest import Run

VIDEO = b"caf\xe9 1.ts"
PICTURES = (
    b"caf\xe9.jpg",
    "café.jpg".encode(),
    b"a\nb.jpg",
    b'it\'s "one".jpg',
    b"\x1b]52;c;eA==\x07.jpg",
    b"100%E9.jpg",
    b"\xe9" * 251 + b".jpg",
    b"n" * 251 + b".jpg",
    b"[1]*.jpg",
)
BROKEN = b"no video \xff.mp4"
ANYWHERE = ("--box", "0,0,1,1", "-k", "50")


@pytest.fixture(scope="module")
def folder(clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("named") / os.fsdecode(b"dropp\xe9d")
    folder.mkdir()
    shutil.copyfile(clips("plain.mp4"), folder / os.fsdecode(VIDEO))
    for number, name in enumerate(PICTURES):
        picture = Image.new("RGB", (64, 48), (40 * number % 255, 90, 200 - 20 * number))
        picture.save(folder / os.fsdecode(name), "JPEG")
    (folder / os.fsdecode(BROKEN)).write_text("this is no video")
    yield folder
    shutil.rmtree(folder)


def test_every_command_takes_files_of_any_name(called: Run, folder: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    plan = ("--proposer", "grid", "--set", "regions.mode=pool")
    done = called("ingest", folder, "--lake", lake, *plan, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert (report["sources"], report["quarantined"], report["failed"]) == (1 + len(PICTURES), 1, 0)
    assert report["errors"][0]["source"].endswith("/dropp%E9d/no%20video%20%FF.mp4")
    again = json.loads(called("ingest", folder, "--lake", lake, *plan, "--json").stdout)
    assert (again["skipped"], again["segments"], again["quarantined"]) == (1 + len(PICTURES), 0, 1)

    for command in (
        ("status",),
        ("status", "--json"),
        ("check",),
        ("search", *ANYWHERE),
        ("search", *ANYWHERE, "--json"),
    ):
        done = called(*command, "--lake", lake)
        assert done.returncode == 0, (command, done.stderr)
        assert "Traceback" not in done.stderr
    assert "no%20video%20%FF.mp4" in called("status", "--lake", lake).stdout

    for name in (VIDEO, *PICTURES[:3], PICTURES[-1]):
        found = called("search", *ANYWHERE, "--source", os.fsdecode(name), "--lake", lake, "--json")
        hits = {hit["source"] for hit in json.loads(found.stdout)["hits"]}
        assert len(hits) == 1, (name, hits)

    cut = tmp_path / "cut"
    done = called("search", *ANYWHERE, "-k", 2, "--source", "*.ts", "--lake", lake, "--clips", cut)
    assert done.returncode == 0, done.stderr
    assert len(list(cut.iterdir())) == 2


def test_a_lake_whose_path_is_not_utf_8_is_refused_by_name(called: Run, folder: Path) -> None:
    lake = folder / os.fsdecode(b"lak\xe9")
    for arguments in (["ingest", folder], ["search", *ANYWHERE], ["status"], ["check"]):
        done = called(*arguments, "--lake", lake)
        assert done.returncode == 1
        assert r"lak\xe9 of the lake is not UTF-8" in done.stderr
        assert "Traceback" not in done.stderr
