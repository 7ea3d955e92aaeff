"""Pictures that a confined reader probes and reads, and a child without a sandbox, alternately in the same run.

    python -m tests.bench.reading [--pictures 500] [--rounds 3]

CPU time is that of the child and its forks: it does not depend on what else the machine does.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from PIL import Image

from operators.readers.media_file import MediaFile
from pipeline.ingest.packets import Work
from pipeline.reading.child import Child, child_connection
from pipeline.reading.confined_reader import answer
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.reader_process import CHILD_CODE
from pipeline.reading.reader_requests import ProbeRequest, ReadRequest, Request, location_of
from pipeline.reading.sources import Location
from schemas.sources import Segment, Source
from tests.bench.machine import processor

_PLAIN = "from tests.bench.reading import plain_child; plain_child()"
_TICKS = os.sysconf("SC_CLK_TCK")


def plain_child() -> None:
    """A child that decodes by itself, as readers did before they were confined."""
    connection, config = child_connection()
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        with MediaFile.open(location_of(request).address) as file:
            answer(request, file.descriptor, config, connection)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = [_picture(Path(folder) / f"{number}.jpg", number) for number in range(options.pictures)]
        measured: dict[str, list[tuple[float, float, float, float]]] = {"plain": [], "confined": []}
        for _ in range(options.rounds):
            for name, code in (("plain", _PLAIN), ("confined", CHILD_CODE)):
                measured[name].append(_measure(code, pictures))
    print(f"{processor()}, {os.cpu_count()} cores, {options.pictures} JPEGs of 640×480, {options.rounds} rounds")
    print("child     start s  start CPU s  pictures/s  CPU ms a picture")
    middle = {name: [median(column) for column in zip(*runs, strict=True)] for name, runs in measured.items()}
    for name, (start_s, start_cpu_s, took_s, cpu_s) in middle.items():
        each = options.pictures
        print(f"{name:9} {start_s:7.2f} {start_cpu_s:12.2f} {each / took_s:11.0f} {cpu_s / each * 1000:17.2f}")
    plain, confined = middle["plain"], middle["confined"]
    ratios = [after / before for before, after in zip(plain, confined, strict=True)]
    print(f"ratio     {ratios[0]:7.2f} {ratios[1]:12.2f} {1 / ratios[2]:11.2f} {ratios[3]:17.2f}")


def _picture(path: Path, seed: int) -> Location:
    pixels = np.random.default_rng(seed).integers(0, 255, (30, 40, 3), np.uint8)
    Image.fromarray(pixels).resize((640, 480)).save(path, quality=85)
    return Location(path.name, str(path))


def _measure(code: str, pictures: list[Location]) -> tuple[float, float, float, float]:
    """Wall and CPU seconds until the first answer, and of the pictures after it."""
    began_s = perf_counter()
    child = Child(code)
    try:
        child.connection.send(ReadConfig())
        _read(child, pictures[0])
        start_s, start_cpu_s = perf_counter() - began_s, _cpu_s(child.pid)
        for picture in pictures:
            _read(child, picture)
        return start_s, start_cpu_s, perf_counter() - began_s - start_s, _cpu_s(child.pid) - start_cpu_s
    finally:
        child.close()


def _read(child: Child, location: Location) -> None:
    [source] = [each for each in _answers(child, ProbeRequest(location)) if isinstance(each, Source)]
    list(_answers(child, ReadRequest(Work(Segment(source, source.span, "id"), location))))


def _answers(child: Child, request: Request) -> Iterator[object]:
    connection: Connection = child.connection
    connection.send(request)
    return iter(child.receive, None)


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children."""
    children = [int(each) for task in Path(f"/proc/{pid}/task").glob("*/children") for each in task.read_text().split()]
    total = 0
    for each in (pid, *children):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))  # with those of children that have ended
    return total / _TICKS


if __name__ == "__main__":
    main()
