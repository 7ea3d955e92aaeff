"""Clips on disk: each is cut once, and the least recently used ones are deleted."""

import contextlib
import os
import threading
import uuid
from concurrent.futures import Future
from pathlib import Path

from deploy.server.answers import RequestError
from deploy.server.media.originals import Originals
from deploy.server.showing.frames import FoundFrame, clip_s
from operators.runtime.own_folder import make_own_folder
from schemas.errors import LakeError
from schemas.ids import digest

MOST_BYTES = 2 * 2**30


class ClipCache:
    """Cuts clips of hits into a folder of at most `most_bytes`. Any thread may call it; a clip is cut by the first."""

    def __init__(self, originals: Originals, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._originals = originals
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._cutting: dict[str, Future[None]] = {}
        for part in folder.glob("*.part.mp4"):  # of a service that was killed; one that runs still has its file open
            part.unlink(missing_ok=True)

    def __call__(self, frame: FoundFrame, *, around_s: float) -> Path:
        """The file of the clip. Raises RequestError with 410 for a picture, SourceError where its video is gone."""
        span = clip_s(frame, around_s=around_s)
        if span is None:
            raise RequestError(410, "there is no clip of this hit: its source is a picture")
        version = self._originals.version(frame, span)
        path = self._folder / f"{digest('clip', frame.id, frame.source_id, repr(span), version)}.mp4"
        with self._lock:
            if path.exists():
                with contextlib.suppress(OSError):
                    os.utime(path)
                return path
            cutting = self._cutting.get(path.name)
            if cutting is None:
                self._make_folder()
                part = self._folder / f"{uuid.uuid4().hex}.part.mp4"
                cutting = self._originals.clip(
                    frame, part, start_s=span[0], stop_s=span[1], keep=lambda: self._keep(part, path)
                )
                self._cutting[path.name] = cutting
        try:
            cutting.result()
        finally:
            with self._lock:
                self._cutting.pop(path.name, None)
        return path

    def _keep(self, part: Path, path: Path) -> None:
        with self._lock:
            self._evict(keep_bytes=self._most_bytes - part.stat().st_size)
            part.replace(path)

    def _make_folder(self) -> None:
        try:
            make_own_folder(self._folder)
        except OSError as error:
            raise LakeError(f"the folder of clips cannot be used: {error}") from error

    def _evict(self, *, keep_bytes: int) -> None:
        files = sorted(((each.stat(), each) for each in self._folder.glob("*.mp4")), key=lambda pair: pair[0].st_mtime)
        held = sum(about.st_size for about, _ in files)
        for about, each in files:
            if held <= keep_bytes:
                return
            if each.name.endswith(".part.mp4"):
                continue
            each.unlink(missing_ok=True)
            held -= about.st_size
