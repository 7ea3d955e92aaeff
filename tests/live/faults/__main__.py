"""Random faults while feeds are followed. After each fault every feed must become live again, and at the end every
frame must be accounted for.

    python -m tests.live.faults --data DATA --faults 50 [--engine ray] [--seed 0] [--only "decoder killed"]

The test has two RTSP cameras in a network namespace, one camera over UDP through a relay, a lake on a small disk (a
tmpfs), a clock for the follower alone, and a watch with a webhook. Faults that the machine does not allow (namespaces
and mounts need root) are skipped, and this is printed. After each fault the feeds must be live again within two
minutes, their video must be kept, rows must be committed, and every hit of the watch must be delivered or given up. At
the end, frames received = keyframes + not selected + shed + lost by reason, for each feed, exactly but for the second
before a kill of the follower; the lake and its video are audited, and no hit may be reported twice.
"""

import argparse
import signal
import sys
from pathlib import Path

from tests.live.faults.fault_run import fault_run
from tests.live.faults.inflict import inflict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets in tests/conftest.py")
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", default=[])
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # like Ctrl-C, so that mounts and processes are cleaned up
    with fault_run(args.data, engine=args.engine, seed=args.seed) as run:
        inflict(run, args.faults, only=args.only, say=lambda line: print(line, flush=True))
        for line in run.report():
            print(line)


if __name__ == "__main__":
    main()
