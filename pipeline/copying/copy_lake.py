"""Copies a lake while it is written: as it was at one moment, with what lies beside its tables."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from operators.runtime.atomic_write import atomic_write
from operators.runtime.file_sync import make_folder, sync_files, sync_folder
from pipeline.copying.files import copy_file, is_manifest, other_files, same_file, side_tables, table_files, take_from
from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.lease.folder_lease import holder_of_folder
from pipeline.lake.local_folder import local_folder
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.errors import LakeError

MARK = ".copy.json"  # of a copy: what it is a copy of, and when it is complete, what nobody has written to it since
_NUMBER = ".writer.number"
_MOST_AUDITS = 5
_MOST_ROUNDS = 100  # a compaction makes other files of those that are being copied; most were copied already


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What was copied. rows: of each table. files, bytes: of the copy. copied_bytes: those that the last copy lacked.

    moment: when the lake was as the copy is, ISO 8601 in UTC. checked: whether the copy was audited.
    """

    rows: dict[str, int]
    files: int
    bytes: int
    copied_bytes: int
    moment: str
    checked: bool


def copy_lake(
    source: str, target: str, *, video: bool = False, audit: bool = True, time: TimeSource = REAL_TIME
) -> CopyReport:
    """Copies the lake in the folder `source` to the folder `target`, or brings the copy there up to date.

    The copy is made beside `target`, audited, and takes its name when it is complete and durable. It may be killed at
    any moment: the earlier copy stays, and the next call continues. Readers and the writer of the source need not wait.
    video: with the video of feeds. audit: whether the copy is audited as `regionlake check` does it.
    Raises LakeError where one of the lakes is no folder, or `target` is something other than a copy that nobody wrote
    to, or a folder beside it has the name that an unfinished copy has, and where the copy does not pass its audit.
    """
    original, made = _folder(source), _folder(target)
    part, before = (made.with_name(made.name + suffix) for suffix in (".copying", ".before"))
    _require_apart(original, made, part, before)
    for place in (part, before):
        _require_own(place)
    lake = Lake.open(source)
    with _alone(part, of=original):
        if before.is_dir() and not made.exists():
            before.rename(made)  # a call that was killed between its two renamings
        _require_replaceable(made, target)
        kept, copied_bytes, moment = _fill_soundly(part, lake, original, made, video=video, audit=audit, time=time)
        _seal(part, kept, {"of": str(original), "moment": moment})
        copy = Lake.open(str(part))
        report = CopyReport(
            {name: copy.count(name) for name in copy.names},
            files=len(kept),
            bytes=sum((part / name).stat().st_size for name in kept),
            copied_bytes=copied_bytes,
            moment=moment,
            checked=audit,
        )
        _take_place(part, made, before)
    return report


def _fill_soundly(
    part: Path, lake: Lake, original: Path, earlier: Path, *, video: bool, audit: bool, time: TimeSource
) -> tuple[set[Path], int, str]:
    """Makes `part` a copy that passes its audit. Returns its files, the bytes that were copied, and the moment."""
    copied_bytes = 0
    for _ in range(_MOST_AUDITS):
        moment = time.utc().isoformat()
        kept, copied = _fill(part, lake, original, earlier, video=video)
        copied_bytes += copied
        problems = check(Lake.open(str(part))).problems if audit else ()
        if not problems:
            return kept, copied_bytes, moment
        # else the writer of the lake was in the middle of a long commit
    raise LakeError(
        f"the copy of {lake.uri} does not pass its audit, and {earlier} was left as it was: {problems[0]}; "
        f"run: regionlake check --lake {lake.uri}"
    )


def _seal(part: Path, kept: set[Path], mark: dict[str, str]) -> None:
    """Makes the copy durable, with a mark that says so."""
    with atomic_write(part / MARK) as path:
        path.write_text(json.dumps({**mark, **_written(part)}))
    sync_files(part / name for name in kept)
    copy = Lake.open(str(part))
    copy.make_durable()
    copy.durability.sync(side_tables(copy.uri).items())


def _fill(part: Path, lake: Lake, original: Path, earlier: Path, *, video: bool) -> tuple[set[Path], int]:
    """Makes `part` a copy. Returns its files, relative to it, and the bytes that were copied."""
    copied = 0
    for _ in range(_MOST_ROUNDS):
        # what lies there is small, and changed in place; video is taken from the last copy
        shutil.rmtree(part / ".live", ignore_errors=True)
        files = table_files(lake, original)
        # with the manifests of an earlier round gone, a copy that is killed now is no lake
        for manifest in part.glob("*.lance/_versions/*"):
            manifest.unlink()
        try:
            first = [path for path in files if not is_manifest(path)]
            last = [path for path in files if is_manifest(path)]
            for path in (*first, *other_files(original, video=video), *last):
                copied += _brought(path, original, part, earlier)
        except FileNotFoundError:  # upkeep or retention removed what the snapshot was read from
            continue
        wanted = {path.relative_to(original) for path in (*files, *other_files(original, video=video))}
        return _keep_only(part, wanted), copied
    raise LakeError(
        f"{lake.uri} changes faster than it can be copied: its files were replaced {_MOST_ROUNDS} times; "
        "copy it to a faster disk, or while nothing is written"
    )


