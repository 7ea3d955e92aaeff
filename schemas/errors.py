"""Every error that RegionLake raises on purpose. Its message says what was wrong, what was given, and what to do."""

from schemas.file_names import printable


class RegionLakeError(Exception):
    """Base of all errors raised on purpose; catch this to catch them all.

    Each subclass also derives from the builtin that fits, takes one message, and keeps it as its
    only argument, so that it survives pickling between worker processes. Bytes of a quoted name
    that are not UTF-8 are escaped, so that every message can be stored and printed.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class InvalidValueError(RegionLakeError, ValueError):
    """A value breaks the rules of its type (shape, range, unit)."""


class PlanError(RegionLakeError, ValueError):
    """A plan, its TOML file or its flags are invalid, or cannot be run as written."""


class SourceError(RegionLakeError, OSError):
    """A source is missing, unreadable, empty, or contains no picture; it is quarantined."""


class NoVideoError(SourceError):
    """No video of a feed is kept, or not any more."""


class DecodeError(RegionLakeError, OSError):
    """A source was opened, but its pictures cannot be decoded; the segment is quarantined."""


class ReadTimeoutError(RegionLakeError, TimeoutError):
    """A decoder made no progress within its deadline and was killed."""


class WorkerDiedError(RegionLakeError, RuntimeError):
    """A worker process ended without finishing its segment; the segment is retried."""


class SandboxError(RegionLakeError, RuntimeError):
    """The kernel cannot confine a process as a setting requires."""


class LakeError(RegionLakeError, RuntimeError):
    """A lake is missing, locked, of another version, or fails its audit."""


class LeaseLostError(LakeError):
    """The writer's lease could not be renewed in time, so another process may be writing the lake."""


class RefusedError(LakeError):
    """Rows that a lake will never accept: trying again does not help, unlike where the lake is out of reach."""


class PlanConflictError(RefusedError):
    """A source is in the lake under another plan, or its file has changed since then; the rows must not be mixed."""


class FileChangedError(PlanConflictError):
    """The file of a source has other contents than when it was ingested."""


class ModelError(RegionLakeError, ValueError):
    """A model is unknown, cannot be loaded, or does not fit the vectors it is compared with."""


class ClusterError(RegionLakeError, ConnectionError):
    """A cluster of Ray cannot be started or reached, or refuses this process."""


class QueryError(RegionLakeError, ValueError):
    """A query is empty or invalid, or the lake cannot answer it."""


class ServiceError(RegionLakeError, ConnectionError):
    """A service cannot be reached, refuses this client, or cannot answer."""


class WatchError(RegionLakeError, RuntimeError):
    """The files of a watch cannot be read or written, or another watch uses them."""


class EvidenceError(RegionLakeError, ValueError):
    """Evidence cannot be made, or a key that signs or verifies it cannot be used."""
