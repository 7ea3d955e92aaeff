"""Sessions: who has signed in with a cookie."""

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

LIFETIME_S = 7 * 24 * 3600.0
_MOST = 4096


@dataclass(frozen=True, slots=True)
class Session:
    """name: of the user. token_sha256: of the token with which they signed in: with another one, the session ends."""

    name: str
    token_sha256: str
    until_s: float


class Sessions:
    """The sessions of this process, by the hash of what their cookie holds. Any thread may call it.

    A cookie is 256 random bits that are made when somebody signs in, and never taken from a request: a value that
    another site or user planted in a browser means nothing, before and after. They are in memory alone, so that nobody
    reads one from a disk: after a restart one signs in again.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def begin(self, name: str, *, token_sha256: str) -> str:
        """Returns what the cookie holds."""
        cookie = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[_key(cookie)] = Session(name, token_sha256, self._clock() + LIFETIME_S)
            while len(self._sessions) > _MOST:
                self._sessions.popitem(last=False)
        return cookie

    def find(self, cookie: str) -> Session | None:
        with self._lock:
            found = self._sessions.get(_key(cookie))
            if found is not None and found.until_s <= self._clock():
                del self._sessions[_key(cookie)]
                return None
            return found

    def end(self, cookie: str) -> Session | None:
        """Returns the session that has ended, if there was one."""
        with self._lock:
            return self._sessions.pop(_key(cookie), None)


def _key(cookie: str) -> bytes:
    # of the hash, so that the time of a look-up reveals nothing of a cookie
    return hashlib.sha256(cookie.encode(errors="replace")).digest()
