"""Forgets what watches remember: what they have seen and reported, hits that wait, and the files that they wrote."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from operators.runtime.atomic_write import atomic_write
from pipeline.forget.places import Place
from pipeline.watch.due import STAYS
from schemas.errors import WatchError
from schemas.sources import feed_name


def forget_hits(state: Path, places: Sequence[Place]) -> int:
    """Forgets these places in the state of a watch and in the files it wrote; returns how many hits that were.

    Raises WatchError where a watcher has the state open, or a file cannot be changed.
    """
    try:
        with closing(sqlite3.connect(state, timeout=1.0, isolation_level=None)) as file:
            file.execute("PRAGMA locking_mode=EXCLUSIVE")
            file.execute("PRAGMA secure_delete=ON")
            file.execute("BEGIN IMMEDIATE")
            file.execute(STAYS)  # not in files of earlier releases
            outputs = [(path, size) for path, size in file.execute("SELECT path, bytes FROM files").fetchall()]
            hits = _forget_rows(file, places)
            for path, size in outputs:
                removed, before = forget_lines(Path(path), places, below=size)
                hits += removed
                file.execute("UPDATE files SET bytes = ? WHERE path = ?", (size - before, path))
            file.execute("COMMIT")
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            file.execute("VACUUM")
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise WatchError(f"a watcher has {state} open; stop it, and run this again") from None
        raise WatchError(f"{state} cannot be changed: {error}") from None
    letters, _ = forget_lines(state.with_suffix(".dead-letter.jsonl"), places, below=0)
    return hits + letters


def forget_lines(path: Path, places: Sequence[Place], *, below: int) -> tuple[int, int]:
    """Removes the lines of hits in these places from a file of JSON lines.

    Returns how many lines these were, and how many of their bytes were within the first `below` bytes of the file.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return 0, 0
    at = removed_bytes = removed = 0
    kept = []
    for line in lines:
        if _is_forgotten(line, places):
            removed += 1
            removed_bytes += len(line) if at < below else 0
        else:
            kept.append(line)
        at += len(line)
    if removed:
        mode = path.stat().st_mode & 0o777
        with atomic_write(path) as made:
            made.write_bytes(b"".join(kept))
            made.chmod(mode)
    return removed, removed_bytes


def _forget_rows(file: sqlite3.Connection, places: Sequence[Place]) -> int:
    going = [
        number
        for number, line in file.execute("SELECT number, line FROM hits").fetchall()
        if _is_forgotten(line.encode(), places)
    ]
    file.executemany("DELETE FROM hits WHERE number = ?", [(number,) for number in going])
    for place in places:
        if place.span is None:  # the rest of a source that is cut stays seen
            file.execute("DELETE FROM seen WHERE source_id = ?", (place.source_id,))
        start, stop = _moments(place)
        for name, low, high in (
            (place.source_id, _begins(place), _ends(place)),
            (feed_name(place.source), start, stop),
        ):
            file.execute("DELETE FROM told WHERE place = ? AND moment >= ? AND moment < ?", (name, low, high))
            # also one that begins before it or ends after it
            file.execute("DELETE FROM stays WHERE place = ? AND last >= ? AND began < ?", (name, low, high))
    return len(going)


def _begins(place: Place) -> float:
    """In seconds within the source."""
    return float("-inf") if place.span is None or place.clock is None else place.clock.seconds(place.span.start)


def _ends(place: Place) -> float:
    return float("inf") if place.span is None or place.clock is None else place.clock.seconds(place.span.stop)


def _moments(place: Place) -> tuple[float, float]:
    """Begin and end in seconds since 1970; empty where the source does not say when it was recorded."""
    if place.clock is None or place.clock.start_time is None or place.all_of is None:
        return 0.0, 0.0
    span = place.span or place.all_of
    start, stop = place.clock.utc(span.start), place.clock.utc(span.stop)
    return (0.0, 0.0) if start is None or stop is None else (start.timestamp(), stop.timestamp())


def _is_forgotten(line: bytes, places: Sequence[Place]) -> bool:
    try:
        hit = json.loads(line)
        hit = hit.get("hit", hit)  # a dead letter holds the hit
        moments = [(each["source"], float(each["pts_s"])) for each in (hit, hit.get("then") or hit)]
    except (ValueError, TypeError, KeyError, AttributeError):  # a line of another program
        return False
    return any(
        place.source == source and _begins(place) <= s < _ends(place) for place in places for source, s in moments
    )
