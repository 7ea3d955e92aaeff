"""Forgets places of a lake, in its tables and their versions and in what is kept beside it; then looks for traces."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cattrs
import cattrs.preconf.json

from operators.runtime.atomic_write import atomic_write
from operators.runtime.own_folder import user_cache_folder
from pipeline.forget.places import Place, pinned_places
from pipeline.forget.purge import purge
from pipeline.forget.traces import Needles, Traces, needles_of, traces_in_files, traces_in_tables
from pipeline.forget.waiting_rows import forget_waiting
from pipeline.forget.watch_hits import forget_hits
from pipeline.labels.label_table import Labels
from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.pins import Pin, Pins
from pipeline.lake.upkeep.upkeep_folder import UpkeepFolder
from pipeline.lake.upkeep.upkeep_status import write_upkeep_status
from pipeline.lake.writing.committer import Committer
from pipeline.live.status.state_folder import StateFolder
from pipeline.reading.addresses import is_remote
from pipeline.ring.erase import ErasedSpan, erase, left_of
from pipeline.ring.feed_ring import is_video, rings_of_state
from schemas.errors import LakeError
from schemas.tables import TableName

_RECORD = "forgetting.json"
_BLOCK = 2**20
_converter = cattrs.preconf.json.make_converter()
_converter.register_unstructure_hook(Fraction, str)
_converter.register_structure_hook(Fraction, lambda value, _: Fraction(value))


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was forgotten. rows: number of rows by table, thumbnails among those of `frames`. waiting: files with rows
    or counts that waited for the lake. labels: of people. hits: of watches. downloads: files of the cache.
    video_bytes: of feeds."""

    rows: dict[TableName, int]
    pins: int
    labels: int
    waiting: int
    hits: int
    downloads: int
    video_bytes: int
    ids: int
    thumbnails: int
    traces: Traces

    @property
    def proved(self) -> bool:
        """Whether nothing was found afterwards."""
        return not self.traces.found


@dataclass(frozen=True, slots=True)
class _Record:
    """What is being forgotten, on disk until it is done: a later run finds what a killed one left."""

    places: tuple[Place, ...] = ()
    needles: Needles = field(default_factory=Needles)


