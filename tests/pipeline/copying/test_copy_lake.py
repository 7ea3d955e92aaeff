"""Copies of lakes. Catches a copy that has half of a commit, one that an interruption leaves as a lake, a copy that
replaces what somebody wrote, and one that shares what waits with its original.

Lakes are compared row by row by `regionlake check --against`.
"""

import shutil
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lance
import numpy as np
import pytest

import pipeline.copying.copy_lake as copying
import regionlake as rl
from pipeline.copying.copy_lake import copy_lake
from pipeline.copying.files import copy_file
from pipeline.labels.label_table import Labels
from pipeline.labels.word_table import TrainedWord, Words
from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from schemas.errors import LakeError
from tests.integration.clips import make_clip
from tests.pipeline.labels.label_of import label_of


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips of copies")
    return [make_clip(folder / f"{seed}.mp4", seed=seed, seconds=2) for seed in range(3)]


@pytest.fixture(scope="module")
def first(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("first") / "lake"
    assert rl.ingest(clips[:1], lake=lake).ok
    return lake


@pytest.fixture
def lake(first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "lake"))


def equal(one: Path, other: Path) -> bool:
    return not compare(Lake.open(str(one)), Lake.open(str(other)))


def test_a_copy_is_the_lake_and_the_next_one_copies_what_is_new(lake: Path, clips: list[Path], tmp_path: Path) -> None:
    made = tmp_path / "backup"
    report = copy_lake(str(lake), str(made))
    assert equal(lake, made)
    assert report.copied_bytes == report.bytes
    assert rl.ingest(clips[1:2], lake=lake).ok
    again = copy_lake(str(lake), str(made))
    assert equal(lake, made)
    assert 0 < again.copied_bytes < again.bytes
    assert copy_lake(str(lake), str(made)).copied_bytes == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "lake"]

    back = tmp_path / "restored"
    copy_lake(str(made), str(back))
    assert rl.ingest(clips, lake=back).ok  # it is a lake like any other
    assert Lake.open(str(back)).count("sources") == 3


