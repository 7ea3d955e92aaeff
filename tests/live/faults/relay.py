"""A relay between a UDP camera and its receiver, which can lose packets, delay them, or turn them into noise."""

import random
import socket
import threading
import time
from collections import deque
from contextlib import suppress

from tests.live.cameras import free_port


class Relay:
    """Forwards packets from `port` to `outlet`, with losses, delays or noise.

    loss: share of the packets. late_s: the longest delay, which is random; packets keep their order.
    """

    def __init__(self, chance: random.Random) -> None:
        self.loss = 0.0
        self.late_s = 0.0
        self.noise = False
        self._chance = chance
        self._inlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._inlet.bind(("127.0.0.1", 0))
        self._inlet.settimeout(0.01)
        self.port: int = self._inlet.getsockname()[1]
        self.outlet = free_port(socket.SOCK_DGRAM)
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed:
            with suppress(TimeoutError):
                data = self._inlet.recv(65536)
                if self.noise:
                    data = self._chance.randbytes(len(data))
                if self._chance.random() >= self.loss:
                    self._waiting.append((time.monotonic() + self._chance.uniform(0, self.late_s), data))
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                self._inlet.sendto(self._waiting.popleft()[1], ("127.0.0.1", self.outlet))

    def close(self) -> None:
        self._closed = True
        self._thread.join()
        self._inlet.close()
