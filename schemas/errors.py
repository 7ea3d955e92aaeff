"""Every error RegionLake raises on purpose: what was wrong, what came, and what to do about it."""


class RegionLakeError(Exception):
    """Base of all errors raised on purpose; catch this to catch them all.

    Each subclass also derives from the builtin that fits, takes one message, and keeps it as its
    only argument, so that it survives pickling between worker processes.
    """


class InvalidValueError(RegionLakeError, ValueError):
    """A value breaks the rules of its type (shape, range, unit)."""


class PlanError(RegionLakeError, ValueError):
    """A plan, its TOML file or its flags cannot be run as written."""


class SourceError(RegionLakeError, OSError):
    """A source is missing, unreadable, empty, or holds no picture; it is quarantined."""


class DecodeError(RegionLakeError, OSError):
    """A source opened, but its pictures cannot be decoded; the segment is quarantined."""


class ReadTimeoutError(RegionLakeError, TimeoutError):
    """A decoder made no progress within its deadline and was killed."""


class WorkerDiedError(RegionLakeError, RuntimeError):
    """A worker process ended without finishing its segment; the segment is retried."""


class LakeError(RegionLakeError, RuntimeError):
    """A lake is missing, locked, of another version, or fails its audit."""


class PlanConflictError(LakeError):
    """A source is in the lake under another plan, or its file has changed since; the rows must not be mixed."""


class ModelError(RegionLakeError, ValueError):
    """A model is unknown, cannot be loaded, or does not fit the vectors it is compared with."""


class QueryError(RegionLakeError, ValueError):
    """A query asks for nothing, or for something the lake cannot answer."""


class WatchError(RegionLakeError, RuntimeError):
    """What a watch keeps or writes cannot be read or written, or another watch has it."""
