"""Processes that are killed at any moment."""

import multiprocessing
import random
import signal
import time
from collections.abc import Callable


class Victims:
    """Children that run functions of `module`, each killed after at most within_s of its work.

    Forked from a process that has only imported the module: starting Python anew takes ten times as long.
    killed: how many were still at work then.
    """

    def __init__(self, module: str, *, seed: int, within_s: float) -> None:
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([module])
        self._random = random.Random(seed)
        self._within_s = within_s
        self.killed = 0

    def kill_one(self, work: Callable[..., None], *arguments: object) -> None:
        """work: gets a Connection after the arguments, through which it tells that it begins."""
        opened, tells = self._processes.Pipe(duplex=False)
        child = self._processes.Process(target=work, args=(*arguments, tells))
        child.start()
        assert opened.poll(60), "the child did not start"
        time.sleep(self._random.uniform(0.0, self._within_s))
        child.kill()
        child.join()
        self.killed += child.exitcode == -signal.SIGKILL

    def spare_one(self, work: Callable[..., None], *arguments: object) -> None:
        """Lets it end by itself."""
        child = self._processes.Process(target=work, args=arguments)
        child.start()
        child.join(60)
        assert child.exitcode == 0
