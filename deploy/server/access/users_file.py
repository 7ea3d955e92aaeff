"""The users of a service: a TOML file, which the service reads again when it changes."""

import hashlib
import re
import secrets
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import cattrs
import tomli_w

from deploy.server.access.rights import ROLES, Role
from deploy.server.access.source_grants import SourceGrants
from operators.runtime.atomic_write import atomic_write
from operators.runtime.file_lock import file_lock
from pipeline.plan.named_tables import read_named_tables
from schemas import require
from schemas.errors import InvalidValueError, PlanError

_MODE = 0o600
_NAME = r"[\w.@-]{1,64}"
HOLDER = "token"  # the name of whoever has the service's one token
_TOKEN_BYTES = 32
_PREFIX = "rl_"  # so that a token is recognised as one where it should not be


@dataclass(frozen=True, slots=True)
class User:
    """A user as the file describes them.

    token_sha256: of their token, hexadecimal. A token is 256 random bits, which nobody finds by trying, however fast a
        hash is; a slow one (scrypt) protects passwords that can be guessed, and would cost each request 50 ms.
    sources: patterns, see SourceGrants; None for every source. since: the day on which the token was made.
    """

    role: Role
    token_sha256: str
    since: str = ""
    sources: tuple[str, ...] | None = None
    grants: SourceGrants = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.token_sha256):
            raise InvalidValueError("token_sha256 must be 64 hexadecimal digits; make a token: regionlake users token")
        require.one_of(ROLES, role=self.role)
        object.__setattr__(self, "grants", SourceGrants(self.sources))
        if self.role == "admin" and self.sources is not None:
            raise InvalidValueError(
                "an admin adds feeds and so sees every source; give the role operator, or no sources"
            )


class UsersFile:
    """The file `path` with its `[users.NAME]` tables. Any thread may call it.

    Every change replaces the whole file atomically, and processes change it one after the other. Its user alone may
    read it. Raises PlanError where it cannot be read or changed, or others may write to it: they could add an admin.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._users: Mapping[str, User] = {}

    def read(self) -> Mapping[str, User]:
        """The users by name, from memory while the file is the same."""
        try:
            about = self.path.stat()
        except OSError as error:
            raise PlanError(f"the users in {self.path} cannot be read: {error.strerror}") from None
        stamp = about.st_ino, about.st_mtime_ns, about.st_size
        with self._lock:
            if stamp != self._stamp:
                if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                    raise PlanError(
                        f"{self.path} can be written by others, who could add users; run: chmod 600 {self.path}"
                    )
                self._users, self._stamp = self._read(), stamp
            return self._users

    def add(self, name: str, *, role: Role, sources: tuple[str, ...] | None) -> str:
        """Adds a user; makes the file if there is none. Returns the token, which is kept nowhere."""
        if not re.fullmatch(_NAME, name):
            raise PlanError(f"a user's name is 1 to 64 letters, digits and . _ @ -, got {name!r}")
        if name == HOLDER:
            raise PlanError(
                f"no user can be named {HOLDER}: beside --token-file it is the name of that token's holder, "
                "and the user would never be let in; give another name"
            )
        token = new_token()
        with self._changing():
            users = self._read() if self.path.exists() else {}
            if name in users:
                raise PlanError(f"{self.path} has a user {name} already; remove them first, or make a new token")
            try:
                made = User(role, hash_of(token), _today(), sources)
            except InvalidValueError as error:
                raise PlanError(str(error)) from None
            self._write({**users, name: made})
        return token

    def remove(self, name: str) -> None:
        with self._changing():
            users = self._with(name)
            del users[name]
            self._write(users)

    def renew(self, name: str) -> str:
        """A new token for a user, whose former one and whose sessions end. Returns the token, which is kept nowhere."""
        token = new_token()
        with self._changing():
            users = self._with(name)
            self._write({**users, name: replace(users[name], token_sha256=hash_of(token), since=_today())})
        return token

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            with file_lock(self.path.resolve()):
                yield
        except OSError as error:
            raise PlanError(f"{self.path} cannot be changed: {error}") from None

    def _read(self) -> dict[str, User]:
        users = read_named_tables(self.path, "users", User, converter=_converter, pipes=False)
        hashes = {user.token_sha256 for user in users.values()}
        if len(hashes) < len(users):
            raise PlanError(f"{self.path} has two users with one token; make a new one: regionlake users token NAME")
        return users

    def _with(self, name: str) -> dict[str, User]:
        users = self._read()
        if name not in users:
            raise PlanError(f"{self.path} has no user {name}; it has {', '.join(sorted(users)) or 'none'}")
        return users

    def _write(self, users: Mapping[str, User]) -> None:
        tables = {name: _table(user) for name, user in users.items()}
        with atomic_write(self.path.resolve()) as path:
            path.touch(mode=_MODE)
            path.chmod(_MODE)
            path.write_text(tomli_w.dumps({"users": tables}), encoding="utf-8")


def new_token() -> str:
    """256 random bits, as text."""
    return _PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)


def hash_of(token: str) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _table(user: User) -> dict[str, object]:
    table: dict[str, object] = {"role": user.role, "token_sha256": user.token_sha256, "since": user.since}
    return table if user.sources is None else table | {"sources": list(user.sources)}


def _text(value: object, _: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {type(value).__name__}")
    return value


_converter = cattrs.Converter(forbid_extra_keys=True)
_converter.register_structure_hook(str, _text)
