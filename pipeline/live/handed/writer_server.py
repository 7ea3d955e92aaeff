"""Commits the work of other processes in that of the lake's writer, beside its own commits."""

import logging
import socket
import threading
import tomllib
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from pipeline.forget.places import Place
from pipeline.forget.run import Forgotten, forgotten_to_json, places_from_json
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.upkeep_status import UpkeepStatus, upkeep_json
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.extra_vector_column import OwnColumnWriter
from pipeline.live.commits.stored_json import segment_from_json, source_from_json, span_to_json
from pipeline.live.handed.handed_json import (
    config_from_json,
    error_to_json,
    rows_from_json,
    stored_plan_from_json,
)
from pipeline.live.handed.local_socket import listen, of_this_user
from pipeline.live.handed.messages import Message, receive, send
from pipeline.plan.plan import Plan
from pipeline.plan.plan_file import structure_plan
from pipeline.plan.stored_plan import StoredPlan
from pipeline.runtime.threads import REAL_THREADS, RunningThread, SupervisedThread, Threads
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.errors import LakeError
from schemas.vectors import VectorSpace

OpenBeside = Callable[[Plan, StoredPlan], Committer]


class ForgetPlaces(Protocol):
    def __call__(self, places: Sequence[Place], *, pinned: bool) -> Forgotten: ...


RunPass = Callable[[UpkeepConfig], UpkeepStatus]
_log = logging.getLogger(__name__)


class WriterServer:
    """Listens beside a lake for processes of the same user, and does what they hand over, until `close()`.

    committer: the lake's writer, whose lease names this process. open_beside: makes a committer of another plan that
    shares its lease. run_pass: does a pass of upkeep. forget: forgets places while no upkeep is done. folder: where the
    socket is (`StateFolder.path`).
    Each connection has a thread; the changes of the lake are done one after the other, between the writer's own.
    Raises OSError where the socket cannot be made.
    """

    def __init__(
        self,
        committer: Committer,
        folder: Path,
        *,
        open_beside: OpenBeside,
        run_pass: RunPass,
        forget: ForgetPlaces,
        time: TimeSource = REAL_TIME,
        threads: Threads = REAL_THREADS,
    ) -> None:
        self.committer = committer
        self.open_beside = open_beside
        self.run_pass = run_pass
        self.forget = forget
        self._threads = threads
        self._listener = listen(folder)
        self._lock = threading.Lock()
        self._closing = False
        self._connections: dict[socket.socket, RunningThread | None] = {}
        self._thread = SupervisedThread("writer socket", self._accept, time=time, threads=threads)

    def close(self) -> None:
        """Refuses further work, and waits until the calls that are under way have been answered."""
        with self._lock:
            self._closing = True
            held = list(self._connections.items())
        _shut(self._listener, socket.SHUT_RDWR)
        self._listener.close()
        for connection, _ in held:
            _shut(connection, socket.SHUT_RD)
        self._thread.end()
        self._thread.join()
        for _, thread in held:
            if thread is not None:
                thread.join()

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._closing:
                    return
                raise
            if not of_this_user(connection):
                connection.close()
                continue
            with self._lock:
                if self._closing:
                    connection.close()
                    return
                self._connections[connection] = None
            thread = self._threads.start("handed work", lambda held=connection: self._serve(held))  # type: ignore[misc]
            with self._lock:
                if connection in self._connections:
                    self._connections[connection] = thread

    def _serve(self, connection: socket.socket) -> None:
        job = _Job(self)
        try:
            while (message := receive(connection)) is not None:
                try:
                    answer = job(message)
                except Exception as error:  # raised where the call was made
                    send(connection, {"error": error_to_json(error)})
                else:
                    send(connection, {"answer": answer})
        except (OSError, ValueError) as error:  # killed in the middle of a message
            _log.warning("a process that had handed work over is gone: %s", error)
        finally:
            try:
                job.close()
            except LakeError as error:
                _log.error("handed work cannot be ended: %s", error)
            with self._lock:
                self._connections.pop(connection, None)
            connection.close()


class _Job:
    """The work of one connection, from its first message to its end."""

    def __init__(self, server: WriterServer) -> None:
        self._server = server
        self._committer: Committer | None = None
        self._column: OwnColumnWriter | None = None

    def __call__(self, message: Message) -> Any:
        body = message.body
        match body["call"]:
            case "hello":
                return {"lease": self._server.committer.lease.number, "version": version("regionlake")}
            case "open":
                plan = structure_plan(tomllib.loads(body["plan"]["plan"]), class_paths=True)
                self._committer = self._server.open_beside(plan, stored_plan_from_json(body["plan"]))
                return None
            case "register":
                spans = self._writer.register(source_from_json(body["source"]), replace=body["replace"])
                return [span_to_json(span) for span in spans]
            case "commit":
                return self._writer.commit(rows_from_json(body["rows"], message.tables))
            case "fail":
                segment = segment_from_json(body["segment"])
                return self._writer.fail(segment, state=body["state"], error=body["error"], lost=body["lost"])
            case "quarantine":
                return self._writer.quarantine(body["uri"], error=body["error"])
            case "close":
                return self.close()
            case "upkeep":
                return upkeep_json(self._server.run_pass(config_from_json(body["config"])))
            case "forget":
                places = places_from_json(body["places"])
                return forgotten_to_json(self._server.forget(places, pinned=body["pinned"]))
            case "add column":
                beside = self._server.committer
                self._column = self._column or OwnColumnWriter(Lake.open(beside.lake.uri), beside=beside)
                return self._column.add(VectorSpace.from_json(body["space"].encode()))
            case "fill column":
                if self._column is None:
                    raise LakeError("the column must be added before it is filled")
                return self._column.fill(body["table"], *message.tables)
            case other:
                raise LakeError(f"the follower knows no work {other!r}; update the older of the two installations")

    @property
    def _writer(self) -> Committer:
        if self._committer is None:
            raise LakeError("handed rows need a plan first")
        return self._committer

    def close(self) -> None:
        committer, self._committer = self._committer, None
        if committer is not None:
            committer.close()


def _shut(connection: socket.socket, how: int) -> None:
    with suppress(OSError):  # the other end may have closed it already
        connection.shutdown(how)
