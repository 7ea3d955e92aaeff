"""The file of hits: catches half lines, doubled lines, and lines that a full disk cut."""

import json
import os
import stat
from pathlib import Path

import pytest

from pipeline.watch.json_lines import JsonLines
from schemas.errors import WatchError


def lines(*ids: str) -> list[str]:
    return [json.dumps({"id": each, "text": "ü"}) for each in ids]


def test_half_a_line_is_cut_off_and_whole_ones_are_known(tmp_path: Path) -> None:
    path = tmp_path / "hits.jsonl"
    size = JsonLines(path).append(lines("a", "b"))
    JsonLines(path).append(lines("c", "d"))
    with path.open("a") as file:
        file.write('{"id": "e", "te')
    again = JsonLines(path)
    assert list(again.ids(since=size)) == ["c", "d"]
    again.append(lines("e"))
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["a", "b", "c", "d", "e"]


def test_of_a_file_that_somebody_replaced_all_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "hits.jsonl"
    size = JsonLines(path).append(lines("a", "b"))
    path.write_text("no JSON\n" + lines("c")[0] + "\n[1]\n")
    assert list(JsonLines(path).ids(since=size)) == ["c"]


def test_after_a_file_is_moved_away_a_new_one_begins(tmp_path: Path) -> None:
    path = tmp_path / "hits.jsonl"
    out = JsonLines(path)
    out.append(lines("a"))
    path.rename(tmp_path / "hits.jsonl.1")
    assert out.append(lines("b")) == path.stat().st_size
    assert path.read_text() == lines("b")[0] + "\n"


def test_a_new_file_has_its_name_on_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, synced = os.fsync, []

    def fsync(opened: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(opened).st_mode))
        real(opened)

    monkeypatch.setattr(os, "fsync", fsync)
    out = JsonLines(tmp_path / "hits.jsonl")
    out.append(lines("a"))
    out.append(lines("b"))
    out.path.rename(tmp_path / "hits.jsonl.1")
    out.append(lines("c"))
    assert synced == [False, True, False, False, True]  # without its folder a file may be gone after a power cut


def test_a_full_disk_leaves_no_part_of_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = JsonLines(tmp_path / "hits.jsonl")
    out.append(lines("a"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as now:
        now.setattr(os, "fsync", full)
        with pytest.raises(WatchError, match="No space"):
            out.append(lines("b", "c"))
    out.append(lines("b", "c"))
    assert out.path.read_text().splitlines() == lines("a", "b", "c")


def test_a_file_without_a_line_break_is_cut_whole(tmp_path: Path) -> None:
    path = tmp_path / "hits.jsonl"
    path.write_bytes(b"x" * (2**20 + 5))
    JsonLines(path)
    assert path.read_bytes() == b""
