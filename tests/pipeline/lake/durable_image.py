"""What of a folder outlives a power cut: the contents and names that were synced, and nothing else."""

import os
import threading
from pathlib import Path

import pytest


class DurableImage:
    """Records every sync below a folder from now on.

    A name is durable once its folder was synced, the contents of a file once the file was. A durable name of a file
    whose contents are not synced is an empty file, as ext4 leaves it.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = root.resolve()
        self._lock = threading.Lock()
        self._contents: dict[int, bytes] = {}  # by inode, as names change
        self._names: dict[int, dict[str, int]] = {}  # of each folder, by inode
        self._kept: list[os.stat_result] = []
        sync = os.fsync

        def recorded(file: int) -> None:
            sync(file)
            self._record(Path(f"/proc/self/fd/{file}").readlink())

        monkeypatch.setattr(os, "fsync", recorded)
        self.syncs = 0

    def write(self, to: Path) -> Path:
        """Makes the folder as it is after a power cut now."""
        with self._lock:
            self._write(self._root.stat().st_ino, to)
        return to

    def _record(self, path: Path) -> None:
        with self._lock:
            self.syncs += 1
            if not path.is_relative_to(self._root):
                return
            if path.is_dir():
                with os.scandir(path) as found:
                    entries = list(found)
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):  # whose inode may be that of a folder that was removed
                        self._names.pop(entry.inode(), None)
                self._names[path.stat().st_ino] = {entry.name: entry.inode() for entry in entries}
            else:
                self._names.pop(path.stat().st_ino, None)
                self._contents[path.stat().st_ino] = path.read_bytes()

    def _write(self, folder: int, to: Path) -> None:
        to.mkdir(parents=True)
        for name, inode in self._names.get(folder, {}).items():
            if inode in self._names:
                self._write(inode, to / name)
            else:
                (to / name).write_bytes(self._contents.get(inode, b""))
