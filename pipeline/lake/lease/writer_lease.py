"""The right to write a lake, which one process has at a time, under a number that grows with every holder."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pipeline.lake.lease.bucket_lease import BucketLease, LeaseConfig
from pipeline.lake.lease.bucket_object import BucketObject
from pipeline.lake.lease.folder_lease import FolderLease, holder_of_folder
from pipeline.lake.lease.holder import Holder
from pipeline.lake.local_folder import local_folder
from pipeline.runtime.threads import REAL_THREADS, Threads
from pipeline.runtime.time_source import REAL_TIME, TimeSource

WAIT_S = 10.0  # for another holder to end: the committer of a killed driver outlives it by a second or two


class WriterLease(Protocol):
    """A lease that this process holds, or held."""

    @property
    def number(self) -> int:
        """The fencing token: greater than that of every earlier holder."""
        ...

    @property
    def unclean(self) -> bool:
        """Whether the holder before may still be writing, because it neither released the lease nor is known to have
        ended: `fence` then refuses what it has under way."""
        ...

    @property
    def fencing_before(self) -> bool:
        """Whether the holder before ended within its own `fence`."""
        ...

    def require(self) -> None:
        """Raises LeaseLostError unless nobody else can have the lease at this moment. Call it before every change."""
        ...

    def hold(self) -> bool:
        """Makes sure that the lease is held, and takes it again where it was lost; returns whether it has a new number.

        Raises LakeError where another process holds it, or the bucket is out of reach.
        """
        ...

    def fenced(self) -> None:
        """Records that the tables were fenced against the holder before."""
        ...

    def release(self) -> None:
        """Gives the lease back; it may be called again."""
        ...


def take_lease(
    lake: str,
    *,
    wait_s: float = WAIT_S,
    above: Callable[[], int] = lambda: 0,
    config: LeaseConfig | None = None,
    time: TimeSource = REAL_TIME,
    threads: Threads = REAL_THREADS,
) -> WriterLease:
    """Takes the lease of a lake: in a folder a file lock, in a bucket an object.

    wait_s: how long to wait for another holder. above: the greatest number in the ledger, in case that the file or the
    object with the last number was lost; called once nobody else holds the lease.
    Raises LakeError, naming the holder, if another writer has it, or where the lake cannot be written.
    """
    folder = local_folder(lake)
    if folder is not None:
        return FolderLease(folder, wait_s=wait_s, above=above, time=time)
    made = config or LeaseConfig()
    return BucketLease(lake, BucketObject(lake), wait_s=wait_s, above=above, config=made, time=time, threads=threads)


def writer_of(lake: str | Path) -> Holder | None:
    """The process that is writing a lake; None if there is none.

    In a bucket it is the holder that has not released the lease, which may have been killed since.
    Raises LakeError where the bucket cannot be read.
    """
    folder = local_folder(str(lake))
    if folder is not None:
        return holder_of_folder(folder)
    return BucketObject(str(lake)).holder()
