"""The object of a lease in memory, as several machines reach it in simulated time."""

from dataclasses import dataclass, field

from pipeline.lake.lease.bucket_lease import BucketLease, LeaseConfig
from pipeline.lake.lease.bucket_object import LeaseRecord
from schemas.errors import LakeError
from tests.simulation import Simulation

DURATION_S = 8.0


@dataclass
class Bucket:
    """An object in memory. cut_off: leases whose requests fail. answers_lost: number of writes that succeed, but whose
    answer does not arrive."""

    stored: tuple[str, bytes] | None = None
    writes: int = 0
    cut_off: set[str] = field(default_factory=set)
    answers_lost: int = 0


@dataclass
class Connection:
    """The object as one machine reaches it."""

    bucket: Bucket
    name: str = ""

    def read(self) -> tuple[str, LeaseRecord] | None:
        self._reach()
        found = self.bucket.stored
        return None if found is None else (found[0], LeaseRecord.from_bytes(found[1]))

    def write(self, record: LeaseRecord, *, over: str | None) -> str | None:
        self._reach()
        held = self.bucket.stored
        if (None if held is None else held[0]) != over:
            return None
        self.bucket.writes += 1
        self.bucket.stored = str(self.bucket.writes), record.to_bytes()
        if self.bucket.answers_lost:
            self.bucket.answers_lost -= 1
            raise LakeError("the answer was lost")
        return self.bucket.stored[0]

    def _reach(self) -> None:
        if self.name in self.bucket.cut_off:
            raise LakeError("out of reach")


def take(
    bucket: Bucket, simulation: Simulation, name: str = "", *, wait_s: float = 10.0, above: int = 0
) -> BucketLease:
    return BucketLease(
        "s3://lakes/one",
        Connection(bucket, name),
        wait_s=wait_s,
        above=lambda: above,
        config=LeaseConfig(DURATION_S),
        time=simulation,
        threads=simulation,
    )
