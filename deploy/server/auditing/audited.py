"""What of a request the audit log has."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

_LONGEST = 500  # of a text; nobody can fill the log by long questions
_MOST = 16
_DEEPEST = 8  # levels of a value; Python ends at some hundred, and the request would have no entry
ACTIONS: Mapping[str, str] = {
    "POST /api/search": "search",
    "POST /api/sql": "sql",
    "POST /api/watches/rehearsal": "rehearse",
    "GET /api/clips/{frame_id}.mp4": "clip",
    "POST /api/exports": "export",
    "POST /api/watches": "save watch",
    "PUT /api/watches/{name}": "change watch",
    "DELETE /api/watches/{name}": "remove watch",
    "POST /api/pins": "pin",
    "DELETE /api/pins/{id}": "unpin",
    "POST /api/feeds": "add feed",
    "POST /api/feeds/{name}/pause": "pause feed",
    "POST /api/feeds/{name}/resume": "resume feed",
    "DELETE /api/feeds/{name}": "remove feed",
    "POST /api/ingest": "ingest",
    "DELETE /api/ingest": "stop ingest",
    "POST /api/login": "sign in",
    "POST /api/logout": "sign out",
}
_FROM_START = "bytes=0-"  # a Range that begins as a whole clip does
_TOKEN = re.compile(r"rl_[\w-]{20,}")


def begin_note(request: Request, route: str) -> None:
    """Has the audit log record a request of one of these routes, once its status is known. route: `METHOD /path`."""
    action = ACTIONS.get(route)
    if action is not None:
        request.state.audit = {"action": action, "what": shortened(request.path_params)}
        # a player asks for a clip part by part; whether its start was requested is known to the recorder
        part = request.headers.get("range", _FROM_START)
        request.state.audit_part = action == "clip" and not part.startswith(_FROM_START)


def refuse_note(request: Request, route: str) -> None:
    """Has the audit log record that somebody asked what they may not."""
    action = ACTIONS.get(route, "refused")
    request.state.audit = {"action": action, "what": shortened({"request": route, **request.path_params})}


def note(request: Request, what: Mapping[str, object]) -> None:
    """Adds to the record about which things the request is; no secrets."""
    noted = getattr(request.state, "audit", None)
    if noted is not None:
        noted["what"] = {**noted["what"], **shortened(what)}


def shortened(value: Any, *, deepest: int = _DEEPEST) -> Any:
    """The value as the log has it: bounded in size and depth, without anything that looks like a token."""
    if isinstance(value, str):
        text = _TOKEN.sub("rl_…", value)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
    if isinstance(value, Mapping | list | tuple) and not deepest:
        return "…"
    if isinstance(value, Mapping):
        return {
            str(key)[:_LONGEST]: shortened(each, deepest=deepest - 1) for key, each in list(value.items())[: 4 * _MOST]
        }
    if isinstance(value, list | tuple):
        kept = [shortened(each, deepest=deepest - 1) for each in value[:_MOST]]
        return kept if len(value) <= _MOST else [*kept, f"… ({len(value)} values)"]
    return value if value is None or isinstance(value, bool | int | float) else str(value)[:_LONGEST]
