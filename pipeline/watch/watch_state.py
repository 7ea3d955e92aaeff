"""Keeps what a watcher must not forget: what it has seen and reported, and what is still to be written or sent."""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.watch.due import STAYS, TOLD, is_due
from pipeline.watch.standing_hit import StandingHit
from pipeline.watch.watch import Watch
from schemas.clock import Span, union
from schemas.errors import WatchError

_VERSION = 1
_TABLES = """
CREATE TABLE watches (name TEXT PRIMARY KEY, question TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE seen (
    source_id TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL, PRIMARY KEY (source_id, start)
) WITHOUT ROWID;
CREATE TABLE hits (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, line TEXT NOT NULL, found_at REAL NOT NULL,
    written INTEGER NOT NULL DEFAULT 0, settled INTEGER NOT NULL
);
CREATE TABLE files (path TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
"""
_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class KeptHit:
    """A hit that is still to be written or sent. found_at: seconds since 1970."""

    number: int
    id: str
    line: str
    found_at: float


class WatchState:
    """A SQLite file, open in one process at a time; every change is made whole or not at all, even under a kill.

    What has been seen is kept as spans of sources, not as ids of segments: a recording whose segments were all seen is
    one row, and a segment that replaces others with different borders counts as seen. A hit that was reported is never
    reported again, even after its rows were removed.
    Methods may be called from several threads. All raise WatchError where the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
            try:
                self._file.execute("PRAGMA locking_mode=EXCLUSIVE")  # until it is closed or the process dies
                self._file.execute("PRAGMA journal_mode=WAL")
                self._file.execute("PRAGMA synchronous=FULL")
                self._prepare()
            except BaseException:
                self._file.close()
                raise
        except (OSError, sqlite3.Error) as error:
            if "locked" in str(error):
                raise WatchError(
                    f"another watcher has {path} open; stop it, or give this one a --state of its own"
                ) from None
            raise WatchError(f"the state of the watch cannot be kept in {path}: {error}") from None

    def close(self) -> None:
        with self._lock:
            self._file.close()

    # -- watches ---------------------------------------------------------------------------------

    def watches(self) -> dict[str, str]:
        """The question of each watch that last used this state, by name."""
        with self._reading() as file:
            return dict(file.execute("SELECT name, question FROM watches"))

    def begin(self, watches: Sequence[Watch], *, seen: Mapping[str, Sequence[Span]]) -> None:
        """Replaces the watches of the state. seen: spans, by source id, of which they report nothing."""
        with self._changing() as file:
            file.execute("DELETE FROM watches")
            file.executemany("INSERT INTO watches VALUES (?, ?)", [(w.name, w.question) for w in watches])
            self._see(file, seen)

    # -- seen ------------------------------------------------------------------------------------

    def seen(self, source_ids: Sequence[str]) -> dict[str, list[Span]]:
        """The spans of these sources that have been seen, by source id."""
        spans: dict[str, list[Span]] = {name: [] for name in source_ids}
        names = list(spans)
        with self._reading() as file:
            for at in range(0, len(names), _IDS_AT_ONCE):
                some = names[at : at + _IDS_AT_ONCE]
                marks = ", ".join("?" * len(some))
                rows = file.execute(f"SELECT source_id, start, stop FROM seen WHERE source_id IN ({marks})", some)
                for source_id, start, stop in rows:
                    spans[source_id].append(Span(start, stop))
        return spans

    def record(self, hits: Sequence[StandingHit], *, seen: Mapping[str, Sequence[Span]], send: bool) -> int:
        """Keeps the hits of these spans, and the spans as seen, in one transaction.

        Returns how many of the hits are reported; cooldowns and least stays hold back the others. send: whether they
        are to be sent as well as written.
        """
        reported = 0
        with self._changing() as file:
            for hit in hits:
                if is_due(file, hit.watch, hit.hit):
                    row = (hit.id, hit.line, hit.found_at.timestamp(), not send)
                    new = file.execute(
                        "INSERT INTO hits (id, line, found_at, settled) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", row
                    )
                    reported += new.rowcount
            self._see(file, seen)
        return reported

    # -- what is still to be written and sent --------------------------------------------------------

    def unwritten(self) -> list[KeptHit]:
        with self._reading() as file:
            rows = file.execute("SELECT number, id, line, found_at FROM hits WHERE NOT written ORDER BY number")
            return [KeptHit(*row) for row in rows]

    def wrote(self, hits: Sequence[KeptHit], *, path: str, size: int) -> None:
        """Marks these hits as written to the file, which now has `size` bytes."""
        with self._changing() as file:
            file.executemany("UPDATE hits SET written = 1 WHERE number = ?", [(hit.number,) for hit in hits])
            file.execute("DELETE FROM hits WHERE written AND settled")
            file.execute("INSERT OR REPLACE INTO files VALUES (?, ?)", (path, size))

    def size_of(self, path: str) -> int:
        """The size of an output file in bytes after it was last written to; 0 if it never was."""
        with self._reading() as file:
            row = file.execute("SELECT bytes FROM files WHERE path = ?", (path,)).fetchone()
            return 0 if row is None else int(row[0])

    def first_unsent(self) -> KeptHit | None:
        with self._reading() as file:
            row = file.execute(
                "SELECT number, id, line, found_at FROM hits WHERE NOT settled ORDER BY number LIMIT 1"
            ).fetchone()
            return None if row is None else KeptHit(*row)

    def unsent(self) -> int:
        with self._reading() as file:
            return int(file.execute("SELECT count(*) FROM hits WHERE NOT settled").fetchone()[0])

    def settle(self, hit: KeptHit) -> None:
        """Marks a hit as delivered or given up."""
        with self._changing() as file:
            file.execute("UPDATE hits SET settled = 1 WHERE number = ?", (hit.number,))
            file.execute("DELETE FROM hits WHERE written AND settled")

    # -- SQLite ----------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._file
            except sqlite3.Error as error:
                raise WatchError(f"{self.path} cannot be read: {error}") from None

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._file.execute("BEGIN IMMEDIATE")
                try:
                    yield self._file
                    self._file.execute("COMMIT")
                except BaseException:
                    if self._file.in_transaction:
                        self._file.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise WatchError(f"{self.path} cannot be written: {error}; nothing of this step was kept") from None

    def _prepare(self) -> None:
        (version,) = self._file.execute("PRAGMA user_version").fetchone()
        if version == 0:
            with self._changing() as file:
                for statement in filter(str.strip, _TABLES.split(";")):
                    file.execute(statement)
                file.execute(TOLD)
                file.execute(f"PRAGMA user_version={_VERSION}")
        elif version != _VERSION:
            raise WatchError(
                f"{self.path} has version {version}, this RegionLake reads {_VERSION}; give another file with --state"
            )
        with self._changing() as file:
            file.execute(STAYS)

    @staticmethod
    def _see(file: sqlite3.Connection, seen: Mapping[str, Sequence[Span]]) -> None:
        for source_id, spans in seen.items():
            rows = file.execute("SELECT start, stop FROM seen WHERE source_id = ?", (source_id,)).fetchall()
            file.execute("DELETE FROM seen WHERE source_id = ?", (source_id,))
            united = union([*spans, *(Span(*row) for row in rows)])
            file.executemany("INSERT INTO seen VALUES (?, ?, ?)", [(source_id, s.start, s.stop) for s in united])
