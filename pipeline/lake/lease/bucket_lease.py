"""The lease of a lake in a bucket: an object that its holder renews, and that others take when it no longer changes."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.lake.lease.bucket_object import LeaseObject, LeaseRecord
from pipeline.lake.lease.holder import Holder, held_message
from pipeline.runtime.threads import REAL_THREADS, SupervisedThread, Threads
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas import require
from schemas.errors import LakeError, LeaseLostError

_LOOK_SHARE = 1 / 16  # of the duration between two looks of a waiting writer
_RENEW_SHARE = 1 / 4  # of the duration between two renewals
_WRITE_SHARE = 3 / 4  # of the duration in which the holder writes, counted from before the renewal was sent


@dataclass(frozen=True, slots=True)
class LeaseConfig:
    """duration_s: a killed holder keeps others waiting for so long; a holder cut off from the bucket stops at 3/4."""

    duration_s: float = 8.0

    def __post_init__(self) -> None:
        require.above(0, duration_s=self.duration_s)


class BucketLease:
    """Holds the right to write a lake in a bucket.

    Clocks of machines differ, so none is compared: a writer takes over an object that it has seen unchanged for the
    duration by its own monotonic clock, and the holder writes for three quarters of the duration after it has begun to
    send a renewal. Every write of the object names the ETag that it replaces, so that one of two writers succeeds.
    A holder that was cut off and finds the object as it left it continues under its number; if somebody else took the
    lease, `hold` takes it again under another.
    above, wait_s: see `take_lease`. Raises LakeError, naming the holder, if another writer has it.
    """

    def __init__(
        self,
        lake: str,
        place: LeaseObject,
        *,
        wait_s: float = 10.0,
        above: Callable[[], int] = lambda: 0,
        config: LeaseConfig | None = None,
        time: TimeSource = REAL_TIME,
        threads: Threads = REAL_THREADS,
    ) -> None:
        self._lake = lake
        self._object = place
        self._above = above
        self._duration_s = (config or LeaseConfig()).duration_s
        self._time = time
        self._threads = threads
        self._turn = threading.RLock()  # one renewal at a time
        self._news = threading.Condition()
        self._closing = False
        self._taken_by: Holder | None = None
        self._trouble = ""
        self._thread: SupervisedThread | None = None
        self._record: LeaseRecord
        self._tag: str
        self.unclean = self.fencing_before = False
        self._until_s = 0.0
        self._seen: tuple[str, float] | None = None  # ETag of another's object, and since when it has been that
        self._take(wait_s=wait_s)

    @property
    def number(self) -> int:
        return self._record.holder.number

    def require(self) -> None:
        if self._taken_by is not None:
            raise LeaseLostError(
                f"lost the lease of the lake {self._lake} to process {self._taken_by}, as it could not be renewed for "
                f"{self._duration_s:g} s{self._trouble}; nothing was written since, rows wait until it is taken again"
            )
        if self._time.monotonic_s() >= self._until_s:
            raise LeaseLostError(
                f"the lease of the lake {self._lake} could not be renewed in time{self._trouble}; nothing is written "
                "until it is"
            )

    def hold(self) -> bool:
        with self._turn:
            if self._taken_by is None and self._time.monotonic_s() >= self._until_s:
                self._renew()
        if self._taken_by is not None:
            self._end_thread()
            self._take(wait_s=0.0)
            return True
        self.require()
        return False

    def fenced(self) -> None:
        with self._turn:
            self.unclean = self.fencing_before = False
            self._record = replace(self._record, fencing=False)
            self._renew()

    def release(self) -> None:
        self._end_thread()
        with self._turn:
            if self._taken_by is None and not self._record.released:
                self._record = replace(self._record, released=not self._record.fencing).renewed()
                try:
                    self._object.write(self._record, over=self._tag)
                except LakeError as error:  # the next writer waits until it has expired
                    self._trouble = f": {error}"

    # -- taking ----------------------------------------------------------------------------------

    def _take(self, *, wait_s: float) -> None:
        deadline_s = self._time.monotonic_s() + wait_s
        token = secrets.token_hex(8)
        while True:
            found = self._object.read()
            if found is not None and found[1].token == token:  # written, though the first answer did not arrive
                return self._begin(*found)
            if found is None:
                if self._write(None, token, unclean=False):
                    return None
                continue
            tag, record = found
            now_s = self._time.monotonic_s()
            if self._seen is None or self._seen[0] != tag:
                self._seen = tag, now_s
            expired = now_s - self._seen[1] >= record.duration_s
            if record.released or expired:
                if self._write(found, token, unclean=not record.released):
                    return None
                continue
            if now_s >= deadline_s:
                raise LakeError(held_message(self._lake, record.holder, wait_s=wait_s))
            self._time.sleep(record.duration_s * _LOOK_SHARE)

    def _write(self, found: tuple[str, LeaseRecord] | None, token: str, *, unclean: bool) -> bool:
        """Takes the lease over; False where another writer was first, or the answer says so."""
        above = self._above()
        last = 0 if found is None else found[1].holder.number
        # without an object rows were written under a number: it was deleted, perhaps under a living holder
        self.unclean = unclean or (found is None and above > 0)
        self.fencing_before = found is not None and found[1].fencing
        holder = Holder.of_this_process(max(last, above) + 1, now=self._time.utc())
        record = LeaseRecord(holder, token, self._duration_s, fencing=self.unclean)
        self._until_s = self._time.monotonic_s() + self._duration_s * _WRITE_SHARE
        tag = self._object.write(record, over=None if found is None else found[0])
        if tag is None:
            return False
        self._begin(tag, record)
        return True

    def _begin(self, tag: str, record: LeaseRecord) -> None:
        """Begins to hold and to renew."""
        self._record, self._tag = record, tag
        self._taken_by, self._trouble, self._closing = None, "", False
        self._thread = SupervisedThread("lease", self._renew_always, time=self._time, threads=self._threads)

    # -- renewing --------------------------------------------------------------------------------

    def _renew_always(self) -> None:
        while self._taken_by is None:
            with self._news:
                share = _RENEW_SHARE if not self._trouble else _LOOK_SHARE
                if self._time.wait_for(self._news, lambda: self._closing, self._duration_s * share):
                    return
            with self._turn:
                if not self._closing:
                    self._renew()

    def _renew(self) -> None:
        """Renews once; what prevents it is kept for the next `require`."""
        try:
            for _ in range(2):
                began_s = self._time.monotonic_s()
                record = self._record.renewed()
                tag = self._object.write(record, over=self._tag)
                if tag is not None:
                    self._record, self._tag, self._trouble = record, tag, ""
                    self._until_s = began_s + self._duration_s * _WRITE_SHARE
                    return
                found = self._object.read()
                if found is None or found[1].token != self._record.token:
                    self._taken_by = Holder.parse("") if found is None else found[1].holder
                    return
                self._tag = found[0]  # an earlier renewal arrived, but its answer did not
        except LakeError as error:
            self._trouble = f": {error}"

    def _end_thread(self) -> None:
        with self._news:
            self._closing = True
            self._news.notify_all()
        if self._thread is not None:
            self._thread.end()
            self._thread.join()
