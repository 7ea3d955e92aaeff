"""`/api/login`, `/api/logout`, `/api/me`, and the check of rights before every route."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from deploy.server.access.people import People, Person, person_of
from deploy.server.access.rights import Role, right_of, rights_of
from deploy.server.answers import RequestError, json_answer
from deploy.server.auditing.audited import begin_note, refuse_note

_CLEAR = '"cache"'  # pictures that were shown may be kept for an hour, and the next user is somebody else


class Login(BaseModel):
    """A token."""

    token: str


class MeAnswer(BaseModel):
    """Who asks. signed_in: whether by a cookie, which can be ended. rights: what they may do. sources: the patterns of
    the sources that they see; None for every source."""

    name: str
    role: Role
    signed_in: bool
    rights: list[str]
    sources: list[str] | None


async def require_right(request: Request) -> None:
    """Raises RequestError where whoever asks may not ask this. A route that no right names is refused to all."""
    path = request.scope["route"].path
    right = right_of(request.method, path)
    begin_note(request, f"{request.method} {path}")
    if right is None:
        return
    person = person_of(request)
    if not person.may(right):
        refuse_note(request, f"{request.method} {path}")
        whole = " and sees every source" if right.every_source else ""
        raise RequestError(
            403, f"{person.name} may not do this as {person.role}: it is for whoever has the role {right.role}{whole}"
        )


def access_routes(people: People, *, secure: bool) -> APIRouter:
    """secure: whether the cookie is sent over TLS alone."""
    router = APIRouter(tags=["service"])
    same_site: Literal["strict"] = "strict"

    @router.post("/api/login", status_code=204, response_class=Response, summary="Sign in with a cookie")
    async def login(request: Request, body: Login) -> Response:
        """A page's pictures and videos send no header; with the cookie they need none. The former session ends."""
        if not people.need_login:
            return Response(status_code=204)
        signed = people.sign_in(body.token.strip(), headers=request.headers)
        if signed is None:
            raise RequestError(401, "the token is wrong")
        person, cookie = signed
        request.state.person = person
        answer = Response(status_code=204)
        answer.headers["Clear-Site-Data"] = _CLEAR  # whoever was signed in before may not have signed out
        answer.set_cookie(people.cookie, cookie, httponly=True, samesite=same_site, secure=secure, path="/")
        return answer

    @router.post("/api/logout", status_code=204, response_class=Response, summary="Sign out")
    async def logout(request: Request) -> Response:
        """The session of the cookie ends."""
        name = people.sign_out(request.headers)
        if name is None:
            request.state.audit = None  # nobody has signed out
        else:
            request.state.person = Person(name, "viewer")
        answer = Response(status_code=204)
        answer.headers["Clear-Site-Data"] = _CLEAR
        answer.delete_cookie(people.cookie, httponly=True, samesite=same_site, secure=secure, path="/")
        return answer

    @router.get("/api/me", response_model=MeAnswer, summary="Show who asks")
    async def me(request: Request) -> Response:
        """The page hides what they may not do."""
        person = person_of(request)
        sources = person.sources.patterns
        rights = rights_of(person.role, every_source=person.sources.everything)
        return json_answer(
            {
                "name": person.name,
                "role": person.role,
                "signed_in": people.sessions.find(people.cookie_of(request.headers)) is not None,
                "rights": [right.name for right in rights],
                "sources": None if sources is None else list(sources),
            }
        )

    return router
