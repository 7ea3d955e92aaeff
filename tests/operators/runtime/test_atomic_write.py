"""Catches files that others can read while they are incomplete, and files that an error removes."""

from pathlib import Path

import pytest

from operators.runtime.atomic_write import atomic_write


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.bin"
    with atomic_write(path) as made:
        made.write_bytes(b"half")
        assert not path.exists()
        made.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic_write(path) as made:
            made.write_bytes(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]
