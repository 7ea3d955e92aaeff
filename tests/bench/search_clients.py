"""Throughput of searches for 1, 8 and 32 clients: queries one by one, together, and over shards of the lake on Ray.

    python -m tests.bench.search_clients [--regions 500000] [--dimension 128] [--seconds 5] [--shards 2]

Clients are threads of this process, each of which asks its next query when it has an answer: words, half of them with a
box that most regions overlap. The variants take turns in each of three rounds, so that a busy machine is busy for all;
medians of the rounds, and ratios to one client whose queries are answered one by one.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable

from pipeline.search.searcher import Searcher
from pipeline.search.shards.ray_shards import RayShards
from schemas.query import Query, SearchResult
from schemas.vectors import VectorSpace
from tests.bench.machine import processor
from tests.bench.search import REGIONS_A_FRAME, make_lake
from tests.pipeline.search.drawn import DrawnEncoder

CLIENTS = (1, 8, 32)
ROUNDS = 3
Search = Callable[[Query], SearchResult]
QUERIES = [
    Query(text=f"thing {number}", box=(0.2, 0.2, 0.8, 0.8) if number % 2 else None, k=10) for number in range(16)
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=int, default=500_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--shards", type=int, default=2, help="0 for none")
    options = parser.parse_args()
    space = VectorSpace("synthetic", "1", options.dimension, "none")
    with tempfile.TemporaryDirectory() as folder:
        lake = make_lake(folder, space, frames=options.regions // REGIONS_A_FRAME)
        encoder = DrawnEncoder(space)
        variants: dict[str, Search] = {
            "one by one": Searcher(lake, encoder, most_together=1).search,
            "together": Searcher(lake, encoder).search,
        }
        shards = RayShards(lake, count=options.shards) if options.shards else None
        if shards is not None:
            variants[f"{options.shards} shards"] = shards.searcher(encoder).search
        print(f"machine: {processor()}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
        print(
            f"lake: {lake.count('regions'):,} regions of {lake.count('frames'):,} frames, {options.dimension}-d float16"
        )
        try:
            compare(variants, seconds=options.seconds)
        finally:
            if shards is not None:
                shards.close()


def compare(variants: dict[str, Search], *, seconds: float) -> None:
    expected = [next(iter(variants.values()))(query).hits for query in QUERIES]
    for name, search in variants.items():
        assert [search(query).hits for query in QUERIES] == expected, f"{name} answers otherwise"
    print(f"{'clients':>7}  {'variant':12} {'answers/s':>9} {'p50 ms':>7} {'ratio':>6}")
    base = None
    for clients in CLIENTS:
        rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
        for _ in range(ROUNDS):
            for name, search in variants.items():
                rounds[name].append(measured(search, clients=clients, seconds=seconds))
        for name, found in rounds.items():
            rate, p50_ms = (statistics.median(each) for each in zip(*found, strict=True))
            base = base or rate
            print(f"{clients:7}  {name:12} {rate:9.1f} {p50_ms:7.0f} {rate / base:5.2f}x")


def measured(search: Search, *, clients: int, seconds: float) -> tuple[float, float]:
    """Answers a second, and the median latency in ms."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    def ask(first: int) -> None:
        number = first
        while time.perf_counter() < until:
            start = time.perf_counter()
            search(QUERIES[number % len(QUERIES)])
            times.append(time.perf_counter() - start)
            number += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(times) / (time.perf_counter() - start), statistics.median(times) * 1e3


if __name__ == "__main__":
    main()
