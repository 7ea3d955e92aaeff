"""Sessions: who has signed in with a cookie."""

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.server.access.users_file import hash_of
from operators.runtime.atomic_write import atomic_write
from schemas.errors import LakeError

LIFETIME_S = 7 * 24 * 3600.0
_MOST = 4096


@dataclass(frozen=True, slots=True)
class Session:
    """name: of the user. token_sha256: of the token with which they signed in: with another one, the session ends.

    until_s: seconds since 1970.
    """

    name: str
    token_sha256: str
    until_s: float


class Sessions:
    """The sessions of a service, by the hash of what their cookie holds. Any thread may call it.

    A cookie is 256 random bits that are made when somebody signs in, and never taken from a request: a value that
    another site or user planted in a browser means nothing, before and after.
    file: keeps them over a restart. It has hashes alone, from which no cookie can be made. Raises LakeError where it
    cannot be written; one that cannot be read has no sessions.
    """

    def __init__(self, file: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions = {} if file is None else _read(file)

    def begin(self, name: str, *, token_sha256: str) -> str:
        """Returns what the cookie holds."""
        cookie = secrets.token_urlsafe(32)
        now = self._clock()
        with self._lock:
            known = {key: each for key, each in self._sessions.items() if each.until_s > now}
            kept = dict(list(known.items())[1 - _MOST :])
            self._change(kept | {hash_of(cookie): Session(name, token_sha256, now + LIFETIME_S)})
        return cookie

    def find(self, cookie: str) -> Session | None:
        with self._lock:
            # by the hash, so that the time of a look-up reveals nothing of a cookie
            found = self._sessions.get(hash_of(cookie))
            return found if found is not None and found.until_s > self._clock() else None

    def end(self, cookie: str) -> Session | None:
        """Returns the session that has ended, if there was one."""
        with self._lock:
            found = self._sessions.get(hash_of(cookie))
            if found is not None:
                self._change({key: each for key, each in self._sessions.items() if each is not found})
            return found

    def _change(self, sessions: dict[str, Session]) -> None:
        if self._file is not None:
            try:
                with atomic_write(self._file) as path:
                    path.touch(mode=0o600)
                    path.write_text(json.dumps({key: asdict(each) for key, each in sessions.items()}))
            except OSError as error:
                raise LakeError(f"the sessions in {self._file} cannot be written: {error}") from None
        self._sessions = sessions


def _read(file: Path) -> dict[str, Session]:
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        return {key: Session(**each) for key, each in json.loads(file.read_text()).items()}
    return {}
