"""Runs functions in processes whose calls are recorded, or fail, by shim.c.

    python -m tests.powerloss.calls.victims LIBRARY

is started with LIBRARY in LD_PRELOAD. It reads a JSON object on each line of its input, forks, calls the function in
the child, and writes how that ended. Forked processes have Lance imported, which takes ten times as long as a commit.
"""

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from tests.powerloss.calls.shim import Shim

_DEADLINE_S = 120


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended. signal: the number of the one that killed it, else 0. result: what the function returned.
    error: what it raised, or what the dead child had written to standard error; empty where it returned."""

    signal: int
    result: Any
    error: str


class Victims:
    """A process from which children with the shim are forked, one after the other. scratch: an empty folder."""

    def __init__(self, library: Path, scratch: Path) -> None:
        self._errors = scratch / "stderr"
        self._server = subprocess.Popen(
            # Lance warns of forks: nothing of it runs before
            [sys.executable, "-W", "ignore", "-m", "tests.powerloss.calls.victims", str(library), str(self._errors)],
            env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate()

    def run(self, work: Callable[..., Any], *arguments: object) -> Ended:
        """Calls work(shim, *arguments) in a child; arguments and result are JSON. Raises OSError without a shim."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        asked = {"module": work.__module__, "name": work.__name__, "arguments": arguments}
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        line = self._server.stdout.readline()
        assert line, f"the server ended: {self._errors.read_text() if self._errors.exists() else ''}"
        answer = json.loads(line)
        if answer["refused"]:
            raise OSError(answer["refused"])
        return Ended(answer["signal"], answer["result"], answer["error"])


def _serve(library: str, errors: Path) -> None:
    import lance
    import lancedb

    del lance, lancedb
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    shim, refused = None, ""
    try:
        shim = Shim(library)
    except OSError as error:
        refused = str(error)
    for line in sys.stdin:
        asked = json.loads(line)
        answer: dict[str, object] = {"signal": 0, "result": None, "error": "", "refused": refused}
        if shim is not None:
            work = getattr(importlib.import_module(asked["module"]), asked["name"])
            answer |= _run(partial(work, shim, *asked["arguments"]), errors)
        print(json.dumps(answer), flush=True)


def _run(work: Callable[[], Any], errors: Path) -> dict[str, object]:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(_DEADLINE_S)  # a child that waits for ever dies by a signal
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
        answer: dict[str, object] = {}
        try:
            answer["result"] = work()
        except BaseException as error:
            answer["error"] = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
        with os.fdopen(writer, "w") as file:
            json.dump(answer, file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        answered = file.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status), "error": errors.read_text(errors="replace")[-3000:] or "killed"}
    made: dict[str, object] = json.loads(answered)
    return made


def main(arguments: Sequence[str]) -> None:
    _serve(arguments[0], Path(arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
