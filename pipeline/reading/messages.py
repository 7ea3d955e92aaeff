"""Receives messages of a process that decodes foreign files, and which one of them may have taken over.

`Connection.recv` would run whatever code such a message names. Here a message may name nothing but the values that
readers send.
"""

import io
import pickle
from dataclasses import is_dataclass
from multiprocessing.connection import Connection

from schemas.errors import RegionLakeError

_OTHERS = frozenset(
    (
        *(("fractions", "Fraction"), ("datetime", "datetime"), ("datetime", "timezone"), ("datetime", "timedelta")),
        *(("numpy", "ndarray"), ("numpy", "dtype")),
        *((f"numpy.{core}.multiarray", name) for core in ("_core", "core") for name in ("_reconstruct", "scalar")),
        *((f"numpy.{core}.numeric", "_frombuffer") for core in ("_core", "core")),
    )
)
_OWN = ("schemas.", "pipeline.ingest.packets", "pipeline.reading.", "pipeline.live.", "operators.readers.")


def receive(connection: Connection) -> object:
    """The next message. Raises EOFError where the other end was closed, OSError where it broke off or is no message
    of a reader."""
    content = connection.recv_bytes()
    try:
        return _Message(io.BytesIO(content)).load()
    except Exception as error:  # a hostile message can raise any error
        raise OSError(f"no message of a reader: {type(error).__name__}: {error}") from error


class _Message(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _OTHERS:
            return super().find_class(module, name)
        if f"{module}.".startswith(_OWN) and "." not in name:
            found = super().find_class(module, name)
            own = isinstance(found, type) and found.__module__ == module  # a module also holds what it imports
            if own and (is_dataclass(found) or issubclass(found, RegionLakeError)):
                return found
        raise pickle.UnpicklingError(f"a message of a reader names {module}.{name}")
