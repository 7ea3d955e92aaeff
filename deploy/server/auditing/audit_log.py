"""A file of JSON lines, one for each request that is audited, which is rotated by its size."""

import contextlib
import json
import os
import re
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pipeline.live.status.state_folder import StateFolder
from pipeline.runtime.threads import SupervisedThread
from schemas.errors import LakeError

Entry = Mapping[str, Any]  # at, who, from, action, status, what
MOST_BYTES = 16 * 2**20  # of a file
MOST_FILES = 16
SYNC_S = 1.0
_NAME = "audit.jsonl"
_FORMER = re.compile(r"audit-\d{8}T\d{12}Z\.jsonl")
_MODE = 0o600


def audit_folder(lake: str) -> Path:
    """Where the log of a lake is: beside its rows."""
    return StateFolder.of(lake).audit


class AuditLog:
    """Appends to `audit.jsonl` in a folder, each line by one call of the system. Any thread may call it.

    A file that has grown to `most_bytes` is renamed with the time, and the oldest are removed: `most_files` are kept.
    A line survives the end of this process at once, and a loss of power within a second, or at once if `sync` is said.
    Raises LakeError where a line cannot be written.
    """

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES) -> None:
        self._folder = folder
        self._path = folder / _NAME
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._ended = threading.Event()
        self._file: int | None = None
        with self._errors(), self._lock:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._opened()
        self._thread = SupervisedThread("audit", self._run)

    @classmethod
    def of(cls, lake: str) -> Self:
        """The log of a lake, beside its rows, in a folder that its user alone may enter."""
        StateFolder.of(lake).make_own()
        return cls(audit_folder(lake))

    def write(self, entry: Entry, *, sync: bool = False) -> None:
        line = json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        with self._errors():
            with self._lock:
                file = self._opened()
                if os.fstat(file).st_size + len(line) > self._most_bytes and os.fstat(file).st_size:
                    file = self._rotated()
                if os.write(file, line) != len(line):  # the disk is full
                    self._file = None  # what writes next opens it again, and so ends the torn line first
                    os.close(file)
                    raise OSError("a line was not written whole")
            if sync:
                self._sync()
            else:
                self._news.set()

    def close(self) -> None:
        self._ended.set()
        self._news.set()
        self._thread.end()
        self._thread.join()
        with contextlib.suppress(OSError), self._lock:
            if self._file is not None:
                os.fsync(self._file)
                os.close(self._file)
            self._file = None

    def _opened(self) -> int:
        if self._file is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            file = os.open(self._path, flags, _MODE)
            try:
                self._end_line(file)
            except OSError:
                os.close(file)
                raise
            self._file = file
        return self._file

    def _end_line(self, file: int) -> None:
        """A process that was killed, or a full disk, may have left a part of a line, to which nothing may be added."""
        if not os.fstat(file).st_size:
            return
        with self._path.open("rb") as written:
            written.seek(-1, os.SEEK_END)
            if written.read() != b"\n":
                os.write(file, b"\n")

    def _rotated(self) -> int:
        assert self._file is not None
        os.fsync(self._file)
        os.close(self._file)
        self._file = None
        name = f"audit-{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z.jsonl"
        self._path.rename(self._folder / name)
        for old in former(self._folder)[: 1 - self._most_files]:
            old.unlink(missing_ok=True)
        return self._opened()

    def _sync(self) -> None:
        with self._lock:
            if self._file is None:
                return
            file = os.dup(self._file)  # it may be rotated meanwhile
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._news.wait()
            self._news.clear()
            with contextlib.suppress(OSError):  # the next line reports it
                self._sync()
            self._ended.wait(SYNC_S)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LakeError(
                f"what was asked cannot be recorded in {self._path}, and is not answered: {error}"
            ) from None


def former(folder: Path) -> list[Path]:
    """The files that are full, oldest first."""
    return sorted(path for path in folder.glob("audit-*.jsonl") if _FORMER.fullmatch(path.name))


def read_audit(folder: Path) -> Iterator[Entry]:
    """The entries of all files, oldest first. Lines that are torn are skipped. Raises LakeError."""
    for path in (*former(folder), folder / _NAME):
        try:
            with path.open("rb") as file:
                for line in file:
                    with contextlib.suppress(ValueError):
                        entry = json.loads(line)
                        if isinstance(entry, dict) and {"at", "who", "action"} <= set(entry):
                            yield entry
        except FileNotFoundError:  # removed by a rotation, or nothing was audited yet
            continue
        except OSError as error:
            raise LakeError(f"{path} cannot be read: {error.strerror}") from None


def chosen(
    entries: Iterable[Entry],
    *,
    who: str | None = None,
    actions: Collection[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    contains: str | None = None,
) -> Iterator[Entry]:
    """The entries with all of these; actions: any of them. contains: a text in the entry's JSON."""
    for entry in entries:
        at = datetime.fromisoformat(str(entry["at"]))
        if (
            (who is None or entry["who"] == who)
            and (not actions or entry["action"] in actions)
            and (since is None or at >= since)
            and (until is None or at < until)
            and (contains is None or contains in json.dumps(entry, ensure_ascii=False))
        ):
            yield entry
