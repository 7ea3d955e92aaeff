"""Finds out who sends a request: by a token or by the cookie of a session."""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.requests import Request

from deploy.server.access.rights import Right, Role
from deploy.server.access.sessions import Sessions
from deploy.server.access.source_grants import EVERY_SOURCE, SourceGrants
from deploy.server.access.users_file import HOLDER, UsersFile, hash_of


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks. name: as the audit log has it."""

    name: str
    role: Role
    sources: SourceGrants = EVERY_SOURCE

    def may(self, right: Right) -> bool:
        return right.is_of(self.role, every_source=self.sources.everything)


ANYBODY = Person("anybody", "admin")  # where there is no login, which is on this machine alone


class People:
    """Who may ask: everybody without a token and users; else the holder of the token, and the users of the file.

    cookie: the name of the cookie. Raises PlanError where the file of users cannot be read: then nobody may ask.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        users: UsersFile | None = None,
        cookie: str,
        sessions: Sessions | None = None,
    ) -> None:
        self._token_sha256 = None if token is None else hash_of(token)
        self._users = users
        self.cookie = cookie
        self.sessions = sessions or Sessions()

    @property
    def need_login(self) -> bool:
        return self._token_sha256 is not None or self._users is not None

    def of_request(self, headers: Headers) -> Person | None:
        """None for one that has neither a token nor a session that is known."""
        if not self.need_login:
            return ANYBODY
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.of_token(token.strip())
        session = self.sessions.find(self.cookie_of(headers))
        if session is None:
            return None
        found = dict(self._known()).get(session.name)
        return found[1] if found is not None and found[0] == session.token_sha256 else None

    def of_token(self, token: str) -> Person | None:
        """The person with this token, in a time that does not depend on it: it is compared with all."""
        given, found = hash_of(token), None
        for _, (known, person) in self._known():
            if hmac.compare_digest(given, known):
                found = person
        return found

    def sign_in(self, token: str, *, headers: Headers) -> tuple[Person, str] | None:
        """The person with this token and what their cookie holds; None for a wrong token. A former session ends."""
        person = self.of_token(token)
        if person is None:
            return None
        self.sign_out(headers)
        return person, self.sessions.begin(person.name, token_sha256=hash_of(token))

    def sign_out(self, headers: Headers) -> str | None:
        """Ends the session of a request; returns the name of its user, if there was one."""
        ended = self.sessions.end(self.cookie_of(headers))
        return None if ended is None else ended.name

    def cookie_of(self, headers: Headers) -> str:
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load(headers.get("cookie", ""))
        except CookieError:
            return ""
        return cookies[self.cookie].value if self.cookie in cookies else ""

    def _known(self) -> Iterator[tuple[str, tuple[str, Person]]]:
        """Everybody by name, with the hash of their token."""
        if self._token_sha256 is not None:
            yield HOLDER, (self._token_sha256, Person(HOLDER, "admin"))
        if self._users is not None:
            for name, user in self._users.read().items():
                if name != HOLDER or self._token_sha256 is None:
                    yield name, (user.token_sha256, Person(name, user.role, user.grants))


def person_of(request: Request) -> Person:
    """Who sends a request that has passed the guard."""
    person: Person = request.state.person
    return person
