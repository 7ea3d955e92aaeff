"""What each role may do. Catches a request that a role should not make, a route that no right names, and a table that
disagrees with the OpenAPI and the README."""

from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

import deploy.server
from deploy.server.access.rights import OPEN, RIGHTS, ROLES, right_of
from deploy.server.auditing.audited import ACTIONS
from tests.deploy.server.with_users import As

METHODS = ("get", "post", "put", "delete", "patch")


@pytest.fixture(scope="module")
def described(as_user: As) -> dict[str, dict[str, Any]]:
    """Operations of the OpenAPI by `METHOD /path`."""
    paths = as_user("viewer").get("/api/openapi.json").json()["paths"]
    return {
        f"{method.upper()} {path}": operation
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method in METHODS
    }


def test_every_route_has_one_right_or_is_open(described: dict[str, dict[str, Any]]) -> None:
    listed = [route for right in RIGHTS for route in right.routes]
    assert len(set(listed)) == len(listed)
    assert {*described, "GET /api/openapi.json", "GET /{path:path}"} == {*listed, *OPEN}


def test_the_openapi_says_what_each_request_needs(described: dict[str, dict[str, Any]]) -> None:
    for route, operation in described.items():
        right = right_of(*route.split(" "))
        if right is None:
            assert operation["security"] == []
        else:
            assert right.needs() in operation["description"]
            assert operation["security"]


def test_the_readme_has_the_table() -> None:
    readme = (Path(deploy.server.__file__).parent / "README.md").read_text()
    for right in RIGHTS:
        whole = ", with every source" if right.every_source else ""
        assert f"| `{right.name}` | {right.role}{whole} | {right.about} |" in readme


def test_every_change_is_audited(described: dict[str, dict[str, Any]]) -> None:
    changes = {route for route in described if not route.startswith("GET ")}
    assert changes - set(ACTIONS) == {"POST /api/pictures", "POST /api/region"}  # the search that uses them is


def filled(path: str) -> str:
    return path.replace("{id}", "0" * 32).replace("{frame_id}", "0" * 32).replace("{name}", "absent")


@pytest.mark.parametrize("role", [*ROLES, "guest", "guard"])
def test_a_role_may_do_what_the_table_says_and_nothing_else(role: str, as_user: As) -> None:
    web = as_user(role)
    own = {"guest": "viewer", "guard": "operator"}.get(role, role)
    sees_all = role == own
    rights = web.get("/api/me").json()["rights"]
    for right in RIGHTS:
        may = ROLES.index(own) >= ROLES.index(right.role) and (sees_all or not right.every_source)  # type: ignore[arg-type]
        assert (right.name in rights) is may
        for route in right.routes:
            refused = asked(web, route) == 403
            assert refused is not may, route


BODIES = {  # {} for others: an ingest is 422 then; with a folder that is not offered it is 403 for any role
    "POST /api/pins": {"frame": "0" * 32},
    "POST /api/feeds": {"name": "x", "url": "/etc/passwd"},
}


def asked(web: httpx.Client, route: str) -> int:
    """The status of a request for what does not exist, or cannot be added."""
    method, path = route.split(" ")
    answer = web.request(method, filled(path), json=BODIES.get(route, {}) if method in ("POST", "PUT") else None)
    assert answer.status_code < 500, route
    return answer.status_code


def test_what_a_role_may_not_do_changes_nothing(as_user: As) -> None:
    before = as_user("admin").get("/api/feeds").json()["feeds"]
    feed = {"name": "new", "url": "rtsp://10.0.0.5/new"}
    for role in ("viewer", "operator"):
        assert as_user(role).post("/api/feeds", json=feed).status_code == 403
        assert as_user(role).delete("/api/feeds/gate").status_code == 403
    assert as_user("viewer").post("/api/feeds/gate/pause").status_code == 403
    assert as_user("admin").get("/api/feeds").json()["feeds"] == before


def test_somebody_without_a_token_learns_nothing(guarded: str, described: dict[str, dict[str, Any]]) -> None:
    with httpx.Client(base_url=guarded, timeout=60) as web:
        answers = {}
        for route in described:
            method, path = route.split(" ")
            if route not in OPEN:
                answers[route] = web.request(method, filled(path), headers={"Authorization": "Bearer rl_wrong"})
        assert {each.status_code for each in answers.values()} == {401}
        assert len({each.text for each in answers.values()}) == 1
