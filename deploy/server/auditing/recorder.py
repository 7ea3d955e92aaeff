"""Records requests in the audit log, when the status of their answer is known and before it is sent."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Scope, Send

from deploy.server.answers import error_answer
from deploy.server.auditing.audit_log import AuditLog
from schemas.errors import LakeError

_log = logging.getLogger(__name__)
_OFTEN = ("search", "rehearse", "clip")  # lines that may be lost with the power of the last second
_REFUSALS_S = 10.0
_PARTS_S = 600.0  # so long are the parts of a clip not recorded again; clips last seconds
_MOST_CLIPS = 4096
_Clip = tuple[str | None, str, bytes]  # who, path, query
_NOT_RECORDED = (
    "the request cannot be recorded in the audit log, and its answer is withheld; the log of the service says why"
)


class Recorder:
    """log: None where there is no login, as everybody is the same person then."""

    def __init__(self, log: AuditLog | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._refused_at = -_REFUSALS_S
        self._refused = 0
        self._clips: OrderedDict[_Clip, float] = OrderedDict()  # when they were recorded, oldest first

    def recording(self, scope: Scope, send: Send, *, client: str) -> Send:
        """Sends as `send` does; what `note` has left with the request is recorded first. client: the address."""
        if self._log is None:
            return send

        state, withheld = scope["state"], False

        async def recorded(message: Message) -> None:
            nonlocal withheld
            noted = state.pop("audit", None) if message["type"] == "http.response.start" else None
            if noted is not None:
                person = state.get("person")
                who = person.name if person else None
                clip = (who, scope["path"], scope.get("query_string", b""))
                known = state.pop("audit_part", False) and message["status"] < 400 and self._has_recorded(clip)
                try:
                    if not known:
                        await self._record(noted, who, client=client, status=message["status"])
                        if noted["action"] == "clip" and message["status"] < 400:
                            self._remember(clip)
                except LakeError as error:  # what cannot be recorded is not answered
                    _log.error("%s", error)
                    withheld = True
                    await error_answer(503, _NOT_RECORDED)(scope, _nothing, send)
            if not withheld:
                await send(message)

        return recorded

    def close(self) -> None:
        if self._log is not None:
            self._log.close()

    def _has_recorded(self, clip: _Clip) -> bool:
        at = self._clips.get(clip)
        return at is not None and self._clock() - at < _PARTS_S

    def _remember(self, clip: _Clip) -> None:
        self._clips[clip] = self._clock()
        self._clips.move_to_end(clip)
        if len(self._clips) > _MOST_CLIPS:
            self._clips.popitem(last=False)

    async def _record(self, noted: dict[str, object], who: str | None, *, client: str, status: int) -> None:
        assert self._log is not None
        entry = {"at": datetime.now(UTC).isoformat(), "who": who, "from": client, **noted, "status": status}
        if who is None:
            # whoever guesses tokens must not push everything else out of the log
            self._refused += 1
            if self._clock() - self._refused_at < _REFUSALS_S:
                return
            entry["what"] = {"times": self._refused}
            self._refused_at, self._refused = self._clock(), 0
        log, sync = self._log, noted["action"] not in _OFTEN
        await run_in_threadpool(lambda: log.write(entry, sync=sync))


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
