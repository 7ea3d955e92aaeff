"""The power is cut at points of the workload; each content that the disk may have then is verified once."""

import shutil
from collections.abc import Container, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from tests.powerloss.calls.log import Operation
from tests.powerloss.calls.shim import Kind
from tests.powerloss.calls.victims import Victims
from tests.powerloss.disk import Disk, Left, cuts
from tests.powerloss.promises import Promises, verify
from tests.powerloss.workload import work


@dataclass(frozen=True, slots=True)
class PowerCut:
    """call: number of the last call before it. name: which of the unsynced bytes and names survived, see `left`."""

    call: int
    name: str
    left: Left
    promises: Promises

    def __str__(self) -> str:
        return f"after call {self.call}, {self.name}"

    def verify(self, scratch: Path) -> Iterator[str]:
        """What is wrong in the lake then. scratch: an existing folder; `left` in it is made and removed."""
        folder = scratch / "left"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.left.write_to(folder)
        yield from verify(folder, self.promises)
        shutil.rmtree(folder)


def record_workload(victims: Victims, scratch: Path) -> Path:
    """Runs the workload in a new folder in `scratch`; returns the log of its calls."""
    root, log = scratch / "root", scratch / "log"
    root.mkdir(parents=True)
    ended = victims.run(work, str(root), str(log))
    assert not ended.error, ended.error
    return log


def power_cuts(root: Path, done: list[Operation], *, after: Container[int], seed: int = 0) -> Iterator[PowerCut]:
    """Power cuts with different contents or promises, after calls of these numbers.

    root: folder below which the calls were made. seed: of the cuts at which chance decides what survived.
    """
    disk = Disk(root, empty=True)
    promises = Promises()
    seen: set[tuple[int, str]] = set()
    for number, operation in enumerate(done):
        if operation.kind is Kind.MARK:
            promises = deepcopy(promises)
            promises.add(operation.path)
        else:
            disk.apply(operation)
        for name, left in cuts(disk, seed=seed + number) if number in after else ():
            key = left.key, str(promises)
            if key not in seen:
                seen.add(key)
                yield PowerCut(number, name, left, promises)
