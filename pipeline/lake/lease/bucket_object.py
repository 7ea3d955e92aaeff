"""The object in a bucket that says who holds the lease of a lake, changed by conditional writes alone."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, Self

from pipeline.lake.lease.holder import Holder
from schemas.errors import LakeError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

NAME = "writer-lease.json"
_TIMEOUT = timedelta(seconds=3)  # of one try, and of all tries of one call: a lease lasts for some seconds


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The contents of the object.

    token: random; two leases of one process differ in it. duration_s: how long the object must have been unchanged
    before somebody else may take the lease. renewals: changes with each renewal, so that the ETag does, too.
    released: nobody holds it. fencing: its holder has not fenced the tables yet.
    """

    holder: Holder
    token: str
    duration_s: float
    renewals: int = 0
    released: bool = False
    fencing: bool = False

    def renewed(self) -> Self:
        return replace(self, renewals=self.renewals + 1)

    def to_bytes(self) -> bytes:
        return json.dumps(
            {
                **self.holder.to_json(),
                "token": self.token,
                "duration_s": self.duration_s,
                "renewals": self.renewals,
                "released": self.released,
                "fencing": self.fencing,
            },
            indent=1,
        ).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Raises ValueError for what `to_bytes` did not write."""
        try:
            found: dict[str, Any] = json.loads(stored)
            return cls(
                Holder.from_json(found),
                str(found["token"]),
                float(found["duration_s"]),
                int(found["renewals"]),
                bool(found["released"]),
                bool(found["fencing"]),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{error!r}") from error


class LeaseObject(Protocol):
    """A place for one record. Both methods raise LakeError where it is out of reach."""

    def read(self) -> tuple[str, LeaseRecord] | None:
        """The record with its ETag; None if there is none."""
        ...

    def write(self, record: LeaseRecord, *, over: str | None) -> str | None:
        """Writes if the object still has the ETag `over`, or does not exist where that is None.

        Returns the new ETag; None where somebody else has changed the object.
        """
        ...


class BucketObject:
    """The object of a lake in S3, Google Cloud Storage or Azure, with credentials from the environment, as of Lance."""

    def __init__(self, lake: str) -> None:
        self._lake = lake.rstrip("/")

    @cached_property
    def _store(self) -> "ObjectStore":
        from obstore.exceptions import BaseError
        from obstore.store import from_url  # only writers of buckets need it

        try:
            return from_url(
                self._lake,
                # the scheme of a stated endpoint counts, which Lance has opened by now
                client_options={"timeout": _TIMEOUT, "connect_timeout": _TIMEOUT, "allow_http": True},
                retry_config={"max_retries": 2, "retry_timeout": _TIMEOUT},
            )
        except (BaseError, ValueError) as error:
            raise LakeError(
                f"no lease can be kept at {self._lake}: {_reason(error)}; a lake is a folder, s3://, gs:// or az://"
            ) from error

    def read(self) -> tuple[str, LeaseRecord] | None:
        from obstore.exceptions import BaseError, NotFoundError

        try:
            found = self._store.get(NAME)
            tag, stored = found.meta["e_tag"], bytes(found.bytes())
        except (NotFoundError, FileNotFoundError):
            return None
        except BaseError as error:
            raise LakeError(f"the lease {self._lake}/{NAME} cannot be read: {_reason(error)}") from error
        try:
            return tag or "", LeaseRecord.from_bytes(stored)
        except ValueError as error:
            raise LakeError(
                f"{self._lake}/{NAME} is no lease of this RegionLake ({error}); make sure that nothing writes the "
                "lake, then delete the object"
            ) from error

    def write(self, record: LeaseRecord, *, over: str | None) -> str | None:
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            made = self._store.put(NAME, record.to_bytes(), mode="create" if over is None else {"e_tag": over})
        except (AlreadyExistsError, PreconditionError):
            return None
        except BaseError as error:
            raise LakeError(
                f"the lease {self._lake}/{NAME} cannot be written: {_reason(error)}; a lake in a bucket needs a store "
                "with conditional writes (If-Match), and the right to write there"
            ) from error
        return made["e_tag"] or ""

    def holder(self) -> Holder | None:
        """Who has not released the lease. Raises LakeError where it cannot be read."""
        found = self.read()
        return None if found is None or found[1].released else found[1].holder


def _reason(error: Exception) -> str:
    """The first line: what follows is the debug output of the library."""
    return str(error).strip().splitlines()[0]