def forget(
    lake: Lake,
    places: Sequence[Place],
    *,
    open_writer: Callable[[], AbstractContextManager[Committer]],
    pinned: bool,
    alone: bool = True,
    cache: Path | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> Forgotten:
    """Forgets these places, and those that an earlier call which was killed had begun to forget.

    open_writer: opens the lake's committer, which needs no plan. pinned: also where something is pinned. alone: False
    in the process of a follower, which commits beside it. cache: of downloads; the user's by default.
    Raises LakeError where something is pinned, the lake is being written, or a file cannot be changed.
    """
    state = StateFolder.of(lake.uri)
    with open_writer() as writer:
        record = _begun(state, lake, places)
        places = record.places
        _refuse_pinned(lake, places, pinned=pinned)
        with atomic_write(state.path / _RECORD) as path:
            path.write_text(_converter.dumps(record))
        rows = {name: sum(lake.count(name, where=_where(name, place)) for place in places) for name in _COUNTED}
        on_step("forgetting what waits for the lake and what watches remember")
        # before the rows: these name the source, so an interrupted call can be repeated by the same name
        hits = sum(forget_hits(path, places) for path in sorted((state.path / "watch").glob("*.sqlite")))
        waiting = forget_waiting(state, places)
        video = erase(rings_of_state(state.path), _video_of(places))
        downloads = _forget_downloads(places, cache or user_cache_folder() / "downloads")
        on_step("removing rows")
        inside = [place for place in places if place.in_lake]
        while inside:  # in one change each, unless several spans of a source are forgotten
            first = {place.source_id: place for place in reversed(inside)}
            writer.upkeep.erase(
                [name for name, place in first.items() if place.span is None],
                {name: place.span for name, place in first.items() if place.span is not None},
                pinned=lambda: [] if pinned else [pin.source_id for pin in pinned_places(lake, places)],
            )
            inside = [place for place in inside if place is not first[place.source_id]]
        pins = _forget_pins(lake, places)
        labels = Labels(lake).forget(places)
        _forget_upkeep(state, places)
        on_step("rewriting files and deleting older versions")
        purge(lake, turn=writer.upkeep.turn, alone=alone)
        on_step("looking for traces")
        rings = rings_of_state(state.path)
        found = [*traces_in_tables(Lake.open(lake.uri), places), *left_of(rings, _video_of(places))]
        searched = traces_in_files(_files(lake, state), [*record.needles.ids, *record.needles.thumbnails])
        traces = Traces(searched.files, searched.bytes, (*found, *searched.found))
        if not traces.found:
            (state.path / _RECORD).unlink()
    needles = record.needles
    return Forgotten(
        rows, pins, labels, waiting, hits, downloads, video, len(needles.ids), len(needles.thumbnails), traces
    )


def places_to_json(places: Sequence[Place]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _converter.unstructure(list(places), list[Place])
    return found


def places_from_json(stored: list[dict[str, Any]]) -> list[Place]:
    return _converter.structure(stored, list[Place])


def forgotten_to_json(done: Forgotten) -> dict[str, Any]:
    found: dict[str, Any] = _converter.unstructure(done)
    return found


def forgotten_from_json(stored: dict[str, Any]) -> Forgotten:
    return _converter.structure(stored, Forgotten)


_COUNTED: tuple[TableName, ...] = ("sources", "segments", "shots", "frames", "regions", "patches")


def earlier_places(lake: Lake) -> tuple[Place, ...]:
    """The places that a call which was killed had begun to forget."""
    return _read(StateFolder.of(lake.uri)).places


def _begun(state: StateFolder, lake: Lake, places: Sequence[Place]) -> _Record:
    """The record of what is to be forgotten now, and of what an earlier call did not finish."""
    earlier = _read(state)
    known = {(place.source_id, place.span) for place in earlier.places}
    new = [place for place in places if (place.source_id, place.span) not in known]
    found = needles_of(lake, [place for place in new if place.in_lake])
    ids = sorted({*earlier.needles.ids, *found.ids})
    thumbnails = sorted({*earlier.needles.thumbnails, *found.thumbnails})
    return _Record((*earlier.places, *new), Needles(tuple(ids), tuple(thumbnails)))


def _read(state: StateFolder) -> _Record:
    try:
        return _converter.loads((state.path / _RECORD).read_text(), _Record)
    except FileNotFoundError:
        return _Record()
    except (OSError, ValueError, cattrs.BaseValidationError) as error:
        raise LakeError(f"{state.path / _RECORD} is damaged: {error}; remove it, and forget again") from None


def _refuse_pinned(lake: Lake, places: Sequence[Place], *, pinned: bool) -> None:
    found = sorted({pin.source for pin in pinned_places(lake, places)})
    if found and not pinned:
        raise LakeError(f"something is pinned in {', '.join(found)}; unpin it, or pass --pinned")


def _where(name: str, place: Place) -> str:
    """The condition in SQL for the rows of a table that concern a place."""
    if name in ("frames", "regions", "patches"):
        return place.rows
    if place.span is None:
        return sql.equals("id" if name == "sources" else "source_id", place.source_id)
    if name == "sources":
        return "FALSE"
    meets = f"start < {place.span.stop} AND stop > {place.span.start}"
    return sql.all_of(sql.equals("source_id", place.source_id), meets)


def _video_of(places: Sequence[Place]) -> Iterator[ErasedSpan]:
    for place in places:
        span = place.span or place.all_of
        if span is not None:
            yield ErasedSpan(place.source, place.source_id, span, whole=place.span is None)


def _forget_pins(lake: Lake, places: Sequence[Place]) -> int:
    """Removes the pins of whole sources, and those that lie within a span."""
    by_id = {place.source_id: place for place in places}

    def goes(pin: Pin) -> bool:
        place = by_id[pin.source_id]
        return place.span is None or (pin.span is not None and not pin.span.minus([place.span]))

    return Pins(lake).remove([pin.id for pin in pinned_places(lake, places) if goes(pin)])


def _forget_upkeep(state: StateFolder, places: Sequence[Place]) -> None:
    """Removes ids from what upkeep has held back, and from releases."""
    whole = {place.source_id for place in places if place.span is None}
    folder = UpkeepFolder(state.path)
    status = folder.last_status()
    if status is not None and status.last is not None:
        held = tuple(replace(each, ids=tuple(n for n in each.ids if n not in whole)) for each in status.last.held)
        if held != status.last.held:
            write_upkeep_status(folder.status, replace(status, last=replace(status.last, held=held)))
    for path, release in folder.releases().items():
        left = tuple(name for name in release.ids if name not in whole)
        if left != release.ids:
            if left:
                folder.release(replace(release, ids=left))
            path.unlink()


def _forget_downloads(places: Sequence[Place], cache: Path) -> int:
    """Deletes the downloaded copies of whole sources: the id of a file is the hash of its bytes."""
    ids = {place.source_id for place in places if place.span is None and is_remote(place.source)}
    removed = 0
    for path in sorted(cache.iterdir()) if ids and cache.is_dir() else ():
        content = hashlib.blake2b(digest_size=16)
        with suppress(FileNotFoundError, IsADirectoryError), path.open("rb") as file:
            while block := file.read(_BLOCK):
                content.update(block)
            if content.hexdigest() in ids:
                path.unlink()
                removed += 1
    return removed


def _files(lake: Lake, state: StateFolder) -> Iterator[Path]:
    folders = {state.path} if lake.folder is None else {lake.folder, state.path}
    found = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
    rings = rings_of_state(state.path)  # of whose video every span is looked at, and no byte: it may be terabytes
    for path in sorted(found):
        # an audit log says who requested which ids, and outlives what they named
        if path.name != _RECORD and not path.is_relative_to(state.audit) and not is_video(rings, path):
            yield path
