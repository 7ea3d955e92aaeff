"""A model of a disk: the folders that a power cut may leave, given the calls that were made before it.

As ext4 and XFS with their journals, and as POSIX promises no more:

- The bytes of a file are sure once it was synced; before, they may be absent, zeros, or there.
- A name (of a new, renamed, linked or removed file or folder) is sure once the folder that holds it was synced. A
  rename happens wholly or not at all.
- A sync that failed has given up the bytes that it was to write: a later sync that succeeds does not cover them.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.powerloss.calls.log import Operation
from tests.powerloss.calls.shim import Kind

Fate = Literal["lost", "zeroed", "kept"]


@dataclass(eq=False, slots=True)
class _Write:
    """A change of the bytes of a file. data: None where it was cut to `offset` bytes."""

    offset: int
    data: bytes | None
    sure: bool = False
    given_up: bool = False


@dataclass(eq=False, slots=True)
class _File:
    writes: list[_Write] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class _Folder:
    """entries: what it holds now, before the power cut."""

    entries: "dict[str, _File | _Folder]" = field(default_factory=dict)


_Place = tuple[_Folder, str]


@dataclass(eq=False, slots=True)
class _Rename:
    """A change of names. gone: the name that `item` had, new: the name that it got; None where there is none."""

    item: _File | _Folder
    gone: _Place | None
    new: _Place | None
    sure: bool = False

    def folders(self) -> list[_Folder]:
        return [place[0] for place in (self.gone, self.new) if place is not None]

    def apply(self, entries: "dict[_Folder, dict[str, _File | _Folder]]") -> None:
        if self.gone is not None and entries.get(self.gone[0], {}).get(self.gone[1]) is self.item:
            del entries[self.gone[0]][self.gone[1]]
        if self.new is not None:
            entries.setdefault(self.new[0], {})[self.new[1]] = self.item


@dataclass(frozen=True, slots=True)
class Left:
    """What a power cut left. files: by path relative to the root, the writes that survived, each with its fate."""

    folders: frozenset[str]
    files: dict[str, tuple[tuple[_Write, Fate], ...]]

    @property
    def key(self) -> int:
        """Equal for equal contents."""
        files = ((path, *((id(write), fate) for write, fate in writes)) for path, writes in sorted(self.files.items()))
        return hash((self.folders, tuple(files)))

    def write_to(self, root: Path) -> None:
        for name in sorted(self.folders):
            (root / name).mkdir(parents=True)
        for name, writes in self.files.items():
            (root / name).write_bytes(_bytes_of(writes))


class Disk:
    """What is on a disk and in its cache, below the folder `root`."""

    def __init__(self, root: Path, *, empty: bool = False) -> None:
        """What the folder holds now is sure. empty: it was empty before what will be applied."""
        self._root = str(root.resolve())
        self._top = _Folder()
        self._inodes: dict[int, _File | _Folder] = {root.stat().st_ino: self._top}
        self._renames: list[_Rename] = []
        for path in [] if empty else sorted(root.rglob("*")):
            content = None if path.is_dir() else path.read_bytes()
            item = _Folder() if content is None else _File([_Write(0, content, sure=True)])
            self._inodes.setdefault(path.stat().st_ino, item)
            self._rename(self._inodes[path.stat().st_ino], None, str(path), sure=True)

    def apply(self, done: Operation) -> None:
        if done.error:
            if done.kind is Kind.SYNC:
                for write in self._file(done.inode).writes:
                    write.given_up |= not write.sure
            return
        match done.kind:
            case Kind.CREATE:
                self._inodes[done.inode] = _File()
                self._rename(self._inodes[done.inode], None, done.path)
            case Kind.MKDIR:
                self._inodes[done.inode] = _Folder()
                self._rename(self._inodes[done.inode], None, done.path)
            case Kind.WRITE:
                self._file(done.inode).writes.append(_Write(done.offset, done.data))
            case Kind.TRUNCATE:
                self._file(done.inode).writes.append(_Write(done.offset, None))
            case Kind.SYNC:
                for write in self._file(done.inode).writes:
                    write.sure |= not write.given_up
            case Kind.SYNC_FOLDER:
                for rename in self._renames:
                    rename.sure |= self._inodes[done.inode] in rename.folders()
            case Kind.RENAME:
                self._rename(self._inodes[done.inode], done.path, done.other)
            case Kind.LINK:
                self._rename(self._inodes[done.inode], None, done.other)
            case Kind.UNLINK | Kind.RMDIR:
                folder, name = self._place(done.path)
                self._rename(folder.entries[name], done.path, None)
            case _:
                raise AssertionError(f"{done.kind} changes no disk")

    def left(self, names: Callable[[int], bool], fate: Callable[[], Fate]) -> Left:
        """What a power cut leaves, besides what is sure. names: whether a change of names survives, by its number.
        fate: called for each file, the fate of its writes."""
        entries: dict[_Folder, dict[str, _File | _Folder]] = {self._top: {}}
        for number, rename in enumerate(self._renames):
            if rename.sure or names(number):
                rename.apply(entries)
        folders: set[str] = set()
        files: dict[str, tuple[tuple[_Write, Fate], ...]] = {}
        fates: dict[_File, Fate] = {}
        waiting = [("", self._top)]
        while waiting:
            above, folder = waiting.pop()
            for name, item in entries.get(folder, {}).items():
                path = f"{above}{name}"
                if isinstance(item, _Folder):
                    folders.add(path)
                    waiting.append((f"{path}/", item))
                else:
                    if item not in fates:
                        fates[item] = fate()
                    kept = ((write, "kept" if write.sure else fates[item]) for write in item.writes)
                    files[path] = tuple((write, end) for write, end in kept if end != "lost")
        return Left(frozenset(folders), files)

    @property
    def last_sure(self) -> int:
        """Number of changes of names up to the last one that is sure: a journal keeps all of them."""
        return max((number for number, rename in enumerate(self._renames, 1) if rename.sure), default=0)

    @property
    def changes(self) -> int:
        return len(self._renames)

    def _rename(self, item: _File | _Folder, gone: str | None, new: str | None, *, sure: bool = False) -> None:
        old_place, new_place = (None if path is None else self._place(path) for path in (gone, new))
        change = _Rename(item, old_place, new_place, sure)
        if change.gone is not None:
            del change.gone[0].entries[change.gone[1]]
        if change.new is not None:
            change.new[0].entries[change.new[1]] = item
        self._renames.append(change)

    def _place(self, path: str) -> _Place:
        *above, name = path[len(self._root) + 1 :].split("/")
        folder = self._top
        for each in above:
            found = folder.entries[each]
            assert isinstance(found, _Folder), path
            folder = found
        return folder, name

    def _file(self, inode: int) -> _File:
        found = self._inodes[inode]
        assert isinstance(found, _File)
        return found


def cuts(disk: Disk, seed: int) -> Iterator[tuple[str, Left]]:
    """Some folders that a power cut may leave now, the worst ones first, each with its name."""
    yield "only what was synced", disk.left(lambda _: False, lambda: "lost")
    yield "all names, unsynced files empty", disk.left(lambda _: True, lambda: "lost")
    yield "all names, unsynced files zeroed", disk.left(lambda _: True, lambda: "zeroed")
    yield "everything", disk.left(lambda _: True, lambda: "kept")
    chance = random.Random(seed)
    until = chance.randint(disk.last_sure, disk.changes)
    fates: tuple[Fate, ...] = ("lost", "zeroed", "kept")
    yield (
        f"the first {until} of {disk.changes} changes of names, files at random",
        disk.left(lambda number: number < until, lambda: chance.choice(fates)),
    )


def _bytes_of(writes: Iterable[tuple[_Write, Fate]]) -> bytes:
    made = bytearray()
    for write, fate in writes:
        if write.data is None:
            made = made[: write.offset].ljust(write.offset, b"\0")
            continue
        stop = write.offset + len(write.data)
        old = len(made)
        made.extend(bytes(max(0, stop - old)))
        if fate == "kept":
            made[write.offset : stop] = write.data
    return bytes(made)
