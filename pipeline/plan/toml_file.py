"""Reads a TOML file that a person writes: whatever is wrong with it is one error that names the file."""

import os
import re
import stat
import tomllib
from pathlib import Path

from schemas.errors import PlanError

MOST_BYTES = 2**20
_MOST_DOTS = 100  # in a line: tomllib needs memory quadratic in the parts of a key, 200 KB of `a.a.a…` took 40 GB
_QUOTED = re.compile(r'"[^"\n]*"|\'[^\'\n]*\'|#.*')


def read_toml(path: Path, *, pipes: bool = True) -> dict[str, object]:
    """The content of a TOML file in UTF-8, of at most 1 MiB. pipes: whether it may be a pipe, `<(…)` of a shell.

    Raises PlanError where it cannot be read. Nothing blocks unless `pipes`.
    """
    try:
        content = _content(path, pipes=pipes)
        if len(content) > MOST_BYTES:
            raise PlanError(f"{path} cannot be read: it is larger than {MOST_BYTES:,} bytes")
        text = content.decode("utf-8-sig")
        if any(line.count(".") > _MOST_DOTS for line in _QUOTED.sub("", text).splitlines()):
            raise PlanError(f"{path} cannot be read: a key has more than {_MOST_DOTS} parts")
        return tomllib.loads(text)
    except (OSError, ValueError) as error:
        if isinstance(error, PlanError):
            raise
        raise PlanError(f"{path} cannot be read: {_reason(error)}") from None
    except RecursionError:
        raise PlanError(f"{path} cannot be read: its tables or lists are nested too deep") from None


def _content(path: Path, *, pipes: bool) -> bytes:
    """Reads at most MOST_BYTES + 1 bytes of the file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if pipes else os.O_NONBLOCK))
    try:  # os.fdopen would leave a folder open, once a second
        kind = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(kind) or (pipes and stat.S_ISFIFO(kind))):
            raise PlanError(f"{path} cannot be read: it is {'a folder' if stat.S_ISDIR(kind) else 'no regular file'}")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MOST_BYTES + 1)
    finally:
        os.close(descriptor)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
