"""Which run of packets each recording of a feed was made of: a line of JSON for each, the oldest first."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from operators.runtime.atomic_write import atomic_write

NAME = "recordings.jsonl"


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """source_id: of a recording in the lake. run: of the packets that it was made of, whose PTS are its own."""

    source_id: str
    run: int


class Recordings:
    """The file of one feed. Whoever changes it holds the lock of the feed's ring."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def read(self) -> list[RecordedRun]:
        """The lines that are whole: a crash may have cut the last one. Raises OSError."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [each for line in lines if (each := _parsed(line)) is not None]

    def append(self, recorded: RecordedRun) -> None:
        """Adds a line, and syncs it. Raises OSError."""
        line = json.dumps({"source": recorded.source_id, "run": recorded.run}).encode() + b"\n"
        # the newline before it ends a line that a crash has cut
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if os.write(descriptor, b"\n" + line) != len(line) + 1:
                raise OSError(f"{self.path}: the disk took a part of a line")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def keep(self, stays: Callable[[RecordedRun], bool]) -> None:
        """Removes the other lines. Raises OSError."""
        before = self.read()
        after = [each for each in before if stays(each)]
        if len(after) < len(before):
            with atomic_write(self.path) as path:
                text = "".join(json.dumps({"source": each.source_id, "run": each.run}) + "\n" for each in after)
                path.write_text(text)


def _parsed(line: bytes) -> RecordedRun | None:
    try:
        found = json.loads(line)
        return RecordedRun(str(found["source"]), int(found["run"]))
    except (ValueError, KeyError, TypeError):
        return None
