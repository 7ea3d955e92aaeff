"""`regionlake export evidence` and `verify`: catches files that are not in the zip, rows that are not those of a
search, pictures that show what was to be covered, and exit codes that are the same for a change and another signer."""

import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from schemas.frames import ImageArray
from tests.conftest import Run

QUERY = ("--box", "0,0,0.5,0.5", "--geometry", "iou", "-k", "2")


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path / "settings"


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {each.filename: archive.read(each) for each in archive.infolist()}


def frames_of(mp4: bytes) -> list[ImageArray]:
    with av.open(io.BytesIO(mp4)) as clip:
        return [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]


def still_of(files: dict[str, bytes], name: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(files[name])))


def test_the_zip_has_what_a_search_finds_and_verifies(called: Run, lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "found.zip"
    made = called("export", "evidence", *QUERY, "--lake", lake, "--out", path)
    assert made.returncode == 0, made.stderr
    assert "made the key" in made.stderr
    files = files_of(path)
    found = json.loads(called("search", *QUERY, "--lake", lake, "--json").stdout)
    assert json.loads(files["rows.json"])["hits"] == found["hits"]
    assert json.loads(files["query.json"]) == found["query"]
    assert pq.read_table(io.BytesIO(files["rows.parquet"]))["frame_id"].to_pylist() == [
        hit["frame_id"] for hit in found["hits"]
    ]
    manifest = json.loads(files["manifest.json"])
    for hit in manifest["hits"]:
        assert hit["still_origin"] == "original"
        assert still_of(files, hit["still"]).shape == still_of(files, hit["still_with_box"]).shape == (240, 320, 3)
        assert len(frames_of(files[hit["clip"]])) > 1
        changed = (still_of(files, hit["still"]) != still_of(files, hit["still_with_box"])).any(axis=2)
        assert 0 < changed.mean() < 0.2  # its box and its rank
    assert sorted(files) == sorted([*(each["name"] for each in manifest["files"]), "manifest.json", "manifest.sig"])
    for word in ("openssl", "sha256sum", manifest["signed_by"]["fingerprint_sha256"], "Nothing was covered"):
        assert word in files["README.txt"].decode()
    verified = called("export", "verify", path)
    assert verified.returncode == 0
    assert "sound" in verified.stdout
    assert "this is the key of this installation" in verified.stdout
    key = called("export", "key").stdout
    (tmp_path / "key.pem").write_text(key)
    for given in (tmp_path / "key.pem", manifest["signed_by"]["fingerprint_sha256"]):
        assert called("export", "verify", path, "--key", given).returncode == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_it_verifies_without_regionlake(called: Run, lake: Path, tmp_path: Path) -> None:
    assert called("export", "evidence", *QUERY, "--lake", lake, "--out", tmp_path / "found.zip").returncode == 0
    with zipfile.ZipFile(tmp_path / "found.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    command = "openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin -in manifest.json -sigfile manifest.sig"
    assert command in (tmp_path / "unpacked" / "README.txt").read_text()

    def run(*words: str) -> int:
        return subprocess.run(words, cwd=tmp_path / "unpacked", capture_output=True, timeout=60).returncode

    assert run(*command.split()) == 0
    assert run("sha256sum", "--check", "SHA256SUMS") == 0
    manifest = tmp_path / "unpacked" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("test", "tost"))
    assert run(*command.split()) != 0


def test_a_change_and_another_signer_have_their_own_exit_codes(called: Run, lake: Path, tmp_path: Path) -> None:
    for name in ("own", "other"):
        key = tmp_path / f"{name}.pem"
        path = tmp_path / f"{name}.zip"
        made = called("export", "evidence", *QUERY, "--lake", lake, "--out", path, "--signing-key", key)
        assert made.returncode == 0, made.stderr
        (tmp_path / f"{name}.pub").write_text(called("export", "key", "--signing-key", key).stdout)
    content = bytearray((tmp_path / "own.zip").read_bytes())
    content[content.index(b"ftyp") + 100] ^= 1
    (tmp_path / "changed.zip").write_bytes(content)
    changed = called("export", "verify", tmp_path / "changed.zip", "--key", tmp_path / "own.pub", "--json")
    assert changed.returncode == 1
    assert [each["name"].startswith("clips/01_") for each in json.loads(changed.stdout)["changes"]] == [True]
    other = called("export", "verify", tmp_path / "other.zip", "--key", tmp_path / "own.pub")
    assert (other.returncode, "signed by another" in other.stdout) == (3, True)
    unknown = called("export", "verify", tmp_path / "other.zip")
    assert (unknown.returncode, "give --key" in unknown.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("evidence", *QUERY, "--out", "found.tar"), 2, "must end in .zip"),
        (("evidence", "--out", "found.zip"), 2, "asks for nothing"),
        (("evidence", *QUERY, "--out", "found.zip", "--redact", " "), 2, "needs what to cover"),
        (("evidence", *QUERY, "--out", "found.zip", "--redact", "others", "--redact", "people"), 2, "cannot add"),
        (("evidence", *QUERY, "--source", "nowhere", "--out", "found.zip"), 1, "no hits"),
        (("evidence", *QUERY, "--out", "/proc/found.zip"), 1, "cannot be written"),
        (("verify", "absent.zip"), 2, "there is no file"),
        (("verify", "absent.zip", "--key", __file__), 2, "is no public key"),
        (("verify", "absent.zip", "--key", "absent.pem"), 2, "is no file of a public key"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    called: Run,
    lake: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    of_lake = ("--lake", lake) if arguments[0] == "evidence" else ()
    run = called("export", *arguments, *of_lake)
    assert (run.returncode, reason in run.stderr, "Traceback" in run.stderr) == (code, True, False), run.stderr
    assert not list(tmp_path.glob("*.zip"))


def test_where_the_video_is_gone_its_thumbnail_is_shown_and_that_is_said(
    called: Run, regionlake: Run, clip: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "gone.mp4"
    shutil.copy(clip, moved)
    made = regionlake("ingest", moved, "--lake", tmp_path / "lake", "--engine", "local", "--proposer", "grid")
    assert made.returncode == 0, made.stderr
    moved.unlink()
    run = called("export", "evidence", *QUERY, "-k", "1", "--lake", tmp_path / "lake", "--out", tmp_path / "found.zip")
    assert (run.returncode, "gone.mp4" in run.stderr) == (1, True)
    manifest = json.loads(files_of(tmp_path / "found.zip")["manifest.json"])
    [hit] = manifest["hits"]
    assert (hit["clip"], hit["still_origin"], len(manifest["missing"])) == (None, "thumbnail", 2)
    assert called("export", "verify", tmp_path / "found.zip").returncode == 0


@pytest.mark.parametrize(("redact", "inverted"), [("hits", False), ("others", True)])
def test_what_is_covered_is_black_in_the_still_and_in_the_clip(
    called: Run, lake: Path, tmp_path: Path, redact: str, inverted: bool
) -> None:
    path = tmp_path / "found.zip"
    options = ("--redact", redact, "--redact-style", "black", "--redact-margin", "0")
    run = called("export", "evidence", *QUERY, "-k", "1", "--lake", lake, "--out", path, *options)
    assert run.returncode == 0, run.stderr
    files = files_of(path)
    manifest = json.loads(files["manifest.json"])
    assert manifest["redaction"]["what"] == [redact]
    [hit] = manifest["hits"]
    x0, y0, x1, y1 = np.multiply(hit["box"], [320, 240, 320, 240]).round().astype(int)
    plane = np.zeros((240, 320), bool)
    plane[y0:y1, x0:x1] = True
    covered, shown = (~plane, plane) if inverted else (plane, ~plane)
    still = still_of(files, hit["still"])
    assert not still[covered].any()
    assert still[shown].any(axis=1).mean() > 0.5
    clip = frames_of(files[hit["clip"]])
    nearest = clip[round((hit["pts_s"] - hit["clip_s"][0]) * 12)]
    assert np.median(nearest[covered]) < 8
    assert np.median(nearest[shown]) > 8


def test_clips_of_a_search_are_covered_too_and_a_sheet_is_refused(called: Run, lake: Path, tmp_path: Path) -> None:
    redact = ("--redact", "others", "--redact-style", "black")
    run = called("search", *QUERY, "--lake", lake, "-k", "1", "--clips", tmp_path / "clips", *redact)
    assert run.returncode == 0, run.stderr
    [clip] = (tmp_path / "clips").iterdir()
    frames = frames_of(clip.read_bytes())
    assert np.mean([(frame < 8).all(axis=2).mean() for frame in frames]) > 0.5
    for wrong in (("--sheet", tmp_path / "hits.png"), ()):
        clips = ("--clips", tmp_path / "more") if wrong else ()
        refused = called("search", *QUERY, "--lake", lake, *clips, *wrong, "--redact", "people")
        assert (refused.returncode, "covers --clips, and no sheet" in refused.stderr) == (2, True)
    assert not (tmp_path / "more").exists()
