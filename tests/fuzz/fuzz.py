"""Feeds mutated files to a reader, which probes them and decodes half a second, and sums up what became of them."""

import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from operators.readers.limits import ReadLimits
from pipeline.ingest.packets import Work
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Location
from schemas.clock import Span
from schemas.errors import SourceError
from schemas.sources import Segment, SegmentReport
from tests.fuzz.mutations import mutated
from tests.operators.readers.test_polyglot import Opened

LIMITS = ReadLimits(memory_gib=1.0, cpu_s=20.0)
_TIMEOUT_S = 60.0


@dataclass(slots=True)
class Outcome:
    """What became of the files.

    counts: by outcome: "read", "refused" (by the probe), "quarantined" (by the decoder).
    died: names of files with which the decoding process died or hung, three times each; the parent went on.
    most_mib: the most memory that the decoding process held beyond its first file.
    opened: whether a file that the mutations name was opened.
    """

    counts: Counter[str] = field(default_factory=Counter)
    died: list[str] = field(default_factory=list)
    most_mib: float = 0.0
    opened: bool = False
    children: int = 0
    took_s: float = 0.0


def fuzz(corpus: Mapping[str, bytes], folder: Path, *, private: Path, seeds: range, within_s: float) -> Outcome:
    """Reads one mutation for each seed, until `within_s` is over. private: named by the corpus; it is made here.

    A file that killed its reader is kept in `folder`.
    """
    outcome, watched = Outcome(), Opened(private)
    names, contents = list(corpus), list(corpus.values())
    began_s = time.monotonic()
    known: set[int] = set()
    try:
        with ReaderProcess(ReadConfig(limits=LIMITS), timeout_s=_TIMEOUT_S) as reader:
            for seed in seeds:
                if time.monotonic() - began_s > within_s:
                    break
                chance = random.Random(seed)
                name = chance.choice(names)
                path = folder / f"{seed}-{name}"
                path.write_bytes(mutated(corpus[name], contents, chance))
                result = _read(reader, Location(path.name, str(path)))
                outcome.counts[result] += 1
                if result == "died":
                    outcome.died.append(path.name)
                else:
                    path.unlink()
                if reader.pid is not None:
                    known.add(reader.pid)
                    outcome.most_mib = max(outcome.most_mib, _peak_mib(reader.pid))
    finally:
        outcome.opened = watched.stop()
    outcome.children = len(known)
    outcome.took_s = time.monotonic() - began_s
    return outcome


def _read(reader: ReaderProcess, location: Location) -> str:
    try:
        source = reader.probe(location)
    except SourceError as error:
        return "died" if _is_death(str(error)) else "refused"
    half_s = max(1, round(0.5 / source.clock.time_base))
    span = Span(source.span.start, min(source.span.stop, source.span.start + half_s))
    *_, last = reader.read(Work(Segment(source, span, "id"), location))
    if isinstance(last.head.end, SegmentReport):
        return "read"
    return "died" if _is_death(str(last.head.end)) else "quarantined"


def _is_death(error: str) -> bool:
    return any(said in error for said in ("the reader process died", "no progress for", "CPU time"))


def _peak_mib(pid: int) -> float:
    """The most that a child of a process has held so far."""
    most = 0
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            status = Path(f"/proc/{child}/status").read_text()
            most = max(most, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")))
    return most / 1024
