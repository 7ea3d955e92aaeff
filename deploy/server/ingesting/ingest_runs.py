"""Runs an ingest beside the searches, one at a time, and keeps how far it is."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from deploy.server.answers import RequestError
from pipeline.ingest.progress import IngestReport, Progress
from pipeline.ingest.run import ingest
from pipeline.plan.plan import Plan
from pipeline.reading.sources import Failure
from pipeline.runtime.threads import REAL_THREADS, RunningThread
from schemas.errors import RegionLakeError
from schemas.file_names import path_of_uri, printable
from schemas.recorder_names import KNOWN_FORMS, NameRule
from schemas.visible_text import visible

_log = logging.getLogger(__name__)
State = Literal["running", "done", "failed", "stopped"]
_MOST_ERRORS = 100


@dataclass(frozen=True, slots=True)
class IngestStatus:
    """A run at one moment. version: grows with each change. folder: its name, with the path within it.

    progress: fields of Progress. skipped: sources that the lake held already. errors: `(source, reason)` of those that
    could not be read, by their paths within the folder. notes: the same of those that were ingested, such as that the
    hour in a name exists twice. error: why the whole run failed.
    """

    version: int
    folder: str
    state: State
    began: datetime
    progress: Mapping[str, float]
    skipped: int = 0
    errors: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    error: str | None = None


class _StoppedError(Exception):
    """Ends a run from within; what it has committed stays."""


class IngestRuns:
    """folders: those that may be ingested, by the names under which they are offered. naming: how the times in names
    of their files are read."""

    def __init__(self, lake: str, plan: Plan, folders: Mapping[str, Path], *, naming: NameRule = KNOWN_FORMS) -> None:
        self._lake = lake
        self._plan = plan
        self._naming = naming
        self.folders = {name: folder.resolve() for name, folder in folders.items()}
        self._lock = threading.Lock()
        self._status: IngestStatus | None = None
        self._stopping = False
        self._thread: RunningThread | None = None

    def status(self) -> IngestStatus | None:
        """Of the run that is under way, or else the last; None before the first."""
        with self._lock:
            return self._status

    def start(self, folder: str, path: str) -> IngestStatus:
        """Begins to ingest a folder or a file in it. Raises RequestError where that may not be, or another runs."""
        found = self._find(folder, path)
        with self._lock:
            if self._status is not None and self._status.state == "running":
                raise RequestError(409, f"{self._status.folder} is being ingested; stop that, or wait for its end")
            version = 0 if self._status is None else self._status.version + 1
            shown = "/".join(part for part in (folder, path.strip("/")) if part)
            self._status = IngestStatus(version, shown, "running", datetime.now(UTC), {})
            self._stopping = False
            self._thread = REAL_THREADS.start("ingest", lambda: self._run(found))
            return self._status

    def stop(self) -> None:
        """Ends the run after its current step. Raises RequestError where none is under way."""
        with self._lock:
            if self._status is None or self._status.state != "running":
                raise RequestError(404, "nothing is being ingested")
            self._stopping = True

    def close(self) -> None:
        with self._lock:
            self._stopping = True
        if self._thread is not None:
            self._thread.join()

    def _find(self, folder: str, path: str) -> Path:
        root = self.folders.get(folder)
        if root is None:
            known = ", ".join(self.folders) or "none: start the service with --ingest-from FOLDER"
            raise RequestError(403, f"{folder[:100]} is no folder that may be ingested; there are {known}")
        try:
            found = (root / path.lstrip("/")).resolve()
            exists = found.is_relative_to(root) and found.exists()
        except (OSError, ValueError):  # a name that is too long, or has a NUL
            exists = False
        if not exists:
            raise RequestError(404, f"{folder} has no {path[:200]}")
        return found

    def _run(self, path: Path) -> None:
        try:
            report = ingest([str(path)], self._lake, self._plan, naming=self._naming, on_progress=self._note)
        except _StoppedError:
            self._end("stopped")
        except RegionLakeError as error:
            self._end("failed", error=str(error))
        except Exception as error:
            _log.error("the ingest of %s failed", visible(path.name), exc_info=error)
            self._end("failed", error="it failed unexpectedly; the log of the service says why")
        else:
            self._end("done", report=report)

    def _note(self, progress: Progress) -> None:
        with self._lock:
            assert self._status is not None
            self._status = replace(self._status, version=self._status.version + 1, progress=asdict(progress))
            if self._stopping:
                raise _StoppedError

    def _end(self, state: State, *, report: IngestReport | None = None, error: str | None = None) -> None:
        failures = () if report is None else (*report.quarantined, *report.failed)
        with self._lock:
            assert self._status is not None
            self._status = replace(
                self._status,
                version=self._status.version + 1,
                state=state,
                skipped=0 if report is None else report.skipped,
                errors=tuple(self._named(each) for each in failures[:_MOST_ERRORS]),
                notes=() if report is None else tuple(self._named(each) for each in report.notes[:_MOST_ERRORS]),
                error=error,
            )

    def _named(self, failure: Failure) -> tuple[str, str]:
        """The source by its path within its folder, and what is said of it."""
        path = path_of_uri(failure.uri)
        inside = (Path(path).relative_to(root) for root in self.folders.values() if Path(path).is_relative_to(root))
        name = printable(str(next(inside, Path(path).name)))
        return name, failure.error.replace(path, name).replace(failure.uri, name)
