"""Fixtures for reading: a folder of media, and a bucket of an object store."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.MKV", "notes.txt", "deep/c.jpg", "deep/er/d.avi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


@pytest.fixture
def bucket() -> Iterator[str]:
    """A folder of a store of objects, in this process."""
    root = "memory:///bucket"
    yield root
    fsspec.filesystem("memory").rm("/bucket", recursive=True)
