"""Processes that are killed at random moments."""

import multiprocessing
import random
import signal
import time
from collections.abc import Callable


class Victims:
    """Child processes that run functions of `module`, each killed at most within_s after it began.

    They are forked from a process that has only imported the module: starting Python takes ten times as long.
    killed: how many of them were still running when they were killed.
    """

    def __init__(self, module: str, *, seed: int, within_s: float) -> None:
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([module])
        self._random = random.Random(seed)
        self._within_s = within_s
        self.killed = 0

    def kill_one(self, work: Callable[..., None], *arguments: object) -> object:
        """work: called with the arguments and a Connection, to which it sends something when it begins; it may send
        more, a few kB in all. Returns what it sent last."""
        receiver, sender = self._processes.Pipe(duplex=False)
        child = self._processes.Process(target=work, args=(*arguments, sender))
        child.start()
        assert receiver.poll(60), "the child did not start"
        time.sleep(self._random.uniform(0.0, self._within_s))
        child.kill()
        child.join()
        self.killed += child.exitcode == -signal.SIGKILL
        last: object = None
        while receiver.poll(0):
            last = receiver.recv()
        return last

    def spare_one(self, work: Callable[..., None], *arguments: object) -> None:
        """Runs `work` in a child process to its end."""
        child = self._processes.Process(target=work, args=arguments)
        child.start()
        child.join(60)
        assert child.exitcode == 0