def _keep_only(part: Path, wanted: set[Path]) -> set[Path]:
    """Deletes the other files of the copy, but its mark. Returns those that are left, relative to it."""
    kept = set()
    for path in [path for path in part.rglob("*") if path.is_file()]:
        name = path.relative_to(part)
        if name in wanted:
            kept.add(name)
        elif name != Path(MARK):
            path.unlink()
    return kept


def _brought(path: Path, original: Path, part: Path, earlier: Path) -> int:
    """Brings a file into the copy; returns the bytes that were copied for it."""
    name = path.relative_to(original)
    if same_file(path, part / name):
        return 0
    if same_file(path, earlier / name):
        take_from(earlier / name, part / name)
        return 0
    return copy_file(path, part / name)


def _take_place(part: Path, made: Path, before: Path) -> None:
    """The copy takes its name; an earlier one is removed after that."""
    shutil.rmtree(before, ignore_errors=True)
    if made.exists():
        made.rename(before)
    part.rename(made)
    sync_folder(made.parent)
    shutil.rmtree(before, ignore_errors=True)


def _require_replaceable(made: Path, target: str) -> None:
    if not made.exists():
        return
    mark = _mark(made)
    if mark is None or "lease" not in mark:
        if made.is_dir() and not any(made.iterdir()):
            return
        raise LakeError(
            f"{target} is there, and is no copy that `regionlake copy` made; move it away, or choose another folder"
        )
    if holder_of_folder(made) is not None or any(mark.get(name) != value for name, value in _written(made).items()):
        raise LakeError(
            f"{target} was a copy, and has been written to since, which would be lost; move it away, or choose another "
            "folder"
        )


def _require_apart(original: Path, made: Path, part: Path, before: Path) -> None:
    """Raises LakeError where the copy, or a folder that is emptied for it, is within the lake or around it."""
    for place in (made, part, before):
        if place == original or original in place.parents or place in original.parents:
            raise LakeError(
                f"a copy of {original} cannot be at {made}: neither may be within the other, and {part.name} and "
                f"{before.name} are names of the copy that is being made, and of the one before it"
            )


def _require_own(folder: Path) -> None:
    """Raises LakeError for a folder that is to be emptied, and that no earlier call made."""
    if not os.path.lexists(folder) or _mark(folder) is not None:
        return
    # a call that was killed at its beginning leaves no more than an unfinished mark
    if not folder.is_dir() or any(not path.name.startswith(".writing-") for path in folder.iterdir()):
        raise LakeError(
            f"{folder} is there, and was not left by an earlier `regionlake copy`, which deletes what such folders "
            "have; move it away, or choose another folder for the copy"
        )


def _mark(folder: Path) -> dict[str, Any] | None:
    try:
        mark = json.loads((folder / MARK).read_text())
    except (OSError, ValueError):
        return None
    return mark if isinstance(mark, dict) else None


def _written(folder: Path) -> dict[str, object]:
    """What changes when somebody writes to the lake in this folder: the number of the lease, and the versions of the
    tables that need none."""
    versions = {name: dataset.version for name, dataset in side_tables(str(folder)).items()}
    return {"lease": _number(folder), "tables": versions}


def _number(folder: Path) -> int:
    try:
        return int((folder / _NUMBER).read_text())
    except FileNotFoundError:  # written by an older release alone
        return 0


def _folder(uri: str) -> Path:
    folder = local_folder(uri)
    if folder is None:
        raise LakeError(f"lakes are copied from folder to folder, got {uri}; copy a bucket by the tools of its store")
    return folder.resolve()


@contextmanager
def _alone(part: Path, *, of: Path) -> Iterator[None]:
    """One copy is made at a time. Its folder has a mark from the beginning."""
    make_folder(part.parent)
    lock = part.with_name(f".{part.name}.lock")
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), lock.stat()):  # a call that has ended deleted that one
                raise FileNotFoundError
        except OSError:
            raise LakeError(f"another process is making the copy at {part}; wait for it") from None
        part.mkdir(exist_ok=True, mode=0o700)
        if _mark(part) is None:
            with atomic_write(part / MARK) as path:
                path.write_text(json.dumps({"of": str(of)}))
        yield
    lock.unlink(missing_ok=True)


def report_json(report: CopyReport) -> dict[str, object]:
    return {"ok": True, **asdict(report)}
