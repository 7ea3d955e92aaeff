"""Repairs a lake in a folder: what cannot be read goes, and what is lost is named, with where it can be read again."""

import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.lease.held_lake import HeldLake
from pipeline.lake.lease.writer_lease import WAIT_S, take_lease
from pipeline.lake.local_folder import local_folder
from pipeline.lake.repair.damage import damage_of
from pipeline.lake.repair.reconcile import reconcile
from pipeline.lake.repair.tables import move_aside, repair_tables, roll_backs
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.table_writer import TableWriter
from pipeline.ring.feed_ring import rings_in, rings_of_state
from pipeline.ring.repair import repair_rings
from schemas.errors import LakeError
from schemas.tables import SIDE_TABLES, TABLE_NAMES

_LEFTOVER = ".writing-*"  # folders that operators/runtime/atomic_write.py leaves when it is killed


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair did, or would do.

    done: a sentence for each damaged file. again: sources of which the next ingest reads what is lost. gone: what
    cannot come back, a sentence each. problems: those that `check` still finds; of a dry run, those that it finds now.
    """

    done: tuple[str, ...]
    again: tuple[str, ...]
    gone: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def repair(uri: str, *, dry_run: bool = False, wait_s: float = WAIT_S) -> RepairReport:
    """Repairs a lake. Damaged files are moved to its folder `.damaged`; nothing else of them is needed.

    dry_run: reports and changes nothing. wait_s: how long to wait for a writer of the lake to end.
    Raises LakeError for a bucket, for a folder without a lake, if another process writes it, or if nothing is left.
    """
    folder = local_folder(uri)
    if folder is None:
        raise LakeError(f"only a lake in a folder is repaired, got {uri}; a bucket keeps what was written as it was")
    if not any(folder.glob("*.lance")):
        raise LakeError(f"no lake at {uri}; make one with: regionlake ingest SOURCE --lake {uri}")
    if dry_run:
        return _look(uri, folder)
    lease = take_lease(uri, wait_s=wait_s)
    try:
        with lake_errors(f"repairing the lake {uri}"):
            done = [*repair_tables(folder), *_repair_state(folder), *repair_rings(rings_of_state(folder / ".live"))]
    finally:
        lease.release()
    lake = Lake.open(uri)
    held = HeldLake(lake, wait_s=wait_s)
    try:
        lake.migrate()
        losses = reconcile(lake, TableWriter(lake, held))
    finally:
        held.release()
    Committer(lake, plan=None, fold_shots=lambda *_: [], wait_s=wait_s).close()  # finishes what was interrupted
    return RepairReport(tuple(done), tuple(sorted(losses.again)), tuple(losses.gone), check(Lake.open(uri)).problems)


def _look(uri: str, folder: Path) -> RepairReport:
    damaged = [*roll_backs(folder)]
    for name in (*TABLE_NAMES, *SIDE_TABLES):
        damaged += damage_of(folder, name, reads=True, limit=2**62)
    done = [str(damage) for damage in dict.fromkeys(damaged)]
    done += [f"{path} is damaged ({why})" for path, why in _damaged_state(folder)]
    done += repair_rings(rings_of_state(folder / ".live"), dry_run=True)
    problems = () if damaged else check(Lake.open(uri)).problems
    return RepairReport(tuple(done), (), (), problems)


def _repair_state(folder: Path) -> list[str]:
    """Moves damaged files of a follower aside, and removes what killed writers left."""
    done = []
    for path, why in list(_damaged_state(folder)):
        move_aside(folder, path)
        done.append(f"{path} is damaged ({why}): what it held of a follower is lost")
    rings = [ring.folder for ring in rings_in(rings_of_state(folder / ".live"))]
    for place in (folder, folder / ".live", folder / ".live" / "spool", *rings):
        for leftover in place.glob(_LEFTOVER):
            shutil.rmtree(leftover)
            done.append(f"{leftover} was left by a killed process: removed")
    return done


def _damaged_state(folder: Path) -> list[tuple[Path, str]]:
    found = []
    for path in sorted((folder / ".live").rglob("*")):
        try:
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".zip":
                with zipfile.ZipFile(path) as archive:
                    broken = archive.testzip()
                if broken is not None:
                    raise ValueError(f"{broken} does not have its checksum")
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            found.append((path, str(error)))
    return found
