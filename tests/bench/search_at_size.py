"""Answers by the index beside exact ones, over a large lake on disk, by size of the box.

    python -m tests.bench.search_at_size LAKE [--regions 10000000] [--made FOLDER] [--memory 2000] [--others]

LAKE is a lake of real recordings: the large one is made of its regions (`tests.bench.large_lake`), with 64 in each
keyframe. It is tuned first (`regionlake upkeep --tune`), and then asked for ten and for a hundred hits by texts that
tuning does not use, with boxes of other places, so that nothing is measured with what was chosen by it. Exact answers
are those of `--exact`, asked once. By default settings the searcher is asked in a process of its own, which may use so
much memory (`--memory`, in MB; a control group's limit, page cache counted) and begins with nothing of the lake in
memory: "cold" is the first answer to a question, the rest are medians of rounds. Percentiles are over the questions.

`--others` asks, in the same rounds and without a limit, LanceDB's flat scan with prefilter, its IVF_PQ and IVF_RQ
indexes, and the flat and IVF indexes of faiss, where `faiss-cpu` is installed: each finds the 1,000 nearest regions by
vectors in the box, and they are ranked as ours are.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.lake.lake import Lake
from pipeline.lake.lake_encoder import load_lake_encoder
from pipeline.search.index.tuning import Tuned, tune
from schemas.query import BoxTuple
from tests.bench.asking import status
from tests.bench.large_lake import make_large
from tests.bench.limited_memory import drop_cached, run_limited
from tests.bench.machine import processor

TEXTS = (
    *("a bus", "a bird", "a man with an umbrella", "a pizza", "a chair", "a blue shirt", "a clock", "a horse"),
    *("two people talking", "a motorcycle", "a building", "a bottle"),
)
AREAS = {"anywhere": None, "1 %": 0.01, "5 %": 0.05, "25 %": 0.25, "100 %": 1.0}
Question = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake", type=Path)
    parser.add_argument("--regions", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=int, help="MB that a searcher may use, page cache counted; no limit otherwise")
    parser.add_argument("--others", action="store_true")
    parser.add_argument("--made", type=Path, help="the large lake, made if it is not there, and left")
    options = parser.parse_args()
    limit = None if options.memory is None else options.memory * 10**6
    with tempfile.TemporaryDirectory() as folder:
        made = options.made or Path(folder) / "lake"
        print(
            f"machine: {processor()}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}", flush=True
        )
        if not made.exists():
            start = time.perf_counter()
            make_large(Lake.open(str(options.lake)), str(made), regions=options.regions)
            print(f"the large lake was made in {time.perf_counter() - start:.0f} s", flush=True)
        _tune(made)
        bench(made, Path(folder), rounds=options.rounds, limit=limit, with_others=options.others)


def _tune(made: Path) -> None:
    lake = Lake.open(str(made))
    encoder = load_lake_encoder(lake)
    tuned = tune(lake, encoder, on_step=lambda step: print(f"  {time.strftime('%X')} {step}", flush=True))
    encoder.close()
    print(f"lake: {lake.count('regions'):,} regions of {lake.count('frames'):,} frames, {lake.space.dimension}-d")
    for name in ("regions.lance", ".search"):
        print(f"  {name}: {sum(p.stat().st_size for p in (made / name).rglob('*') if p.is_file()) / 1e6:,.0f} MB")
    _print_tuned(tuned)
    print(f"memory of tuning, at most: {status('VmHWM'):,} MiB, mapped files counted", flush=True)


def bench(made: Path, folder: Path, *, rounds: int, limit: int | None, with_others: bool) -> None:
    areas, questions = _questions()
    asked = folder / "questions.json"
    asked.write_text(json.dumps(questions))
    exact = _ask(made, asked, folder / "exact.json", ["--exact"], limit=None)
    drop_cached(made)
    command = [sys.executable, "-m", "deploy.cli.main", "search", TEXTS[0], "--lake", str(made), "-k", "10", "--json"]
    cold = run_limited(command, limit=limit)
    print(f"a cold command: {cold.seconds:.1f} s, {_mib(cold.peak)} (page cache counted)", flush=True)
    warm = run_limited(command, limit=limit)
    print(f"the same command again: {warm.seconds:.1f} s, {_mib(warm.peak)}")
    drop_cached(made)
    index = _ask(made, asked, folder / "index.json", ["--rounds", str(rounds)], limit=limit)
    print(
        f"searcher, with the model: {index['own_mib']:,} MiB of its own, {_mib(index['peak'])} at most with page "
        f"cache; first answer after {index['first_s']:.1f} s; load {os.getloadavg()[0]:.1f}\n"
    )
    others: dict[str, Any] = {}
    if with_others:
        others = _ask(made, asked, folder / "others.json", ["--rounds", str(rounds), "--others"], limit=None)
    _print_table(areas, exact["answers"], index["answers"])
    if others:
        _print_others(areas, exact["answers"], others["answers"])


def _ask(made: Path, asked: Path, answers: Path, options: Sequence[str], *, limit: int | None) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.asking", str(made), str(asked), str(answers), *options]
    ran = run_limited(command, limit=limit)
    print(ran.output, end="")
    return {**json.loads(answers.read_text()), "peak": ran.peak}


def _questions() -> tuple[list[str], list[Question]]:
    """The name of the area, and the question, of each."""
    rng = np.random.default_rng(5)
    found = [
        (name, {"text": text, "box": None if area is None else _drawn(rng, area)})
        for name, area in AREAS.items()
        for text in TEXTS
    ]
    return [name for name, _ in found], [question for _, question in found]


def _print_table(areas: Sequence[str], exact: Sequence[dict[str, Any]], index: Sequence[dict[str, Any]]) -> None:
    columns = ("scan p50", "p50", "p99", "cold p50", "cold p99", "exact", "recall@10", "recall@100")
    print(f"{'box':10}" + "".join(f"{name:>12}" for name in columns))
    for name in AREAS:
        pairs = [(a, b) for area, a, b in zip(areas, exact, index, strict=True) if area == name]
        ms, first = [b["ms"] for _, b in pairs], [b["first_ms"] for _, b in pairs]
        shown = [
            f"{statistics.median(a['ms'] for a, _ in pairs):.0f} ms",
            *(f"{np.percentile(of, part):.0f} ms" for of in (ms, first) for part in (50, 99)),
            f"{statistics.fmean(b['exact'] for _, b in pairs):.0%}",
            *(f"{_recall(pairs, k):.3f}" for k in ("10", "100")),
        ]
        print(f"{name:10}" + "".join(f"{each:>12}" for each in shown), flush=True)


def _print_others(areas: Sequence[str], exact: Sequence[dict[str, Any]], asked: Sequence[dict[str, Any]]) -> None:
    print("\nin the same rounds, without a limit of memory; p50 and recall@10 of the ranking by words and place")
    names = list(asked[0]["others"])
    print(f"{'box':10}" + "".join(f"{name:>20}" for name in ("index", *names)))
    for name in AREAS:
        rows = [(a, b) for area, a, b in zip(areas, exact, asked, strict=True) if area == name]
        shown = [(statistics.median(b["ms"] for _, b in rows), _recall(rows, "10"))]
        for other in names:
            found = [(a, {"frames": {"10": b["others"][other]["frames"]}}) for a, b in rows]
            shown.append((statistics.median(b["others"][other]["ms"] for _, b in rows), _recall(found, "10")))
        print(f"{name:10}" + "".join(f"{f'{ms:.0f} ms {recall:.3f}':>20}" for ms, recall in shown), flush=True)


def _recall(pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]], k: str) -> float:
    shares = [len({*a["frames"][k]} & {*b["frames"][k]}) / len(a["frames"][k]) for a, b in pairs if a["frames"][k]]
    return statistics.fmean(shares)


def _print_tuned(tuned: Tuned) -> None:
    print(f"index: built in {tuned.build_s:.0f} s, measured in {tuned.measure_s:.0f} s, {tuned.bytes / 1e6:,.0f} MB")
    print(f"an exact answer: {tuned.tuning.exact_ns:.0f} ns a candidate")
    for point in tuned.tuning.curve:
        where = f"{'zone' if point.zone else 'box'} of {point.area:.0%}" if point.area else "anywhere"
        print(
            f"  {where:12} {point.share:8.2%} recall@10 {point.recall_10:.3f} @100 {point.recall_100:.3f} "
            f"{point.took_ms:6.0f} ms"
        )


def _drawn(rng: np.random.Generator, area: float) -> BoxTuple:
    side = area**0.5
    x, y = rng.uniform(0, 1 - side, 2)
    return float(x), float(y), float(min(1, x + side)), float(min(1, y + side))


def _mib(peak: int | None) -> str:
    return "memory not known" if peak is None else f"{peak / 2**20:,.0f} MiB"


if __name__ == "__main__":
    main()
