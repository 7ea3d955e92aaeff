"""Reads mutated files in the sandbox: `python -m tests.fuzz`, with `--count 2000`, or `--minutes 30`, or `--seed 9`."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.fuzz.corpus import whole_corpus
from tests.fuzz.fuzz import fuzz


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="number of files")
    parser.add_argument("--minutes", type=float, help="go on for so long instead")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    within_s = float("inf") if given.minutes is None else given.minutes * 60
    seeds = range(given.seed, given.seed + given.count) if given.minutes is None else range(given.seed, sys.maxsize)
    data = os.environ.get("REGIONLAKE_TEST_DATA")
    folder = Path(tempfile.mkdtemp(prefix="regionlake-fuzz-"))
    (folder / "made").mkdir()
    private = folder / "private.ts"
    corpus = whole_corpus(folder / "made", private=private, data=None if data is None else Path(data))
    outcome = fuzz(corpus, folder, private=private, seeds=seeds, within_s=within_s)
    print(f"{sum(outcome.counts.values())} mutations of {len(corpus)} files in {outcome.took_s:.0f} s")
    for name, count in outcome.counts.most_common():
        print(f"  {count:6} {name}")
    print(f"  {outcome.most_mib:6.0f} MiB at most in the decoding process")
    print(f"  {outcome.children:6} children")
    for name in outcome.died:
        print(f"died: {folder / name}")
    if outcome.opened:
        print("a file was opened that only a mutation names")
    return 1 if outcome.died or outcome.opened else 0


if __name__ == "__main__":
    sys.exit(main())
