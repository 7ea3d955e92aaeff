"""One commit, or one write to the spool, of which the n-th system call or allocation fails."""

import errno
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from pipeline.live.commits.batch import Batch
from pipeline.live.commits.spool import Spool
from schemas.errors import LakeError
from tests.pipeline.lake.synthetic import SPACE
from tests.powerloss.calls.log import read_log
from tests.powerloss.calls.shim import Kind, Shim
from tests.powerloss.calls.victims import Ended, Victims
from tests.powerloss.disk import Disk, cuts
from tests.powerloss.workload import WORLDS, open_writer, rows_of

BEGUN, NEW = WORLDS[:2]
ROWS = [rows_of(BEGUN)[1], *rows_of(NEW)]  # it completes a source, and makes another one from the beginning


@dataclass(frozen=True, slots=True)
class Failure:
    """Which calls fail: the n-th of these kinds, and if `on` all after it."""

    kinds: tuple[Kind, ...]
    error: int
    on: bool = False

    def __str__(self) -> str:
        names = " or ".join(kind.name.lower() for kind in self.kinds)
        return f"{errno.errorcode[self.error]} from {names}{' and all after it' if self.on else ''}"


_NAMES = (Kind.RENAME, Kind.LINK, Kind.UNLINK, Kind.RMDIR)
CALLS = (
    Failure((Kind.WRITE, Kind.CREATE, Kind.MKDIR), errno.EIO),
    Failure((Kind.WRITE, Kind.CREATE, Kind.MKDIR), errno.ENOSPC, on=True),
    Failure(_NAMES, errno.EIO),
    Failure(_NAMES, errno.EIO, on=True),
    Failure((Kind.SYNC, Kind.SYNC_FOLDER), errno.EIO),
    Failure((Kind.SYNC, Kind.SYNC_FOLDER), errno.EIO, on=True),
)
ALLOCATIONS = Failure((Kind.MEMORY,), errno.ENOMEM)
Work = Callable[..., list[object]]


@dataclass(frozen=True, slots=True)
class FailingWork:
    """Runs `commit` or `spool` in copies of a lake while a call fails, and judges what is left. scratch: a folder."""

    victims: Victims
    scratch: Path
    before: Lake
    after: Lake

    @classmethod
    def of(cls, victims: Victims, scratch: Path) -> Self:
        """Makes the lakes before and after the commit."""
        made = []
        for name in ("before", "after"):
            lake = Lake.create_or_open(str(scratch / name), SPACE)
            with open_writer(lake) as writer:
                writer.register(BEGUN.source)
                writer.register(NEW.source)
                writer.commit(rows_of(BEGUN)[:1])
                if name == "after":
                    writer.commit(ROWS)
            made.append(lake)
        return cls(victims, scratch, *made)

    def count(self, work: Work, failure: Failure) -> int:
        """Number of calls that can fail."""
        self._prepare()
        return int(self._run(work, failure, 0, again=False).result[1])

    def problems(self, work: Work, failure: Failure, number: int, *, again: bool) -> Iterator[str]:
        """What is wrong after the n-th call failed. again: the same process then tries once more, else another one."""
        disk = self._prepare()
        ended = self._run(work, failure, number, again=again)
        if ended.error and not (ended.signal == signal.SIGABRT and Kind.MEMORY in failure.kinds):  # Rust aborts
            yield f"the process ended by signal {ended.signal}: {ended.error}"
            return
        succeeded = bool(ended.result) and (again or not ended.result[0])
        raised = ended.result[0] if ended.result else ""
        if failure.error == errno.ENOSPC and work is commit and raised and "free space" not in raised:
            yield f"the error does not say what to do: {raised}"
        judge = self._spooled if work is spool else self._committed
        yield from judge(self._root, succeeded=succeeded)
        if Kind.SYNC in failure.kinds and succeeded:
            yield from (f"after a power cut: {problem}" for problem in judge(self._cut(disk), succeeded=True))

    @property
    def _root(self) -> Path:
        return self.scratch / "root"

    def _prepare(self) -> Disk:
        """Copies the lake; returns a disk that holds the copy for sure."""
        shutil.rmtree(self._root, ignore_errors=True)
        shutil.copytree(self.scratch / "before", self._root / "lake")
        return Disk(self._root)

    def _cut(self, disk: Disk) -> Path:
        """A folder with what is left if the power goes when the process has ended."""
        for done in read_log(self.scratch / "root.log"):
            disk.apply(done)
        folder = self.scratch / "left"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        _, left = next(cuts(disk, seed=0))  # only what was synced
        left.write_to(folder)
        return folder

    def _run(self, work: Work, failure: Failure, number: int, *, again: bool) -> Ended:
        return self.victims.run(work, str(self._root), failure.kinds, number, failure.error, failure.on, again)

    def _committed(self, root: Path, *, succeeded: bool) -> Iterator[str]:
        lake = Lake.open(str(root / "lake"))
        with open_writer(lake) as writer:
            yield from check(lake).problems
            undone, missing = compare(self.before, lake), compare(self.after, lake)
            if missing and (succeeded or undone):
                yield f"the commit {'succeeded' if succeeded else 'failed'}: {missing}; {undone}"
            writer.commit(ROWS)
        yield from compare(self.after, Lake.open(lake.uri))
        yield from check(Lake.open(lake.uri)).problems

    def _spooled(self, root: Path, *, succeeded: bool) -> Iterator[str]:
        folder = root / "spool"
        found = [segment.id for segment, _ in Spool(folder).segments]
        if found != [rows.segment.id for rows in ROWS] and (succeeded or found):
            yield f"the spool holds {found}"
        others = [path.name for path in folder.iterdir() if path.suffix == ".unreadable"]
        if others:
            yield f"the spool set aside {others}"


def commit(shim: Shim, root: str, kinds: Sequence[int], number: int, error: int, on: bool, again: bool) -> list[object]:
    """Commits while a call fails, and perhaps again in the same process when none fails any more.

    Returns the error of the first attempt, empty where it succeeded, and the number of calls of these kinds.
    """
    shim.record(Path(root), Path(root).with_suffix(".log"))
    writer = open_writer(Lake.open(f"{root}/lake"))
    raised = ""
    shim.fail([Kind(kind) for kind in kinds], number, error, on=on)
    try:
        writer.commit(ROWS)
    except (LakeError, MemoryError) as found:
        raised = f"{type(found).__name__}: {found}"
    count = shim.count([Kind(kind) for kind in kinds])
    shim.fail([], 0)
    if again:
        writer.commit(ROWS)
        writer.close()
    return [raised, count]


def spool(shim: Shim, root: str, kinds: Sequence[int], number: int, error: int, on: bool, again: bool) -> list[object]:
    """The same for a batch in a spool."""
    shim.record(Path(root), Path(root).with_suffix(".log"))
    folder = Spool(Path(root) / "spool")
    raised = ""
    shim.fail([Kind(kind) for kind in kinds], number, error, on=on)
    try:
        folder.append(Batch(tuple(ROWS)))
    except (OSError, MemoryError) as found:
        raised = f"{type(found).__name__}: {found}"
    count = shim.count([Kind(kind) for kind in kinds])
    shim.fail([], 0)
    if again:
        folder.append(Batch(tuple(ROWS)))
    return [raised, count]