def test_copies_of_a_lake_that_is_written_are_sound(lake: Path, clips: list[Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.cli.main", "ingest", *map(str, clips), "--lake", str(lake)]
    process = subprocess.Popen(
        [*command, "--set", "run.segment_s=0.2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    counts = []
    try:
        while process.poll() is None:
            counts.append(copy_lake(str(lake), str(tmp_path / "backup")).rows["regions"])
    finally:
        process.kill()
        process.wait()
    assert len(set(counts)) > 1, counts  # some were made between its commits
    copy_lake(str(lake), str(tmp_path / "backup"))
    assert equal(lake, tmp_path / "backup")


@pytest.mark.parametrize("after", [0, 9, 21])
def test_a_copy_that_is_killed_is_no_lake_and_is_continued(lake: Path, tmp_path: Path, after: int) -> None:
    made = tmp_path / "backup"
    script = (
        "import os, signal, sys; import pipeline.copying.copy_lake as c; n = 0; copy = c.copy_file\n"
        "def killed(*a):\n  global n\n  n += 1\n"
        f"  if n > {after}: os.kill(os.getpid(), signal.SIGKILL)\n  return copy(*a)\n"
        "c.copy_file = killed; c.copy_lake(sys.argv[1], sys.argv[2])\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(lake), str(made)], check=False).returncode
    assert ended == -signal.SIGKILL
    assert not made.exists()
    report = copy_lake(str(lake), str(made))
    assert equal(lake, made)
    assert report.copied_bytes < report.bytes or after == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "lake"]


def test_an_earlier_copy_outlives_a_kill_between_the_renamings(lake: Path, tmp_path: Path) -> None:
    made = tmp_path / "backup"
    copy_lake(str(lake), str(made))
    made.rename(tmp_path / "backup.before")
    copy_lake(str(lake), str(made))
    assert equal(lake, made)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "lake"]


def test_files_that_upkeep_removes_meanwhile_are_those_of_another_moment(
    lake: Path, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Path] = []

    def while_joined(source: Path, target: Path) -> int:
        calls.append(source)
        if len(calls) == 2:  # the snapshot was taken, and one file is copied
            assert rl.ingest(clips[1:2], lake=lake).ok
            for table in ("frames", "regions", "segments"):
                dataset = lance.dataset(str(lake / f"{table}.lance"))
                dataset.optimize.compact_files()
                dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)
        return copy_file(source, target)

    monkeypatch.setattr(copying, "copy_file", while_joined)
    report = copy_lake(str(lake), str(tmp_path / "backup"))
    assert report.rows["sources"] == 2
    assert equal(lake, tmp_path / "backup")


def test_watches_are_copied_and_what_waits_for_the_lake_is_not(lake: Path, tmp_path: Path) -> None:
    state = lake / ".live"
    for folder in ("watch", "spool", "refused", "audit", "video/gate"):
        (state / folder).mkdir(parents=True)
    (state / "watch" / "gate.toml").write_text("[watch]")
    (state / "pins-that-expire.json").write_text("{}")
    for waiting in ("spool/1.zip", "refused/1.zip", "audit/audit.jsonl", "sessions.json"):
        (state / waiting).write_text("x")
    (state / "video" / "gate" / "1-1.mp4").write_bytes(b"packets")
    database = sqlite3.connect(state / "watch" / "gate.sqlite")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE seen (id TEXT)")
    database.execute("INSERT INTO seen VALUES ('frame')")
    database.commit()  # in its log, which is no part of the file yet

    made = tmp_path / "backup"
    copy_lake(str(lake), str(made))
    copied = {str(path.relative_to(made / ".live")) for path in (made / ".live").rglob("*") if path.is_file()}
    assert copied == {"watch/gate.toml", "watch/gate.sqlite", "pins-that-expire.json"}
    assert sqlite3.connect(made / ".live" / "watch" / "gate.sqlite").execute("SELECT id FROM seen").fetchall() == [
        ("frame",)
    ]
    database.close()
    copy_lake(str(lake), str(made), video=True)
    assert (made / ".live" / "video" / "gate" / "1-1.mp4").read_bytes() == b"packets"


def test_nothing_that_somebody_wrote_is_replaced(lake: Path, first: Path, clips: list[Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(first, tmp_path / "own"))
    with pytest.raises(LakeError, match="no copy that"):
        copy_lake(str(lake), str(other))
    made = tmp_path / "backup"
    copy_lake(str(lake), str(made))
    assert rl.ingest(clips[1:2], lake=made).ok
    with pytest.raises(LakeError, match="written to since"):
        copy_lake(str(lake), str(made))
    assert Lake.open(str(made)).count("sources") == 2
    for target, wrong in ((lake / "copy", "within the other"), (tmp_path, "within"), ("s3://bucket/lake", "folder to")):
        with pytest.raises(LakeError, match=wrong):
            copy_lake(str(lake), str(target))


def test_labels_and_trained_words_are_copied_and_those_of_a_copy_are_not_replaced(lake: Path, tmp_path: Path) -> None:
    original = Lake.open(str(lake))
    region, other = original.read("regions").to_pylist()[:2]
    Labels(original).add([label_of(region, "box")])
    vector = np.zeros(original.space.dimension, np.float32)
    vector[0] = 1.0
    Words(original).add(
        TrainedWord("box", original.space, vector, -2.0, 20.0, 3, 1, 9, datetime(2026, 5, 1, tzinfo=UTC))
    )
    made = tmp_path / "backup"
    copy_lake(str(lake), str(made))
    copy = Lake.open(str(made))
    assert Labels(copy).read() == Labels(original).read() != ()
    assert [word.name for word in Words(copy).read()] == ["box"]
    Labels(original).add([label_of(other, "box")])
    copy_lake(str(lake), str(made))
    assert len(Labels(copy).read()) == 2
    Labels(copy).add([label_of(other, "crate")])  # which needs no lease
    with pytest.raises(LakeError, match="written to since"):
        copy_lake(str(lake), str(made))
    assert len(Labels(copy).read()) == 3


@pytest.mark.parametrize("suffix", [".copying", ".before"])
def test_folders_beside_the_copy_that_are_somebodys_are_left_alone(lake: Path, tmp_path: Path, suffix: str) -> None:
    made, own = tmp_path / "backup", tmp_path / f"backup{suffix}"
    lake.rename(own)  # a lake that somebody put aside
    before = {path: path.stat().st_mtime_ns for path in own.rglob("*")}
    with pytest.raises(LakeError, match="cannot be at"):
        copy_lake(str(own), str(made))
    assert not made.exists()
    assert {path: path.stat().st_mtime_ns for path in own.rglob("*")} == before
    lake = Path(shutil.copytree(own, lake))
    with pytest.raises(LakeError, match="is there, and was not left by"):
        copy_lake(str(lake), str(made))
    assert not made.exists()
    assert {path: path.stat().st_mtime_ns for path in own.rglob("*")} == before


def test_a_copy_that_fails_its_audit_does_not_take_the_place_of_a_good_one(lake: Path, tmp_path: Path) -> None:
    made = tmp_path / "backup"
    copy_lake(str(lake), str(made))
    rows = Lake.open(str(made)).count("frames")
    lance.dataset(str(lake / "frames.lance")).delete("true")  # behind the back of the ledger
    with pytest.raises(LakeError, match="does not pass its audit"):
        copy_lake(str(lake), str(made))
    assert Lake.open(str(made)).count("frames") == rows
    assert check(Lake.open(str(made))).ok
