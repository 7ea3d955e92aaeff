"""Cuts the power at every point of a workload, and lets every call and allocation of a commit and of a spool fail.

    python -m tests.powerloss cuts calls allocations --folder powerloss

The folder keeps what was recorded and what was run: the same command continues there. Exit code 1: something was wrong.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from tests.powerloss.calls.log import read_log
from tests.powerloss.calls.shim import build
from tests.powerloss.calls.victims import Victims
from tests.powerloss.failing_commit import ALLOCATIONS, CALLS, FailingWork, Failure, commit, spool
from tests.powerloss.power_cuts import power_cuts, record_workload
from tests.progress import Progress

Case = Callable[[], Iterable[str]]
_ALLOCATIONS = 400  # of the 100,000 of a commit


def _cuts(victims: Victims, folder: Path, scratch: Path) -> dict[str, Case]:
    log = folder / "recorded" / "log"
    if not log.exists():
        record_workload(victims, log.parent)
    done = read_log(log)
    cuts = power_cuts(log.parent / "root", done, after=range(len(done)))
    return {f"cut, {cut}": partial(cut.verify, scratch) for cut in cuts}


def _calls(victims: Victims, scratch: Path, failures: Iterable[Failure], *, at_most: int) -> dict[str, Case]:
    failing = FailingWork.of(victims, scratch)
    cases: dict[str, Case] = {}
    for work in (commit, spool):
        for failure in failures:
            count = failing.count(work, failure)
            for number in range(1, count + 1, max(1, count // at_most)):
                for again in (False, True):
                    name = f"{work.__name__}, {failure}, call {number}{', again' if again else ''}"
                    cases[name] = partial(failing.problems, work, failure, number, again=again)
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=["cuts", "calls", "allocations"])
    parser.add_argument("--folder", type=Path, required=True, help="where it goes on")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    progress = Progress(args.folder / "done.jsonl")
    with tempfile.TemporaryDirectory(prefix="powerloss-") as temporary:
        scratch = Path(temporary)
        with Victims(build(scratch), scratch) as victims:
            cases: dict[str, Case] = {}
            if "cuts" in args.what:
                cases |= _cuts(victims, args.folder, scratch)
            if "calls" in args.what:
                cases |= _calls(victims, scratch, CALLS, at_most=1000)
            if "allocations" in args.what:
                cases |= _calls(victims, scratch, [ALLOCATIONS], at_most=_ALLOCATIONS)
            for name in progress.left(cases):
                try:
                    progress.add(name, cases[name]())
                except Exception as error:  # the others are run all the same
                    progress.add(name, [f"{type(error).__name__}: {error}"])
    for line in progress.report():
        print(line)
    raise SystemExit(any(progress.problems.values()))


if __name__ == "__main__":
    main()
