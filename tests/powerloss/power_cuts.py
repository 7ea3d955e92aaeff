"""The power is cut at points of the workload; each content that the disk may have then is verified once."""

import shutil
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.powerloss.calls.log import read_log
from tests.powerloss.calls.shim import Kind
from tests.powerloss.calls.victims import Victims
from tests.powerloss.disk import Disk, Left, cuts
from tests.powerloss.promises import Promises, verify
from tests.powerloss.workload import work


@dataclass(frozen=True, slots=True)
class Point:
    """A power cut. call: number of the last call before it. name: which of the unsynced bytes and names survived."""

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


@dataclass(frozen=True, slots=True)
class PowerCuts:
    """points: those with different contents or promises, in order. calls: number of calls of the workload."""

    points: tuple[Point, ...]
    calls: int

    @classmethod
    def record(cls, victims: Victims, scratch: Path) -> Path:
        """Runs the workload in the folder `scratch`; returns the log of its calls."""
        root, log = scratch / "root", scratch / "log"
        root.mkdir(parents=True)
        ended = victims.run(work, str(root), str(log))
        assert (ended.signal, ended.error) == (0, "")
        return log

    @classmethod
    def of_log(cls, log: Path, *, seed: int = 0) -> Self:
        """seed: of the points at which chance decides what survived."""
        root = log.parent / "root"
        disk = Disk(root, empty=True)
        points: list[Point] = []
        seen: set[tuple[int, str]] = set()
        promises = Promises()
        done = read_log(log)
        for number, operation in enumerate(done):
            if operation.kind is Kind.MARK:
                promises = deepcopy(promises)
                promises.add(operation.path)
            else:
                disk.apply(operation)
            for name, left in cuts(disk, seed=seed + number):
                key = left.key, str(promises)
                if key not in seen:
                    seen.add(key)
                    points.append(Point(number, name, left, promises))
        return cls(tuple(points), len(done))
