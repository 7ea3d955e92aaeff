"""Decides why a commit failed: the lake is out of reach, it will never accept the rows, or nobody knows."""

from schemas.errors import LakeError, RefusedError


def is_out_of_reach(error: BaseException) -> bool:
    """Whether storage or a worker failed, so that trying again helps, however long it takes.

    A storage error reaches us as an OSError, or as the LakeError that it caused. Other errors of Lance have a message
    about the data: they count as unexpected, as a panic does.
    """
    if isinstance(error, RefusedError):
        return False
    if isinstance(error, LakeError):
        return error.__cause__ is None or isinstance(error.__cause__, OSError)
    return isinstance(error, OSError) or type(error).__module__.startswith("ray.")
