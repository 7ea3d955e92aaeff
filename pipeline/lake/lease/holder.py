"""The holder of a lake's lease, as it describes itself to the writers that it keeps waiting."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Holder:
    """A writer of a lake. since: UTC in ISO 8601, of the holder's own clock; shown, and never compared.

    number: of its lease, greater than that of every earlier one; 0 where a release without leases holds the lock.
    command: the program and its subcommand alone, as arguments may hold passwords.
    """

    number: int
    pid: int
    host: str
    command: str
    version: str
    since: str

    @classmethod
    def of_this_process(cls, number: int, *, now: datetime) -> Self:
        return cls(
            number,
            os.getpid(),
            os.uname().nodename,
            command_of(sys.argv),
            _version(),
            now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        )

    @property
    def name(self) -> str:
        """E.g. "4711 on gate"."""
        return f"{self.pid} on {self.host}" if self.pid else _UNKNOWN

    @property
    def here(self) -> bool:
        """Whether it runs, or ran, on this machine."""
        return self.host == os.uname().nodename

    def __str__(self) -> str:
        """E.g. "4711 on gate (regionlake ingest, 0.3.0) since 2026-11-30T10:00:00Z"."""
        what = f" ({self.command}, {self.version})" if self.command else ""
        return f"{self.name}{what}{f' since {self.since}' if self.since else ''}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Reads what `to_json` or a release without leases wrote. Raises KeyError, TypeError or ValueError."""
        text = {name: str(stored.get(name, "")) for name in ("command", "version", "since")}
        return cls(int(stored.get("number", 0)), int(stored["pid"]), str(stored["host"]), **text)

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Reads JSON; a holder without a name where it cannot be read, as its file may be just being written."""
        try:
            return cls.from_json(json.loads(text))
        except (AttributeError, KeyError, TypeError, ValueError):
            return cls(0, 0, _UNKNOWN, "", "", "")


def held_message(lake: str, holder: Holder, *, wait_s: float) -> str:
    """The sentence for a second writer."""
    if not holder.pid:
        stop = "stop it"
    elif holder.here:
        stop = f"stop it (kill {holder.pid})"
    else:
        stop = f"stop it there (kill {holder.pid} on {holder.host})"
    still = f", and still is after {wait_s:g} s" if wait_s else ""
    return (
        f"the lake {lake} is being written by process {holder}{still}; wait until it ends, or {stop}: one lake has one "
        "writer"
    )


def command_of(arguments: Sequence[str]) -> str:
    """The program and its subcommand, e.g. "regionlake ingest"."""
    program = Path(arguments[0]).name if arguments else ""
    if program in ("main.py", "__main__.py", "regionlake"):
        subcommand = arguments[1] if len(arguments) > 1 and arguments[1].isalpha() else ""
        return f"regionlake {subcommand}".strip()
    if program == "default_worker.py":
        return "an actor of Ray"
    return program if program not in ("", "-c") else "Python"


def _version() -> str:
    try:
        return version("regionlake")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return _UNKNOWN
