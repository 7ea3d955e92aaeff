"""Wall time and CPU time, and the use of a GPU meanwhile."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from tests.bench.models.given import Part, taken


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds of wall time and of CPU time."""
    synchronise()
    started, cpu = time.perf_counter(), time.process_time()
    run()
    synchronise()
    return time.perf_counter() - started, time.process_time() - cpu


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def with_best_batch(part: Part, *, sizes: Sequence[int], most: int) -> Part:
    """The part with the batch size of most pictures a second, in two trials each with `most` of the inputs."""
    rates = {}
    for size in sizes:
        if size > len(part):
            break
        some = replace(part, inputs=taken(part.inputs, slice(max(size, most // size * size))), batch=size)
        some = replace(some, inputs=taken(some.inputs, slice(len(some) // size * size)))  # whole batches
        replace(some, inputs=taken(some.inputs, slice(size))).run()
        rates[size] = max(len(some) / timed(some.run)[0] for _ in range(2))
    return replace(part, batch=max(rates, key=lambda size: rates[size]))


@contextmanager
def watched_gpu() -> Iterator[list[tuple[float, float]]]:
    """Samples the use in per cent and the memory in MiB, every 100 ms."""
    samples: list[tuple[float, float]] = []
    if not torch.cuda.is_available() or shutil.which("nvidia-smi") is None:
        yield samples
        return
    query = ["nvidia-smi", "-i", "0", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
    with subprocess.Popen([*query, "-lms", "100"], stdout=subprocess.PIPE, text=True) as watch:
        yield samples
        watch.terminate()
        assert watch.stdout is not None
        for line in watch.stdout:
            use, _, memory = line.partition(",")
            if memory.strip().isdigit():
                samples.append((float(use), float(memory)))
