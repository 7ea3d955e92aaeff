"""Asks a lake the questions of `tests.bench.search_at_size`, in a process of its own, and writes down the answers.

    python -m tests.bench.asking LAKE QUESTIONS ANSWERS [--exact] [--rounds 5] [--others]

QUESTIONS: a JSON list of {"text", "box"}. ANSWERS: {"first_s", "own_mib", "mapped_mib", "peak_mib", "answers":
[{"first_ms", "ms", "exact", "why", "frames": {"10": [...], "100": [...]}, "others": {NAME: {"ms", "frames"}}}]}.
`first_s` is from the start to the first answer; `first_ms` is the first time that a question was asked, whatever of the
files is in memory then; `ms` is the median of the rounds. With --exact each question is asked once, without the index.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.lake.lake import Lake
from pipeline.lake.lake_encoder import load_lake_encoder
from pipeline.search.index.indexed_regions import EXACT_WITHIN_MS
from pipeline.search.searcher import Searcher
from schemas.query import BoxTuple, Query, SearchResult


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--others", action="store_true")
    options = parser.parse_args()
    questions = [
        (each["text"], None if each["box"] is None else tuple(each["box"]))
        for each in json.loads(options.questions.read_text())
    ]
    start = time.perf_counter()
    lake = Lake.open(str(options.lake))
    encoder = load_lake_encoder(lake)
    searcher = Searcher(lake, encoder, resident="disk", exact_within_ms=np.inf if options.exact else EXACT_WITHIN_MS)
    searcher.search(Query(text="a thing"))
    found: dict[str, Any] = {"first_s": time.perf_counter() - start, "answers": []}
    others: dict[str, Any] = {}
    if options.others:
        from tests.bench.other_searches import other_searches

        others = other_searches(lake, encoder)
    for text, box in questions:
        found["answers"].append(_answer(searcher, others, text, box, rounds=options.rounds, once=options.exact))
    found |= {"own_mib": status("RssAnon"), "mapped_mib": status("RssFile"), "peak_mib": status("VmHWM")}
    options.answers.write_text(json.dumps(found))


def _answer(
    searcher: Searcher,
    others: Mapping[str, Callable[[str, BoxTuple | None], list[str]]],
    text: str,
    box: BoxTuple | None,
    *,
    rounds: int,
    once: bool,
) -> dict[str, Any]:
    """once: asks for a hundred hits alone, whose first ten are those of the shorter question if all are exact."""

    def ask(k: int) -> SearchResult:
        return searcher.search(Query(text=text, box=box, k=k))

    def frames(of: SearchResult) -> list[str]:
        return [hit.frame_id for hit in of.hits]

    if once:
        start = time.perf_counter()
        deep = frames(ask(100))
        ms = (time.perf_counter() - start) * 1e3
        return {"first_ms": ms, "ms": ms, "exact": True, "frames": {"10": deep[:10], "100": deep}}
    first_ms = timed_ms(lambda: ask(10))
    ten = ask(10)
    ms = statistics.median(timed_ms(lambda: ask(10)) for _ in range(rounds))
    answer = {"first_ms": first_ms, "ms": ms, "exact": ten.exact, "why": ten.explanation and ten.explanation.why}
    answer["frames"] = {"10": frames(ten), "100": frames(ask(100))}
    answer["others"] = {
        name: {
            "ms": statistics.median(timed_ms(lambda other=other: other(text, box)) for _ in range(rounds)),  # type: ignore[misc]
            "frames": other(text, box),
        }
        for name, other in others.items()
    }
    return answer


def timed_ms(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def status(key: str) -> int:
    """A number of /proc/self/status, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(f"{key}:"))


if __name__ == "__main__":
    main()
