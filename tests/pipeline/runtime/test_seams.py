"""Catches clocks that are read and threads that are started past the seams through which a simulation drives them."""

import subprocess
import sys
from pathlib import Path

import pytest

PAST_THE_SEAMS = """\
import datetime
import pickle
import threading
import time
from datetime import datetime as moment
from threading import Thread
from time import monotonic

time.time()
time.sleep(1)
datetime.datetime.now()
moment.now()
threading.Timer(1, print)
"""
LINES = {2, 6, 7, 9, 10, 11, 12, 13}


@pytest.mark.parametrize("folder", ["ingest", "lake", "live", "reading", "reembed", "search", "watch"])
def test_the_linter_refuses_each_in_every_part_of_the_pipeline(folder: str) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--output-format", "concise"]
    name = f"pipeline/{folder}/new_file.py"
    root = Path(__file__).parents[3]
    found = subprocess.run(
        [*command, "--stdin-filename", name, "-"],
        input=PAST_THE_SEAMS,
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
    )
    refused = {int(line.split(":")[1]) for line in found.stdout.splitlines() if "TID251" in line}
    assert refused == LINES, found
