"""The lease of an open lake: taken, fenced against its predecessor, and looked at before every change."""

import weakref

import pyarrow.compute as pc

from pipeline.lake.lake import Lake
from pipeline.lake.lease.bucket_lease import LeaseConfig
from pipeline.lake.lease.fence import fence
from pipeline.lake.lease.writer_lease import WAIT_S, take_lease
from pipeline.runtime.threads import REAL_THREADS, Threads
from pipeline.runtime.time_source import REAL_TIME, TimeSource


class HeldLake:
    """Holds the right to write `lake` from construction to `release()`.

    wait_s: how long to wait for another writer to end.
    Raises LakeError, naming the holder, if another writer has the lake, or the storage fails.
    """

    def __init__(
        self,
        lake: Lake,
        *,
        wait_s: float = WAIT_S,
        config: LeaseConfig | None = None,
        time: TimeSource = REAL_TIME,
        threads: Threads = REAL_THREADS,
    ) -> None:
        self._lake = lake
        self._sharing: weakref.WeakSet[Lake] = weakref.WeakSet()
        self._lease = take_lease(
            lake.uri,
            wait_s=wait_s,
            above=lambda: greatest_number(lake),
            config=config,
            time=time,
            threads=threads,
        )
        lake.lease = self._lease
        try:
            self._fence()
        except BaseException:
            self.release()
            raise

    @property
    def number(self) -> int:
        """The fencing token of this writer's rows."""
        return self._lease.number

    def hold(self) -> bool:
        """Makes sure that the lease is held, and takes it again where it was lost.

        Returns whether it has a new number: another process may have written the lake meanwhile. Raises LakeError.
        """
        anew = self._lease.hold()
        self._fence()
        return anew

    def share(self, lake: Lake) -> None:
        """Lets another open `Lake` of the same place, in this process, change it too."""
        lake.lease = self._lease
        self._sharing.add(lake)

    def release(self) -> None:
        self._lease.release()
        for lake in (self._lake, *self._sharing):
            lake.lease = None

    def _fence(self) -> None:
        if self._lease.unclean:
            fence(self._lake, self._lease)


def greatest_number(lake: Lake) -> int:
    """The greatest number of a lease under which segments were written; 0 where there are none."""
    if "lease" not in lake.dataset("segments").schema.names:  # made before 4.2
        return 0
    return pc.max(lake.read("segments", columns=["lease"])["lease"]).as_py() or 0
