"""Looks for what was forgotten: in the bytes of files, and in every version of a lake's tables."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.forget.places import Place
from pipeline.lake import sql
from pipeline.lake.lake import Lake, lake_errors, open_dataset
from schemas.tables import SIDE_TABLES, TABLE_NAMES

_HEAD = 8  # bytes of a needle by which it is looked up
_LONGEST = 64
_CHUNK = 2**23
_MIX = np.uint64(0x9E3779B97F4A7C15)
_AT_MOST = 200_000  # ids and thumbnails of a place each: a sample of larger ones


@dataclass(frozen=True, slots=True)
class Needles:
    """Bytes to look for. ids: as text. thumbnails: a stretch from the middle of each."""

    ids: tuple[bytes, ...] = ()
    thumbnails: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Traces:
    """The result of a search: files and bytes that were read, and where something was found."""

    files: int
    bytes: int
    found: tuple[str, ...]


def needles_of(lake: Lake, places: Sequence[Place]) -> Needles:
    """Ids of the places' rows (of whole sources their own too), and stretches of their thumbnails."""
    ids: set[bytes] = set()
    thumbnails: set[bytes] = set()
    for place in places:
        if place.span is None:
            ids.add(place.source_id.encode())
        for name in ("frames", "regions"):
            columns = ["id", "thumbnail"] if name == "frames" else ["id"]
            reader = lake.dataset("frames" if name == "frames" else "regions").scanner(
                columns=columns, filter=place.rows, batch_size=1024
            )
            with lake_errors(f"reading {name} of {lake.uri}"):
                taken = 0
                for batch in reader.to_batches():
                    if taken >= _AT_MOST:
                        break
                    taken += batch.num_rows
                    ids.update(text.encode() for text in batch.column("id").to_pylist())
                    if name == "frames":
                        thumbnails.update(map(_middle, batch.column("thumbnail").to_pylist()))
    return Needles(tuple(sorted(ids)), tuple(sorted(each for each in thumbnails if len(each) == _LONGEST)))


def traces_in_files(files: Iterable[Path], needles: Sequence[bytes]) -> Traces:
    """Reads the files, and returns those that contain one of the needles (each of 8 to 64 bytes)."""
    searched = _Searched(needles)
    count = size = 0
    found: list[str] = []
    for path in files:
        try:
            with path.open("rb") as file:
                count += 1
                hit = False
                tail = b""
                while block := file.read(_CHUNK):
                    size += len(block)
                    hit = hit or searched.is_in(tail + block)
                    tail = block[-_LONGEST:]
        except FileNotFoundError:  # a file of another process, for example of a search, which is gone
            continue
        if hit:
            found.append(str(path))
    return Traces(count, size, tuple(found))


def traces_in_tables(lake: Lake, places: Sequence[Place]) -> list[str]:
    """What is left of places in any version of any table that can still be opened, as sentences."""
    found = []
    for name in (*TABLE_NAMES, *SIDE_TABLES):
        with lake_errors(f"reading {name} of {lake.uri}"):
            newest = open_dataset(lake.uri, name)
            for version in newest.versions() if newest is not None else ():
                assert newest is not None
                data = newest.checkout_version(version["version"])
                found += [f"version {data.version} of {name}: {left}" for left in _left(data, name, places)]
    return found


def _left(data: Any, name: str, places: Sequence[Place]) -> Iterator[str]:
    if name in ("plans", "words"):  # they name no source
        return
    for place in places:
        if name in ("frames", "regions", "patches", "labels"):
            rows = data.count_rows(place.rows)
        elif name == "segments" and place.span is not None:
            span = place.span
            meets = f"start < {span.stop} AND stop > {span.start} AND state <> 'removed'"
            rows = data.count_rows(sql.all_of(sql.equals("source_id", place.source_id), meets))
        elif name == "shots" and place.span is not None:
            meets = f"start < {place.span.stop} AND stop > {place.span.start}"
            rows = data.count_rows(sql.all_of(sql.equals("source_id", place.source_id), meets))
        elif place.span is None:
            rows = data.count_rows(sql.equals("id" if name == "sources" else "source_id", place.source_id))
        else:
            rows = 0
        if rows:
            yield f"{rows:,} rows of {place.source}"


def _middle(thumbnail: bytes) -> bytes:
    """A stretch that differs between pictures: headers are alike."""
    start = max(0, len(thumbnail) // 2 - _LONGEST // 2)
    return thumbnail[start : start + _LONGEST]


class _Searched:
    """Finds any of many needles in a block of bytes: by their first eight bytes, which few other places begin with."""

    def __init__(self, needles: Sequence[bytes]) -> None:
        self._by_head: dict[int, list[bytes]] = {}
        for needle in needles:
            self._by_head.setdefault(int.from_bytes(needle[:_HEAD], "little"), []).append(needle)
        self._heads = np.array(sorted(self._by_head), np.uint64)
        bits = max(16, int(len(self._heads) * 64).bit_length())
        self._shift = np.uint64(64 - bits)
        self._maybe = np.zeros(2**bits, np.bool_)
        self._maybe[self._slots(self._heads)] = True

    def is_in(self, block: bytes) -> bool:
        if not len(self._heads):
            return False
        for offset in range(min(_HEAD, len(block) - _HEAD + 1)):
            words = np.frombuffer(block, "<u8", count=(len(block) - offset) // _HEAD, offset=offset)
            some = np.flatnonzero(self._maybe[self._slots(words)])
            for at in some[np.isin(words[some], self._heads)].tolist():
                start = offset + at * _HEAD
                if any(block.startswith(needle, start) for needle in self._by_head[int(words[at])]):
                    return True
        return False

    def _slots(self, words: NDArray[np.uint64]) -> NDArray[np.uint64]:
        mixed: NDArray[np.uint64] = (words * _MIX) >> self._shift
        return mixed
