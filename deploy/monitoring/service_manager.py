"""Reports to the service manager that started a command: that it is ready, that it is alive, and what it is doing.

The protocol is systemd's `sd_notify(3)`: datagrams of `KEY=value` lines to the socket that NOTIFY_SOCKET names. Other
managers speak it too; without the variable nothing is sent.
"""

import os
import socket
import time
from collections.abc import MutableMapping
from typing import Self

_SHARE = 3  # reports in each of the manager's deadlines, so that two may be late


class ServiceManager:
    """The manager of this process; a context manager, at whose end the service ends.

    deadline_s: the manager restarts the process when it has not called `alive` for so long; None if it never does.
    Any thread may call it. A manager that cannot be reached is ignored, because it would end the process by itself.
    """

    def __init__(self, address: str | None, *, deadline_s: float | None = None) -> None:
        self.deadline_s = deadline_s
        self._address = address
        self._is_ready = False
        self._next_s = 0.0

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Self:
        """The manager that these variables name. They are removed, so that no child reports in its place."""
        address = environment.pop("NOTIFY_SOCKET", None) or None
        limit_us, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        watched = address is not None and limit_us.isdecimal() and int(limit_us) > 0
        is_mine = pid in ("", str(os.getpid()))
        return cls(address, deadline_s=int(limit_us) / 1e6 if watched and is_mine else None)

    def ready(self) -> None:
        """Reports, once, that the service does its work."""
        if not self._is_ready:
            self._is_ready = True
            self._send("READY=1")

    def alive(self, shown: str | None = None) -> None:
        """Reports that the service makes progress; it may be called as often as one likes.

        shown: a line for `systemctl status`.
        """
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + self.pause_s
        lines = ["WATCHDOG=1"] if self.deadline_s is not None else []
        if shown is not None:
            lines.append("STATUS=" + " ".join(shown.split()))
        if lines:
            self._send("\n".join(lines))

    def stopping(self) -> None:
        """Reports that the service ends."""
        self._send("STOPPING=1")

    @property
    def pause_s(self) -> float:
        """Seconds between two calls of `alive` that are sent."""
        return 1.0 if self.deadline_s is None else min(1.0, self.deadline_s / _SHARE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping()

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        # an address that begins with @ is in the abstract namespace, where its first byte is 0
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)  # a manager whose queue is full must not hold up the service
                sender.sendto(message.encode(), address)
        except OSError:
            pass
